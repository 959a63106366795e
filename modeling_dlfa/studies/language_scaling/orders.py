"""Orders in which target languages are added: at random, by similarity, script, data size, family by family."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...languages import LANGUAGES, OTHER_FAMILY, SCRIPTS, by_family, get_language

# Sizes of the corpus's compressed files, in MB, from the list on the CC-100 page (Wenzek et al. 2020), the
# rebuilt training data of XLM-R (Conneau et al. 2020). For another encoder they stand for how much text there is.
CC100_SIZES: Mapping[str, float] = {
    **{"af": 305, "ar": 5400, "az": 1300, "bg": 9300, "bn": 860, "de": 18000, "el": 7400, "en": 82000, "es": 14000},
    **{"et": 1700, "eu": 488, "fa": 20000, "fi": 15000, "fr": 14000, "gu": 242, "he": 6100, "hi": 2500, "hu": 15000},
    **{"id": 36000, "pa": 90, "qu": 1.5},
    **{"it": 7800, "ja": 15000, "jv": 37, "ka": 1100, "kk": 889, "ko": 14000, "lt": 3400, "ml": 831, "mr": 334},
    **{"ms": 2100, "my": 46, "nl": 7900, "pl": 12000, "pt": 13000, "ro": 16000, "ru": 46000, "sw": 332, "ta": 1300},
    **{"te": 536, "th": 8700, "tl": 701, "tr": 5400, "uk": 14000, "ur": 884, "vi": 28000, "yo": 1.1, "zh": 14000},
}
ALPHABETS = {"Latn", "Grek", "Cyrl"}


@dataclass(frozen=True)
class Order:
    """A way to add languages to a set.

    Attributes:
        name: Name in files: `random`, `similarity`, `script`, `data_size`, `family`.
        title: Name in tables and figures.
        source: Where the order comes from, in one sentence.
        tiers: Groups of languages; each group starts when the one before is complete, and is not ordered inside.
        values: The measure to which a line over the languages is fitted; None if the order has none.
        unit: Unit of that line's slope: the gain per `unit`.
    """

    name: str
    title: str
    source: str
    tiers: tuple[tuple[str, ...], ...]
    values: Mapping[str, float] | None = None
    unit: str = ""


def language_orders(targets: Sequence[str], source_language: str) -> tuple[list[Order], list[str]]:
    """Return the orders for some target languages, as far as the built-in tables know them.

    Args:
        targets: Codes of the target languages.
        source_language: Language of the labels.

    Returns:
        The orders, and one sentence for each order that is left out.

    Raises:
        InputError: There are no target languages.
    """
    if not targets:
        raise InputError(f"Only {source_language} was tested, the language of the labels; test other languages too.")
    left_out = []
    orders = [Order("random", "at random", "All sets of n languages count equally.", (tuple(targets),))]
    source = get_language(source_language)
    unknown = ", ".join(code for code in (source_language, *targets) if code not in LANGUAGES)
    if unknown:
        left_out.append(f"No order by similarity: it is not known for {unknown}.")
    else:
        values = {code: shared_levels(code, source_language) for code in targets}
        origin = f"How many of family, branch (both from WALS) and script a language shares with {source.name}."
        title = f"closest to {source.name} first"
        orders.append(Order("similarity", title, origin, _tiers(values), values, "shared level"))
    scripts = _tiers({code: -float(script_distance(code, source_language)) for code in targets})
    if unknown or len(scripts) == 1:
        why = f"nothing is known of {unknown}" if unknown else "all scripts are equally close"
        left_out.append(f"No order by script: {why}.")
    else:
        own = SCRIPTS[source.script]
        origin = (
            f"{own}, as {source.name} is written; then related alphabets (Latin, Greek, Cyrillic); then all others."
        )
        orders.append(Order("script", "closest script first", origin, scripts))
    missing = ", ".join(code for code in targets if code not in CC100_SIZES)
    if missing:
        left_out.append(f"No order by data size: it is not known for {missing}.")
    else:
        origin = (
            "Sizes of CC-100's files: the training data of XLM-R; for other encoders, a measure of how "
            "much text exists."
        )
        logs = {code: math.log2(CC100_SIZES[code]) for code in targets}
        orders.append(
            Order("data_size", "most pre-training data first", origin, _tiers(logs), logs, "doubling of data")
        )
    families = tuple(tuple(codes) for _, codes in by_family(targets, source_language))
    orders.append(Order("family", "family by family", "Families of the World Atlas of Language Structures.", families))
    return orders, left_out


def shared_levels(code: str, source_language: str) -> float:
    """Return how many of family, branch and script two languages share: 0 to 3."""
    one, other = get_language(code), get_language(source_language)
    same_family = one.family == other.family != OTHER_FAMILY
    return float(same_family + (same_family and one.genus == other.genus) + (one.script == other.script))


def script_distance(code: str, source_language: str) -> int:
    """Return how far a language's script is from another's: 0 for the same, 1 among related alphabets, else 2.

    The alphabets are Latin, Greek and Cyrillic, many of whose letters look alike.
    """
    scripts = {get_language(code).script, get_language(source_language).script}
    return 0 if len(scripts) == 1 else 1 if scripts <= ALPHABETS else 2


def _tiers(values: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
    ordered = sorted(values, key=lambda code: values[code], reverse=True)
    return tuple(tuple(group) for _, group in itertools.groupby(ordered, key=lambda code: values[code]))


def grown_sets(
    order: Order, targets: Sequence[str], *, max_subsets: int = 100, seed: int = 0
) -> list[NDArray[np.int64]]:
    """Return the sets of n = 1 ... N languages that an order allows.

    If a group is incomplete, all of its subsets are taken if there are at most `max_subsets`, else a balanced
    sample: the runs of n neighbours in seeded random circles of the group, so that every language is in equally many
    sets, and a set of n is in one of n + 1.

    Args:
        order: The order.
        targets: The N languages; a set holds their positions.
        max_subsets: About how many sets to take for each n.
        seed: Seed of the sample.

    Returns:
        For each n a K x n array.
    """
    position = {code: index for index, code in enumerate(targets)}
    sets: list[NDArray[np.int64]] = []
    before: list[int] = []
    for number, tier in enumerate(order.tiers):
        members = np.array([position[code] for code in tier])
        size = len(members)
        rng = np.random.default_rng([seed, number])
        circles = [rng.permutation(members) for _ in range(max(1, max_subsets // size))]
        for count in range(1, size + 1):
            if math.comb(size, count) <= max_subsets:
                chosen = [list(subset) for subset in itertools.combinations(members.tolist(), count)]
            else:
                chosen = [np.roll(circle, -start)[:count].tolist() for circle in circles for start in range(size)]
            sets.append(np.array([[*before, *subset] for subset in chosen], dtype=np.int64))
        before += members.tolist()
    return sets
