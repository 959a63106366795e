"""Paired differences of systems by language and by script, with Holm's correction for what a table shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, quoted
from ...languages import LANGUAGES, SCRIPTS, get_language
from ...results.results import Results
from ...statistics.comparisons import Comparison, adjust_p_values
from ...statistics.intervals import Estimates
from .draws import Draws
from .orders import script_distance

Pairs = Sequence[tuple[str, str]]


def by_script(codes: Sequence[str], source_language: str) -> dict[str, list[str]]:
    """Group languages by script, the closest to the source language's first, else in the order of display.

    Args:
        codes: Language codes; those of unknown script come last, under an empty name.
        source_language: Language of the labels.

    Returns:
        For the ISO 15924 code of each script its languages.
    """
    places, scripts = list(LANGUAGES), list(SCRIPTS)

    def place(code: str) -> tuple[bool, int, int, int]:
        script = get_language(code).script
        if code not in places:
            return True, 0, 0, 0
        return False, script_distance(code, source_language), scripts.index(script), places.index(code)

    groups: dict[str, list[str]] = {}
    for code in sorted(codes, key=place):
        groups.setdefault(get_language(code).script, []).append(code)
    return groups


def check_pairs(pairs: Pairs, results: Results) -> None:
    """Refuse pairs of systems whose difference the results do not hold.

    Raises:
        InputError: A system does not exist, is paired with itself, or shares no seed with the other.
    """
    for pair in pairs:
        for name in pair:
            if name not in results.systems:
                raise InputError(
                    f"--difference: there is no system '{name}' in the results of {results.described_task.title}. "
                    f"Choose from {quoted(results.systems)}."
                )
        if pair[0] == pair[1]:
            raise InputError(f"--difference: '{pair[0]}' is compared with itself. Name two systems.")
        if not results.seeds_of(*pair):
            raise InputError(f"--difference: {quoted(pair)} share no seed, so they cannot be paired.")


def contrasts(
    pairs: Pairs,
    results: Results,
    scripts: Mapping[str, Sequence[str]],
    draws_of: Callable[[tuple[int, ...]], Draws],
) -> list[dict[str, Any]]:
    """Compare pairs of systems, paired by seed and by example.

    Args:
        pairs: The systems: each first minus its second.
        results: The results.
        scripts: The target languages of each script, of `by_script`.
        draws_of: Returns the scores of all systems that have some seeds.

    Returns:
        For each pair `system`, `other`, their common `seeds`, and the difference in each of `languages`, of the mean
        over the languages of each of `scripts`, and of the `mean` over all target languages: `mean`, `low`, `high`,
        `p_value`, and `p_adjusted`, by Holm's method over all languages of all pairs, all scripts of all pairs, and
        all means.
    """
    targets = results.targets
    shares = np.array([[(code in group) / len(group) for code in targets] for group in scripts.values()])
    mixing = np.concatenate([np.eye(len(targets)), shares, np.full((1, len(targets)), 1 / len(targets))])
    found: list[dict[str, Any]] = []
    for system, other in pairs:
        seeds = results.seeds_of(system, other)
        entries = _differences(draws_of(seeds), system, other, mixing)
        named = {
            "languages": dict(zip(targets, entries, strict=False)),
            "scripts": dict(zip(scripts, entries[len(targets) :], strict=False)),
            "mean": entries[-1],
        }
        found.append({"system": system, "other": other, "seeds": list(seeds), **named})
    adjust_p_values([[entry for one in found for entry in one[key].values()] for key in ("languages", "scripts")])
    adjust_p_values([[one["mean"] for one in found]])
    return found


def _differences(draws: Draws, system: str, other: str, mixing: NDArray[np.float64]) -> list[dict[str, float]]:
    """The differences of K weighted means, of (K, L) weights."""
    by_seed, resampled = ((scores[system] - scores[other]) @ mixing.T for scores in (draws.by_seed, draws.resampled))
    estimates = Estimates(by_seed.mean(axis=0), resampled, by_seed)
    limits, p_values = estimates.intervals(within=(-1, 1)), estimates.p_values()
    return [
        Comparison(one.mean, one.low, one.high, float(p_value)).to_dict()
        for one, p_value in zip(limits, p_values, strict=True)
    ]
