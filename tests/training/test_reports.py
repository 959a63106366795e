"""`--report_to`: every run of a command is a report of its own, with the scores that its record has."""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
from pathlib import Path

import pytest

from modeling_dlfa.cli import main

from ..commands import read

RUNS = ("aif-layer1-seed1", "last-seed1")


@pytest.fixture
def arguments(xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return [*xnli_arguments, "--baseline", "--seeds", "1", "--languages", "en", "--save_models", "False"]


def validated(out: Path, run: str) -> list[float]:
    """The accuracies on the validation data while it trained, and that of the selected checkpoint."""
    validation = read(out / "runs" / f"{run}.json")["validation"]
    return [entry["accuracy"] for entry in validation["history"]] + [validation["accuracy"]]


@pytest.mark.slow
def test_tensorboard(arguments: list[str], tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX reads the events here")
    main("xnli", [*arguments, "--report_to", "tensorboard", "--logging_steps", "1"])
    for run in RUNS:
        (file,) = (tmp_path / "out" / "checkpoints" / run).rglob("events.out.tfevents.*")
        content, scalars = file.read_bytes(), {}
        while content:  # Length, its checksum, event, its checksum.
            (length,) = struct.unpack("<Q", content[:8])
            for value in events.Event.FromString(content[12 : 12 + length]).summary.value:
                scalars.setdefault(value.tag, []).append(value.simple_value)
            content = content[16 + length :]
        assert scalars["eval/accuracy"] == pytest.approx(validated(tmp_path / "out", run)[:-1])
        assert len(scalars["train/loss"]) == 24


@pytest.mark.slow
def test_weights_and_biases_offline(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="25 MB that nothing else here needs")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    main("xnli", [*arguments, "--report_to", "wandb"])
    assert wandb.run is None
    reports = [path.read_bytes() for path in sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))]
    assert len(reports) == len(RUNS)
    for report, run in zip(reports, RUNS, strict=True):
        assert run.encode() in report and b"eval/accuracy" in report and b"test/" in report
    # One that the caller opened takes both runs and stays open.
    with wandb.init(project="mine", dir=tmp_path / "caller") as mine:
        main("xnli", [*arguments, "--report_to", "wandb", "--output_dir", "again"])
        assert wandb.run is mine


@pytest.mark.slow
def test_trackio(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "trackio" not in sys.modules:  # It reads the variable when it is imported.
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio", reason="it needs an older Pillow than constraints.txt names")
    main("xnli", [*arguments, "--report_to", "trackio", "--project", "ours"])
    assert trackio.context_vars.current_run.get() is None
    with sqlite3.connect(trackio.utils.TRACKIO_DIR / "ours.db") as database:
        rows = database.execute("SELECT run_name, metrics FROM metrics ORDER BY id").fetchall()
    for run in RUNS:
        logged = [json.loads(metrics) for name, metrics in rows if name == run]
        found = [entry["eval/accuracy"] for entry in logged if "eval/accuracy" in entry]
        assert found == pytest.approx(validated(tmp_path / "out", run))
