"""DLFA models. This file travels with every checkpoint: torch, transformers and stdlib only."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModel
from transformers.utils import ModelOutput

from .configuration_dlfa import DlfaConfig, check_fusion_weights
from .fusion_dlfa import FUSION_CLASSES, masked_mean, take
from .pretrained_dlfa import DlfaPreTrainedModel

# From a local folder transformers 4 takes along only what this very file imports.
from .weights_dlfa import check_weights  # noqa: F401


@dataclass
class DlfaModelOutput(ModelOutput):
    """Output of `DlfaModel`.

    Attributes:
        last_hidden_state: The fused stream, B x T x E.
        pooler_output: Activation of the pooler over the fused first token (or mean), B x E; None without a pooler.
        hidden_states: Of the backbone, before the fusion: embeddings and every block's output, each B x T x E.
        attentions: Of the backbone, each B x heads x T x T.
        fusion_weights: The gate, 0 at padding: B x T averaged over features, or B x T x E. With several lower layers
            and the `"select"` gate B x T x S (x E), the share of each stream, the last layer's first. None for
            fusions without a gate.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    fusion_weights: torch.Tensor | None = None


@dataclass
class DlfaClassifierOutput(ModelOutput):
    """Output of the task models.

    Attributes:
        loss: Scalar, with labels.
        logits: B x num_labels for sequences, B x T x num_labels for tokens.
        hidden_states: As in `DlfaModelOutput`.
        attentions: As in `DlfaModelOutput`.
        fusion_weights: As in `DlfaModelOutput`.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    fusion_weights: torch.Tensor | None = None


class Streams(NamedTuple):
    """What the fusion reads: the primary stream, the secondary ones (each B x T x E) and the padding mask (B x T)."""

    primary: torch.Tensor
    secondary: list[torch.Tensor]
    mask: torch.Tensor | None


class DlfaPooler(nn.Module):
    """BERT's pooler, a linear map and tanh, over what the pooling took from the fused stream (B x E to B x E)."""

    def __init__(self, config: DlfaConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = nn.Tanh()

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Maps B x E to B x E."""
        return self.activation(self.dense(pooled))


class DlfaModel(DlfaPreTrainedModel):
    """An encoder whose last layer is fused with lower layers (Chen et al. 2022).

    Args:
        config: Configuration; a pooler is built if its `add_pooling_layer` says so.
    """

    _no_split_modules: list[str] = []

    def __init__(self, config: DlfaConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModel.from_config(config.backbone_config)
        # The pooler reads the fused stream: inside the backbone it would be computed in vain.
        if getattr(self.backbone, "pooler", None) is not None:
            self.backbone.pooler = None
        self.fusion = FUSION_CLASSES[config.fusion](config, len(config.fusion_layers))
        self.pooler = DlfaPooler(config) if config.add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Returns the backbone's word embeddings."""
        return self.backbone.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the backbone's word embeddings."""
        self.backbone.set_input_embeddings(value)

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        output_fusion_weights: bool | str | None = None,
        pooled_output_only: bool = False,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> DlfaModelOutput | tuple[torch.Tensor, ...]:
        """Encodes, fuses and pools.

        Args:
            input_ids: B x T.
            attention_mask: B x T, 1 for a real token, 0 for padding; all real if None.
            token_type_ids: B x T; not read by backbones without segment embeddings.
            position_ids: B x T.
            inputs_embeds: B x T x E, instead of `input_ids`.
            output_attentions: Whether to return the backbone's attentions.
            output_hidden_states: Whether to return the backbone's hidden states, or the numbers of those to return;
                the others are None then.
            output_fusion_weights: True for the gate averaged over features, `"full"` for the whole.
            pooled_output_only: Compute the fused stream only where the pooler reads it; `last_hidden_state` is None.
            return_dict: Whether to return a `DlfaModelOutput` or a tuple.
            kwargs: Further arguments of the backbone.

        Raises:
            ValueError: A mask that is not B x T where the fusion reads whole sentences; `pooled_output_only` without
                a pooler; an `output_fusion_weights` that does not exist.
        """
        return_dict = self.config.return_dict if return_dict is None else return_dict
        if output_fusion_weights is None:
            output_fusion_weights = self.config.output_fusion_weights
        check_fusion_weights(output_fusion_weights)
        if pooled_output_only and self.pooler is None:
            raise ValueError("pooled_output_only needs a pooler: this model was built with add_pooling_layer=False.")
        streams, outputs = self._encode(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            **kwargs,
        )
        one_position = pooled_output_only and self.config.pooling == "cls"
        fused = gate = pooled = None
        if not one_position or output_fusion_weights:
            fused, gate = self.fusion(*streams)
        if self.pooler is not None:
            pooled = self.pooler(self._pool(streams, None if one_position else fused))
        output = DlfaModelOutput(
            last_hidden_state=None if pooled_output_only else fused,
            pooler_output=pooled,
            hidden_states=outputs.get("hidden_states"),
            attentions=outputs.get("attentions"),
            fusion_weights=self._fusion_weights(gate, streams.mask, output_fusion_weights),
        )
        return output if return_dict else output.to_tuple()

    def _encode(
        self,
        *,
        attention_mask: torch.Tensor | None,
        output_hidden_states: bool | int | Sequence[int] | None,
        **kwargs: Any,
    ) -> tuple[Streams, dict[str, Any]]:
        """Runs the backbone and returns the streams, and what else the caller asked for."""
        mask = attention_mask
        if mask is not None and mask.dim() != 2:
            if self.config.fusion == "aif" or self.config.pooling == "mean":
                raise ValueError(
                    f"attention_mask has shape {tuple(mask.shape)}; DLFA reads whole sentences and needs the B x T "
                    "padding mask."
                )
            mask = None
        if mask is not None and kwargs["inputs_embeds"] is not None:
            # Attention gives padding no weight, and 0 times NaN is NaN.
            kwargs["inputs_embeds"] = kwargs["inputs_embeds"].masked_fill(mask[..., None] == 0, 0.0)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if kwargs["output_attentions"] is None:
            kwargs["output_attentions"] = self.config.output_attentions
        if not getattr(self.config.backbone_config, "type_vocab_size", 0):
            kwargs.pop("token_type_ids", None)
        if isinstance(output_hidden_states, int) and not isinstance(output_hidden_states, bool):
            output_hidden_states = [output_hidden_states]
        layers = self.config.fusion_layers
        # From v5.1x on a list keeps those states alone; before, it is true and all are kept until this returns.
        asked = [] if isinstance(output_hidden_states, bool) else list(output_hidden_states or ())
        wanted = True if output_hidden_states is True else ([*layers, *asked] or None)
        kwargs = {key: value for key, value in kwargs.items() if value is not None}
        outputs = self.backbone(attention_mask=attention_mask, output_hidden_states=wanted, return_dict=True, **kwargs)
        primary = outputs.last_hidden_state
        secondary = [self._commensurate(outputs.hidden_states[layer], primary) for layer in layers]
        extra = {"attentions": outputs.get("attentions")}
        if output_hidden_states:
            extra["hidden_states"] = _select_states(outputs.hidden_states, output_hidden_states)
        return Streams(primary, secondary, mask), extra

    def _commensurate(self, stream: torch.Tensor, primary: torch.Tensor) -> torch.Tensor:
        if self.config.stream_norm == "layer_norm":
            stream = nn.functional.layer_norm(stream, stream.shape[-1:])
        return stream.to(primary.dtype)

    def _pool(self, streams: Streams, fused: torch.Tensor | None) -> torch.Tensor:
        """Returns what the pooler reads, B x E, from the fused stream or, without it, by fusing one position."""
        if fused is not None and self.config.pooling == "mean":
            return masked_mean(fused, streams.mask)[:, 0]
        if streams.mask is None:
            first = torch.zeros(streams.primary.size(0), dtype=torch.long, device=streams.primary.device)
        else:
            first = streams.mask.long().argmax(dim=1)  # Index 0, or beyond padding on the left.
        token = take(fused, first) if fused is not None else self.fusion(*streams, positions=first)[0]
        return token[:, 0]

    def _fusion_weights(
        self, gate: torch.Tensor | None, mask: torch.Tensor | None, wanted: bool | str | None
    ) -> torch.Tensor | None:
        if gate is None or not wanted:
            return None
        weights = gate if wanted == "full" else gate.mean(dim=-1)
        if mask is None:
            return weights
        return weights.masked_fill(mask.view(*mask.shape, *(1,) * (weights.dim() - 2)) == 0, 0.0)


class DlfaClassifier(DlfaPreTrainedModel):
    """What the task models share: DLFA, dropout and a linear classifier.

    Args:
        config: Configuration; its `add_pooling_layer` is set in an own copy, so that one can build both task models.
    """

    reads_pooler = False

    def __init__(self, config: DlfaConfig) -> None:
        if config.add_pooling_layer is not self.reads_pooler:
            config = copy.deepcopy(config)
            config.add_pooling_layer = self.reads_pooler
        super().__init__(config)
        self.num_labels = len(config.id2label or {})
        self.dlfa = DlfaModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        output_fusion_weights: bool | str | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> DlfaClassifierOutput | tuple[torch.Tensor, ...]:
        """Classifies sequences, with the gate computed only where the pooler reads, or tokens.

        Args:
            input_ids: As in `DlfaModel`.
            attention_mask: As there.
            token_type_ids: As there.
            position_ids: As there.
            inputs_embeds: As there.
            labels: Of tokens B x T class ids, -100 where a token does not count. Of sequences B class ids;
                B x num_labels of 0 and 1 (multi-label); B or B x num_labels numbers (regression). The problem type
                follows from them as in every transformers model, if the config leaves it open.
            output_attentions: As there.
            output_hidden_states: As there.
            output_fusion_weights: As there.
            return_dict: Whether to return a `DlfaClassifierOutput` or a tuple.
            num_items_in_batch: Number of labels in all micro-batches of a step, by which `Trainer` averages the loss.
            kwargs: Further arguments of the backbone.
        """
        return_dict = self.config.return_dict if return_dict is None else return_dict
        outputs = self.dlfa(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            output_fusion_weights=output_fusion_weights,
            pooled_output_only=self.reads_pooler,
            return_dict=True,
            **kwargs,
        )
        features = outputs.pooler_output if self.reads_pooler else outputs.last_hidden_state
        logits = self.classifier(self.dropout(features))
        output = DlfaClassifierOutput(
            loss=None if labels is None else self._loss(logits, labels.to(logits.device), num_items_in_batch),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            fusion_weights=outputs.fusion_weights,
        )
        return output if return_dict else output.to_tuple()

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, num_items: torch.Tensor | int | None) -> torch.Tensor:
        raise NotImplementedError


class DlfaForSequenceClassification(DlfaClassifier):
    """DLFA with a classifier over the pooled fused stream: sentences and sentence pairs.

    With `fusion="last"` on BERT weights it computes exactly what `BertForSequenceClassification` does.
    """

    reads_pooler = True

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, num_items: torch.Tensor | int | None) -> torch.Tensor:
        if self.config.problem_type is None:
            if self.num_labels == 1:
                self.config.problem_type = "regression"
            elif labels.dtype in (torch.long, torch.int):
                self.config.problem_type = "single_label_classification"
            else:
                self.config.problem_type = "multi_label_classification"
        if self.config.problem_type == "single_label_classification":
            loss: Any = nn.functional.cross_entropy
            logits, labels = logits.view(-1, self.num_labels), labels.view(-1)
        elif self.config.problem_type == "multi_label_classification":
            loss = nn.functional.binary_cross_entropy_with_logits
        else:
            loss, labels = nn.functional.mse_loss, labels.to(logits.dtype)
            if self.num_labels == 1:
                logits, labels = logits.squeeze(-1), labels.view(-1)
        return _average(loss, logits, labels, num_items)


class DlfaForTokenClassification(DlfaClassifier):
    """DLFA with a classifier over each token of the fused stream: named entities, parts of speech."""

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, num_items: torch.Tensor | int | None) -> torch.Tensor:
        logits, labels = logits.view(-1, self.num_labels), labels.view(-1)
        return _average(nn.functional.cross_entropy, logits, labels, num_items)


def _select_states(
    states: tuple[torch.Tensor, ...], selection: bool | Sequence[int]
) -> tuple[torch.Tensor | None, ...]:
    """Returns the hidden states with None for those that are not selected, as v5.1x does, for every backbone."""
    if isinstance(selection, bool):
        return states
    kept = {index % len(states) for index in selection if -len(states) <= index < len(states)}
    return tuple(state if index in kept else None for index, state in enumerate(states))


def _average(
    loss: Any, logits: torch.Tensor, labels: torch.Tensor, num_items: torch.Tensor | int | None
) -> torch.Tensor:
    """Returns the mean loss over this batch, or over all `num_items` labels of a step with several batches."""
    if num_items is None:
        return loss(logits, labels)
    if torch.is_tensor(num_items):
        num_items = num_items.to(logits.device)
    return loss(logits, labels, reduction="sum") / num_items
