"""Many systems against one baseline: differences whose p-values hold with few seeds, and Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..scoring.metrics import AVERAGES, Metric, average_weights
from .bootstrap import Interval, check_request, resample_examples
from .few_seeds import Estimates

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    many cells would show as findings. Intervals and p-values here are those of `few_seeds.Estimates`.

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
    estimates = Estimates(seeds.mean(axis=2), examples, np.moveaxis(seeds, 2, 0))
    low, high = estimates.limits(confidence=confidence)
    possible = np.abs(mixing).sum(axis=1)[:, None]  # A score lies between 0 and 1.
    low, high = np.maximum(low, -possible), np.minimum(high, possible)
    table = np.stack([estimates.observed, low, high, estimates.p_values()], axis=-1)
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
