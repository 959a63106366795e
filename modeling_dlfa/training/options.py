"""The runner's own options: what to fuse, on which data, what to compare. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Values that `DlfaConfig` accepts; `--help` and error messages need them before it can be imported.
CHOICES: dict[str, tuple[str, ...]] = {
    "fusion": ("aif", "last", "mean", "concat", "scalar_mix", "layer"),
    "gate": ("select", "excite"),
    "fusion_norm": ("layer_norm", "rms_norm", "none"),
    "stream_norm": ("layer_norm", "none"),
    "pooling": ("cls", "mean"),
}
# Which fusions read an option; an option that is not listed works with every fusion.
READ_BY: dict[str, tuple[str, ...]] = {
    "fusion_layers": ("aif", "mean", "concat", "layer"),
    "gate": ("aif",),
    "gate_init": ("aif",),
    "reduction_ratio": ("aif",),
    "fusion_norm": ("aif",),
    "fusion_dropout": ("aif",),
    "stream_norm": ("aif", "mean", "concat", "scalar_mix", "layer"),
    "glyph_size": ("aif", "mean", "concat", "scalar_mix"),
    "glyph_table": ("aif", "mean", "concat", "scalar_mix"),
    "glyph_kernel_size": ("aif", "mean", "concat", "scalar_mix"),
}
SAVE_DTYPES = ("float32", "float16", "bfloat16")
SAMPLE_STRATEGIES = ("first", "balanced")
PEFT_METHODS = ("lora", "frozen")
LORA_OPTIONS = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules")
MIXUP_OPTIONS = ("mixup_probability", "mixup_lambda", "mixup_alpha")
FUSION_OPTIONS = (
    "fusion",
    "fusion_layers",
    "gate",
    "gate_init",
    "reduction_ratio",
    "fusion_norm",
    "stream_norm",
    "fusion_dropout",
    "pooling",
    "classifier_dropout",
    "glyph_kernel_size",
)


@dataclass
class ModelArguments:
    """Which encoder, and how its layers are fused. Values left out take the default of `DlfaConfig`."""

    _argument_group_name = "model and fusion"

    model_name_or_path: str = field(
        metadata={
            "help": "Hub id or folder of an encoder, or of a DLFA checkpoint to train further or evaluate. With "
            "--do_train False also a finished command's directory: all its models are tested."
        }
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not the model's."})
    cache_dir: str | None = field(default=None, metadata={"help": "Folder in which downloads are kept."})
    token: str | None = field(default=None, metadata={"help": "Hub token; the stored login if left out."})
    fusion: str | None = field(
        default=None,
        metadata={
            "choices": CHOICES["fusion"],
            "help": "aif: DLFA; last, layer: the last or a lower layer alone; the others: comparisons.",
        },
    )
    fusion_layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Lower layers: 0 is the embeddings, k block k, -2 the last but one; by default the one at two "
            "thirds of the depth. With --glyphs the option may stand without a number: no lower layer."
        },
    )
    gate: str | None = field(
        default=None, metadata={"choices": CHOICES["gate"], "help": "select: a*X + (1-a)*Y; excite: a*(X+Y)."}
    )
    gate_init: float | None = field(default=None, metadata={"help": "Initial value of the gate, between 0 and 1."})
    reduction_ratio: int | None = field(
        default=None, metadata={"help": "Reduction ratio r of the squeeze from E to E/r."}
    )
    fusion_norm: str | None = field(
        default=None, metadata={"choices": CHOICES["fusion_norm"], "help": "Normalisation inside the gate."}
    )
    stream_norm: str | None = field(
        default=None, metadata={"choices": CHOICES["stream_norm"], "help": "Normalisation of the lower layers."}
    )
    fusion_dropout: float | None = field(default=None, metadata={"help": "Dropout inside the fusion."})
    pooling: str | None = field(
        default=None, metadata={"choices": CHOICES["pooling"], "help": "What the sequence classifier reads."}
    )
    classifier_dropout: float | None = field(default=None, metadata={"help": "Dropout before the classifier."})
    glyphs: str | None = field(
        default=None, metadata={"help": "Folder written by `dlfa glyphs`: also fuse what each token looks like."}
    )
    glyph_kernel_size: int | None = field(
        default=None, metadata={"help": "Neighbouring tokens whose looks are read together (odd); 1: each alone."}
    )
    attn_implementation: str | None = field(default=None, metadata={"help": "sdpa, eager, flash_attention_2, ..."})
    encoder_dropout: float | None = field(
        default=None, metadata={"help": "Dropout in the encoder; its own if left out. The classifier's follows."}
    )
    peft: str | None = field(
        default=None,
        metadata={
            "help": "lora: train LoRA on the backbone; frozen: freeze the backbone. Fusion and head are "
            "always trained.",
        },
    )
    freeze_up_to: int | None = field(
        default=None,
        metadata={"help": "Freeze the backbone up to this layer: 0 is the embeddings, k also blocks 1 to k."},
    )
    cache_frozen: str | None = field(
        default=None,
        metadata={
            "help": "Folder for the states of frozen layers: computed once, read by every epoch, seed, system "
            "and later command."
        },
    )
    lora_r: int | None = field(default=None, metadata={"help": "Rank of LoRA's updates; 8 if left out."})
    lora_alpha: int | None = field(default=None, metadata={"help": "LoRA's scale is lora_alpha / r; 16 if left out."})
    lora_dropout: float | None = field(
        default=None, metadata={"help": "Dropout before LoRA's updates; 0.1 if left out."}
    )
    lora_target_modules: list[str] | None = field(
        default=None, metadata={"help": "Modules of the backbone that LoRA adapts; query and value if left out."}
    )

    def hub_options(self) -> dict[str, Any]:
        """Returns where and how to load the model from, as `from_pretrained` takes it."""
        return {"revision": self.model_revision, "cache_dir": self.cache_dir, "token": self.token}

    def lora_options(self) -> dict[str, Any]:
        """Returns the arguments of `adapters.lora_config` that were given."""
        given = {name: getattr(self, name) for name in LORA_OPTIONS if getattr(self, name) is not None}
        return {name if name in ("lora_alpha", "lora_dropout") else name[5:]: value for name, value in given.items()}

    def peft_record(self) -> dict[str, Any]:
        """Returns what shapes a result besides the recipe: empty if the model is trained in full."""
        given = {name: getattr(self, name) for name in ("peft", "freeze_up_to", *LORA_OPTIONS)}
        return {name: value for name, value in given.items() if value is not None}

    def fusion_options(self) -> dict[str, Any]:
        """Returns the values of `DlfaConfig` that were given."""
        return {name: getattr(self, name) for name in FUSION_OPTIONS if getattr(self, name) is not None}


@dataclass
class DataArguments:
    """Where the examples come from: files, else the Hub."""

    _argument_group_name = "data"

    train_file: str | None = field(
        default=None,
        metadata={
            "help": "Training data: TSV, CSV, CoNLL, JSON or Parquet; {language} stands for each of --train_languages."
        },
    )
    train_languages: list[str] | None = field(
        default=None,
        metadata={
            "help": "Languages to train on; the first is the source language, which the validation data are in. The "
            "task's source language if left out."
        },
    )
    validation_file: str | None = field(
        default=None, metadata={"help": "Data of the source language on which checkpoints are chosen."}
    )
    validation_fraction: float | None = field(
        default=None,
        metadata={"help": "Set this share of the training rows aside for validation, drawn with --seed, instead."},
    )
    test_file: str | None = field(
        default=None, metadata={"help": "Test data; {language} in the name stands for the language code."}
    )
    dataset_name: str | None = field(
        default=None, metadata={"help": "Another data set on the Hub with the same layout."}
    )
    dataset_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the data set."})
    text_columns: list[str] | None = field(
        default=None, metadata={"help": "Columns of the text or texts, if not named as the task has them."}
    )
    label_column: str | None = field(
        default=None, metadata={"help": "Column of the label, if not named as the task has it."}
    )
    languages: list[str] = field(
        default_factory=lambda: ["all"],
        metadata={"help": "Languages to test, such as ar bg de, or all (those that have a test file)."},
    )
    max_length: int | None = field(
        default=None, metadata={"help": "Longest input in tokens; the task's recipe if left out."}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "Use only this many rows of each training language."}
    )
    train_samples_strategy: str = field(
        default="first",
        metadata={
            "choices": SAMPLE_STRATEGIES,
            "help": "Which rows --max_train_samples takes: the first, or balanced: equally many of each label, drawn "
            "with --seed.",
        },
    )
    max_eval_samples: int | None = field(default=None, metadata={"help": "The same for validation."})
    max_test_samples: int | None = field(default=None, metadata={"help": "The same for each test language."})

    mixup: str | None = field(
        default=None,
        metadata={"help": "File of dlfa augment --mixup_file: mix what a teacher proposes into the embeddings."},
    )
    mixup_probability: float | None = field(
        default=None, metadata={"help": "Share of the words with proposals; 0.15 if left out."}
    )
    mixup_lambda: float | None = field(
        default=None, metadata={"help": "Share of a mixed word's own embedding; 0.7 if left out."}
    )
    mixup_alpha: float | None = field(
        default=None, metadata={"help": "Draw it from Beta(alpha, alpha), folded to 0.5 or more, instead."}
    )

    def files(self) -> dict[str, str]:
        """Returns the given files by their option."""
        names = {f"--{name}": getattr(self, name) for name in ("train_file", "validation_file", "test_file")}
        return {option: name for option, name in names.items() if name}


@dataclass
class LearningArguments:
    """What the training loss counts, when a run stops, and when it is repeated."""

    _argument_group_name = "learning"

    class_weights: list[str] | None = field(
        default=None,
        metadata={
            "help": "Weight of each label in the training loss: balanced, as in scikit-learn, or "
            "numbers in the order of the labels."
        },
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata={"help": "Stop a run after this many validations in a row without a better score."},
    )
    retry_collapsed: int | None = field(
        default=None,
        metadata={
            "help": "Repeat a run that diverges or predicts one label almost always, at most this many times, with "
            "new seeds and longer warm-ups."
        },
    )

    def record(self) -> dict[str, int]:
        """Returns what shapes a result besides the recipe: empty if every run is trained once, to its end."""
        given = {name: getattr(self, name) for name in ("early_stopping_patience", "retry_collapsed")}
        return {name: value for name, value in given.items() if value is not None}


@dataclass
class RunArguments:
    """What to compare, and what happens to the output directory."""

    _argument_group_name = "runs and output"

    baseline: bool = field(
        default=False, metadata={"help": "Also train the plain last-layer model, with the same seeds and data order."}
    )
    seeds: list[int] | None = field(default=None, metadata={"help": "One run per seed; --seed if left out."})
    overwrite: bool = field(
        default=False, metadata={"help": "Delete the results of an earlier run in the output directory."}
    )
    keep_checkpoints: bool = field(
        default=False, metadata={"help": "Keep the checkpoints of finished runs, with their optimiser states."}
    )
    save_models: bool = field(
        default=True, metadata={"help": "Save the models; False keeps only their predictions and scores."}
    )
    save_dtype: str = field(
        default="float32",
        metadata={
            "choices": SAVE_DTYPES,
            "help": "float16 or bfloat16 halves the size of saved models; scores are those of the rounded weights.",
        },
    )
    num_shards: int = field(
        default=1, metadata={"help": "Split the runs into this many shards, for example one per machine."}
    )
    shard_index: int = field(
        default=0, metadata={"help": "Which shard this command runs, from 0; `dlfa merge` merges them."}
    )
    license: str | None = field(default=None, metadata={"help": "Licence for the model card, as the Hub names it."})

    def shard(self) -> dict[str, int] | None:
        """Returns which shard the command is, as recorded; None for a whole command."""
        return {"shard_index": self.shard_index, "num_shards": self.num_shards} if self.num_shards > 1 else None
