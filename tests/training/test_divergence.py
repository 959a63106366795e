"""A model that is not made of numbers is an error wherever it is met, not a table of chance scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from modeling_dlfa.cli import main
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.onnx_export import load_checkpoint
from modeling_dlfa.inference.predictor import Predictor
from modeling_dlfa.publishing.publish import dry_run
from modeling_dlfa.studies.layer_analysis.encoders import load_encoder
from modeling_dlfa.training.divergence import Divergence

from ..commands import assert_refused


def poisoned(source: Path, target: Path, part: str) -> str:
    """Copies a model's folder, puts a NaN into its first weight of that part, and returns the weight's name."""
    shutil.copytree(source, target)
    path = target / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in sorted(weights) if part in name)
    weights[name].view(-1)[-1] = float("nan")
    save_file(weights, path, {"format": "pt"})
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config = {key: value for key, value in config.items() if "sha256" not in key}
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return name


@pytest.mark.parametrize("part", ["embeddings.word_embeddings", "output.dense.bias"])
def test_an_encoder_with_one_nan_is_refused_by_its_tensor(
    part: str, tiny_encoder: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = poisoned(tiny_encoder, tmp_path / "encoder", part)
    assert_refused([*xnli_arguments, "--model_name_or_path", str(tmp_path / "encoder")], name, capsys)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="not finite"):
        load_encoder(str(tmp_path / "encoder"))


def test_a_checkpoint_with_one_nan_is_refused_everywhere(
    finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "finished"
    shutil.copytree(finished, output)
    model = output / "models" / "aif-layer1-seed1"
    shutil.rmtree(model)
    name = poisoned(finished / "models" / "aif-layer1-seed1", model, "fusion")
    arguments = [*xnli_arguments, "--model_name_or_path", str(model)]
    for more in ([], ["--do_train", "False"]):
        assert_refused([*arguments, *more], name, capsys)
    with pytest.raises(InputError, match=name):
        Checkpoint.of(str(model)).load()
    with pytest.raises(InputError, match=name):
        load_checkpoint(str(model))
    with pytest.raises(InputError, match=name):
        dry_run(output, "org/name", tmp_path / "card", run="aif-layer1-seed1")
    assert not (tmp_path / "card").exists()


@pytest.mark.parametrize("more", [[], ["--do_eval", "False", "--eval_strategy", "no"]], ids=["validated", "blind"])
def test_a_run_that_diverges_ends_the_command(
    more: list[str], xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    options = ["--learning_rate", "1e30", "--warmup_steps", "0", "--load_best_model_at_end", "False", *more]
    with pytest.raises(SystemExit) as stop:
        main("xnli", [*xnli_arguments, *options])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and "aif-layer1-seed42 diverged" in line and "not finite" in line
    assert "step" in line and "Lower --learning_rate (1e+30)" in line and "--resume_from_checkpoint last" in line
    assert not (tmp_path / "out" / "results.json").exists()
    assert not list((tmp_path / "out").glob("runs/*.json")) and not list((tmp_path / "out").rglob("*.tsv"))


class Settings:
    run_name, do_train, learning_rate, precision = "aif-seed1", True, 1e10, "no"


def test_the_first_step_without_a_finite_loss_is_named() -> None:
    settings: Any = Settings()
    divergence = Divergence(settings, Accelerator(cpu=True))
    for step, loss in enumerate([1.0, float("inf"), float("nan"), 2.0], start=1):
        divergence.add_loss(torch.tensor(loss), step)
    with pytest.raises(InputError, match="aif-seed1 diverged: the training loss of step 2 is not finite"):
        divergence.check_loss()
    settings.precision = "fp16"
    divergence.add_loss(torch.tensor(1.0), 5)
    divergence.check_loss()
    divergence.add_answers((None, (torch.ones(2), torch.tensor([1.0, float("nan")]))))
    with pytest.raises(InputError, match="the model's outputs at step 7"):
        divergence.check_answers(7)
    divergence.check_answers(7)


def test_an_answer_that_is_not_a_number_is_refused_with_its_line(finished: Path) -> None:
    checkpoint = Checkpoint.of(str(finished / "models" / "aif-layer1-seed1"))
    real = checkpoint.load()

    def backend(batch: Any) -> Any:
        logits = real(batch)
        logits[:] = float("nan")
        return logits

    with pytest.raises(InputError, match="line 1: the answer of .* is not a finite number"):
        Predictor(checkpoint, backend)([("a", "b"), ("c", "d")])
