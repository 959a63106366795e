"""Figures in one style, for light and dark pages; matplotlib's global state is left alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..files.writing import draft_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SURFACES = {"light": "#ffffff", "dark": "#16181b"}
# Okabe and Ito's, which colour-blind readers can tell apart, and lighter ones of the same hues.
_COLOURS = {
    "light": ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    "dark": ("#4da8e0", "#f0803c", "#2fc498", "#df9cc0", "#f0b740", "#8fd0f5"),
}
PALETTE = tuple(f"C{index}" for index in range(6))  # The colours of the theme in which a figure is drawn.
NEUTRAL = "#808080"  # For parts that belong to no system, such as grids and the baseline, in both themes.
# Includes the settings that keep a figure's bytes the same.
_FORMS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None, "Creator": None, "Format": None, "Type": None}},
    "png": {"dpi": 200},
    "pdf": {"metadata": {"CreationDate": None}},
}
# Text stays text, every character is literal (`$` begins no formula), and ids are not random.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "dlfa", "pdf.fonttype": 42, "text.parse_math": False}


def save_figure(
    draw: Callable[[], Figure],
    target: Path | IO[bytes],
    form: str,
    style: Mapping[str, Any] | None = None,
    *,
    dark: bool = False,
) -> None:
    """Draws a figure into a file.

    Args:
        draw: Returns the figure; parts without a fixed colour (text, axes, hollow marks) take the theme's.
        target: The file.
        form: `"svg"`, `"png"` or `"pdf"`.
        style: Further settings of matplotlib.
        dark: Whether it is for a dark page.
    """
    from cycler import cycler  # of matplotlib
    from matplotlib import style as styles

    name = "dark" if dark else "light"
    surfaces = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), SURFACES[name])
    theme = {**surfaces, "axes.prop_cycle": cycler(color=_COLOURS[name])}
    with styles.context(["default", *(["dark_background"] if dark else []), {**theme, **_STYLE, **(style or {})}]):
        draw().savefig(target, format=form, **_FORMS[form])


def write_figure(draw: Callable[[], Figure], path: Path, style: Mapping[str, Any] | None = None) -> None:
    """Writes a figure for light pages, whole or not at all, in the format of the file's ending."""
    with draft_file(path) as draft:
        save_figure(draw, draft, path.suffix[1:], style)


def svg(draw: Callable[[], Figure], style: Mapping[str, Any] | None = None, *, dark: bool = False) -> bytes:
    """Returns a figure as SVG; see `save_figure`."""
    file = io.BytesIO()
    save_figure(draw, file, "svg", style, dark=dark)
    return file.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure, sized in inches, that no window and no global state knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def hollow() -> str:
    """Returns the colour inside a hollow mark."""
    import matplotlib as mpl

    return str(mpl.rcParams["axes.facecolor"])


def open_axes(ax: Axes, *, grid: str = "both") -> None:
    """Keeps only a panel's left and lower lines, and adds a grid that is visible on light and dark pages."""
    ax.grid(axis=grid, color=NEUTRAL, alpha=0.35, linewidth=0.6)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
