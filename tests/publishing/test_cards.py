"""Cards say what results.json and the model's files say, the Hub's own classes read them, and their snippets run."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from modeling_dlfa import DlfaForTokenClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.configuration_dlfa import DlfaConfig
from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.cards import TEMPLATE, make_card
from modeling_dlfa.publishing.publish import dry_run
from modeling_dlfa.results.results import Results

from ..conftest import ROOT

RUN = "aif-layer1-seed2"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def results(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "results.json").read_text(encoding="utf-8"))


def card_of(results: dict[str, Any], finished: Path, run: str = RUN, **options: Any) -> ModelCard:
    options = {"model_id": "org/name", "revision": "main", **options}
    return make_card(Results.from_dict(results), run, finished / "models" / run, **options)


def record_of(results: dict[str, Any], run: str = RUN) -> dict[str, Any]:
    return next(record for record in results["runs"] if record["name"] == run)


def test_metadata_is_what_the_hub_reads(results: dict[str, Any], finished: Path, tmp_path: Path) -> None:
    card_of(results, finished).save(tmp_path / "README.md")
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.language == ["en", "de", "ar"] and data.license == "unknown" and data.library_name == "transformers"
    assert data.pipeline_tag == "text-classification" and data.metrics == ["accuracy"] and "dlfa" in data.tags
    assert data.model_name == "name" and len(data.eval_results) == 3
    scores = {entry.dataset_args["language"]: entry.metric_value for entry in data.eval_results}
    expected = {code: entry["accuracy"] for code, entry in record_of(results)["test"].items()}
    assert scores == pytest.approx(expected, abs=1e-6)
    assert {entry.dataset_config for entry in data.eval_results} == {"en", "de", "ar"}
    assert {entry.metric_type for entry in data.eval_results} == {"accuracy"}
    # Files of one's own are no data set of the Hub, and a folder is no model there.
    assert data.base_model is None and data.datasets is None
    assert {entry.dataset_type for entry in data.eval_results} == {"own-files"}


def test_origins_on_the_hub_are_linked(results: dict[str, Any], finished: Path) -> None:
    results = copy.deepcopy(results)
    results |= {"model_name_or_path": "google-bert/bert-base-multilingual-cased", "model_commit": "f" * 40}
    source = {"source": "facebook/xnli", "rows": 9, "sha256": None, "bytes": None, "revision": COMMIT}
    data = results["data"]
    for split in ("train", "validation"):
        data[split] = {**source, "config": "en", "split": split}
    data["test"] = {code: {**source, "config": code, "split": "test"} for code in data["test"]}
    card = card_of(results, finished, license="apache-2.0")
    assert card.data.base_model == "google-bert/bert-base-multilingual-cased"
    assert card.data.datasets == ["facebook/xnli"] and card.data.license == "apache-2.0"
    assert {(e.dataset_type, e.dataset_split, e.dataset_revision) for e in card.data.eval_results} == {
        ("facebook/xnli", "test", COMMIT)
    }
    assert f"`facebook/xnli` (en, train) at commit `{COMMIT}`" in card.text and f"`{'f' * 40}`" in card.text


def test_the_table_holds_the_model_beside_its_baseline(results: dict[str, Any], finished: Path) -> None:
    card = card_of(results, finished)
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in card.text.splitlines() if line[:2] == "| "}
    scores = [100 * record_of(results)["test"][code]["accuracy"] for code in ("en", "de", "ar")]
    assert [float(cell) for cell in rows[f"**this model**, {RUN}"][:3]] == pytest.approx(scores, abs=0.05)
    assert {"last (baseline)", "aif-layer1", "aif-layer1 minus last"} <= set(rows)
    assert re.search(r"\[[+-]\d", rows["aif-layer1 minus last"][0]), "a difference needs its interval"
    assert results["command"] in card.text and results["data"]["train"]["sha256"] in card.text
    assert "Seed: 2, of 1, 2." in card.text and f"torch {results['versions']['torch']}" in card.text
    assert "![Accuracy by language](figures/accuracy_by_language.png)" in card.text


def test_code_and_weights_are_listed_by_their_checksums(results: dict[str, Any], finished: Path) -> None:
    listed = dict(re.findall(r"\| `([^`]+)` \| [\d,]+ \| `([0-9a-f]{64})` \|", card_of(results, finished).text))
    folder = finished / "models" / RUN
    files = [*folder.glob("*.py"), *folder.glob("*.safetensors")]
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files} and len(listed) == 8


def test_what_speaks_against_the_model_is_said(results: dict[str, Any], finished: Path) -> None:
    plain = card_of(results, finished).text
    assert "collapsed**" not in plain and "One seed was trained" not in plain
    results = copy.deepcopy(results)
    record = record_of(results)
    record["collapsed"] = True
    record["test"]["de"]["accuracy"], record["test"]["en"]["accuracy"] = 0.2, 0.9
    results["summary"]["systems"]["aif-layer1"]["runs"] = 1
    text = card_of(results, finished).text
    assert "**This run collapsed**" in text and "One seed was trained" in text
    assert re.search(r"uniform guess \(33\.3\) in: [^.]*German", text) and "German (20.0)" in text


def test_the_commit_is_pinned_and_a_branch_is_not_called_a_pin(results: dict[str, Any], finished: Path) -> None:
    pinned, branch = card_of(results, finished, revision=COMMIT).text, card_of(results, finished).text
    assert pinned.count(f'revision="{COMMIT}", trust_remote_code=True') == 5 and "pins weights" in pinned
    assert branch.count('revision="main", trust_remote_code=True') == 5
    assert "Put the commit that you have read in place of `main`" in branch
    assert "revision=" not in card_of(results, finished, revision=None).text


def test_a_card_without_scores_is_refused(results: dict[str, Any], finished: Path) -> None:
    with pytest.raises(InputError, match="no scores of test languages"):
        card_of({key: value for key, value in results.items() if key != "summary"}, finished)


def test_the_runner_writes_a_card_beside_every_model(finished: Path) -> None:
    for folder in (finished / "models").iterdir():
        card = ModelCard.load(folder / "README.md")
        assert card.data.model_name == folder.name and f'"{folder.as_posix()}", trust_remote_code=True' in card.text
        [figure] = re.findall(r"!\[[^]]*\]\(([^)]+)\)", card.text)
        assert (folder / figure).read_bytes().startswith(b"\x89PNG")


def test_the_template_lies_with_the_cards_too() -> None:
    assert (ROOT / "model_cards" / "TEMPLATE.md").read_text(encoding="utf-8") == TEMPLATE.read_text(encoding="utf-8")


# The folder org/name in the working directory stands for the repository; nothing else of the snippets is changed.
SNIPPETS = """
import re, sys
sys.modules["modeling_dlfa"] = None  # As on a machine without the package.
for snippet in re.findall(r"```python\\n(.*?)```", open("org/name/README.md", encoding="utf-8").read(), re.DOTALL):
    exec(compile(snippet, "card", "exec"), {})
    print("ran")
"""


def run_snippets(folder: Path) -> list[str]:
    environment = {**os.environ, "HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, "-c", SNIPPETS], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout.splitlines()


def test_every_snippet_of_a_sequence_classifier_runs(finished: Path, tmp_path: Path) -> None:
    dry_run(finished, "org/name", tmp_path / "org" / "name", run=RUN)
    shape, _, head, _, pipeline, last = run_snippets(tmp_path)
    assert shape.startswith("torch.Size([1, ") and shape.endswith(", 16])") and last == "ran"
    assert '"' not in head and set(eval(head)) == {"entailment", "neutral", "contradiction"}
    assert {entry["label"]: pytest.approx(entry["score"], abs=1e-5) for entry in eval(pipeline)} == eval(head)


def test_every_snippet_of_a_token_classifier_runs(results: dict[str, Any], finished: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    labels = ("O", "B-PER", "I-PER")
    folder = tmp_path / "org" / "name"
    config = DlfaConfig.from_pretrained(finished / "models" / RUN, id2label=dict(enumerate(labels)))
    DlfaForTokenClassification(config).save_pretrained(folder)
    save_tokenizer(AutoTokenizer.from_pretrained(finished / "models" / RUN), folder)
    own = {"task": "tagging", "title": "Tagging", "kind": "token", "text_columns": ["tokens"], "metric": "f1"}
    results |= own | {"labels": list(labels)}
    for record in results["runs"]:
        for scores in [record["validation"], *record["test"].values()]:
            scores |= {"f1": scores["accuracy"], "token_accuracy": scores["accuracy"], "words": 5}
    card = make_card(Results.from_dict(results), RUN, folder, model_id="org/name", revision="main")
    assert card.data.pipeline_tag == "token-classification"
    card.save(folder / "README.md")
    lines = run_snippets(tmp_path)
    assert lines.count("ran") == 3 and lines[2].startswith("[('[CLS]', '")
