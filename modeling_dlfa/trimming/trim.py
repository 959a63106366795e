"""Writes an encoder, or a DLFA checkpoint, with the part of its vocabulary that texts need (Abdaoui et al. 2020)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..checkpoints.loading import cannot_load, load_tokenizer
from ..checkpoints.models import MODEL_CLASSES
from ..checkpoints.tokenizers import CONFIG_FILE, save_tokenizer
from ..configuration_dlfa import DlfaConfig
from ..encoder_dlfa import find_weights, load_encoder, make_backbone_config, without_pooler
from ..errors import InputError
from ..files.folders import check_new_folder, named_folder, new_folder, size
from ..files.places import check_place, hub_commit
from ..files.writing import write_json
from ..modeling_dlfa import DlfaModel
from .pieces import always_kept, complete, trim_settings

RECORD = "trim.json"
_TOKENIZER = "tokenizer.json"
_BATCH, _CHECKED = 1000, 200


@dataclass(frozen=True)
class Trimmed:
    """What trimming changed.

    Attributes:
        tokens: Size of the vocabulary before and after.
        parameters: Of the model, before and after.
        bytes: Of its weights, before and after.
        texts: Number of texts in each language, the others' if there were any.
        finer: How many of them are cut finer than before. Of the texts that the vocabulary was trimmed on none is;
            without others, each of them is counted as if the vocabulary had been trimmed on the rest.
        others: Whether other texts were given.
    """

    tokens: tuple[int, int]
    parameters: tuple[int, int]
    bytes: tuple[int, int]
    texts: dict[str, int]
    finer: dict[str, int]
    others: bool

    def summary(self) -> str:
        """Says it in a few lines."""
        shares = ", ".join(f"{code} {self.finer[code] / count:.1%}" for code, count in self.texts.items() if count)
        share = sum(self.finer.values()) / sum(self.texts.values())
        which = "the other texts" if self.others else "further texts like these (each counted against the rest), about"
        return (
            f"Tokens: {self.tokens[0]:,} before, {self.tokens[1]:,} after.\n"
            f"Parameters: {self.parameters[0] / 1e6:.1f} M before, {self.parameters[1] / 1e6:.1f} M after; weights "
            f"{size(self.bytes[0])} before, {size(self.bytes[1])} after.\n"
            f"Cut finer than before: of {which} {share:.1%} ({shares})."
        )


@dataclass
class _Seen:
    """The pieces of texts: which text alone has a piece (language and number), None where several have it."""

    cutter: Tokenizer
    owners: dict[int, tuple[str, int] | None] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    sample: list[tuple[str, list[str]]] = field(default_factory=list)

    def read(self, texts: Mapping[str, Iterable[str]]) -> None:
        for language, lines in texts.items():
            for number, text, ids, tokens in _cut(self.cutter, lines):
                self.texts[language] = number
                for index in ids:
                    if self.owners.setdefault(index, (language, number)) != (language, number):
                        self.owners[index] = None
                if number <= _CHECKED:
                    self.sample.append((text, tokens))


def _cut(cutter: Tokenizer, texts: Iterable[str]) -> Iterator[tuple[int, str, set[int], list[str]]]:
    """Numbers texts from 1, with their pieces as a set of ids and in order."""
    given, number = iter(texts), 0
    while batch := list(islice(given, _BATCH)):
        for text, cut in zip(batch, cutter.encode_batch(batch, add_special_tokens=False), strict=True):
            number += 1
            yield number, text, set(cut.ids), cut.tokens


def trim_vocabulary(
    model: str | os.PathLike,
    texts: Mapping[str, Iterable[str]],
    output_dir: str | os.PathLike,
    *,
    other_texts: Mapping[str, Iterable[str]] | None = None,
) -> Trimmed:
    """Writes a model with the pieces that texts need, special tokens, single characters and bytes.

    The texts are cut as before and have bit-equal states. Others may be cut finer, down to single characters. What is
    written is the encoder alone, in the type of its weights, without a head for masked language modelling; or the
    whole DLFA checkpoint, whose table of glyphs keeps the rows of its tokens.

    Args:
        model: Folder or Hub id of an encoder, or of a DLFA checkpoint, with a fast tokenizer of WordPiece, Unigram or
            BPE.
        texts: Texts by language, as they will be given to the tokenizer; each is read once.
        output_dir: A new folder. It appears whole or not at all.
        other_texts: Texts by language of which to report how many are cut finer.

    Raises:
        InputError: There are no texts, the model cannot be read or its tokenizer not be trimmed, or the folder holds
            something.

    Example:
        >>> from modeling_dlfa import trim_vocabulary
        >>> trim_vocabulary("ENCODER", {"en": ["the cat sleeps"]}, "small").tokens
        (47, 8)
    """
    name, target = os.fspath(model), named_folder(output_dir)
    check_new_folder(target)
    check_place("The model", name)
    for given in (texts, other_texts or {}):
        if not isinstance(given, Mapping) or any(isinstance(lines, str) for lines in given.values()):
            raise InputError('Give the texts of each language as a list: {"en": ["a text", "another"]}.')
    loaded, tokenizer = _load(name)
    always = always_kept(tokenizer)
    settings = json.loads(tokenizer.backend_tokenizer.to_str())
    seen = _Seen(_cutter(settings))
    seen.read(texts)
    if not seen.texts:
        raise InputError("There are no texts to trim the vocabulary on. Give files with a text a line.")
    kept = complete(settings, always | set(seen.owners))
    if other_texts is None:
        alone = {owner for index, owner in seen.owners.items() if owner is not None and index not in always}
        counts = seen.texts, {code: sum(owner[0] == code for owner in alone) for code in seen.texts}
    else:
        counts = _finer(seen.cutter, other_texts, kept)
    before = _size(loaded)
    trimmed, order = trim_settings(settings, kept)
    _take_rows(loaded, order)
    after = _size(loaded)
    parameters, sizes = zip(before, after, strict=True)
    tokens = (len(tokenizer), len(order))
    outcome = Trimmed(tokens, parameters, sizes, *counts, others=other_texts is not None)
    with new_folder(target, "--output_dir") as draft:
        _save_tokenizer(tokenizer, trimmed, order, draft)
        _check(draft, seen.sample, order)
        loaded.save_pretrained(draft)
        card = Path(name) / "README.md"
        if card.is_file() and not isinstance(loaded.config, DlfaConfig):
            shutil.copyfile(card, draft / "README.md")  # Licence and origin go along.
        hub_id = None if Path(name).exists() else name
        write_json(draft / RECORD, {"model": hub_id, "commit": hub_commit(name), **asdict(outcome)})
    return outcome


def _load(name: str) -> tuple[Any, PreTrainedTokenizerBase]:
    """Loads a model in the type of its weights, with a pooler only if it has one, and its tokenizer."""
    try:
        config = AutoConfig.from_pretrained(name)
        if isinstance(config, DlfaConfig):
            kinds: list[Any] = [DlfaModel, *MODEL_CLASSES.values()]
            classes = {kind.__name__: kind for kind in kinds}
            known = [classes[entry] for entry in config.architectures or () if entry in classes]
            model: Any = (known or [DlfaModel])[0].from_pretrained(name, dtype="auto")
        else:
            find_weights(name, None, {})
            model, new = load_encoder(name, make_backbone_config(config), {"dtype": "auto"})
            model = without_pooler(model) if new else model
    except (OSError, ValueError) as error:
        raise cannot_load(name, error) from error
    return model, load_tokenizer(name, model.config)


def _cutter(settings: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer, whatever it was told of lengths."""
    return Tokenizer.from_str(json.dumps({**settings, "truncation": None, "padding": None}))


def _finer(
    cutter: Tokenizer, texts: Mapping[str, Iterable[str]], kept: set[int]
) -> tuple[dict[str, int], dict[str, int]]:
    """Counts texts, and those with a piece that is dropped, by language."""
    counts, finer = dict.fromkeys(texts, 0), dict.fromkeys(texts, 0)
    for language, lines in texts.items():
        for number, _, ids, _ in _cut(cutter, lines):
            counts[language] = number
            finer[language] += not ids <= kept
    if not sum(counts.values()):
        raise InputError("There are no other texts. Give files with a text a line, or none.")
    return counts, finer


def _size(model: PreTrainedModel) -> tuple[int, int]:
    """Parameters, and bytes of all weights."""
    weights = [*model.parameters(), *model.buffers()]
    return sum(weight.numel() for weight in model.parameters()), sum(weight.nbytes for weight in weights)


@torch.no_grad()
def _take_rows(model: Any, order: list[int]) -> None:
    """Keeps the rows of these ids, in embeddings and glyphs, and writes the new ids into the configuration."""
    base, rows = model.base_model, torch.tensor(order)
    new = {old: index for index, old in enumerate(order)}
    embeddings = base.get_input_embeddings()
    embeddings.weight = nn.Parameter(embeddings.weight[rows].clone())
    embeddings.num_embeddings, embeddings.padding_idx = len(order), new.get(embeddings.padding_idx)
    glyphs = getattr(base, "glyphs", None)
    if glyphs is not None and glyphs.table is not None:
        glyphs.table = glyphs.table[rows]
    model.config.vocab_size = len(order)
    for config in (model.config, getattr(model.config, "backbone_config", None)):
        if config is not None:
            _renumber(config, new)


def _renumber(config: PretrainedConfig, new: Mapping[int, int]) -> None:
    config._name_or_path = ""  # A folder of this machine.
    for name, value in list(vars(config).items()):
        if name.endswith("_token_id") and value is not None:
            olds = value if isinstance(value, list) else [value]
            found = [new[old] for old in olds if old in new]
            setattr(config, name, found if isinstance(value, list) else found[0] if found else None)


def _save_tokenizer(
    tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any], order: list[int], folder: Path
) -> None:
    save_tokenizer(tokenizer, folder)
    for file in {*tokenizer.vocab_files_names.values()} - {_TOKENIZER}:
        (folder / file).unlink(missing_ok=True)  # transformers 4 saves the whole vocabulary beside it.
    (folder / _TOKENIZER).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8", newline="\n")
    described = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    if "added_tokens_decoder" in described:
        new = {str(old): str(index) for index, old in enumerate(order)}
        added = described["added_tokens_decoder"]
        described["added_tokens_decoder"] = {new[old]: token for old, token in added.items()}
        write_json(folder / CONFIG_FILE, described)


def _check(folder: Path, sample: list[tuple[str, list[str]]], order: list[int]) -> None:
    """Compares the tokenizer that was written with the one that it was made of."""
    settings = json.loads((folder / _TOKENIZER).read_text(encoding="utf-8"))
    cutter = _cutter(settings)
    differs = [text for text, tokens in sample if next(_cut(cutter, [text]))[3] != tokens]
    numbered = all(cutter.token_to_id(token["content"]) == token["id"] for token in settings["added_tokens"])
    if differs or not numbered or cutter.get_vocab_size() != len(order):
        what = f"cuts {differs[0]!r} otherwise" if differs else "numbers its added tokens otherwise"
        raise InputError(f"This tokenizer cannot be trimmed: without the other pieces it {what}. Nothing was written.")
