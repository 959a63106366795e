"""The hidden states of every layer for sentences and words, computed in batches and kept on disk."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ...data.windows import WordEncoder
from ...errors import InputError
from .encoders import Encoder

_SAME_RESULT = 1  # Part of every key: increased when the same inputs would give different states.


@dataclass(frozen=True)
class _Input:
    """One input of the encoder, and what is taken from it.

    Attributes:
        ids: Token ids, T.
        positions: Tokens whose states are taken, from 0.
        rows: For each of them, the row of the result to which it belongs; a row is the mean of its tokens.
    """

    ids: list[int]
    positions: list[int]
    rows: list[int]


@dataclass
class LayerStates:
    """Gives the states of sentences and words at all layers, from disk if they were computed before.

    States are identified by the encoder's weights and configuration and by the exact tokens it read, so another
    checkpoint, tokenizer, text or length is never mistaken for this one. Batch size and device, which change only
    rounding, do not count. A file takes layers x rows x features x 4 bytes and appears whole or not at all.

    Attributes:
        encoder: The encoder.
        folder: Where the states are kept; created with the first ones.
        batch_size: Inputs of a batch, sorted by length.
        truncated: How many sentences were longer than the encoder reads, and were cut; words are never cut.
        computed: How many tokens the encoder has read, without padding: 0 if all states came from disk.
    """

    encoder: Encoder
    folder: str | os.PathLike
    batch_size: int = 32
    truncated: int = 0
    computed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"The batch size is {self.batch_size}. Give 1 or more.")

    def sentences(self, texts: Sequence[str], seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Reads sentences; special tokens do not count as part of them.

        Args:
            texts: N sentences.
            seed: Seed for drawing one token per sentence.

        Returns:
            The mean of every sentence's tokens and the state of one of them, each (layers, N, E), mapped from disk.

        Raises:
            InputError: A text tokenises to nothing.
        """
        encoded = self.encoder.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.encoder.max_length,
            padding=False,
            return_special_tokens_mask=True,
            verbose=False,
        )
        self.truncated += sum(bool(encoding.overflowing) for encoding in encoded.encodings or ())
        rng = np.random.default_rng(seed)
        inputs = []
        for row, (ids, special) in enumerate(zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)):
            positions = [position for position, is_special in enumerate(special) if not is_special]
            if not positions:
                raise InputError(f"The tokenizer turns {texts[row]!r} into no tokens. Leave out such sentences.")
            one = positions[int(rng.random() * len(positions))]
            rows = [*[row] * len(positions), len(texts) + row]
            inputs.append(_Input(list(ids), [*positions, one], rows))
        states = self._states(inputs, 2 * len(texts))
        return states[:, : len(texts)], states[:, len(texts) :]

    def words(self, sentences: Sequence[list[str]]) -> NDArray[np.float32]:
        """Returns the state of the piece that carries each word's label, as (layers, words, E), mapped from disk.

        The words of all sentences follow one another; long sentences are read in overlapping windows.

        Raises:
            InputError: As for `WordEncoder`.
        """
        first = np.cumsum([0, *map(len, sentences)]).tolist()
        encoder = WordEncoder(self.encoder.tokenizer, self.encoder.max_length)
        inputs = [
            _Input(window.inputs["input_ids"], window.positions, [start + word for word in window.words])
            for start, windows in zip(first, encoder(sentences), strict=False)
            for window in windows
        ]
        return self._states(inputs, first[-1])

    def _states(self, inputs: list[_Input], n_rows: int) -> NDArray[np.float32]:
        read = [[entry.ids, entry.positions, entry.rows] for entry in inputs]
        key = hashlib.sha256(json.dumps([_SAME_RESULT, self.encoder.fingerprint, read]).encode()).hexdigest()
        path = Path(self.folder) / f"{key[:32]}.npy"
        shape = (self.encoder.n_layers, n_rows, self.encoder.n_features)
        if not path.is_file():
            self._compute(inputs, shape, path)
        states = np.load(path, mmap_mode="r", allow_pickle=False)
        if states.shape != shape or states.dtype != np.float32:
            raise InputError(f"{path} holds {states.shape} numbers instead of {shape}. Delete it.")
        return states

    def _compute(self, inputs: list[_Input], shape: tuple[int, ...], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted, free = 4 * math.prod(shape), shutil.disk_usage(path.parent).free
        if wanted > free:  # A mapped file that fills its disk ends the process without a message.
            raise InputError(
                f"{path.parent} has {free / 1e9:.1f} GB left, but the hidden states take "
                f"{wanted / 1e9:.1f}. Give another --states_dir, or fewer sentences."
            )
        draft = path.with_name(f"{path.stem}.{os.getpid()}.tmp")
        try:
            states = np.lib.format.open_memmap(draft, mode="w+", dtype=np.float32, shape=shape)
            order = sorted(inputs, key=lambda entry: -len(entry.ids))
            starts = range(0, len(order), self.batch_size)
            for start in tqdm(starts, desc="Encoding", unit=" batches", leave=False, disable=None):
                self._compute_batch(order[start : start + self.batch_size], states)
            states.flush()
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    @torch.inference_mode()
    def _compute_batch(self, batch: list[_Input], states: NDArray[np.float32]) -> None:
        model, padding = self.encoder.model, self.encoder.tokenizer.pad_token_id or 0
        width = max(len(entry.ids) for entry in batch)
        ids = torch.tensor([entry.ids + [padding] * (width - len(entry.ids)) for entry in batch])
        mask = torch.tensor([[1] * len(entry.ids) + [0] * (width - len(entry.ids)) for entry in batch])
        outputs = model(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            output_hidden_states=True,
            return_dict=True,
        )
        self.computed += int(mask.sum())
        taken = torch.tensor([index * width + place for index, entry in enumerate(batch) for place in entry.positions])
        rows, places = torch.tensor([row for entry in batch for row in entry.rows]).unique(return_inverse=True)
        counts = torch.bincount(places)[:, None].to(model.device)
        taken, places = taken.to(model.device), places.to(model.device)
        # A head reads the last layer; in pre-norm encoders it has passed the final norm.
        for layer, values in enumerate([*outputs.hidden_states[:-1], outputs.last_hidden_state]):
            flat = values.reshape(-1, values.shape[-1])[taken]
            means = flat.new_zeros(len(rows), flat.shape[-1]).index_add_(0, places, flat) / counts
            if not means.isfinite().all():
                raise InputError(
                    f"Layer {layer} of {self.encoder.name} is not finite (NaN or inf). Its weights are "
                    "damaged: copy them again."
                )
            states[layer, rows.numpy()] = means.cpu().numpy()
