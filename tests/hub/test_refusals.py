"""What the Hub of the tests refuses: tokens, private and gated repositories, bad names, paths and cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, create_repo, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from . import READ_TOKEN, STRANGER_TOKEN, HubServer
from .calls import ask, status


def test_tokens(api: HfApi, repo: str) -> None:
    assert api.whoami()["name"] == "alice" and HfApi(token=READ_TOKEN).model_info(repo).id == repo
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    for token, expected in ((False, 401), (READ_TOKEN, 403), (STRANGER_TOKEN, 403), ("hf_wrong", 401)):
        with pytest.raises(HfHubHTTPError) as error:
            HfApi(token=token).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)
        assert status(error) == expected
        with pytest.raises(HfHubHTTPError) as error:
            create_repo(f"{repo}-new", token=token)
        assert status(error) == expected
    assert "x" not in api.list_repo_files(repo)


def test_private_repositories_are_not_there_for_others(api: HfApi, repo: str, tmp_path: Path) -> None:
    api.update_repo_settings(repo, private=True)
    assert api.model_info(repo).private is True
    for token, expected in ((False, 401), (STRANGER_TOKEN, 404)):
        for call in (
            lambda token: HfApi(token=token).model_info(repo),
            lambda token: hf_hub_download(repo, "config.json", token=token, cache_dir=tmp_path),
            lambda token: HfApi(token=token).model_info("org/never-created"),
        ):
            with pytest.raises(RepositoryNotFoundError) as error:
                call(token)
            assert status(error) == expected
    assert hf_hub_download(repo, "config.json", token=READ_TOKEN, cache_dir=tmp_path)


def test_gated_repositories_are_seen_and_not_read(api: HfApi, repo: str, tmp_path: Path) -> None:
    api.update_repo_settings(repo, gated="manual")
    assert HfApi(token=STRANGER_TOKEN).model_info(repo).gated == "manual"
    with pytest.raises(GatedRepoError):
        hf_hub_download(repo, "config.json", token=STRANGER_TOKEN, cache_dir=tmp_path)


def test_creating_and_deleting(api: HfApi, repo: str) -> None:
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo(repo)
    assert status(error) == 409
    assert api.create_repo(repo, exist_ok=True).repo_id == repo
    assert api.create_repo("creating-mine", private=True).repo_id == "alice/creating-mine"
    assert api.model_info("alice/creating-mine").private is True
    assert not api.repo_exists(repo, repo_type="dataset")
    api.delete_repo(repo)
    assert not api.repo_exists(repo)
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("alice/creating-mine", "nothing.json")


def lines(*values: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(value) for value in values).encode()


HEADER = {"key": "header", "value": {"summary": "By hand"}}


@pytest.mark.parametrize("path", ["../up", "a//b", ".git/config", "a/./b", "x\\y"])
def test_bad_paths_are_refused(hub: HubServer, repo: str, path: str) -> None:
    file = {"key": "file", "value": {"content": "", "path": path}}
    code, text = ask("POST", f"{hub.url}/api/models/{repo}/commit/main", lines(HEADER, file))
    assert code == 400 and b"Invalid path" in text


@pytest.mark.parametrize("name", ["a--b", ".a", "a..b", "a.git", "a b", "x" * 97])
def test_bad_names_are_refused(hub: HubServer, name: str) -> None:
    code, text = ask("POST", f"{hub.url}/api/repos/create", lines({"name": name, "organization": "org"}))
    assert code == 400 and b"Invalid repository name" in text


def test_an_object_that_is_not_what_was_announced_is_refused(hub: HubServer, repo: str) -> None:
    lfs, oid = f"{hub.url}/{repo}.git/info/lfs/objects", "ab" * 32
    item = {"oid": oid, "size": 3}
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [item], "ref": {"name": "main"}}
    upload = json.loads(ask("POST", f"{lfs}/batch", lines(batch))[1])["objects"][0]["actions"]["upload"]["href"]
    assert ask("PUT", upload, b"abc", token=None)[0] == 400
    assert ask("PUT", upload.replace("size=3", "size=4"), b"abcd", token=None)[0] == 403
    assert ask("POST", f"{lfs}/verify", lines(item))[0] == 404
    pointer = {"key": "lfsFile", "value": {"path": "m.bin", "algo": "sha256", **item}}
    assert ask("POST", f"{hub.url}/api/models/{repo}/commit/main", lines(HEADER, pointer))[0] == 400
    assert not hub.objects.path(oid).exists() and not list(hub.objects.folder.glob(".upload-*"))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [("license: [", "no YAML"), ("language: [no]", '"language"'), ("model-index: [{results: []}]", "model-index")],
)
def test_bad_cards_are_refused(api: HfApi, repo: str, metadata: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        api.upload_file(
            path_or_fileobj=f"---\n{metadata}\n---\n# Card".encode(), path_in_repo="README.md", repo_id=repo
        )
    assert "README.md" not in api.list_repo_files(repo)


def test_cards_become_tags(api: HfApi, repo: str) -> None:
    card = b"---\nlicense: cc0-1.0\nlanguage: [en, 'no']\npipeline_tag: text-classification\n---\n# Card"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)
    info = api.model_info(repo)
    assert {"license:cc0-1.0", "en", "no"} <= set(info.tags or []) and info.pipeline_tag == "text-classification"
    assert info.card_data is not None and info.card_data.license == "cc0-1.0"
