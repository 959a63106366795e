"""Scores per language, their averages, and how sure one can be of them. Nothing here needs the network.

Every score is computed from *counts*: a few integers an example, whose sums over examples determine the score (for
accuracy: correct, total; an F1 needs three). Resampling examples is then a matrix product and exact for every metric.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    import evaluate
    from numpy.typing import ArrayLike, NDArray

_BLOCK_ELEMENTS = 2**22  # resampled rows drawn at once: bounds the memory at some 70 MB, whatever the test set's size
_AVERAGES = ("macro_all", "macro_target", "transfer_gap")
_COLLAPSED_SHARE = 0.95
_COLLAPSED_MIN_PREDICTIONS_PER_LABEL = 10


@dataclass(frozen=True)
class Metric:
    """A score that is a function of summed per-example counts.

    Attributes:
        name: The name in results files, as `evaluate` spells it.
        counts: `(predictions, references) -> (N, K)` int64 counts of N examples.
        score: `(..., K)` summed counts `-> (...)` scores between 0 and 1.
    """

    name: str
    counts: Callable[[ArrayLike, ArrayLike], NDArray[np.int64]]
    score: Callable[[NDArray[Any]], NDArray[np.float64]]


def _accuracy_counts(predictions: ArrayLike, references: ArrayLike) -> NDArray[np.int64]:
    predicted, expected = np.asarray(predictions), np.asarray(references)
    if predicted.shape != expected.shape or predicted.ndim != 1 or not predicted.size:
        raise InputError(
            f"Accuracy needs one predicted and one reference label per example, but got arrays of shape "
            f"{predicted.shape} and {expected.shape}; pass class ids (the argmax of the logits), not the logits."
        )
    return np.stack([predicted == expected, np.ones(len(expected), dtype=bool)], axis=1).astype(np.int64)


def _accuracy_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(counts[..., 0] / counts[..., 1], dtype=np.float64)


METRICS: dict[str, Metric] = {"accuracy": Metric("accuracy", _accuracy_counts, _accuracy_score)}


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


def summarise(scores: Mapping[str, float], source_language: str = "en") -> Summary:
    """Average the scores of several languages.

    Args:
        scores: Score of each language, in any unit; the averages are in the same.
        source_language: The language of the training labels. It need not be among `scores`.

    Raises:
        InputError: If `scores` is empty.
    """
    if not scores:
        raise InputError("There are no scores to average; evaluate at least one language.")
    values = np.array(list(scores.values()), dtype=np.float64)
    weights = _average_weights(list(scores), source_language)
    averages = {name: float(values @ weights[name]) if name in weights else None for name in _AVERAGES}
    return Summary(float(values @ weights["macro_all"]), averages["macro_target"], averages["transfer_gap"])


def _average_weights(languages: Sequence[str], source_language: str) -> dict[str, NDArray[np.float64]]:
    """Express the averages as weights of the (L,) scores; one that these languages do not have is absent."""
    is_source = np.array([language == source_language for language in languages])
    weights = {"macro_all": np.full(len(languages), 1 / len(languages))}
    if not is_source.all():
        weights["macro_target"] = ~is_source / np.count_nonzero(~is_source)
        if is_source.any():
            weights["transfer_gap"] = is_source - weights["macro_target"]
    return weights


@dataclass(frozen=True)
class Interval:
    """An estimate (the mean over seeds, of the data as they are, not of the resamples) and its bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the closed interval."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, float]:
        """Return the three numbers, ready for JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Intervals:
    """One `Interval` a language and one an average; see `Summary` for the averages and when they are `None`."""

    languages: dict[str, Interval]
    macro_all: Interval
    macro_target: Interval | None
    transfer_gap: Interval | None
    n_resamples: int
    confidence: float


def bootstrap_interval(
    counts: Mapping[str, NDArray[np.int64]],
    *,
    metric: Metric,
    source_language: str = "en",
    aligned: bool,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """Percentile bootstrap intervals of one system's scores, over its training seeds and the test examples.

    Seeds and examples are resampled together, as in the Multi-Bootstrap (Sellam et al., arXiv 2106.16163): one draw of
    seeds serves all languages, because one trained model is tested in all of them; one draw of examples serves all
    seeds and, if `aligned`, all languages. A departure of ours: of S seeds, S - 1 are drawn with replacement, which
    makes the resampled variance between seeds unbiased (S draws understate it by 1/S: a half with two seeds). With one
    seed only examples are resampled, and the interval is that of *this model*, not of the training recipe.

    What it covers: where examples dominate, such intervals are wider than they need be (Owen 2007, arXiv 0712.1111).
    Where seeds dominate, as they may in an average over many languages, two or three seeds hold too little
    information for any bootstrap: the interval cannot reach beyond the best and the worst seed and covers 50 % (two
    seeds) to 75 % (three) of the time in the limit. Five seeds and more are advisable for a claim.

    Args:
        counts: For each language an (S, N, K) array: S seeds, the same N examples in each, K counts.
        metric: What turns counts into a score.
        source_language: The language of the training labels, for the averages.
        aligned: Row i is the same example in every language (translations), so that languages are not independent.
        n_resamples: Number of bootstrap resamples.
        confidence: Probability mass of the interval.
        seed: Seed of `np.random.default_rng`; the caller's and numpy's global state are left alone.

    Raises:
        InputError: If arrays disagree in shape, are empty, or differ in N although `aligned`.
    """
    stacked = {language: np.asarray(array)[None] for language, array in counts.items()}
    return _intervals(stacked, np.ones(1), metric, source_language, aligned, n_resamples, confidence, seed)


def paired_difference(
    system: Mapping[str, NDArray[np.int64]],
    baseline: Mapping[str, NDArray[np.int64]],
    *,
    metric: Metric,
    source_language: str = "en",
    aligned: bool,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """Bootstrap intervals of `system - baseline`, paired by training seed and by test example.

    Both systems see the same drawn seeds and the same drawn examples, so what they share cancels. `bootstrap_interval`
    describes the resampling and its limits. The intervals are one comparison each: over many languages or systems some
    exclude zero by chance.

    Args:
        system: For each language an (S, N, K) array.
        baseline: The same of the baseline: same languages, seed s and example n in the same place.
        metric: What turns counts into a score.
        source_language: The language of the training labels, for the averages.
        aligned: Row i is the same example in every language (translations), so that languages are not independent.
        n_resamples: Number of bootstrap resamples.
        confidence: Probability mass of the interval.
        seed: Seed of `np.random.default_rng`; the caller's and numpy's global state are left alone.

    Raises:
        InputError: As `bootstrap_interval`, and if the two differ in languages or shapes.
    """
    if set(system) != set(baseline):
        raise InputError(
            f"A paired difference needs the same languages for both systems, but got {sorted(system)} and "
            f"{sorted(baseline)}; test both on the same languages."
        )
    stacked = {}
    for language in system:
        first, second = np.asarray(system[language]), np.asarray(baseline[language])
        if first.shape != second.shape:
            raise InputError(
                f"A paired difference needs the same seeds and test examples for both systems, but the counts for "
                f"{language!r} have shapes {first.shape} and {second.shape}."
            )
        stacked[language] = np.stack([first, second])
    contrast = np.array([1.0, -1.0])
    return _intervals(stacked, contrast, metric, source_language, aligned, n_resamples, confidence, seed)


def _intervals(
    counts: Mapping[str, NDArray[np.int64]],
    contrast: NDArray[np.float64],
    metric: Metric,
    source_language: str,
    aligned: bool,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> Intervals:
    """Intervals of `contrast` (M,) over systems, from (M, S, N, K) counts a language."""
    _check_counts(counts, aligned)
    if n_resamples < 1 or not 0 < confidence < 1:
        raise InputError(
            f"Got n_resamples={n_resamples}, confidence={confidence}; need at least 1, and inside (0, 1)."
        )
    languages = list(counts)
    observed = np.stack([metric.score(counts[language].sum(axis=2)).mean(axis=1) for language in languages])  # (L, M)
    resampled = _resample(counts, metric, aligned, n_resamples, seed)  # (R, L, M)
    point, draws = observed @ contrast, resampled @ contrast  # (L,), (R, L)
    quantiles = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(weights: NDArray[np.float64]) -> Interval:
        low, high = np.quantile(draws @ weights, quantiles)
        return Interval(float(point @ weights), float(low), float(high))

    per_language = {language: interval(row) for language, row in zip(languages, np.eye(len(languages)), strict=True)}
    weights = _average_weights(languages, source_language)
    averages = {name: interval(weights[name]) if name in weights else None for name in _AVERAGES[1:]}
    return Intervals(
        languages=per_language,
        macro_all=interval(weights["macro_all"]),
        macro_target=averages["macro_target"],
        transfer_gap=averages["transfer_gap"],
        n_resamples=n_resamples,
        confidence=confidence,
    )


def _check_counts(counts: Mapping[str, NDArray[np.int64]], aligned: bool) -> None:
    if not counts:
        raise InputError("There are no counts to resample; evaluate at least one language.")
    shapes = {language: array.shape for language, array in counts.items()}
    if any(len(shape) != 4 or 0 in shape for shape in shapes.values()):
        described = {language: shape[1:] for language, shape in shapes.items()}
        raise InputError(f"Counts must be non-empty (seeds, examples, counts) arrays, but have shapes {described}.")
    if len({(shape[1], shape[3]) for shape in shapes.values()}) > 1:
        described = {language: shape[1:] for language, shape in shapes.items()}
        raise InputError(f"Every language needs the same seeds and the same metric, but the shapes are {described}.")
    if aligned and len({shape[2] for shape in shapes.values()}) > 1:
        described = {language: shape[2] for language, shape in shapes.items()}
        raise InputError(f"Languages of unequal size {described} cannot be row-aligned; pass aligned=False.")


def _resample(
    counts: Mapping[str, NDArray[np.int64]], metric: Metric, aligned: bool, n_resamples: int, seed: int
) -> NDArray[np.float64]:
    """Scores of R resamples: (R, L, M), from (M, S, N, K) counts a language."""
    languages = list(counts)
    groups = [languages] if aligned else [[language] for language in languages]
    streams = np.random.SeedSequence(seed).spawn(1 + len(groups))
    num_seeds = counts[languages[0]].shape[1]
    seed_weights = _seed_weights(np.random.default_rng(streams[0]), num_seeds, n_resamples)
    scores = []
    for group, stream in zip(groups, streams[1:], strict=True):
        rng = np.random.default_rng(stream)
        array = np.stack([counts[language] for language in group]).astype(np.float64)  # (G, M, S, N, K)
        n_groups, n_systems, _, n_examples, n_counts = array.shape
        columns = np.moveaxis(array, 3, 0).reshape(n_examples, -1)
        block = max(1, _BLOCK_ELEMENTS // n_examples)
        sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
        sums = np.concatenate([_example_weights(rng, n_examples, size) @ columns for size in sizes])
        sums = sums.reshape(n_resamples, n_groups, n_systems, num_seeds, n_counts)
        scores.append(np.einsum("rgms,rs->rgm", metric.score(sums), seed_weights))
    return np.concatenate(scores, axis=1)


def _seed_weights(rng: np.random.Generator, num_seeds: int, n_resamples: int) -> NDArray[np.float64]:
    """(R, S) weights that sum to one: the share of each seed in S - 1 draws with replacement."""
    if num_seeds == 1:
        return np.ones((n_resamples, 1))
    draws = num_seeds - 1
    return rng.multinomial(draws, np.full(num_seeds, 1 / num_seeds), size=n_resamples) / draws


def _example_weights(rng: np.random.Generator, n_examples: int, n_resamples: int) -> NDArray[np.float64]:
    """(R, N) whole numbers: how often each example is in each of R draws of N with replacement."""
    drawn = rng.integers(0, n_examples, size=(n_resamples, n_examples))
    drawn += np.arange(n_resamples)[:, None] * n_examples
    counted = np.bincount(drawn.ravel(), minlength=n_resamples * n_examples)
    return counted.reshape(n_resamples, n_examples).astype(np.float64)


def is_collapsed(predictions: ArrayLike, num_labels: int) -> bool:
    """Whether a model predicts one label (almost) always, which is how a failed fine-tuning run usually looks.

    The rule is ours; that runs differ this much between seeds is documented in Keung et al. (arXiv 2004.15001) and
    Mosbach et al. (arXiv 2006.04884): the most frequent label takes at least 95 % of the predictions. It is meant for
    data in which no label does. With fewer than ten predictions a label, or with fewer than two labels, nothing can
    be said, and the answer is `False`.

    Args:
        predictions: (N,) predicted class ids, best those on the source language's validation data.
        num_labels: Number of classes of the task.
    """
    predicted = np.asarray(predictions)
    if num_labels < 2 or predicted.size < _COLLAPSED_MIN_PREDICTIONS_PER_LABEL * num_labels:
        return False
    return bool(np.unique(predicted, return_counts=True)[1].max() >= _COLLAPSED_SHARE * predicted.size)


def cross_lingual_metric(metric: str = "accuracy", source_language: str = "en") -> evaluate.Metric:
    """Build an `evaluate` metric that scores several languages at once, rather than load one from the Hub.

    It keeps its examples in memory: no network, no file, no lock, so any number of processes may use one each, on the
    predictions they hold (gather them first, as `Trainer` does).

    Example:
        >>> scorer = cross_lingual_metric("accuracy", source_language="en")
        >>> scorer.compute(predictions=[0, 1, 2], references=[0, 1, 1], languages=["en", "en", "de"])
        {'languages': {'en': {'accuracy': 1.0, 'n': 2}, 'de': {'accuracy': 0.0, 'n': 1}},
         'macro_all': 0.5, 'macro_target': 0.0, 'transfer_gap': 1.0}

    Args:
        metric: A name in `METRICS`; one label an example.
        source_language: The language of the training labels; `Summary` says what follows when it was not tested.

    Returns:
        An `evaluate.Metric` whose `compute(predictions=, references=, languages=)` takes three equally long sequences
        (class ids, class ids, language codes) and returns plain Python numbers as in the example, languages in order
        of first appearance. `add` and `add_batch` collect as usual.

    Raises:
        InputError: If there is no such metric; from `compute` and `add_batch` if the sequences are empty, differ in
            length, or hold anything but class ids.
    """
    import datasets
    import evaluate

    chosen = get_metric(metric)

    class CrossLingualMetric(evaluate.Metric):
        def _build_data_dir(self) -> str:
            # evaluate makes a folder in the user's cache here, though it never writes to it with keep_in_memory.
            return tempfile.gettempdir()

        def _info(self) -> evaluate.MetricInfo:
            return evaluate.MetricInfo(
                description=f"{chosen.name} per language, macro averages and transfer gap from {source_language}.",
                citation="",
                inputs_description="predictions, references: class ids; languages: a language code per example.",
                features=datasets.Features(
                    predictions=datasets.Value("int64"),
                    references=datasets.Value("int64"),
                    languages=datasets.Value("string"),
                ),
            )

        def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
            """Score what is given here and what was collected before, and forget it."""
            columns = {
                "predictions": predictions,
                "references": references,
                "languages": kwargs.pop("languages", None),
            }
            if not len(self) and all(column is None for column in columns.values()):
                raise InputError("There is nothing to score; pass predictions, references and languages.")
            return super().compute(**columns, **kwargs)

        def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
            """Collect a batch, having checked it."""
            columns = {
                "predictions": predictions,
                "references": references,
                "languages": kwargs.pop("languages", None),
            }
            _check_batch(columns)
            super().add_batch(**columns, **kwargs)

        def _compute(self, predictions: list[int], references: list[int], languages: list[str]) -> dict[str, Any]:
            codes = np.asarray(languages)
            counts = chosen.counts(predictions, references)
            sums = {code: counts[codes == code] for code in dict.fromkeys(languages)}
            scores = {code: float(chosen.score(rows.sum(axis=0))) for code, rows in sums.items()}
            averages = summarise(scores, source_language)
            return {
                "languages": {code: {chosen.name: score, "n": len(sums[code])} for code, score in scores.items()},
                "macro_all": averages.macro_all,
                "macro_target": averages.macro_target,
                "transfer_gap": averages.transfer_gap,
            }

    return CrossLingualMetric(keep_in_memory=True)


def _check_batch(columns: Mapping[str, Any]) -> None:
    """Refuse what `evaluate` would cast in silence: it truncates 0.9 to class 0."""
    sizes = {name: 0 if column is None else len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1 or not all(sizes.values()):
        raise InputError(f"The metric needs equally many predictions, references and languages, but got {sizes}.")
    for name in ("predictions", "references"):
        array = np.asarray(columns[name])
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise InputError(f"{name} must be one class id per example, but has shape {array.shape} of {array.dtype}.")
