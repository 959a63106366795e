"""Word embeddings that start aligned: sub-words described by the sentence groups that they occur in."""

from __future__ import annotations

import numpy as np


def sentence_identity_vectors(
    pieces: np.ndarray,
    groups: np.ndarray,
    vocab_size: int,
    dimensions: int,
    seed: int,
    smoothing: float = 0.75,
    minimum: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-lingual vectors of sub-words from aligned sentences alone.

    A sub-word is a row of positive pointwise mutual information with the identities of the sentence groups, whatever
    the language, that hold it (Levy et al. 2017; Søgaard et al. 2015); a truncated singular value decomposition makes
    it dense (`U` times the root of the singular values, Levy et al. 2015). Translations share groups, so they start
    near each other. The mean, which frequency dominates, is taken away.

    Args:
        pieces: Sub-word of each occurrence, N.
        groups: Sentence group of each occurrence, N; repeated pairs count once.
        vocab_size: Sub-words in all, V.
        dimensions: Features of a vector, E.
        seed: Seed of the decomposition's start and of rows without evidence.
        smoothing: Exponent of the contexts' distribution, which tempers rare contexts.
        minimum: Groups that a sub-word must occur in; others get a random vector.

    Returns:
        Vectors (V x E, float32) of unit length on average, and which rows have evidence (V, bool).
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import svds

    count = int(groups.max()) + 1
    occurs = coo_matrix((np.ones(len(pieces), dtype=np.float32), (pieces, groups)), shape=(vocab_size, count)).tocsr()
    occurs.data[:] = 1.0
    row_sums = np.asarray(occurs.sum(axis=1)).ravel()
    known = row_sums >= minimum
    occurs = occurs[np.flatnonzero(known)].tocoo()
    columns = np.asarray(occurs.sum(axis=0)).ravel() ** smoothing
    column_shares = columns / columns.sum()
    information = np.log(1.0 / (row_sums[known][occurs.row] * column_shares[occurs.col]))
    positive = np.maximum(information, 0.0).astype(np.float32)
    matrix = coo_matrix((positive, (occurs.row, occurs.col)), shape=occurs.shape).tocsr()
    matrix.eliminate_zeros()
    rng = np.random.default_rng(seed)
    rank = min(dimensions, min(matrix.shape) - 1)
    left, singular, _ = svds(matrix, k=rank, v0=rng.standard_normal(min(matrix.shape)), solver="arpack")
    order = np.argsort(-singular)
    left = left[:, order]
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    found = left * np.sqrt(singular[order])
    found /= np.linalg.norm(found, axis=1, keepdims=True) + 1e-9
    found -= found.mean(axis=0)
    vectors = rng.standard_normal((vocab_size, dimensions)).astype(np.float32) / np.sqrt(dimensions)
    vectors[known, :rank] = found / np.sqrt((found**2).sum(axis=1).mean())
    vectors[known, rank:] = 0.0
    return vectors, known
