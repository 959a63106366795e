"""How commands end that do not come to their end: one line, a status, and what to do next."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from modeling_dlfa.command.ending import one_line, writing_failure
from modeling_dlfa.errors import InputError

from ..launching import start_forked

ENDINGS = {
    "input": (InputError("Wrong."), 2, "error: Wrong.\n"),
    "full": (
        OSError(errno.ENOSPC, "No space left on device", "out/results.json.tmp", None, "out/results.json"),
        1,
        "error: out/results.json cannot be written: No space left on device. Free some space. Go on.\n",
    ),
    "folder": (
        IsADirectoryError(errno.EISDIR, "Is a directory", "labels.tsv"),
        1,
        "error: labels.tsv cannot be written: Is a directory. Move that folder, or choose another place. Go on.\n",
    ),
    "interrupted": (KeyboardInterrupt(), 130, "Interrupted. Go on.\n"),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_one_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, status, message = ENDINGS[case]
    with pytest.raises(SystemExit) as stop, one_line(lambda: "Go on."):
        raise error
    assert stop.value.code == status and capsys.readouterr().err == message


@pytest.mark.parametrize(
    "error", [ValueError("ours"), ConnectionError("the Hub"), FileNotFoundError(2, "absent", "x")]
)
def test_other_errors_are_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)), one_line(lambda: "Go on."):
        raise error


def limited(write: Callable[[], object]) -> Exception:
    """Returns the error of writing a file that is larger than the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        write()
    except Exception as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    return pytest.fail("it was written")


def test_the_errors_of_libraries_that_write(tmp_path: Path, tiny_encoder: Path) -> None:
    from transformers import AutoTokenizer

    tensors = {"weights": torch.zeros(1 << 16)}
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.add_tokens([f"word{index}" for index in range(3000)])
    errors = [
        limited(lambda: save_file(tensors, tmp_path / "model.safetensors")),
        limited(lambda: torch.save(tensors, tmp_path / "optimizer.pt")),
        limited(lambda: (tmp_path / "predictions.tsv").write_bytes(bytes(1 << 18))),
        limited(lambda: tokenizer.save_pretrained(tmp_path / "tokenizer")),
    ]
    assert isinstance(errors[0], SafetensorError) and not isinstance(errors[1], OSError)
    for error in errors:
        assert "cannot be written" in (writing_failure(error) or ""), repr(error)


@pytest.mark.slow
@pytest.mark.parametrize("finished", [False, True], ids=["before a checkpoint", "after one"])
def test_ctrl_c_says_how_to_go_on(finished: bool, xnli_arguments: list[str], tmp_path: Path) -> None:
    every = "5" if finished else "100000"
    steps = ["--save_strategy", "steps", "--save_steps", every, "--eval_strategy", "steps", "--eval_steps", every]
    command = ["train", "xnli", *xnli_arguments, *steps, "--num_train_epochs", "1000", "--disable_tqdm", "True"]
    process = start_forked(command, tmp_path / "log")
    checkpoint = tmp_path / "out" / "checkpoints" / "aif-layer1-seed42" / "checkpoint-5" / "trainer_state.json"
    seen = checkpoint if finished else tmp_path / "out" / "arguments.json"
    deadline = time.time() + 120
    while not seen.is_file() and process.is_alive() and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(0 if finished else 2)  # Into the training.
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(timeout=60)
    printed = (tmp_path / "log").read_text(encoding="utf-8")
    assert process.exitcode == 130 and "Traceback" not in printed, printed[-3000:]
    said = [line for line in printed.splitlines() if line.startswith("Interrupted.")]
    expected = "--resume_from_checkpoint last." if finished else "Nothing was finished: run the same command again."
    assert len(said) == 1 and said[0].endswith(expected)
