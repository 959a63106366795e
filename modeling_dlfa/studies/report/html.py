"""Reports as one HTML page that needs nothing else: no network, no script, no file beside it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .model import Picture, Section

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = Path(__file__).with_name("report_template.html")
_MEDIA = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}

# The colours of our figures, as the page's variables: the template gives each a value for light and for dark.
_COLOURS = {
    "#000000": "text",
    "#ffffff": "surface",
    "#f2f2f2": "band",
    "#d0d0d0": "line",
    "#404040": "muted",
    "#555555": "baseline",
    "#0072b2": "blue",
    "#d55e00": "red",
    "#009e73": "green",
    "#cc79a7": "pink",
    "#e69f00": "orange",
    "#56b4e9": "sky",
}


def to_html(title: str, sections: Iterable[Section]) -> str:
    """Write sections as a page that follows the reader's light or dark setting and fits a phone.

    All texts are escaped. Wide tables and pictures scroll in a box of their own. A policy in the page forbids it to
    load anything.

    Args:
        title: Of the page.
        sections: The sections.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = _picture
    environment.tests["inline"] = _is_inline
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, sections=list(sections)) + "\n"


def _is_inline(picture: Picture) -> bool:
    return picture.own and picture.suffix == "svg"


def _picture(picture: Picture) -> Markup:
    """Our own SVG as an element in the page's colours, any other file as an image, in which nothing runs."""
    from markupsafe import Markup

    if not _is_inline(picture):
        data = base64.b64encode(picture.content).decode("ascii")
        return Markup('<img src="data:{};base64,{}" alt="{}">').format(_MEDIA[picture.suffix], data, picture.alt)
    return Markup(inline_svg(picture.content.decode("utf-8"), picture.name, str(Markup.escape(picture.alt))))


def inline_svg(svg: str, name: str, alt: str) -> str:
    """Return matplotlib's SVG as an element of a page.

    Args:
        svg: The file.
        name: Put before its ids, which are unique in a file only.
        alt: Its description, escaped.
    """
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", element, flags=re.DOTALL)
    element = re.sub(r'(\bid="|"#|\burl\(#)', rf"\g<1>{name}-", element)
    for colour, variable in _COLOURS.items():
        element = element.replace(f": {colour}", f": var(--{variable})")
    opening, _, rest = element.partition(">")
    width = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', opening)
    assert width is not None
    # matplotlib's points as CSS pixels; the namespaces are no addresses, but HTML needs none.
    size = f'viewBox="0 0 {width[1]} {width[2]}" style="width: {float(width[1]):.0f}px"'
    rest = rest.replace("xlink:href", "href")
    return f'<svg role="img" aria-label="{alt}" {size}>{rest}'
