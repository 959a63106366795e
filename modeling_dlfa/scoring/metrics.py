"""Scores per language and their averages. Nothing here needs the network.

Every score is computed from *counts*: a few integers an example, whose sums over examples determine the score (for
accuracy: correct, total; for the F1 of tagged sentences: spans and words). Resampling examples, as `resampling` does,
is then a matrix product and exact for every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .counting import class_counts, label_counts, macro_f1_score, number_counts, pearson_score, spearman_score
from .spans import span_counts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SINGLE_LABEL, MULTI_LABEL, REGRESSION = PROBLEM_TYPES = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
)
AVERAGE_TITLES = {"macro_all": "average", "macro_target": "average, targets", "transfer_gap": "transfer gap"}
AVERAGES = tuple(AVERAGE_TITLES)
_COLLAPSED_REST = 0.05
_COLLAPSED_MIN_PREDICTIONS_PER_LABEL = 10


class Counts(Protocol):
    """How a metric counts."""

    def __call__(self, predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[Any]:
        """Return (N, K) counts from the class ids of N examples; some metrics need the names of the classes."""


Score = Callable[["NDArray[Any]"], "NDArray[np.float64]"]


@dataclass(frozen=True)
class Metric:
    """A score that is a function of summed per-example counts.

    Attributes:
        name: The name in results files, as `evaluate` spells it.
        title: The name in running text; `str.capitalize` makes it one for headings.
        kind: `"sequence"` (a class id an example) or `"token"` (an example is a sentence, with a class id a word).
        counts: `(predictions, references, labels) -> (N, K)` int64 counts of N examples.
        score: `(..., K)` summed counts `-> (...)` scores between `lowest` and 1.
        beside: Further scores of the same counts, to report beside this one.
        words: Of a token metric: which of the K counts is the number of words.
        problems: Which problem types, as transformers names them, it scores.
        lowest: The lowest score that there is.
    """

    name: str
    title: str
    kind: Literal["sequence", "token"]
    counts: Counts
    score: Score
    beside: Mapping[str, Score] = field(default_factory=dict)
    words: int | None = None
    problems: tuple[str, ...] = (SINGLE_LABEL,)
    lowest: float = 0.0

    def report(self, counts: NDArray[np.int64]) -> dict[str, Any]:
        """Return the scores of (N, K) counts, N as `"n"` and the number of words, ready for JSON."""
        sums = counts.sum(axis=0)
        scores = {name: float(score(sums)) for name, score in {self.name: self.score, **self.beside}.items()}
        return {**scores, "n": len(counts), **({} if self.words is None else {"words": int(sums[self.words])})}


def _accuracy_counts(predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[np.int64]:
    predicted, expected = np.asarray(predictions), np.asarray(references)
    if predicted.shape != expected.shape or predicted.ndim != 1 or not predicted.size:
        raise InputError(
            f"Accuracy needs one predicted and one reference label per example, but got arrays of shape "
            f"{predicted.shape} and {expected.shape}; pass class ids (the argmax of the logits), not the logits."
        )
    return np.stack([predicted == expected, np.ones(len(expected), dtype=bool)], axis=1).astype(np.int64)


def _accuracy_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(counts[..., -2] / counts[..., -1], dtype=np.float64)


def _f1_counts(predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[np.int64]:
    if not labels:
        raise InputError("F1 needs the names of the classes, which say where an entity begins; pass labels.")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(predictions, references, strict=True)]
    if not pairs or any(a.shape != b.shape or a.ndim != 1 or not a.size for a, b in pairs):
        raise InputError("F1 needs sentences of at least one word, with one predicted and one reference label a word.")
    words = [(np.count_nonzero(a == b), len(b)) for a, b in pairs]
    predicted, expected = zip(*pairs, strict=True)
    return np.concatenate([span_counts(predicted, expected, labels), np.array(words, dtype=np.int64)], axis=1)


def _f1_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    right, spans = 2 * counts[..., 0], counts[..., 1] + counts[..., 2]
    return np.asarray(np.divide(right, spans, out=np.zeros(np.shape(spans)), where=spans > 0), dtype=np.float64)


def _correlation(name: str, title: str, beside: Mapping[str, Score], score: Score) -> Metric:
    return Metric(name, title, "sequence", number_counts, score, beside, problems=(REGRESSION,), lowest=-1.0)


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", "accuracy", "sequence", _accuracy_counts, _accuracy_score),
    # The last two counts are right words and words.
    "f1": Metric("f1", "F1", "token", _f1_counts, _f1_score, {"accuracy": _accuracy_score}, words=4),
    "macro_f1": Metric(
        "macro_f1", "macro-F1", "sequence", class_counts, macro_f1_score, problems=(SINGLE_LABEL, MULTI_LABEL)
    ),
    "micro_f1": Metric("micro_f1", "micro-F1", "sequence", label_counts, _f1_score, problems=(MULTI_LABEL,)),
    "pearson": _correlation("pearson", "Pearson correlation", {"spearman": spearman_score}, pearson_score),
    "spearman": _correlation("spearman", "Spearman correlation", {"pearson": pearson_score}, spearman_score),
}


def get_metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        InputError: If there is none; the message lists those that exist.
    """
    if name not in METRICS:
        raise InputError(f"There is no metric {name!r}; choose one of: {', '.join(sorted(METRICS))}.")
    return METRICS[name]


@dataclass(frozen=True)
class Summary:
    """Averages over languages, each language counting the same (XTREME's official score, arXiv 2003.11080).

    Attributes:
        macro_all: Mean over all languages.
        macro_target: Mean over the languages that had no labels in training; `None` if only the source was tested.
        transfer_gap: Source language's score minus `macro_target`; `None` unless both exist.
    """

    macro_all: float
    macro_target: float | None
    transfer_gap: float | None


def summarise(scores: Mapping[str, float], source_language: str | Sequence[str] = "en") -> Summary:
    """Average the scores of several languages.

    Args:
        scores: Score of each language, in any unit; the averages are in the same.
        source_language: The language of the training labels, or all of them, the source first. None need be among
            `scores`.

    Raises:
        InputError: If `scores` is empty.
    """
    if not scores:
        raise InputError("There are no scores to average; evaluate at least one language.")
    values = np.array(list(scores.values()), dtype=np.float64)
    weights = average_weights(list(scores), source_language)
    averages = {name: float(values @ weights[name]) if name in weights else None for name in AVERAGES}
    return Summary(float(values @ weights["macro_all"]), averages["macro_target"], averages["transfer_gap"])


def seen_languages(source_language: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the languages of the training labels, given one or all of them."""
    return (source_language,) if isinstance(source_language, str) else tuple(source_language)


def average_title(key: str, source_language: str | Sequence[str]) -> str:
    """Names an average as tables do; that over the targets names the languages that were seen, if they are several."""
    seen = seen_languages(source_language)
    return AVERAGE_TITLES[key] + (f" (not {', '.join(seen)})" if key == "macro_target" and len(seen) > 1 else "")


def average_weights(languages: Sequence[str], source_language: str | Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Express the averages as weights of the scores.

    Args:
        languages: The L languages of the scores, in order; at least one.
        source_language: The language of the training labels, or all of them, the source first. None need be among
            `languages`.

    Returns:
        The (L,) weights of each of `AVERAGES`; one that these languages do not have (see `Summary`) is absent.
    """
    seen = seen_languages(source_language)
    is_source = np.array([language == seen[0] for language in languages])
    is_target = np.array([language not in seen for language in languages])
    weights = {"macro_all": np.full(len(languages), 1 / len(languages))}
    if is_target.any():
        weights["macro_target"] = is_target / np.count_nonzero(is_target)
        if is_source.any():
            weights["transfer_gap"] = is_source - weights["macro_target"]
    return weights


def shown_averages(languages: Sequence[str], source_language: str | Sequence[str]) -> list[str]:
    """Name the averages of `AVERAGES` that these languages have and that differ from each other.

    Without a language that was seen in training all are targets: the average over all is that over the targets, and is
    left out, so that no table says the same twice.
    """
    known = average_weights(languages, source_language)
    same = not set(seen_languages(source_language)).intersection(languages)
    return [name for name in AVERAGES if name in known and not (same and name == "macro_all")]


def is_collapsed(predictions: ArrayLike, num_labels: int, references: ArrayLike | None = None) -> bool:
    """Whether a model predicts one label (almost) always, which is how a failed fine-tuning run usually looks.

    The rule is ours; that runs differ this much between seeds is documented in Keung et al. (arXiv 2004.15001) and
    Mosbach et al. (arXiv 2006.04884): the most frequent label takes at least 95 % of the predictions. That is meant
    for data in which no label does. Where one may (most words are not part of a name), give the references: the labels
    other than the most frequently predicted one are then predicted at most 5 % as often as they are annotated. With
    fewer than ten predictions a label, with fewer than two labels, or where only that one is annotated, nothing can be
    said, and the answer is `False`.

    Args:
        predictions: (N,) predicted class ids, best those on the source language's validation data.
        num_labels: Number of classes of the task.
        references: (N,) annotated class ids.
    """
    predicted = np.asarray(predictions)
    if num_labels < 2 or predicted.size < _COLLAPSED_MIN_PREDICTIONS_PER_LABEL * num_labels:
        return False
    values, frequencies = np.unique(predicted, return_counts=True)
    others = predicted.size if references is None else np.count_nonzero(references != values[frequencies.argmax()])
    return bool(others and predicted.size - frequencies.max() <= _COLLAPSED_REST * others)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns probabilities over the last dimension."""
    logits = logits.astype(np.float64)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns the probability of each label on its own."""
    return np.asarray(0.5 * (1 + np.tanh(logits.astype(np.float64) / 2)))  # This form does not overflow.
