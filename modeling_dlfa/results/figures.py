"""The figure beside the table: every language's score, and its difference from the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from ..languages import language_label
from ..pages.figures import NEUTRAL, PALETTE, hollow, new_figure, write_figure
from ..scoring.metrics import get_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .format import SystemDifferences, SystemScores
    from .results import Results

_MARKERS = ("o", "^", "D", "v", "P")  # As distinct as the colours, for print in grey.
_BASELINE_STYLE = (NEUTRAL, "s")
_AVERAGES = {"macro_all": "all", "macro_target": "targets"}
_FAMILY_GAP = 0.45  # in rows
FIGURE_CAPTION = (
    "Means over seeds with their 95% intervals; ticks are single runs, crosses collapsed ones. "
    "Differences are filled where they are significant after correction for their number."
)


def plot_scores_by_language(results: Results, path: str | Path) -> None:
    """Draw `scores_by_language` into a file.

    Args:
        results: The results.
        path: File to write, `.png`, `.svg` or `.pdf`; its folder is created.
    """
    write_figure(lambda: scores_by_language(results), Path(path))


def scores_by_language(results: Results) -> Figure:
    """Draw the scores of every language and system, and the differences to the baseline.

    Left: the mean over seeds, its 95 % interval, and every single run as a small mark (a cross if it
    collapsed), and for an accuracy a line at that of a uniform guess over the recorded labels. Right, if there is a
    baseline: the paired differences with their intervals, filled where significant after correction. Languages are
    grouped by family, the source language first, the averages below. matplotlib's global state, its backend included,
    is left alone.

    Args:
        results: The results.
    """
    summary = results.require_summary()
    systems, differences = summary.systems, summary.differences
    rows, bands, labels = _layout(results)
    styles = _styles(systems)
    row_inches = 0.14 + 0.09 * len(systems)
    height = max(2.6, 1.3 + row_inches * (max(rows.values()) + 1))
    ratios = [3, 2] if differences else [3]
    figure = new_figure(6 + 3.5 * bool(differences), height)
    axes = figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)[0]
    _plot_scores(axes[0], results, rows, styles)
    if differences:
        _plot_differences(axes[1], differences, rows, styles)

    axes[0].set_yticks([rows[key] for key in rows], [labels[key] for key in rows])
    axes[0].set_ylim(max(rows.values()) + 0.6, -0.6)
    for ax in axes:
        for index, (_, first, last) in enumerate(bands):
            margin = 0.5 + _FAMILY_GAP / 2
            if index % 2 == 0:
                ax.axhspan(first - margin, last + margin, color=NEUTRAL, alpha=0.1, zorder=0, lw=0)
        ax.grid(axis="x", color=NEUTRAL, alpha=0.35, linewidth=0.6, zorder=1)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
    for family, first, last in bands:
        axes[-1].annotate(
            family,
            (1.02, (first + last) / 2),
            xycoords=axes[-1].get_yaxis_transform(),
            va="center",
            fontsize="small",
        )
    handles, names = axes[0].get_legend_handles_labels()
    columns = 3 if max(map(len, names)) < 28 else 2
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _layout(results: Results) -> tuple[dict[str, float], list[tuple[str, float, float]], dict[str, str]]:
    """Vertical position and label of every row, and (name, first position, last position) of every band of rows."""
    averages = [name for name in _AVERAGES if name in results.averages]
    rows: dict[str, float] = {}
    bands: list[tuple[str, float, float]] = []
    labels = dict(_AVERAGES)
    position = 0.0
    for family, keys in [*results.families, ("average", averages)]:
        first = position
        for key in keys:
            rows[key] = position
            position += 1
            labels.setdefault(key, language_label(key))
        bands.append((family, first, position - 1))
        position += _FAMILY_GAP
    return rows, bands, labels


def _styles(systems: Mapping[str, SystemScores]) -> dict[str, tuple[str, str, float]]:
    """Colour, marker and vertical offset (in rows) of every system."""
    looks = zip(cycle(PALETTE), cycle(_MARKERS), strict=False)
    step = 0.8 / max(len(systems), 2)
    styles = {}
    for index, (name, system) in enumerate(systems.items()):
        colour, marker = _BASELINE_STYLE if system.baseline else next(looks)
        styles[name] = (colour, marker, step * (index - (len(systems) - 1) / 2))
    return styles


def _plot_scores(
    ax: Axes, results: Results, rows: Mapping[str, float], styles: Mapping[str, tuple[str, str, float]]
) -> None:
    metric = results.metric
    for name, system in results.require_summary().systems.items():
        colour, marker, offset = styles[name]
        label = f"{name} (baseline)" if system.baseline else name
        for key, row in rows.items():
            value = system.values[key]
            y = row + offset
            ax.hlines(y, 100 * value.low, 100 * value.high, color=colour, linewidth=1.4, zorder=3)
            ax.plot(100 * value.mean, y, marker, color=colour, markersize=5, zorder=4, label=label, linestyle="none")
            label = "_nolegend_"
        for run in results.runs_of(name):
            if system.runs > 1:
                single = "x" if run.collapsed else "|"
                scores = [100 * score for score in results.run_scores(run).values()]
                heights = [rows[language] + offset for language in results.languages]
                ax.plot(scores, heights, single, color=colour, markersize=4.5, alpha=0.6, zorder=2, linestyle="none")
    if metric == "accuracy" and results.labels:
        chance = 100 / len(results.labels)
        label = f"uniform guess ({chance:.1f})"
        ax.axvline(chance, color=NEUTRAL, linestyle=":", linewidth=1, zorder=2, label=label)
    ax.set_xlabel(f"{results.title or results.task} {get_metric(metric).title} (%), 95% intervals")


def _plot_differences(
    ax: Axes,
    differences: Mapping[str, SystemDifferences],
    rows: Mapping[str, float],
    styles: Mapping[str, tuple[str, str, float]],
) -> None:
    ax.axvline(0, color=_BASELINE_STYLE[0], linewidth=1, zorder=2)
    for name, difference in differences.items():
        colour, marker, offset = styles[name]
        for key, row in rows.items():
            value = difference.values[key]
            y = row + offset if len(differences) > 1 else row
            fill = colour if value.stands_out else hollow()
            ax.hlines(y, 100 * value.low, 100 * value.high, color=colour, linewidth=1.4, zorder=3)
            ax.plot(100 * value.mean, y, marker, color=colour, markerfacecolor=fill, markersize=5, zorder=4)
    ax.set_xlabel(f"difference to {next(iter(differences.values())).baseline} (points), 95% intervals")
