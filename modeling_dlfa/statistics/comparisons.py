"""Scores with their intervals, differences to a baseline, and Holm's correction for all that one table shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..scoring.metrics import AVERAGES, Metric, average_weights
from .intervals import Estimates, Interval
from .resampling import resampled_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 0.05  # of adjusted p-values: what is below stands out in tables and figures

Counts = Mapping[str, "NDArray[np.int64]"]


@dataclass(frozen=True)
class Comparison(Interval):
    """A difference with its interval, and the two-sided p-value of there being none."""

    p_value: float

    def to_dict(self) -> dict[str, float]:
        """Return the four numbers, ready for JSON."""
        return {**super().to_dict(), "p_value": self.p_value}


def score_intervals(counts: Counts, *, metric: Metric, aligned: bool, **options: Any) -> dict[str, Interval]:
    """Return one system's score in every language and average, with intervals by `intervals.Estimates`.

    Args:
        counts: For each language an (S, N, K) array: S seeds, the same N examples in each, K counts.
        metric: What turns counts into a score.
        aligned: As of `compare_to_baseline`, like the options.
        **options: `source_language`, `n_resamples`, `confidence`, `seed`.

    Raises:
        InputError: Arrays disagree in shape, are empty, or differ in N although `aligned`; an option out of range.
    """
    stacked = {language: np.asarray(array)[None] for language, array in counts.items()}
    keys, [interval] = _table(stacked, np.ones((1, 1)), metric, aligned, **options)
    return {key: Interval(*map(float, values[:3])) for key, values in zip(keys, interval, strict=True)}


def compare_to_baseline(
    systems: Mapping[str, Counts], baseline: Counts, *, metric: Metric, aligned: bool, **options: Any
) -> dict[str, dict[str, Comparison]]:
    """Compare systems with their baseline, paired by training seed and by test example, in every language.

    Args:
        systems: For each system and language an (S, N, K) array of counts.
        baseline: The same of the baseline: same languages, seed s and example n in the same place.
        metric: What turns counts into a score.
        aligned: Row i is the same example in every language (translations), so that languages are not independent.
        **options: `source_language` of the training labels, or all of them, for the averages (`"en"`); `n_resamples`
            of the examples (2000); `confidence` of the intervals (0.95); `seed` of the resamples (0).

    Returns:
        For each system the comparison in each language, and of each of `metrics.AVERAGES` that these languages have.

    Raises:
        InputError: If there are no systems, or languages or shapes differ, or as `score_intervals`.
    """
    stacked = _stack(systems, baseline, list(baseline))
    contrasts = np.hstack([np.eye(len(systems)), -np.ones((len(systems), 1))])
    keys, table = _table(stacked, contrasts, metric, aligned, **options)
    return {
        name: {key: Comparison(*map(float, values)) for key, values in zip(keys, rows, strict=True)}
        for name, rows in zip(systems, table, strict=True)
    }


def _table(
    counts: Counts,
    contrasts: NDArray[np.float64],
    metric: Metric,
    aligned: bool,
    *,
    source_language: str | Sequence[str] = "en",
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[list[str], NDArray[np.float64]]:
    """Languages and averages; for each of (C, M) contrasts over systems and each of them mean, ends and p-value."""
    if not 0 < confidence < 1:
        raise InputError(f"Got confidence={confidence}; it is a probability, such as 0.95.")
    scores, draws = resampled_scores(counts, metric=metric, aligned=aligned, n_resamples=n_resamples, seed=seed)
    languages = list(counts)
    weights = average_weights(languages, source_language)
    averages = [name for name in AVERAGES if name in weights]
    mixing = np.concatenate([np.eye(len(languages)), [weights[name] for name in averages]])  # (keys, L)
    by_seed = np.einsum("lms,kl,cm->sck", scores, mixing, contrasts)
    examples = np.einsum("rlm,kl,cm->rck", draws.mean(axis=-1), mixing, contrasts, optimize=True)
    estimates = Estimates(by_seed.mean(axis=0), examples, by_seed)
    parts = np.einsum("kl,cm->cklm", mixing, contrasts)
    ends = parts * metric.lowest, parts  # A score lies between the lowest and 1.
    within = np.minimum(*ends).sum(axis=(2, 3)), np.maximum(*ends).sum(axis=(2, 3))
    limits = estimates.limits(confidence=confidence, within=within)
    return [*languages, *averages], np.stack([estimates.observed, *limits, estimates.p_values()], axis=-1)


def _stack(systems: Mapping[str, Counts], baseline: Counts, languages: Sequence[str]) -> dict[str, NDArray[np.int64]]:
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


def adjusted_entries(
    compared: Mapping[str, Mapping[str, Comparison]], languages: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return comparisons as JSON holds them, with `p_adjusted` beside `p_value`.

    The cells of all systems and languages are one family of comparisons, the systems of each average another.

    Args:
        compared: Of `compare_to_baseline`, all systems that one table shows.
        languages: The languages; whatever else is compared is an average.
    """
    entries = {name: {key: entry.to_dict() for key, entry in found.items()} for name, found in compared.items()}
    averages = [name for name in AVERAGES if any(name in found for found in entries.values())]
    families = [languages, *([name] for name in averages)]
    adjust_p_values([found[key] for found in entries.values() for key in family] for family in families)
    return entries


def adjust_p_values(families: Iterable[Sequence[dict[str, Any]]], key: str = "p_adjusted") -> None:
    """Add Holm's p-values to entries with a `p_value`, in place.

    Args:
        families: The entries of each family of comparisons.
        key: Of the adjusted value.
    """
    for entries in families:
        for entry, adjusted in zip(entries, holm([entry["p_value"] for entry in entries]).tolist(), strict=True):
            entry[key] = adjusted


def stands_out(entry: Mapping[str, Any], threshold: float = THRESHOLD) -> bool:
    """Whether a difference stands after the correction; one that was not corrected does not."""
    return bool(entry.get("p_adjusted", 1.0) <= threshold)


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
