"""Where the snippets run, and what the README's ids stand for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from transformers import BertConfig, BertModel

from modeling_dlfa.tasks import XNLI

from ..hub import HubServer
from ..online import online
from ..served import serve
from ..tiny_checkpoints import ENTITIES, save_checkpoint


@pytest.fixture(scope="module")
def served(hub_server: HubServer, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with online():
        serve(tmp_path_factory.mktemp("served"), tiny_encoder)


@pytest.fixture
def no_repository(hub: HubServer) -> HfApi:
    """The client, when the README's `org/name` is not there yet."""
    HfApi().delete_repo("org/name", missing_ok=True)
    return HfApi()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of a snippet."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def encoder(tiny_encoder: Path, home: Path) -> Path:
    """The docs' `ENCODER`, with layers enough for their commands."""
    shutil.copytree(tiny_encoder, home / "ENCODER")
    deeper = BertConfig.from_pretrained(tiny_encoder, num_hidden_layers=6)
    BertModel(deeper, add_pooling_layer=False).save_pretrained(home / "ENCODER")
    return home / "ENCODER"


@pytest.fixture
def checkpoints(home: Path) -> None:
    """What the docs predict with, and texts to label."""
    save_checkpoint(home / "runs/xnli/models/aif-layer4-seed42", "sequence", XNLI.labels)
    save_checkpoint(home / "runs/ner/models/aif-layer4-seed42", "token", ENTITIES)
    (home / "pairs.tsv").write_text("A cat sleeps.\tAn animal sleeps.\nIt rains.\tIt is dry.\n", encoding="utf-8")
    (home / "words.conll").write_text("Ada O\nLovelace O\n\nParis O\n", encoding="utf-8")
    (home / "texts.tsv").write_text("A cat sleeps.\n", encoding="utf-8")
