"""A Hub that refuses, fails, is slow or breaks off, and a full disk: one clear error or a retry, and nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, lfs
from huggingface_hub.errors import HfHubHTTPError
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.callbacks import SafePushCallback
from modeling_dlfa.publishing.hub import HubRepository
from modeling_dlfa.publishing.publish import publish

from ..backbones import build
from ..hub import WRITE_TOKEN, HubServer
from ..online import Environment
from ..served import make_encoder

STATUSES = (401, 403, 429, 500)


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(token=WRITE_TOKEN)


def sums(folder: Path) -> dict[str, str]:
    """sha256 of every file of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Publishing


@pytest.fixture
def unsent(finished: Path, tmp_path: Path) -> Path:
    """A finished command of which the Hub does not have a large file yet, whatever was published before."""
    folder = Path(shutil.copytree(finished, tmp_path / "unsent"))
    for figure in folder.glob("figures/*.png"):
        figure.write_bytes(figure.read_bytes() + os.urandom(8))  # Beyond its end.
    return folder


def test_an_upload_that_breaks_off_changes_nothing_and_is_repeated(
    hub: HubServer, api: HfApi, finished: Path, unsent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = HubRepository("org/broken-off", WRITE_TOKEN)
    publish(finished, target)
    head, before = api.model_info("org/broken-off").sha, sums(unsent)
    with monkeypatch.context() as patch:  # One attempt: the client would take half a minute for six.
        patch.setattr(lfs, "http_backoff", partial(lfs.http_backoff, max_retries=0))
        hub.fail("PUT /objects/", drop_upload_after=5000, times=None)
        with pytest.raises(InputError, match="org/broken-off is not published: .* Repeat the command"):
            publish(unsent, target, run="last-seed1")
    assert any(entry.received >= 5000 for entry in hub.requests("PUT /objects/"))
    assert api.model_info("org/broken-off").sha == head and sums(unsent) == before
    assert not list(hub.objects.folder.glob(".upload-*"))
    hub.faults.clear()
    publish(unsent, target, run="last-seed1")
    loaded = AutoModelForSequenceClassification.from_pretrained("org/broken-off")
    assert loaded.config.fusion == "last"


def test_a_failure_that_passes_is_retried_and_a_slow_hub_is_waited_for(
    hub: HubServer, api: HfApi, unsent: Path
) -> None:
    hub.fail("PUT /objects/", status=500)
    hub.fail("PUT /objects/", bytes_per_second=100_000, times=None)
    hub.fail("POST .*/commit/", delay=1, times=None)
    publish(unsent, HubRepository("org/slow", WRITE_TOKEN))
    statuses = [entry.status for entry in hub.requests("PUT /objects/")]
    assert statuses.count(500) == 1 and 200 in statuses
    assert "model.safetensors" in api.list_repo_files("org/slow")


@pytest.mark.parametrize("status", STATUSES)
def test_a_hub_that_refuses_at_once_makes_nothing(status: int, hub: HubServer, api: HfApi, finished: Path) -> None:
    hub.fail("POST /api/repos/create", status=status, times=None)
    with pytest.raises(InputError, match="org/never-made"):
        publish(finished, HubRepository("org/never-made", WRITE_TOKEN))
    assert not api.repo_exists("org/never-made")


def test_a_run_whose_publication_fails_is_whole_and_can_be_published(
    hub: HubServer, api: HfApi, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fail("POST .*/commit/", status=500, times=None)
    push = ["--push_to_hub", "True", "--hub_model_id", "org/late", "--hub_token", WRITE_TOKEN]
    with pytest.raises(SystemExit):
        main("xnli", [*xnli_arguments, "--max_steps", "2", *push])
    assert capsys.readouterr().err.count("error: The Hub could not publish org/late (HTTP 500)") == 1
    hub.faults.clear()
    publish(tmp_path / "out", HubRepository("org/late", WRITE_TOKEN))
    assert "results.json" in api.list_repo_files("org/late")


@pytest.mark.parametrize("status", STATUSES)
def test_training_goes_on_while_the_hub_refuses(
    status: int, hub: HubServer, api: HfApi, tiny_encoder: Path, tmp_path: Path
) -> None:
    repo_id = f"org/training-{status}"
    arguments = TrainingArguments(
        str(tmp_path / "out"),
        **{"push_to_hub": True, "hub_model_id": repo_id, "hub_token": WRITE_TOKEN, "hub_strategy": "every_save"},
        **{"save_strategy": "steps", "save_steps": 1, "max_steps": 2, "report_to": "none", "use_cpu": True},
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    rows = [{**tokenizer("the cat", "the dog"), "labels": index % 3} for index in range(16)]
    model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3)
    options: dict[str, Any] = {"processing_class": tokenizer, "callbacks": [SafePushCallback()]}
    trainer = Trainer(model, arguments, train_dataset=rows, **options)
    before = api.model_info(repo_id).sha
    hub.fail("POST .*/commit/", status=status, times=None)
    trainer.train()
    with pytest.raises(HfHubHTTPError, match=str(status)):
        trainer.push_to_hub()
    assert api.model_info(repo_id).sha == before and trainer.state.global_step == 2
    assert DlfaForSequenceClassification.from_pretrained(tmp_path / "out").config.fusion_layers == [1]
    hub.faults.clear()
    trainer.push_to_hub()
    assert AutoModelForSequenceClassification.from_pretrained(repo_id).config.fusion_layers == [1]


# Loading


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "encoder"
    make_encoder(tiny_encoder, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("status", STATUSES)
def test_a_hub_that_does_not_give_the_weights_ends_the_command_before_it_starts(
    status: int,
    hub: HubServer,
    api: HfApi,
    encoder: Path,
    xnli_arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo_id = f"org/withheld-{status}"
    api.create_repo(repo_id)
    api.upload_folder(repo_id=repo_id, folder_path=encoder)
    hub.fail("(HEAD|GET) .*/resolve/.*safetensors", status=status, times=None)
    arguments = [*xnli_arguments, "--model_name_or_path", repo_id, "--fusion_layers", "8"]
    with pytest.raises(SystemExit) as stopped:
        main("xnli", arguments)
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and f"error: Cannot load {repo_id}: " in told and "has no model" not in told
    assert not (tmp_path / "out").exists()


# Where no file grows beyond 30 kB, as on a full disk, and then where there is room again.
FULL = """
import json, os, resource, sys
def limit(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
limit(30000)
"""
LOAD = """
from transformers import AutoModelForSequenceClassification
def load():
    return AutoModelForSequenceClassification.from_pretrained(sys.argv[1], trust_remote_code=True).num_labels
try:
    seen = load()
except Exception as error:
    seen = str(error)
limit(resource.RLIM_INFINITY)
print(json.dumps([seen, load()]))
"""
RUN = """
from modeling_dlfa.cli import main
try:
    main("xnli", sys.argv[2:])
except SystemExit as stop:
    with open("seen.json", "w") as file:
        json.dump([stop.code, os.path.exists(sys.argv[1])], file)
limit(resource.RLIM_INFINITY)
main("xnli", sys.argv[2:])
"""


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_model_in_a_strangers_cache(
    hub: HubServer, bare_environment: Environment, tmp_path: Path
) -> None:
    build(DlfaForSequenceClassification, "bert").push_to_hub("org/full-disk")
    seen, labels = bare_environment.run(FULL + LOAD, "org/full-disk", home=tmp_path, hub=hub).value
    assert "File too large" in seen and labels == 3


@pytest.mark.slow
def test_a_full_disk_ends_a_command_before_it_starts(
    hub: HubServer,
    api: HfApi,
    encoder: Path,
    xnli_arguments: list[str],
    package_environment: Environment,
    tmp_path: Path,
) -> None:
    api.create_repo("org/full-encoder")
    api.upload_folder(repo_id="org/full-encoder", folder_path=encoder)
    more = ["--model_name_or_path", "org/full-encoder", "--fusion_layers", "8", "--max_steps", "1"]
    home, out = tmp_path / "home", tmp_path / "out"
    told = package_environment.run(FULL + RUN, out, *xnli_arguments, *more, home=home, hub=hub).stderr
    assert json.loads((home / "seen.json").read_text(encoding="utf-8")) == [2, False]
    assert told.count("error: ") == 1 and "error: Cannot load org/full-encoder: " in told and "File too large" in told
    assert (out / "results.json").is_file()
