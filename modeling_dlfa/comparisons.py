"""Many systems against one baseline: differences whose p-values hold with few seeds, and Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bootstrap import Interval, check_request, resample_examples
from .errors import InputError
from .metrics import AVERAGES, Metric, average_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRID = 65  # shares of the seeds' part for which the width of an interval is solved for; between them it is smooth
_BLOCK_CELLS = 512  # compared at once: bounds the memory at some 10 MB


@dataclass(frozen=True)
class Comparison(Interval):
    """A difference with its interval, and the two-sided p-value of there being none."""

    p_value: float

    def to_dict(self) -> dict[str, float]:
        """Return the four numbers, ready for JSON."""
        return {**super().to_dict(), "p_value": self.p_value}


def compare_to_baseline(
    systems: Mapping[str, Mapping[str, NDArray[np.int64]]],
    baseline: Mapping[str, NDArray[np.int64]],
    *,
    metric: Metric,
    source_language: str = "en",
    aligned: bool,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Comparison]]:
    """Compare systems with their baseline, paired by training seed and by test example, in every language.

    The percentiles of `bootstrap.paired_difference` cover too seldom with few seeds (see there), which a table of
    many cells would show as findings. Here the error of the mean over S seeds has two parts: that of the seeds,
    Student's t with S - 1 degrees of freedom times the standard error over the seeds' differences, and that of the
    examples, normal with the standard deviation over resampled examples. Interval and p-value are those of their sum,
    the distribution of Behrens and Fisher, which errs on the safe side. With one seed only examples count: the result
    holds for the models at hand, not for their recipe. How to combine the two is our reading.

    Args:
        systems: For each system and language an (S, N, K) array of counts.
        baseline: The same of the baseline: same languages, seed s and example n in the same place.
        metric: What turns counts into a score.
        source_language: The language of the training labels, for the averages.
        aligned: Row i is the same example in every language (translations), so that languages are not independent.
        n_resamples: Number of resamples of the examples.
        confidence: Probability mass of the intervals.
        seed: Seed of the resamples.

    Returns:
        For each system the comparison in each language, and of each of `metrics.AVERAGES` that these languages have.

    Raises:
        InputError: If there are no systems, or languages or shapes differ, or as `bootstrap.bootstrap_interval`.
    """
    languages = list(baseline)
    stacked = _stack(systems, baseline, languages)
    check_request(stacked, aligned, n_resamples, confidence)
    weights = average_weights(languages, source_language)
    keys = [*languages, *(name for name in AVERAGES if name in weights)]
    mixing = np.concatenate([np.eye(len(languages)), [weights[key] for key in keys[len(languages) :]]])  # (keys, L)
    scores = np.stack([metric.score(stacked[language].sum(axis=2)) for language in languages])  # (L, M, S)
    seeds = np.einsum("lms,kl->kms", scores[:, :-1] - scores[:, -1:], mixing)
    drawn = resample_examples(stacked, metric, aligned, n_resamples, seed)
    draws = np.concatenate([group.mean(axis=-1) for group in drawn], axis=1)  # (R, L, M)
    examples = np.einsum("rlm,kl->rkm", draws[..., :-1] - draws[..., -1:], mixing)
    num_seeds = seeds.shape[2]
    of_seeds = seeds.std(axis=2, ddof=1) / num_seeds**0.5 if num_seeds > 1 else np.zeros(seeds.shape[:2])
    low, high, p_value = behrens_fisher(
        seeds.mean(axis=2), of_seeds, examples.std(axis=0), num_seeds - 1, confidence=confidence
    )
    possible = np.abs(mixing).sum(axis=1)[:, None]  # A score lies between 0 and 1.
    low, high = np.maximum(low, -possible), np.minimum(high, possible)
    table = np.stack([seeds.mean(axis=2), low, high, p_value], axis=-1)
    return {
        name: {key: Comparison(*map(float, table[row, column])) for row, key in enumerate(keys)}
        for column, name in enumerate(systems)
    }


def _stack(
    systems: Mapping[str, Mapping[str, NDArray[np.int64]]],
    baseline: Mapping[str, NDArray[np.int64]],
    languages: Sequence[str],
) -> dict[str, NDArray[np.int64]]:
    """(M + 1, S, N, K) counts a language, the baseline last."""
    if not systems:
        raise InputError("There is no system to compare with the baseline; train at least one.")
    everyone = [*systems.values(), baseline]
    if any(set(counts) != set(languages) for counts in everyone):
        raise InputError("A paired comparison needs the same languages for all systems; test all on the same.")
    for language in languages:
        shapes = sorted({np.shape(counts[language]) for counts in everyone})
        if len(shapes) > 1:
            raise InputError(
                f"A paired comparison needs the same seeds and test examples for all systems, but the counts for "
                f"{language!r} have shapes {shapes}."
            )
    return {language: np.stack([counts[language] for counts in everyone]) for language in languages}


def behrens_fisher(
    mean: NDArray[np.float64],
    of_seeds: NDArray[np.float64],
    of_examples: NDArray[np.float64],
    freedom: int,
    *,
    confidence: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Intervals and p-values of means whose error is `of_seeds * t + of_examples * z`, t Student's and z normal.

    Args:
        mean: Estimates, of any shape.
        of_seeds: Scale of Student's part, of the same shape; 0 for none.
        of_examples: Standard deviation of the normal part, of the same shape.
        freedom: Student's degrees of freedom; 0 with one seed, where there is no such part.
        confidence: Probability mass of the intervals.

    Returns:
        Low and high ends, and the two-sided p-values of the mean being zero. Where there is no error at all the
        interval is the mean, and the p-value 0 unless the mean is 0.
    """
    size = np.hypot(of_seeds, of_examples)
    share = np.arctan2(of_seeds, of_examples)  # What the distribution, in units of `size`, depends on.
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(mean == 0, 0.0, np.abs(mean) / size)
    p_value = np.minimum(2 * _by_blocks(statistic, share, freedom), 1)
    reach = _quantile(share, freedom, (1 - confidence) / 2) * size
    return mean - reach, mean + reach, p_value


def _quantile(share: NDArray[np.float64], freedom: int, beyond: float) -> NDArray[np.float64]:
    """The points exceeded with probability `beyond`, which are smooth in the share: solved for on a grid of it."""
    from scipy.interpolate import CubicSpline

    grid = np.linspace(0, np.pi / 2, _GRID)
    low, high = np.zeros(_GRID), np.ones(_GRID)
    while np.any(too_small := _tail(high, grid, freedom) > beyond):
        high = np.where(too_small, 2 * high, high)
    for _ in range(30):
        middle = (low + high) / 2
        outside = _tail(middle, grid, freedom) > beyond
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return CubicSpline(grid, high)(share)


def _by_blocks(point: NDArray[np.float64], share: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    cells = np.stack([point.ravel(), share.ravel()])
    blocks = [cells[:, start : start + _BLOCK_CELLS] for start in range(0, point.size, _BLOCK_CELLS)]
    return np.concatenate([_tail(block[0], block[1], freedom) for block in blocks]).reshape(point.shape)


def _tail(point: NDArray[np.float64], share: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """P(sin(share) t + cos(share) z > point) of (C,) points and shares, by the trapezoidal rule over z."""
    from scipy.stats import norm, t

    if freedom < 1:
        return np.asarray(norm.sf(point))
    normal = np.linspace(-9, 9, 721)
    density = norm.pdf(normal) * (normal[1] - normal[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = t.sf((point[:, None] - np.cos(share)[:, None] * normal) / np.sin(share)[:, None], freedom)
    return np.where(share < 1e-3, norm.sf(point), beyond @ density)


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values for the number of comparisons by Holm's step-down method (1979).

    The probability that any of the comparisons without a difference falls below the threshold is then at most the
    threshold, however they depend on each other.

    Args:
        p_values: Of all comparisons that are looked at together, of any shape.

    Returns:
        The adjusted p-values, of the same shape.
    """
    values = np.asarray(p_values, dtype=np.float64)
    flat = values.ravel()
    order = flat.argsort(kind="stable")
    stepped = np.minimum(np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1)), 1)
    adjusted = np.empty_like(flat)
    adjusted[order] = stepped
    return adjusted.reshape(values.shape)
