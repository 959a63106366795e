"""Numbers as tables, figures and sentences print them (what rounds to zero is 0.0, never -0.0), and what to know."""

from __future__ import annotations

from collections.abc import Mapping

FEW_SEEDS = 5  # fewer are few


def number(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Return a number with so many digits behind the point, with its sign where `signed`."""
    rounded = round(float(value), digits) + 0.0  # Adding 0 makes -0.0 positive.
    return f"{rounded:{'+' if signed else ''}.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in percent; a dash where there is none."""
    return "-" if value is None else number(100 * value, digits)


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


def seeds_note(fewest: int) -> list[str]:
    """Return the sentence that results of so few seeds need, if any.

    Args:
        fewest: Training seeds of the system that has the fewest.
    """
    if fewest == 1:
        return ["One seed: all of this holds for the models trained here and says nothing of other seeds."]
    return [f"{fewest} seeds are few: a difference must be large to count."] if fewest < FEW_SEEDS else []


def method_note(n_resamples: int, unit: str, *, aligned: bool, seeds: bool = True) -> str:
    """Return the sentence that says how intervals came about.

    Args:
        n_resamples: Number of bootstrap resamples.
        unit: What was resampled, such as `examples`.
        aligned: Whether each resample has the same ones in every language.
        seeds: Whether there are several.
    """
    parts = "Student's t over the seeds plus the bootstrap error" if seeds else "normal, the bootstrap error"
    drawn = ", the same in every language" if aligned else ""
    return f"95% intervals (docs/method.md): {parts} of the {unit} ({n_resamples:,} resamples of the {unit}{drawn})."
