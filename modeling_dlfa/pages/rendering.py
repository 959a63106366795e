"""Writes sections as Markdown, or as one self-contained HTML page: no network, no scripts, no other files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import SURFACES
from .model import Block, Line, Section, phrases, plain

if TYPE_CHECKING:
    from jinja2 import Environment

# What Markdown would read as markup: marking characters, `_` except inside a word, `]` where a link's address would
# follow, `<` and `&` where they would begin a tag or a character reference.
_MARKUP = re.compile(r"[\\`*|~]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
# What would be a heading, a quotation, a list or a rule at the start of a line.
_BEGINNING = re.compile(r"^(\d*)(?=[.)](?:\s|$)|#{1,6}(?:\s|$)|[-+](?:\s|$)|>|[-=]+$)")


def to_html(title: str, sections: Iterable[Section]) -> str:
    """Writes sections as a page that follows the reader's light or dark setting and fits a phone.

    All texts are escaped. Wide tables and pictures scroll in their own boxes. A policy in the page forbids it to
    load anything.

    Args:
        title: Title of the page.
        sections: The sections.
    """
    environment = _environment(autoescape=True)
    environment.filters["data"] = lambda file: f"data:image/svg+xml;base64,{base64.b64encode(file).decode('ascii')}"
    template = environment.get_template("page.html")
    return template.render(title=title, sections=list(sections), surfaces=SURFACES)


def to_markdown(sections: Iterable[Section], title: str | None = None, form: str = "svg") -> str:
    """Writes sections as GitHub's Markdown, with pictures in the folder `figures`.

    Args:
        sections: The sections.
        title: Title of the whole page; without it the sections' titles are of the highest level.
        form: File ending of the pictures.
    """
    environment = _environment(autoescape=False)
    environment.filters |= {"line": _line, "cell": _cell, "paragraph": _paragraph, "alt": _alt}
    template = environment.get_template("page.md")
    marks = "#" if title is None else "##"
    return template.render(title=title, sections=list(sections), form=form, marks=marks).strip() + "\n"


def blocks_to_markdown(blocks: Sequence[Block]) -> str:
    """Writes blocks for use inside another page, as `to_markdown` does."""
    return to_markdown([Section("", tuple(blocks))])


def _environment(*, autoescape: bool) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"phrases": phrases, "plain": plain}
    return environment


def _line(line: Line) -> str:
    """A line in which only its own phrases are markup."""
    return "".join(_phrase(phrase.text, phrase.strong, phrase.code) for phrase in phrases(line)).strip()


def _phrase(text: str, strong: bool, code: bool) -> str:
    text = re.sub(r"\s+", " ", text)
    if code:
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
        return f"{fence}{pad}{text}{pad}{fence}"
    text = _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), text)
    return f"**{text}**" if strong else text


def _cell(line: Line) -> str:
    # GitHub splits a row at every bar that no backslash protects, before it reads code.
    return re.sub(r"(?<!\\)\|", r"\\|", _line(line))


def _alt(text: str) -> str:
    return re.sub(r"(?<!\\)[\[\]]", r"\\\g<0>", _line(text))


def _paragraph(line: Line) -> str:
    return _BEGINNING.sub(r"\1\\", _line(line))
