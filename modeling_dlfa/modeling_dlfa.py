"""DLFA models. This file travels with every checkpoint: torch, transformers and stdlib only."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput

# From a local folder transformers 4 copies only the files that this very file imports: so it imports all others.
from .configuration_dlfa import DlfaConfig
from .encoder_dlfa import without_pooler
from .fusion_dlfa import FUSION_CLASSES, masked_mean, take
from .glyphs_dlfa import GlyphStream, glyph_stream
from .pretrained_dlfa import DlfaPreTrainedModel
from .values_dlfa import check_fusion_weights

# What the fusion reads: the primary stream, the secondary ones (each B x T x E) and the padding mask (B x T).
Streams = tuple[Tensor, list[Tensor], Tensor | None]


@dataclass
class DlfaModelOutput(BaseModelOutputWithPooling):
    """Output of `DlfaModel`.

    `last_hidden_state` is the fused stream, `pooler_output` (B x E) what the pooler makes of it; `hidden_states` and
    `attentions` are the backbone's, before the fusion.

    Attributes:
        fusion_weights: The gate, 0 at padding: B x T averaged over features, or B x T x E. With several secondary
            streams and the `"select"` gate B x T x S (x E), the share of each stream: the last layer's, the lower
            layers', the glyphs'. None for fusions without a gate.
    """

    fusion_weights: Tensor | None = None


@dataclass
class DlfaClassifierOutput(SequenceClassifierOutput):
    """Output of the task models, with `logits` B x num_labels for sequences, B x T x num_labels for tokens.

    Attributes:
        fusion_weights: As in `DlfaModelOutput`.
    """

    fusion_weights: Tensor | None = None


class DlfaModel(DlfaPreTrainedModel):
    """An encoder whose last layer is fused with lower layers (Chen et al. 2022), and with what the tokens look like.

    Args:
        config: Configuration; its `add_pooling_layer` decides whether a pooler is built.
    """

    _no_split_modules: list[str] = []

    def __init__(self, config: DlfaConfig) -> None:
        super().__init__(config)
        self.backbone = without_pooler(AutoModel.from_config(config.backbone_config))
        self.fusion = FUSION_CLASSES[config.fusion](config, len(config.fusion_layers) + bool(config.glyph_size))
        self.glyphs = GlyphStream(config) if config.glyph_size else None
        self.pooler = None
        if config.add_pooling_layer:  # BERT's, over what the pooling takes from the fused stream.
            dense = nn.Linear(config.hidden_size, config.hidden_size)
            self.pooler = nn.Sequential(OrderedDict(dense=dense, activation=nn.Tanh()))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Returns the backbone's word embeddings."""
        return self.backbone.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the backbone's word embeddings; new ids have no look."""
        self.backbone.set_input_embeddings(value)
        if self.glyphs is not None:
            self.glyphs.resize(len(value.weight))  # type: ignore[arg-type]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        output_fusion_weights: bool | str | None = None,
        pooled_output_only: bool = False,
        return_dict: bool | None = None,
        visual_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> DlfaModelOutput | tuple[Tensor, ...]:
        """Encodes, fuses and pools.

        Args:
            input_ids: B x T.
            attention_mask: B x T, 1 for a real token, 0 for padding; all real if None.
            token_type_ids: B x T; not read by backbones without segment embeddings.
            position_ids: B x T.
            inputs_embeds: B x T x E, instead of `input_ids`.
            output_hidden_states: Whether to return the backbone's hidden states, or which of them.
            output_fusion_weights: True for the gate averaged over features, `"full"` for the whole.
            pooled_output_only: Compute the fused stream only where the pooler reads it; `last_hidden_state` is None.
            return_dict: Whether to return a `DlfaModelOutput` or a tuple.
            visual_embeds: B x T x d, or B x 1 x d for all tokens alike, instead of the glyphs of `input_ids`.
            kwargs: Further arguments of the backbone (`output_attentions`, ...).

        Raises:
            ValueError: A mask is not B x T where sentences are read whole; `pooled_output_only` without a pooler;
                an unknown `output_fusion_weights`; the tokens' looks are missing, or given but not read.
        """
        wanted = self.config.output_fusion_weights if output_fusion_weights is None else output_fusion_weights
        check_fusion_weights(wanted)
        if pooled_output_only and self.pooler is None:
            raise ValueError("pooled_output_only needs a pooler: this model was built with add_pooling_layer=False.")
        inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids, "position_ids": position_ids}
        inputs |= {"inputs_embeds": inputs_embeds, "visual_embeds": visual_embeds, **kwargs}
        streams, outputs = self._encode(attention_mask, output_hidden_states, inputs)
        one_position = pooled_output_only and self.config.pooling == "cls"
        fused = gate = pooled = None
        if not one_position or wanted:
            fused, gate = self.fusion(*streams)
        if self.pooler is not None:
            pooled = self.pooler(self._pool(streams, None if one_position else fused))
        output = DlfaModelOutput(
            last_hidden_state=None if pooled_output_only else fused,
            pooler_output=pooled,
            fusion_weights=_shown(gate, streams[2], wanted),
            **outputs,
        )
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def _encode(self, attention_mask: Tensor | None, states: Any, inputs: dict[str, Any]) -> tuple[Streams, dict]:
        """Runs the backbone and returns the streams, and what else the caller asked for."""
        mask = attention_mask
        if mask is not None and mask.dim() != 2:
            if self.config.fusion == "aif" or self.config.pooling == "mean" or self.config.glyph_size:
                raise ValueError(f"attention_mask is {tuple(mask.shape)}; DLFA needs the B x T padding mask.")
            mask = None
        if mask is not None and inputs["inputs_embeds"] is not None:
            # Attention gives padding weight 0, and 0 times NaN is NaN.
            inputs["inputs_embeds"] = inputs["inputs_embeds"].masked_fill(mask[..., None] == 0, 0.0)
        look = glyph_stream(self.glyphs, inputs, inputs.pop("visual_embeds"), mask)
        if inputs.get("output_attentions") is None:
            inputs["output_attentions"] = self.config.output_attentions
        if not getattr(self.config.backbone_config, "type_vocab_size", 0):
            del inputs["token_type_ids"]
        inputs = {name: value for name, value in inputs.items() if value is not None}
        wanted = self.config.output_hidden_states if states is None else states
        # From v5.1x on a list keeps those states alone; before, it is true and all are kept until this returns.
        asked = [] if isinstance(wanted, bool) else [wanted] if isinstance(wanted, int) else list(wanted or ())
        kept = True if wanted is True else ([*self.config.fusion_layers, *asked] or None)
        outputs = self.backbone(attention_mask=attention_mask, output_hidden_states=kept, return_dict=True, **inputs)
        primary, states = outputs.last_hidden_state, outputs.get("hidden_states")
        secondary = [states[layer] for layer in self.config.fusion_layers]
        if self.config.stream_norm == "layer_norm":
            secondary = [nn.functional.layer_norm(stream, stream.shape[-1:]) for stream in secondary]
        secondary = [stream.to(primary.dtype) for stream in (*secondary, *look)]
        if wanted is not True:  # None for states that were not asked for, whatever the backbone kept.
            shown = {index % len(states) for index in asked if -len(states) <= index < len(states)}
            states = tuple(state if index in shown else None for index, state in enumerate(states)) if asked else None
        return (primary, secondary, mask), {"hidden_states": states, "attentions": outputs.get("attentions")}

    def _pool(self, streams: Streams, fused: Tensor | None) -> Tensor:
        """Returns what the pooler reads, B x E, from the fused stream or, without it, by fusing one position."""
        primary, _, mask = streams
        if fused is not None and self.config.pooling == "mean":
            return masked_mean(fused, mask)[:, 0]
        # Index 0, or the first after padding on the left.
        first = primary.new_zeros(len(primary), dtype=torch.long) if mask is None else mask.long().argmax(dim=1)
        return (take(fused, first) if fused is not None else self.fusion(*streams, positions=first)[0])[:, 0]


class DlfaClassifier(DlfaPreTrainedModel):
    """What the task models share: DLFA, dropout and a linear classifier.

    Args:
        config: Configuration; `add_pooling_layer` is set in a copy, so that one config can build both task models.
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
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        visual_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> DlfaClassifierOutput | tuple[Tensor, ...]:
        """Classifies sequences, with the gate computed only where the pooler reads, or tokens.

        Args:
            input_ids: B x T; this and the next four as in `DlfaModel`.
            attention_mask: B x T.
            token_type_ids: B x T.
            position_ids: B x T.
            inputs_embeds: B x T x E.
            labels: For tokens B x T class ids, -100 where a token does not count. For sequences B class ids;
                B x num_labels of 0 and 1 (multi-label); B or B x num_labels numbers (regression). The problem type
                follows from them as in every transformers model, if the config leaves it open.
            return_dict: Whether to return a `DlfaClassifierOutput` or a tuple.
            num_items_in_batch: Number of labels in all micro-batches of a step, by which `Trainer` averages the loss.
            visual_embeds: As in `DlfaModel`.
            kwargs: Further arguments of `DlfaModel` (`output_fusion_weights`, ...) and of the backbone.
        """
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        kwargs["visual_embeds"] = visual_embeds
        outputs = self.dlfa(*inputs, pooled_output_only=self.reads_pooler, return_dict=True, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output if self.reads_pooler else outputs[0]))
        output = DlfaClassifierOutput(
            loss=None if labels is None else self._loss(logits, labels.to(logits.device), num_items_in_batch),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            fusion_weights=outputs.fusion_weights,
        )
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def _loss(self, logits: Tensor, labels: Tensor, num_items: Tensor | int | None) -> Tensor:
        return _average(nn.functional.cross_entropy, logits.view(-1, self.num_labels), labels.view(-1), num_items)


class DlfaForSequenceClassification(DlfaClassifier):
    """DLFA with a classifier over the pooled fused stream: sentences and sentence pairs.

    With `fusion="last"` on BERT weights it computes exactly what `BertForSequenceClassification` does.
    """

    reads_pooler = True

    def _loss(self, logits: Tensor, labels: Tensor, num_items: Tensor | int | None) -> Tensor:
        if self.config.problem_type is None:
            kind = "single_label" if labels.dtype in (torch.long, torch.int) else "multi_label"
            self.config.problem_type = "regression" if self.num_labels == 1 else f"{kind}_classification"  # type: ignore[assignment]
        if self.config.problem_type == "single_label_classification":
            return super()._loss(logits, labels, num_items)
        if self.config.problem_type == "multi_label_classification":
            return _average(nn.functional.binary_cross_entropy_with_logits, logits, labels, num_items)
        if self.num_labels == 1:
            logits, labels = logits.squeeze(-1), labels.view(-1)
        return _average(nn.functional.mse_loss, logits, labels.to(logits.dtype), num_items)


class DlfaForTokenClassification(DlfaClassifier):
    """DLFA with a classifier over each token of the fused stream: named entities, parts of speech."""


def _shown(gate: Tensor | None, mask: Tensor | None, wanted: bool | str) -> Tensor | None:
    """Returns the requested form of the gate, 0 at padding."""
    if gate is None or not wanted:
        return None
    weights = gate if wanted == "full" else gate.mean(dim=-1)
    ones = (1,) * (weights.dim() - 2)
    return weights if mask is None else weights.masked_fill(mask.view(*mask.shape, *ones) == 0, 0.0)


def _average(loss: Any, logits: Tensor, labels: Tensor, num_items: Tensor | int | None) -> Tensor:
    """Returns the mean loss over this batch, or over all `num_items` labels of a step with several batches."""
    if num_items is None:
        return loss(logits, labels)
    return loss(logits, labels, reduction="sum") / torch.as_tensor(num_items, device=logits.device)
