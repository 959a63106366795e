"""Publishing over real HTTP, and a stranger who follows the card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, ModelCard, hf_hub_download, snapshot_download
from transformers import AutoTokenizer, Trainer, TrainingArguments

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.callbacks import SafePushCallback
from modeling_dlfa.publishing.hub import HubRepository
from modeling_dlfa.publishing.publish import dry_run, publish

from ..hub import READ_TOKEN, STRANGER_TOKEN, WRITE_TOKEN, HubServer
from ..online import Environment

PICKLES = (".bin", ".pt", ".pth", ".pkl")
SNIPPETS = """
import re, sys
for snippet in re.findall(r"```python\\n(.*?)```", open(sys.argv[1], encoding="utf-8").read(), re.DOTALL):
    exec(compile(snippet, "card", "exec"), {})
print(len(re.findall(r"```python\\n", open(sys.argv[1], encoding="utf-8").read())))
"""


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(token=WRITE_TOKEN)


def repository(repo_id: str, token: str = WRITE_TOKEN, **options: Any) -> HubRepository:
    return HubRepository(repo_id, token, **options)


def commits(api: HfApi, repo_id: str) -> list[str]:
    return [commit.commit_id for commit in api.list_repo_commits(repo_id)]


def test_the_first_commit_is_the_dry_run_and_the_second_pins_the_card_to_it(
    api: HfApi, finished: Path, tmp_path: Path
) -> None:
    publish(finished, repository("org/published", private=True), license="mit", commit_message="A message")
    assert api.repo_info("org/published").private
    pinning, first, _ = api.list_repo_commits("org/published")
    assert first.title == "A message" and first.commit_id[:12] in pinning.title
    dry_run(finished, "org/published", tmp_path / "dry", license="mit")
    written = {path.relative_to(tmp_path / "dry"): path for path in (tmp_path / "dry").rglob("*") if path.is_file()}
    pushed = Path(snapshot_download("org/published", revision=first.commit_id, local_dir=tmp_path / "first"))
    assert all((pushed / name).read_bytes() == path.read_bytes() for name, path in written.items())
    assert set(api.list_repo_files("org/published")) == {".gitattributes", *(name.as_posix() for name in written)}
    card = Path(hf_hub_download("org/published", "README.md")).read_text(encoding="utf-8")
    pinned = (tmp_path / "dry" / "README.md").read_text(encoding="utf-8")
    pinned = pinned.replace('revision="main"', f'revision="{first.commit_id}"')
    assert [line for line in card.splitlines() if line not in pinned.splitlines()] == [
        line for line in card.splitlines() if "`revision` pins weights and code together." in line
    ]


def test_a_second_publication_replaces_what_would_be_read_and_keeps_the_rest(api: HfApi, finished: Path) -> None:
    publish(finished, repository("org/twice"))
    for name in ("vocab.txt", "training_args.bin", "LICENSE"):
        api.upload_file(path_or_fileobj=b"x", path_in_repo=name, repo_id="org/twice")
    first = ModelCard.load("org/twice").text
    publish(finished, repository("org/twice"), run="last-seed1")
    files = set(api.list_repo_files("org/twice"))
    assert "LICENSE" in files and not {"vocab.txt", "training_args.bin"} & files
    assert ModelCard.load("org/twice").text != first


def test_branch_pull_request_and_own_namespace(api: HfApi, finished: Path) -> None:
    publish(finished, repository("short"))
    assert "model.safetensors" in api.list_repo_files("alice/short")
    assert 'model="alice/short"' in ModelCard.load("alice/short").text
    before = commits(api, "alice/short")
    publish(finished, repository("alice/short", revision="dev"), run="last-seed1")
    assert len(api.list_repo_commits("alice/short", revision="dev")) == len(before) + 2
    address = publish(finished, repository("alice/short", create_pr=True), run="last-seed1")
    assert address.endswith("/discussions/1") and commits(api, "alice/short") == before
    assert len(api.list_repo_commits("alice/short", revision="refs/pr/1")) == len(before) + 2


@pytest.mark.parametrize(
    ("token", "message"),
    [(READ_TOKEN, "can only read"), (STRANGER_TOKEN, "may not write to"), ("hf_nobody", "does not accept the token")],
)
def test_who_may_not_publish_is_told_before_any_training(
    token: str,
    message: str,
    hub: HubServer,
    xnli_arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main("xnli", [*xnli_arguments, "--push_to_hub", "True", "--hub_model_id", "org/refused", "--hub_token", token])
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_hub_that_refuses_the_commit_is_one_error_and_the_repository_stays(
    status: int, hub: HubServer, api: HfApi, finished: Path
) -> None:
    repo_id = f"org/refuses-{status}"
    publish(finished, repository(repo_id))
    before = commits(api, repo_id)
    hub.fail("POST .*/commit/", status=status, times=None)
    with pytest.raises(InputError, match=repo_id):
        publish(finished, repository(repo_id), run="last-seed1")
    assert commits(api, repo_id) == before
    hub.faults.clear()
    publish(finished, repository(repo_id), run="last-seed1")
    assert len(commits(api, repo_id)) == len(before) + 2


def test_a_card_that_could_not_be_pinned_is_said(hub: HubServer, api: HfApi, finished: Path) -> None:
    hub.fail("POST .*/commit/", status=500, skip=1)
    with pytest.raises(InputError, match="The model is published; only its card does not name the commit yet"):
        publish(finished, repository("org/unpinned"))
    assert 'revision="main"' in ModelCard.load("org/unpinned").text
    publish(finished, repository("org/unpinned"))
    assert re.search(r'revision="[0-9a-f]{40}"', ModelCard.load("org/unpinned").text)


@pytest.mark.slow
def test_the_runner_publishes_and_a_stranger_follows_the_card(
    hub: HubServer, api: HfApi, xnli_arguments: list[str], tmp_path: Path, bare_environment: Environment
) -> None:
    push = ["--push_to_hub", "True", "--hub_model_id", "org/run", "--hub_token", WRITE_TOKEN, "--license", "mit"]
    main("xnli", [*xnli_arguments, "--max_steps", "4", "--baseline", "--seeds", "1", "2", *push])
    assert WRITE_TOKEN not in (tmp_path / "out" / "results.json").read_text(encoding="utf-8")
    assert len(commits(api, "org/run")) == 3, "checkpoints must not be pushed"
    card = hf_hub_download("org/run", "README.md")
    assert ModelCard.load("org/run").data.license == "mit"
    assert bare_environment.run(SNIPPETS, card, home=tmp_path / "stranger", hub=hub).value == 3


@pytest.mark.parametrize("strategy", ["every_save", "checkpoint", "end"])
def test_a_trainer_of_ones_own_pushes_no_pickle_and_every_commit_loads(
    strategy: str, api: HfApi, tiny_encoder: Path, tmp_path: Path
) -> None:
    repo_id = f"org/own-{strategy.replace('_', '-')}"
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    rows = [{**tokenizer("the cat", "the dog"), "labels": index % 3} for index in range(16)]
    arguments = TrainingArguments(
        str(tmp_path / "out"),
        **{"push_to_hub": True, "hub_model_id": repo_id, "hub_token": WRITE_TOKEN, "hub_strategy": strategy},
        **{"hub_always_push": True, "save_strategy": "steps", "save_steps": 1, "max_steps": 2},
        **{"report_to": "none", "use_cpu": True},
    )
    model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3)
    options: dict[str, Any] = {"processing_class": tokenizer, "callbacks": [SafePushCallback()]}
    trainer = Trainer(model, arguments, train_dataset=rows, **options)
    trainer.train()
    trainer.push_to_hub()
    assert (tmp_path / "out" / "training_args.bin").is_file(), "the pickle must be there for the Hub to leave it out"
    pushed = [commit for commit in api.list_repo_commits(repo_id) if commit.title != "initial commit"]
    for commit in pushed:
        files = api.list_repo_files(repo_id, revision=commit.commit_id)
        assert not [name for name in files if name.endswith(PICKLES)], commit.title
        folder = snapshot_download(repo_id, revision=commit.commit_id, local_dir=tmp_path / commit.commit_id)
        assert DlfaForSequenceClassification.from_pretrained(folder).config.fusion_layers == [1]
        assert (Path(folder) / "modeling_dlfa.py").is_file()
    assert len(pushed) >= {"end": 1, "every_save": 2, "checkpoint": 4}[strategy]
