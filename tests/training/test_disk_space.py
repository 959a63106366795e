"""What a command takes of the disk is known before it starts."""

from __future__ import annotations

import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from modeling_dlfa.cli import main

from ..commands import assert_refused

Usage = namedtuple("Usage", "total used free")
KEEP = ["--keep_checkpoints", "True", "--num_train_epochs", "3", "--seeds", "1", "2", "--baseline"]
FORMS = {
    "whole": [],
    "frozen": ["--peft", "frozen"],
    "lora": ["--peft", "lora"],
    "no optimiser": ["--save_only_model", "True"],
}


def told(printed: str) -> float:
    [line] = [line for line in printed.splitlines() if line.startswith("Disk space for ")]
    found = re.search(r"about ([\d.]+) MB\.$", line)
    assert found is not None, line
    return float(found[1]) * 1e6


@pytest.mark.parametrize("form", FORMS)
def test_the_estimate_is_what_is_written(
    form: str, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if form == "lora":
        pytest.importorskip("peft")
    main("xnli", [*xnli_arguments, *KEEP, *FORMS[form], "--save_total_limit", "3"])
    names = ("model.safetensors", "optimizer.pt", "adapter_model.safetensors")
    written = sum(
        path.stat().st_size
        for folder in ("models", "checkpoints")
        for path in (tmp_path / "out" / folder).rglob("*")
        if path.name in names
    )
    # Headers, which the estimate leaves out, count on so small a model.
    assert 0.6 * written < told(capsys.readouterr().out) < 1.1 * written


def test_a_disk_without_room_is_refused_before_training(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 1000))
    assert_refused(xnli_arguments, "has 0.0 MB left, but 1 model (", capsys)
    assert not (tmp_path / "out").exists()


def test_what_is_replaced_counts_as_room(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*xnli_arguments, "--max_steps", "1", "--save_strategy", "no", "--load_best_model_at_end", "False"]
    main("xnli", arguments)
    wanted = told(capsys.readouterr().out)
    (tmp_path / "out" / "models" / "mine").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 0))
    main("xnli", [*arguments, "--overwrite"])
    printed = capsys.readouterr().out
    assert told(printed) == wanted and "Left unchanged, because no earlier command wrote them: models/mine." in printed
    assert (tmp_path / "out" / "models" / "mine").stat().st_size == 1 << 20
