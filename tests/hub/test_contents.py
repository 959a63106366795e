"""The Hub of the tests, asked by the real client: files, revisions, pull requests and commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from ..online import Environment
from . import STRANGER_TOKEN, WRITE_TOKEN, HubServer
from .calls import LARGE, ask, status


def test_what_goes_up_comes_down(api: HfApi, repo: str, tmp_path: Path) -> None:
    folder = Path(snapshot_download(repo, cache_dir=tmp_path))
    assert (folder / "model.safetensors").read_bytes() == LARGE
    assert (folder / "deep/er/notes.txt").read_text(encoding="utf-8") == "grüße"
    info = api.model_info(repo, files_metadata=True)
    large = next(file for file in info.siblings or [] if file.rfilename == "model.safetensors")
    assert folder.name == info.sha and large.size == len(LARGE) and large.lfs is not None
    assert info.private is False and "safetensors" in (info.tags or []) and info.last_modified is not None


def test_large_files_come_from_another_origin_without_the_token(hub: HubServer, api: HfApi, repo: str) -> None:
    api.update_repo_settings(repo, private=True)
    hub.faults.clear()
    path = hf_hub_download(repo, "model.safetensors")
    assert Path(path).resolve().name == api.get_paths_info(repo, ["model.safetensors"])[0].lfs.sha256
    asked = hub.requests("resolve|objects")
    assert [(entry.method, entry.status, entry.user) for entry in asked] == [
        ("HEAD", 302, "alice"),
        ("GET", 200, None),
    ]
    unsigned = f"{hub.store_url}{asked[-1].path}"
    assert ask("GET", unsigned, token=None)[0] == 403 and ask("GET", unsigned)[0] == 400
    metadata = get_hf_file_metadata(hf_hub_url(repo, "config.json"), token=WRITE_TOKEN)
    assert metadata.commit_hash == api.model_info(repo).sha and metadata.size == 8
    assert metadata.etag == api.get_paths_info(repo, ["config.json"])[0].blob_id


def test_ranges(hub: HubServer, repo: str) -> None:
    def part(value: str) -> tuple[int, bytes]:
        return ask("GET", hf_hub_url(repo, "config.json"), Range=f"bytes={value}")

    assert part("2-4") == (206, b'a":') and part("6-") == (206, b"1}") and part("-2") == (206, b"1}")
    assert part("0-99") == (206, b'{"a": 1}') and part("8-")[0] == 416


def test_trees_are_paged(hub_server: HubServer, api: HfApi, repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_server, "page_size", 2)
    tree = list(api.list_repo_tree(repo, recursive=True, expand=True))
    assert [entry.path for entry in tree] == [
        *(".gitattributes", "config.json", "deep", "deep/er", "deep/er/notes.txt", "model.safetensors"),
    ]
    assert len(hub_server.requests("/tree/")) == 3
    assert [entry.path for entry in api.list_repo_tree(repo, "deep")] == ["deep/er"]
    assert len(api.list_repo_commits(repo)) == 2 and api.list_repo_commits(repo)[0].title == "Files"
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "nowhere"))


def test_revisions(api: HfApi, repo: str) -> None:
    first = api.model_info(repo).sha
    assert first is not None
    api.create_tag(repo, tag="v1")
    api.create_branch(repo, branch="trial")
    api.upload_file(path_or_fileobj=b"2", path_in_repo="config.json", repo_id=repo)
    api.upload_file(path_or_fileobj=b"3", path_in_repo="config.json", repo_id=repo, revision="trial")

    def content(revision: str | None) -> bytes:
        return Path(hf_hub_download(repo, "config.json", revision=revision)).read_bytes()

    assert content(None) == b"2" and content("trial") == b"3"
    assert content("v1") == content(first) == content(first[:7]) == b'{"a": 1}'
    refs = api.list_repo_refs(repo)
    assert {ref.name for ref in refs.branches} == {"main", "trial"} and refs.tags[0].target_commit == first
    api.delete_branch(repo, branch="trial")
    api.delete_tag(repo, tag="v1")
    for revision in ("trial", "v1", "0123456789"):
        with pytest.raises(RevisionNotFoundError):
            api.model_info(repo, revision=revision)
    with pytest.raises(HfHubHTTPError) as error:
        api.create_branch(repo, branch="main")
    assert status(error) == 409
    with pytest.raises(HfHubHTTPError) as error:
        api.delete_branch(repo, branch="main")
    assert status(error) == 403


def test_pull_requests_leave_main_alone(api: HfApi, repo: str) -> None:
    before = api.model_info(repo).sha
    stranger = HfApi(token=STRANGER_TOKEN)
    made = stranger.upload_file(
        path_or_fileobj=LARGE[1:], path_in_repo="model.safetensors", repo_id=repo, create_pr=True
    )
    assert made.pr_revision == "refs/pr/1" and api.model_info(repo).sha == before
    proposed = hf_hub_download(repo, "model.safetensors", revision="refs/pr/1")
    assert Path(proposed).read_bytes() == LARGE[1:]
    api.upload_file(path_or_fileobj=b"more", path_in_repo="more.txt", repo_id=repo, revision="refs/pr/1")
    assert "more.txt" in api.list_repo_files(repo, revision="refs/pr/1")
    assert "more.txt" not in api.list_repo_files(repo)


def test_commits_delete_and_check_their_parent(api: HfApi, repo: str) -> None:
    head = api.model_info(repo).sha
    operations = [CommitOperationDelete("deep/"), CommitOperationDelete("config.json")]
    api.create_commit(repo, operations, commit_message="Less", parent_commit=head)
    assert api.list_repo_files(repo) == [".gitattributes", "model.safetensors"]
    with pytest.raises(HfHubHTTPError) as error:
        api.create_commit(repo, [CommitOperationAdd("x", b"x")], commit_message="Late", parent_commit=head)
    assert status(error) == 412
    with pytest.raises(EntryNotFoundError):
        api.create_commit(repo, [CommitOperationDelete("gone.txt")], commit_message="Twice")


def test_what_is_there_is_not_sent_again(hub: HubServer, api: HfApi, repo: str) -> None:
    head = api.model_info(repo).sha
    hub.faults.clear()
    made = api.upload_file(path_or_fileobj=LARGE, path_in_repo="model.safetensors", repo_id=repo)
    assert made.oid == head and not hub.requests("PUT|/commit/")
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="copy.safetensors", repo_id=repo)
    assert not hub.requests("PUT") and hub.requests("/commit/")


DATASET = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
names = get_dataset_config_names("facebook/tiny-xnli")
data = load_dataset("facebook/tiny-xnli", "de")
print(json.dumps([names, {split: data[split].num_rows for split in data}, data["test"].features["label"].names,
                  data["test"][0]]))
"""


def test_datasets_in_parquet_load(api: HfApi, hub: HubServer, bare_environment: Environment, tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"premise": Value("string"), "label": ClassLabel(names=["entailment", "neutral"])})
    card = "---\nconfigs:\n"
    api.create_repo("facebook/tiny-xnli", repo_type="dataset", exist_ok=True)
    for language in ("de", "en"):
        card += f"- config_name: {language}\n  data_files:\n"
        for split, rows in (("train", 5), ("test", 3)):
            values = {
                "premise": [f"{language} {row}" for row in range(rows)],
                "label": [row % 2 for row in range(rows)],
            }
            path = tmp_path / language / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(exist_ok=True)
            Dataset.from_dict(values, features).to_parquet(path)
            card += f"  - split: {split}\n    path: {language}/{split}-*\n"
    (tmp_path / "README.md").write_text(card + "---\n")
    api.upload_folder(repo_id="facebook/tiny-xnli", repo_type="dataset", folder_path=tmp_path)
    assert api.dataset_info("facebook/tiny-xnli").sha
    result = bare_environment.run(DATASET, home=tmp_path / "home", hub=hub, check=False)
    # With huggingface_hub 0.x datasets asks a second server, whose name it derives from the Hub's.
    assert set(result.refused) <= {"datasets-server.127.0.0.1"}
    names, rows, labels, first = result.value
    assert names == ["de", "en"] and rows == {"train": 5, "test": 3} and labels == ["entailment", "neutral"]
    assert first == {"premise": "de 0", "label": 0}
