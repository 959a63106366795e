"""Sentence Transformers takes our checkpoints: a classifier of pairs as `CrossEncoder`, any as a source of vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.tasks import XNLI

from .online import Environment
from .tiny_checkpoints import corpus_pairs, save_checkpoint

pytest.importorskip("sentence_transformers", reason="it needs transformers 5")
pytestmark = pytest.mark.slow

ASK = """
import json, sys
if sys.argv[4] == "package":
    import modeling_dlfa
from sentence_transformers import CrossEncoder, SentenceTransformer
folder, (texts, pairs), options = sys.argv[1], map(json.loads, sys.argv[2:4]), {"device": "cpu"}
if sys.argv[4] == "remote":
    options["trust_remote_code"] = True
scores = CrossEncoder(folder, **options).predict(pairs, apply_softmax=True, batch_size=3)
encoder = SentenceTransformer(folder, **options)
vectors = encoder.encode(texts, batch_size=3)
encoder.save_pretrained("saved")
again = SentenceTransformer("saved", **options).encode(texts, batch_size=3)
print(json.dumps(["modeling_dlfa" in sys.modules, scores.tolist(), vectors.tolist(), again.tolist()]))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "sequence", "sequence", XNLI.labels)


@pytest.mark.parametrize("way", ["package", "remote"])
def test_scores_of_pairs_and_vectors_of_texts(
    way: str,
    checkpoint: Path,
    package_environment: Environment,
    bare_environment: Environment,
    tmp_path: Path,
) -> None:
    pairs = [pair for code in ("en", "de", "ar", "th") for pair in corpus_pairs(code)[:2]]
    texts = [premise for premise, _ in pairs]
    environment = package_environment if way == "package" else bare_environment
    given = (checkpoint, json.dumps(texts), json.dumps(pairs), way)
    imported, scores, vectors, again = environment.run(ASK, *given, home=tmp_path, offline=True).value
    assert imported is (way == "package")
    model = DlfaForSequenceClassification.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with torch.no_grad():
        inputs = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
        expected = model(**inputs).logits.softmax(-1)
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        mask = inputs["attention_mask"][..., None]
        mean = (model.dlfa(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
    torch.testing.assert_close(torch.tensor(scores), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.tensor(vectors), mean, atol=1e-5, rtol=1e-5)
    assert again == vectors and len({tuple(vector) for vector in vectors}) == len(texts)
