"""Configuration of the DLFA models. This file travels with every checkpoint: torch, transformers and stdlib only."""

from __future__ import annotations

import copy
import difflib
import inspect
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

FUSIONS = ("aif", "last", "mean", "concat", "scalar_mix")
GATES = ("select", "excite")
FUSION_NORMS = ("layer_norm", "rms_norm", "none")
FUSION_ACTIVATIONS = ("relu", "gelu", "tanh")
STREAM_NORMS = ("layer_norm", "none")
POOLINGS = ("cls", "mean")
# Which fusions read an option; what is not named here acts with all.
READ_BY = {
    "fusion_layers": ("aif", "mean", "concat"),
    "stream_norm": ("aif", "mean", "concat", "scalar_mix"),
    **dict.fromkeys(("gate", "reduction_ratio", "fusion_norm", "fusion_activation", "gate_init"), ("aif",)),
    **dict.fromkeys(("fusion_dropout", "output_fusion_weights"), ("aif",)),
}

# Their blocks add to an unnormalised residual stream and only the last output is normalised, so that a lower
# layer's output lies on another scale than the last one.
PRE_NORM_MODEL_TYPES = ("eurobert", "modernbert", "roberta-prelayernorm", "xlm-roberta-xl")

# Their states are not B x T x E a layer, or they read more than token ids and a padding mask, or no mask at all.
UNFIT_MODEL_TYPES = ("fnet", "funnel", "layoutlm", "modernvbert", "perceiver", "reformer", "tapas", "wav2vec2")

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
        output_fusion_weights: Whether the models return the gate: True for its mean over features, or `"full"`.
        kwargs: As for every configuration: `num_labels`, `id2label`, `problem_type`, ... Of `id2label` and `label2id`
            one is enough.

    Raises:
        ValueError: A value that does not exist, does not fit the backbone or cannot act with this fusion, or a
            mistyped option; the message names it and what would be right. `from_pretrained` and `from_dict` take what
            was saved as it is: options that cannot act get their defaults.

    Example:
        >>> from modeling_dlfa import DlfaConfig
        >>> DlfaConfig({"model_type": "bert", "num_hidden_layers": 12}, fusion_layers=-5).fusion_layers
        [8]
    """

    model_type = "dlfa"
    sub_configs = {"backbone_config": AutoConfig}
    keys_to_ignore_at_inference = ["fusion_weights"]

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
        output_fusion_weights: bool | str = False,
        **kwargs: Any,
    ) -> None:
        saved = kwargs.pop(_SAVED, False)
        # Before super().__init__(), which hands attn_implementation and the like on to it.
        self.backbone_config = make_backbone_config(backbone_config)
        self.fusion = fusion
        self.fusion_layers = self._resolve_layers(fusion, fusion_layers)
        self.gate = gate
        self.reduction_ratio = reduction_ratio
        self.fusion_norm = fusion_norm
        self.fusion_activation = fusion_activation
        self.gate_init = gate_init
        self.stream_norm = self._default("stream_norm") if stream_norm is None else stream_norm
        self.pooling = pooling
        self.fusion_dropout = fusion_dropout
        self.classifier_dropout = classifier_dropout
        self.add_pooling_layer = add_pooling_layer
        self.output_fusion_weights = output_fusion_weights
        self.check_values()
        idle = self._idle({**vars(self), "fusion_layers": fusion_layers})
        if saved:
            for name in idle:
                setattr(self, name, self._default(name))
        else:
            self._refuse(idle)
            self._check_names(kwargs)
        complete_labels(kwargs, saved)
        for key in ("_attn_implementation_internal", "_experts_implementation_internal", "trust_remote_code"):
            kwargs.pop(key, None)
        kwargs.setdefault("pad_token_id", getattr(self.backbone_config, "pad_token_id", None))
        kwargs["tie_word_embeddings"] = False
        kwargs["auto_map"] = dict(AUTO_MAP)
        super().__init__(**kwargs)

    def _default(self, name: str) -> Any:
        """Returns the value of an option that was not given."""
        if name == "fusion_layers":
            return self._default_layers(self.fusion)
        if name == "stream_norm":
            return "layer_norm" if self.backbone_config.model_type in PRE_NORM_MODEL_TYPES else "none"
        return OPTIONS[name].default

    def _idle(self, given: Mapping[str, Any]) -> list[str]:
        """Returns the options that were given another value than their default, and that this fusion does not read."""
        return [
            name
            for name, fusions in READ_BY.items()
            if self.fusion not in fusions and given.get(name) is not None and given[name] != self._default(name)
        ]

    def _refuse(self, idle: Sequence[str]) -> None:
        if idle:
            name, fusions = idle[0], " or ".join(f"fusion={fusion!r}" for fusion in READ_BY[idle[0]])
            raise ValueError(
                f"{name} has no effect with fusion={self.fusion!r}: only {fusions} reads it. Leave it out, or choose "
                "another fusion."
            )

    def _check_names(self, given: Mapping[str, Any]) -> None:
        """Checks that what every configuration would take as a note of one's own is not meant as an option."""
        _check_spelling(given)
        common = PretrainedConfig()
        for key, value in given.items():
            if hasattr(common, key) or key in ("auto_map", "tie_word_embeddings") or key.endswith("_token_id"):
                continue
            own = hasattr(self.backbone_config, key)
            if (own and getattr(self.backbone_config, key) != value) or (not own and hasattr(DlfaConfig, key)):
                raise ValueError(f"{key} is an option of the encoder, not of DlfaConfig: set it in backbone_config.")

    def _default_layers(self, fusion: str) -> list[int]:
        depth = self.backbone_config.num_hidden_layers
        if fusion in ("last", "scalar_mix"):
            return list(range(depth)) if fusion == "scalar_mix" else []
        if depth == 1:
            raise ValueError(
                "The backbone has one block, so that no lower one can be fused with it; give fusion_layers=0 for the "
                "embeddings, or fusion='last'."
            )
        return [round(2 * depth / 3)]

    def _resolve_layers(self, fusion: str, layers: int | Sequence[int] | None) -> list[int]:
        """Returns the lower layers that the fusion reads, as non-negative numbers.

        Raises:
            ValueError: A layer that is not an integer, lies outside the encoder, is its last layer, or is given twice.
        """
        depth = self.backbone_config.num_hidden_layers
        if layers is None or fusion in ("last", "scalar_mix"):
            return self._default_layers(fusion)
        resolved = []
        given = list(layers) if isinstance(layers, Sequence) else [layers]
        for layer in given:
            if isinstance(layer, bool) or not hasattr(layer, "__index__"):
                raise ValueError(f"fusion_layers holds {layer!r}; layers are integers from 0 to {depth - 1}.")
            index = operator.index(layer)
            index = index + depth + 1 if index < 0 else index
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

        Layers that were set by hand are numbered from 0 then, as those that were given.

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
        self.fusion_layers = self._resolve_layers(self.fusion, self.fusion_layers)
        if not isinstance(self.add_pooling_layer, bool):
            raise ValueError(f"add_pooling_layer={self.add_pooling_layer!r} is not True or False.")
        check_fusion_weights(self.output_fusion_weights)
        if self.fusion == "aif":
            self._check_ratio()
        if not _is_number(self.gate_init) or not 0 < self.gate_init < 1:
            raise ValueError(f"gate_init={self.gate_init!r} is not a share; choose a number between 0 and 1.")
        for name in ("fusion_dropout", "classifier_dropout"):
            value = getattr(self, name)
            if value is None and name == "classifier_dropout":
                continue
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} is not a dropout probability; choose a number from 0 to below 1.")

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
        """Builds the configuration from the content of a `config.json`; `kwargs` override what was saved.

        Raises:
            ValueError: The dictionary is another model's, as of a plain encoder checkpoint, or an override is wrong.
        """
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(plain_checkpoint_message(model_type))
        # The sums are of the weights beside this file; other weights will have other ones.
        dropped = (*UNTRUSTED_OUTER_KEYS, "weights_sha256")
        values = {key: value for key, value in config_dict.items() if key not in dropped}
        _check_spelling(kwargs)
        complete_labels(kwargs)
        overrides = dict(kwargs)  # Those that it knows are taken out of the others.
        loaded = super().from_dict({**values, _SAVED: True}, **kwargs)
        config: DlfaConfig = loaded[0] if isinstance(loaded, tuple) else loaded
        config._refuse(config._idle(overrides))
        return loaded

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


OPTIONS = dict(list(inspect.signature(DlfaConfig.__init__).parameters.items())[1:-1])
# Marks what `from_dict` was given: a file's values, which nobody may have meant.
_SAVED = "_saved"


def misspelt(name: str) -> str | None:
    """Returns the option that a name which is almost one means; else None."""
    known = [*OPTIONS, "num_labels", "id2label", "label2id", "problem_type"]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return close[0] if close and name not in known else None


def _check_spelling(names: Iterable[str]) -> None:
    for name in names:
        if meant := misspelt(name):
            raise ValueError(f"DlfaConfig has no option {name!r}; did you mean {meant!r}?")


def check_fusion_weights(value: Any) -> None:
    """Checks what was asked of `output_fusion_weights`.

    Raises:
        ValueError: Neither True, False nor `"full"`.
    """
    if not isinstance(value, bool) and value != "full":
        raise ValueError(f"output_fusion_weights={value!r} does not exist; choose from True, False, 'full'.")


def complete_labels(values: dict[str, Any], saved: bool = False) -> None:
    """Derives `id2label` and `label2id` from each other, in place.

    Args:
        values: Some values of a configuration.
        saved: Whether they come from a checkpoint, which is taken as it is, and whose labels give way to `num_labels`.

    Raises:
        ValueError: They contradict each other or `num_labels`, or the classes are not numbered from 0.
    """
    names, ids, count = values.get("id2label"), values.get("label2id"), values.get("num_labels")
    for key, given in {"id2label": names, "label2id": ids}.items():
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"{key} is {type(given).__name__}; give a dictionary of class ids and names.")
    if names is None and ids is None:
        return
    names = {int(i): name for i, name in (names or {i: name for name, i in (ids or {}).items()}).items()}
    ids = {name: int(i) for name, i in (ids or {name: i for i, name in names.items()}).items()}
    if saved and count not in (None, len(names)):
        del values["id2label"], values["label2id"]
        return
    if not saved:
        if ids != {name: i for i, name in names.items()}:
            raise ValueError(f"id2label={names} and label2id={ids} contradict each other; give one of the two.")
        if sorted(names) != list(range(len(ids))):
            raise ValueError(f"id2label={names}: give each class a name of its own, and number them from 0.")
        if count not in (None, len(names)):
            raise ValueError(f"num_labels={count}, but id2label names {len(names)} classes: leave num_labels out.")
    values.update(id2label=names, label2id=ids)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def make_backbone_config(backbone_config: PretrainedConfig | Mapping[str, Any] | None) -> PretrainedConfig:
    """Returns an own, checked copy of an encoder's configuration without anything that could run foreign code.

    Args:
        backbone_config: A configuration, or a dictionary with a `model_type`; None for a `BertConfig`.

    Raises:
        ValueError: Not an encoder of the transformers library, or one that cannot be fused.
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
        kind = "not a bidirectional text encoder"
    elif config.model_type in UNFIT_MODEL_TYPES:
        kind = "not an encoder that reads tokens alone and has a B x T x E state for each layer"
    elif not all((getattr(config, name, None) or 0) > 0 for name in ("hidden_size", "num_hidden_layers")):
        kind = "without a hidden_size or without blocks (num_hidden_layers)"
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
