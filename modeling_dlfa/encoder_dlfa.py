"""Encoders that DLFA wraps: their configurations and their weights. This file travels with every checkpoint."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoModel, PretrainedConfig, PreTrainedModel, __version__
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

# Their states are not B x T x E per layer, or they read more than token ids and a padding mask, or no mask at all.
UNFIT_MODEL_TYPES = ("fnet", "funnel", "layoutlm", "modernvbert", "perceiver", "reformer", "tapas", "wav2vec2")
EXAMPLES = "bert, xlm-roberta, distilbert, deberta-v2, modernbert and rembert"
HEADS = ("classifier.", "pooler.")  # Belong to a task; a model for another task lacks or drops them.
# With these a foreign nested config could run code or kernels from outside this repository, or read other files.
UNTRUSTED_KEYS = (
    *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
    *("experts_implementation", "_experts_implementation", "_experts_implementation_internal"),
    *("auto_map", "custom_pipelines", "trust_remote_code"),
    *("fusion_config", "quantization_config", "transformers_weights"),
)


def make_backbone_config(backbone_config: PretrainedConfig | Mapping[str, Any] | None) -> PretrainedConfig:
    """Returns a checked copy of an encoder's configuration without anything that could run foreign code.

    Args:
        backbone_config: A configuration, or a dictionary with a `model_type`; None for a `BertConfig`.

    Raises:
        ValueError: Not an encoder of the transformers library, or one that cannot be fused.
        TypeError: Neither a configuration nor a dictionary.
    """
    if isinstance(backbone_config, PretrainedConfig):
        if type(backbone_config) is not _library_class(backbone_config.model_type):
            raise ValueError(f"{type(backbone_config).__name__} is not a configuration of the transformers library.")
        config = copy.deepcopy(backbone_config)
        for key in UNTRUSTED_KEYS:
            if not key.endswith("_internal"):
                config.__dict__.pop(key, None)
            elif "/" in str(config.__dict__.get(key)):
                config.__dict__[key] = None  # A kernel from the Hub; "eager" and the like stay.
    elif backbone_config is None or isinstance(backbone_config, Mapping):
        values = _trusted({"model_type": "bert"} if backbone_config is None else backbone_config)
        config = _library_class(values.pop("model_type", None))(**values)
    else:
        raise TypeError(f"backbone_config is {type(backbone_config).__name__}; give a configuration or a dictionary.")
    _check_fit(config)
    config.dtype = None  # The whole model has one dtype, stored in the outer configuration.
    return config


def _trusted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration's values without the untrusted keys, at any depth."""
    return {k: _trusted(v) if isinstance(v, Mapping) else v for k, v in values.items() if k not in UNTRUSTED_KEYS}


def _library_class(model_type: Any) -> type[PretrainedConfig]:
    known = CONFIG_MAPPING[model_type] if model_type in CONFIG_MAPPING else None
    if known is None or not known.__module__.startswith("transformers."):
        raise ValueError(
            f"backbone_config has model_type={model_type!r}; only encoders that are part of the transformers library "
            f"can be wrapped, such as {EXAMPLES}."
        )
    return known


def _check_fit(config: PretrainedConfig) -> None:
    problem = None
    if getattr(config, "is_encoder_decoder", False):
        problem = "an encoder-decoder"
    elif getattr(config, "is_decoder", False):
        problem = "configured as a decoder (is_decoder=True)"
    elif config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        problem = "not a bidirectional text encoder"
    elif config.model_type in UNFIT_MODEL_TYPES:
        problem = "not an encoder that reads only tokens and returns a B x T x E state for each layer"
    elif not all((getattr(config, name, None) or 0) > 0 for name in ("hidden_size", "num_hidden_layers")):
        problem = "without a hidden_size or without blocks (num_hidden_layers)"
    if problem is not None:
        raise ValueError(
            f"The backbone {config.model_type!r} is {problem}; DLFA fuses layers of bidirectional text encoders such "
            f"as {EXAMPLES}."
        )


def load_encoder(name_or_path: str, config: PretrainedConfig, options: dict[str, Any]) -> tuple[PreTrainedModel, bool]:
    """Loads a whole encoder on one device, else raises a ValueError; also tells whether its pooler is new."""
    with whole_weights(name_or_path):
        encoder, info = AutoModel.from_pretrained(
            name_or_path, config=config, output_loading_info=True, use_safetensors=True, **options
        )
    if len(set(getattr(encoder, "hf_device_map", None) or {"": None}.values())) > 1:
        raise ValueError(
            f"device_map={options['device_map']!r} spreads the encoder over several devices, but fusion and head "
            "must be on its device. Name one, or save the model and give device_map to from_pretrained."
        )
    missing = [key for key in info["missing_keys"] if not key.startswith("pooler.")] or info["mismatched_keys"]
    if missing:
        raise ValueError(f"Incomplete {config.model_type!r} checkpoint {name_or_path}: no {missing}. Copy it again.")
    return encoder, bool(info["missing_keys"])


def share_encoder(encoder: PreTrainedModel, config: PretrainedConfig) -> PreTrainedModel:
    """Copies an encoder's modules and configuration; the copy shares the encoder's parameters and buffers.

    Raises a ValueError if it is not a plain encoder, or not the one that `config` describes.
    """
    tensors = [*encoder.parameters(), *encoder.buffers()]
    described = ("model_type", "hidden_size", "num_hidden_layers")
    differs = any(getattr(encoder.config, name) != getattr(config, name) for name in described)
    problems = {
        "is quantised": getattr(encoder, "hf_quantizer", None) is not None,
        "holds an adapter (merge it)": getattr(encoder, "_hf_peft_config_loaded", False),
        "is spread over devices": any(hasattr(module, "_hf_hook") for module in encoder.modules()),
        "has weights on the meta device": any(tensor.is_meta for tensor in tensors),
        "is not the plain encoder of its kind": type(encoder) is not MODEL_MAPPING[type(encoder.config)],
        "is not the encoder that config describes": differs,
    }
    for problem, holds in problems.items():
        if holds:
            raise ValueError(f"{type(encoder).__name__} cannot be wrapped: it {problem}.")
    own = make_backbone_config(encoder.config)
    own._attn_implementation = encoder.config._attn_implementation
    # deepcopy does not copy what its memo already holds.
    return copy.deepcopy(encoder, {id(encoder.config): own, **{id(tensor): tensor for tensor in tensors}})


def without_pooler(encoder: Any) -> Any:
    """Removes an encoder's pooler: ours reads the fused stream, and the encoder's would be computed in vain."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def pretrained_pooler(encoder: PreTrainedModel) -> nn.Linear | None:
    """Returns the linear map of an encoder's pooler if it is BERT's kind (linear map, then tanh)."""
    pooler = getattr(encoder, "pooler", None)
    dense = getattr(pooler, "dense", pooler)
    size = encoder.config.hidden_size
    fits = isinstance(dense, nn.Linear) and dense.weight.shape == (size, size) and dense.bias is not None
    activation = getattr(pooler, "activation", getattr(encoder, "pooler_activation", None))
    return dense if fits and (activation is torch.tanh or isinstance(activation, nn.Tanh)) else None


def find_weights(name_or_path: str | os.PathLike, variant: str | None, hub_arguments: Mapping[str, Any]) -> None:
    """Raises a ValueError if a checkpoint has no safetensors weights, before transformers looks for others."""
    middle = f".{variant}." if variant else "."
    names = [middle.join(name.rsplit(".", 1)) for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)]
    options = {key: value for key, value in hub_arguments.items() if key != "force_download"}
    for name in names:
        try:
            cached_file(name_or_path, name, **options)
            return
        except OSError as error:
            if error.__cause__ or error.errno:  # The Hub did not answer, or the disk is full: the file may exist.
                raise
    raise ValueError(
        f"{name_or_path} has no {names[0]}. DLFA reads only safetensors, because loading a pickle can run code. If "
        "you trust the file, load it with transformers, save it with save_pretrained, and use that folder."
    )


@contextlib.contextmanager
def whole_weights(name_or_path: str | os.PathLike, adapter: str | None = None) -> Iterator[Any]:
    """Turns errors about damaged files or an adapter into a ValueError that helps; gives what checks the report."""
    try:
        yield _check_loaded
    except Exception as error:
        if adapter is not None and not isinstance(error, OSError):
            way = f"Load {name_or_path}, then the adapter by peft.PeftModel.from_pretrained(model, {str(adapter)!r})."
            raise ValueError(f"transformers {__version__} cannot load this adapter itself ({error}). {way}") from error
        if type(error).__name__ != "SafetensorError":
            raise
        remedy = "Copy them again, from the Hub with force_download=True."
        raise ValueError(f"The weights of {name_or_path} are damaged ({error}). {remedy}") from error


def _check_loaded(model_name: str, info: Mapping[str, Iterable[Any]], ignore_mismatched_sizes: bool) -> None:
    """Checks that every weight came from the checkpoint, by the report of `from_pretrained`."""
    found = {
        key: sorted(name if isinstance(name, str) else name[0] for name in info.get(key, ()))
        for key in ("missing_keys", "mismatched_keys", "unexpected_keys")
    }
    body = {key: [e for e in names if not e.removeprefix("dlfa.").startswith(HEADS)] for key, names in found.items()}
    found["unexpected_keys"] = body["unexpected_keys"]
    titles = {"missing_keys": "lacks", "mismatched_keys": "has another size for", "unexpected_keys": "also has"}
    problems = [
        f"{titles[key]} {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        for key, names in (body if ignore_mismatched_sizes else found).items()
        if names
    ]
    if problems:
        message = f"The checkpoint does not fit {model_name}: it {'; it '.join(problems)}."
        if not any(body.values()):
            message += " ignore_mismatched_sizes=True starts with a new head, to be trained before use."
        raise ValueError(message)
