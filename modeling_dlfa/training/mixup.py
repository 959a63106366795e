"""`--mixup`: training embeddings are mixed with those of the words that a teacher proposed (our reading of SALT)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from ..data.mixup import MixupTable
from ..errors import InputError
from ..modeling_dlfa import DlfaModel
from ..pretrained_dlfa import file_sha256
from .options import MIXUP_OPTIONS, DataArguments, ModelArguments

if TYPE_CHECKING:
    from datasets import Dataset

ROW = "mixup_row"  # A training example's place in the table.
IDS, WEIGHTS = "mixup_ids", "mixup_weights"  # Of a batch, B x T x k.
PROBABILITY, LAMBDA = 0.15, 0.7


@dataclass(frozen=True)
class Mixup:
    """What is mixed into the training data of a command, and how.

    Attributes:
        table: What may be mixed into each token.
        probability: Share of the tokens that have proposals.
        weight: λ, the share of a mixed token's own embedding; not read with `alpha`.
        alpha: If given, λ is drawn for each token from Beta(alpha, alpha), and is 1 − λ where it would be below 0.5.
        sha256: Of the file.
    """

    table: MixupTable
    probability: float
    weight: float
    alpha: float | None
    sha256: str

    @classmethod
    def load(cls, data: DataArguments) -> Mixup | None:
        """Reads the file that `--mixup` names; None without one.

        Raises:
            InputError: It cannot be read.
        """
        if data.mixup is None:
            return None
        probability = PROBABILITY if data.mixup_probability is None else data.mixup_probability
        weight = LAMBDA if data.mixup_lambda is None else data.mixup_lambda
        return cls(MixupTable.load(data.mixup), probability, weight, data.mixup_alpha, file_sha256(data.mixup))

    def check(self, data: DataArguments, encoded: Dataset, tokenizer: PreTrainedTokenizerBase) -> None:
        """Checks that the table is of these examples and of the model's vocabulary.

        Raises:
            InputError: It is not.
        """
        if tokenizer.padding_side != "right":
            raise InputError("--mixup needs padding on the right, and this tokenizer pads on the left. Remove it.")
        self.table.check(encoded["input_ids"][:], tokenizer, str(data.mixup))

    def record(self) -> dict[str, Any]:
        """Returns the recipe's entry: what shapes a result."""
        how = f"lambda {self.weight}" if self.alpha is None else f"lambda of Beta({self.alpha}, {self.alpha})"
        return {"mixup": f"{how}, share {self.probability}, sha256 {self.sha256}"}

    def numbered(self, dataset: Dataset) -> Dataset:
        """Returns the training examples with their places in the table, which the collator reads."""
        return dataset.add_column(ROW, list(range(len(dataset))))

    def collator(self, inner: Callable[[Any], Any]) -> Callable[[Sequence[Mapping[str, Any]]], Any]:
        """Returns a collator that adds the proposals for a batch; batches without `mixup_row` stay as they are.

        Args:
            inner: Pads a batch on the right.
        """
        return _Collator(inner, self.table)

    def attach(self, model: nn.Module) -> None:
        """Makes a model mix embeddings while it is trained; it saves and predicts as before.

        Args:
            model: A DLFA model, on its own or within an adapter's.
        """
        base = next(module for module in model.modules() if isinstance(module, DlfaModel))
        base.register_forward_pre_hook(self._mix, with_kwargs=True)

    def _mix(self, model: DlfaModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        ids, weights = kwargs.pop(IDS, None), kwargs.pop(WEIGHTS, None)
        if ids is None or not model.training:
            return args, kwargs
        given = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
        places = (given["input_ids"], ids, weights, *self.drawn(weights))
        given["inputs_embeds"] = _mixed(model.get_input_embeddings(), *places)
        table = None if model.glyphs is None else model.glyphs.table
        if table is not None and given.get("visual_embeds") is None:
            given["visual_embeds"] = _mixed(lambda ids: nn.functional.embedding(ids, table).float(), *places)
        return (), {**given, "input_ids": None}

    def drawn(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Draws which tokens are mixed, and λ of each, from torch's own state, which a checkpoint keeps.

        Args:
            weights: B x T x k.

        Returns:
            The places of M tokens as a mask, B x T, and their M shares of their own embeddings.
        """
        mixed = (weights[..., 0] > 0) & (torch.rand(weights.shape[:2], device=weights.device) < self.probability)
        count = int(mixed.sum())
        if self.alpha is None:
            return mixed, torch.full((count,), self.weight, device=weights.device)
        alpha = torch.full((count,), float(self.alpha), device=weights.device)
        share = torch.distributions.Beta(alpha, alpha).sample() if count else alpha
        return mixed, torch.maximum(share, 1 - share)


_ARGUMENTS = tuple(inspect.signature(DlfaModel.forward).parameters)[1:]


def _mixed(
    look_up: Callable[[Tensor], Tensor], own: Tensor, ids: Tensor, weights: Tensor, mixed: Tensor, share: Tensor
) -> Tensor:
    """Returns B x T x E with λ·E[own] + (1 − λ)·Σ q·E[ids] where `mixed`, and E[own] elsewhere."""
    chosen = ids[mixed]
    # At once: each look-up has a gradient of the size of the vocabulary.
    rows = look_up(torch.cat([own.flatten(), chosen.flatten()]))
    size = rows.size(-1)
    mine, others = rows[: own.numel()].view(*own.shape, size), rows[own.numel() :].view(*chosen.shape, size)
    others = (others * weights[mixed][..., None]).sum(dim=1)
    share = share[:, None]
    return mine.index_put((mixed,), (share * mine[mixed] + (1 - share) * others).to(mine.dtype))


class _Collator:
    def __init__(self, inner: Callable[[Any], Any], table: MixupTable) -> None:
        self.inner = inner
        tensors = (table.offsets, table.positions, table.ids, table.weights)
        self.offsets, self.positions, self.ids, self.weights = (tensor.numpy() for tensor in tensors)

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Any:
        rows = [example[ROW] for example in examples if ROW in example]
        batch = self.inner([{name: value for name, value in one.items() if name != ROW} for one in examples])
        if not rows:
            return batch
        shape = (*batch["input_ids"].shape, self.ids.shape[1])
        ids, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for index, row in enumerate(rows):
            own = slice(self.offsets[row], self.offsets[row + 1])
            ids[index, self.positions[own]], weights[index, self.positions[own]] = self.ids[own], self.weights[own]
        # Half precision rounds; the shares still sum to 1.
        weights /= np.maximum(weights.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
        batch[IDS], batch[WEIGHTS] = torch.from_numpy(ids), torch.from_numpy(weights)
        return batch


def check_mixup(data: DataArguments, model: ModelArguments, *, do_train: bool, one_pass: bool) -> None:
    """Checks which options make sense together.

    Args:
        data: The options.
        model: Options beside which they have no effect.
        do_train: Whether the command trains.
        one_pass: Whether all systems of a seed are trained at once on one backbone.

    Raises:
        InputError: One has no effect, contradicts another or is out of range.
    """
    given = [name for name in MIXUP_OPTIONS if getattr(data, name) is not None]
    if data.mixup is None:
        if given:
            raise InputError(f"--{given[0]} has no effect without --mixup. Add that, or remove it.")
        return
    if not do_train:
        raise InputError("--mixup is for training, and --do_train is False. Remove one of the two.")
    if one_pass:
        raise InputError("--mixup is not for --one_pass, which reads embeddings once for all layers. Remove one.")
    if model.cache_frozen is not None:
        raise InputError("--cache_frozen keeps states of embeddings that --mixup would mix anew. Remove one.")
    if "mixup_lambda" in given and "mixup_alpha" in given:
        raise InputError("--mixup_lambda fixes what --mixup_alpha draws. Give one of the two.")
    for name, value in ((name, getattr(data, name)) for name in given):
        if not (0 <= value < 1 if name == "mixup_lambda" else 0 < value <= (1 if "prob" in name else 100)):
            wanted = {"mixup_lambda": "from 0 to below 1", "mixup_probability": "above 0, and up to 1"}
            raise InputError(f"--{name} {value}: give a number {wanted.get(name, 'above 0, and up to 100')}.")
