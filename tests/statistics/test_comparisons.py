"""Differences of many systems to one baseline against a loop, and Holm's correction against R."""

from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.statistics.comparisons import compare_to_baseline, holm
from modeling_dlfa.statistics.few_seeds import Estimates

from .test_bootstrap import as_counts, random_counts

ACCURACY = METRICS["accuracy"]


def test_holm_as_r_has_it() -> None:
    # R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") and Holm's own definition.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    values = np.random.default_rng(0).random((3, 5)) ** 3
    adjusted = holm(values)
    assert adjusted.shape == (3, 5)
    order = np.sort(values.ravel())
    for value, found in zip(values.ravel(), adjusted.ravel(), strict=True):
        steps = [(15 - rank) * order[rank] for rank in range(15) if order[rank] <= value]
        assert found == pytest.approx(min(1.0, max(steps)))


def test_holm_keeps_the_family_wise_error() -> None:
    p_values = np.random.default_rng(2).random((3000, 20))
    any_found = np.mean([holm(row).min() <= 0.05 for row in p_values])
    assert any_found == pytest.approx(0.05, abs=0.015) and np.mean(p_values.min(axis=1) <= 0.05) > 0.5


def counts(num_seeds: int, aligned: bool) -> tuple[dict, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    sizes = {"en": 60, "de": 60 if aligned else 40, "fr": 60}
    return {name: random_counts(rng, sizes, num_seeds) for name in ("a", "b")}, random_counts(rng, sizes, num_seeds)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("num_seeds", [1, 3])
def test_comparisons_equal_a_loop_over_resampled_examples(num_seeds: int, aligned: bool) -> None:
    systems, baseline = counts(num_seeds, aligned)
    found = compare_to_baseline(systems, baseline, metric=ACCURACY, aligned=aligned, n_resamples=50, seed=4)
    streams = np.random.SeedSequence(4).spawn(4)[1:]
    sizes = [baseline[code].shape[1] for code in baseline]
    drawn = [np.random.default_rng(stream).integers(0, n, (50, n)) for stream, n in zip(streams, sizes, strict=True)]
    for name, system in systems.items():
        by_language = {}
        for position, code in enumerate(baseline):
            rows = drawn[0 if aligned else position]
            right = (system[code] - baseline[code])[..., 0]  # S x N: 1, 0 or -1.
            resampled = np.array([right[:, index].mean() for index in rows])
            by_language[code] = (right.mean(axis=1), resampled)
        targets = [np.mean([by_language[code][part] for code in ("de", "fr")], axis=0) for part in (0, 1)]
        expected = {**by_language, "macro_target": targets}
        for key, (of_seeds, of_examples) in expected.items():
            estimates = Estimates(np.array([of_seeds.mean()]), of_examples[:, None], of_seeds[:, None])
            (low, high), p_value = estimates.limits(), estimates.p_values()
            entry = found[name][key].to_dict()
            assert entry["mean"] == pytest.approx(of_seeds.mean())
            assert entry["p_value"] == pytest.approx(p_value[0], abs=1e-9)
            assert (entry["low"], entry["high"]) == pytest.approx((max(low[0], -1), min(high[0], 1)), abs=1e-9)
    assert set(found["a"]) == {"en", "de", "fr", "macro_all", "macro_target", "transfer_gap"}


def test_a_system_that_equals_the_baseline() -> None:
    _, baseline = counts(2, True)
    found = compare_to_baseline({"same": baseline}, baseline, metric=ACCURACY, aligned=True)["same"]
    assert all(entry.to_dict() == {"mean": 0, "low": 0, "high": 0, "p_value": 1} for entry in found.values())


def test_what_cannot_be_compared() -> None:
    systems, baseline = counts(2, True)
    with pytest.raises(InputError, match="no system"):
        compare_to_baseline({}, baseline, metric=ACCURACY, aligned=True)
    with pytest.raises(InputError, match="same languages"):
        compare_to_baseline({"a": {"en": systems["a"]["en"]}}, baseline, metric=ACCURACY, aligned=True)
    fewer = {**systems["a"], "de": systems["a"]["de"][:1]}
    with pytest.raises(InputError, match="same seeds and test examples"):
        compare_to_baseline({"a": fewer}, baseline, metric=ACCURACY, aligned=True)
    empty = {"en": as_counts(np.zeros((2, 0), dtype=bool))}
    with pytest.raises(InputError, match="non-empty"):
        compare_to_baseline({"a": empty}, empty, metric=ACCURACY, aligned=True)
