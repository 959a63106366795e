"""Figures of the study of language scaling, each drawn from one entry of `language_scaling.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...languages import SCRIPTS, get_language, language_label
from ...pages.figures import NEUTRAL, PALETTE, hollow, new_figure, open_axes
from ...statistics.comparisons import stands_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", "--", "-.", ":")
MAX_BANDS = 2


def _panels(entry: Mapping[str, Any], rows: int, orders: Sequence[Mapping[str, Any]]) -> tuple[Figure, Any]:
    figure = new_figure(3.1 * len(orders) + 0.8, 2.6 * rows + 0.9)
    axes = figure.subplots(rows, len(orders), sharex=True, sharey="row", squeeze=False)
    for ax in axes.flat:
        open_axes(ax)
    for ax, order in zip(axes[0], orders, strict=True):
        ax.set_title(order["title"], fontsize="medium")
    for ax in axes[-1]:
        ax.set_xlabel("number of target languages, n")
        ax.set_xlim(1, max(2, len(entry["targets"])))
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure, axes


def _style(entry: Mapping[str, Any], system: str) -> dict[str, Any]:
    if system == entry["baseline"]:
        return {"color": NEUTRAL, "linestyle": "-"}
    others = [name for name in entry["systems"] if name != entry["baseline"]]
    fusions, tables = (list(dict.fromkeys(part)) for part in zip(*map(_fusion_and_table, others), strict=True))
    if 1 < len(tables) <= len(PALETTE) and len(fusions) <= len(_LINES):
        fusion, table = _fusion_and_table(system)
        return {"color": PALETTE[tables.index(table)], "linestyle": _LINES[fusions.index(fusion)]}
    index = others.index(system)
    return {"color": PALETTE[index % len(PALETTE)], "linestyle": _LINES[index // len(PALETTE) % len(_LINES)]}


def _fusion_and_table(system: str) -> tuple[str, str]:
    """`aif-layer8+glyphs` in two parts; the second is empty without a table, as of `aif-layers4+8`."""
    fusion, _, table = system.rpartition("+")
    return (fusion, table) if table.isalpha() and fusion else (system, "")


def _line(ax: Axes, points: Sequence[Mapping[str, Any]], statistic: str, *, band: bool, **style: Any) -> None:
    shown = [point for point in points if statistic in point]
    n = [point["n"] for point in shown]
    mean, low, high = (100 * np.array([point[statistic][key] for point in shown]) for key in ("mean", "low", "high"))
    if band:
        ax.fill_between(n, low, high, color=style["color"], alpha=0.15, linewidth=0)
    ax.plot(n, mean, linewidth=1.6, markersize=3, marker="o" if len(n) < 25 else None, **style)


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    columns = 4 if max(map(len, labels)) < 24 else 2
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)


def scores_against_n(entry: Mapping[str, Any]) -> Figure:
    """Draw mean, worst language and spread of every system against n, one column per order."""
    rows = ("mean", "worst", "spread") if len(entry["targets"]) > 1 else ("mean", "worst")
    figure, axes = _panels(entry, len(rows), entry["orders"])
    names = {"mean": "mean", "worst": "worst language", "spread": "spread (sd, points)"}
    for row, statistic in enumerate(rows):
        for ax, order in zip(axes[row], entry["orders"], strict=True):
            for system in entry["systems"]:
                points = entry["scores"][order["name"]][system]
                _line(ax, points, statistic, band=False, label=system, **_style(entry, system))
        axes[row, 0].set_ylabel(names[statistic] + ("" if statistic == "spread" else " (%)"))
    _legend(figure, axes[0, 0])
    return figure


def gains_against_n(entry: Mapping[str, Any]) -> Figure:
    """Draw the gain in the mean and in the worst language against n, one column per order, with 95 % intervals.

    With more than two fused systems the bands would hide each other and are omitted.
    """
    figure, axes = _panels(entry, 2, entry["orders"])
    for row, (statistic, name) in enumerate((("mean", "gain in the mean"), ("worst", "gain in the worst"))):
        for ax, order in zip(axes[row], entry["orders"], strict=True):
            ax.axhline(0, color=NEUTRAL, linewidth=1)
            gains = entry["gains"][order["name"]]
            for system, points in gains.items():
                band = len(gains) <= MAX_BANDS
                _line(ax, points, statistic, band=band, label=system, **_style(entry, system))
        axes[row, 0].set_ylabel(f"{name} (points)")
    _legend(figure, axes[0, 0])
    return figure


def gains_by_language(entry: Mapping[str, Any], system: str) -> Figure:
    """Draw a system's gain in every language against the languages' measures, with the fitted line."""
    orders = [order for order in entry["orders"] if order["values"] is not None]
    figure = new_figure(5.4 * len(orders) + 0.4, 4.2)
    gains = entry["languages"][system]
    for ax, order in zip(figure.subplots(1, len(orders), sharey=True, squeeze=False)[0], orders, strict=True):
        codes = list(gains)
        x = np.array([order["values"][code] for code in codes])
        y, low, high = (100 * np.array([gains[code][key] for code in codes]) for key in ("mean", "low", "high"))
        ax.axhline(0, color=NEUTRAL, linewidth=1)
        shown = _side_by_side(x)
        ax.vlines(shown, low, high, color=PALETTE[0], linewidth=1, alpha=0.6)
        ax.plot(shown, y, "o", color=PALETTE[0], markersize=4)
        for code, left, height in zip(codes, shown, y, strict=True):
            ax.annotate(code, (left, height), xytext=(2, 2), textcoords="offset points", fontsize="small")
        if np.ptp(x) > 0:
            slope, intercept = np.polyfit(x, y, 1)
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, intercept + slope * ends, color=PALETTE[1], linestyle="--", linewidth=1.4)
        names = {"data_size": "pre-training data (log2)", "similarity": f"similarity to {_source(entry)}"}
        ax.set_xlabel(names[order["name"]])
        open_axes(ax)
    figure.axes[0].set_ylabel("gain (points), 95% intervals")
    return figure


def differences_by_language(entry: Mapping[str, Any]) -> Figure:
    """Draw the differences that were asked for: on average, and in every language, grouped by script.

    Marks are filled where a difference stands after correction for all languages of all pairs.
    """
    found: Sequence[Mapping[str, Any]] = entry["differences"]
    labels, places, place = ["all target languages"], [0.0], 1.0
    step = 0.7 / len(found)
    figure = new_figure(7.0, 1.3 + (0.15 + 0.09 * len(found)) * (len(entry["targets"]) + len(entry["scripts"])))
    ax = figure.subplots()
    for script, codes in entry["scripts"].items():
        middle = place + 0.5 + (len(codes) - 1) / 2
        ax.annotate(SCRIPTS.get(script, script), (1.02, middle), xycoords=ax.get_yaxis_transform(), va="center")
        for code in codes:
            place += 1
            labels.append(language_label(code))
            places.append(place - 0.5)
        place += 0.5
    for index, one in enumerate(found):
        colour = PALETTE[index % len(PALETTE)]
        values = [one["mean"], *(one["languages"][code] for codes in entry["scripts"].values() for code in codes)]
        for y, value in zip(places, values, strict=True):
            y += step * (index - (len(found) - 1) / 2)
            fill = colour if stands_out(value) else hollow()
            ax.hlines(y, 100 * value["low"], 100 * value["high"], color=colour, linewidth=1.4)
            ax.plot(100 * value["mean"], y, "o", color=colour, markerfacecolor=fill, markersize=5)
        ax.plot([], [], "o", color=colour, label=f"{one['system']} minus {one['other']}")
    ax.axvline(0, color=NEUTRAL, linewidth=1)
    ax.set_yticks(places, labels)
    ax.set_ylim(place, -0.6)
    ax.set_xlabel("difference (points), 95% intervals")
    open_axes(ax, grid="x")
    figure.legend(loc="outside upper center", frameon=False)
    return figure


def _side_by_side(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread languages at the same place apart, but not as far as the next place."""
    places, index, counts = np.unique(x, return_inverse=True, return_counts=True)
    gap = min(np.diff(places).min() / counts.max() if len(places) > 1 else 1.0, 0.1 * max(np.ptp(x), 1.0))
    ranks = np.array([np.count_nonzero(index[:number] == place) for number, place in enumerate(index)])
    return np.asarray(x + 0.8 * gap * (ranks - (counts[index] - 1) / 2), dtype=np.float64)


def _source(entry: Mapping[str, Any]) -> str:
    return get_language(entry["source_language"]).name


def cost_against_n(cost: Mapping[str, Any]) -> Figure:
    """Draw the seconds of one pass, and the memory, against n."""
    figure = new_figure(8.4, 3.2)
    left, right = figure.subplots(1, 2)
    n = [point["n"] for point in cost["points"]]
    for point in cost["points"]:
        left.plot([point["n"]] * len(point["passes"]), point["passes"], "_", color=NEUTRAL, markersize=8)
    left.plot(n, [point["predict_seconds"] for point in cost["points"]], "o-", color=PALETTE[0], label="pass, median")
    read = [point["read_seconds"] for point in cost["points"]]
    left.plot(n, read, "^--", color=PALETTE[1], label="reading, tokenising")
    start = [point["start_seconds"] for point in cost["points"]]
    left.plot(n, start, "D:", color=PALETTE[2], label="start, model")
    left.set_ylabel("seconds")
    left.legend(frameon=False, fontsize="small")
    right.plot(n, [point["peak_memory"] / 2**20 for point in cost["points"]], "o-", color=PALETTE[0], label="peak")
    before = [point["memory_before"] / 2**20 for point in cost["points"]]
    right.plot(n, before, "D:", color=PALETTE[2], label="model, before the data")
    if all(point["device_memory"] is not None for point in cost["points"]):
        device = [point["device_memory"] / 2**20 for point in cost["points"]]
        right.plot(n, device, "^--", color=PALETTE[1], label="accelerator, peak")
    right.set_ylabel("memory (MiB)")
    right.legend(frameon=False, fontsize="small")
    for ax in (left, right):
        ax.set_ylim(0, 1.08 * max(float(np.max(line.get_ydata())) for line in ax.lines))
        ax.set_xlabel("number of languages, n")
        open_axes(ax)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure
