"""What the newest transformers pushed, other lines load, tune and push again: `make test-versions` runs this."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.tasks import XNLI

from .asking import HARMLESS, STRATEGIES, Checkpoints, answer, approximately
from .backbones import BACKBONES, batch, build
from .hub import WRITE_TOKEN, HubServer
from .online import ROOT, Environment, online
from .strangers import IDS, MASK, PLACES, ROWS, TUNE, outputs
from .tiny_checkpoints import ENTITIES, save_checkpoint

PYTHONS = os.environ.get("DLFA_TEST_PYTHONS", "").split()
if not PYTHONS:
    pytest.skip("make test-versions builds the environments of other lines", allow_module_level=True)

HEADS = {"sequence": DlfaForSequenceClassification, "token": DlfaForTokenClassification}
REPOS = {f"org/versions-{name}-{head}": (name, head) for name in BACKBONES for head in HEADS}
TUNED = "org/versions-bert-sequence"
UNPINNED = "A new version of the following files was downloaded"  # What no revision pins is told of once.
SENTENCE = "the cat sleeps, die Katze schläft قطة"

LOAD = """
import json, sys, torch, transformers
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer
inputs, tokenized, sentence = json.loads(sys.argv[1]), *sys.argv[2:]
classes = {"sequence": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
results = {}
for repo, values in inputs.items():
    model = classes[repo.rpartition("-")[2]].from_pretrained(repo, trust_remote_code=True)
    with torch.no_grad():
        results[repo] = model(**{name: torch.tensor(value) for name, value in values.items()}).logits.tolist()
tokenizer = AutoTokenizer.from_pretrained(tokenized, trust_remote_code=True)
print(json.dumps([transformers.__version__, results, tokenizer(sentence)["input_ids"]]))
"""


@dataclass(frozen=True)
class Line:
    """Another line's environment, without our package, and its release of transformers."""

    release: str
    environment: Environment


@pytest.fixture(scope="module", params=PYTHONS, ids=[Path(python).parents[1].name for python in PYTHONS])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Line:
    release = Path(request.param).parents[1].name
    folder = tmp_path_factory.mktemp("line")
    return Line(release, Environment(folder, package=False, python=str(ROOT / request.param)))


@pytest.fixture(scope="module")
def published(hub_server: HubServer, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Pushes a model of each encoder and head; inputs and logits, by repository."""
    known = {}
    with online():
        for seed, (repo, (name, head)) in enumerate(REPOS.items()):
            model, inputs = build(HEADS[head], name, seed), batch(name)
            model.push_to_hub(repo)
            with torch.no_grad():
                known[repo] = (inputs, model(**inputs).logits)
        tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
        folder = tmp_path_factory.mktemp("tokenizer")
        save_tokenizer(tokenizer, folder)
        HfApi().upload_folder(repo_id=TUNED, folder_path=folder)
    return {"known": known, "ids": tokenizer(SENTENCE)["input_ids"]}


def test_another_line_computes_the_same(published: dict[str, Any], line: Line, hub: HubServer, tmp_path: Path) -> None:
    known = published["known"]
    given = {repo: {key: value.tolist() for key, value in inputs.items()} for repo, (inputs, _) in known.items()}
    arguments = [json.dumps(given), TUNED, SENTENCE]
    release, results, ids = line.environment.run(LOAD, *arguments, home=tmp_path, hub=hub).value
    assert release == line.release and ids == published["ids"]
    differences = {}
    for repo, (inputs, expected) in known.items():
        # What stands at padding is nobody's, and depends on the kernel.
        rows = inputs["attention_mask"].bool() if repo.endswith("token") else slice(None)
        differences[repo] = (torch.tensor(results[repo]) - expected)[rows].abs().max().item()
    # Bit for bit, with one torch: all three lines ask it for the same operations.
    assert set(differences.values()) == {0.0}, differences


def test_what_another_line_tuned_and_saved_loads_on_the_newest(
    published: dict[str, Any], line: Line, hub: HubServer, bare_environment: Environment, tmp_path: Path
) -> None:
    new = f"org/versions-tuned-{line.release}"
    environment, home = line.environment, tmp_path / "tuner"
    tuned = environment.run(TUNE, TUNED, new, *ROWS, home=home, hub=hub, token=WRITE_TOKEN).value
    saved = home / "saved"
    seen = bare_environment.run(PLACES, *ROWS, new, saved, home=tmp_path / "newest", hub=hub).value
    assert seen == [tuned, tuned]
    ours = DlfaForSequenceClassification.from_pretrained(saved)
    assert outputs(ours) == tuned and len(tuned[0]) == 4 and len(IDS) == len(MASK) == len(tuned)
    code = {path.name: path.read_bytes() for path in (ROOT / "modeling_dlfa").glob("*_dlfa.py")}
    assert {path.name: path.read_bytes() for path in saved.glob("*.py")} == code


@pytest.fixture(scope="module")
def piped(hub_server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Pushes a classifier of pairs and a tagger, for pipelines."""
    folder, api = tmp_path_factory.mktemp("piped"), HfApi()
    with online():
        for kind, labels in (("sequence", XNLI.labels), ("token", ENTITIES)):
            api.create_repo(f"org/versions-piped-{kind}")
            saved = save_checkpoint(folder / kind, kind, labels)
            api.upload_folder(repo_id=f"org/versions-piped-{kind}", folder_path=saved)
    return Checkpoints("org/versions-piped-sequence", "org/versions-piped-token")


@pytest.fixture(scope="module")
def newest(
    piped: Checkpoints,
    hub_server: HubServer,
    bare_environment: Environment,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the pipelines of the newest line answer."""
    return answer(bare_environment, piped, "remote", tmp_path_factory.mktemp("newest"), hub_server)


def test_pipelines_of_another_line_answer_the_same(
    piped: Checkpoints, newest: dict[str, Any], line: Line, hub: HubServer, tmp_path: Path
) -> None:
    seen = answer(line.environment, piped, "remote", tmp_path, hub)
    assert seen["release"] == line.release != newest["release"] and not seen["present"]
    asked = {"single", "pairs", "zero-shot False", "zero-shot True", *STRATEGIES}
    assert set(newest["answers"]) == asked | {f"long {strategy}" for strategy in STRATEGIES}
    for name, expected in newest["answers"].items():
        assert seen["answers"][name] == expected, name  # To the last bit, as the logits.
        alone, batched = seen["answers"][name]
        assert batched == approximately(alone), name
    assert [said for said in seen["said"] if not said.startswith((*HARMLESS, UNPINNED))] == []
