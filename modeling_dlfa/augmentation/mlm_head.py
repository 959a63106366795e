"""Trains the head of a masked language model on an encoder that has none, the encoder frozen."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase, set_seed
from transformers.modeling_outputs import BaseModelOutput

from ..checkpoints.tokenizers import save_tokenizer
from ..data.files import PLACEHOLDER, expand_files, languages_on_disk
from ..data.places import draw
from ..errors import InputError
from ..files.folders import new_folder
from ..files.writing import write_json
from ..pretrained_dlfa import file_sha256
from .masked_lm import MaskedLM, load_masked_lm_tokenizer
from .pieces import text_lines

RECORD = "mlm_head.json"
HELD_OUT = 0.05
# Of the pieces that are asked for, so many stay as they are: the head also learns to read a word that stands there.
KEPT = 0.2
# Pieces that the text lacks get no other training than this distance to its rarest ones.
UNSEEN = 10.0


@dataclass(frozen=True)
class HeadSettings:
    """How a head is trained.

    Attributes:
        languages: Codes of the languages of the text, or `["all"]` that have a file.
        lines: Take the first lines of each text.
        max_length: Longest input in tokens; longer lines are cut.
        mlm_probability: Share of the pieces that are asked for, most of them masked.
        softmax_pieces: How many pieces of the text a softmax has, besides those asked for in its batch; drawn anew for
            every batch.
        num_train_epochs: Passes over the pieces that are asked for.
        learning_rate: At the start; it falls to 0.
        batch_size: Pieces of a step.
        seed: Of everything drawn.
    """

    languages: Sequence[str] = ("all",)
    lines: int = 1000
    max_length: int = 64
    mlm_probability: float = 0.15
    softmax_pieces: int = 4096
    num_train_epochs: int = 5
    learning_rate: float = 1e-3
    batch_size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("lines", "softmax_pieces", "num_train_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} {getattr(self, name)}: give 1 or more.")
        if not 0 < self.mlm_probability < 1:
            raise InputError(f"--mlm_probability {self.mlm_probability}: give a share above 0 and below 1.")
        if not self.learning_rate > 0:
            raise InputError(f"--learning_rate {self.learning_rate}: give a number above 0.")
        if self.max_length < 8:
            raise InputError(f"--max_length {self.max_length} leaves hardly a word to read. Give 8 or more.")


@dataclass(frozen=True)
class _Asked:
    """What the encoder makes of N pieces that are asked for (N x E), and the pieces (N)."""

    states: Tensor
    pieces: Tensor


def fit_mlm_head(
    encoder: str, text: str | os.PathLike, output_dir: str | os.PathLike, settings: HeadSettings | None = None
) -> dict[str, Any]:
    """Trains a head on unlabelled text and saves a masked language model that transformers loads.

    The head is what `AutoModelForMaskedLM` builds for the encoder; its decoder is tied to the word embeddings, which
    stay as they are, so that a dense layer, a normalisation and a bias are trained. The encoder reads the text
    once.

    Args:
        encoder: Folder or Hub id of an encoder whose tokenizer has a mask.
        text: A file with a sentence a line, or the name of several with `{language}` in it.
        output_dir: A new folder.
        settings: How it is trained.

    Returns:
        The record, also saved as `mlm_head.json`: texts, settings, how many pieces were learnt from, and on held-out
        lines the share of masked pieces that the head finds among the whole vocabulary (`accuracy`), also among its
        first five (`accuracy_top5`), beside that of the most frequent piece (`most_frequent`).

    Raises:
        InputError: The encoder cannot be loaded, has a head or cannot have such a one, or a file is in the way.
    """
    settings = settings or HeadSettings()
    with new_folder(Path(output_dir), "--output_dir") as folder:
        tokenizer = load_masked_lm_tokenizer(encoder, "ENCODER")
        files = _files(str(text), settings.languages)
        set_seed(settings.seed)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = MaskedLM(encoder, new_head=True, device=device)
        if not model.new:
            raise InputError(f"{encoder} has a head already. Use it as it is: dlfa augment --teacher {encoder}.")
        if not model.tied or model.decoder.bias is None:
            raise InputError(f"The decoder of {encoder} is not its embeddings and a bias, so it cannot be new.")
        known, held_out = _read(model, tokenizer, files, settings)
        with _Head(model) as head:
            _train(head, known, settings)
            record = _score(head, known, held_out)
        record |= {"settings": {**vars(settings), "languages": list(files)}}
        record |= {"encoder": encoder, "texts": {code: file_sha256(path) for code, path in files.items()}}
        model.put_decoder().save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        write_json(folder / RECORD, record)
    return record


def _files(text: str, languages: Sequence[str]) -> dict[str, Path]:
    if PLACEHOLDER not in text:
        return expand_files(text, ["text"])
    found = languages_on_disk(text) if list(languages) == ["all"] else list(languages)
    if not found:
        raise InputError(f"{text}: there is no file for any language. Check the path.")
    return expand_files(text, found)


@torch.no_grad()
def _read(
    model: MaskedLM, tokenizer: PreTrainedTokenizerBase, files: dict[str, Path], settings: HeadSettings
) -> tuple[_Asked, _Asked]:
    """Runs the encoder over the text; returns what to learn from and what is held out."""
    lines = [line for path in files.values() for line in text_lines(path, settings.lines)]
    length = min(settings.max_length, tokenizer.model_max_length)
    rows: list[list[int]] = tokenizer(lines, truncation=True, max_length=length)["input_ids"]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    special = torch.tensor(tokenizer.all_special_ids)
    found: tuple[list[_Asked], list[_Asked]] = ([], [])
    generator = torch.Generator().manual_seed(settings.seed)
    device = model.decoder.weight.device
    for start in tqdm(range(0, len(order), 32), desc="Reading", unit=" batches", leave=False, disable=None):
        batch = order[start : start + 32]
        inputs = tokenizer.pad({"input_ids": [rows[index] for index in batch]}, return_tensors="pt")
        ids = inputs["input_ids"]
        asked = torch.rand(ids.shape, generator=generator) < settings.mlm_probability
        asked &= ~torch.isin(ids, special)
        aside = torch.tensor([draw(settings.seed, "held out", index) < HELD_OUT for index in batch])[:, None]
        # On held-out lines all are masked: reading what stands there is no prediction.
        masked = asked & (aside | (torch.rand(ids.shape, generator=generator) >= KEPT))
        read = {**inputs, "input_ids": ids.masked_fill(masked, int(tokenizer.mask_token_id))}
        read = {name: values.to(device) for name, values in read.items()}
        states = model.whole.base_model(**read)[0]
        for part, wanted in zip(found, (asked & ~aside, asked & aside), strict=True):
            part.append(_Asked(states[wanted], ids[wanted].to(device)))
    known, held_out = (
        _Asked(torch.cat([one.states for one in part]), torch.cat([one.pieces for one in part])) for part in found
    )
    if not len(known.pieces) or not len(held_out.pieces):
        raise InputError(f"{', '.join(map(str, files.values()))}: too little text. Give some hundred lines.")
    return known, held_out


class _Given(nn.Module):
    """Stands in for the encoder and passes on what it computed earlier."""

    def forward(self, *args: Any, inputs_embeds: Tensor, **kwargs: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)


class _Head:
    """The head alone, while its context lasts: what it makes of hidden states, and its trained weights.

    Args:
        model: The model.
    """

    def __init__(self, model: MaskedLM) -> None:
        self.model = model
        self._prefix = model.whole.base_model_prefix
        self._encoder = model.whole.base_model

    def __enter__(self) -> _Head:
        setattr(self.model.whole, self._prefix, _Given())
        return self

    def __exit__(self, *error: object) -> None:
        setattr(self.model.whole, self._prefix, self._encoder)

    @property
    def bias(self) -> nn.Parameter:
        """A number for each of the V pieces."""
        bias: Any = self.model.decoder.bias
        return bias

    def parameters(self) -> list[nn.Parameter]:
        """What is trained: neither the encoder nor its embeddings."""
        return [*{id(weight): weight for weight in (*self.model.whole.parameters(), self.bias)}.values()]

    def features(self, states: Tensor) -> Tensor:
        """Returns what the decoder is given, N x H, for hidden states, N x E."""
        features: Tensor = self.model.whole(inputs_embeds=states[None]).logits[0]
        return features


def _train(head: _Head, known: _Asked, settings: HeadSettings) -> None:
    """Trains with a softmax over the batch's own pieces and a sample of the text's."""
    seen, counts = known.pieces.unique(return_counts=True)
    with torch.no_grad():  # Starts from how frequent the pieces are.
        logs = (counts / counts.sum()).log()
        head.bias.fill_(float(logs.min()) - UNSEEN)
        head.bias[seen] = logs.to(head.bias.dtype)
    size = len(known.pieces)
    steps = settings.num_train_epochs * math.ceil(size / settings.batch_size)
    optimiser = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    generator = torch.Generator().manual_seed(settings.seed)
    batches = (
        batch
        for _ in range(settings.num_train_epochs)
        for batch in torch.randperm(size, generator=generator).split(settings.batch_size)
    )
    for batch in tqdm(batches, total=steps, desc="Training", unit=" steps", leave=False, disable=None):
        pieces = known.pieces[batch]
        wanted = pieces.unique()
        others = seen[~torch.isin(seen, wanted)]
        share = min(1.0, settings.softmax_pieces / max(len(others), 1))
        drawn = others[torch.randperm(len(others), generator=generator)[: settings.softmax_pieces]]
        classes = torch.cat([wanted, drawn])
        logits = head.model.logits(head.features(known.states[batch]), classes)
        # A sampled piece stands for those that were not, so the sum is what it would be over all.
        logits[:, len(wanted) :] -= math.log(share)
        loss = nn.functional.cross_entropy(logits, torch.searchsorted(wanted, pieces))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def _score(head: _Head, known: _Asked, held_out: _Asked) -> dict[str, Any]:
    every = torch.arange(head.model.decoder.weight.size(0), device=held_out.pieces.device)
    found = [0, 0]
    for states, pieces in _batches(held_out):
        ranked = head.model.logits(head.features(states), every).topk(min(5, len(every))).indices == pieces[:, None]
        found = [found[0] + int(ranked[:, 0].sum()), found[1] + int(ranked.sum())]
    frequent = known.pieces.mode().values
    size = len(held_out.pieces)
    return {
        "accuracy": found[0] / size,
        "accuracy_top5": found[1] / size,
        "most_frequent": float((held_out.pieces == frequent).float().mean()),
        "held_out": size,
        "learnt_from": len(known.pieces),
        "vocabulary": len(known.pieces.unique()),
    }


def _batches(asked: _Asked, size: int = 128) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(asked.states.split(size), asked.pieces.split(size), strict=True)
