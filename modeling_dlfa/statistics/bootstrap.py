"""How sure one can be of scores and their differences: bootstrap intervals over training seeds and test examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..scoring.metrics import AVERAGES, Metric, average_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_ELEMENTS = 2**22  # resampled rows drawn at once: bounds the memory at some 70 MB, whatever the test set's size


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
    """One `Interval` a language and one an average; `metrics.Summary` says when an average is `None`."""

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
    check_request(counts, aligned, n_resamples, confidence)
    languages = list(counts)
    observed = np.stack([metric.score(counts[language].sum(axis=2)).mean(axis=1) for language in languages])  # (L, M)
    resampled = _resample(counts, metric, aligned, n_resamples, seed)  # (R, L, M)
    point, draws = observed @ contrast, resampled @ contrast  # (L,), (R, L)
    quantiles = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(weights: NDArray[np.float64]) -> Interval:
        low, high = np.quantile(draws @ weights, quantiles)
        return Interval(float(point @ weights), float(low), float(high))

    per_language = {language: interval(row) for language, row in zip(languages, np.eye(len(languages)), strict=True)}
    weights = average_weights(languages, source_language)
    averages = {name: interval(weights[name]) if name in weights else None for name in AVERAGES[1:]}
    return Intervals(
        languages=per_language,
        macro_all=interval(weights["macro_all"]),
        macro_target=averages["macro_target"],
        transfer_gap=averages["transfer_gap"],
        n_resamples=n_resamples,
        confidence=confidence,
    )


def check_request(counts: Mapping[str, NDArray[np.int64]], aligned: bool, n_resamples: int, confidence: float) -> None:
    """Checks what is to be resampled, (M, S, N, K) counts a language, and how.

    Raises:
        InputError: Arrays disagree in shape, are empty, or differ in N although `aligned`; or values out of range.
    """
    if n_resamples < 1 or not 0 < confidence < 1:
        raise InputError(
            f"Got n_resamples={n_resamples}, confidence={confidence}; need at least 1, and inside (0, 1)."
        )
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
    num_seeds = next(iter(counts.values())).shape[1]
    stream = np.random.SeedSequence(seed).spawn(1)[0]
    seed_weights = _seed_weights(np.random.default_rng(stream), num_seeds, n_resamples)
    groups = resample_examples(counts, metric, aligned, n_resamples, seed)
    return np.concatenate([np.einsum("rgms,rs->rgm", scores, seed_weights) for scores in groups], axis=1)


def resample_examples(
    counts: Mapping[str, NDArray[np.int64]], metric: Metric, aligned: bool, n_resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Scores of resampled examples, the training seeds left as they are.

    Args:
        counts: (M, S, N, K) counts a language, of M systems.
        metric: What turns counts into a score.
        aligned: Whether one draw of examples serves all languages.
        n_resamples: R.
        seed: Seed of the draws.

    Yields:
        (R, G, M, S) scores of one group of G languages after the other: all at once if aligned, else each alone.
    """
    languages = list(counts)
    groups = [languages] if aligned else [[language] for language in languages]
    streams = np.random.SeedSequence(seed).spawn(1 + len(groups))[1:]  # The first is that of the seeds.
    for group, stream in zip(groups, streams, strict=True):
        rng = np.random.default_rng(stream)
        array = np.stack([counts[language] for language in group]).astype(np.float64)  # (G, M, S, N, K)
        n_groups, n_systems, num_seeds, n_examples, n_counts = array.shape
        columns = np.moveaxis(array, 3, 0).reshape(n_examples, -1)
        block = max(1, _BLOCK_ELEMENTS // n_examples)
        sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
        sums = np.concatenate([_example_weights(rng, n_examples, size) @ columns for size in sizes])
        yield metric.score(sums.reshape(n_resamples, n_groups, n_systems, num_seeds, n_counts))


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


def resampled_scores(
    counts: Mapping[str, NDArray[np.int64]], *, metric: Metric, aligned: bool, n_resamples: int = 2000, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores themselves, and those of resampled examples with the training seeds left as they are.

    For statistics that the other functions lack. What is drawn depends on `seed` and on the number of examples alone:
    two calls draw the same.

    Args:
        counts: For each of L languages an (M, S, N, K) array: M systems, S seeds, N examples, K counts.
        metric: What turns counts into a score.
        aligned: Row i is the same example in every language (translations), whose N is then the same.
        n_resamples: Number R of bootstrap resamples.
        seed: Seed of `np.random.default_rng`.

    Returns:
        (L, M, S) scores and (R, L, M, S) scores of the resamples.
    """
    observed = np.stack([metric.score(array.sum(axis=2)) for array in counts.values()])
    apart = {code: np.reshape(array, (-1, 1, *array.shape[2:])) for code, array in counts.items()}
    return observed, _resample(apart, metric, aligned, n_resamples, seed).reshape(n_resamples, *observed.shape)
