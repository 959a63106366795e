"""The figures of a layer analysis, sized for a page of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...pages.figures import NEUTRAL, PALETTE, hollow, new_figure, open_axes
from ...statistics.formatting import number
from ...statistics.intervals import Interval
from .depth import Crossing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0  # inches: two columns of a paper
SUPPORTED = 0.95  # Share of the resamples that a crossing needs to be named.
PAPER: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "legend.fontsize": 7.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
}
_BLUE, _RED, _GREEN, _PINK, _ORANGE, _SKY = PALETTE
# Colour, mark and line of a curve. Marks differ too, for print in grey, and the line shows the kind: solid,
# dashed, dotted.
_STYLES = {
    "cosine": (_BLUE, "o", "-"),
    "cka": (_SKY, "s", "-"),
    "retrieval": (_GREEN, "^", "-"),
    "language": (_RED, "v", "--"),
    "pos": (_ORANGE, "D", "--"),
    "pos_transfer": (_PINK, "P", ":"),
}
_KINDS = {
    "alignment": (_BLUE, "o", "-", "shared between languages"),
    "structure": (_RED, "v", "--", "a language's own structure"),
}
SIMILARITY_TITLES = {
    "cka": "linear CKA",
    "cosine": "centred cosine of translations",
    "centroids": "cosine of language centroids",
}
_SIMILARITY_STYLES = {
    "cka": (_BLUE, "o", -0.12),
    "cosine": (_RED, "s", 0.0),
    "centroids": (_GREEN, "^", 0.12),
}


def _layer_axis(ax: Axes, results: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    last = results["n_layers"] - 1
    ax.set_xlim(-0.3, last + 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13))
    ax.set_xlabel("layer (0: embeddings)")
    open_axes(ax, grid="y")


def _curve(ax: Axes, entries: Sequence[Mapping[str, float]], style: tuple[str, str, str], label: str) -> None:
    colour, marker, line = style
    layers = np.arange(len(entries))
    means, low, high = (np.array([entry[key] for entry in entries]) for key in ("mean", "low", "high"))
    ax.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    ax.plot(layers, means, color=colour, marker=marker, linestyle=line, label=label, zorder=3)


def plot_layers(results: Mapping[str, Any]) -> Figure:
    """Draw over depth what languages share and what is specific to each language.

    Left: every curve with its 95 % interval. Right: the curves of a kind scaled to their own ranges, averaged (see
    `depth.Profiles`), and the crossing, if 95 % of the resamples have it. Dotted vertical lines mark the layers that
    a DLFA checkpoint fuses.

    Args:
        results: Contents of `layer_analysis.json`.
    """
    figure = new_figure(WIDTH, 3.2)
    left, right = figure.subplots(1, 2)
    for key, curve in results["curves"].items():
        _curve(left, curve["layers"], _STYLES[key], curve["title"])
    _layer_axis(left, results)
    lowest = min(entry["low"] for curve in results["curves"].values() for entry in curve["layers"])
    left.set_ylim(min(0, lowest - 0.02), 1.02)
    left.set_ylabel("cosine, CKA or accuracy")
    left.set_title("a  Measures and probes", loc="left", fontweight="bold", pad=18)

    for kind, (colour, marker, line, label) in _KINDS.items():
        _curve(right, results["profiles"][kind], (colour, marker, line), label)
    _layer_axis(right, results)
    right.set_ylim(-0.03, 1.02)
    right.set_ylabel("position in own range over depth")
    right.set_title("b  The two kinds compared", loc="left", fontweight="bold", pad=18)
    _mark_crossings(right, results)
    for layer in results["fusion_layers"] or ():
        for ax in (left, right):
            first = ax is right and layer == results["fusion_layers"][0]
            note = "fused with the last layer" if first else None
            ax.axvline(layer, color=NEUTRAL, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1, label=note)
    _legend(figure, [left, right], columns=3)
    return figure


def _legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    handles, names = [], []
    for ax in axes:
        found = ax.get_legend_handles_labels()
        handles += found[0]
        names += found[1]
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, handlelength=3)


def crossing_sentence(results: Mapping[str, Any]) -> str:
    """Say where the two profiles cross, or that the data do not show it."""
    held = _supported(results)
    if not results["profiles"]["crossings"]:
        return "the profiles do not cross"
    if not held:
        return f"no crossing that {SUPPORTED:.0%} of the resamples have"
    places = [f"layer {entry.layer:.1f} ({'structure' if entry.upward else 'sharing'} leads above)" for entry in held]
    *first, final = places
    return f"crossing at {', '.join(first)} and {final}" if first else f"crossing at {final}"


def _supported(results: Mapping[str, Any]) -> list[Crossing]:
    crossings = [Crossing(**entry) for entry in results["profiles"]["crossings"]]
    return [crossing for crossing in crossings if crossing.support >= SUPPORTED]


def _mark_crossings(ax: Axes, results: Mapping[str, Any]) -> None:
    """Draws a line at each crossing, labelled with its layer: a sentence on several would squeeze the panel."""
    held = _supported(results)
    for index, crossing in enumerate(held):
        label = "crossing of the two" if index == 0 else None
        ax.axvline(crossing.layer, color=NEUTRAL, linewidth=0.9, zorder=1, label=label)
        ax.annotate(
            f"{crossing.layer:.1f}",
            (crossing.layer, 1.0),
            xytext=(0, 2),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
        )
    if not held:
        ax.text(0.0, 1.02, crossing_sentence(results), transform=ax.transAxes, va="bottom")


def plot_agreement(results: Mapping[str, Any]) -> Figure:
    """Draw over depth how well the clusters of languages agree with their genealogy.

    A mark is filled if the permutation test, corrected for all marks of the figure, is below 0.05.

    Args:
        results: Contents of `layer_analysis.json`, with a comparison.
    """
    figure = new_figure(WIDTH * 0.68, 3.0)
    ax = figure.subplots()
    for name, layers in results["families"]["similarities"].items():
        colour, marker, offset = _SIMILARITY_STYLES[name]
        places = np.arange(len(layers)) + offset
        entries = [entry["cophenetic"] for entry in layers]
        intervals = [Interval(entry["mean"], entry["low"], entry["high"]) for entry in entries]
        ax.plot(places, [entry.mean for entry in intervals], color=colour, linewidth=0.8, zorder=2)
        ax.vlines(
            places,
            [entry.low for entry in intervals],
            [entry.high for entry in intervals],
            color=colour,
            linewidth=1.1,
            zorder=2,
        )
        for place, entry in zip(places, entries, strict=True):
            fill = colour if entry["p_value_holm"] < 0.05 else hollow()
            ax.plot(place, entry["mean"], marker, color=colour, markerfacecolor=fill, zorder=3)
        ax.plot([], [], marker=marker, color=colour, markerfacecolor=hollow(), label=SIMILARITY_TITLES[name])
    ax.plot([], [], "o", color=NEUTRAL, label="filled: p < 0.05, corrected")
    ax.axhline(0, color=NEUTRAL, linewidth=0.7, zorder=1)
    _layer_axis(ax, results)
    ax.set_ylabel("cophenetic correlation\nwith the genealogy")
    _legend(figure, [ax], columns=2)
    return figure


def plot_languages(results: Mapping[str, Any], similarity: str, layer: int) -> Figure:
    """Draw the similarity of every pair of languages at a layer, in the order of their clusters, with the tree.

    Args:
        results: Contents of `layer_analysis.json`, with a comparison.
        similarity: `"cka"`, `"cosine"` or `"centroids"`.
        layer: The layer.
    """
    from scipy.cluster.hierarchy import dendrogram

    entry = results["families"]["similarities"][similarity][layer]
    languages, order = results["languages"], entry["order"]
    genealogy = results["families"]["genealogy"]["languages"]
    rows = [languages.index(code) for code in order]
    matrix = np.array(entry["matrix"])[np.ix_(rows, rows)]
    np.fill_diagonal(matrix, np.nan)
    side = 0.9 + 0.17 * max(len(order), 9)
    figure = new_figure(side + 3.3, side + 0.2)
    tree_ax, ax = figure.subplots(1, 2, width_ratios=[0.45, 1])
    with_tree = dendrogram(entry["linkage"], orientation="left", no_plot=True)
    for depths, places in zip(with_tree["dcoord"], with_tree["icoord"], strict=True):
        tree_ax.plot(depths, [place / 10 - 0.5 for place in places], color=NEUTRAL, linewidth=0.9)
    tree_ax.set_ylim(len(order) - 0.5, -0.5)
    tree_ax.invert_xaxis()
    tree_ax.set_yticks([])
    tree_ax.set_xlabel("1 - similarity")
    tree_ax.xaxis.set_major_locator(_few_ticks())
    tree_ax.spines[["top", "left", "right"]].set_visible(False)

    image = ax.imshow(matrix, cmap="cividis", aspect="auto", interpolation="nearest")
    names = [f"{genealogy[code]['name']} ({genealogy[code]['genus']})" for code in order]
    ax.set_yticks(range(len(order)), names)
    ax.set_xticks(range(len(order)), order)
    ax.yaxis.tick_right()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02, location="right")
    bar.outline.set_visible(False)
    bar.set_label(SIMILARITY_TITLES[similarity])
    agreement, tree_fit = entry["cophenetic"], entry["tree_fit"]
    figure.suptitle(
        f"Layer {layer}: agreement with the genealogy r = {number(agreement['mean'], 2)}, "
        f"p = {agreement['p_value_holm']:.2g} (corrected); tree fit {number(tree_fit, 2)}",
        fontsize=8,
    )
    return figure


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3)
