"""A text cut at its tokens, each with its share of a stream, so that it stays legible in any script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..inference.gate_view import FusionView

_LEAST = 0.05  # Narrowest range of shares that the colours are spread over.


@dataclass(frozen=True)
class Stretch:
    """Characters that stand together.

    Attributes:
        text: The characters as they were given.
        share: Of the stream; None between tokens and behind what the model reads.
        depth: The share's place in the range of the colours, 0 to 1.
    """

    text: str
    share: float | None = None
    depth: float = 0.0


@dataclass(frozen=True)
class Colouring:
    """The texts coloured by one stream.

    Attributes:
        name: Name of the stream.
        texts: Each text's stretches, which put together are the text.
        low: Share of the palest colour.
        high: Share of the deepest colour.
    """

    name: str
    texts: tuple[tuple[Stretch, ...], ...]
    low: float
    high: float


def colourings(view: FusionView, texts: Sequence[str]) -> list[Colouring]:
    """Colours texts by each stream of a gate.

    Args:
        view: The gate, of these texts.
        texts: One text or two.
    """
    made = []
    for column, name in enumerate(view.names):
        shares = view.shares[:, column]
        low = float(shares.min())
        high = max(float(shares.max()), low + _LEAST)
        cut = tuple(_stretches(text, number, view, shares.tolist(), low, high) for number, text in enumerate(texts))
        made.append(Colouring(name, cut, low, high))
    return made


def _stretches(
    text: str, number: int, view: FusionView, shares: Sequence[float], low: float, high: float
) -> tuple[Stretch, ...]:
    # Tokens of bytes overlap in the character that they make up together; they are one piece of text.
    pieces: list[tuple[int, int, list[float]]] = []
    placed = sorted(
        (place[1], place[2], share)
        for place, share in zip(view.places, shares, strict=True)
        if place is not None and place[0] == number and place[1] < place[2]
    )
    for start, end, share in placed:
        if pieces and start < pieces[-1][1]:
            first, last, others = pieces[-1]
            pieces[-1] = (first, max(last, end), [*others, share])
        else:
            pieces.append((start, end, [share]))
    found, position = [], 0
    for start, end, parts in pieces:
        # Some tokenizers count the space before a word as the word's.
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if start > position:
            found.append(Stretch(text[position:start]))
        if end > start:
            share = float(np.mean(parts))
            found.append(Stretch(text[start:end], share, (share - low) / (high - low)))
        position = max(position, end)
    if position < len(text):
        found.append(Stretch(text[position:]))
    return tuple(found)
