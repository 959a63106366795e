"""The one interval method: Student's t over training seeds, added to the bootstrap error of the test examples.

docs/method.md describes it for readers of the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.interpolate import CubicSpline

_BLOCK_CELLS = 128  # integrated at once: bounds the memory at some 10 MB
_NODES = 96  # of the integral over a chi-square: six digits of a p-value of 1e-10
_MISSED = 1e-14  # probability of what lies outside the nodes
_FAR, _RATIOS = 18.0, 193  # range and number of logarithms of first / second between which many are interpolated
_BISECTIONS = 36


@dataclass(frozen=True)
class Interval:
    """An estimate (the mean over seeds, of the data as they are, not of the resamples) and its interval."""

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
class Estimates:
    """Statistics over training seeds and test examples, with what is known of their error.

    The error of a mean over S seeds has two parts: that of the seeds, Student's t with S - 1 degrees of freedom times
    the standard error over the seeds' values, and that of the examples, normal with the standard deviation over
    resampled examples. Intervals and p-values are those of their sum, Behrens and Fisher's distribution (Fisher 1935,
    Annals of Eugenics 6:391; `half_width` says why this one). With one seed only examples count: the result holds for
    the models at hand, not for their recipe. Combining the two parts of the error in this way is our reading.

    What an example does to one seed and not to the other is in both parts, so that where it is most of the error the
    interval is up to 1.4 times as wide as it need be. The percentiles of resampled seeds are not an alternative: they
    cannot reach beyond the best and the worst seed.

    Attributes:
        observed: (...) values of the data as they are.
        draws: (R, ...) values of resampled examples, the seeds left as they are.
        by_seed: (S, ...) values of each training seed alone.
    """

    observed: NDArray[np.float64]
    draws: NDArray[np.float64]
    by_seed: NDArray[np.float64]

    @classmethod
    def of_examples(cls, observed: NDArray[np.float64], draws: NDArray[np.float64]) -> Estimates:
        """Take what was measured once, without training seeds: examples are all there is to its error."""
        return cls(observed, draws, observed[None])

    @property
    def _error(self) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
        return (seed_error(self.by_seed), self.draws.std(axis=0), (seed_freedom(self.by_seed), np.inf))

    def limits(
        self,
        *,
        comparisons: int = 1,
        confidence: float = 0.95,
        within: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the low and high ends of the intervals.

        Args:
            comparisons: How many intervals are to hold all at once, by Bonferroni's correction.
            confidence: Probability that they hold.
            within: The lowest and the highest value that a statistic can have.
        """
        reach = half_width(*self._error, confidence=1 - (1 - confidence) / comparisons)
        return np.maximum(self.observed - reach, within[0]), np.minimum(self.observed + reach, within[1])

    def p_values(self) -> NDArray[np.float64]:
        """Return the two-sided p-values of the statistics being zero; see `p_values`."""
        return p_values(self.observed, *self._error)

    def intervals(self, **options: Any) -> list[Interval]:
        """Return an `Interval` for each of J statistics; options as of `limits`."""
        low, high = self.limits(**options)
        return [Interval(*map(float, values)) for values in zip(self.observed, low, high, strict=True)]

    @classmethod
    def joined(cls, parts: Sequence[Estimates]) -> Estimates:
        """Put the statistics of several side by side, along the last axis."""
        names = ("observed", "draws", "by_seed")
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


def seed_error(by_seed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of means over the first axis, the seeds'; 0 for one seed, which does not tell."""
    seeds = len(by_seed)
    found = by_seed.std(axis=0, ddof=1) / seeds**0.5 if seeds > 1 else np.zeros(by_seed.shape[1:])
    return np.asarray(found, dtype=np.float64)


def seed_freedom(by_seed: NDArray[np.float64]) -> float:
    """Return the degrees of freedom of `seed_error`."""
    return len(by_seed) - 1 if len(by_seed) > 1 else np.inf


def half_width(
    first: NDArray[np.float64], second: NDArray[np.float64], freedoms: tuple[float, float], *, confidence: float = 0.95
) -> NDArray[np.float64]:
    """Half the width of intervals of estimates whose error is `first * t1 + second * t2`, of two Student's t.

    Why not Satterthwaite's approximation (1946), one t whose degrees of freedom follow from the two parts' shares: the
    shares are themselves estimated from few seeds, and where seeds happen to agree the interval is too narrow and the
    freedom too large at once. In simulations with the second part known it held the truth in 89 to 95 % of the cases
    with two seeds and in 92 to 95 % with three, this in 95 to 99 and 95 to 98 %: Behrens and Fisher's intervals err on
    the safe side, if at all (Robinson 1976, Annals of Statistics 4:963; tests/statistics/test_intervals.py). Taking
    the shares over many statistics would help only if they were alike and their seeds independent, and a seed moves
    all languages together.

    Args:
        first: Scales of one part, of any shape; 0 for none.
        second: Those of the other, of the same shape.
        freedoms: Degrees of freedom of both; infinity for a normal part.
        confidence: Probability mass of the intervals.

    Returns:
        Half widths, of the same shape; exact to some 1e-4 of themselves.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(np.nan_to_num(np.log(first) - np.log(second)), -_FAR, _FAR)
    beyond = (1 - confidence) / 2
    few = ratio.size <= _RATIOS
    solved = _solved(ratio.ravel(), freedoms, beyond) if few else _spline(freedoms, beyond)(ratio.ravel())
    return np.asarray(np.exp(solved).reshape(ratio.shape) * np.hypot(first, second))


def p_values(
    mean: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64], freedoms: tuple[float, float]
) -> NDArray[np.float64]:
    """Two-sided p-values of means being zero; arguments as of `half_width`.

    Returns:
        p-values, of the shape of the means; without any error 0, unless the mean is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(mean == 0, 0.0, np.abs(mean) / np.hypot(first, second))
    beyond = _tail(statistic.ravel(), np.arctan2(first, second).ravel(), freedoms)
    return np.where(mean == 0, 1.0, np.minimum(2 * beyond.reshape(np.shape(mean)), 1))


def _solved(ratio: NDArray[np.float64], freedoms: tuple[float, float], beyond: float) -> NDArray[np.float64]:
    """Logarithms of the points exceeded with probability `beyond`, by bisection, at logarithms of first / second."""
    low, high = np.full_like(ratio, -20.0), np.full_like(ratio, 40.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        outside = _tail(np.exp(middle), np.arctan(np.exp(ratio)), freedoms) > beyond
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return high


@lru_cache(maxsize=256)
def _spline(freedoms: tuple[float, float], beyond: float) -> CubicSpline:
    from scipy.interpolate import CubicSpline

    knots = np.linspace(-_FAR, _FAR, _RATIOS)
    return CubicSpline(knots, _solved(knots, freedoms, beyond))


def _tail(
    point: NDArray[np.float64], share: NDArray[np.float64], freedoms: tuple[float, float]
) -> NDArray[np.float64]:
    """P(sin(share) t1 + cos(share) t2 > point) of (C,) points of 0 or more, and shares.

    Given their chi-squares, both t are normal, and so is their sum: what is left is a mean over the two chi-squares.
    """
    from scipy.special import ndtr

    (first, first_weights), (second, second_weights) = map(_variances, freedoms)
    found = [np.zeros(0)]
    for start in range(0, len(point), _BLOCK_CELLS):
        angle = share[start : start + _BLOCK_CELLS, None, None]
        scale = np.sqrt(np.sin(angle) ** 2 * first[:, None] + np.cos(angle) ** 2 * second)
        found.append(ndtr(-point[start : start + _BLOCK_CELLS, None, None] / scale) @ second_weights @ first_weights)
    return np.concatenate(found)


@lru_cache(maxsize=256)
def _variances(freedom: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What Student's t has in place of the variance 1, and its weights: freedom / chi-square, evenly in logarithms."""
    from scipy.stats import chi2

    if np.isinf(freedom):
        return np.ones(1), np.ones(1)
    value = np.geomspace(chi2.ppf(_MISSED, freedom), chi2.isf(_MISSED, freedom), _NODES)
    weights = chi2.pdf(value, freedom) * value
    return freedom / value, weights / weights.sum()
