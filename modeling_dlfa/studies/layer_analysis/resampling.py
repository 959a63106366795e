"""How certain a study's numbers are: half-samples, and which layers tie with the best."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_EXAMPLES = 20


def half_samples(n_examples: int, n_resamples: int, seed: int | np.random.SeedSequence = 0) -> NDArray[np.bool_]:
    """Draw halves of the examples without replacement, as the bootstrap draws all of them with replacement.

    A statistic of half of the examples varies around that of all as that varies around the truth: the variance
    of a mean of n/2 out of n is (1 - 1/2) s²/(n/2) = s²/n (the delete-half jackknife, Shao and Wu 1989). Unlike a
    bootstrap sample a half holds no example twice, which matters for measures of pairs of examples: a duplicate would
    count as a perfectly similar pair.

    Args:
        n_examples: N; if odd, the smaller half is drawn, which makes intervals slightly wide.
        n_resamples: R.
        seed: Seed of the generator; numpy's global state is left alone.

    Returns:
        (R, N), true if an example is in the half.

    Raises:
        InputError: There are too few examples, or no resamples.
    """
    if n_examples < MIN_EXAMPLES:
        raise InputError(f"Too few examples for intervals: {n_examples}. Give {MIN_EXAMPLES} or more.")
    if n_resamples < MIN_EXAMPLES:
        raise InputError(f"Too few resamples for intervals: {n_resamples}. Give {MIN_EXAMPLES} or more.")
    rng = np.random.default_rng(seed)
    draws = np.zeros((n_resamples, n_examples), dtype=bool)
    draws[:, : n_examples // 2] = True
    return rng.permuted(draws, axis=1)


def tied_with_best(values: NDArray[np.floating], draws: NDArray[np.floating], confidence: float = 0.95) -> list[int]:
    """Return which of K candidates cannot be distinguished from the best one, itself included.

    A candidate is distinguished if its difference from the best lies more than z standard errors (of its resamples,
    which pair the two) above zero; z is Bonferroni's for all K (K - 1) / 2 pairs, as the data picked the best.

    Args:
        values: (K,) on all examples.
        draws: (R, K) on the resamples.
        confidence: Probability that no difference found is due to chance.
    """
    best = int(np.argmax(values))
    pairs = max(1, len(values) * (len(values) - 1) // 2)
    z = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * pairs))
    differences = values[best] - values
    errors = (draws[:, [best]] - draws).std(axis=0, ddof=1)
    return [index for index in range(len(values)) if index == best or differences[index] <= z * errors[index]]
