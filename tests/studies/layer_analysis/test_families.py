"""Clusters of languages against scipy and planted families; tests that keep their level."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.studies.layer_analysis.families import (
    Clustering,
    adjust_agreements,
    agreement_with_genealogy,
    cophenetic_agreement,
    language_permutations,
    partial_agreement,
    permutation_p,
    permuted_sums,
    upper,
)
from modeling_dlfa.studies.layer_analysis.genealogy import Genealogy
from modeling_dlfa.tasks import XNLI

CODES = list(XNLI.languages)
GENEALOGY = Genealogy.of(CODES)


def similarity_of(distances: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """A similarity matrix in which relatives are alike."""
    drawn = np.random.default_rng(seed).normal(size=distances.shape) * noise
    result = 1 - distances / 6 + (drawn + drawn.T) / 2
    np.fill_diagonal(result, 1)
    return result


def test_the_genealogy_of_the_xnli_languages() -> None:
    distances = dict(zip(CODES, GENEALOGY.distances(), strict=True))

    def between(a: str, b: str) -> float:
        return distances[a][CODES.index(b)]

    assert [between("de", code) for code in ("de", "en", "ru", "tr")] == [0, 1, 2, 3]
    assert between("hi", "ur") == between("bg", "ru") == between("es", "fr") == 1
    assert between("el", "bg") == between("hi", "en") == 2
    assert between("zh", "vi") == between("ar", "ur") == between("sw", "tr") == 3
    matrix = GENEALOGY.distances()
    # Distances in a tree: of three the two largest are equal.
    for i, j, k in permutations(range(len(CODES)), 3):
        assert matrix[i, j] <= max(matrix[i, k], matrix[j, k])
    assert GENEALOGY.same("script")[CODES.index("ar"), CODES.index("ur")]
    assert "Dryer and Haspelmath 2013" in GENEALOGY.to_dict()["source"]


def test_what_a_tree_can_tell() -> None:
    with pytest.raises(InputError, match="families of 'xx', 'yy' are not known"):
        Genealogy.of(["en", "xx", "yy"])
    assert Genealogy.of(["en", "de", "tr"]).distances().tolist() == [[0, 1, 3], [1, 0, 3], [3, 3, 0]]
    assert not Genealogy.of(["en", "de", "tr"]).tells_apart and not Genealogy.of(["en", "tr", "zh", "th"]).tells_apart
    assert Genealogy.of(["en", "de", "zh", "th"]).tells_apart


def test_clusters_are_scipys() -> None:
    from scipy.cluster.hierarchy import average, cophenet
    from scipy.spatial.distance import pdist, squareform

    points = np.random.default_rng(1).normal(size=(15, 4))
    condensed = pdist(points)
    distances = condensed / condensed.max()
    found = Clustering.of(1 - squareform(distances))
    fit, heights = cophenet(average(distances), distances)
    assert found.fit == pytest.approx(fit) and upper(found.heights) == pytest.approx(heights)
    assert sorted(found.order) == list(range(15))
    unordered = Clustering.of(1 - squareform(distances), ordered=False)
    assert upper(unordered.heights) == pytest.approx(heights)


def test_agreement_is_the_correlation_of_cophenetic_distances() -> None:
    from scipy.cluster.hierarchy import average, cophenet
    from scipy.spatial.distance import squareform
    from scipy.stats import pearsonr

    descent = GENEALOGY.distances()
    similarity = similarity_of(descent, 0.2)
    clustering = Clustering.of(similarity)
    # The genealogy is a tree already: clustering it gives its own distances back.
    genealogical = cophenet(average(squareform(descent)))
    assert genealogical == pytest.approx(upper(descent))
    languages = cophenet(average(np.maximum(upper(1 - similarity), 0)))
    agreement = cophenetic_agreement(clustering, GENEALOGY)
    assert agreement == pytest.approx(pearsonr(languages, genealogical).statistic)
    assert cophenetic_agreement(Clustering.of(1 - descent / 6), GENEALOGY) == pytest.approx(1)
    assert cophenetic_agreement(Clustering.of(np.ones((15, 15))), GENEALOGY) == 0


def test_partial_agreement_is_that_of_residuals() -> None:
    clustering = Clustering.of(similarity_of(GENEALOGY.distances(), 0.2))
    script = upper(~GENEALOGY.same("script"))
    design = np.stack([np.ones_like(script), script], axis=1)

    def residual(values: np.ndarray) -> np.ndarray:
        return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]

    expected = np.corrcoef(residual(upper(clustering.heights)), residual(upper(GENEALOGY.distances())))[0, 1]
    assert partial_agreement(clustering, GENEALOGY) == pytest.approx(expected)
    # Clusters that follow the script alone have no agreement left.
    by_script = Clustering.of(np.where(GENEALOGY.same("script"), 1.0, 0.2))
    assert cophenetic_agreement(by_script, GENEALOGY) > 0.03
    assert partial_agreement(by_script, GENEALOGY) == pytest.approx(0, abs=1e-6)


def test_permuted_sums() -> None:
    rng = np.random.default_rng(3)
    first, second = (matrix + matrix.T for matrix in rng.normal(size=(2, 7, 7)))
    orders = language_permutations(7, 50, 0)
    found = permuted_sums(first, second, orders)
    for value, order in zip(found, orders, strict=True):
        assert value == pytest.approx(upper(first) @ upper(second[np.ix_(order, order)]))
    assert (np.sort(orders, axis=1) == np.arange(7)).all() and len({row.tobytes() for row in orders}) == 50
    assert permutation_p(2.0, np.array([1.0, 2.0, 3.0])) == 3 / 4
    assert permutation_p(9.0, np.array([1.0, 2.0, 3.0])) == 1 / 4


def test_planted_families_are_found() -> None:
    similarity = similarity_of(GENEALOGY.distances(), 0.05)
    draws = np.stack([similarity_of(GENEALOGY.distances(), 0.05, seed) for seed in range(20)])
    found = agreement_with_genealogy(similarity, draws, GENEALOGY, language_permutations(15, 999, 0))
    assert found["cophenetic"]["mean"] > 0.8 and found["cophenetic"]["p_value"] == 1 / 1000
    assert found["cophenetic"]["low"] > 0.6 and found["cophenetic_without_script"] > 0.7
    order = found["order"]
    assert abs(order.index("hi") - order.index("ur")) == 1 and abs(order.index("es") - order.index("fr")) == 1


def test_the_permutation_tests_keep_their_level() -> None:
    # Trees that know nothing of descent: p-values are uniform, or above it where many permutations tie.
    orders = language_permutations(15, 199, 0)
    p_values = []
    for seed in range(300):
        similarity = similarity_of(np.full((15, 15), 3.0), 0.2, seed)
        found = agreement_with_genealogy(similarity, similarity[None], GENEALOGY, orders)
        p_values.append(found["cophenetic"]["p_value"])
    for level in (0.05, 0.2):
        # Three standard errors of 300 trials above the level.
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)
    assert 0.4 < np.mean(p_values) < 0.6


def test_p_values_are_corrected_for_all_layers() -> None:
    layers = [{"cophenetic": {"p_value": p}} for p in (0.01, 0.03, 0.2)]
    adjust_agreements(layers)
    assert [layer["cophenetic"]["p_value_holm"] for layer in layers] == pytest.approx([0.03, 0.06, 0.2])
