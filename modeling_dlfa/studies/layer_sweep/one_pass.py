"""All candidate layers on one backbone: each with its own fusion and head, and one backbone pass per batch."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import ModelOutput

from ...modeling_dlfa import DlfaModel
from ...pretrained_dlfa import DlfaPreTrainedModel


@dataclass
class OnePassOutput(ModelOutput):
    """Output of `OnePassModel`.

    Attributes:
        loss: With labels, a scalar: its value is the mean of the candidates' losses, its gradient their sum's.
        logits: For each candidate, in order, what the model would return alone.
    """

    loss: torch.Tensor | None = None
    logits: tuple[torch.Tensor, ...] | None = None


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is scaled."""

    @staticmethod
    def forward(context: Any, states: torch.Tensor, scale: float) -> torch.Tensor:
        context.scale = scale
        return states.view_as(states)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0] * context.scale, None


class _Encoded(nn.Module):
    """Replaces a candidate's backbone and passes on what the one backbone computed."""

    def forward(self, *, encoded: BaseModelOutput, **unread: Any) -> BaseModelOutput:
        return encoded


class OnePassModel(nn.Module):
    """Candidates of a layer sweep that share one backbone and are trained together (our reading).

    Each candidate is an ordinary DLFA model without its backbone, so that fusion, pooler, head and loss are its own
    and computed by its own code. The backward pass starts from the sum of the N candidates' losses, and the hidden
    states that they share divide their gradient by N: the weights of a candidate get the whole gradient of
    its own loss, as when it is trained alone; the backbone gets the average of what the candidates would
    give it alone. Training alone therefore differs only in the backbone, which serves all candidates, and in whatever
    depends on all gradients together, such as their norm in `max_grad_norm`.

    Args:
        models: Each candidate's name and model, of one encoder with equal weights. The first backbone is kept,
            with its frozen parts; the models are changed and belong to this one.

    Raises:
        ValueError: There are none, two have the same name, or they differ in kind or encoder.
    """

    accepts_loss_kwargs = True
    main_input_name = "input_ids"

    def __init__(self, models: Iterable[tuple[str, DlfaPreTrainedModel]]) -> None:
        super().__init__()
        self.candidates = nn.ModuleDict()
        first: Any = None
        # A generator builds its next model after the last one's backbone is gone: at most two are in memory.
        for name, model in models:
            identity = type(model), model.config.backbone_config.to_dict()
            if first is None:
                first, self.encoder = identity, _encoder_of(model)
            if identity != first:
                raise ValueError(f"The candidate {name} has another kind or encoder than the first one.")
            if name in self.candidates:
                raise ValueError(f"Two candidates are called {name}.")
            model.base_model.backbone = _Encoded()
            self.candidates[name] = model
        if first is None:
            raise ValueError("There is no candidate to train.")
        layers = {layer for model in self._models() for layer in model.config.fusion_layers}
        self.layers = sorted(layers)
        self.config = self.encoder.config

    @property
    def names(self) -> list[str]:
        """Names of the candidates, in the order of the logits."""
        return list(self.candidates)

    def _models(self) -> list[DlfaPreTrainedModel]:
        return [cast(DlfaPreTrainedModel, model) for model in self.candidates.values()]

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> OnePassOutput:
        """Encodes once, then fuses and classifies with every candidate.

        Args:
            input_ids: B x T.
            attention_mask: B x T, 1 for a real token, 0 for padding; all real if None.
            token_type_ids: B x T; not read by backbones without segment embeddings.
            labels: As the candidates take them; the same for all.
            num_items_in_batch: As the candidates take it.
            kwargs: Further arguments of the backbone.
        """
        outputs = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            output_hidden_states=self.layers,
            return_dict=True,
            **kwargs,
        )
        encoded = BaseModelOutput(
            last_hidden_state=self._shared(outputs.last_hidden_state),
            hidden_states=tuple(self._shared(state) for state in outputs.hidden_states or ()),
        )
        answers = [
            model(
                input_ids=input_ids,  # To look up the glyphs.
                attention_mask=attention_mask,
                labels=labels,
                num_items_in_batch=num_items_in_batch,
                return_dict=True,
                encoded=encoded,
            )
            for model in self.candidates.values()
        ]
        loss = None
        if labels is not None:
            total = torch.stack([answer.loss for answer in answers]).sum()
            loss = total + (total / len(answers) - total).detach()
        return OnePassOutput(loss=loss, logits=tuple(answer.logits for answer in answers))

    def _shared(self, states: torch.Tensor | None) -> Any:
        """Returns hidden states that pass the candidates' average gradient on to the backbone."""
        return None if states is None else _ScaledGradient.apply(states, 1 / len(self.candidates))

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[DlfaPreTrainedModel]:
        """Lends one candidate as an ordinary DLFA model with the shared backbone in it, to save or to use.

        Args:
            name: Name of the candidate.
        """
        model: Any = self.candidates[name]
        stand_in, model.base_model.backbone = model.base_model.backbone, self.encoder.backbone
        try:
            yield model
        finally:
            model.base_model.backbone = stand_in


def _encoder_of(model: DlfaPreTrainedModel) -> DlfaModel:
    """Returns a model's backbone as a DLFA model without fusion: its last layer unchanged, and all lower ones."""
    config: Any = copy.deepcopy(model.config)
    config.fusion, config.fusion_layers, config.add_pooling_layer = "last", [], False
    config.glyph_size, config.glyph_kernel_size, config.glyph_table = 0, 1, True
    with torch.device("meta"):
        encoder = DlfaModel(config)
    encoder.backbone = model.base_model.backbone
    return encoder
