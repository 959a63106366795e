"""Linear CKA of two representations as its papers write it, to compare with what the package computes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def linear_cka(first: NDArray[np.floating], second: NDArray[np.floating], *, debiased: bool = True) -> float:
    """Linear centred kernel alignment of two representations of the same examples (Kornblith et al. 2019).

    It does not change under rotation, reflection and isotropic scaling of either, and it does under other linear maps.
    The plain form, ||Y'X||² / (||X'X|| ||Y'Y||), grows towards 1 for unrelated representations where features are
    many and examples few; the debiased one, 0 on average for those, replaces each HSIC by its unbiased estimate (Song
    et al. 2012; Nguyen, Raghu and Kornblith 2021, arXiv 2010.15327), which may make it negative.

    Args:
        first: (N, E).
        second: (N, F); E and F may differ.
        debiased: Which form.

    Returns:
        The similarity, 1 at most; 0 if one of the two is the same for all examples.
    """
    grams = []
    for vectors in (first, second):
        centred = np.asarray(vectors, dtype=np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
        grams.append(_u_centred(centred @ centred.T) if debiased else centred @ centred.T)
    norm = np.linalg.norm(grams[0]) * np.linalg.norm(grams[1])
    return float((grams[0] * grams[1]).sum() / norm) if norm > 0 else 0.0


def _u_centred(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """U-centring (Székely and Rizzo 2014): inner products of the result are unbiased estimates of HSIC."""
    n = len(gram)
    gram = gram - np.diag(gram.diagonal())
    rows = gram.sum(axis=0)
    gram = gram - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(gram, 0)
    return gram
