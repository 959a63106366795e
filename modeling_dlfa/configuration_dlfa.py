"""Configuration of the DLFA models. This file travels with every checkpoint: torch, transformers and stdlib only."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

FUSIONS = ("aif", "last", "mean", "concat", "scalar_mix")
GATES = ("select", "excite")
FUSION_NORMS = ("layer_norm", "rms_norm", "none")
FUSION_ACTIVATIONS = ("relu", "gelu", "tanh")
STREAM_NORMS = ("layer_norm", "none")
POOLINGS = ("cls", "mean")

# Their blocks add to an unnormalised residual stream and only the last output is normalised, so that a lower
# layer's output lies on another scale than the last one.
PRE_NORM_MODEL_TYPES = ("eurobert", "modernbert", "roberta-prelayernorm", "xlm-roberta-xl")

# What a stranger's nested config could use to run other code, or other kernels, than this repository's own, or to have
# other files read.
UNTRUSTED_KEYS = (
    "_attn_implementation",
    "_attn_implementation_internal",
    "_experts_implementation",
    "_experts_implementation_internal",
    "attn_implementation",
    "auto_map",
    "custom_pipelines",
    "experts_implementation",
    "fusion_config",
    "quantization_config",
    "transformers_weights",
    "trust_remote_code",
)
# The outer config may say how its own weights are quantised; its auto_map is always this repository's.
UNTRUSTED_OUTER_KEYS = tuple(key for key in UNTRUSTED_KEYS if key not in ("auto_map", "quantization_config"))

AUTO_MAP = {
    "AutoConfig": "configuration_dlfa.DlfaConfig",
    "AutoModel": "modeling_dlfa.DlfaModel",
    "AutoModelForSequenceClassification": "modeling_dlfa.DlfaForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_dlfa.DlfaForTokenClassification",
}


class DlfaConfig(PretrainedConfig):
    """Configuration of a DLFA model: a multilingual encoder whose last layer is fused with lower ones.

    Layers are numbered as in `hidden_states`: 0 the embeddings, k the output of the k-th block, negative from the end.
    Every value is checked here, so that a wrong one is found before any weight is loaded.

    Args:
        backbone_config: Configuration of the encoder, as an object or a dictionary with its `model_type`; any encoder
            of the transformers library with a masked-language-modelling head. Defaults to a `BertConfig`.
        fusion: What the task head reads. `"aif"`, attention-based fusion of the last layer with the lower ones;
            `"last"`, the last layer alone (the baseline); `"mean"`, their mean; `"concat"`, a linear map of their
            concatenation; `"scalar_mix"`, one learnt weight for every layer of the encoder (Peters et al. 2018).
        fusion_layers: The lower layer (an `int`, as in the paper) or layers to fuse with the last one; stored as a
            list of non-negative numbers. Defaults to two thirds of the depth (our reading: to be chosen by a sweep).
            `"last"` reads none, `"scalar_mix"` all.
        gate: Form of `"aif"`, with X the last layer, Y the lower one, a the gate: `"select"`, `a*X + (1-a)*Y`;
            `"excite"`, `a*(X+Y)`. Which of the two the paper uses is our reading.
        reduction_ratio: The r of the squeeze, E to E/r (Hu et al. 2018); divides the hidden size.
        fusion_norm: Normalisation between the two point-wise convolutions, over a token's own features:
            `"layer_norm"`, `"rms_norm"` or `"none"`.
        fusion_activation: Non-linearity between them: `"relu"`, `"gelu"` or `"tanh"`.
        gate_init: Gate at initialisation, in (0, 1): the share of the last layer with `"select"`, the scale of the
            sum with `"excite"`.
        stream_norm: `"layer_norm"` brings the lower layers to the scale of the last one by a normalisation without
            weights; `"none"` takes them as they are. Defaults to `"layer_norm"` for encoders that normalise before
            their blocks (ModernBERT), else `"none"`.
        pooling: What the sequence classifier reads: the fused first token (`"cls"`) or the mean over the fused tokens
            (`"mean"`).
        fusion_dropout: Dropout probability between the two point-wise convolutions.
        classifier_dropout: Dropout probability before the classifier. Defaults to the backbone's own.
        add_pooling_layer: Whether `DlfaModel` has a pooler. Set by the task classes, so that `AutoModel` loads
            whichever was saved without a missing weight.
        output_fusion_weights: Whether the models return the gate.
        text_columns: Names of what the task head was trained to read, in the tokenizer's order: of one text, of two
            (`["premise", "hypothesis"]`) or, for words, of the list of them. The runner records them, so that nobody
            gives single texts to a classifier of pairs; None where nobody did.
        kwargs: As for every configuration: `num_labels`, `id2label`, `problem_type`, ...

    Raises:
        ValueError: A value that does not exist or does not fit the backbone; the message names it and what would.

    Example:
        >>> from modeling_dlfa import DlfaConfig
        >>> DlfaConfig({"model_type": "bert", "num_hidden_layers": 12}, fusion_layers=-5).fusion_layers
        [8]
    """

    model_type = "dlfa"
    sub_configs = {"backbone_config": AutoConfig}

    def __init__(
        self,
        backbone_config: PretrainedConfig | Mapping[str, Any] | None = None,
        fusion: str = "aif",
        fusion_layers: int | Sequence[int] | None = None,
        gate: str = "select",
        reduction_ratio: int = 4,
        fusion_norm: str = "layer_norm",
        fusion_activation: str = "relu",
        gate_init: float = 0.5,
        stream_norm: str | None = None,
        pooling: str = "cls",
        fusion_dropout: float = 0.0,
        classifier_dropout: float | None = None,
        add_pooling_layer: bool = True,
        output_fusion_weights: bool = False,
        text_columns: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # Before super().__init__(), which hands attn_implementation and the like on to it.
        self.backbone_config = make_backbone_config(backbone_config)
        if stream_norm is None:
            stream_norm = "layer_norm" if self.backbone_config.model_type in PRE_NORM_MODEL_TYPES else "none"
        self.fusion = fusion
        self.fusion_layers = self._resolve_layers(fusion, fusion_layers)
        self.gate = gate
        self.reduction_ratio = reduction_ratio
        self.fusion_norm = fusion_norm
        self.fusion_activation = fusion_activation
        self.gate_init = gate_init
        self.stream_norm = stream_norm
        self.pooling = pooling
        self.fusion_dropout = fusion_dropout
        self.classifier_dropout = classifier_dropout
        self.add_pooling_layer = add_pooling_layer
        self.output_fusion_weights = output_fusion_weights
        self.text_columns = list(text_columns) if isinstance(text_columns, tuple) else text_columns
        self.check_values()
        for key in ("_attn_implementation_internal", "_experts_implementation_internal", "trust_remote_code"):
            kwargs.pop(key, None)
        kwargs.setdefault("pad_token_id", getattr(self.backbone_config, "pad_token_id", None))
        kwargs["tie_word_embeddings"] = False
        kwargs["auto_map"] = dict(AUTO_MAP)
        super().__init__(**kwargs)

    def _resolve_layers(self, fusion: str, layers: int | Sequence[int] | None) -> list[int]:
        """Returns the lower layers that the fusion reads, as non-negative numbers.

        Raises:
            ValueError: A layer that is no integer, lies outside the encoder, is its last layer, or is given twice.
        """
        depth = self.backbone_config.num_hidden_layers
        if fusion == "last":
            return []
        if fusion == "scalar_mix":
            return list(range(depth))
        if layers is None:
            return [round(2 * depth / 3)]
        given = [layers] if isinstance(layers, int) else list(layers)
        resolved = []
        for layer in given:
            if not isinstance(layer, int) or isinstance(layer, bool):
                raise ValueError(f"fusion_layers holds {layer!r}; layers are integers from 0 to {depth - 1}.")
            index = layer + depth + 1 if layer < 0 else layer
            if index == depth:
                raise ValueError(
                    f"fusion_layers={layers!r} names the last layer of this {depth}-layer backbone, with which the "
                    f"lower layers are fused; choose from 0 (the embeddings) to {depth - 1}."
                )
            if not 0 <= index < depth:
                raise ValueError(
                    f"fusion_layers={layers!r} lies outside this {depth}-layer backbone; choose from 0 (the "
                    f"embeddings) to {depth - 1}, or from {-depth - 1} to -2 counted from the end."
                )
            resolved.append(index)
        if not resolved:
            raise ValueError(f"fusion_layers is empty; fusion={fusion!r} needs at least one lower layer.")
        if len(set(resolved)) < len(resolved):
            raise ValueError(f"fusion_layers={layers!r} names a layer twice.")
        return resolved

    def check_values(self) -> None:
        """Checks every fusion value, also after attributes were set by hand; the models call it when they are built.

        Raises:
            ValueError: The first value that does not exist or does not fit the backbone.
        """
        for name, choices in {
            "fusion": FUSIONS,
            "gate": GATES,
            "fusion_norm": FUSION_NORMS,
            "fusion_activation": FUSION_ACTIVATIONS,
            "stream_norm": STREAM_NORMS,
            "pooling": POOLINGS,
        }.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} does not exist; choose from {', '.join(choices)}.")
        self._resolve_layers(self.fusion, self.fusion_layers)
        if self.fusion == "aif":
            self._check_ratio()
        if not _is_number(self.gate_init) or not 0 < self.gate_init < 1:
            raise ValueError(f"gate_init={self.gate_init!r} is no share; choose a number between 0 and 1.")
        for name in ("fusion_dropout", "classifier_dropout"):
            value = getattr(self, name)
            if value is None and name == "classifier_dropout":
                continue
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} is no dropout probability; choose a number from 0 to below 1.")
        names = self.text_columns
        if names is not None and not (isinstance(names, list) and names and all(isinstance(e, str) for e in names)):
            raise ValueError(f"text_columns={names!r} is not a list of names.")

    def _check_ratio(self) -> None:
        ratio = self.reduction_ratio
        if not isinstance(ratio, int) or isinstance(ratio, bool) or ratio < 1 or self.hidden_size % ratio:
            divisors = [str(r) for r in (1, 2, 4, 8, 16, 32) if self.hidden_size % r == 0]
            raise ValueError(
                f"reduction_ratio={ratio!r} does not divide the backbone's hidden size {self.hidden_size}; "
                f"choose for example from {', '.join(divisors)}."
            )

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> DlfaConfig:
        """Builds the configuration from the content of a `config.json`.

        Raises:
            ValueError: The dictionary is another model's, as of a plain encoder checkpoint.
        """
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(plain_checkpoint_message(model_type))
        # The sums are of the weights beside this file; other weights will have other ones.
        dropped = (*UNTRUSTED_OUTER_KEYS, "weights_sha256")
        return super().from_dict({key: value for key, value in config_dict.items() if key not in dropped}, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """Returns the values, as for every configuration; where the encoder was loaded from is not among them.

        transformers leaves that out of the outer configuration alone; it may be a path on its author's machine.
        """
        values = super().to_dict()
        values["backbone_config"].pop("_name_or_path", None)
        return values

    @property
    def hidden_size(self) -> int:
        """E, the number of features of a token."""
        return self.backbone_config.hidden_size

    @hidden_size.setter
    def hidden_size(self, value: int) -> None:
        self.backbone_config.hidden_size = value

    @property
    def num_hidden_layers(self) -> int:
        """Number of blocks of the backbone."""
        return self.backbone_config.num_hidden_layers

    @property
    def num_attention_heads(self) -> int:
        """Number of attention heads of a block."""
        return self.backbone_config.num_attention_heads

    @property
    def initializer_range(self) -> float:
        """Standard deviation of newly initialised weights, the backbone's own."""
        return getattr(self.backbone_config, "initializer_range", 0.02)

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding matrix; resizing the embeddings sets it."""
        return self.backbone_config.vocab_size

    @vocab_size.setter
    def vocab_size(self, value: int) -> None:
        self.backbone_config.vocab_size = value

    @property
    def classifier_dropout_prob(self) -> float:
        """Dropout probability before the classifier: `classifier_dropout`, else what the backbone's own head uses."""
        backbone = self.backbone_config
        for value in (
            self.classifier_dropout,
            getattr(backbone, "classifier_dropout", None),
            getattr(backbone, "classifier_dropout_prob", None),
            getattr(backbone, "seq_classif_dropout", None),
            getattr(backbone, "hidden_dropout_prob", None),
        ):
            if value is not None:
                return value
        return 0.1


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def make_backbone_config(backbone_config: PretrainedConfig | Mapping[str, Any] | None) -> PretrainedConfig:
    """Returns an own, checked copy of an encoder's configuration without anything that could run foreign code.

    Args:
        backbone_config: A configuration, or a dictionary with a `model_type`; None for a `BertConfig`.

    Raises:
        ValueError: No encoder of the transformers library.
        TypeError: Neither a configuration nor a dictionary.
    """
    if backbone_config is None:
        backbone_config = {"model_type": "bert"}
    if isinstance(backbone_config, PretrainedConfig):
        config_class = _library_config_class(backbone_config.model_type)
        if type(backbone_config) is not config_class:
            raise ValueError(_no_library_encoder(backbone_config.model_type))
        config = copy.deepcopy(backbone_config)
        for key in UNTRUSTED_KEYS:
            if not key.endswith("_internal"):
                config.__dict__.pop(key, None)
            elif "/" in str(config.__dict__.get(key)):
                config.__dict__[key] = None  # A kernel from the Hub; "eager" and the like stay.
    elif isinstance(backbone_config, Mapping):
        values = _trusted(backbone_config)
        model_type = values.pop("model_type", None)
        config_class = _library_config_class(model_type)
        if config_class is None:
            raise ValueError(_no_library_encoder(model_type))
        config = config_class(**values)
    else:
        raise TypeError(f"backbone_config is {type(backbone_config).__name__}; give a configuration or a dictionary.")
    _check_encoder(config)
    config.dtype = None  # The whole model has one dtype, kept in the outer configuration.
    return config


def _trusted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration's values without the untrusted keys, at any depth."""
    return {
        key: _trusted(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if key not in UNTRUSTED_KEYS
    }


def _library_config_class(model_type: str | None) -> type[PretrainedConfig] | None:
    if model_type is None or model_type not in CONFIG_MAPPING:
        return None
    config_class = CONFIG_MAPPING[model_type]
    return config_class if config_class.__module__.startswith("transformers.") else None


def _no_library_encoder(model_type: str | None) -> str:
    return (
        f"backbone_config has model_type={model_type!r}; only encoders that are part of the transformers library can "
        "be wrapped (bert, xlm-roberta, distilbert, deberta-v2, modernbert, rembert, ...)."
    )


def _check_encoder(config: PretrainedConfig) -> None:
    kind = None
    if getattr(config, "is_encoder_decoder", False):
        kind = "an encoder-decoder"
    elif getattr(config, "is_decoder", False):
        kind = "configured as a decoder (is_decoder=True)"
    elif config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        kind = "no bidirectional text encoder"
    if kind is not None:
        raise ValueError(
            f"The backbone {config.model_type!r} is {kind}; DLFA fuses layers of bidirectional text encoders such as "
            "bert, xlm-roberta, distilbert, deberta-v2, modernbert and rembert."
        )


def plain_checkpoint_message(model_type: str) -> str:
    """Returns what to tell whoever loads a plain `model_type` checkpoint as a DLFA checkpoint."""
    return (
        f"This is a plain {model_type!r} checkpoint, not a DLFA checkpoint: it has no fusion weights. Wrap it with "
        "`Dlfa….from_backbone(name_or_path, fusion_layers=…)`, for example "
        "`DlfaForSequenceClassification.from_backbone(…)`; `from_pretrained` loads what DLFA saved."
    )
