"""What is checked before the Hub is asked, and what of a repository is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.hub import HubRepository, check_repo_id, stale_files


@pytest.mark.parametrize("repo_id", ["a/b/c", "org/", "org/na me", "org/--x", "../x", ""])
def test_what_is_no_id_is_refused(repo_id: str) -> None:
    with pytest.raises(InputError, match="is not a repository id"):
        check_repo_id(repo_id)


def test_a_dry_run_needs_the_namespace() -> None:
    check_repo_id("name")
    check_repo_id("org/name", namespace=True)
    with pytest.raises(InputError, match="lacks the namespace"):
        check_repo_id("name", namespace=True)


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="There is no Hub token to publish org/name with"):
        HubRepository("org/name").prepare()


def test_a_pull_request_goes_to_the_default_branch() -> None:
    with pytest.raises(InputError, match="--create_pr or --revision"):
        HubRepository("org/name", "hf_x", revision="dev", create_pr=True).check()


def test_offline_is_named(tmp_path: Path) -> None:
    repository = HubRepository("org/name", "hf_x")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        repository.prepare()
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        repository.push(tmp_path, str, "message")


def test_only_what_would_be_read_in_place_of_the_new_is_replaced() -> None:
    present = [
        *(
            ".gitattributes",
            "LICENSE",
            "notes.py",
            "onnx/model.safetensors",
            "README.md",
            "config.json",
            "handler.json",
        ),
        *("model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"),
        *("pytorch_model.bin", "training_args.bin", "vocab.txt", "special_tokens_map.json", "old_dlfa.py"),
    ]
    assert stale_files(present, ["README.md", "config.json", "model.safetensors"]) == [
        *("model-00001-of-00002.safetensors", "model.safetensors.index.json", "pytorch_model.bin"),
        *("training_args.bin", "vocab.txt", "special_tokens_map.json", "old_dlfa.py"),
    ]
