"""Resampled test examples: the bootstrap behind every interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..scoring.metrics import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_ELEMENTS = 2**22  # resampled rows drawn at once: bounds the memory at some 70 MB, whatever the test set's size


def resampled_scores(
    counts: Mapping[str, NDArray[np.int64]], *, metric: Metric, aligned: bool, n_resamples: int = 2000, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores themselves, and those of resampled examples with the training seeds left as they are.

    All systems and seeds see the same drawn examples, so that what they share cancels in differences; if `aligned`,
    all languages do. What is drawn depends on `seed` and on the number of examples alone: two calls draw the same.

    Args:
        counts: For each of L languages an (M, S, N, K) array: M systems, S seeds, N examples, K counts.
        metric: What turns counts into a score.
        aligned: Row i is the same example in every language (translations), whose N is then the same.
        n_resamples: Number R of bootstrap resamples.
        seed: Seed of `np.random.default_rng`; the caller's and numpy's global state are left alone.

    Returns:
        (L, M, S) scores and (R, L, M, S) scores of the resamples.

    Raises:
        InputError: Arrays disagree in shape, are empty, or differ in N although `aligned`; too few resamples.
    """
    _check(counts, aligned, n_resamples)
    observed = np.stack([metric.score(array.sum(axis=2)) for array in counts.values()])
    return observed, np.concatenate(list(_resample(counts, metric, aligned, n_resamples, seed)), axis=1)


def _check(counts: Mapping[str, NDArray[np.int64]], aligned: bool, n_resamples: int) -> None:
    """Refuses (M, S, N, K) counts a language that cannot be resampled together."""
    if n_resamples < 2:
        raise InputError(f"Got n_resamples={n_resamples}; intervals need at least 2, better 1,000 or more.")
    if not counts:
        raise InputError("There are no counts to resample; evaluate at least one language.")
    shapes = {language: array.shape for language, array in counts.items()}
    if any(len(shape) != 4 or 0 in shape for shape in shapes.values()):
        described = {language: shape[1:] for language, shape in shapes.items()}
        raise InputError(f"Counts must be non-empty (seeds, examples, counts) arrays, but have shapes {described}.")
    if len({(shape[1], shape[3]) for shape in shapes.values()}) > 1:
        described = {language: shape[1:] for language, shape in shapes.items()}
        raise InputError(f"Every language needs the same seeds and the same metric, but the shapes are {described}.")
    if aligned and len({shape[2] for shape in shapes.values()}) > 1:
        described = {language: shape[2] for language, shape in shapes.items()}
        raise InputError(f"Languages of unequal size {described} cannot be row-aligned; pass aligned=False.")


def _resample(
    counts: Mapping[str, NDArray[np.int64]], metric: Metric, aligned: bool, n_resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """(R, G, M, S) scores of one group of G languages after the other: all at once if aligned, else each alone."""
    languages = list(counts)
    groups = [languages] if aligned else [[language] for language in languages]
    streams = np.random.SeedSequence(seed).spawn(len(groups))
    for group, stream in zip(groups, streams, strict=True):
        rng = np.random.default_rng(stream)
        array = np.stack([counts[language] for language in group]).astype(np.float64)  # (G, M, S, N, K)
        n_groups, n_systems, num_seeds, n_examples, n_counts = array.shape
        columns = np.moveaxis(array, 3, 0).reshape(n_examples, -1)
        block = max(1, _BLOCK_ELEMENTS // n_examples)
        sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
        sums = np.concatenate([_example_weights(rng, n_examples, size) @ columns for size in sizes])
        yield metric.score(sums.reshape(n_resamples, n_groups, n_systems, num_seeds, n_counts))


def _example_weights(rng: np.random.Generator, n_examples: int, n_resamples: int) -> NDArray[np.float64]:
    """(R, N) whole numbers: how often each example is in each of R draws of N with replacement."""
    drawn = rng.integers(0, n_examples, size=(n_resamples, n_examples))
    drawn += np.arange(n_resamples)[:, None] * n_examples
    counted = np.bincount(drawn.ravel(), minlength=n_resamples * n_examples)
    return counted.reshape(n_resamples, n_examples).astype(np.float64)
