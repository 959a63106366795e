"""The README's snippets run as printed, against the Hub of the tests, which serves its ids, tiny."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from modeling_dlfa.tasks import XNLI

from .hub import WRITE_TOKEN, HubServer
from .online import ROOT, Environment, online
from .served import DATASET, ENCODER, serve

SNIPPET = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The Trainer's data, which are the user's own.
EXAMPLES = """
examples = [{"input_ids": [2, 7, 3], "attention_mask": [1, 1, 1], "labels": row % 3} for row in range(8)]
"""


def snippets(section: str) -> list[tuple[str, str]]:
    """Returns language and text of a section's snippets; its heading is the README's own."""
    sections = re.split(r"^## ", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = next(text for text in sections if text.startswith(f"{section}\n"))
    return SNIPPET.findall(found)


def only(section: str, language: str, word: str) -> str:
    """Returns the one snippet of a section and a language that has a word in it."""
    (found,) = (text for kind, text in snippets(section) if kind == language and word in text)
    return found


@pytest.fixture(scope="module")
def served(hub_server: HubServer, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with online():
        serve(tmp_path_factory.mktemp("served"), tiny_encoder)


@pytest.fixture
def no_repository(hub: HubServer) -> HfApi:
    """The client, when the README's `org/name` is not there yet."""
    HfApi().delete_repo("org/name", missing_ok=True)
    return HfApi()


def shell(environment: Environment, script: str, home: Path, hub: HubServer) -> str:
    """Runs a snippet of bash as a user of a checkout would, and returns what it printed."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "examples").exists():
        (home / "examples").symlink_to(ROOT / "examples")
    variables = environment.variables(home, hub, WRITE_TOKEN, offline=False)
    variables["PATH"] = f"{Path(environment.python).parent}{os.pathsep}{variables['PATH']}"
    process = subprocess.run(
        ["bash", "-euc", script], cwd=home, env=variables, capture_output=True, text=True, timeout=1200
    )
    refused = (home / "refused").read_text() if (home / "refused").exists() else ""
    assert process.returncode == 0 and not refused, refused + process.stderr[-4000:]
    return process.stdout


def test_every_snippet_is_known() -> None:
    found = {
        (section.splitlines()[0], kind, text.split()[-1])
        for section in re.split(r"^## ", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
        for kind, text in SNIPPET.findall(section)
    }
    run_here = {
        ("Use", "python", ")"),
        ("Use", "python", "trust_remote_code=True)"),
        ("Use", "python", "feature"),
        ("Train", "bash", "runs/mbert-xnli"),
        ("A task of your own", "python", "main(reviews)"),
        ("A task of your own", "bash", "runs/reviews"),
        ("Publish", "bash", "apache-2.0"),
        ("Publish", "python", "trainer.push_to_hub()"),
        ("Load", "python", 'rests."}))'),
    }
    elsewhere = {
        ("# modeling_dlfa", "bash", "tests"),  # What runs this test.
        ("Use", "bash", "'.[train]'"),  # The Makefile's own commands.
        ("Train", "bash", "runs/pos"),  # Arguments of test_training.py and test_token_training.py, on files there.
    }
    assert found == run_here | elsewhere


def test_use_and_a_trainer_of_ones_own(
    served: None, hub: HubServer, no_repository: HfApi, package_environment: Environment, tmp_path: Path
) -> None:
    use = [text for kind, text in snippets("Use") if kind == "python"]
    push = only("Publish", "python", "SafePushCallback")
    seen = "import json\nseen = [list(weights.shape), inputs['input_ids'].shape[1], model.num_labels]"
    code = "\n".join([*use, seen, EXAMPLES, push, "print(json.dumps(seen))"])
    shape, tokens, labels = package_environment.run(code, home=tmp_path, hub=hub, token=WRITE_TOKEN).value
    assert shape == [1, tokens] and labels == 3
    assert (tmp_path / "my-model" / "modeling_dlfa.py").is_file()
    files = no_repository.list_repo_files("org/name")
    assert {"model.safetensors", "modeling_dlfa.py"} <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth"))]


def test_publish_and_load(
    hub: HubServer,
    no_repository: HfApi,
    finished: Path,
    package_environment: Environment,
    bare_environment: Environment,
    tmp_path: Path,
) -> None:
    shutil.copytree(finished, tmp_path / "runs" / "xnli")
    printed = shell(package_environment, only("Publish", "bash", "publish.py"), tmp_path, hub)
    assert "Nothing was pushed" in printed and f"{hub.url}/org/name/commit/" in printed
    preview = {path.relative_to(tmp_path / "preview") for path in (tmp_path / "preview").rglob("*") if path.is_file()}
    assert {name.as_posix() for name in preview} | {".gitattributes"} == set(no_repository.list_repo_files("org/name"))
    code = only("Load", "python", "pipeline") + "print(type(encoder).__module__, model.num_labels)"
    told = bare_environment.run(code, home=tmp_path / "stranger", hub=hub).stdout
    assert "'score'" in told and "transformers_modules.org.name" in told and told.split()[-1] == "3"


def test_the_mbert_command_runs_unchanged(
    served: None, hub: HubServer, package_environment: Environment, tmp_path: Path
) -> None:
    command = only("Train", "bash", "mbert-xnli")
    assert ENCODER in command and "--seeds 1 2 3" in command and DATASET == (XNLI.hub and XNLI.hub.dataset)
    printed = shell(package_environment, command, tmp_path, hub)
    results = json.loads((tmp_path / "runs/mbert-xnli/results.json").read_text(encoding="utf-8"))
    assert [run["name"] for run in results["runs"]] == [
        f"{system}-seed{seed}" for seed in (1, 2, 3) for system in ("aif-layer8", "last")
    ]
    for run in results["runs"]:
        assert list(run["test"]) == list(XNLI.languages) and run["train"]["steps"] == 10
    head = hub.repository("datasets", DATASET).commit("main").oid
    assert results["data"]["train"]["source"] == DATASET and results["data"]["train"]["revision"] == head
    assert results["model_commit"] == hub.repository("models", ENCODER).commit("main").oid
    assert "aif-layer8" in printed


def test_a_task_of_ones_own(
    hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path
) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "ENCODER")
    for name in ("train", "dev", "test-en", "test-de"):
        rows = [f"the {'cat' if row % 2 else 'dog'} sleeps,{('bad', 'good')[row % 2]}" for row in range(32)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,opinion", *rows]) + "\n", encoding="utf-8")
    (tmp_path / "run_reviews.py").write_text(only("A task of your own", "python", "Task("), encoding="utf-8")
    shell(package_environment, only("A task of your own", "bash", "run_reviews"), tmp_path, hub)
    results = json.loads((tmp_path / "runs" / "reviews" / "results.json").read_text(encoding="utf-8"))
    assert results["task"] == "reviews" and list(results["runs"][0]["test"]) == ["en", "de"]
