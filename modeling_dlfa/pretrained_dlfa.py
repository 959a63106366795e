"""Base of the DLFA models: initialising and loading weights. This file travels with every checkpoint."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging

from .configuration_dlfa import DlfaConfig, make_backbone_config, misspelt, plain_checkpoint_message
from .fusion_dlfa import init_fusion
from .weights_dlfa import SUMS_KEY, check_loaded, check_weights, record_sums, refuse_other_formats

logger = logging.get_logger(__name__)

BACKEND_FLAGS = ("_supports_attention_backend", "_supports_flash_attn", "_supports_flex_attn", "_supports_sdpa")
# The parts of a checkpoint that belong to a task; a model for another one lacks or drops them.
HEADS = ("classifier.", "pooler.")
HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
PUSH_ARGUMENTS = (
    "commit_description",
    "commit_message",
    "create_pr",
    "private",
    "repo_id",
    "revision",
    "tags",
    "token",
)


@contextlib.contextmanager
def _own_class(model: nn.Module) -> Iterator[None]:
    """Gives a model that FSDP2 shards its class back: of that which torch made, transformers would save the code."""
    sharded = type(model)
    model.__class__ = next(kind for kind in sharded.__mro__ if not kind.__module__.startswith("torch."))
    try:
        yield
    finally:
        model.__class__ = sharded


class DlfaPreTrainedModel(PreTrainedModel):
    """Weight initialisation, and loading of DLFA checkpoints and of plain encoders, for all DLFA models."""

    config_class = DlfaConfig
    base_model_prefix = "dlfa"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True
    _supports_attention_backend = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_sdpa = True

    def __init__(self, config: DlfaConfig, *args: Any, **kwargs: Any) -> None:
        config.check_values()
        backbone_class = MODEL_MAPPING[type(config.backbone_config)]
        for flag in BACKEND_FLAGS:
            setattr(self, flag, getattr(backbone_class, flag, False))
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        init_fusion(module)

    @classmethod
    def is_custom_code(cls) -> bool:
        """Tells transformers v5 that weights are initialised through `torch.nn.init` alone, as in its own models.

        For other custom code it skips modules that hold weights only through their children, also a backbone's.
        """
        return False

    # From v5.2x on the first is the name, and the second an alias that warns and goes away in v6.
    if hasattr(PreTrainedModel, "activation_checkpointing_enable"):

        def activation_checkpointing_enable(
            self, activation_checkpointing_kwargs: dict[str, Any] | None = None, *args: Any, **kwargs: Any
        ) -> None:
            """Recomputes activations in the backward pass instead of keeping them.

            Raises:
                ValueError: Reentrant checkpointing, under which a lower layer's output would carry no gradient.
            """
            super().activation_checkpointing_enable(
                self._checkpointing(activation_checkpointing_kwargs), *args, **kwargs
            )

    else:

        def gradient_checkpointing_enable(
            self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            """Recomputes activations in the backward pass instead of keeping them.

            Raises:
                ValueError: Reentrant checkpointing, under which a lower layer's output would carry no gradient.
            """
            super().gradient_checkpointing_enable(self._checkpointing(gradient_checkpointing_kwargs), **kwargs)

    def _checkpointing(self, given: dict[str, Any] | None) -> dict[str, Any]:
        options = {"use_reentrant": False, **(given or {})}
        if options["use_reentrant"] and self.config.fusion != "last":
            raise ValueError(
                "Reentrant gradient checkpointing cuts the gradient of the lower layers that DLFA fuses; pass "
                'gradient_checkpointing_kwargs={"use_reentrant": False}.'
            )
        return options

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike | None, *model_args: Any, **kwargs: Any
    ) -> DlfaPreTrainedModel:
        """Loads a DLFA checkpoint, whole; arguments as for every transformers model.

        With `ignore_mismatched_sizes=True` the head may be a new one, as for another number of labels; a warning names
        it.

        Raises:
            ValueError: The checkpoint is a plain encoder's, has no safetensors weights, damaged ones, or not the ones
                that this model has.
            OSError: A file is missing, or the Hub cannot be reached.
        """
        refuse_other_formats(kwargs)
        if pretrained_model_name_or_path is None:  # There is no checkpoint: `state_dict` says what is known.
            return super().from_pretrained(None, *model_args, **kwargs)
        cls._check_checkpoint(pretrained_model_name_or_path, kwargs)
        wanted = kwargs.pop("output_loading_info", False)
        kwargs.update(use_safetensors=True, output_loading_info=True)
        loaded: Any = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        check_loaded(cls.__name__, loaded[1], HEADS, kwargs.get("ignore_mismatched_sizes", False))
        return loaded if wanted else loaded[0]

    @classmethod
    def _check_checkpoint(cls, name_or_path: str | os.PathLike, kwargs: dict[str, Any]) -> None:
        hub_kwargs = {key: kwargs[key] for key in HUB_ARGUMENTS if kwargs.get(key) is not None}
        try:
            saved, _ = DlfaConfig.get_config_dict(name_or_path, **hub_kwargs)
        except OSError:
            if kwargs.get("config") is None:
                raise
            saved = {}  # Weights without a configuration of their own: the given one counts.
        if saved.get("model_type", DlfaConfig.model_type) != DlfaConfig.model_type:
            raise ValueError(plain_checkpoint_message(saved["model_type"]))
        check_weights(name_or_path, saved.get(SUMS_KEY) or {}, kwargs.get("variant"), hub_kwargs)
        # What was fetched anew and found whole is what is to be read.
        kwargs.pop("force_download", None)

    def save_pretrained(  # type: ignore[override]  # What stands between differs between the versions.
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        state_dict: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves the model, its code and the sha256 of its weights; arguments as for every transformers model.

        Raises:
            ValueError: Another format than safetensors was asked for.
        """
        if not kwargs.pop("safe_serialization", True):
            raise ValueError("DLFA writes safetensors alone; leave out safe_serialization=False.")
        push = kwargs.pop("push_to_hub", False)
        repo_id = kwargs.pop("repo_id", os.path.basename(os.path.abspath(save_directory)))
        hub_kwargs = {key: kwargs.pop(key) for key in PUSH_ARGUMENTS if key in kwargs}
        with _own_class(self):
            super().save_pretrained(save_directory, is_main_process=is_main_process, state_dict=state_dict, **kwargs)
        if is_main_process:
            record_sums(save_directory)
        if push:
            # Not within the call above: what it uploads has no sums yet.
            self.push_to_hub(repo_id, **hub_kwargs)

    @classmethod
    def from_backbone(
        cls,
        backbone: str | os.PathLike | PreTrainedModel,
        *,
        config: DlfaConfig | None = None,
        dtype: torch.dtype | str | None = None,
        attn_implementation: str | None = None,
        device_map: Any = None,
        **kwargs: Any,
    ) -> DlfaPreTrainedModel:
        """Wraps a pretrained encoder: its weights are loaded once, fusion and head are newly initialised.

        The pooler of the checkpoint, where it has one, is kept and reads the fused first token. Elsewhere, and with
        mean pooling, the pooler is initialised as part of the head, and a warning says so.

        A model object keeps its modules and configuration as they are, and shares its weights: they are not copied,
        and training one model changes both.

        Args:
            backbone: Hub id or folder of an encoder checkpoint; or a model, whose encoder (`base_model`) is taken.
            config: Configuration of the model, instead of its values among `kwargs`.
            dtype: Of all weights, also named `torch_dtype`. float32 if None, also for half-precision checkpoints,
                since training needs it. A model object's own is kept; so are its device and its attention.
            attn_implementation: `"sdpa"`, `"eager"`, ...; the backbone's default if None.
            device_map: Where to load the model, as for `from_pretrained`; the whole of it on one device.
            kwargs: Values of `DlfaConfig` (`fusion_layers=8`, `num_labels=3`, ...) and where to load from
                (`revision`, `token`, `cache_dir`, `local_files_only`, `subfolder`, ...).

        Returns:
            The model, in evaluation mode.

        Raises:
            ValueError: A wrong configuration value, a checkpoint that is not a plain encoder, lacks weights of it or
                has no safetensors, several devices, or an argument that a model object has settled already.
            TypeError: An argument that does not exist, `quantization_config` among them, or an object that is neither
                a name nor a model of transformers.

        Example:
            >>> model = DlfaForSequenceClassification.from_backbone(
            ...     "google-bert/bert-base-multilingual-cased", fusion_layers=8, num_labels=3
            ... )
        """
        if kwargs.pop("quantization_config", None) is not None:
            raise TypeError(
                "from_backbone does not quantise: fusion and head are to be trained. Save the trained model, and load "
                "it with from_pretrained(folder, quantization_config=...)."
            )
        if dtype is not None and "torch_dtype" in kwargs:
            raise TypeError("dtype and torch_dtype are the same argument; give one of the two.")
        hub_kwargs = {key: kwargs.pop(key) for key in HUB_ARGUMENTS if key in kwargs}
        options = {
            "dtype": kwargs.pop("torch_dtype", dtype),
            "attn_implementation": attn_implementation,
            "device_map": device_map,
            **hub_kwargs,
        }
        model: Any = backbone.base_model if isinstance(backbone, PreTrainedModel) else None
        if model is not None:
            settled = [name for name, value in options.items() if value is not None]
            if settled:
                raise ValueError(f"Leave out {', '.join(settled)}: a model object is taken as it is.")
            backbone_config = model.config
        elif isinstance(backbone, (str, os.PathLike)):
            backbone_config = AutoConfig.from_pretrained(backbone, **hub_kwargs)
        else:
            raise TypeError(
                f"from_backbone takes a Hub id, a folder or a model of transformers, not {type(backbone).__name__}. "
                "Of a wrapper such as PEFT's or sentence-transformers' give the model inside."
            )
        if backbone_config.model_type == DlfaConfig.model_type:
            what = backbone if model is None else type(model).__name__
            raise ValueError(f"{what} is a DLFA checkpoint already: load it with from_pretrained.")
        known = DlfaConfig()
        unknown = [key for key in kwargs if config is not None or not hasattr(known, key)]
        if unknown:
            meant = "".join(f" Did you mean {name}?" for name in map(misspelt, unknown) if name)
            raise TypeError(
                f"from_backbone has no argument {', '.join(unknown)}; see DlfaConfig for what there is.{meant}"
            )
        if config is None:
            config = DlfaConfig(backbone_config=backbone_config, **kwargs)
        config = copy.deepcopy(config)
        if model is None:
            encoder, new = _load_encoder(str(backbone), config, options, hub_kwargs)
        else:
            encoder, new = _sharing_weights(model, config), False
        config._attn_implementation = encoder.config._attn_implementation
        pooler = _pretrained_pooler(encoder) if config.pooling == "cls" and not new else None
        return cls._assemble(config, encoder, pooler)

    @classmethod
    def _assemble(cls, config: DlfaConfig, backbone: PreTrainedModel, pooler: nn.Linear | None) -> DlfaPreTrainedModel:
        # On the meta device no second backbone takes memory or time.
        with torch.device("meta"):
            model = cls(config)
        base: Any = model.base_model
        base.backbone = backbone
        if getattr(base.backbone, "pooler", None) is not None:
            base.backbone.pooler = None
        model.config.backbone_config = backbone.config
        if pooler is not None and base.pooler is not None:
            base.pooler.dense = pooler
        # The head comes before the fusion, so that one seed gives every fusion the same head.
        parts = {"classifier": getattr(model, "classifier", None), "pooler": base.pooler, "fusion": base.fusion}
        fresh: dict[str, Any] = {name: part for name, part in parts.items() if part is not None and _on_meta(part)}
        for part in fresh.values():
            part.to_empty(device=backbone.device)
            part.to(backbone.dtype)
            part.apply(model._init_weights)
        model.config.dtype = backbone.dtype
        if fresh:
            logger.warning(
                f"Newly initialised in {cls.__name__}, to be trained before use: {', '.join(sorted(fresh))}."
                + (" The pooler is part of the head: no pretrained one serves it." if "pooler" in fresh else "")
            )
        return model.eval()


def _load_encoder(
    name_or_path: str, config: DlfaConfig, options: dict[str, Any], hub_kwargs: dict[str, Any]
) -> tuple[PreTrainedModel, bool]:
    """Loads an encoder, whole and on one device; returns it, and whether its pooler is a new one."""
    config._attn_implementation = options["attn_implementation"]
    check_weights(name_or_path, {}, None, hub_kwargs)
    encoder, info = AutoModel.from_pretrained(
        name_or_path,
        config=config.backbone_config,
        output_loading_info=True,
        use_safetensors=True,
        **{**options, "dtype": torch.float32 if options["dtype"] is None else options["dtype"]},
    )
    if len(set(getattr(encoder, "hf_device_map", None) or {"": None}.values())) > 1:
        raise ValueError(
            f"device_map={options['device_map']!r} spreads the encoder over several devices, and fusion and head "
            "belong on one with it. Name one device, or save the model and give device_map to from_pretrained."
        )
    missing = [key for key in info["missing_keys"] if not key.startswith("pooler.")]
    if missing or info["mismatched_keys"]:
        raise ValueError(
            f"{name_or_path} is not a whole {encoder.config.model_type!r} checkpoint: it lacks "
            f"{missing or info['mismatched_keys']}."
        )
    return encoder, bool(info["missing_keys"])


def _sharing_weights(encoder: PreTrainedModel, config: DlfaConfig) -> PreTrainedModel:
    """Returns a copy of a model's modules and configuration that has the model's own parameters and buffers."""
    tensors = [*encoder.parameters(), *encoder.buffers()]
    cannot = {
        "is quantised": getattr(encoder, "hf_quantizer", None) is not None,
        "holds an adapter (merge it)": getattr(encoder, "_hf_peft_config_loaded", False),
        "is spread over devices": any(hasattr(module, "_hf_hook") for module in encoder.modules()),
        "has weights on the meta device": any(tensor.is_meta for tensor in tensors),
        "is not the plain encoder of its kind": type(encoder) is not MODEL_MAPPING[type(encoder.config)],
        "is not the encoder that config describes": any(
            getattr(encoder.config, name) != getattr(config.backbone_config, name)
            for name in ("model_type", "hidden_size", "num_hidden_layers")
        ),
    }
    for problem, holds in cannot.items():
        if holds:
            raise ValueError(f"{type(encoder).__name__} cannot be wrapped: it {problem}.")
    own = make_backbone_config(encoder.config)
    own._attn_implementation = encoder.config._attn_implementation
    # What deepcopy finds in its memo it does not copy.
    return copy.deepcopy(encoder, {id(encoder.config): own, **{id(tensor): tensor for tensor in tensors}})


def _on_meta(module: nn.Module) -> bool:
    return any(parameter.is_meta for parameter in module.parameters())


def _pretrained_pooler(backbone: PreTrainedModel) -> nn.Linear | None:
    """Returns the linear map of a backbone's pooler if it is BERT's kind (linear map, then tanh)."""
    pooler = getattr(backbone, "pooler", None)
    dense = getattr(pooler, "dense", pooler)
    size = backbone.config.hidden_size
    fits = isinstance(dense, nn.Linear) and dense.weight.shape == (size, size) and dense.bias is not None
    activation = getattr(pooler, "activation", getattr(backbone, "pooler_activation", None))
    return dense if fits and (activation is torch.tanh or isinstance(activation, nn.Tanh)) else None
