"""What a table tells: whether tokens that look alike lie close together, and which script a token is written in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..statistics.probes import LinearProbe, majority_accuracy
from .look_alikes import LOOK_ALIKES
from .pieces import Piece
from .scripts import text_script

_SAMPLE = 1000
_NEIGHBOURS = 10
_PROBE_TOKENS = 24_000
_PROBE_TEST = 4_000
_SCRIPT_TOKENS = 50


def measure(values: torch.Tensor, pieces: Sequence[Piece], drawn: torch.Tensor, seed: int) -> dict[str, Any]:
    """Measures the features of a vocabulary's tokens.

    Args:
        values: (V, d), standardised, without bits.
        pieces: (V) of the vocabulary.
        drawn: (V,) which of them have a glyph.
        seed: Of the samples.

    Returns:
        `look_alikes`: how often the nearest Latin-script token of a Cyrillic or Greek letter is the Latin letter that
        it looks like. `diacritics`: of tokens with accents whose form without is a token too, how often that one is
        the nearest with another text, and how often among the nearest ten. `script_probe`: accuracy and mean recall
        of a linear probe for script on tokens that it was not trained on, beside always answering the most frequent
        one. Distances are Euclidean. None where the vocabulary has nothing to measure it on.
    """
    ids = drawn.nonzero().squeeze(1)
    features = values[ids]
    shown = [pieces[index] for index in ids.tolist()]
    scripts = [text_script(piece.text) for piece in shown]
    generator = torch.Generator().manual_seed(seed)
    return {
        "look_alikes": _look_alikes(features, shown, scripts),
        "diacritics": _diacritics(features, shown, generator),
        "script_probe": _script_probe(features, scripts, generator),
    }


def _look_alikes(features: torch.Tensor, pieces: Sequence[Piece], scripts: Sequence[str]) -> dict[str, Any] | None:
    latin = torch.tensor([index for index, script in enumerate(scripts) if script == "Latn"], dtype=torch.long)
    texts = {pieces[index].text for index in latin.tolist()}
    letters = [
        index for index, piece in enumerate(pieces) if piece.text in LOOK_ALIKES and LOOK_ALIKES[piece.text] in texts
    ]
    if not letters:
        return None
    nearest = latin[torch.cdist(features[letters], features[latin]).argmin(dim=1)].tolist()
    hits = [
        pieces[found].text == LOOK_ALIKES[pieces[letter].text] for letter, found in zip(letters, nearest, strict=True)
    ]
    return {"tokens": len(hits), "nearest": round(sum(hits) / len(hits), 4)}


def _diacritics(features: torch.Tensor, pieces: Sequence[Piece], generator: torch.Generator) -> dict[str, Any] | None:
    texts = {piece.text for piece in pieces}
    accented = [
        (index, plain)
        for index, piece in enumerate(pieces)
        if text_script(piece.text) == "Latn" and (plain := _without_marks(piece.text)) != piece.text and plain in texts
    ]
    if not accented:
        return None
    chosen = [accented[index] for index in torch.randperm(len(accented), generator=generator)[:_SAMPLE].tolist()]
    first = among = 0
    for part in range(0, len(chosen), 100):
        some = chosen[part : part + 100]
        distances = torch.cdist(features[[index for index, _ in some]], features)
        # The token itself and its twins with another marker come first.
        for (index, plain), row in zip(
            some, distances.topk(min(_NEIGHBOURS + 5, len(pieces)), largest=False).indices, strict=True
        ):
            found = (pieces[other].text for other in row.tolist())
            others = list(dict.fromkeys(text for text in found if text != pieces[index].text))[:_NEIGHBOURS]
            first += others[:1] == [plain]
            among += plain in others
    return {
        "tokens": len(chosen),
        "nearest": round(first / len(chosen), 4),
        f"nearest_{_NEIGHBOURS}": round(among / len(chosen), 4),
    }


def _script_probe(features: torch.Tensor, scripts: Sequence[str], generator: torch.Generator) -> dict[str, Any] | None:
    frequent = sorted(script for script, count in Counter(scripts).items() if count >= _SCRIPT_TOKENS)
    if len(frequent) < 2:
        return None
    known = torch.tensor([index for index, script in enumerate(scripts) if script in frequent])
    chosen = known[torch.randperm(len(known), generator=generator)[:_PROBE_TOKENS]]
    labels = np.array([frequent.index(scripts[index]) for index in chosen.tolist()])
    rows = features[chosen].numpy()
    held_out = min(_PROBE_TEST, len(labels) // 4)
    probe = LinearProbe.fit(rows[held_out:], labels[held_out:])
    predicted, truth = probe.predict(rows[:held_out]), labels[:held_out]
    recalls = [float((predicted[truth == label] == label).mean()) for label in np.unique(truth)]
    return {
        "scripts": frequent,
        "training_tokens": len(labels) - held_out,
        "tokens": held_out,
        "accuracy": round(float((predicted == truth).mean()), 4),
        "mean_recall": round(float(np.mean(recalls)), 4),
        "majority": round(majority_accuracy(labels[held_out:], truth), 4),
    }


def _without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(part for part in parts if not unicodedata.combining(part)))
