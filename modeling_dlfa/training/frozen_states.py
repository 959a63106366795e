"""Kept states of an encoder's frozen layers: read batch by batch, in the place of the blocks that computed them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..checkpoints.models import encoder_blocks
from ..errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

ROW, STATES = "frozen_row", "frozen_states"  # Names in the examples and in the batches.


@dataclass
class Kept:
    """The states of one data set's tokens, a file for each layer.

    Attributes:
        files: For each layer the file that holds N x E half-precision numbers, one row for each token.
        starts: Where each example's tokens begin, and where the last one's end.
    """

    files: dict[int, Path]
    starts: NDArray[np.int64]

    def __post_init__(self) -> None:
        self._open: dict[int, NDArray[np.float16]] = {}

    def read(self, layer: int, row: int) -> NDArray[np.float16]:
        """Returns the states of an example's tokens, T x E."""
        if layer not in self._open:
            self._open[layer] = np.load(self.files[layer], mmap_mode="r")
        return self._open[layer][self.starts[row] : self.starts[row + 1]]

    def __getstate__(self) -> dict[str, Any]:
        # A data loading process opens the files itself; pickled, an open one would be copied whole.
        return {**self.__dict__, "_open": {}}


class FrozenStates:
    """Puts kept states in the place of an encoder's frozen blocks.

    Up to the last frozen layer the encoder is then in evaluation mode: without dropout, an example has the same states
    in every epoch.

    Args:
        backbone: The encoder; its blocks are changed until `release`.
        depth: Number of frozen blocks, at least 1.
        layers: The layers whose states are kept; the last frozen one among them.
        kept: The kept states of each data set.
        wide: How many values each frozen block returns; 0 for the bare state.
    """

    def __init__(
        self, backbone: nn.Module, depth: int, layers: Sequence[int], kept: Sequence[Kept], wide: Sequence[int]
    ) -> None:
        self.layers = list(layers)
        self.kept = list(kept)
        self.firsts = np.cumsum([0, *(len(entry.starts) - 1 for entry in kept)])
        self.current: dict[int, torch.Tensor] | None = None
        self._blocks = frozen_blocks(backbone, depth)
        for index, block in enumerate(self._blocks):
            block.forward = self._stand_in(index + 1, block.forward, wide[index])
        self._locked = _evaluate_frozen(backbone)

    def _stand_in(self, layer: int, forward: Callable[..., Any], wide: int) -> Callable[..., Any]:
        def read(*args: Any, **kwargs: Any) -> Any:
            if self.current is None:
                return forward(*args, **kwargs)
            state = args[0] if args else kwargs["hidden_states"]
            if layer in self.current:
                state = self.current[layer].to(state.dtype)
            return (state, *[None] * (wide - 1)) if wide else state

        return read

    def numbered(self, dataset: Dataset, index: int) -> Dataset:
        """Returns a data set, the one that `kept[index]` belongs to, with a column that finds its examples' states."""
        return dataset.add_column(ROW, list(range(self.firsts[index], self.firsts[index + 1])))

    def gather(self, rows: Iterable[int], mask: torch.Tensor) -> torch.Tensor:
        """Returns the states of a batch.

        Args:
            rows: Values of the column that `numbered` adds.
            mask: B x T, 1 for a token.

        Returns:
            B x L x T x E in half precision, in the order of `layers`; 0 at padding.
        """
        states: Any = None
        firsts = mask.long().argmax(dim=1).tolist()  # Padding may be on the left.
        for place, (row, first) in enumerate(zip(rows, firsts, strict=True)):
            index = bisect_right(self.firsts, row) - 1
            for level, layer in enumerate(self.layers):
                found = self.kept[index].read(layer, row - int(self.firsts[index]))
                if states is None:
                    states = np.zeros((len(mask), len(self.layers), mask.shape[1], found.shape[1]), np.float16)
                states[place, level, first : first + len(found)] = found
        return torch.from_numpy(states)

    def take(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Removes the states from a prepared batch, and puts them in the place of the blocks until the next batch."""
        states = inputs.pop(STATES, None)
        self.current = None if states is None else dict(zip(self.layers, states.unbind(dim=1), strict=True))
        return inputs

    def release(self) -> None:
        """Gives the encoder its blocks back."""
        self.current = None
        for block in self._blocks:
            del block.forward
        for module in self._locked:
            del module.train


@dataclass
class StatesCollator:
    """Adds the frozen states to the batches of another collator.

    Attributes:
        collator: Makes a batch of examples.
        states: Where the states are read.
    """

    collator: Callable[[list[dict[str, Any]]], Any]
    states: FrozenStates

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        """Returns a batch, with the states as `STATES`."""
        rows = [example[ROW] for example in examples]
        batch = self.collator([{key: value for key, value in row.items() if key != ROW} for row in examples])
        batch[STATES] = self.states.gather(rows, batch["attention_mask"])
        return batch

    def __getstate__(self) -> dict[str, Any]:
        # A data loading process needs where to read, not the encoder.
        states = object.__new__(FrozenStates)
        states.__dict__ = {name: getattr(self.states, name) for name in ("layers", "kept", "firsts")}
        return {"collator": self.collator, "states": states}


def frozen_blocks(backbone: nn.Module, depth: int) -> list[nn.Module]:
    """Returns an encoder's first blocks.

    Raises:
        InputError: It does not keep its blocks in a list.
    """
    config: Any = backbone.config
    blocks = encoder_blocks(backbone, config.num_hidden_layers)
    if blocks is None:
        raise InputError(f"The blocks of {type(backbone).__name__} are not in a list. Leave out --cache_frozen.")
    return list(blocks[:depth])


def _evaluate_frozen(backbone: nn.Module) -> list[nn.Module]:
    """Puts every module whose weights are all frozen into evaluation mode for good; returns them."""
    frozen = []
    for module in backbone.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign, misc]
            frozen.append(module)
    return frozen
