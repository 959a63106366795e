"""Figures in one look, for light and for dark pages; matplotlib's global state is left alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..files.writing import draft_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's, which colour-blind readers can tell apart, on white and on black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NEUTRAL = "#808080"  # the baseline and other lines that are no system's
SURFACES = {"light": "#ffffff", "dark": "#16181b"}
# With what keeps a figure's bytes the same.
_FORMS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None, "Creator": None, "Format": None, "Type": None}},
    "png": {"dpi": 200},
    "pdf": {"metadata": {"CreationDate": None}},
}
# Text stays text, every character of it is itself (`$` begins no formula), and ids are not drawn by chance.
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
        draw: Returns the figure; what has no colour of its own (text, axes, what is hollow) takes the theme's.
        target: The file.
        form: `"svg"`, `"png"` or `"pdf"`.
        style: Further settings of matplotlib.
        dark: Whether for a dark page.
    """
    from matplotlib import style as styles

    surface = SURFACES["dark" if dark else "light"]
    surfaces = {f"{name}.facecolor": surface for name in ("figure", "axes", "savefig")}
    theme = ["dark_background"] if dark else []
    with styles.context([*theme, {**surfaces, **_STYLE, **(style or {})}]):
        draw().savefig(target, format=form, **_FORMS[form])


def write_figure(draw: Callable[[], Figure], path: Path, style: Mapping[str, Any] | None = None) -> None:
    """Writes a figure for light pages, whole or not at all, in the form that the file's ending names."""
    with draft_file(path) as draft:
        save_figure(draw, draft, path.suffix[1:], style)


def svg(draw: Callable[[], Figure], style: Mapping[str, Any] | None = None, *, dark: bool = False) -> bytes:
    """Returns a figure as SVG; see `save_figure`."""
    file = io.BytesIO()
    save_figure(draw, file, "svg", style, dark=dark)
    return file.getvalue()


def hollow() -> str:
    """Returns the colour inside a mark that is not filled."""
    import matplotlib as mpl

    return str(mpl.rcParams["axes.facecolor"])


def open_axes(ax: Axes, *, grid: str = "both") -> None:
    """Leaves a panel its left and lower line alone, and gives it a grid that is seen on light and dark."""
    ax.grid(axis=grid, color=NEUTRAL, alpha=0.35, linewidth=0.6)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
