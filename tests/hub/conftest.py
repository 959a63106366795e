"""A client of the Hub of the tests, and a repository of a test's own."""

from __future__ import annotations

import itertools

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from . import WRITE_TOKEN, HubServer
from .calls import LARGE

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
