"""The benchmark: its arithmetic, and a miniature run of all of it with a tiny model."""

from __future__ import annotations

import contextlib
import io
import json
import math
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bench import evaluation
from bench.evaluation import extrapolated
from bench.fusion import adamw, peak_bytes
from bench.machine import describe
from bench.main import run
from bench.processes import python
from bench.report import Row, bytes_row, sections, time_row
from bench.settings import Settings
from bench.timing import Ratio, interleave, ratio, timed
from bench.training import train_official, train_ours
from bench.workload import Workload, grouped
from benchmark import main
from transformers import Trainer

from modeling_dlfa import processor
from modeling_dlfa.errors import InputError
from modeling_dlfa.pages.rendering import to_markdown

from ..conftest import ROOT

CORPUS = ROOT / "examples/demo/corpus"
CPU = torch.device("cpu")


def test_rounds_alternate_their_order() -> None:
    done: list[str] = []
    seconds = interleave({"a": lambda: done.append("a") or 1.0, "b": lambda: done.append("b") or 2.0}, 3)
    assert done == ["a", "b", "b", "a", "a", "b"]
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_a_machine_that_slows_down_does_not_move_the_ratio() -> None:
    speeds = iter([1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    seconds = interleave({"a": lambda: 1 * next(speeds), "b": lambda: 3 * next(speeds)}, 5)
    assert max(seconds["a"]) == 9 * min(seconds["a"])
    assert ratio(seconds["b"], seconds["a"]) == Ratio(3.0, 3.0, 3.0, 5)


def test_a_function_is_timed_with_all_threads() -> None:
    threads: list[int] = []
    measure = timed(lambda: (threads.append(torch.get_num_threads()), time.sleep(0.05)))
    before = torch.get_num_threads()
    assert 0.05 <= measure() < 0.5
    assert set(threads) == {before}


def test_ratios_are_of_the_same_round() -> None:
    found = ratio([2.0, 8.0, 9.0, 40.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found == Ratio(3.0, 2.0, 4.0, 5)
    assert ratio([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5, 1)
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError):
        ratio([], [])


def test_a_goal_is_met_on_its_own_side() -> None:
    def met(median: float, better: Any, goal: float | None = 2.0) -> bool | None:
        return Row("g", "n", "1 s", ratio=Ratio(median, median, median, 1), goal=goal, better=better).met

    assert [met(1.9, "high"), met(2.0, "high"), met(2.0, "low"), met(2.1, "low")] == [False, True, True, False]
    assert Row("g", "n", goal=2.0).met is None and met(2.0, "high", None) is None


def test_rows_divide_the_right_way_round() -> None:
    faster = time_row("g", "n", [1.0, 1.0], [3.0, 5.0], "theirs", goal=3.5)
    assert faster.ratio is not None and faster.ratio.median == 4.0 and faster.met
    assert (faster.ours, faster.theirs) == ("1 s", "theirs: 4 s")
    share = time_row("g", "n", [0.02, 0.02], [0.04, 0.04], "theirs", better="low", goal=0.4)
    assert share.ratio is not None and share.ratio.median == 0.5 and share.met is False and share.ours == "20 ms"
    memory = bytes_row("g", "n", 2**20, 2**21, "theirs", 1.0)
    assert memory.ratio == Ratio(0.5, 0.5, 0.5, 1) and memory.ours == "1.0 MiB" and memory.met


def test_the_table_says_what_was_measured_and_what_was_not() -> None:
    rows = [
        time_row("training", "step", [1.0, 2.0], [3.0, 5.0], "official", goal=2.6, note="32 examples."),
        Row("training", "bf16", note="No instructions."),
    ]
    machine = {"device": "cpu", "versions": {"torch": "2"}}
    text = to_markdown(sections({"machine": machine, "rows": [asdict(row) for row in rows]}))
    assert "| training: step | 1.5 s | official: 4 s | 2.75× (2.62–2.88; 2) | ≥ 2.6× | yes |" in text
    assert "| training: bf16 | not measured |  |  |  |  |" in text
    assert "- training, step: 32 examples." in text and "- training, bf16: No instructions." in text
    assert "- versions: torch 2" in text


def test_peak_memory_is_counted_to_the_byte() -> None:
    def work() -> None:
        first, second = torch.empty(1 << 20, dtype=torch.uint8), torch.empty(1 << 19, dtype=torch.uint8)
        del first
        third = torch.empty(1 << 18, dtype=torch.uint8)
        del second, third

    assert peak_bytes(work, torch.nn.Identity(), None, CPU) == (1 << 20) + (1 << 19)


def test_held_memory_counts_each_storage_once() -> None:
    def held(optimizer: torch.optim.Optimizer | None = None) -> int:
        return peak_bytes(lambda: None, model, optimizer, CPU)

    model = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    assert held() == 256
    optimizer = adamw(model)
    model(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    assert held(optimizer) == 256 + 2 * 256 + 4  # Two averages, and the count of steps.


def test_a_failed_process_tells_why() -> None:
    seconds, printed = python(["-c", "import os; print(os.environ['HF_HUB_OFFLINE'])"])
    assert printed.split() == ["1"] and seconds > 0
    with pytest.raises(RuntimeError, match="status 3:\nso it is"):
        python(["-c", "print('so it is'); raise SystemExit(3)"])


def test_more_rows_cost_predicting_alone() -> None:
    assert extrapolated(12.0, 2.0, 1) == 12.0 and extrapolated(12.0, 2.0, 10) == 30.0


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> str:
    letters = sorted({letter for file in CORPUS.glob("t*-*.tsv") for letter in file.read_text(encoding="utf-8")})
    letters = [letter for letter in letters if not letter.isspace()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def tiny(vocabulary: str, tmp_path: Path) -> Settings:
    return Settings(
        train_file=str(CORPUS / "train-en.tsv"),
        test_file=str(CORPUS / "test-{language}.tsv"),
        vocab_file=vocabulary,
        output_dir=str(tmp_path / "bench"),
        size="tiny",
        device="cpu",
        batch_size=8,
        steps=2,
        rows=2,
        examples=6,
        rounds=1,
        starts=1,
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same programs with the same arguments, without the seconds that it takes to start each of them."""

    def call(arguments: Sequence[object]) -> tuple[float, str]:
        script, *rest = map(str, arguments)
        output, started = io.StringIO(), time.perf_counter()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(output):
            patch.setattr(sys, "argv", [script, *rest])
            runpy.run_path(script, run_name="__main__")
        return time.perf_counter() - started, output.getvalue()

    for module in ("training", "evaluation"):
        monkeypatch.setattr(f"bench.{module}.python", call)


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """Shape of each batch that a Trainer, anybody's, is trained with."""
    seen: list[tuple[int, ...]] = []
    step = Trainer.training_step

    def spy(self: Trainer, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        seen.append(tuple(inputs["input_ids"].shape))
        return step(self, model, inputs, *more, **named)

    monkeypatch.setattr(Trainer, "training_step", spy)
    yield seen


def test_both_recipes_train_on_the_same_rows_and_one_of_them_on_padding(
    tiny: Settings, tmp_path: Path, in_this_process: None, shapes: list[tuple[int, ...]]
):
    workload = Workload(tiny, tmp_path)
    file = workload.training_file(2)
    official = train_official(workload, file, tmp_path / "official")
    assert shapes == [(8, 128), (8, 128)] and official["train_runtime"] > 0
    shapes.clear()
    ours = train_ours(workload, file, tmp_path / "ours")
    assert ours["steps"] == 2 and ours["seconds"] > 0
    assert [rows for rows, _ in shapes] == [8, 8]
    padded = sum(rows * width for rows, width in shapes) / file.rows
    assert padded == pytest.approx(file.padded) and file.real <= padded < 128
    assert ours["loss"] == pytest.approx(official["train_loss"], abs=0.3)


def test_few_steps_stand_for_an_epoch(tiny: Settings, tmp_path: Path):
    workload = Workload(replace(tiny, batch_size=4), tmp_path)
    file = workload.training_file(12)
    lines = file.path.read_text(encoding="utf-8").splitlines()
    known = set((CORPUS / "train-en.tsv").read_text(encoding="utf-8").splitlines())
    assert len(lines) == 1 + file.rows == 49 and set(lines) <= known

    def mean(rows: list[str]) -> float:
        first, second, _ = zip(*(row.split("\t") for row in rows), strict=True)
        lengths = workload.tokenizer(list(first), list(second), truncation="longest_first", max_length=128)
        return sum(map(len, lengths["input_ids"])) / len(rows)

    assert mean(lines[1:]) == pytest.approx(file.real)
    assert file.real == pytest.approx(mean(sorted(known - {lines[0]})), rel=0.05)
    with pytest.raises(InputError, match="fewer --steps"):
        workload.training_file(5000)


def test_batches_are_those_of_the_runner():
    lengths = torch.arange(1, 25).numpy()
    batches = grouped(lengths, 4)
    assert sorted(index for batch in batches for index in batch) == list(range(24))
    assert all(lengths[batch].max() - lengths[batch].min() == 3 for batch in batches)


@pytest.mark.slow
def test_a_miniature_run_of_everything(
    tiny: Settings, in_this_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(tiny)
    output = Path(tiny.output_dir)
    assert {path.name for path in output.iterdir()} == {"bench.json", "bench.md"}
    assert json.loads((output / "bench.json").read_text(encoding="utf-8")) == results
    assert (output / "bench.md").read_text(encoding="utf-8") in capsys.readouterr().out
    rows = [row for row in results["rows"] if row["ratio"] is not None]
    assert list(dict.fromkeys(row["group"] for row in rows)) == [
        "fusion",
        "training",
        "evaluation",
        "loading",
        "prediction",
        "trimming",
    ]
    for row in rows:
        assert row["ratio"]["median"] > 0 and math.isfinite(row["ratio"]["median"]), row
    memory = [row["ratio"]["median"] for row in rows if row["group"] == "fusion" and "peak memory" in row["name"]]
    assert len(memory) == 4 and all(1.0 < share < 1.5 for share in memory)
    with_goals = [row for row in rows if row["goal"] is not None]
    bf16 = sum("bf16" in row["name"] for row in with_goals)
    # Fusion has thirteen goals, training and evaluation one each, loading two, prediction two, and with each kind of
    # ONNX three; where bf16 is, it has those of fp32. Trimming has six.
    assert len(with_goals) == 31 + bf16
    assert bf16 == 4 or any(row["name"] == "bf16" and row["ratio"] is None for row in results["rows"])
    assert results["machine"]["device"] == "cpu" and results["machine"]["size"] == "tiny"
    assert set(results["machine"]) >= set(describe(tiny)) >= {"processor", "threads", "versions", "date", "command"}


@pytest.mark.slow
def test_an_earlier_benchmark_is_not_replaced_unless_asked_for(tiny: Settings) -> None:
    output = Path(tiny.output_dir)
    output.mkdir()
    (output / "bench.json").write_text('{"study": "bench", "rows": []}', encoding="utf-8")
    with pytest.raises(InputError, match="contains a study. Choose another --output_dir, or replace it with --overwr"):
        run(replace(tiny, only=["loading"]))
    assert run(replace(tiny, only=["loading"], overwrite=True))["rows"]
    (output / "bench.json").write_text("My own notes.", encoding="utf-8")
    with pytest.raises(InputError, match="this command did not write"):
        run(replace(tiny, only=["loading"], overwrite=True))
    assert (output / "bench.json").read_text(encoding="utf-8") == "My own notes."


def test_without_instructions_bf16_is_left_out_with_what_it_would_cost(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags : avx2\n", encoding="utf-8")
    found = next(evaluation.measure(Workload(tiny, tmp_path)))
    assert found.ratio is None and (found.group, found.name) == ("evaluation", "bf16")
    assert "no bf16 instructions" in found.note and "8 to 21 times as long as float32" in found.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_file": "absent.txt"}, "--vocab_file absent.txt does not exist"),
        ({"test_file": "absent-{language}.tsv"}, "absent-"),
        ({"size": "huge"}, "--size huge does not exist; choose from mbert, tiny"),
        ({"only": ["speed"]}, "--only speed does not exist"),
        ({"rows": 0}, "--rows 0: give 1 or more"),
        ({"device": "nowhere"}, "--device nowhere"),
        ({"output_dir": ""}, "--output_dir is empty"),
    ],
)
def test_wrong_input_is_one_message(
    tiny: Settings, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
):
    changed = replace(tiny, **change)
    argv: list[str] = []
    for name, value in vars(changed).items():
        if value is not None:
            argv += [f"--{name}", *(value if isinstance(value, list) else [str(value)])]
    with pytest.raises(SystemExit) as caught:
        main(argv)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert caught.value.code == 2 and error.startswith("error: ") and message in error
