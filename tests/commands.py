"""What tests of commands share: what a command wrote, how it refuses, and a folder that another process holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.cli import main

from .conftest import ROOT

Python = Callable[..., subprocess.CompletedProcess[str]]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def read_words(path: Path) -> list[list[str]]:
    """Returns the words of a token task's predictions, sentence by sentence, with their escapes undone."""
    sentences: dict[str, list[str]] = {}
    plain = {r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\\": "\\"}
    for line in path.read_bytes().decode().removesuffix("\n").split("\n")[1:]:
        sentence, word, *_ = line.split("\t")
        sentences.setdefault(sentence, []).append(re.sub(r"\\.", lambda match: plain[match[0]], word))
    return list(sentences.values())


def assert_refused(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main("xnli", arguments)
    message = capsys.readouterr().err
    lines = [line for line in message.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and len(lines) == 1 and expected in lines[0], message


HOLD = """
import sys, time
from pathlib import Path
from modeling_dlfa.files.folders import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that keeps the folder."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@contextmanager
def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command that runs in here is interrupted, as by Ctrl-C, when this step of its training begins."""
    from modeling_dlfa.training.trainer import CrossLingualTrainer

    steps, original = [], CrossLingualTrainer.training_step

    def stop(self: CrossLingualTrainer, *args: Any, **kwargs: Any) -> Any:
        steps.append(1)
        if len(steps) == step:
            raise KeyboardInterrupt
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="130"):
        patch.setattr(CrossLingualTrainer, "training_step", stop)
        yield
