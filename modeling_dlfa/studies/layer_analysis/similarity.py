"""How similarly two languages represent the same sentences: cosine of translations, retrieval, linear CKA, centroids.

All functions take the vectors of N sentences in L languages, row i a translation of row i (L x N x E), and centre them
per language: what a language adds to all its sentences would otherwise hide what they mean (Libovický et al.
2020, arXiv 2004.05160).
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_TIE = 1e-5  # Cosines closer than this are equal: float32 products of the same vectors differ in their last digits.


def centred_units(vectors: Vectors) -> Vectors:
    """Subtract each language's mean and scale to length 1; a vector that equals the mean stays 0.

    Args:
        vectors: (..., N, E).
    """
    centred = vectors - vectors.mean(axis=-2, keepdims=True, dtype=np.float64).astype(vectors.dtype)
    lengths = np.linalg.norm(centred, axis=-1, keepdims=True)
    scale = np.linalg.norm(vectors, axis=-1, keepdims=True).max(initial=0.0)
    return np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-6 * scale)


def translation_cosines(units: Vectors) -> NDArray[np.float32]:
    """Return the cosine of every sentence in every pair of languages, (N, L, L).

    Args:
        units: (L, N, E), from `centred_units`.
    """
    by_sentence = units.transpose(1, 0, 2)
    return by_sentence @ by_sentence.transpose(0, 2, 1)


def retrieval_hits(units: Vectors) -> NDArray[np.float32]:
    """Tell which sentences find their translation as nearest neighbour by cosine among all N of the other language.

    Args:
        units: (L, N, E), from `centred_units`.

    Returns:
        (N, L, L): sentence i of the first language sought in the second; 1 for a hit, 1/t for one of t equally near,
        0 for a miss. A language finds itself, which carries no information.
    """
    languages, sentences, _ = units.shape
    hits = np.ones((sentences, languages, languages), dtype=np.float32)
    for a in range(languages):
        for b in range(a + 1, languages):
            cosines = units[a] @ units[b].T
            hits[:, a, b] = _hits(cosines)
            hits[:, b, a] = _hits(cosines.T)
    return hits


def _hits(cosines: Vectors) -> NDArray[np.float32]:
    own = cosines.diagonal()[:, None]
    nearer = (cosines > own + _TIE).any(axis=1)
    return np.where(nearer, 0, 1 / (cosines >= own - _TIE).sum(axis=1)).astype(np.float32)


def cka_matrices(vectors: Vectors, draws: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the debiased linear CKA of every pair of languages, for every draw of sentences.

    Centred kernel alignment (Kornblith et al. 2019) does not change under rotation, reflection and isotropic scaling
    of either side. Its plain form grows towards 1 for unrelated representations where features are many and examples
    few; the debiased one, 0 on average for those, replaces each HSIC by its unbiased estimate (Song et al. 2012;
    Nguyen, Raghu and Kornblith 2021, arXiv 2010.15327), which may make it negative. With w the draw as 0 and 1, K and
    L the Gram matrices without their diagonals, and m = Σw, that estimate is
    [w'(K∘L)w + w'Kw w'Lw / ((m-1)(m-2)) - 2/(m-2) Σ w_i (Kw)_i (Lw)_i] / (m (m-3)), many draws at once.

    Args:
        vectors: (L, N, E). L N² numbers are held in memory.
        draws: (R, N), at least 4 sentences in each.

    Returns:
        (R, L, L), 1 on the diagonal; 0 for a language whose vectors are all equal.
    """
    kept = draws.astype(np.float32)
    size = draws.sum(axis=1).astype(np.float64)
    # Centred and about length 1, so that float32 can hold the sums.
    centred = vectors - vectors.mean(axis=1, keepdims=True, dtype=np.float64).astype(vectors.dtype)
    spread = np.sqrt((centred.astype(np.float64) ** 2).sum(axis=2).mean(axis=1))[:, None, None]
    centred = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0, casting="same_kind")
    grams = centred @ centred.transpose(0, 2, 1)
    for gram in grams:
        np.fill_diagonal(gram, 0)
    rows = [kept * (kept @ gram) for gram in grams]
    totals = [row.sum(axis=1, dtype=np.float64) for row in rows]
    hsic = np.empty((len(draws), len(vectors), len(vectors)))
    for a, b in combinations_with_replacement(range(len(vectors)), 2):
        pairs = np.einsum("rn,rn->r", kept @ (grams[a] * grams[b]), kept, dtype=np.float64)
        cross = np.einsum("rn,rn->r", rows[a], rows[b], dtype=np.float64)
        value = pairs + totals[a] * totals[b] / ((size - 1) * (size - 2)) - 2 / (size - 2) * cross
        hsic[:, a, b] = hsic[:, b, a] = value
    own = np.sqrt(np.maximum(np.einsum("rll->rl", hsic), 0))
    norm = own[:, :, None] * own[:, None, :]
    cka = np.divide(hsic, norm, out=np.zeros_like(hsic), where=norm > 0)
    np.einsum("rll->rl", cka)[...] = 1
    return cka


def centroid_cosines(vectors: Vectors, draws: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the cosine between the languages' centroids, seen from their common centre, for every draw.

    This is what a language adds to all its sentences, which the other measures leave out (Libovický et al. 2020
    cluster languages by it).

    Args:
        vectors: (L, N, E).
        draws: (R, N), at least one sentence in each.

    Returns:
        (R, L, L), 1 on the diagonal.
    """
    weights = draws / draws.sum(axis=1, keepdims=True)
    middle = vectors.mean(axis=(0, 1), dtype=np.float64)
    centroids = np.stack([weights @ (entry - middle) for entry in vectors], axis=1)  # (R, L, E)
    centroids -= centroids.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centroids, axis=2, keepdims=True)
    units = np.divide(centroids, lengths, out=np.zeros_like(centroids), where=lengths > 0)
    cosines = units @ units.transpose(0, 2, 1)
    np.einsum("rll->rl", cosines)[...] = 1
    return cosines


def pair_mean(matrices: NDArray[np.floating]) -> NDArray[np.float64]:
    """Average (..., L, L) over the pairs of different languages, in both directions."""
    languages = matrices.shape[-1]
    off_diagonal = ~np.eye(languages, dtype=bool)
    return matrices[..., off_diagonal].mean(axis=-1, dtype=np.float64)


def language_means(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Average an (L, L) matrix for each language over the others, in both directions."""
    off_diagonal = ~np.eye(len(matrix), dtype=bool)
    both = (matrix + matrix.T) / 2
    return np.where(off_diagonal, both, 0).sum(axis=1, dtype=np.float64) / (len(matrix) - 1)
