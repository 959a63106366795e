"""What the Trainer would push of DLFA models: with code, and with the Hub told to take no pickle."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import Trainer, TrainingArguments

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.configuration_dlfa import AUTO_MAP
from modeling_dlfa.publishing.callbacks import IGNORED, SafePushCallback

from ..backbones import dlfa_config


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the one request that the Trainer makes when it is built."""
    monkeypatch.setattr(Trainer, "init_hf_repo", lambda self, **kwargs: None)


def build(folder: Path, push: bool) -> None:
    arguments = TrainingArguments(str(folder), push_to_hub=push, hub_model_id="org/name", report_to="none")
    Trainer(DlfaForSequenceClassification(dlfa_config("bert")), arguments, callbacks=[SafePushCallback()])


def test_code_and_rules_are_there_before_the_first_push(tmp_path: Path, no_hub: None) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".gitignore").write_text("mine\n*.pt\n")
    build(tmp_path / "out", push=True)
    build(tmp_path / "out", push=True)
    rules = (tmp_path / "out" / ".gitignore").read_text().splitlines()
    assert rules[:2] == ["mine", "*.pt"] and sorted(rules) == sorted({"mine", *IGNORED})
    assert all((tmp_path / "out" / f"{name.partition('.')[0]}.py").is_file() for name in AUTO_MAP.values())


def test_without_pushing_nothing_is_written(tmp_path: Path, no_hub: None) -> None:
    build(tmp_path / "out", push=False)
    assert not (tmp_path / "out" / ".gitignore").exists() and not list(tmp_path.rglob("*.py"))
