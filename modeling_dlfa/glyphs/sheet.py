"""A picture of samples by script, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from .fonts import FontSet
from .pieces import Piece
from .rendering import DRAWN, HEIGHT, WIDTH, render
from .scripts import is_mark, text_script

_COLUMNS = 10
_GAP = 4
_LABEL = 150
_LEAST_TOKENS = 5  # Scripts with fewer get no line.


def draw_sheet(pieces: Sequence[Piece], status: Sequence[str], fonts: FontSet) -> Image.Image:
    """Draws samples, spread evenly over a script's ids, as the table saw them.

    A script has up to three lines of ten: tokens that begin a word, tokens that continue one, and tokens of either
    kind that begin with a mark. Scripts come by frequency.

    Args:
        pieces: (V) of a vocabulary.
        status: (V) what became of each, see `rendering.Glyph`.
        fonts: What they were drawn with.

    Returns:
        A grey image.
    """
    scripts: dict[str, list[Piece]] = {}
    for piece, state in zip(pieces, status, strict=True):
        if state == DRAWN:
            scripts.setdefault(text_script(piece.text), []).append(piece)
    lines: list[tuple[str, list[Piece]]] = []
    for script, drawn in sorted(scripts.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(drawn) < _LEAST_TOKENS:
            continue
        marks = [piece for piece in drawn if is_mark(piece.text[0])]
        rest = [piece for piece in drawn if not is_mark(piece.text[0])]
        kinds = {
            "begin": [piece for piece in rest if not piece.continues_word],
            "continue": [piece for piece in rest if piece.continues_word],
            "marks": marks,
        }
        lines += [(f"{script} {kind}: {len(some):,}", _spread(some)) for kind, some in kinds.items() if some]
    step = HEIGHT + _GAP
    sheet = Image.new("L", (_LABEL + _COLUMNS * (WIDTH + _GAP), max(len(lines), 1) * step), 96)
    draw = ImageDraw.Draw(sheet)
    for row, (label, samples) in enumerate(lines):
        draw.text(
            (_GAP, row * step + HEIGHT // 2),
            label,
            fill=255,
            font=fonts.fonts[0].pillow.font_variant(size=12),
            anchor="lm",
        )
        for column, piece in enumerate(samples):
            if (image := render(piece, fonts).image) is not None:
                sheet.paste(image, (_LABEL + column * (WIDTH + _GAP), row * step))
    return sheet


def _spread(pieces: Sequence[Piece]) -> list[Piece]:
    count = min(_COLUMNS, len(pieces))
    return [pieces[index * len(pieces) // count] for index in range(count)]
