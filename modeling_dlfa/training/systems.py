"""What is trained: each system (a fusion) once a seed, from a plain encoder or a DLFA checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedTokenizerBase, set_seed
from transformers.utils import logging

from ..checkpoints import loading
from ..checkpoints.models import MODEL_CLASSES, longest_input
from ..checkpoints.tokenizers import OWN_TOKENIZER
from ..checkpoints.weights import recorded_sums, verify_weights
from ..configuration_dlfa import DlfaConfig
from ..encoder_dlfa import find_weights
from ..errors import InputError
from ..files.places import check_place, check_safetensors, hub_commit, weight_files
from ..modeling_dlfa import DlfaPreTrainedModel
from ..tasks import Task
from ..values_dlfa import resolve_layers
from .argument_checks import check_effect
from .arguments import Arguments
from .glyphs import load_table
from .options import FUSION_OPTIONS, READ_BY, ModelArguments

logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """One training or evaluation.

    Attributes:
        system: Name of the fusion, the same for all seeds.
        baseline: Whether it is the last-layer model beside the fused one.
        seed: Seed of the head, the dropout and the data order.
        config: Configuration of the model.
        from_checkpoint: Whether it starts from a DLFA checkpoint, not from a plain encoder.
        new_head: Whether that checkpoint's head is of another task, so that the head is drawn anew.
    """

    system: str
    baseline: bool
    seed: int
    config: DlfaConfig
    from_checkpoint: bool
    new_head: bool = False

    @property
    def name(self) -> str:
        """Name of the run in files and tables."""
        return f"{self.system}-seed{self.seed}"


def system_name(config: DlfaConfig) -> str:
    """Returns the short name of a fusion: `aif-layer8+glyphs`, `aif-excite-layers4+8`, `layer-8`, `last`, ..."""
    parts = [config.fusion]
    if config.fusion == "aif" and config.gate != "select":
        parts.append(config.gate)
    if config.fusion == "layer":
        parts.append(str(config.fusion_layers[0]))
    elif config.fusion in ("aif", "mean", "concat"):
        layers = config.fusion_layers
        if layers:
            parts.append(("layers" if len(layers) > 1 else "layer") + "+".join(map(str, layers)))
    return "-".join(parts) + ("+glyphs" if config.glyph_size else "")


def plan_runs(task: Task, arguments: Arguments) -> list[Run]:
    """Returns the runs of a command and all its shards, seed by seed, the fused systems before the baseline.

    Raises:
        InputError: The model cannot be found, or its configuration and the arguments do not fit.
    """
    saved = _load_config(arguments.model)
    new_head = False
    try:
        if isinstance(saved, DlfaConfig):
            config, new_head = _checkpoint_config(task, arguments, saved)
            configs = [config]
        else:
            configs = _encoder_configs(task, arguments, saved)
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from error
    return [
        Run(
            system_name(config),
            baseline=config.fusion == "last" and len(configs) > 1,
            seed=seed,
            config=config,
            from_checkpoint=isinstance(saved, DlfaConfig),
            new_head=new_head,
        )
        for seed in arguments.seeds
        for config in configs
    ]


def own_share(planned: Sequence[Run], arguments: Arguments) -> list[Run]:
    """Returns the runs of this command's shard: neighbours, so that most seeds' systems are trained on one machine.

    Raises:
        InputError: There are fewer runs than shards.
    """
    index, shards = arguments.run.shard_index, arguments.run.num_shards
    if shards > len(planned):
        raise InputError(f"--num_shards {shards} is more than this command has runs ({len(planned)}). Lower it.")
    return list(planned[index * len(planned) // shards : (index + 1) * len(planned) // shards])


def shard(arguments: Arguments) -> dict[str, int]:
    """Returns which shard a command is, as it is recorded."""
    return {"shard_index": arguments.run.shard_index, "num_shards": arguments.run.num_shards}


def _load_config(model: ModelArguments) -> PretrainedConfig:
    check_place("--model_name_or_path", model.model_name_or_path)
    try:
        return AutoConfig.from_pretrained(model.model_name_or_path, **hub_arguments(model))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"Cannot load --model_name_or_path {model.model_name_or_path}: {reason}. Offline, give the folder of an "
            "encoder, or an id that is in the cache with HF_HUB_OFFLINE=1."
        ) from error


def _encoder_configs(task: Task, arguments: Arguments, backbone: PretrainedConfig) -> list[DlfaConfig]:
    """Returns the configurations that wrap a plain encoder: the fused one and, if wished, its baseline."""
    if not arguments.training.do_train:
        raise InputError(
            f"{arguments.model.model_name_or_path} is a plain encoder without a trained head. Give a DLFA checkpoint "
            "to evaluate, or train one first."
        )
    id2label = dict(enumerate(task.labels))
    options = arguments.model.fusion_options()
    options |= {"id2label": id2label, "label2id": {label: index for index, label in id2label.items()}}
    options["text_columns"] = list(task.text_columns)
    if table := load_table(arguments.model):
        options["glyph_size"] = table.size
    if arguments.layers_apart:
        lower = DlfaConfig(backbone, fusion="scalar_mix").fusion_layers
        layers = resolve_layers("mean", arguments.model.fusion_layers or lower, len(lower))
        configs = [DlfaConfig(backbone, **{**options, "fusion_layers": layer}) for layer in layers]
    else:
        configs = [DlfaConfig(backbone, **options)]
    if arguments.run.baseline:
        read = {name: value for name, value in options.items() if name not in READ_BY or "last" in READ_BY[name]}
        configs.append(DlfaConfig(backbone, **{**read, "fusion": "last"}))
    return configs


def _checkpoint_config(task: Task, arguments: Arguments, saved: DlfaConfig) -> tuple[DlfaConfig, bool]:
    """Returns the configuration of a DLFA checkpoint, which no argument contradicts, and whether it gets a new head.

    A head of another kind or for other labels is of another task.
    """
    path = arguments.model.model_name_or_path
    if arguments.run.baseline:
        raise InputError(f"--baseline needs a plain encoder to start both systems from; {path} is a DLFA checkpoint.")
    if arguments.model.glyphs is not None:
        raise InputError(
            f"--glyphs is for a plain encoder; the checkpoint {path} keeps what it was trained with. Remove it, or "
            "start from a plain encoder."
        )
    options = arguments.model.fusion_options()
    check_effect(options, saved.fusion)
    same = options.get("fusion", saved.fusion) == saved.fusion
    own = {name: getattr(saved, name) for name in (*FUSION_OPTIONS, "glyph_size", "glyph_table")} if same else {}
    wished = DlfaConfig(saved.backbone_config, **{**own, **options})
    for name in options:
        if getattr(wished, name) != getattr(saved, name):
            raise InputError(
                f"--{name} contradicts the checkpoint {path}, which has {name}={getattr(saved, name)}. Remove the "
                "argument, or start from a plain encoder."
            )
    model_class = MODEL_CLASSES[task.kind].__name__
    # Not in the order of the file, which sorts "10" before "2".
    labels = [label for _, label in sorted((saved.id2label or {}).items())]
    fits = model_class in (saved.architectures or [])
    if not fits or labels != list(task.labels):
        head = f"the labels {labels}" if fits else f"{saved.architectures}, not {model_class}"
        if not arguments.training.do_train:
            raise InputError(
                f"{path} has {head}; {task.title} has {list(task.labels)}. Evaluate a checkpoint of this task, or "
                "train this one."
            )
        logger.warning(
            f"{path} has {head}: it is of another task, and training on {task.title} starts with a new head for "
            f"{list(task.labels)}."
        )
    saved.id2label = dict(enumerate(task.labels))
    saved.label2id = {label: index for index, label in enumerate(task.labels)}
    saved.text_columns = list(task.text_columns)
    return saved, not fits or labels != list(task.labels)


def hub_arguments(model: ModelArguments) -> dict[str, Any]:
    """Returns where and how to load the model from."""
    return {"revision": model.model_revision, "cache_dir": model.cache_dir, "token": model.token}


def model_commit(model: ModelArguments) -> str | None:
    """Returns the commit of the Hub that the encoder or checkpoint was loaded from; None for a folder."""
    return hub_commit(model.model_name_or_path, model.cache_dir, model.model_revision)


def model_origin(model: ModelArguments) -> dict[str, Any] | None:
    """Returns what the card in an encoder's folder says of its origin; None for an id of the Hub, or without a card.

    Returns:
        `base_model` and `license` of its metadata, and `text`, its section "Origin"; None for what it lacks.
    """
    path = Path(model.model_name_or_path) / "README.md"
    if not path.is_file():
        return None
    from huggingface_hub import ModelCard

    try:
        card = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError, TypeError):
        return None  # Any text may be called README.md.
    base_model, license = getattr(card.data, "base_model", None), getattr(card.data, "license", None)
    section = re.search(r"^## Origin\n+(.+?)(?=^#|\Z)", card.text, re.DOTALL | re.MULTILINE)
    return {
        "base_model": base_model if isinstance(base_model, str) else None,
        "license": license if isinstance(license, str) else None,
        "text": section.group(1).strip() if section else None,
    }


def load_tokenizer(arguments: Arguments, config: DlfaConfig) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of the model.

    Raises:
        InputError: It cannot be found, or is not the model's (see `check_tokenizer`).
    """
    model = arguments.model
    name = model.tokenizer_name or model.model_name_or_path
    check_place("--tokenizer_name" if model.tokenizer_name else "--model_name_or_path", name, file=None)
    tokenizer = loading.load_tokenizer(name, config, OWN_TOKENIZER, **hub_arguments(model))
    # A tokenizer that does not know it cuts nothing, and what is saved with the model should.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest_input(config))
    return tokenizer


def fetch_weights(arguments: Arguments) -> None:
    """Fetches the model's weights where they are not in the cache yet, so that what fails does so before any work.

    Raises:
        InputError: They cannot be fetched, are not safetensors, are cut short, or are not those that DLFA saved there.
    """
    model = arguments.model
    try:
        find_weights(model.model_name_or_path, None, hub_arguments(model))
        paths = weight_files(model.model_name_or_path, hub_arguments(model))
        for path in paths:
            check_safetensors(path)
        if recorded_sums(paths[0].parent):
            verify_weights(paths[0].parent, [path.name for path in paths])
    except (OSError, ValueError) as error:
        raise loading.cannot_load(model.model_name_or_path, error) from error


def check_buildable(arguments: Arguments, config: DlfaConfig) -> None:
    """Checks that the backbone can be built, with the attention that `--attn_implementation` names.

    Raises:
        InputError: Its configuration is broken; or that attention does not exist, is not installed, or is not for this
            encoder.
    """
    wished = arguments.model.attn_implementation
    _build(config, f"Cannot build {arguments.model.model_name_or_path}", "Correct its config.json.")
    if wished is not None:
        remedy = "sdpa and eager need no other package."
        _build(config, f"--attn_implementation {wished}", remedy, attn_implementation=wished)


def _build(config: DlfaConfig, what: str, remedy: str, **options: Any) -> None:
    try:
        with torch.device("meta"):
            AutoModel.from_config(config.backbone_config, **options)
    except Exception as error:  # Each architecture has errors of its own.
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{what}: {reason}. {remedy}") from error


def load_model(task: Task, arguments: Arguments, run: Run) -> DlfaPreTrainedModel:
    """Builds the model of a run in float32; fusion and head are drawn from the run's seed.

    Raises:
        InputError: The checkpoint cannot be read or lacks weights.
    """
    model = arguments.model
    model_class = MODEL_CLASSES[task.kind]
    options = {"dtype": torch.float32, "attn_implementation": model.attn_implementation, **hub_arguments(model)}
    set_seed(run.seed)
    try:
        if run.from_checkpoint:
            own: dict[str, Any] = {"config": run.config, "ignore_mismatched_sizes": run.new_head}
            loaded = model_class.from_pretrained(model.model_name_or_path, **own, **options)
            return _with_new_head(loaded) if run.new_head else loaded
        table = load_table(model) if run.config.glyph_size else None
        options["glyphs"] = table and table.values  # Compared with the tokenizer already.
        return model_class.from_backbone(model.model_name_or_path, config=run.config, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot load {model.model_name_or_path}: {error}") from error


def _with_new_head(model: DlfaPreTrainedModel) -> DlfaPreTrainedModel:
    """Draws the classifier anew: one of another task may have as many labels, and would have been loaded."""
    old: Any = model.classifier
    new = torch.nn.Linear(old.in_features, old.out_features, device=old.weight.device, dtype=old.weight.dtype)
    new.apply(model._init_weights)
    model.classifier = new
    return model
