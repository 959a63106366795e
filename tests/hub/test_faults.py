"""The faults that tests order of their Hub: failures, breaks, slowness, its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from ..online import ROOT, Environment
from . import WRITE_TOKEN, HubServer
from .calls import LARGE, ask, status


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
