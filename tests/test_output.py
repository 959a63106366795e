"""The output directory protects what lies in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.output import OutputDirectory, write_json


def test_only_its_own_entries_are_deleted(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path)
    for name in ("results.json", "results.md", "notes.txt"):
        (tmp_path / name).write_text("{}")
    write_json(output.record("a-seed1"), {"name": "a-seed1"})
    output.start({"task": "xnli"}, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"arguments.json", "notes.txt"}
    assert output.finished("a-seed1") is None


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
    output.start({"task": "xnli", "recipe": {"learning_rate": 0.1, "optim": "adamw"}}, overwrite=False)
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
