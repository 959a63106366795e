"""Configuration of the DLFA models. This file travels with every checkpoint: torch, transformers and stdlib only."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from .encoder_dlfa import UNTRUSTED_KEYS, make_backbone_config
from .glyphs_dlfa import check_glyphs
from .values_dlfa import CHOICES, PROBLEM_TYPES, READ_BY, check_fusion_weights, complete_labels, resolve_layers

# Only their last output is normalised, not the stream between the blocks: lower layers lie on another scale.
PRE_NORM_MODEL_TYPES = ("eurobert", "modernbert", "roberta-prelayernorm", "xlm-roberta-xl")
# The outer config may say how its own weights are quantised; its auto_map always names this repository's files.
UNTRUSTED_OUTER_KEYS = tuple(key for key in UNTRUSTED_KEYS if key not in ("auto_map", "quantization_config"))
OF_ENCODER = "{} is an option of the encoder, not of DlfaConfig: set it in backbone_config."
SUMS_KEY = "weights_sha256"  # One for each file of weights, in config.json.
HEADS = ("ForSequenceClassification", "ForTokenClassification")
AUTO_MAP = {"AutoConfig": "configuration_dlfa.DlfaConfig", "AutoModel": "modeling_dlfa.DlfaModel"}
AUTO_MAP |= {f"AutoModel{head}": f"modeling_dlfa.Dlfa{head}" for head in HEADS}


class DlfaConfig(PretrainedConfig):
    """Configuration of a DLFA model: a multilingual encoder whose last layer is fused with lower ones.

    Layers are numbered as in `hidden_states`: 0 the embeddings, k the output of the k-th block, negative from the end.

    Args:
        backbone_config: Configuration of the encoder, or a dictionary with its `model_type`; any encoder of the
            transformers library with a masked-language-modelling head. Defaults to a `BertConfig`.
        fusion: What the task head reads. `"aif"`, attention-based fusion of the last layer with the lower ones;
            `"last"`, the last layer alone (the baseline); `"layer"`, one lower layer alone; `"mean"`, the mean of all;
            `"concat"`, a linear map of their concatenation; `"scalar_mix"`, one weight per layer (Peters et al. 2018).
        fusion_layers: The lower layer (an `int`, as in the paper) or layers, stored as a list of non-negative numbers;
            `"layer"` reads one; with glyphs none is needed. Defaults to two thirds of the depth (our reading).
        gate: Form of `"aif"`, with X the last layer, Y the lower one, a the gate: `"select"`, `a*X + (1-a)*Y`;
            `"excite"`, `a*(X+Y)`. Which of the two the paper uses is our reading.
        reduction_ratio: The r of the squeeze, E to E/r (Hu et al. 2018); divides the hidden size.
        fusion_norm: Normalisation of each token between the two convolutions: `"layer_norm"`, `"rms_norm"`, `"none"`.
        fusion_activation: Non-linearity between them: `"relu"`, `"gelu"` or `"tanh"`.
        gate_init: Initial gate, in (0, 1): with `"select"` the last layer's share, with `"excite"` the sum's scale.
        stream_norm: `"layer_norm"` scales the lower layers to the last one, without weights; `"none"` does not.
            Defaults to the first for encoders that normalise before their blocks (ModernBERT), else to the second.
        pooling: What the sequence classifier reads: the fused first token (`"cls"`) or the mean over all (`"mean"`).
        fusion_dropout: Dropout probability between the two point-wise convolutions.
        classifier_dropout: Dropout probability before the classifier. Defaults to the backbone's own.
        add_pooling_layer: Whether `DlfaModel` has a pooler. The task classes set it.
        output_fusion_weights: Whether the models return the gate: True for its mean over features, or `"full"`.
        glyph_size: d, the columns of the table of what each token looks like, read as one more stream; 0 for none.
        glyph_kernel_size: Tokens that the visual stream's depth-wise convolution reads, an odd number; 1 for none.
        glyph_table: True, or the name of a control (`"permuted"`, ...); False: every call must pass `visual_embeds`.
        text_columns: Names of the columns that the task head was trained to read, in the tokenizer's order: one, two
            (`["premise", "hypothesis"]`) or, for words, their list; None if not recorded.
        kwargs: As for every configuration: `num_labels`; one of `id2label` and `label2id`; `problem_type`; ...

    Raises:
        ValueError: A value does not exist, does not fit the backbone or has no effect with this fusion, or an option
            is mistyped. `from_pretrained` and `from_dict` reset saved options that have no effect to their
            defaults.
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
        text_columns: Sequence[str] | None = None,
        glyph_size: int = 0,
        glyph_kernel_size: int = 1,
        glyph_table: bool | str = True,
        **kwargs: Any,
    ) -> None:
        saved = kwargs.pop(_SAVED, False)
        # Before super().__init__(), which passes attn_implementation and the like on to it.
        self.backbone_config = make_backbone_config(backbone_config)
        self.fusion = fusion
        self.glyph_size, self.glyph_kernel_size, self.glyph_table = glyph_size, glyph_kernel_size, glyph_table
        self.fusion_layers = resolve_layers(fusion, fusion_layers, self.num_hidden_layers, bool(glyph_size))
        self.gate, self.gate_init, self.reduction_ratio = gate, gate_init, reduction_ratio
        self.fusion_norm, self.fusion_activation = fusion_norm, fusion_activation
        self.stream_norm = self._default("stream_norm") if stream_norm is None else stream_norm
        self.pooling, self.add_pooling_layer = pooling, add_pooling_layer
        self.fusion_dropout, self.classifier_dropout = fusion_dropout, classifier_dropout
        self.output_fusion_weights = output_fusion_weights
        self.text_columns = list(text_columns) if isinstance(text_columns, tuple) else text_columns
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
        super().__init__(**{**kwargs, "tie_word_embeddings": False, "auto_map": dict(AUTO_MAP)})

    def _default(self, name: str) -> Any:
        """Returns the value of an option that was not given."""
        if name == "fusion_layers":
            return resolve_layers(self.fusion, None, self.num_hidden_layers)
        if name == "stream_norm":
            return "layer_norm" if self.backbone_config.model_type in PRE_NORM_MODEL_TYPES else "none"
        return OPTIONS[name].default

    def _idle(self, given: Mapping[str, Any]) -> list[str]:
        """Returns the options that this fusion does not read but whose values differ from their defaults."""
        return [
            name
            for name, fusions in READ_BY.items()
            if self.fusion not in fusions and given.get(name) is not None and given[name] != self._default(name)
        ]

    def _refuse(self, idle: Sequence[str]) -> None:
        if idle:
            name, those = idle[0], " or ".join(f"fusion={fusion!r}" for fusion in READ_BY[idle[0]])
            raise ValueError(f"{name} has no effect with fusion={self.fusion!r}: only {those} reads it. Leave it out.")

    def _check_names(self, given: Mapping[str, Any]) -> None:
        """Checks that a name which every configuration would keep as an extra attribute is not a mistyped option."""
        _check_spelling(given)
        common = PretrainedConfig()
        for key, value in given.items():
            if hasattr(common, key) or key in ("auto_map", "tie_word_embeddings") or key.endswith("_token_id"):
                continue
            if hasattr(self.backbone_config, key) and getattr(self.backbone_config, key) != value:
                raise ValueError(OF_ENCODER.format(key))

    def check_values(self) -> None:
        """Checks every value, and numbers layers that were set by hand from 0; the models call it when they are built.

        Raises:
            ValueError: The first value that does not exist or does not fit the backbone.
        """
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} does not exist; choose from {', '.join(choices)}.")
        check_glyphs(self)
        size, ratio, glyphs = self.hidden_size, self.reduction_ratio, bool(self.glyph_size)
        self.fusion_layers = resolve_layers(self.fusion, self.fusion_layers, self.num_hidden_layers, glyphs)
        if not isinstance(self.add_pooling_layer, bool):
            raise ValueError(f"add_pooling_layer={self.add_pooling_layer!r} is not True or False.")
        check_fusion_weights(self.output_fusion_weights)
        if self.fusion == "aif" and (type(ratio) is not int or ratio < 1 or size % ratio):
            fit = ", ".join(str(divisor) for divisor in (1, 2, 4, 8, 16, 32) if size % divisor == 0)
            raise ValueError(f"reduction_ratio={ratio!r} does not divide the hidden size {size}; choose from {fit}.")
        if not _is_number(self.gate_init) or not 0 < self.gate_init < 1:
            raise ValueError(f"gate_init must be between 0 and 1, got {self.gate_init!r}.")
        for name in ("fusion_dropout", "classifier_dropout"):
            value = getattr(self, name)
            if (value is not None or name == "fusion_dropout") and not (_is_number(value) and 0 <= value < 1):
                raise ValueError(f"{name}={value!r} is not a dropout probability; choose a number from 0 to below 1.")
        names = self.text_columns
        if names is not None and not (isinstance(names, list) and names and all(isinstance(e, str) for e in names)):
            raise ValueError(f"text_columns={names!r} is not a list of names.")

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> DlfaConfig:
        """Builds the configuration from the content of a `config.json`; `kwargs` override saved values.

        Raises:
            ValueError: The dictionary belongs to another model, such as a plain encoder, or an override is wrong.
        """
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(plain_checkpoint_message(model_type))
        dropped = (*UNTRUSTED_OUTER_KEYS, SUMS_KEY)  # Other weights have other sums.
        values = {key: value for key, value in config_dict.items() if key not in dropped}
        _check_spelling(kwargs)
        complete_labels(kwargs)
        overrides = dict(kwargs)  # Those that it knows are taken out of the others.
        loaded = super().from_dict({**values, _SAVED: True}, **kwargs)
        config: DlfaConfig = loaded[0] if isinstance(loaded, tuple) else loaded
        config.check_values()
        config._refuse(config._idle(overrides))
        return loaded

    def to_dict(self) -> dict[str, Any]:
        """Returns the values without the encoder's path, which may reveal something about its author's machine."""
        values = super().to_dict()
        values["backbone_config"].pop("_name_or_path", None)
        return values

    @property
    def hidden_size(self) -> int:
        """E, the number of features of a token."""
        return self.backbone_config.hidden_size

    @property
    def num_hidden_layers(self) -> int:
        """Number of blocks of the backbone."""
        return self.backbone_config.num_hidden_layers

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
        names = ("classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout", "hidden_dropout_prob")
        values = (self.classifier_dropout, *(getattr(self.backbone_config, name, None) for name in names))
        return next((value for value in values if value is not None), 0.1)


OPTIONS = dict(list(inspect.signature(DlfaConfig.__init__).parameters.items())[1:-1])
_SAVED = "_saved"  # Marks values that `from_dict` read from a file, which nobody may have chosen.


def misspelt(name: str) -> str | None:
    """Returns the option that a nearly matching name means; else None."""
    known = [*OPTIONS, "num_labels", "id2label", "label2id", "problem_type"]
    return None if name in known else next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.8)), None)


def _check_spelling(given: Mapping[str, Any]) -> None:
    kind = given.get("problem_type")
    if kind not in (None, *PROBLEM_TYPES):
        raise ValueError(f"problem_type={kind!r} does not exist; choose from {', '.join(PROBLEM_TYPES)}.")
    for name in given:
        if name == "glyphs":
            raise ValueError("DlfaConfig has no option 'glyphs': from_backbone(..., glyphs=...) takes them.")
        if meant := misspelt(name):
            raise ValueError(f"DlfaConfig has no option {name!r}; did you mean {meant!r}?")
        if isinstance(vars(DlfaConfig).get(name), property):
            raise ValueError(OF_ENCODER.format(name))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain_checkpoint_message(model_type: str) -> str:
    """Returns the message for whoever loads a plain `model_type` checkpoint as a DLFA checkpoint."""
    return (
        f"This is a plain {model_type!r} checkpoint, not a DLFA checkpoint: it has no fusion weights. Wrap it with "
        "`Dlfa….from_backbone(name_or_path, fusion_layers=…)`, for example "
        "`DlfaForSequenceClassification.from_backbone(…)`; `from_pretrained` loads what DLFA saved."
    )
