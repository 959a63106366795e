"""Base of the DLFA models: initialising, loading and saving weights. This file travels with every checkpoint."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import MODEL_MAPPING, AutoConfig, PreTrainedModel
from transformers.utils import logging

from .configuration_dlfa import SUMS_KEY, DlfaConfig, misspelt, plain_checkpoint_message
from .encoder_dlfa import find_weights, load_encoder, pretrained_pooler, share_encoder, whole_weights, without_pooler
from .fusion_dlfa import init_fusion
from .glyphs_dlfa import check_table, init_glyphs, load_glyphs

logger = logging.get_logger(__name__)

BACKEND_FLAGS = ("_supports_attention_backend", "_supports_flash_attn", "_supports_flex_attn", "_supports_sdpa")
HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
PUSH_ARGUMENTS = {"commit_description", "commit_message", "create_pr", "private", "revision", "tags", "token"}
# From v5.2x on the first is the name, and the second an alias that warns and goes away in v6.
NAMES = ("activation_checkpointing", "gradient_checkpointing")
# As it runs; transformers may copy another folder's over it. Not read where the configuration is: too soon for all.
CODE = {path.name: path.read_bytes() for path in sorted(Path(__file__).parent.glob("*_dlfa.py"))}
CHECKPOINTING = next(name for name in NAMES if hasattr(PreTrainedModel, f"{name}_enable"))


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
        init_glyphs(module)

    def smart_apply(self, fn: Any, *custom_code: bool) -> nn.Module:
        """Initialises every module. In others' code v5 skips modules whose weights all belong to their children.

        That protects loaded weights from being overwritten; `torch.nn.init`, used throughout here, does so anyway.
        """
        return super().smart_apply(fn, *(False for _ in custom_code))  # type: ignore[misc]

    def _enable_checkpointing(self, options: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        """Recomputes activations in the backward pass instead of keeping them.

        Raises:
            ValueError: Reentrant checkpointing, under which a lower layer's output would carry no gradient.
        """
        options = {"use_reentrant": False, **(options or kwargs.pop(f"{CHECKPOINTING}_kwargs", None) or {})}
        if options["use_reentrant"] and self.config.fusion != "last":
            raise ValueError(
                "Reentrant gradient checkpointing cuts the gradient of the lower layers that DLFA fuses; pass "
                'gradient_checkpointing_kwargs={"use_reentrant": False}.'
            )
        getattr(super(), f"{CHECKPOINTING}_enable")(options, *args, **kwargs)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike | None, *model_args: Any, **kwargs: Any
    ) -> DlfaPreTrainedModel:
        """Loads a complete DLFA checkpoint; arguments as for every transformers model.

        With `ignore_mismatched_sizes=True` the head may be new, as for other labels; a warning names it.

        Raises:
            ValueError: A plain encoder's or another model's checkpoint; no safetensors, or damaged; another format; a
                folder whose code transformers takes for another folder's; an adapter that it cannot load.
            OSError: A file is missing, or the Hub cannot be reached.
        """
        name = pretrained_model_name_or_path
        # Other formats, each read by a kind of pickle loader or by a separate parser.
        asked = [key for key in ("from_flax", "from_tf", "gguf_file") if kwargs.get(key)]
        asked += ["use_safetensors=False"] if kwargs.get("use_safetensors") is False else []
        if asked:
            raise ValueError(f"DLFA reads only safetensors; leave out {', '.join(asked)}.")
        if name is None:  # There is no checkpoint: `state_dict` says what is known.
            return super().from_pretrained(None, *model_args, **kwargs)
        hub_arguments = {key: kwargs[key] for key in HUB_ARGUMENTS if kwargs.get(key) is not None}
        try:
            saved, _ = DlfaConfig.get_config_dict(name, **hub_arguments)
        except OSError:
            if kwargs.get("config") is None:
                raise
            saved = {}  # Weights without a configuration: the given one counts.
        if saved.get("model_type", DlfaConfig.model_type) != DlfaConfig.model_type:
            raise ValueError(plain_checkpoint_message(saved["model_type"]))
        find_weights(name, kwargs.get("variant"), hub_arguments)
        wanted = kwargs.pop("output_loading_info", False)
        kwargs.update(use_safetensors=True, output_loading_info=True)
        if kwargs.get("trust_remote_code") and __name__.startswith("transformers_modules."):
            _check_code(name)
        with whole_weights(name, (kwargs.get("adapter_kwargs") or {}).get("_adapter_model_path")) as check:
            loaded: Any = super().from_pretrained(name, *model_args, **kwargs)
            check(cls.__name__, loaded[1], kwargs.get("ignore_mismatched_sizes", False))
        return loaded if wanted else loaded[0]

    def save_pretrained(
        self, save_directory: str | os.PathLike, is_main_process: bool = True, *args: Any, **kwargs: Any
    ) -> None:
        """Saves the model, its code and the sha256 of its weights; arguments as for every transformers model.

        Raises:
            ValueError: Another format than safetensors was asked for.
        """
        if not kwargs.pop("safe_serialization", True):
            raise ValueError("DLFA writes only safetensors; leave out safe_serialization=False.")
        push = kwargs.pop("push_to_hub", False)
        repo_id = kwargs.pop("repo_id", os.path.basename(os.path.abspath(save_directory)))
        push_arguments = {key: kwargs.pop(key) for key in PUSH_ARGUMENTS & kwargs.keys()}
        shown = type(self)
        # When FSDP2 shards a model, torch makes a new class of it, whose code transformers would save.
        self.__class__ = next(kind for kind in shown.__mro__ if not kind.__module__.startswith("torch."))
        try:
            super().save_pretrained(save_directory, is_main_process, *args, **kwargs)
        finally:
            self.__class__ = shown
        if is_main_process:
            _record_sums(Path(save_directory))
            for file, source in CODE.items() if self._auto_class else ():
                Path(save_directory, file).write_bytes(source)
        if push:  # Not within the call above: the files that it uploads have no sums yet.
            self.push_to_hub(repo_id, **push_arguments)

    @classmethod
    def from_backbone(
        cls,
        backbone: str | os.PathLike | PreTrainedModel,
        *,
        config: DlfaConfig | None = None,
        glyphs: str | os.PathLike | torch.Tensor | None = None,
        dtype: torch.dtype | str | None = None,
        attn_implementation: str | None = None,
        device_map: Any = None,
        **kwargs: Any,
    ) -> DlfaPreTrainedModel:
        """Wraps a pretrained encoder: loads its weights once, and newly initialises fusion and head.

        The encoder's own pooler, if any, is kept and reads the fused first token. Otherwise, and with mean
        pooling, the pooler is initialised as part of the head, and a warning says so. The model is in evaluation mode.

        Args:
            backbone: Hub id or folder of an encoder; or a model of transformers, whose encoder (`base_model`) is taken
                as it is: weights are shared, not copied, and training one model changes both.
            config: Configuration of the model, instead of its values among `kwargs`.
            glyphs: What each token looks like, for a visual stream: a folder that `dlfa glyphs` made of the encoder's
                own vocabulary, or your own table (V x d), one row per token id. It is saved in the checkpoint.
            dtype: Type of all weights, also named `torch_dtype`; float32 if None, which training needs.
            attn_implementation: `"sdpa"`, `"eager"`, ...; the backbone's default if None.
            device_map: Where to load the model, as for `from_pretrained`; all of it on one device.
            kwargs: Values of `DlfaConfig` (`fusion_layers=8`, `num_labels=3`, ...) and where to load from
                (`revision`, `token`, `cache_dir`, `local_files_only`, `subfolder`, ...).

        Raises:
            ValueError: A wrong configuration value, not a whole plain encoder in safetensors, several devices, glyphs
                of another vocabulary, or an argument that a model object already settles.
            TypeError: An argument that does not exist, or an object that is neither a name nor a model.
        """
        if kwargs.pop("quantization_config", None) is not None:
            raise TypeError(
                "from_backbone does not quantise, because fusion and head still have to be trained. Save the "
                "trained model, then load it with from_pretrained(folder, quantization_config=...)."
            )
        if dtype is not None and "torch_dtype" in kwargs:
            raise TypeError("dtype and torch_dtype are the same argument; give one of the two.")
        hub_arguments = {key: kwargs.pop(key) for key in HUB_ARGUMENTS if key in kwargs}
        options = {"dtype": kwargs.pop("torch_dtype", dtype), "attn_implementation": attn_implementation}
        options |= {"device_map": device_map, **hub_arguments}
        model: Any = backbone.base_model if isinstance(backbone, PreTrainedModel) else None
        if model is not None:
            settled = [name for name, value in options.items() if value is not None]
            if settled:
                raise ValueError(f"Leave out {', '.join(settled)}: a model object is used as it is.")
            backbone_config = model.config
        elif isinstance(backbone, (str, os.PathLike)):
            backbone_config = AutoConfig.from_pretrained(backbone, **hub_arguments)
        else:
            raise TypeError(
                "from_backbone takes a Hub id, a folder or a model of transformers, not "
                f"{type(backbone).__name__}. If it is a wrapper such as PEFT's, give the model inside."
            )
        if backbone_config.model_type == DlfaConfig.model_type:
            what = backbone if model is None else type(model).__name__
            raise ValueError(f"{what} is already a DLFA checkpoint: load it with from_pretrained.")
        known = DlfaConfig()
        if config is not None and (kwargs or getattr(config, "model_type", "") != known.model_type):
            raise TypeError(f"Give config=DlfaConfig(...) or its values; got {type(config).__name__} and {[*kwargs]}.")
        if unknown := [key for key in kwargs if not hasattr(known, key)]:
            meant = "".join(f" Did you mean {name}?" for name in map(misspelt, unknown) if name)
            raise TypeError(f"from_backbone has no argument {', '.join(unknown)}; see DlfaConfig.{meant}")
        name, values = getattr(model, "name_or_path", backbone), kwargs if config is None else vars(config)
        table = load_glyphs(glyphs, name, hub_arguments, values)
        config = DlfaConfig(backbone_config=backbone_config, **kwargs) if config is None else copy.deepcopy(config)
        check_table(config, table)
        if model is None:
            config._attn_implementation = attn_implementation
            find_weights(str(backbone), None, hub_arguments)
            options["dtype"] = options["dtype"] or torch.float32
            encoder, new = load_encoder(str(backbone), config.backbone_config, options)
        else:
            encoder, new = share_encoder(model, config.backbone_config), False
        config._attn_implementation = encoder.config._attn_implementation
        pooler = pretrained_pooler(encoder) if config.pooling == "cls" and not new else None
        return cls._assemble(config, encoder, pooler, table)

    @classmethod
    def _assemble(
        cls, config: DlfaConfig, backbone: PreTrainedModel, pooler: nn.Linear | None, table: torch.Tensor | None
    ) -> DlfaPreTrainedModel:
        with torch.device("meta"):  # So that no second backbone takes memory or time.
            model = cls(config)
        base: Any = model.base_model
        base.backbone = without_pooler(backbone)
        model.config.backbone_config = backbone.config
        if pooler is not None and base.pooler is not None:
            base.pooler.dense = pooler
        # The head comes before the fusion, so that one seed gives every fusion the same head.
        parts = {"classifier": getattr(model, "classifier", None), "pooler": base.pooler, "fusion": base.fusion}
        new = {name: part for name, part in {**parts, "glyphs": base.glyphs}.items() if part is not None}
        fresh = {name: part for name, part in new.items() if any(weight.is_meta for weight in part.parameters())}
        for part in fresh.values():
            part.to_empty(device=backbone.device).to(backbone.dtype).apply(model._init_weights)
        if table is not None:
            base.glyphs.fill(table)
        model.config.dtype = backbone.dtype
        if fresh:
            logger.warning(
                f"Newly initialised in {cls.__name__}, to be trained before use: {', '.join(sorted(fresh))}."
                + (" The pooler is part of the head, so the encoder's own is not used." if "pooler" in fresh else "")
            )
        return model.eval()


setattr(DlfaPreTrainedModel, f"{CHECKPOINTING}_enable", DlfaPreTrainedModel._enable_checkpointing)


def _check_code(folder: str | os.PathLike) -> None:
    """Raises a ValueError if a folder's code is not this: transformers takes equal names for one module."""
    for path, source in ((Path(folder, file), source) for file, source in CODE.items()):
        if path.is_file() and path.read_bytes() != source:
            raise ValueError(
                f"{path} is other code than what this process loaded from another folder called {path.parent.name!r}, "
                "and transformers would run that. Rename one of the two folders, or load them in two processes."
            )


def file_sha256(path: str | os.PathLike) -> str:
    """Returns the sha256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _record_sums(folder: Path) -> None:
    """Writes the sha256 of a folder's weights, if any, into its `config.json`, whole or not at all."""
    sums = {path.name: file_sha256(path) for path in sorted(folder.glob("model*.safetensors"))}
    if not sums:
        return  # Only an adapter was saved, without the model.
    path, new = folder / "config.json", folder / ".config.json.new"
    config = {**json.loads(path.read_text(encoding="utf-8")), SUMS_KEY: sums}
    new.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    os.replace(new, path)
