"""`--cache_frozen`: the same scores from states computed once for all seeds and systems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modeling_dlfa.cli import main, run
from modeling_dlfa.training import frozen_cache, frozen_computing

from ..commands import assert_refused, read, stopped_at
from ..launching import fork


def test_a_command_computes_each_state_once(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[list[int]] = []
    compute = frozen_computing._compute

    def counted(backbone: object, entry: object, layers: list[int], *rest: object) -> None:
        computed.append(list(layers))
        compute(backbone, entry, layers, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(frozen_computing, "_compute", counted)
    arguments = [*xnli_arguments, "--freeze_up_to", "2", "--baseline", "--seeds", "1", "2"]
    arguments += ["--learning_rate", "0", "--num_train_epochs", "1"]  # Dropout differs, and would end elsewhere.
    main("xnli", [*arguments, "--cache_frozen", str(tmp_path / "states")])
    assert computed == [[1, 2]] * 3  # Training, validation and test data.
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "plain")])
    kept, plain = (read(tmp_path / name / "results.json") for name in ("out", "plain"))
    assert kept["recipe"] == {**plain["recipe"], "cache_frozen": True}
    for file in sorted((tmp_path / "out" / "predictions").rglob("*.jsonl")):
        other = tmp_path / "plain" / file.relative_to(tmp_path / "out")
        pairs = zip(file.read_text().splitlines(), other.read_text().splitlines(), strict=True)
        for found, expected in (map(json.loads, pair) for pair in pairs):
            assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-3)


def test_a_sweep_of_a_frozen_encoder(xnli_arguments: list[str], tmp_path: Path) -> None:
    arguments = [entry for entry in xnli_arguments if entry not in ("--fusion_layers", "1")]
    for extra in ([], ["--cache_frozen", str(tmp_path / "states")]):
        output = ["--output_dir", str(tmp_path / f"out{len(extra)}"), "--peft", "frozen"]
        run(["sweep", "xnli", "--one_pass", *arguments, *output, *extra])
    assert len(list((tmp_path / "states").rglob("layer-*.npy"))) == 3 * 3


@pytest.mark.slow
def test_a_resumed_run_ends_in_the_same_weights(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*xnli_arguments, "--freeze_up_to", "1", "--cache_frozen", str(tmp_path / "states")]
    arguments += ["--save_strategy", "steps", "--save_steps", "4", "--eval_strategy", "steps", "--eval_steps", "4"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "whole")])
    with stopped_at(10, monkeypatch):
        main("xnli", [*arguments, "--output_dir", str(tmp_path / "broken")])
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "broken"), "--resume_from_checkpoint", "last"])
    assert read(tmp_path / "broken" / "results.json")["runs"][0]["train"]["resumed"]
    file = Path("models", "aif-layer1-seed42", "model.safetensors")
    whole, resumed = (load_file(tmp_path / name / file) for name in ("whole", "broken"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.slow
def test_two_processes_read_what_one_computed(xnli_arguments: list[str], tmp_path: Path) -> None:
    arguments = [*xnli_arguments, "--freeze_up_to", "1", "--max_steps", "4", "--dataloader_num_workers", "1"]
    arguments += ["--cache_frozen", str(tmp_path / "states"), "--learning_rate", "0"]
    fork(["train", "xnli", *arguments], tmp_path / "two")
    assert len(list((tmp_path / "states").rglob("layer-1.npy"))) == 3
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "one")])
    two, one = (read(tmp_path / name / "results.json") for name in ("two", "one"))
    assert two["recipe"]["processes"] == 2 and two["runs"][0]["test"] == one["runs"][0]["test"]


def test_a_full_disk_is_told_beforehand(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(frozen_cache, "HALF", 10**15)
    arguments = [*xnli_arguments, "--freeze_up_to", "1", "--cache_frozen", str(tmp_path / "states")]
    assert_refused(arguments, "name another folder, or leave out --cache_frozen", capsys)
    assert not (tmp_path / "states").exists() and not (tmp_path / "out").exists()


ERRORS = {
    "nothing frozen": ([], "there are none. Add --freeze_up_to 1"),
    "the embeddings alone": (["--freeze_up_to", "0"], "there are none. Add --freeze_up_to 1"),
    "LoRA": (["--peft", "lora"], "there are none. Add --freeze_up_to 1"),
    "compiled": (["--freeze_up_to", "1", "--torch_compile", "True"], "--torch_compile would not see"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case: str, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extra, expected = ERRORS[case]
    assert_refused([*xnli_arguments, *extra, "--cache_frozen", str(tmp_path / "states")], expected, capsys)


def test_a_file_is_no_folder(xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "states").write_text("mine", encoding="utf-8")
    arguments = [*xnli_arguments, "--freeze_up_to", "1", "--cache_frozen", str(tmp_path / "states")]
    assert_refused(arguments, "is a file. Name a directory", capsys)
