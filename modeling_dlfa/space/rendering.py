"""Answers as HTML; whatever was typed or a checkpoint says is text in it, never markup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .colouring import colourings

if TYPE_CHECKING:
    from .answering import Answer, Answerer

_FOLDER = Path(__file__).parent


def answer_html(answerer: Answerer, answer: Answer) -> str:
    """Returns the answer as HTML: a table of scores, the texts coloured by each stream, a table of the tokens.

    Args:
        answerer: Who answered.
        answer: The answer.
    """
    coloured = colourings(answer.view, answer.texts) if answer.view is not None else []
    tokens = []
    if view := answer.view:
        for token, place, row in zip(view.tokens, view.places, view.shares.tolist(), strict=True):
            shares = [*row, 1 - sum(row)] if view.is_share else row
            tokens.append((token, place is None, shares))
    return _render("answer.html", answerer=answerer, answer=answer, coloured=coloured, tokens=tokens)


def error_html(message: str) -> str:
    """Returns a message as HTML that a screen reader announces."""
    return _render("error.html", message=message)


def header_html(answerer: Answerer) -> str:
    """Returns the page's heading, and what is asked."""
    return _render("header.html", answerer=answerer)


def style() -> str:
    """Returns the style sheet of all of them."""
    return (_FOLDER / "space.css").read_text(encoding="utf-8")


def _render(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Of a folder the name is enough: where it lies on this machine is nobody's concern.
    environment.filters["shown"] = lambda name: Path(name).resolve().name if Path(name).is_dir() else name
    environment.filters["percent"] = lambda share: f"{share:.1%}".replace("%", "\u00a0%")
    return environment.get_template(name).render(**values)
