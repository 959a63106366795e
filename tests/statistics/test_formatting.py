from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.statistics.formatting import number, percent, points, points_interval


@pytest.mark.parametrize("value", [-0.0, -0.0004, np.float64(-0.0004), np.float32(-0.0)])
def test_what_rounds_to_nothing_has_no_minus(value: float) -> None:
    assert (percent(value), points(value), number(value, 2)) == ("0.0", "+0.0", "0.00")


def test_numbers_are_rounded_once() -> None:
    assert (percent(0.61234), points(-0.0123), points(0.0123, 2)) == ("61.2", "-1.2", "+1.23")
    # As in decimal, not as numpy rounds: 2.675 lies below what it looks like.
    assert number(np.float64(2.675), 2) == f"{2.675:.2f}"
    assert points_interval({"mean": 0.012, "low": -0.0001, "high": 0.02}) == "+1.2 [+0.0, +2.0]"
