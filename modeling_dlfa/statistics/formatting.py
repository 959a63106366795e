"""Numbers as tables, figures and sentences print them: what rounds to zero is 0.0, never -0.0."""

from __future__ import annotations

from collections.abc import Mapping


def number(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Return a number with so many digits behind the point, with its sign where `signed`."""
    rounded = round(float(value), digits) + 0.0  # Adding 0 makes -0.0 positive.
    return f"{rounded:{'+' if signed else ''}.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """Return a fraction in percent."""
    return number(100 * value, digits)


def points(value: float, digits: int = 1) -> str:
    """Return a difference of two fractions in points, with its sign."""
    return number(100 * value, digits, signed=True)


def points_interval(value: Mapping[str, float], digits: int = 1) -> str:
    """Return a difference with its interval in points, as in `+1.2 [-0.3, +2.7]`.

    Args:
        value: `mean`, `low` and `high`, fractions.
        digits: Behind the point.
    """
    mean, low, high = (points(value[key], digits) for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
