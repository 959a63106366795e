"""`transformers.Trainer` with an epoch-seeded, length-grouped order of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from ..checkpoints.tokenizers import save_tokenizer
from ..errors import InputError
from ..files.finite import check_finite
from .arguments import CrossLingualTrainingArguments
from .divergence import Diverged, Divergence
from .frozen_states import ROW, FrozenStates
from .mixup import ROW as MIXUP_ROW
from .processes import name_blocks

MEGABATCHES = 50


class LengthGroupedSampler(Sampler[int]):
    """Random order in which each batch holds examples of similar length.

    The examples are shuffled, cut into groups of 50 batches, sorted by length within a group, and the batches are
    shuffled; the first batch is the longest, so that a lack of memory shows at once. Unlike in transformers' sampler,
    the order depends only on the seed and the epoch, so it is the same in every process and in a resumed run.

    Args:
        lengths: Length of each example, in tokens.
        batch_size: Examples in a batch, over all processes.
        seed: Seed of the order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch whose order `__iter__` gives; the Trainer calls it."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        groups = [
            group[self.lengths[group].argsort(descending=True, stable=True)]
            for group in order.split(MEGABATCHES * self.batch_size)
        ]
        batches = [batch for group in groups for batch in group.split(self.batch_size)]
        # An incomplete batch must stay last: elsewhere it would shift all later ones.
        partial = [batches.pop()] if len(batches[-1]) < self.batch_size else []
        batches = [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]
        if batches:
            longest = max(range(len(batches)), key=lambda index: int(self.lengths[batches[index]].max()))
            batches[0], batches[longest] = batches[longest], batches[0]
        return iter(torch.cat(batches + partial).tolist())


class CrossLingualTrainer(Trainer):
    """`Trainer` that groups training examples by length reproducibly and evaluates in the order of the data set.

    `train_dataset` needs a column `length`. Models are saved without the pickle of the arguments, and with a tokenizer
    that transformers v4 and v5 both load.
    """

    args: CrossLingualTrainingArguments

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_blocks(self.accelerator, cast(PreTrainedModel, self.model))
        self.frozen_states: FrozenStates | None = None
        self.divergence = Divergence(self.args, self.accelerator)
        self.add_callback(self.divergence)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Trains on a batch and returns its loss; remembers whether the loss was finite."""
        loss = super().training_step(*args, **kwargs)
        self.divergence.add_loss(loss, self.state.global_step + 1)
        return loss

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        wanted = [MIXUP_ROW] if self.frozen_states is None else [MIXUP_ROW, ROW]  # The collators read them.
        known: Any = self._signature_columns
        known += [name for name in wanted if name not in known]

    def _prepare_inputs(self, inputs: Any) -> Any:
        inputs = super()._prepare_inputs(inputs)
        return inputs if self.frozen_states is None else self.frozen_states.take(inputs)

    def prediction_step(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Predicts a batch and returns loss, logits and labels; remembers whether they were finite."""
        outcome = super().prediction_step(*args, **kwargs)
        self.divergence.add_answers(outcome[:2])
        return outcome

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Predicts a data set.

        Raises:
            Diverged: Loss or logits are not finite.
        """
        outcome = super().evaluation_loop(*args, **kwargs)
        self.divergence.check_answers(self.state.global_step)
        return outcome

    def check_weights(self) -> None:
        """Refuses a trained model whose weights are not finite; without evaluation nothing else would show it.

        Raises:
            Diverged: They are not; the message names the tensor.
        """
        model = cast(nn.Module, self.accelerator.unwrap_model(self.model))
        where = f"{self.divergence.run} diverged by step {self.state.global_step}"
        try:
            check_finite(where, model.named_parameters(), self.divergence.remedy)
        except InputError as error:
            raise Diverged(str(error), "its weights are not finite") from error

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        if not self.args.groups_by_length:
            return super()._get_train_sampler(train_dataset)
        # Neighbouring batches, which different processes or accumulation steps read, are of similar length as well.
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        seed = self.args.data_seed if self.args.data_seed is not None else self.args.seed
        # The Trainer has removed the columns of `train_dataset` that the model does not read.
        dataset: Any = self.train_dataset
        return LengthGroupedSampler(dataset["length"][:], batch_size, seed)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves weights, code and tokenizer.

        Args:
            output_dir: Folder; `args.output_dir` if None.
            _internal_call: Set by the Trainer itself.
        """
        super().save_model(output_dir, _internal_call)
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            if isinstance(self.processing_class, PreTrainedTokenizerBase):
                save_tokenizer(self.processing_class, folder)
            (folder / "training_args.bin").unlink(missing_ok=True)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler | None:
        # The v5 Trainer would shuffle here, and predictions could not be traced to their rows.
        return SequentialSampler(eval_dataset)
