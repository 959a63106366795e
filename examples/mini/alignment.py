"""Word embeddings that start aligned: vectors of English by use, carried to other languages by translation."""

from __future__ import annotations

import numpy as np
from pretraining_data import Packed
from pretraining_text import LANGUAGES
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import svds
from translation import PIVOT, translation_links

OFFSETS = (-3, -2, -1, 1, 2, 3)


def usage_vectors(
    packed: Packed, dimensions: int, seed: int, smoothing: float = 0.75, minimum: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-lingual vectors of sub-words: what stands around them in English, and what they translate to.

    An English sub-word is a row of positive pointwise mutual information with its neighbours, each place beside it a
    context of its own, so that words of one part of speech are alike; a truncated singular value decomposition makes
    it dense (Levy and Goldberg 2014). A sub-word of another language is the mean of its English translations
    (`translation.translation_links`), as in Tran 2020 (arXiv 2002.07306), and one of several languages the mean over
    these, by frequency.

    Args:
        packed: The tokenised text.
        dimensions: Features of a vector, E.
        seed: Seed of everything drawn.
        smoothing: Exponent of the contexts' distribution, which tempers rare contexts.
        minimum: Neighbours that an English sub-word must have.

    Returns:
        Vectors (V x E, float32) of unit length, those without evidence random, and which rows have some (V, bool).
    """
    rng = np.random.default_rng(seed)
    size = len(packed.starts_word)
    sentence = np.repeat(np.arange(len(packed.lengths)), packed.lengths)
    spoken = packed.languages[sentence]
    pieces, inside = packed.ids[spoken == PIVOT].astype(np.int64), sentence[spoken == PIVOT]
    rows, columns = [], []
    for place, offset in enumerate(OFFSETS):
        here = np.arange(max(0, -offset), len(pieces) - max(0, offset))
        here = here[inside[here] == inside[here + offset]]
        rows.append(pieces[here])
        columns.append(pieces[here + offset] + place * size)
    counts = coo_matrix(
        (np.ones(sum(map(len, rows)), dtype=np.float32), (np.concatenate(rows), np.concatenate(columns))),
        shape=(size, len(OFFSETS) * size),
    ).tocsr()
    known = np.asarray(counts.sum(axis=1)).ravel() >= minimum
    english = np.zeros((size, dimensions))
    english[known] = _unit(_dense(_information(counts[np.flatnonzero(known)], smoothing), dimensions, rng))
    weight = np.where(known, np.bincount(pieces, minlength=size), 0).astype(np.float64)
    total = english * weight[:, None]
    for language in range(len(LANGUAGES)):
        if language == PIVOT or not (packed.languages == language).any():
            continue
        links = translation_links(packed, language, rng)
        carried = known[links.english]
        shape = (size, size)
        table = csr_matrix(
            (links.counts[carried], (links.foreign[carried], links.english[carried])), shape=shape, dtype=np.float64
        )
        found = np.asarray(table.sum(axis=1)).ravel() > 0
        seen = np.where(found, np.bincount(packed.ids[spoken == language], minlength=size), 0)
        total += _unit(table @ english) * seen[:, None]
        weight += seen
    vectors = rng.standard_normal((size, dimensions))
    vectors[weight > 0] = total[weight > 0]
    return _unit(vectors).astype(np.float32), weight > 0


def _information(counts: csr_matrix, smoothing: float) -> csr_matrix:
    """Positive pointwise mutual information of rows and columns."""
    of_row = np.asarray(counts.sum(axis=1)).ravel()
    of_column = np.asarray(counts.sum(axis=0)).ravel() ** smoothing
    shares = of_column / of_column.sum()
    entries = counts.tocoo()
    information = np.log(entries.data / (of_row[entries.row] * shares[entries.col]))
    matrix = coo_matrix(
        (np.maximum(information, 0.0).astype(np.float32), (entries.row, entries.col)), shape=counts.shape
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix


def _dense(matrix: csr_matrix, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in few dimensions: unit vectors from a truncated singular value decomposition, less their mean."""
    rank = min(dimensions, min(matrix.shape) - 1)
    left, singular, _ = svds(matrix, k=rank, v0=rng.standard_normal(min(matrix.shape)), solver="arpack")
    order = np.argsort(-singular)
    left = left[:, order]
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    found = _unit(left * np.sqrt(singular[order]))
    found -= found.mean(axis=0)
    return np.pad(found, ((0, 0), (0, dimensions - rank)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
