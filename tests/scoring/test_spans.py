"""Span counts against seqeval itself, on random and on adversarial tag sequences."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.scoring.spans import span_counts
from modeling_dlfa.tasks import get_task

LABEL_SETS = {
    "panx": get_task("panx").labels,
    "udpos": get_task("udpos").labels,
    "iobes": ("O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B"),
    "odd": ("O", "B", "I", "X", "_", "I-", "B-A-B", "I-A-B", ".", "S-LOC", "E"),
}


def theirs(predictions: list[list[str]], references: list[list[str]]) -> float:
    from seqeval.metrics import f1_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That POS tags seem not to be NE tags.
        return f1_score(references, predictions)


def ours(predictions: list[list[str]], references: list[list[str]], labels: tuple[str, ...]) -> float:
    ids = [[[labels.index(tag) for tag in sentence] for sentence in side] for side in (predictions, references)]
    counts = METRICS["f1"].counts(*ids, labels)
    return float(METRICS["f1"].score(counts.sum(axis=0)))


@pytest.mark.parametrize("name", LABEL_SETS)
def test_f1_equals_seqeval_on_random_tags(name: str) -> None:
    labels, rng = LABEL_SETS[name], np.random.default_rng(0)
    for trial in range(40):
        sentences = [rng.integers(0, len(labels), rng.integers(1, 12)) for _ in range(rng.integers(1, 30))]
        noise = rng.choice([0.05, 0.3, 1.0])
        guesses = [np.where(rng.random(len(s)) < noise, rng.integers(0, len(labels), len(s)), s) for s in sentences]
        gold, guessed = ([[labels[i] for i in s] for s in side] for side in (sentences, guesses))
        assert ours(guessed, gold, labels) == pytest.approx(theirs(guessed, gold), abs=1e-12), trial


@pytest.mark.parametrize(
    "tags", [("O", "B-A", "I-A", "I-B"), ("X", "NOUN", "_"), ("CCONJ", "SCONJ", "X"), ("O", "S-A", "E-A", "I-A")]
)
def test_f1_equals_seqeval_on_every_pair_of_short_sequences(tags: tuple[str, ...]) -> None:
    """Two sentences, so that what seqeval carries over from one to the next is covered."""
    sentences = [list(s) for length in (1, 2) for s in itertools.product(tags, repeat=length)]
    rng = np.random.default_rng(1)
    for first, second in itertools.product(sentences, repeat=2):
        gold = [sentences[index % len(sentences)] for index in rng.integers(0, 99, 2)]
        gold = [(sentence * 2)[: len(guess)] for sentence, guess in zip(gold, (first, second), strict=True)]
        assert ours([first, second], gold, tags) == pytest.approx(theirs([first, second], gold), abs=1e-12)


@pytest.mark.parametrize(
    ("guessed", "gold", "expected"),
    [
        (["O", "O"], ["O", "O"], (0, 0, 0)),  # No span at all: 0, as seqeval says.
        (["B-PER", "I-PER"], ["B-PER", "I-PER"], (1, 1, 1)),
        (["I-PER", "I-PER"], ["B-PER", "I-PER"], (1, 1, 1)),  # A span may begin with I, as in conlleval.
        (["B-PER", "I-LOC"], ["B-PER", "I-PER"], (0, 2, 1)),
        (["B-PER", "O"], ["B-PER", "I-PER"], (0, 1, 1)),
        (["B-PER", "B-PER"], ["B-PER", "I-PER"], (0, 2, 1)),
    ],
)
def test_counts_of_one_sentence(guessed: list[str], gold: list[str], expected: tuple[int, int, int]) -> None:
    labels = get_task("panx").labels
    ids = [[[labels.index(tag) for tag in side]] for side in (guessed, gold)]
    assert span_counts(*ids, labels).tolist() == [list(expected)]


def test_spans_are_counted_where_they_end() -> None:
    labels = get_task("panx").labels
    gold = [[1, 2, 0], [0, 0], [3, 4, 0, 5], [1]]
    guess = [[1, 2, 0], [1, 0], [3, 0, 0, 5], [1]]
    assert span_counts(guess, gold, labels).tolist() == [[1, 1, 1], [0, 1, 0], [1, 2, 2], [1, 1, 1]]


def test_upos_quirks_of_seqeval_are_kept() -> None:
    """A run of equal tags is one span; CCONJ and SCONJ are of one type; a last X is no span."""
    labels = get_task("udpos").labels

    def spans(*tags: str) -> list[int]:
        ids = [[labels.index(tag) for tag in tags]]
        return span_counts(ids, ids, labels)[0].tolist()

    assert spans("NOUN", "NOUN", "VERB") == [2, 2, 2]
    assert spans("CCONJ", "SCONJ") == [1, 1, 1]
    assert spans("X") == [0, 0, 0]
    assert spans("X", "NOUN") == [2, 2, 2]
