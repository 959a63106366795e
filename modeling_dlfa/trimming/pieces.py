"""Which pieces of a vocabulary stay, and the tokenizer's settings without the others.

Texts whose pieces all stay are cut as before. WordPiece takes the longest piece that fits and Unigram the best path:
both are still there, with fewer to compete. BPE merges the pair of lowest rank: the merges that made a piece stay
with it, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..glyphs.pieces import BYTE, TEXT, read_pieces

# RoBERTa's kin number positions from the padding's id, which therefore stays where it is, unless it is far behind.
_NEAR = 1000


def always_kept(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Returns the ids that every trimmed vocabulary has: special and added tokens, single characters and bytes.

    Raises:
        InputError: The tokenizer is not a fast one of WordPiece, Unigram or BPE.
    """
    pieces, known = read_pieces(tokenizer), set(tokenizer.get_vocab().values())
    kept = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id < _NEAR:
        kept |= set(range(tokenizer.pad_token_id))
    single = {
        index
        for index, piece in enumerate(pieces)
        if piece.kind == BYTE or (piece.kind == TEXT and len(piece.text) <= 1)
    }
    return (kept | single) & known


def complete(settings: Mapping[str, Any], wanted: Iterable[int]) -> set[int]:
    """Returns wanted ids with those that a tokenizer needs to find them.

    Args:
        settings: Content of `tokenizer.json`.
        wanted: Ids of the model's pieces and of added tokens.

    Raises:
        InputError: A kind of BPE whose merges are not known here.
    """
    model, kept = settings["model"], set(wanted)
    ids = _ids(model)
    if model.get("unk_token") in ids:
        kept.add(ids[model["unk_token"]])
    if model["type"] == "Unigram":
        scores = [score for _, score in model["vocab"]]
        kept.add(scores.index(min(scores)))  # What an unknown character costs depends on it.
        kept |= {index for index in (model.get("unk_id"),) if index is not None}
    elif model["type"] == "BPE":
        if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            raise InputError("BPE that marks pieces by a prefix or suffix is not trimmed. Give another encoder.")
        ranks = {pair: rank for rank, pair in enumerate(_merges(model))}
        for token in [token for token, index in ids.items() if index in kept]:
            for left, right in merges_of(token, ranks):
                kept |= {ids[left], ids[right], ids[left + right]}
    return kept


def merges_of(token: str, ranks: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Returns the merges by which BPE makes a token of its characters, or as much of it as they make."""
    parts = list(token)
    applied: list[tuple[str, str]] = []
    while True:
        pairs = [
            (ranks[pair], place) for place, pair in enumerate(zip(parts, parts[1:], strict=False)) if pair in ranks
        ]
        if not pairs:
            return applied
        _, place = min(pairs)
        applied.append((parts[place], parts[place + 1]))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def trim_settings(settings: Mapping[str, Any], kept: set[int]) -> tuple[dict[str, Any], list[int]]:
    """Returns the settings of a tokenizer that has only some of the pieces.

    Args:
        settings: Content of `tokenizer.json`.
        kept: Ids of `complete`.

    Returns:
        The content of the new `tokenizer.json`, and for each new id the old one. The order stays, with tokens that
        were added to the model's own behind it.
    """
    model, ids = dict(settings["model"]), _ids(settings["model"])
    order = sorted(set(ids.values()) & kept)
    order += sorted({token["id"] for token in settings["added_tokens"]} - set(ids.values()))
    new = {old: index for index, old in enumerate(order)}
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in order if old < len(model["vocab"])]
        model["unk_id"] = None if model.get("unk_id") is None else new[model["unk_id"]]
    else:
        model["vocab"] = {token: new[old] for token, old in ids.items() if old in new}
    if model["type"] == "BPE":
        names = model["vocab"]
        model["merges"] = [
            [left, right]
            for left, right in _merges(model)
            if left in names and right in names and left + right in names
        ]
    added = [{**token, "id": new[token["id"]]} for token in settings["added_tokens"]]
    trimmed = {**settings, "model": model, "added_tokens": sorted(added, key=lambda token: token["id"])}
    trimmed["post_processor"] = _renumbered(settings.get("post_processor"), new)
    if settings.get("padding"):
        trimmed["padding"] = {**settings["padding"], "pad_id": new[settings["padding"]["pad_id"]]}
    return trimmed, order


def _ids(model: Mapping[str, Any]) -> dict[str, int]:
    if model["type"] == "Unigram":
        return {piece: index for index, (piece, _) in enumerate(model["vocab"])}
    return dict(model["vocab"])


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs, which older files write as one string with a space."""
    split = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    return [(left, right) for left, right in split]


def _renumbered(part: Any, new: Mapping[int, int]) -> Any:
    """Returns a post-processor with the new ids of the special tokens that it adds."""
    if not isinstance(part, dict):
        return part
    part = dict(part)
    for name in ("sep", "cls"):
        if name in part:
            token, old = part[name]
            part[name] = [token, new[old]]
    if "special_tokens" in part:
        part["special_tokens"] = {
            name: {**entry, "ids": [new[old] for old in entry["ids"]]}
            for name, entry in part["special_tokens"].items()
        }
    if "processors" in part:
        part["processors"] = [_renumbered(inner, new) for inner in part["processors"]]
    return part
