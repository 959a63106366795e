"""`--peft` and `--freeze_up_to`: what is trained, saved, published and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modeling_dlfa.cli import main
from modeling_dlfa.publishing.publish import dry_run

from ..commands import read, stopped_at


@pytest.mark.parametrize("method", ["lora", "frozen"])
def test_the_runner(
    method: str, xnli_arguments: list[str], tiny_encoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = [*xnli_arguments, "--peft", method, "--learning_rate", "2e-2", "--baseline"]
    arguments += ["--lora_r", "2"] if method == "lora" else []
    main("xnli", arguments)
    told = capfd.readouterr().out
    results = read(output / "results.json")
    assert results["recipe"]["peft"] == method and results["recipe"].get("lora_r") == (2 if method == "lora" else None)
    encoder = load_file(tiny_encoder / "model.safetensors")
    for record in results["runs"]:
        trained, total = record["trainable_parameters"], record["parameters"]
        assert 0 < trained < total and f"{trained:,} of {total:,} parameters are trained" in told
        weights = load_file(output / record["model"] / "model.safetensors")
        kept = {
            key: torch.equal(value, weights[f"dlfa.backbone.{key}"])
            for key, value in encoder.items()
            if f"dlfa.backbone.{key}" in weights
        }
        adapted = {key for key, same in kept.items() if not same}
        assert all((".query." in key or ".value." in key) and "weight" in key for key in adapted)
        assert bool(adapted) == (method == "lora")
        adapter = output / "adapters" / record["name"]
        assert (adapter / "adapter_model.safetensors").is_file() == (method == "lora")
    dry_run(output, "org/name", tmp_path / "dry")
    published = next(record for record in results["runs"] if not record["baseline"])["model"]
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "dry" / name).read_bytes() == (output / published / name).read_bytes()
    assert not list((tmp_path / "dry").rglob("adapter*"))
    assert f"peft {method}" in (tmp_path / "dry" / "README.md").read_text(encoding="utf-8")
    # The saved model is the one whose predictions were written, and evaluates to the same.
    first = results["runs"][0]
    again = [*xnli_arguments[: xnli_arguments.index("--fusion")], "--use_cpu", "True", "--do_train", "False"]
    again += ["--model_name_or_path", str(output / first["model"]), "--output_dir", str(tmp_path / "again")]
    main("xnli", again)
    assert read(tmp_path / "again" / "results.json")["runs"][0]["test"] == first["test"]


def test_the_runner_leaves_the_embeddings_as_they_are(
    xnli_arguments: list[str], tiny_encoder: Path, tmp_path: Path
) -> None:
    main("xnli", [*xnli_arguments, "--freeze_up_to", "0", "--learning_rate", "1e-2"])
    results = read(tmp_path / "out" / "results.json")
    assert results["recipe"]["freeze_up_to"] == 0
    weights = load_file(tmp_path / "out" / results["runs"][0]["model"] / "model.safetensors")
    shared = {
        key: value for key, value in load_file(tiny_encoder / "model.safetensors").items() if "pooler" not in key
    }
    same = {key for key, value in shared.items() if torch.equal(value, weights[f"dlfa.backbone.{key}"])}
    assert {key for key in shared if key.startswith("embeddings.")} <= same < shared.keys()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "frozen"])
def test_the_runner_resumes(
    method: str, xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*xnli_arguments, "--peft", method, "--learning_rate", "2e-2", "--save_strategy", "steps"]
    arguments += ["--save_steps", "4", "--eval_strategy", "steps", "--eval_steps", "4"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "whole")])
    with stopped_at(10, monkeypatch):
        main("xnli", [*arguments, "--output_dir", str(tmp_path / "broken")])
    resume = [*arguments, "--output_dir", str(tmp_path / "broken"), "--resume_from_checkpoint", "last"]
    with pytest.raises(SystemExit):
        main(
            "xnli",
            [argument if argument != method else "frozen" if method == "lora" else "lora" for argument in resume],
        )
    main("xnli", resume)
    whole, broken = (
        load_file(tmp_path / name / "models" / "aif-layer1-seed42" / "model.safetensors")
        for name in ("whole", "broken")
    )
    assert whole.keys() == broken.keys() and all(torch.equal(whole[key], broken[key]) for key in whole)


ERRORS = {
    "no such method": (["--peft", "prefix"], "--peft prefix does not exist; choose from lora, frozen"),
    "LoRA's options alone": (["--lora_r", "4"], "--lora_r has an effect only with --peft lora"),
    "modules that are not there": (["--peft", "lora", "--lora_target_modules", "Wqkv"], "has no modules Wqkv"),
    "two ways": (["--peft", "frozen", "--freeze_up_to", "0"], "--peft and --freeze_up_to both decide"),
    "no such layer": (["--freeze_up_to", "9"], "Layer 9 cannot be the last frozen one"),
    "no training": (["--peft", "lora", "--do_train", "False"], "--peft trains a part of the model"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_arguments(case: str, xnli_arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    extra, expected = ERRORS[case]
    with pytest.raises(SystemExit):
        main("xnli", [*xnli_arguments, *extra])
    assert expected in capfd.readouterr().err
