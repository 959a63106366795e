"""Folders that commands write into: locks that end with their process, and new folders whole or not at all."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.files import folders
from modeling_dlfa.files.folders import HOLDER, LOCK, check_space, free_file, locked, named_file, new_folder

from ..commands import holding
from ..conftest import ROOT


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PATIENCE", 0.2)
    with holding(tmp_path) as other:
        with pytest.raises(InputError, match=f"in use by process {other.pid} on .*Wait until it has ended"):
            with locked(tmp_path):
                pytest.fail("two hold one folder")
        assert (tmp_path / LOCK).exists(), "the other's lock was removed"


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert {path.name for path in tmp_path.iterdir()} == {LOCK, HOLDER}
        with locked(tmp_path):
            assert f"process {os.getpid()} on" in (tmp_path / HOLDER).read_text()
    assert not any(tmp_path.iterdir())


def test_a_lock_that_is_freed_in_time_is_waited_for(tmp_path: Path) -> None:
    with holding(tmp_path) as other, subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {other.pid}"]):
        started = time.monotonic()
        with locked(tmp_path):
            assert time.monotonic() - started > 0.5


def test_a_folder_in_which_nothing_was_written_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path / "a" / "b"):
        raise RuntimeError
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "mine").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "mine"]


def test_a_file_is_named_before_the_work(tmp_path: Path) -> None:
    assert named_file("new.json", "--output_file") == Path("new.json")
    for name in ("", str(tmp_path)):
        with pytest.raises(InputError, match="^--output_file .* is not the name of a file"):
            named_file(name, "--output_file")


def test_a_file_replaces_nothing_unasked_and_never_an_input(tmp_path: Path) -> None:
    model, mine = tmp_path / "model", tmp_path / "mine.tsv"
    model.mkdir()
    for path in (mine, model / "config.json"):
        path.write_text("mine")
    inputs = [mine, model, "org/name-on-the-hub"]
    link = tmp_path / "link.tsv"
    os.symlink(mine, link)
    for path in (mine, link):
        with pytest.raises(InputError, match="is the input, which it would replace"):
            free_file(str(path), "--output_file", overwrite=True, inputs=inputs)
    with pytest.raises(InputError, match="config.json is a file of the input .*model"):
        free_file(str(model / "config.json"), "--output_file", overwrite=True, inputs=inputs)
    with pytest.raises(InputError, match="--output_file .* exists. .*--overwrite"):
        free_file(str(mine), "--output_file", overwrite=False)
    with pytest.raises(InputError, match="mine.tsv is a file"):
        free_file(str(mine / "new.json"), "--output_file", overwrite=True)
    assert free_file(str(mine), "--output_file", overwrite=True) == mine
    assert free_file(str(model / "new.json"), "--output_file", overwrite=False, inputs=inputs).parent == model


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "out", tmp_path / ("x" * 300), Path(f"{tmp_path}/a\0b")):
        with pytest.raises(InputError, match="^--output_dir .* cannot be written"), locked(path):
            pytest.fail("it was made")


def test_a_file_system_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for one: to mount it takes rights that tests have not."""
    (tmp_path / "old.tsv").write_text("old")
    system = os.open

    def read_only(path: str, flags: int, *mode: int, **options: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return system(path, flags, *mode, **options)

    def make_no_folder(path: str, *mode: int, **options: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "mkdir", make_no_folder)
    for path in (tmp_path, tmp_path / "out"):
        with (
            pytest.raises(InputError, match="^--output_dir .* cannot be written: Read-only file system"),
            locked(path),
        ):
            pytest.fail("it was written")
    with pytest.raises(InputError, match="Read-only"), new_folder(tmp_path / "out", "--output_dir"):
        pytest.fail("it was made")
    for name in ("labels.tsv", "old.tsv"):
        with pytest.raises(InputError, match=f"^--output_file .*{name}: .* cannot be written: Read-only"):
            free_file(str(tmp_path / name), "--output_file", overwrite=True)


def test_a_new_folder_takes_an_empty_ones_place_as_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def renames_on_windows(source: str, target: str) -> None:
        if os.path.exists(target):
            raise PermissionError(13, "Access is denied", str(source), None, str(target))
        rename(source, target)

    monkeypatch.setattr(os, "rename", renames_on_windows)
    monkeypatch.setattr(os, "replace", renames_on_windows)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        with new_folder(tmp_path / name, "--output_dir") as draft:
            (draft / "file").write_text("whole")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("file")) == ["empty/file", "new/file"]


def test_a_new_folder_that_was_filled_meanwhile_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not empty"), new_folder(tmp_path / "out", "--output_dir"):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("mine")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "out"]


def test_a_link_to_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with new_folder(tmp_path / "link", "--output_dir") as draft:
        (draft / "file").write_text("whole")
    assert (tmp_path / "real" / "file").is_file() and (tmp_path / "link").is_symlink()


def test_room_on_the_disk(tmp_path: Path) -> None:
    check_space(tmp_path / "not" / "yet", 1, "files", "Free some.")
    with pytest.raises(InputError, match=r"has .* left, but 3 models take 1000000.0 GB. Free some."):
        check_space(tmp_path / "not" / "yet", 10**15, "3 models", "Free some.")
    check_space(tmp_path, 10**15, "3 models", "Free some.", freed=10**15)


def test_text_has_line_feeds_on_every_system() -> None:
    """Windows would write two characters where the end of a line is not named."""
    unnamed = []
    for path in [*(ROOT / "modeling_dlfa").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            modes = [entry.value for entry in call.args if isinstance(entry, ast.Constant)]
            writes = function == "write_text" and isinstance(call.func, ast.Attribute)
            writes |= function == "open" and any(mode in ("w", "a", "x") for mode in modes)
            if writes and "newline" not in {keyword.arg for keyword in call.keywords}:
                unnamed.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not unnamed
