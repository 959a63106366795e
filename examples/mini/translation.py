"""Which pieces translate which: IBM Model 1 in both directions over aligned sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pretraining_data import Packed, pairs
from pretraining_text import LANGUAGES

PIVOT = LANGUAGES.index("en")


@dataclass(frozen=True)
class Links:
    """Pieces of English that translate pieces of another language.

    Attributes:
        english: English piece of each link, N.
        foreign: Piece of the other language, N; no pair twice.
        counts: How often the one stands for the other in the sentences read, N: the geometric mean of the expected
            counts of both directions, which drops links that only one direction believes in.
    """

    english: np.ndarray
    foreign: np.ndarray
    counts: np.ndarray


def english_pairs(packed: Packed, language: int, limit: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Aligned sentences of English and another language, P x 2: English first.

    Args:
        packed: The tokenised text.
        language: Index into `LANGUAGES`.
        limit: Pairs at most, drawn without replacement.
        longest: Pieces of a sentence at most. Pairs of which one side has more than three times the other's are left
            out as well: they hardly translate each other.
        rng: Source of the draw.
    """
    found = []
    for _, both in pairs(packed):
        spoken = packed.languages[both]
        found.append(both[(spoken[:, 0] == PIVOT) & (spoken[:, 1] == language)])
        found.append(both[(spoken[:, 1] == PIVOT) & (spoken[:, 0] == language)][:, ::-1])
    candidates = np.concatenate(found)
    lengths = packed.lengths[candidates].astype(np.int64)
    short, long = lengths.min(axis=1), lengths.max(axis=1)
    candidates = candidates[(long <= longest) & (long <= 3 * short)]
    if len(candidates) <= limit:
        return candidates
    return candidates[np.sort(rng.choice(len(candidates), limit, replace=False))]


def translation_links(
    packed: Packed,
    language: int,
    rng: np.random.Generator,
    limit: int = 60_000,
    longest: int = 40,
    iterations: int = 6,
    minimum: float = 0.5,
) -> Links:
    """Links between English and another language by IBM Model 1 (Brown et al. 1993), trained in both directions.

    Args:
        packed: The tokenised text.
        language: Index into `LANGUAGES`.
        rng: Source of the draw of sentences.
        limit: See `english_pairs`.
        longest: See `english_pairs`.
        iterations: Of expectation maximisation.
        minimum: Links with lower counts are left out.
    """
    chosen = english_pairs(packed, language, limit, longest, rng)
    english, foreign, english_place, foreign_place = _all_combinations(packed, chosen)
    size = len(packed.starts_word)
    keys, inverse = np.unique(english * size + foreign, return_inverse=True)
    of_english, of_foreign = keys // size, keys % size
    to_foreign = _expected_counts(inverse, of_english, foreign_place, iterations)
    to_english = _expected_counts(inverse, of_foreign, english_place, iterations)
    counts = np.sqrt(to_foreign * to_english)
    kept = counts >= minimum
    return Links(of_english[kept], of_foreign[kept], counts[kept])


def _all_combinations(packed: Packed, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each piece of a sentence with each of its translation: both pieces, and the place of either in the text read."""
    lengths = packed.lengths[chosen].astype(np.int64)
    sizes = lengths[:, 0] * lengths[:, 1]
    inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    other = np.repeat(lengths[:, 1], sizes)
    offsets = (inside // other, inside % other)
    starts = packed.starts[chosen]
    pieces, places = [], []
    for side in (0, 1):
        pieces.append(packed.ids[np.repeat(starts[:, side], sizes) + offsets[side]].astype(np.int64))
        before = np.cumsum(lengths[:, side]) - lengths[:, side]
        places.append(np.repeat(before, sizes) + offsets[side])
    return pieces[0], pieces[1], places[0], places[1]


def _expected_counts(pair: np.ndarray, source: np.ndarray, place: np.ndarray, iterations: int) -> np.ndarray:
    """Expected counts of each distinct pair of pieces, where each target place is explained by one source piece.

    Args:
        pair: Distinct pair of each combination, N.
        source: Source piece of each distinct pair, K.
        place: Target place of each combination, N.
        iterations: Of expectation maximisation.
    """
    probability = np.ones(len(source))
    for _ in range(iterations):
        weight = probability[pair]
        posterior = weight / np.bincount(place, weights=weight)[place]
        counts = np.bincount(pair, weights=posterior, minlength=len(source))
        probability = counts / np.bincount(source, weights=counts)[source]
    return counts
