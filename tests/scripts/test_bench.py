"""The benchmark: a miniature run of all of it with a tiny model."""

from __future__ import annotations

import contextlib
import io
import json
import math
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
from bench.machine import describe
from bench.main import run
from bench.settings import Settings
from bench.training import train_official, train_ours
from bench.workload import Workload, grouped
from benchmark import main
from transformers import Trainer

from modeling_dlfa import processor
from modeling_dlfa.errors import InputError

from ..conftest import ROOT

CORPUS = ROOT / "examples/demo/corpus"
CPU = torch.device("cpu")


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
        "glyphs",
        "mixup",
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
    # Fusion has eight goals, glyphs four, mixup one, training and evaluation one each, loading two, prediction two,
    # and with each kind of ONNX three; where bf16 is, it has those of fp32. Trimming has six.
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
