"""What is written is what is read, and the probabilities are the softmax of the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modeling_dlfa.predictions import read_predictions, write_predictions
from modeling_dlfa.tasks import get_task


def test_predictions_survive_the_disk(tmp_path: Path) -> None:
    task = get_task("xnli")
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 400, (50, 3)).astype(np.float16)  # So large that a plain exponential overflows.
    labels = rng.integers(0, 3, 50)
    path = tmp_path / "run" / "en.tsv"
    write_predictions(path, task, labels.tolist(), logits)
    again = read_predictions(path, task)
    assert (again.references == labels).all() and (again.predictions == logits.argmax(1)).all()
    assert sum(again.distribution(task.labels).values()) == 50
    header, first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert header == "row\tlabel\tprediction\tentailment\tneutral\tcontradiction"
    row = first.split("\t")
    exact = np.exp(logits[0].astype(np.float64) - logits[0].max())
    np.testing.assert_allclose([float(value) for value in row[3:]], exact / exact.sum(), atol=1e-6)
    assert row[:3] == ["0", task.labels[labels[0]], task.labels[logits[0].argmax()]]
    assert [path.name for path in path.parent.iterdir()] == ["en.tsv"]
