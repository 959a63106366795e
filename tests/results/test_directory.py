"""The output directory protects what lies in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.files.writing import write_json
from modeling_dlfa.results.directory import OutputDirectory

RECORD = {"task": "xnli", "model": ["m", "main"], "systems": {"a": {}}, "data": {"test": {"de": {}}}, "recipe": {}}
OURS = (
    "results.json",
    "results.md",
    "layer_sweep.json",
    "figures/accuracy_by_language.png",
    "figures/layer_sweep.svg",
    "runs/a-seed1.json",
    "predictions/a-seed1/de.tsv",
    "predictions/a-seed1/de.tsv.tmp",
    "models/a-seed1/config.json",
    "models/a-seed1/model-00001-of-00002.safetensors",
    "models/a-seed1/tokenizer.json",
    "models/a-seed1/fusion_dlfa.py",
    "adapters/a-seed1/adapter_model.safetensors",
    "checkpoints/a-seed1/checkpoint-9/optimizer.pt",
    "checkpoints/one_pass-seed1/checkpoint-9/trainer_state.json",
    "checkpoints/a-seed1/runs/events",
)
THEIRS = (
    "notes.txt",
    "figures/mine.png",
    "runs/mine.json",
    "runs/a-seed1/log.txt",
    "predictions/a-seed1/fr.tsv",
    "predictions/mine.tsv",
    "models/mine/model.safetensors",
    "models/a-seed1/notes.txt",
    "models/a-seed1/onnx/config.json",
    "models/a-seed1-copy/model.safetensors",
    "checkpoints/a-seed1/notes.txt",
)


def fill(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_its_own_entries_are_deleted(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    output.start(RECORD)
    fill(tmp_path, (*OURS, *THEIRS))
    assert not output.check_free(resume=True, overwrite=False)
    assert output.check_free(resume=False, overwrite=True)
    others = output.start({**RECORD, "systems": {"b": {}}})
    assert files(tmp_path) == {"arguments.json", *THEIRS}
    assert set(others) == set(THEIRS) - {"notes.txt"}
    assert output.finished("a-seed1") is None


def test_without_other_files_nothing_is_left(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    assert output.start(RECORD) == []
    fill(tmp_path, OURS)
    output.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", [None, "{}", "[1]", "no JSON", '{"systems": {"a": {}}}'])
def test_what_no_record_says_is_ours_is_left_alone(record: str | None, tmp_path: Path) -> None:
    fill(tmp_path, ("models/a-seed1/model.safetensors", "figures/mine.png", "results.json"))
    if record is not None:
        (tmp_path / "arguments.json").write_text(record)
    before, output = files(tmp_path), OutputDirectory(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="figures, models, results.json, and no arguments.json shows"):
            output.check_free(resume=False, overwrite=overwrite)
    with pytest.raises(InputError, match="nothing to resume"):
        output.check_free(resume=True, overwrite=False)
    output.clear()
    assert files(tmp_path) == before


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, output = tmp_path / "outside", OutputDirectory(tmp_path / "out")
    fill(outside, ("model.safetensors", "config.json"))
    output.start(RECORD)
    output.model("a-seed1").parent.mkdir()
    output.model("a-seed1").symlink_to(outside)
    output.clear()
    assert files(outside) == {"model.safetensors", "config.json"}


def test_a_directory_in_which_nothing_finished_is_free_again(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    output.start(RECORD)
    fill(tmp_path, ("checkpoints/a-seed1/checkpoint-9/model.safetensors", "checkpoints/a-seed1/runs/events"))
    assert not output.has_results()
    for resume in (False, True):
        assert output.check_free(resume=resume, overwrite=False)
    output.start({**RECORD, "recipe": {"learning_rate": 1}})
    assert files(tmp_path) == {"arguments.json"}


KEPT = (
    "runs/a-seed1.json",
    "models/a-seed1/model.safetensors",
    "results.json",
    "checkpoints/a-seed1/checkpoint-9/trainer_state.json",
)


@pytest.mark.parametrize("name", KEPT)
def test_what_was_finished_is_not_free(name: str, tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    output.start(RECORD)
    fill(tmp_path, (name,))
    assert output.has_results() and not output.check_free(resume=True, overwrite=False)
    with pytest.raises(InputError, match="contains another run's results"):
        output.check_free(resume=False, overwrite=False)


@pytest.mark.parametrize(("name", "folder"), [("results.json", True), ("runs", False)])
def test_a_folder_where_a_file_should_be(name: str, folder: bool, tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    output.start(RECORD)
    if folder:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("mine")
    kinds = "is a folder, but the results need a file" if folder else "is a file, but the results need a folder"
    with pytest.raises(InputError, match=kinds):
        output.check_free(resume=False, overwrite=True)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name(name: str) -> None:
    with pytest.raises(InputError, match="--output_dir is empty"):
        OutputDirectory(name)


def test_a_broken_record_of_a_run_is_named(tmp_path: Path) -> None:
    fill(tmp_path, ("runs/a-seed1.json",))
    (tmp_path / "runs" / "a-seed1.json").write_text("{")
    with pytest.raises(InputError, match="a-seed1.json cannot be read .*Remove it"):
        OutputDirectory(tmp_path).finished("a-seed1")


def test_the_last_checkpoint_is_the_newest_that_is_whole(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    assert output.last_checkpoint("run") is None
    for step, whole in ((9, True), (10, True), (100, False)):
        folder = output.checkpoints("run") / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if whole:
            (folder / "trainer_state.json").write_text("{}")
    assert output.last_checkpoint("run") == output.checkpoints("run") / "checkpoint-10"


def test_logs_outlive_the_checkpoints(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    (output.checkpoints("run") / "checkpoint-9").mkdir(parents=True)
    (output.checkpoints("other") / "checkpoint-9").mkdir(parents=True)
    (output.checkpoints("run") / "runs").mkdir()
    (output.checkpoints("run") / "runs" / "events").write_text("log")
    output.remove_checkpoints("run")
    output.remove_checkpoints("other")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"checkpoints", "checkpoints/run", "checkpoints/run/runs", "checkpoints/run/runs/events"}


def test_resuming_with_other_arguments_names_them(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    output.start({"task": "xnli", "recipe": {"learning_rate": 0.1, "optim": "adamw"}})
    output.check_same({"task": "xnli", "recipe": {"learning_rate": 0.1, "optim": "adamw"}})
    with pytest.raises(InputError, match=r"\(recipe.learning_rate: 0.1 before, 0.2 now\)"):
        output.check_same({"task": "xnli", "recipe": {"learning_rate": 0.2, "optim": "adamw"}})


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        OutputDirectory(tmp_path / "out").check_free(resume=False, overwrite=True)


def test_json_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "results.json"
    write_json(path, {"language": "ελληνικά"})
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"language": "ελληνικά"}


def test_a_write_that_fails_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"whole": True})
    with pytest.raises(UnicodeEncodeError):
        write_json(path, {"half": "\ud800"})
    assert files(tmp_path) == {"results.json"} and json.loads(path.read_text()) == {"whole": True}
