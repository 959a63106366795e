"""What a command may replace, delete or continue in its output directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from transformers.utils import is_liger_kernel_available

from modeling_dlfa.cli import main

from ..commands import assert_refused, holding, read
from ..launching import run_forked


def test_another_runs_results_are_not_overwritten(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*xnli_arguments, "--max_steps", "1"]
    main("xnli", arguments)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = (tmp_path / "out" / "results.json").read_bytes()
    assert_refused(arguments, "another run's results", capsys)
    assert_refused([*arguments, "--resume_from_checkpoint", "last", "--learning_rate", "0.1"], "learning_rate", capsys)
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    main("xnli", [*arguments, "--seeds", "5", "--overwrite"])
    assert [run["seed"] for run in read(tmp_path / "out" / "results.json")["runs"]] == [5]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_overwriting_deletes_nothing_that_the_command_reads(
    finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    os.symlink(tmp_path / "out", tmp_path / "link")
    model = "models/aif-layer1-seed1"
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for place, options in {
        f"out/{model}": ["--model_name_or_path"],
        f"link/{model}": ["--model_name_or_path"],
        "out/models/../models/last-seed1": ["--tokenizer_name"],
        "out/predictions/last-seed1/en.tsv": ["--train_file"],
        "out/predictions/last-seed1/{language}.tsv": ["--test_file"],
    }.items():
        named = [*options, str(tmp_path / place)]
        assert_refused([*xnli_arguments, "--overwrite", *named], " ".join(named) + " is inside --output_dir", capsys)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


WRONG_FOR_THE_TRAINER = {
    "--use_liger_kernel True": "--use_liger_kernel needs liger-kernel",
    "--fsdp full_shard": "--fsdp: ",
    "--lr_scheduler_type cosine_with_min_lr": "--lr_scheduler_type cosine_with_min_lr: ",
    '--lr_scheduler_kwargs {"a":1}': "--lr_scheduler_type linear with --lr_scheduler_kwargs {'a': 1}: ",
    "--debug underflow_overflow": "--debug underflow_overflow",
}


@pytest.mark.parametrize("options", WRONG_FOR_THE_TRAINER)
def test_nothing_is_deleted_before_the_trainer_takes_its_options(
    options: str, finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    if "liger" in options and is_liger_kernel_available():
        pytest.skip("it is installed here")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert_refused([*xnli_arguments, "--overwrite", *options.split()], WRONG_FOR_THE_TRAINER[options], capsys)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_project_folder_keeps_its_files(
    overwrite: list[str], xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {tmp_path / "out" / name / "mine": name for name in ("models", "figures", "runs", "checkpoints")}
    for path, content in own.items():
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert_refused(
        [*xnli_arguments, *overwrite], "no arguments.json shows that a command of this package wrote", capsys
    )
    assert {path: path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()} == own


def test_an_empty_output_directory_is_not_the_working_one(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused([*xnli_arguments, "--output_dir", ""], "--output_dir is empty", capsys)
    assert not list(tmp_path.iterdir())


def test_the_corrected_command_runs_where_nothing_was_finished(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [*xnli_arguments, "--max_steps", "2"]
    with monkeypatch.context() as context, pytest.raises(ZeroDivisionError):
        context.setattr("modeling_dlfa.training.execution.train", lambda *arguments: 1 // 0)
        main("xnli", [*few, "--fusion_layers", "0"])
    assert (tmp_path / "out" / "arguments.json").is_file()
    main("xnli", few)
    [run] = read(tmp_path / "out" / "results.json")["runs"]
    assert run["name"] == "aif-layer1-seed42"
    assert [path.name for path in (tmp_path / "out" / "models").iterdir()] == [run["name"]]


@pytest.mark.slow
def test_two_commands_do_not_resume_into_one_directory(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = [*xnli_arguments, "--max_steps", "2", "--resume_from_checkpoint", "last"]
    main("xnli", resumed[:-2])
    monkeypatch.setattr("modeling_dlfa.files.folders.PATIENCE", 0.2)
    with holding(tmp_path / "out") as other:
        assert_refused(resumed, f"is in use by process {other.pid}", capsys)
        assert run_forked(["train", "xnli", *resumed], tmp_path / "log") == [2, 2]
        printed = (tmp_path / "log").read_text(encoding="utf-8")
        assert printed.count("error: ") == printed.count(f"is in use by process {other.pid}") == 1, printed[-3000:]
    main("xnli", resumed)
