"""The file of what may be mixed into each token of the training data: pieces and their probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..files.writing import draft_file
from ..glyphs_dlfa import vocabulary_hash

FORMAT = 1
_MAKE = "Make one by dlfa augment --mixup_file."


@dataclass(frozen=True)
class MixupTable:
    """What may be mixed into which tokens of R encoded rows, in the order in which training encodes them.

    Attributes:
        sums: R numbers by which a row's token ids are recognised.
        offsets: R + 1 numbers; the N entries of row i are those from its offset to the next.
        positions: N places of tokens in their rows.
        ids: N x k pieces.
        weights: N x k probabilities in half precision; 0 where there are fewer than k pieces.
        settings: How it was made, and the SHA-256 of the vocabulary (`vocabulary`).
    """

    sums: Tensor
    offsets: Tensor
    positions: Tensor
    ids: Tensor
    weights: Tensor
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.sums)

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        metadata = {"format": str(FORMAT), "settings": json.dumps(self.settings)}
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        with draft_file(path) as draft:
            save_file(tensors, draft, metadata=metadata)

    @classmethod
    def load(cls, path: str | Path) -> MixupTable:
        """Reads a file.

        Raises:
            InputError: It is missing, damaged or of another format.
        """
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != str(FORMAT):
                    raise InputError(f"{path} is not a file of proposals for mixup, of format {FORMAT}. {_MAKE}")
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
                return cls(**tensors, settings=json.loads(metadata["settings"]))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} cannot be read as proposals for mixup ({error}). {_MAKE}") from error

    def check(self, encoded: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase, path: str) -> None:
        """Refuses a table of another vocabulary or other rows; rows behind the encoded ones do not matter.

        Args:
            encoded: Token ids of the encoded training rows.
            tokenizer: The model's.
            path: The file, for messages.

        Raises:
            InputError: It is.
        """
        if self.settings["vocabulary"] != vocabulary_hash(tokenizer):
            raise InputError(
                f"--mixup {path} has the pieces of {self.settings['teacher']}, another vocabulary than that of the "
                "model. Mixed embeddings need a teacher with the model's own vocabulary."
            )
        sums = row_sums(encoded)
        if len(sums) > len(self) or not np.array_equal(sums, self.sums[: len(sums)].numpy()):
            raise InputError(
                f"--mixup {path} was made of other rows than those to train on, or for another longest input. Make it "
                "by dlfa augment --mixup_file with the same --train_file, --max_length and --max_train_samples."
            )

    @classmethod
    def join(cls, tables: Iterable[MixupTable], settings: Mapping[str, Any]) -> MixupTable:
        """Returns tables of consecutive rows as one."""
        parts = list(tables)
        sizes = torch.cat([table.offsets.diff() for table in parts])
        rest = {name: torch.cat([getattr(table, name) for table in parts]) for name in _TENSORS if name != "offsets"}
        return cls(offsets=_offsets(sizes), **rest, settings=settings)

    @classmethod
    def of_rows(
        cls,
        encoded: Sequence[Sequence[int]],
        entries: Sequence[Mapping[int, tuple[NDArray[np.int32], NDArray[np.float32]]]],
        size: int,
    ) -> MixupTable:
        """Makes a table from entries.

        Args:
            encoded: Token ids of R rows.
            entries: For each row the places of tokens, each with up to k pieces and their probabilities.
            size: k.
        """
        flat = [(place, *found) for row in entries for place, found in sorted(row.items())]
        ids, weights = np.zeros((len(flat), size), np.int32), np.zeros((len(flat), size), np.float16)
        for index, (_, own, shares) in enumerate(flat):
            ids[index, : len(own)], weights[index, : len(own)] = own, shares
        return cls(
            sums=torch.from_numpy(row_sums(encoded)),
            offsets=_offsets(torch.tensor([len(row) for row in entries], dtype=torch.int64)),
            positions=torch.tensor([place for place, _, _ in flat], dtype=torch.int32),
            ids=torch.from_numpy(ids),
            weights=torch.from_numpy(weights),
            settings={},
        )


_TENSORS = ("sums", "offsets", "positions", "ids", "weights")


def row_sums(encoded: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Returns a number for each row by which its token ids are recognised."""
    digests = [blake2b(np.asarray(ids, dtype="<i8").tobytes(), digest_size=8).digest() for ids in encoded]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)


def _offsets(sizes: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
