"""Counts that are drawn at random, as statistics take them."""

from __future__ import annotations

import numpy as np


def as_counts(correct: np.ndarray) -> np.ndarray:
    """(…) booleans to (…, 2) accuracy counts."""
    return np.stack([correct, np.ones_like(correct)], axis=-1).astype(np.int64)


def random_counts(rng: np.random.Generator, sizes: dict[str, int], num_seeds: int) -> dict[str, np.ndarray]:
    return {language: as_counts(rng.random((num_seeds, size)) < 0.6) for language, size in sizes.items()}
