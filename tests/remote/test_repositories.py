"""What a push publishes, to whom, and what the files that travel need."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from transformers import AutoModelForSequenceClassification
from transformers.dynamic_module_utils import get_imports, get_relative_imports
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from modeling_dlfa import DlfaForSequenceClassification

from ..backbones import MODEL_CLASSES
from ..hub import READ_TOKEN, STRANGER_TOKEN, HubServer
from ..online import ROOT
from ..small_bert import lively
from ..strangers import outputs
from .repositories import AUTO_MAP, CODE, REPOS, SEQUENCE, Published, read


@pytest.mark.parametrize("model_class", MODEL_CLASSES)
def test_push_to_hub_alone_gives_a_whole_repository(
    published: Published, hub: HubServer, model_class: type, tmp_path: Path
) -> None:
    commits = hub.repository("models", REPOS[model_class]).history("main")
    pushed = next(commit for commit in commits if commit.title == "First weights")
    files = set(pushed.files)
    assert files == {".gitattributes", "README.md", "config.json", "model.safetensors"} | CODE
    config = json.loads(read(hub, REPOS[model_class], "config.json"))
    assert config["auto_map"] == AUTO_MAP and config["model_type"] == "dlfa"
    assert "dlfa" not in CONFIG_MAPPING_NAMES  # A stock class would be loaded in silence, without trust.
    published.models[model_class].save_pretrained(tmp_path)
    for name in files - {".gitattributes", "README.md"}:
        assert (tmp_path / name).read_bytes() == read(hub, REPOS[model_class], name), name


@pytest.mark.parametrize("name", sorted(CODE))
def test_the_travelling_files_need_each_other_torch_and_transformers_alone(name: str) -> None:
    path = ROOT / "modeling_dlfa" / name
    # As transformers reads them: by regular expressions, in docstrings too, and from one flat folder.
    assert {f"{module}.py" for module in get_relative_imports(path)} <= CODE
    assert set(get_imports(path)) - sys.stdlib_module_names <= {"torch", "transformers"}


def test_the_entry_file_imports_all_others_itself() -> None:
    # From a local folder transformers 4 copies no further.
    direct = {f"{name}.py" for name in get_relative_imports(ROOT / "modeling_dlfa" / "modeling_dlfa.py")}
    assert direct == CODE - {"modeling_dlfa.py"}


def test_private_repositories_need_a_token(published: Published, hub: HubServer) -> None:
    repo, model = "org/remote-private", published.models[DlfaForSequenceClassification]
    model.push_to_hub(repo, private=True)
    assert HfApi().model_info(repo).private is True
    for token in (False, STRANGER_TOKEN):
        with pytest.raises(OSError, match="is not a local folder and is not a valid model identifier"):
            AutoModelForSequenceClassification.from_pretrained(repo, token=token)
    loaded = AutoModelForSequenceClassification.from_pretrained(repo, token=READ_TOKEN)
    assert outputs(loaded) == published.results[SEQUENCE]


def test_branches_pull_requests_and_messages_are_those_of_the_client(published: Published, hub: HubServer) -> None:
    repo, api = "org/remote-branches", HfApi()
    model = published.models[DlfaForSequenceClassification]
    model.push_to_hub(repo)
    head = api.model_info(repo).sha
    other = lively(DlfaForSequenceClassification(model.config), 5)
    other.push_to_hub(repo, revision="trial", commit_message="Try it", commit_description="At length")
    proposed = other.push_to_hub(repo, create_pr=True)
    assert api.model_info(repo).sha == head and proposed.pr_revision == "refs/pr/1"
    commit = api.list_repo_commits(repo, revision="trial")[0]
    assert (commit.title, commit.message) == ("Try it", "At length")
    weights = {revision: read(hub, repo, "model.safetensors", revision) for revision in ("main", "trial", "refs/pr/1")}
    assert weights["main"] != weights["trial"] == weights["refs/pr/1"]
    sums = json.loads(read(hub, repo, "config.json", "trial"))["weights_sha256"]
    assert sums != json.loads(read(hub, repo, "config.json"))["weights_sha256"]


def test_saving_with_push_to_hub_pushes_what_is_saved(published: Published, hub: HubServer, tmp_path: Path) -> None:
    model = published.models[DlfaForSequenceClassification]
    model.save_pretrained(tmp_path / "here", push_to_hub=True, repo_id="org/remote-saved", commit_message="Both")
    for name in ("config.json", "model.safetensors", *CODE):
        assert (tmp_path / "here" / name).read_bytes() == read(hub, "org/remote-saved", name)
    assert HfApi().list_repo_commits("org/remote-saved")[0].title == "Both"
