"""Intervals of what further languages would show, and the least squares of trends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .intervals import Interval, half_width, seed_error, seed_freedom


def slopes(values: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares slopes of many curves.

    Args:
        values: (..., P) heights.
        positions: (P,) positions, not all the same.
    """
    centred = positions - positions.mean()
    return np.asarray(values @ centred / (centred @ centred), dtype=np.float64)


def slope_over_languages(
    by_seed: NDArray[np.float64], positions: NDArray[np.float64], *, comparisons: int = 1, confidence: float = 0.95
) -> Interval:
    """Return the slope of a line through languages, with the interval of the line that further languages would show.

    Ordinary least squares through the means over seeds. The scatter of languages about the line holds what differs
    between languages and the error of each one's test set, Student's t with L - 2 degrees of freedom; the error of the
    slope between seeds, which move all languages together, is added, as `intervals.half_width` adds two such parts.

    Args:
        by_seed: (S, L) values of each seed and language; L at least 3.
        positions: (L,) positions, not all the same.
        comparisons: How many such intervals are to hold all at once, by Bonferroni's correction.
        confidence: Probability that they hold.
    """
    values, centred = by_seed.mean(axis=0), positions - positions.mean()
    slope = float(slopes(values, positions))
    residuals = values - values.mean() - slope * centred
    scatter = residuals @ residuals / (by_seed.shape[1] - 2) / (centred @ centred)
    return _over_languages(
        slope, scatter, by_seed.shape[1] - 2, slopes(by_seed, positions), 1 - (1 - confidence) / comparisons
    )


def mean_over_languages(by_seed: NDArray[np.float64], *, comparisons: int = 1, confidence: float = 0.95) -> Interval:
    """Return the mean over languages, with the interval of the mean that further languages like these would show.

    As `slope_over_languages`: the scatter of languages, taken for a random sample, and the error between seeds.

    Args:
        by_seed: (S, L) values of each seed and language; L at least 2.
        comparisons: How many such intervals are to hold all at once, by Bonferroni's correction.
        confidence: Probability that they hold.
    """
    values, languages = by_seed.mean(axis=0), by_seed.shape[1]
    scatter = values.var(ddof=1) / languages
    return _over_languages(
        float(values.mean()), scatter, languages - 1, by_seed.mean(axis=1), 1 - (1 - confidence) / comparisons
    )


def _over_languages(
    estimate: float, scatter: float, freedom: int, by_seed: NDArray[np.float64], confidence: float
) -> Interval:
    errors = (seed_error(by_seed), np.sqrt(scatter))
    reach = float(half_width(*errors, (seed_freedom(by_seed), freedom), confidence=confidence))
    return Interval(estimate, estimate - reach, estimate + reach)
