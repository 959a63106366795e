"""The heat map of a layer sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...languages import by_family, get_language
from ...pages.figures import hollow, new_figure
from ...scoring.metrics import get_metric, shown_averages
from ...statistics.comparisons import stands_out
from ...statistics.formatting import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

AVERAGE_NAMES = {"macro_target": "targets", "macro_all": "all"}
_COLOURS = "RdBu"  # Red worse, blue better: colour-blind readers can tell them apart.
_LEAST_RANGE = 0.5  # In points: noise of a tenth must not look like a finding.


def plot_sweep(sweep: Mapping[str, Any]) -> Figure:
    """Draws the differences to the baseline, layers against languages and averages.

    Colour and number give the difference in points; a number is bold and framed if it differs from zero after
    correction. Languages are grouped by family, the source language first.

    Args:
        sweep: Contents of `layer_sweep.json`.
    """
    groups = by_family(sweep["languages"], sweep["source_language"])
    languages = [code for _, codes in groups for code in codes]
    layers = list(sweep["layers"].values())
    averages = [
        key for key in AVERAGE_NAMES if key in shown_averages(languages, sweep.get("seen") or sweep["source_language"])
    ]
    figure = new_figure(2.6 + 0.52 * (len(languages) + len(averages)), 2.2 + 0.34 * len(layers))
    ratios = [len(languages), max(len(averages), 1)]
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=ratios)
    reach = max(_LEAST_RANGE, *(abs(100 * cell["mean"]) for entry in layers for cell in entry["differences"].values()))
    cells = [[entry["differences"][code] for code in languages] for entry in layers]
    image = _heat(left, cells, reach, sweep["statistics"]["threshold"])
    _heat(right, [[entry[key] for key in averages] for entry in layers], reach, sweep["statistics"]["threshold"])
    left.set_xticks(range(len(languages)), languages)
    right.set_xticks(range(len(averages)), [AVERAGE_NAMES[key] for key in averages])
    left.set_yticks(range(len(layers)), [f"{layer_roles(sweep, layer)}  {layer}".strip() for layer in sweep["layers"]])
    left.set_ylabel("layer fused with the last")
    left.set_ylim(-0.5, len(layers) - 0.5)
    position = 0
    for family, codes in groups:
        middle = position + (len(codes) - 1) / 2
        left.text(middle, len(layers) - 0.4, family, rotation=40, ha="left", va="bottom", fontsize="x-small")
        position += len(codes)
        if position < len(languages):
            left.axvline(position - 0.5, color=hollow(), linewidth=3)
    names = get_language(sweep["source_language"]).name
    bar = figure.colorbar(image, ax=[left, right], fraction=0.03, pad=0.02)
    bar.set_label(f"{get_metric(sweep['metric']).title}, minus {sweep['baseline']['system']} (points)")
    figure.supxlabel(f"{sweep['title']}, trained on {names}", fontsize="small")
    return figure


def _heat(ax: Axes, cells: list[list[Mapping[str, float]]], reach: float, threshold: float) -> Any:
    values: NDArray[np.float64] = np.array([[100 * cell["mean"] for cell in row] for row in cells])
    image = ax.imshow(values, cmap=_COLOURS, vmin=-reach, vmax=reach, aspect="auto", origin="lower")
    for row, entries in enumerate(cells):
        for column, cell in enumerate(entries):
            counts = stands_out(cell, threshold)
            strong = abs(values[row, column]) > 0.6 * reach
            ax.text(
                column,
                row,
                number(values[row, column], signed=True),
                ha="center",
                va="center",
                fontsize="small",
                fontweight="bold" if counts else "normal",
                color="white" if strong else "black",
                bbox={"boxstyle": "square,pad=0.15", "fill": False, "lw": 1, "ec": "black"} if counts else None,
            )
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return image


def layer_roles(sweep: Mapping[str, Any], layer: str) -> str:
    """Returns a layer's special roles: the embeddings, the selected one, the oracle's, or several."""
    names = {"embeddings": 0, "selected": sweep["selected"]["layer"], "oracle": sweep["oracle"]["layer"]}
    return ", ".join(name for name, number in names.items() if str(number) == layer)
