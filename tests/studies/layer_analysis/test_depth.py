"""Curves over depth with a planted shape: rises, crossings, and none where there is only noise."""

from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.studies.layer_analysis.depth import Curve, Kind, Profiles


def curve(values: list[float], kind: Kind = "alignment", noise: float = 0.001, seed: int = 0) -> Curve:
    draws = np.array(values) + noise * np.random.default_rng(seed).normal(size=(300, len(values)))
    return Curve("name", "title", kind, np.array(values), draws)


def test_a_curve_for_json() -> None:
    found = curve([0.1, 0.2, 0.5, 0.4998]).to_dict(comparisons=4)
    assert found["best_layer"] == 2 and found["tied_with_best"] == [2, 3]
    assert found["layers"][1]["mean"] == 0.2 and found["layers"][1]["low"] < 0.2 < found["layers"][1]["high"]
    rise = found["upper_minus_lower_half"]
    assert rise["mean"] == pytest.approx((0.5 + 0.4998) / 2 - 0.15) and rise["low"] > 0.3


def test_the_middle_layer_is_in_neither_half_and_more_curves_widen_the_interval() -> None:
    one = curve([0.0, 0.2, 9.0, 0.3, 0.5], noise=0.1)
    assert one.rise(1).mean == pytest.approx(0.4 - 0.1)
    assert one.rise(6).high - one.rise(6).low > one.rise(1).high - one.rise(1).low


def test_a_planted_crossing_is_found_where_it_is() -> None:
    falling = [curve([0.9, 0.7, 0.5, 0.3, 0.1], seed=1), curve([0.30, 0.28, 0.26, 0.24, 0.22], seed=2, noise=1e-4)]
    rising = [curve([0.0, 0.25, 0.5, 0.75, 1.0], "structure", seed=3)]
    # A curve that needs both is in neither profile.
    both = curve([0.5, 0.9, 0.1, 0.9, 0.5], "both", seed=4)
    profiles = Profiles.of([*falling, *rising, both])
    assert profiles.alignment == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert profiles.structure == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    (crossing,) = profiles.crossings()
    assert crossing.layer == pytest.approx(2) and crossing.upward and crossing.support > 0.99
    flipped = Profiles(profiles.structure, profiles.alignment, profiles.structure_draws, profiles.alignment_draws)
    assert [entry.upward for entry in flipped.crossings()] == [False]
    assert profiles.to_dict()["crossings"] == [vars(crossing)]


def test_between_two_layers() -> None:
    (crossing,) = Profiles.of([curve([1.0, 0.8, 0.0]), curve([0.0, 0.6, 1.0], "structure")]).crossings()
    # Differences -1, -0.2, 1: zero a sixth of the way from layer 1 to layer 2.
    assert crossing.layer == pytest.approx(1 + 1 / 6)


def test_profiles_that_do_not_cross_and_ones_that_only_touch() -> None:
    above = Profiles(np.array([1, 0.5, 1.0]), np.array([0, 0.5, 0.0]), np.ones((30, 3)), np.zeros((30, 3)))
    assert above.crossings() == []


def test_curves_that_do_not_vary_beyond_noise_have_no_supported_crossing() -> None:
    supports = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        # What is seen of flat curves is noise of the size that the resamples show.
        flat = [curve((0.5 + 0.01 * rng.normal(size=8)).tolist(), "alignment", 0.01, seed)]
        flat += [curve((0.5 + 0.01 * rng.normal(size=8)).tolist(), "structure", 0.01, seed + 100)]
        supports += [crossing.support for crossing in Profiles.of(flat).crossings()]
    assert len(supports) > 20 and np.mean(np.array(supports) >= 0.95) < 0.1


def test_a_constant_curve_is_in_the_middle() -> None:
    flat = Curve("name", "title", "structure", np.full(3, 0.4), np.full((30, 3), 0.4))
    assert Profiles.of([curve([0.0, 0.5, 1.0]), flat]).structure.tolist() == [0.5, 0.5, 0.5]
