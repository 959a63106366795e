"""The scaling curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scaling import Curve


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draws a panel for each curve: seconds left, memory right, both axes logarithmic, a dashed line for linear.

    matplotlib's global state, its backend included, is left alone.

    Args:
        curves: What to draw.
        path: PNG to write; its folder is created.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    columns = 2
    figure = Figure(figsize=(4.6 * columns, 2.9 * -(-len(curves) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(curves) // columns), columns, squeeze=False).flat
    for curve, panel in zip(curves, panels, strict=False):
        panel.plot(curve.xs, curve.seconds, "o-", color="#0072B2", label="seconds")
        growth = -1 if curve.shares_work else 1
        linear = [curve.seconds[0] * (x / curve.xs[0]) ** growth for x in curve.xs]
        panel.plot(curve.xs, linear, "--", color="#999999", linewidth=1, label="linear")
        if curve.fit is not None:
            panel.plot(curve.xs, [curve.fit.at(x) for x in curve.xs], ":", color="#D55E00", label="start + slope × x")
        panel.set(title=curve.title, xscale="log", yscale="log", ylabel="seconds")
        panel.set_xticks(curve.xs)
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        if curve.memory:
            right = panel.twinx()
            right.plot(curve.xs, [entry / 2**30 for entry in curve.memory], "^-", color="#009E73")
            right.set(ylim=(0, 1.4 * max(curve.memory) / 2**30))
            right.set_ylabel("GiB", color="#009E73")
        panel.legend(fontsize=7)
    for panel in list(panels):
        panel.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
