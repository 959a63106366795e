"""From pieces of text to small images, white on black."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw

from .fonts import OVERSAMPLING, Font, FontSet, Run
from .pieces import TEXT, Piece
from .scripts import context_before, is_right_to_left

HEIGHT, WIDTH = 32, 128
BASELINE = 24  # Rows above it; what hangs lower than the image is moved up.
POOL = 2
PIXELS = (HEIGHT // POOL) * (WIDTH // POOL)

DRAWN, BLANK, MISSING, NO_TEXT = "drawn", "blank", "missing", "no text"


@dataclass(frozen=True)
class Glyph:
    """A rendered piece.

    Attributes:
        status: `"drawn"`; `"blank"` if it leaves no ink (a space); `"missing"` if a character is in no font; `"no
            text"` for special tokens and bytes.
        image: 32×128, 8 bits; None unless drawn.
        fonts: What drew it.
    """

    status: str
    image: Image.Image | None = None
    fonts: tuple[Font, ...] = ()


@dataclass(frozen=True)
class Images:
    """The rendered vocabulary.

    Attributes:
        pixels: (U, 1024) bytes, each different image once, averaged over 2×2 pixels to 16×64.
        rows: (V,) which of them a piece looks like; -1 unless drawn.
        status: (V) of each piece, see `Glyph`.
        fonts: How many pieces each font took part in.
    """

    pixels: torch.Tensor
    rows: torch.Tensor
    status: list[str]
    fonts: dict[Font, int]


def render(piece: Piece, fonts: FontSet) -> Glyph:
    """Draws a piece, its ink at the left edge, its baseline where all have it.

    Wider ones are squeezed. Ink above or below the image moves it by as much as needed, ink taller than the image
    is squeezed too.

    Args:
        piece: What to draw.
        fonts: With what.
    """
    if piece.kind != TEXT:
        return Glyph(NO_TEXT)
    text = unicodedata.normalize("NFC", piece.text)
    if not text.strip():
        return Glyph(BLANK)
    runs = fonts.runs(text)
    if runs is None:
        return Glyph(MISSING)
    before = context_before(text, continues_word=piece.continues_word)
    runs = [Run(runs[0].font, before + runs[0].text), *runs[1:]]
    ink = _ink(runs[::-1] if is_right_to_left(text) else runs)
    used = tuple(dict.fromkeys(run.font for run in runs))
    return Glyph(BLANK) if ink is None else Glyph(DRAWN, _place(*ink), used)


def render_all(pieces: Sequence[Piece], fonts: FontSet, progress: Callable[[int], None] | None = None) -> Images:
    """Draws a vocabulary.

    Args:
        pieces: (V) of it.
        fonts: With what.
        progress: Called now and then with the number of pieces done.
    """
    pixels = bytearray()
    known: dict[bytes, int] = {}
    seen: dict[Piece, tuple[str, int, tuple[Font, ...]]] = {}
    rows, status = [], []
    used: dict[Font, int] = {}
    for count, piece in enumerate(pieces, start=1):
        # `x` and `▁x` look alike where nothing joins.
        joined = bool(context_before(piece.text, continues_word=piece.continues_word))
        key = Piece(piece.text, piece.kind, continues_word=piece.continues_word and joined)
        if key not in seen:
            glyph = render(key, fonts)
            row = -1
            if glyph.image is not None:
                content = glyph.image.reduce(POOL).tobytes()
                row = known.setdefault(hashlib.blake2b(content, digest_size=16).digest(), len(known))
                if row * PIXELS == len(pixels):
                    pixels += content
            seen[key] = glyph.status, row, glyph.fonts
        state, row, drawn_by = seen[key]
        rows.append(row)
        status.append(state)
        for font in drawn_by:
            used[font] = used.get(font, 0) + 1
        if progress is not None and count % 10_000 == 0:
            progress(count)
    images = torch.frombuffer(pixels, dtype=torch.uint8) if pixels else torch.empty(0, dtype=torch.uint8)
    return Images(images.view(-1, PIXELS), torch.tensor(rows), status, used)


def _ink(runs: Sequence[Run]) -> tuple[Image.Image, int] | None:
    """Returns the ink alone, oversampled, and how many of its rows are above the baseline; None if there is none."""
    starts = [0.0]
    for run in runs[:-1]:
        starts.append(starts[-1] + run.font.pillow.getlength(run.text))
    boxes = []
    for start, run in zip(starts, runs, strict=True):
        left, top, right, bottom = run.font.pillow.getbbox(run.text, anchor="ls")
        boxes.append((start + left, top, start + right, bottom))
    left, top = (int(min(box[side] for box in boxes)) - 2 for side in (0, 1))
    right, bottom = (int(max(box[side] for box in boxes)) + 3 for side in (2, 3))
    canvas = Image.new("L", (right - left, bottom - top))
    draw = ImageDraw.Draw(canvas)
    for start, run in zip(starts, runs, strict=True):
        draw.text((start - left, -top), run.text, fill=255, font=run.font.pillow, anchor="ls")
    box = canvas.getbbox()
    return None if box is None else (canvas.crop(box), -top - box[1])


def _place(ink: Image.Image, above: int) -> Image.Image:
    width, height, baseline = (OVERSAMPLING * pixels for pixels in (WIDTH, HEIGHT, BASELINE))
    size = min(ink.width, width), min(ink.height, height)
    if size != ink.size:
        ink = ink.resize(size, Image.Resampling.BOX)
    image = Image.new("L", (width, height))
    image.paste(ink, (0, min(max(baseline - above, 0), height - ink.height)))
    return image.reduce(OVERSAMPLING)
