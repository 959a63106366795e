"""Similarity measures against their definitions, published identities and planted alignments."""

from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.studies.layer_analysis.resampling import half_samples
from modeling_dlfa.studies.layer_analysis.similarity import (
    centred_units,
    centroid_cosines,
    cka_matrices,
    language_means,
    pair_mean,
    retrieval_hits,
    translation_cosines,
)

from .cka import linear_cka

RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(40, 6))
SECOND = FIRST @ RNG.normal(size=(6, 9)) + RNG.normal(size=(40, 9))


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).normal(size=(size, size)))[0]


def test_cka_is_the_feature_form_of_the_paper() -> None:
    # Kornblith et al. 2019, eq. 5 and 6: ||Y'X||² / (||X'X|| ||Y'Y||) of centred features, no Gram matrix in sight.
    x, y = FIRST - FIRST.mean(0), SECOND - SECOND.mean(0)
    norm = np.linalg.norm
    expected = norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y))
    assert linear_cka(FIRST, SECOND, debiased=False) == pytest.approx(expected, rel=1e-12)


def test_cka_is_the_spectral_form_of_the_paper() -> None:
    # Eq. 14: eigenvalues and eigenvectors of the Gram matrices alone.
    vectors_x, values_x, _ = np.linalg.svd(FIRST - FIRST.mean(0), full_matrices=False)
    vectors_y, values_y, _ = np.linalg.svd(SECOND - SECOND.mean(0), full_matrices=False)
    overlap = np.outer(values_x**2, values_y**2) * (vectors_x.T @ vectors_y) ** 2
    expected = overlap.sum() / np.sqrt((values_x**4).sum() * (values_y**4).sum())
    assert linear_cka(FIRST, SECOND, debiased=False) == pytest.approx(expected, rel=1e-12)


def unbiased_hsic(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    """Song et al. 2012, as printed."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    third = one @ k @ one * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
    return (np.trace(k @ l) + third) / (n * (n - 3))


def test_debiased_cka_is_made_of_unbiased_hsic() -> None:
    k, l = FIRST @ FIRST.T, SECOND @ SECOND.T  # noqa: E741
    expected = unbiased_hsic(k, l) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l))
    assert linear_cka(FIRST, SECOND) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_has_the_invariances_of_the_paper_and_no_more(debiased: bool) -> None:
    value = linear_cka(FIRST, SECOND, debiased=debiased)
    moved = 7.5 * FIRST @ rotation(6) + 3.0
    assert linear_cka(moved, SECOND, debiased=debiased) == pytest.approx(value, rel=1e-9)
    assert linear_cka(SECOND, FIRST, debiased=debiased) == pytest.approx(value, rel=1e-9)
    assert linear_cka(FIRST, moved, debiased=debiased) == pytest.approx(1, rel=1e-9)
    stretched = FIRST @ np.diag([9.0, 1, 1, 1, 1, 0.1])
    assert abs(linear_cka(stretched, SECOND, debiased=debiased) - value) > 0.05
    assert linear_cka(FIRST, stretched, debiased=debiased) < 0.9
    assert linear_cka(np.ones((40, 3)), SECOND, debiased=debiased) == 0


def test_debiasing_matters_where_features_outnumber_examples() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=(30, 200)), rng.normal(size=(30, 200))) for _ in range(20)]
    assert min(linear_cka(a, b, debiased=False) for a, b in pairs) > 0.8
    assert abs(np.mean([linear_cka(a, b) for a, b in pairs])) < 0.02


def test_cka_of_many_draws_is_that_of_each() -> None:
    rng = np.random.default_rng(4)
    common = rng.normal(size=(50, 8))
    vectors = np.stack([common @ rng.normal(size=(8, 12)) + 5 * rng.normal(size=12) for _ in range(3)])
    draws = np.vstack([np.ones((1, 50), dtype=bool), half_samples(50, 20, 0)])
    found = cka_matrices(vectors.astype(np.float32), draws)
    for matrix, draw in zip(found, draws, strict=True):
        for a in range(3):
            for b in range(3):
                expected = linear_cka(vectors[a][draw], vectors[b][draw])
                assert matrix[a, b] == pytest.approx(expected, abs=1e-5)
    vectors[1] = 2.0
    constant = cka_matrices(vectors.astype(np.float32), draws)[0]
    assert constant[1].tolist() == [0, 1, 0] and constant[0, 2] == pytest.approx(found[0, 0, 2], abs=1e-5)


def test_cosines_of_translations() -> None:
    vectors = np.random.default_rng(5).normal(size=(3, 10, 4)).astype(np.float32)
    cosines = translation_cosines(centred_units(vectors))
    for sentence in range(10):
        a, b = (vectors[language, sentence] - vectors[language].mean(0) for language in (0, 2))
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert cosines[sentence, 0, 2] == pytest.approx(expected, abs=1e-5)
    shifted = vectors + np.array([0, 50, -20], dtype=np.float32)[:, None, None]
    assert np.allclose(translation_cosines(centred_units(shifted)), cosines, atol=1e-4)
    assert not centred_units(np.full((2, 5, 3), 0.1, dtype=np.float32)).any()


def test_retrieval_finds_a_planted_alignment() -> None:
    rng = np.random.default_rng(6)
    source = rng.normal(size=(60, 32))
    # A rotation that all languages share changes no cosine; an offset is a language's own.
    target = source @ rotation(32) + 4
    wrong = target.copy()
    wrong[:12] = np.roll(target[:12], 1, axis=0)  # 12 sentences stand beside another's translation.
    vectors = np.stack([source @ rotation(32), target, wrong]).astype(np.float32)
    hits = retrieval_hits(centred_units(vectors))
    accuracy = hits.mean(axis=0)
    assert accuracy[0, 1] == accuracy[1, 0] == 1
    assert accuracy[0, 2] == accuracy[2, 0] == pytest.approx(48 / 60)
    assert not hits[:12, 0, 2].any() and hits[12:, 0, 2].all()


def test_retrieval_differs_by_direction_and_shares_ties() -> None:
    # Degrees on a circle. 220 is nearest to its 110, but to 110 nearer is 180; the others miss both ways.
    degrees = np.array([[300, 220, 180], [90, 110, 10]])
    units = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=2).astype(np.float32)
    hits = retrieval_hits(units)
    assert hits[:, 0, 1].tolist() == [0, 1, 0]
    assert hits[:, 1, 0].tolist() == [0, 0, 0]
    twice = np.array([[[1, 0], [1, 0], [0, 1]]] * 2, dtype=np.float32)
    assert retrieval_hits(twice)[:, 0, 1].tolist() == [0.5, 0.5, 1]
    collapsed = np.zeros((2, 4, 3), dtype=np.float32)
    assert np.allclose(retrieval_hits(collapsed)[:, 0, 1], 0.25)


def test_unrelated_languages_retrieve_by_chance() -> None:
    vectors = np.random.default_rng(7).normal(size=(2, 400, 64)).astype(np.float32)
    assert retrieval_hits(centred_units(vectors))[:, 0, 1].mean() < 0.02


def test_centroids() -> None:
    rng = np.random.default_rng(8)
    places = np.array([[1, 0, 0], [1, 0.1, 0], [-1, 0, 0], [-1, -0.1, 0]]) * 5
    vectors = (places[:, None] + rng.normal(size=(4, 30, 3))).astype(np.float32)
    draws = np.vstack([np.ones((1, 30), dtype=bool), half_samples(30, 20, 0)])
    found = centroid_cosines(vectors, draws)
    centroids = vectors.mean(axis=1)
    centroids -= centroids.mean(axis=0)
    expected = centroids @ centroids.T / np.outer(*[np.linalg.norm(centroids, axis=1)] * 2)
    assert np.allclose(found[0], expected, atol=1e-5)
    assert found[:, 0, 1].min() > 0.9 and found[:, 0, 2].max() < -0.9


def test_means_over_pairs() -> None:
    matrix = np.array([[1, 0.2, 0.4], [0.6, 1, 0.8], [0.0, 0.2, 1]])
    assert pair_mean(matrix) == pytest.approx(2.2 / 6)
    assert pair_mean(np.stack([matrix, matrix.T])) == pytest.approx([2.2 / 6] * 2)
    assert language_means(matrix) == pytest.approx([(0.4 + 0.2) / 2, (0.4 + 0.5) / 2, (0.2 + 0.5) / 2])
