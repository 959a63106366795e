"""What the Hub of the tests must refuse for other tests to mean anything: pickles by .gitignore, cards, tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from . import READ_TOKEN, STRANGER_TOKEN, WRITE_TOKEN, HubServer
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


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    api = HfApi(token=WRITE_TOKEN)
    api.create_repo("org/hub", exist_ok=True)
    return api


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
        ("x/cache/y/a", True),
        ("a1.pt", True),
        ("c1.pt", False),
    ],
)
def test_rules_of_a_gitignore(path: str, ignored: bool) -> None:
    assert is_ignored(path, IGNORE) is ignored


def test_what_a_gitignore_names_is_not_taken(api: HfApi, tmp_path: Path) -> None:
    for name, content in {".gitignore": "*.bin\n", "a.bin": "a", "a.txt": "a"}.items():
        (tmp_path / name).write_text(content)
    api.upload_folder(repo_id="org/hub", folder_path=tmp_path)
    assert {".gitignore", "a.txt"} <= set(api.list_repo_files("org/hub")) and not api.file_exists("org/hub", "a.bin")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [("license: [", "no YAML"), ("language: [no]", '"language"'), ("model-index: [{results: []}]", "model-index")],
)
def test_bad_cards_are_refused(api: HfApi, metadata: str, message: str) -> None:
    card = f"---\n{metadata}\n---\n# Card".encode()
    with pytest.raises(ValueError, match=message):
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="org/hub")
    assert "README.md" not in api.list_repo_files("org/hub")


@pytest.mark.parametrize(("token", "status"), [(False, 401), (READ_TOKEN, 403), (STRANGER_TOKEN, 403)])
def test_who_may_not_write_is_refused(api: HfApi, token: str | bool, status: int) -> None:
    with pytest.raises(HfHubHTTPError) as error:
        HfApi(token=token).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="org/hub")
    assert error.value.response.status_code == status and "x" not in api.list_repo_files("org/hub")
