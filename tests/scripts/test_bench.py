"""The benchmark: its arithmetic with a clock of our own, and a miniature run of all of it with a tiny model."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bench import evaluation
from bench import settings as settings_module
from bench.evaluation import Pass
from bench.fusion import KINDS
from bench.harness import Effort, Ratio, exponent, interleave, line, ratio, timed
from bench.machine import describe, peak_flops, training_flops
from bench.main import run
from bench.memory import held_bytes, peak_bytes
from bench.processes import Finished, python
from bench.profiles import kind_of, profile_torch
from bench.report import Row, Skipped, count_row, document, markdown, time_row
from bench.settings import Settings
from bench.training import train_official, train_ours
from bench.workload import Workload, grouped
from benchmark import main
from transformers import Trainer

from modeling_dlfa import processor
from modeling_dlfa.errors import InputError

from ..conftest import ROOT

EXAMPLES = ROOT / "examples"
CORPUS = EXAMPLES / "demo/corpus"
TEST_FILE = str(CORPUS / "test-{language}.tsv")
CPU = torch.device("cpu")


class Clock:
    """Tells the time that the work has taken, not that of this machine."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> None:
        self.done.append(name)
        self.now += seconds


def fake(clock: Clock, **seconds: float) -> dict[str, Any]:
    return {name: timed(lambda name=name, each=each: clock.work(name, each), clock) for name, each in seconds.items()}


def test_rounds_alternate_their_order_and_the_first_do_not_count():
    clock = Clock()
    seconds = interleave(fake(clock, a=1.0, b=2.0), Effort(100, least=1, most=3), warm_up=1, clock=clock)
    assert clock.done == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_no_round_begins_after_the_time_is_up_but_the_least_are_measured():
    clock = Clock()
    assert len(interleave(fake(clock, a=1.0, b=2.0), Effort(7), warm_up=0, clock=clock)["a"]) == 3
    assert len(interleave(fake(clock, a=1.0, b=2.0), Effort(7, least=5), warm_up=0, clock=clock)["a"]) == 5
    assert len(interleave(fake(clock, a=1.0, b=2.0), Effort(0, least=2), clock=clock)["a"]) == 2


def test_a_machine_that_slows_down_does_not_move_the_ratio():
    clock = Clock()
    speeds = iter([1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])

    def slowing(name: str, each: float):
        return timed(lambda: clock.work(name, each * next(speeds)), clock)

    seconds = interleave({"a": slowing("a", 1), "b": slowing("b", 3)}, Effort(0, least=5), warm_up=0, clock=clock)
    assert max(seconds["a"]) == 9 * min(seconds["a"])
    assert ratio(seconds["b"], seconds["a"]) == Ratio(3.0, 3.0, 3.0, 5)


def test_waiting_for_the_device_is_part_of_the_time():
    clock = Clock()
    pending = [0.0]

    def wait() -> None:
        clock.now += pending.pop() if pending else 0.0

    # What was still to be done before does not count, what the work leaves to be done does.
    pending[0] = 5.0
    assert timed(lambda: pending.append(2.0), clock, wait)() == 2.0


def test_ratios_are_of_the_same_round():
    found = ratio([2.0, 8.0, 9.0, 40.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found == Ratio(3.0, 2.0, 4.0, 5)
    assert ratio([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5, 1)
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="No round"):
        ratio([], [])


def test_a_line_and_an_exponent():
    fitted = line([1, 5, 15], [12.0, 20.0, 40.0])
    assert (fitted.start, fitted.slope) == pytest.approx((10.0, 2.0))
    assert fitted.error == pytest.approx(0) and fitted.at(100) == pytest.approx(210.0)
    assert line([1, 2, 3], [1.0, 2.0, 4.0]).error > 0.1
    assert exponent([1, 2, 4], [3.0, 6.0, 12.0]) == pytest.approx(1)
    assert exponent([16, 32, 64], [1.0, 4.0, 16.0]) == pytest.approx(2)


def test_a_goal_is_met_on_its_own_side():
    def met(median: float, better: Any) -> bool | None:
        return Row("g", "n", "1 s", ratio=Ratio(median, median, median, 1), goal=2.0, better=better).met

    assert [met(1.9, "high"), met(2.0, "high"), met(2.0, "low"), met(2.1, "low")] == [False, True, True, False]
    assert Row("g", "n", "1 s", goal=2.0).met is None and Row("g", "n", "1 s").met is None


def test_rows_divide_the_right_way_round():
    faster = time_row("g", "n", [1.0, 1.0], [3.0, 5.0], "theirs", goal=3.5)
    assert faster.ratio is not None and faster.ratio.median == 4.0 and faster.met
    assert (faster.ours, faster.theirs) == ("1.00 s", "theirs: 4.00 s")
    share = time_row("g", "n", [0.02, 0.02], [0.04, 0.04], "theirs", better="low", goal=0.4)
    assert share.ratio is not None and share.ratio.median == 0.5 and share.met is False and share.ours == "20.0 ms"
    memory = count_row("g", "n", 2**20, 2**21, "theirs", 1.0)
    assert memory.ratio == Ratio(0.5, 0.5, 0.5, 1) and memory.ours == "1.0 MiB" and memory.met


def test_the_table_and_its_json_say_the_same():
    rows = [
        time_row("training", "step", [1.0, 2.0], [3.0, 5.0], "official", goal=2.6, note="32 examples."),
        Row("scaling", "alone", "7 samples/s"),
    ]
    skipped, machine = [Skipped("training, bf16", "No instructions.")], {"device": "cpu", "versions": {"torch": "2"}}
    text = markdown(rows, skipped, machine)
    assert "| training: step | 1.50 s | official: 4.00 s | 2.75× (2.62–2.88; 2) | ≥ 2.6× | yes |" in text
    assert "| scaling: alone | 7 samples/s |  |  |  |  |" in text
    assert "- training, step: 32 examples." in text and "- training, bf16: not measured. No instructions." in text
    assert "- versions: torch 2" in text
    read = json.loads(json.dumps(document(rows, skipped, machine)))
    assert [row["met"] for row in read["rows"]] == [True, None]
    assert read["rows"][0]["ratio"]["median"] == 2.75 and read["not_measured"][0]["reason"] == "No instructions."


def test_peak_memory_is_counted_to_the_byte():
    def work() -> None:
        first, second = torch.empty(1 << 20, dtype=torch.uint8), torch.empty(1 << 19, dtype=torch.uint8)
        del first
        third = torch.empty(1 << 18, dtype=torch.uint8)
        del second, third

    assert peak_bytes(work, 0, CPU) == (1 << 20) + (1 << 19)
    assert peak_bytes(work, 7, CPU) == (1 << 20) + (1 << 19) + 7


def test_held_memory_counts_each_storage_once():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    assert held_bytes([model]) == 256
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(1, 8)).sum().backward()
    assert held_bytes([model], [optimizer]) == 512
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    assert held_bytes([model], [optimizer]) == 256 + 2 * 256 + 4  # Two averages, and the count of steps.


def test_flops_of_training():
    # BERT base: 85.1 million parameters without embeddings; attention is a small share of a short sentence's cost.
    assert training_flops(85_054_464, 12, 768, 128) == 6 * 85_054_464 + 14_155_776
    assert peak_flops(CPU) is None and peak_flops(CPU, 3.5) == 3.5e12
    assert set(describe(CPU)) >= {"device", "processor", "threads", "versions", "date", "command"}


def test_a_process_is_measured_and_a_failed_one_tells_why():
    finished = python(["-c", "import os; block = b'x' * (200 << 20); print(os.environ['HF_HUB_OFFLINE'], len(block))"])
    assert finished.output.split() == ["1", str(200 << 20)] and finished.seconds > 0 and finished.peak > 200 << 20
    # Not that of this process, which starts it.
    assert python(["-c", "print(1)"]).peak < 50 << 20
    with pytest.raises(RuntimeError, match="status 3:\nso it is"):
        python(["-c", "print('so it is'); raise SystemExit(3)"])


def test_more_rows_cost_predicting_alone():
    entry = Pass(seconds=12.0, predicting=2.0, peak=1)
    assert entry.with_rows(1) == 12.0 and entry.with_rows(10) == 30.0


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> str:
    letters = sorted({letter for file in CORPUS.glob("t*-*.tsv") for letter in file.read_text(encoding="utf-8")})
    letters = [letter for letter in letters if not letter.isspace()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def tiny(vocabulary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    quick = replace(
        settings_module.QUICK, lengths=(8, 16), batches=(1, 2), language_counts=(1, 3), processes=(1,), fusion_batch=2
    )
    monkeypatch.setattr(settings_module, "QUICK", replace(quick, official_languages=1))
    return Settings(
        train_file=str(CORPUS / "train-en.tsv"),
        test_file=TEST_FILE,
        vocab_file=vocabulary,
        output_dir=str(tmp_path / "bench"),
        size="tiny",
        device="cpu",
        batch_size=8,
        steps=2,
        rows=2,
        examples=6,
        rounds=1,
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same programs with the same arguments, without the seconds that it takes to start each of them."""

    def call(arguments: Sequence[str | Path], environment: Any = None) -> Finished:
        script, *rest = map(str, arguments)
        output, started = io.StringIO(), time.perf_counter()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(output):
            patch.setattr(sys, "argv", [script, *rest])
            runpy.run_path(script, run_name="__main__")
        return Finished(time.perf_counter() - started, 1 << 30, output.getvalue())

    for module in ("training", "evaluation", "startup"):
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


def test_a_miniature_run_of_everything(tiny: Settings, in_this_process: None, capsys: pytest.CaptureFixture[str]):
    results = run(tiny)
    output = Path(tiny.output_dir)
    assert {path.name for path in output.iterdir()} == {"bench.json", "bench.md", "scaling.png"}
    assert json.loads((output / "bench.json").read_text(encoding="utf-8")) == results
    assert (output / "bench.md").read_text(encoding="utf-8") in capsys.readouterr().out
    rows = results["rows"]
    groups = [row["group"] for row in rows]
    assert list(dict.fromkeys(groups)) == [
        "fusion",
        "training",
        "evaluation",
        "startup",
        "prediction",
        "options",
        "scaling",
    ]
    for row in rows:
        if row["ratio"] is not None and row["group"] != "scaling":
            assert row["ratio"]["median"] > 0 and math.isfinite(row["ratio"]["median"]), row
    with_goals = [row for row in rows if row["goal"] is not None and row["group"] != "scaling"]
    memory = [row["ratio"]["median"] for row in rows if "peak memory" in row["name"] and row["group"] == "fusion"]
    assert len(memory) == 4 and all(1.0 < share < 1.5 for share in memory)
    bf16 = sum("bf16" in row["name"] and row["goal"] is not None for row in rows)
    # Fusion has eight goals, training and evaluation one each, prediction two, and with each kind of ONNX three; where
    # bf16 is, it has those of fp32.
    assert len([row for row in with_goals if row["group"] != "startup"]) == 18 + bf16
    assert bf16 == 4 or any("bf16" in entry["group"] for entry in results["not_measured"])
    assert results["machine"]["device"] == "cpu" and results["machine"]["size"] == "tiny"


def test_without_instructions_bf16_is_left_out_with_what_it_would_cost(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags : avx2\n", encoding="utf-8")
    found = next(evaluation.measure(Workload(tiny, tmp_path)))
    assert isinstance(found, Skipped) and found.group == "evaluation, bf16"
    assert "no bf16 instructions" in found.reason and "8 to 21 times as long as float32" in found.reason


def test_a_sweep_in_one_pass_is_measured_where_it_is_asked_for(tiny: Settings) -> None:
    rows = run(replace(tiny, only=["sweep"]))["rows"]
    assert {row["group"] for row in rows} == {"sweep"}
    names = [row["name"] for row in rows if "bf16" not in row["name"]]
    assert [name.partition(",")[0] for name in names] == [title for title in KINDS.values() for _ in range(2)]
    assert ["encoder frozen" in name for name in names] == [False, True, False, True]
    assert all("3 layers and the last alone" in row["name"] and row["goal"] == 1.3 for row in rows)
    assert all(row["ratio"]["median"] > 0 for row in rows)


def test_profiles_account_for_all_of_the_time(tiny: Settings) -> None:
    rows = run(replace(tiny, only=["profile"]))["rows"]
    assert {row["group"] for row in rows} == {"profile"}
    names = [row["name"] for row in rows]
    for part in ("official, fp32, 8×128 tokens", "ours, fp32", "a pipeline call for each", "ONNX, fp32", "ONNX, int8"):
        assert any(part in name for name in names), part
    for row in rows:
        shares = [int(share) for share in re.findall(r"\((\d+) %", row["note"])]
        # What is below one percent is left out.
        assert 90 <= sum(shares) <= 103 and "matrix products" in row["note"], row
    steps = [row["note"] for row in rows if "training step" in row["name"]]
    assert steps and all("FLOP/s" in note for note in steps)


def test_operators_are_known_by_kind() -> None:
    kinds = {
        "aten::addmm": "matrix products",
        "MatMul": "matrix products",
        "DynamicQuantizeMatMul": "matrix products",
        "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
        "aten::copy_": "copies and casts",
        "aten::bernoulli_": "dropout",
        "Optimizer.step#AdamW.step": "optimiser and norm of the gradient",
        "aten::gelu": "other operators",
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_a_profile_finds_the_products_and_counts_them() -> None:
    first, second = torch.rand(300, 400), torch.rand(400, 500)
    found = profile_torch(lambda: [first @ second for _ in range(20)], CPU)
    assert found.flops == 20 * 2 * 300 * 400 * 500
    assert max(found.kinds, key=lambda kind: found.kinds[kind]) == "matrix products"


def test_a_profile_finds_what_a_step_does_beside_its_products() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Dropout(), torch.nn.Linear(8, 8))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.arange(50)).float().square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    kinds = profile_torch(step, CPU).kinds
    assert {"dropout", "copies and casts", "gradient of the embeddings"} < kinds.keys()
    assert kinds["optimiser and norm of the gradient"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_file": "absent.txt"}, "--vocab_file absent.txt: there is no such file"),
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
