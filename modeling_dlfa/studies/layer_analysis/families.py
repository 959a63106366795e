"""Whether languages of one family have similar representations: clusters of languages against their genealogy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...statistics.comparisons import adjust_p_values
from ...statistics.intervals import Estimates
from .genealogy import Genealogy

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Clustering:
    """Languages clustered by average linkage (UPGMA).

    Attributes:
        linkage: (L - 1, 4), in scipy's form.
        order: Languages from left to right, with neighbours as similar as the tree allows.
        heights: (L, L) cophenetic distances: the height at which two languages meet.
        fit: Cophenetic correlation with the clustered distances: how well the tree represents them.
    """

    linkage: NDArray[np.float64]
    order: list[int]
    heights: NDArray[np.float64]
    fit: float

    @classmethod
    def of(cls, similarity: NDArray[np.floating], *, ordered: bool = True) -> Clustering:
        """Clusters languages by the distance 1 - similarity.

        Args:
            similarity: (L, L), symmetric, 1 on the diagonal.
            ordered: Whether to search for the best order of the leaves, which takes longer.
        """
        from scipy.cluster.hierarchy import cophenet, leaves_list, linkage
        from scipy.spatial.distance import squareform

        distances = squareform(np.maximum(1 - np.asarray(similarity, dtype=np.float64), 0), checks=False)
        tree = linkage(distances, method="average", optimal_ordering=ordered)
        heights = cophenet(tree)
        return cls(tree, leaves_list(tree).tolist(), squareform(heights), _correlation(heights, distances))


def upper(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the L (L - 1) / 2 entries above the diagonal of the last two axes."""
    rows, columns = np.triu_indices(matrix.shape[-1], 1)
    return matrix[..., rows, columns].astype(np.float64)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's correlation, 0 if one of the two does not vary."""
    first, second = first - first.mean(), second - second.mean()
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / norm) if norm > 1e-12 * max(1, len(first)) else 0.0


def cophenetic_agreement(clustering: Clustering, genealogy: Genealogy) -> float:
    """Correlation of the heights at which languages meet in the two trees (Sokal and Rohlf 1962), -1 to 1."""
    return _correlation(upper(clustering.heights), upper(genealogy.distances()))


def partial_agreement(clustering: Clustering, genealogy: Genealogy) -> float:
    """The same correlation, with what a common script explains removed from both (partial correlation)."""
    script = upper(~genealogy.same("script"))
    tree, descent = upper(clustering.heights), upper(genealogy.distances())
    ts, ds, td = _correlation(tree, script), _correlation(descent, script), _correlation(tree, descent)
    norm = np.sqrt(max(0.0, (1 - ts**2) * (1 - ds**2)))
    return float((td - ts * ds) / norm) if norm > 1e-9 else 0.0


def permuted_sums(first: NDArray[Any], second: NDArray[Any], permutations: NDArray[np.integer]) -> NDArray[np.float64]:
    """Returns Σ_{i<j} first[i, j] second[p(i), p(j)] for each of (P, L) permutations p of the languages."""
    weights = upper(first)
    rows, columns = np.triu_indices(len(first), 1)
    blocks = np.array_split(permutations, max(1, permutations.size * len(first) // 2**22))
    return np.concatenate([second[block[:, rows], block[:, columns]] @ weights for block in blocks])


def permutation_p(observed: float, permuted: NDArray[np.floating]) -> float:
    """Returns the one-sided p-value; the observed value counts among the permuted ones (Phipson and Smyth 2010)."""
    return float((1 + (permuted >= observed - 1e-9 * max(1.0, abs(observed))).sum()) / (1 + len(permuted)))


def language_permutations(n_languages: int, n_permutations: int, seed: int) -> NDArray[np.int64]:
    """Returns (P, L) random orders: languages swap places in one tree, as a Mantel test requires."""
    orders = np.tile(np.arange(n_languages), (n_permutations, 1))
    return np.random.default_rng(seed).permuted(orders, axis=1)


def agreement_with_genealogy(
    similarity: NDArray[np.floating],
    draws: NDArray[np.floating],
    genealogy: Genealogy,
    permutations: NDArray[np.integer],
) -> dict[str, Any]:
    """Compares the clusters of one layer with the genealogy.

    Args:
        similarity: (L, L) on all sentences.
        draws: (R, L, L) on the resamples, for intervals over sentences.
        genealogy: Genealogy of the L languages.
        permutations: (P, L), for p-values over the assignment of languages.

    Returns:
        What JSON can hold: order, tree and its fit; the cophenetic correlation with interval and p-value, what is left
        of it without the script, and that with the script instead.
    """
    clustering = Clustering.of(similarity)
    trees = [Clustering.of(draw, ordered=False) for draw in draws]
    descent, script = genealogy.distances(), ~genealogy.same("script")
    correlation = cophenetic_agreement(clustering, genealogy)
    resampled = np.array([[cophenetic_agreement(tree, genealogy)] for tree in trees])
    [interval] = Estimates.of_examples(np.array([correlation]), resampled).intervals(within=(-1, 1))
    return {
        "order": [genealogy.languages[index].code for index in clustering.order],
        "linkage": clustering.linkage.tolist(),
        "tree_fit": clustering.fit,
        "cophenetic": {
            **interval.to_dict(),
            "p_value": _correlation_p(correlation, clustering.heights, descent, permutations),
        },
        "cophenetic_without_script": partial_agreement(clustering, genealogy),
        "cophenetic_of_script": _correlation(upper(clustering.heights), upper(script)),
    }


def _correlation_p(
    observed: float,
    heights: NDArray[np.float64],
    descent: NDArray[np.float64],
    permutations: NDArray[np.integer],
) -> float:
    tree, tree_values, values = heights, upper(heights), upper(descent)
    norm = np.sqrt(((tree_values - tree_values.mean()) ** 2).sum() * ((values - values.mean()) ** 2).sum())
    if norm == 0:
        return 1.0
    sums = permuted_sums(tree, descent, permutations)
    return permutation_p(observed, (sums - len(values) * tree_values.mean() * values.mean()) / norm)


def adjust_agreements(layers: Sequence[dict[str, Any]]) -> None:
    """Adds Holm's p-values in place, over all layers and similarities of a study.

    Args:
        layers: Results of `agreement_with_genealogy`, for everything that one table shows.
    """
    adjust_p_values([[entry["cophenetic"] for entry in layers]], "p_value_holm")
