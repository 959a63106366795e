"""What a .gitignore of the Hub of the tests names is not taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from .ignoring import is_ignored

IGNORE = """
# Not for others
*.bin
/top.txt
logs/
deep/*.tmp
**/cache/**
!kept.bin
[ab]?.pt
"""


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("training_args.bin", True),
        ("deep/er/x.bin", True),
        ("kept.bin", False),
        ("x.bins", False),
        ("top.txt", True),
        ("deep/top.txt", False),
        ("logs", False),
        ("deep/logs/a", True),
        ("logs/kept.bin", True),
        ("deep/a.tmp", True),
        ("deep/er/a.tmp", False),
        ("cache/a", True),
        ("x/cache/y/a", True),
        ("a1.pt", True),
        ("c1.pt", False),
        ("#", False),
    ],
)
def test_rules_of_a_gitignore(path: str, ignored: bool) -> None:
    assert is_ignored(path, IGNORE) is ignored


def test_what_a_gitignore_names_is_not_taken(api: HfApi, repo: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in {".gitignore": "*.bin\n", "a.bin": "a", "a.txt": "a"}.items():
        (folder / name).write_text(content)
    api.upload_folder(repo_id=repo, folder_path=folder)
    assert {".gitignore", "a.txt"} <= set(api.list_repo_files(repo)) and not api.file_exists(repo, "a.bin")
    # Rules of an earlier commit hold; those of the commit itself come first.
    api.upload_file(path_or_fileobj=b"b", path_in_repo="b.bin", repo_id=repo)
    assert not api.file_exists(repo, "b.bin")
    (folder / ".gitignore").write_text("*.txt\n")
    (folder / "b.txt").write_text("b")
    api.upload_folder(repo_id=repo, folder_path=folder)
    assert api.file_exists(repo, "a.bin") and not api.file_exists(repo, "b.txt")
