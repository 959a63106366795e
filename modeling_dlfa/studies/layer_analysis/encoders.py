"""Encoders to analyse: plain ones of the transformers library, and the backbones of DLFA checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ...checkpoints.loading import cannot_load
from ...checkpoints.models import longest_input
from ...checkpoints.tokenizers import check_tokenizer
from ...checkpoints.weights import fingerprint
from ...configuration_dlfa import DlfaConfig
from ...errors import InputError
from ...files.finite import check_finite
from ...modeling_dlfa import DlfaModel


@dataclass(frozen=True)
class Encoder:
    """An encoder to analyse.

    Attributes:
        name: Folder or Hub id.
        model: The encoder itself; for a DLFA checkpoint its backbone.
        tokenizer: Its tokenizer.
        max_length: Longest input in tokens.
        fusion_layers: For a DLFA checkpoint the layers that it fuses, else None.
        fingerprint: sha256 of its weights and configuration.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    fusion_layers: list[int] | None
    fingerprint: str

    @property
    def n_layers(self) -> int:
        """Number of hidden states: the embeddings and every block's output."""
        return self.model.config.num_hidden_layers + 1

    @property
    def n_features(self) -> int:
        """Features of a hidden state."""
        return self.model.config.hidden_size


def load_encoder(
    name: str,
    *,
    tokenizer_name: str | None = None,
    max_length: int | None = None,
    device: str | torch.device = "cpu",
    **hub_arguments: Any,
) -> Encoder:
    """Loads an encoder of the transformers library, or the backbone of a DLFA checkpoint, in float32.

    Args:
        name: Folder or Hub id. Heads of a fine-tuned checkpoint are left out.
        tokenizer_name: Folder or Hub id of the tokenizer, if not the model's own.
        max_length: Longest input in tokens, if shorter than what the model reads.
        device: Where to compute.
        hub_arguments: `revision`, `token`, `cache_dir`.

    Raises:
        InputError: It cannot be loaded, is not an encoder, lacks weights or has some that are not finite, or does not
            fit its tokenizer.
    """
    try:
        config = AutoConfig.from_pretrained(name, **hub_arguments)
        if isinstance(config, DlfaConfig):
            model: Any = DlfaModel.from_pretrained(name, dtype=torch.float32, **hub_arguments)
        else:
            model = DlfaModel.from_backbone(name, fusion="last", add_pooling_layer=False, **hub_arguments)
        model = model.backbone.eval().to(device)
        tokenizer: Any = AutoTokenizer.from_pretrained(tokenizer_name or name, **hub_arguments)
    except (OSError, ValueError, RuntimeError) as error:
        remedy = (
            "Give the folder or Hub id of an encoder or a DLFA checkpoint, and a device that exists; name a tokenizer "
            "from elsewhere with --tokenizer_name."
        )
        raise cannot_load(name, error, remedy) from error
    check_finite(name, model.named_parameters(), "Copy it again, or train again.")
    check_tokenizer(tokenizer, tokenizer_name or name, model.config.vocab_size)
    longest = min(tokenizer.model_max_length, longest_input(model.config))
    special = tokenizer.num_special_tokens_to_add()
    if max_length is not None and not special < max_length <= longest:
        raise InputError(f"--max_length {max_length} is not between {special + 1} and {longest}, which fit {name}.")
    layers = list(config.fusion_layers) if isinstance(config, DlfaConfig) else None
    return Encoder(name, model, tokenizer, max_length or longest, layers, fingerprint(model))
