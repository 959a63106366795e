"""The figures of a layer analysis, sized for the page: PNG to look at, PDF to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files.writing import draft_file
from ...statistics.formatting import number
from ...statistics.intervals import Interval
from .depth import Crossing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0  # inches: two columns of a paper
SUPPORTED = 0.95  # Share of the resamples that a crossing needs to be named.
# Of every figure, with what keeps its bytes the same.
FORMS: dict[str, dict[str, Any]] = {"png": {"dpi": 200}, "pdf": {"metadata": {"CreationDate": None}}}
# Colour, mark and line of a curve. The colours are Okabe and Ito's, which colour-blind readers can tell apart; marks
# differ as well, for print in grey, and the kinds are told by the line: solid, dashed, dotted.
_STYLES = {
    "cosine": ("#0072B2", "o", "-"),
    "cka": ("#56B4E9", "s", "-"),
    "retrieval": ("#009E73", "^", "-"),
    "language": ("#D55E00", "v", "--"),
    "pos": ("#E69F00", "D", "--"),
    "pos_transfer": ("#000000", "P", ":"),
}
_KINDS = {
    "alignment": ("#0072B2", "o", "-", "shared between languages"),
    "structure": ("#D55E00", "v", "--", "a language's own structure"),
}
SIMILARITY_TITLES = {
    "cka": "linear CKA",
    "cosine": "centred cosine of translations",
    "centroids": "cosine of language centroids",
}
_SIMILARITY_STYLES = {
    "cka": ("#0072B2", "o", -0.12),
    "cosine": ("#D55E00", "s", 0.0),
    "centroids": ("#009E73", "^", 0.12),
}


@contextmanager
def _paper(width: float, height: float) -> Iterator[Figure]:
    """A figure with type of 8 points; matplotlib's global state is as it was afterwards."""
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "font.size": 8,
        "axes.titlesize": 8.5,
        "legend.fontsize": 7.5,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.3,
        "lines.markersize": 4,
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(style):
        yield Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    for form, options in FORMS.items():
        with draft_file(path.with_name(f"{path.name}.{form}")) as draft:
            figure.savefig(draft, format=form, **options)


def _layer_axis(ax: Axes, results: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    last = results["n_layers"] - 1
    ax.set_xlim(-0.3, last + 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13))
    ax.set_xlabel("layer (0: embeddings)")
    ax.grid(axis="y", color="#d8d8d8", linewidth=0.5, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def _curve(ax: Axes, entries: Sequence[Mapping[str, float]], style: tuple[str, str, str], label: str) -> None:
    colour, marker, line = style
    layers = np.arange(len(entries))
    means, low, high = (np.array([entry[key] for entry in entries]) for key in ("mean", "low", "high"))
    ax.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    ax.plot(layers, means, color=colour, marker=marker, linestyle=line, label=label, zorder=3)


def plot_layers(results: Mapping[str, Any], path: Path) -> None:
    """Draw what languages share and what is a language's own over depth, as `path`.png and `path`.pdf.

    Left: every curve with its 95 % interval. Right: the curves of a kind on their own ranges, averaged (see
    `depth.Profiles`), and the crossing, if 95 % of the resamples have it. The layers that a DLFA checkpoint fuses are
    marked by dotted vertical lines.

    Args:
        results: What `layer_analysis.json` holds.
        path: The file without its extension; its folder is made.
    """
    with _paper(WIDTH, 3.2) as figure:
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
                ax.axvline(layer, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1, label=note)
        _legend(figure, [left, right], columns=3)
        _save(figure, path)


def _legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    handles, names = [], []
    for ax in axes:
        found = ax.get_legend_handles_labels()
        handles += found[0]
        names += found[1]
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, handlelength=3)


def crossing_sentence(results: Mapping[str, Any]) -> str:
    """Say where the two profiles cross, or that nothing can be said."""
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
    """Draws a line at each crossing with its layer above: a sentence on several would squeeze the panel."""
    held = _supported(results)
    for index, crossing in enumerate(held):
        label = "crossing of the two" if index == 0 else None
        ax.axvline(crossing.layer, color="#555555", linewidth=0.9, zorder=1, label=label)
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


def plot_agreement(results: Mapping[str, Any], path: Path) -> None:
    """Draw over depth how well the clusters of languages agree with their genealogy.

    A mark is filled where the permutation test, corrected for all marks of the figure, is below 0.05.

    Args:
        results: What `layer_analysis.json` holds, with a comparison.
        path: The file without its extension; its folder is made.
    """
    with _paper(WIDTH * 0.68, 3.0) as figure:
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
                fill = colour if entry["p_value_holm"] < 0.05 else "white"
                ax.plot(place, entry["mean"], marker, color=colour, markerfacecolor=fill, zorder=3)
            ax.plot([], [], marker=marker, color=colour, markerfacecolor="white", label=SIMILARITY_TITLES[name])
        ax.plot([], [], "o", color="#555555", label="filled: p < 0.05, corrected")
        ax.axhline(0, color="#555555", linewidth=0.7, zorder=1)
        _layer_axis(ax, results)
        ax.set_ylabel("cophenetic correlation\nwith the genealogy")
        _legend(figure, [ax], columns=2)
        _save(figure, path)


def plot_languages(results: Mapping[str, Any], similarity: str, layer: int, path: Path) -> None:
    """Draw the similarity of every pair of languages at a layer, in the order of their clusters, with the tree.

    Args:
        results: What `layer_analysis.json` holds, with a comparison.
        similarity: `"cka"`, `"cosine"` or `"centroids"`.
        layer: The layer.
        path: The file without its extension; its folder is made.
    """
    from scipy.cluster.hierarchy import dendrogram

    entry = results["families"]["similarities"][similarity][layer]
    languages, order = results["languages"], entry["order"]
    genealogy = results["families"]["genealogy"]["languages"]
    rows = [languages.index(code) for code in order]
    matrix = np.array(entry["matrix"])[np.ix_(rows, rows)]
    np.fill_diagonal(matrix, np.nan)
    side = 0.9 + 0.17 * max(len(order), 9)
    with _paper(side + 3.3, side + 0.2) as figure:
        tree_ax, ax = figure.subplots(1, 2, width_ratios=[0.45, 1])
        with_tree = dendrogram(entry["linkage"], orientation="left", no_plot=True)
        for depths, places in zip(with_tree["dcoord"], with_tree["icoord"], strict=True):
            tree_ax.plot(depths, [place / 10 - 0.5 for place in places], color="#333333", linewidth=0.9)
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
        _save(figure, path)


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3)
