"""Runs that end early, and runs that are repeated because they failed: what is trained then, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.cli import main
from modeling_dlfa.training import execution
from modeling_dlfa.training.retries import longer_warmup
from modeling_dlfa.training.trainer import CrossLingualTrainer

from ..commands import assert_refused, read

SECOND = 42 + 1_000_003
RUN = "aif-layer1-seed42"


def predictions(output: Path, run: str = RUN) -> str:
    return (output / "predictions" / run / "de.tsv").read_text(encoding="utf-8")


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, seed: int = 42) -> None:
    """Has training with this seed end at a step, as Ctrl-C would."""
    real = CrossLingualTrainer.training_step

    def training_step(self: CrossLingualTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.args.seed == seed and self.state.global_step == step:
            raise RuntimeError("interrupted")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(CrossLingualTrainer, "training_step", training_step)


def test_the_warmup_grows_to_half_of_the_steps() -> None:
    assert [longer_warmup(0, 200, number) for number in (1, 2, 3, 4)] == [20, 40, 80, 100]
    assert longer_warmup(30, 200, 1) == 60 and longer_warmup(0, 4, 1) == 1


def test_a_run_that_fails_every_time_is_told_everywhere(
    xnli_arguments: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ["--class_weights", "0", "1", "0", "--learning_rate", "2e-2", "--retry_collapsed", "2"]
    main("xnli", [*xnli_arguments, *options])
    results = read(tmp_path / "out" / "results.json")
    (run,) = results["runs"]
    assert run["name"] == RUN and run["seed"] == 42 and run["collapsed"]
    assert run["failed_attempts"] == [
        {"seed": 42, "warmup_steps": 0, "reason": "collapsed"},
        {"seed": SECOND, "warmup_steps": 2, "reason": "collapsed"},
    ]
    assert run["trained_with"] == {"seed": 42 + 2 * 1_000_003, "warmup_steps": 4}
    assert results["recipe"]["retry_collapsed"] == 2
    told = [entry.getMessage() for entry in caplog.records if "It is repeated" in entry.getMessage()]
    assert len(told) == 2 and "with seed 1000045 and 2 warm-up steps of 24 (repetition 1 of 2)" in told[0]
    for page in ("results.md", f"models/{RUN}/README.md"):
        text = (tmp_path / "out" / page).read_text(encoding="utf-8")
        assert f"{RUN} (collapsed; collapsed; trained with seed 2000048 and 4 warm-up steps)" in text, page
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_repetition_is_a_run_with_that_seed_and_warmup_even_if_interrupted(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ["--seeds", str(SECOND), "--warmup_steps", "2", "--output_dir", str(tmp_path / "plain")]
    main("xnli", [*xnli_arguments, *plain])
    real = execution.collapsed

    def fails_at_first(*args: Any) -> bool:
        monkeypatch.setattr(execution, "collapsed", real)
        return True

    monkeypatch.setattr(execution, "collapsed", fails_at_first)
    with monkeypatch.context() as patched:
        stop_at(13, patched, SECOND)
        with pytest.raises(RuntimeError):
            main("xnli", [*xnli_arguments, "--retry_collapsed", "1"])
    kept = tmp_path / "out" / "checkpoints" / RUN
    assert (kept / "retries.json").is_file() and [path.name for path in kept.glob("checkpoint-*")] == ["checkpoint-12"]
    main("xnli", [*xnli_arguments, "--retry_collapsed", "1", "--resume_from_checkpoint", "last"])
    (run,) = read(tmp_path / "out" / "results.json")["runs"]
    assert run["train"]["resumed"]
    assert run["trained_with"] == {"seed": SECOND, "warmup_steps": 2}
    assert run["failed_attempts"] == [{"seed": 42, "warmup_steps": 0, "reason": "collapsed"}]
    assert predictions(tmp_path / "out") == predictions(tmp_path / "plain", f"aif-layer1-seed{SECOND}")
    assert not kept.exists()


def test_a_run_that_diverges_is_repeated_and_then_ends_the_command(
    xnli_arguments: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    options = ["--learning_rate", "1e30", "--retry_collapsed", "1"]
    assert_refused([*xnli_arguments, *options], "aif-layer1-seed42 diverged", capsys)
    (told,) = [entry.getMessage() for entry in caplog.records if "It is repeated" in entry.getMessage()]
    assert "diverged: " in told and "not finite" in told and "seed 1000045" in told


PATIENT = ["--early_stopping_patience", "3", "--num_train_epochs", "6", "--learning_rate", "1e-9"]


@pytest.mark.parametrize("interrupted", ["not", "before the end", "at the end"])
def test_a_run_ends_early_at_the_same_step_even_if_interrupted(
    interrupted: str, xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is learnt: the first of 12 steps is the best score, and three validations later it ends."""
    more = []
    if interrupted != "not":
        with monkeypatch.context() as patched:
            if interrupted == "at the end":
                patched.setattr(CrossLingualTrainer, "check_weights", lambda self: 1 / 0)
            else:
                stop_at(40, patched)
            with pytest.raises((RuntimeError, ZeroDivisionError)):
                main("xnli", [*xnli_arguments, *PATIENT])
        more = ["--resume_from_checkpoint", "last"]
    main("xnli", [*xnli_arguments, *PATIENT, *more])
    results = read(tmp_path / "out" / "results.json")
    (run,) = results["runs"]
    assert run["train"]["stopped_early"] and run["train"]["steps"] == 48
    assert run["validation"]["best_step"] == 12 and len(run["validation"]["history"]) == 4
    text = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert f"after 3 validations without a better score: {RUN} after 48 steps." in text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--early_stopping_patience", "0"], "--early_stopping_patience 0 is out of range"),
        (["--early_stopping_patience", "1", "--load_best_model_at_end", "False"], "Remove one of the two"),
        (["--retry_collapsed", "0"], "--retry_collapsed 0 is out of range"),
        (["--retry_collapsed", "1", "--do_train", "False"], "--do_train False excludes"),
    ],
)
def test_options_that_make_no_sense(
    more: list[str], expected: str, xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused([*xnli_arguments, *more], expected, capsys)
