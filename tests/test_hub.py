"""The Hub fixture is a Hub to the real client: what it serves, keeps and refuses, and the faults that tests order."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    create_repo,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .hub import READ_TOKEN, STRANGER_TOKEN, WRITE_TOKEN, HubServer
from .hub.ignoring import is_ignored
from .online import ROOT, Environment

LARGE = bytes(range(256)) * 2000
NUMBERS = itertools.count()


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(token=WRITE_TOKEN)


@pytest.fixture
def repo(api: HfApi, request: pytest.FixtureRequest) -> str:
    """A model repository of this test's own, with a text and a large file."""
    repo_id = f"org/{request.node.name[5:50].split('[')[0].rstrip('_')}-{next(NUMBERS)}"
    api.create_repo(repo_id)
    files = {"config.json": b'{"a": 1}', "deep/er/notes.txt": "grüße".encode(), "model.safetensors": LARGE}
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(repo_id, operations, commit_message="Files")
    return repo_id


def ask(
    method: str, url: str, content: bytes | None = None, token: str | None = WRITE_TOKEN, **headers: str
) -> tuple[int, bytes]:
    """Asks without the client, which would not ask like this."""
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, content, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


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


def test_a_broken_download_is_resumed(hub: HubServer, api: HfApi, repo: str, tmp_path: Path) -> None:
    content = os.urandom(12 << 20)  # The client writes down 10 MiB at a time.
    api.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id=repo)
    hub.faults.clear()
    hub.fail("GET /objects/", drop_download_after=11 << 20)
    with suppress(OSError):  # Version 0.x of the client leaves it to the next call to go on.
        hf_hub_download(repo, "model.safetensors", cache_dir=tmp_path)
    path = hf_hub_download(repo, "model.safetensors", cache_dir=tmp_path)
    assert Path(path).read_bytes() == content
    assert [entry.range for entry in hub.requests("GET /objects/")] == [None, f"bytes={10 << 20}-"]


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


@pytest.mark.parametrize("code", [500, 429])
def test_failures_that_pass_are_retried(hub: HubServer, api: HfApi, repo: str, code: int) -> None:
    hub.fail("PUT /objects/", status=code, retry_after=0)
    content = os.urandom(2000)
    with suppress(RuntimeError):  # Version 0.x of the client does not wait at a 429.
        api.upload_file(path_or_fileobj=content, path_in_repo="again.safetensors", repo_id=repo)
    api.upload_file(path_or_fileobj=content, path_in_repo="again.safetensors", repo_id=repo)
    assert [entry.status for entry in hub.requests("PUT /objects/")][-2:] == [code, 200]


@pytest.mark.parametrize("code", [401, 403])
def test_refusals_are_not_retried(hub: HubServer, api: HfApi, repo: str, code: int) -> None:
    hub.faults.clear()
    hub.fail("POST .*/commit/", status=code)
    with pytest.raises(HfHubHTTPError) as error:
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)
    assert status(error) == code and len(hub.requests("/commit/")) == 1


def test_a_dropped_upload_changes_nothing_and_is_repeated(hub: HubServer, api: HfApi, repo: str) -> None:
    head = api.model_info(repo).sha
    hub.fail("PUT /objects/", drop_upload_after=100_000)
    api.upload_file(path_or_fileobj=LARGE[7:], path_in_repo="again.safetensors", repo_id=repo)
    entries = hub.requests("PUT /objects/")
    assert entries[0].status is None and 100_000 <= entries[0].received < len(LARGE) and entries[-1].status == 200
    assert api.model_info(repo).sha != head and not list(hub.objects.folder.glob(".upload-*"))


def test_a_slow_hub_is_slow(hub: HubServer, repo: str, tmp_path: Path) -> None:
    hub.fail("GET /objects/", bytes_per_second=2_000_000)
    timer = threading.Event()
    threading.Timer(0.15, timer.set).start()
    path = hf_hub_download(repo, "model.safetensors", cache_dir=tmp_path)
    assert timer.is_set() and Path(path).read_bytes() == LARGE


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Hub in a process of its own, slow in taking large files, and its address."""
    fault = '{"pattern": "PUT /objects/", "times": null, "bytes_per_second": 200000}'
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.hub", "--root", str(tmp_path / "hub"), "--fault", fault],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    yield server, server.stdout.readline().strip()
    server.kill()
    server.wait()


PUSH = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("org/killed", exist_ok=True)
api.upload_file(path_or_fileobj=b"whole", path_in_repo="a.txt", repo_id="org/killed")
print("first", flush=True)
api.upload_file(path_or_fileobj=bytes(range(256)) * 4000, path_in_repo="model.safetensors", repo_id="org/killed")
"""


def test_a_killed_hub_stays_at_its_last_commit(
    process: tuple[subprocess.Popen[str], str], bare_environment: Environment, tmp_path: Path
) -> None:
    server, url = process
    home = tmp_path / "home"
    home.mkdir()
    # One attempt: the client would try six times in the half minute to come.
    once = "import huggingface_hub.lfs as lfs\nfrom functools import partial\n"
    once += "lfs.http_backoff = partial(lfs.http_backoff, max_retries=0)\n"
    variables = bare_environment.variables(home, None, WRITE_TOKEN, offline=False)
    client = subprocess.Popen(
        [bare_environment.python, "-c", once + PUSH],
        env={**variables, "HF_ENDPOINT": url},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None and client.stdout.readline() == "first\n"
    uploads = tmp_path / "hub" / "objects"
    while not any(file.stat().st_size for file in uploads.glob(".upload-*")):
        assert client.poll() is None
    server.kill()
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 1 and "Error while uploading 'model.safetensors' to the Hub" in errors
    with HubServer(tmp_path / "hub") as again:
        files = json.loads(ask("GET", f"{again.url}/api/models/org/killed")[1])["siblings"]
        assert [file["rfilename"] for file in files] == [".gitattributes", "a.txt"]
        assert ask("GET", f"{again.url}/org/killed/resolve/main/a.txt") == (200, b"whole")


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


REACH = """
import asyncio, json, socket, subprocess, sys, urllib.request

def reached(attempt):
    try:
        attempt()
    except OSError as error:
        return "loopback" not in str(error)
    return True

async def connect():
    await asyncio.open_connection("192.0.2.1", 80)

child = [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.2', 80), 1)"]
try:
    import modeling_dlfa
    package = modeling_dlfa.__file__
except ModuleNotFoundError:
    package = None
print(json.dumps([reached(lambda: socket.create_connection(("192.0.2.1", 80), 1)),
                  reached(lambda: socket.getaddrinfo("huggingface.co", 443)),
                  reached(lambda: asyncio.run(connect())),
                  subprocess.run(child, capture_output=True).returncode == 0, package]))
"""


def test_the_environments_reach_loopback_alone_and_one_is_without_the_package(
    bare_environment: Environment, package_environment: Environment, tmp_path: Path
) -> None:
    bare = bare_environment.run(REACH, home=tmp_path, check=False)
    assert bare.value == [False, False, False, False, None]
    assert bare.refused == ["192.0.2.1", "huggingface.co", "192.0.2.1", "192.0.2.2"]
    installed = package_environment.run("import modeling_dlfa; print(f'\"{modeling_dlfa.__file__}\"')", home=tmp_path)
    assert Path(installed.value).resolve() == ROOT / "modeling_dlfa" / "__init__.py"
