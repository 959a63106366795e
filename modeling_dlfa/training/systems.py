"""The systems to train: each fusion once per seed, from a plain encoder or a DLFA checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, PretrainedConfig
from transformers.utils import logging

from ..checkpoints.loading import cannot_load
from ..checkpoints.models import MODEL_CLASSES, glyph_name
from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..files.places import check_place
from ..scoring.metrics import SINGLE_LABEL
from ..tasks import Task
from ..values_dlfa import resolve_layers
from .argument_checks import check_effect
from .glyphs import load_table
from .options import FUSION_OPTIONS, READ_BY, ModelArguments

logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """One training or evaluation.

    Attributes:
        system: Name of the fusion, the same for all seeds.
        baseline: Whether it is the last-layer model that the fused one is compared with.
        seed: Seed of the head, the dropout and the data order.
        config: Configuration of the model.
        from_checkpoint: Whether it starts from a DLFA checkpoint, not from a plain encoder.
        new_head: Whether that checkpoint's head belongs to another task, so that a new head is initialised.
        checkpoint: Folder of its own checkpoint, where a finished command's models are tested; None for the command's.
    """

    system: str
    baseline: bool
    seed: int
    config: DlfaConfig
    from_checkpoint: bool
    new_head: bool = False
    checkpoint: str | None = None

    @property
    def name(self) -> str:
        """Name of the run in files and tables."""
        return f"{self.system}-seed{self.seed}"


def system_name(config: DlfaConfig) -> str:
    """Returns the short name of a fusion: `aif-layer8+glyphs`, `aif-layer8+permuted`, `aif-excite-layers4+8`, ..."""
    parts = [config.fusion]
    if config.fusion == "aif" and config.gate != "select":
        parts.append(config.gate)
    if config.fusion == "layer":
        parts.append(str(config.fusion_layers[0]))
    elif config.fusion in ("aif", "mean", "concat"):
        layers = config.fusion_layers
        if layers:
            parts.append(("layers" if len(layers) > 1 else "layer") + "+".join(map(str, layers)))
    return "+".join(["-".join(parts), *filter(None, [glyph_name(config)])])


def plan_runs(
    task: Task,
    model: ModelArguments,
    seeds: Sequence[int],
    *,
    do_train: bool = True,
    baseline: bool = False,
    layers_apart: bool = False,
) -> list[Run]:
    """Returns the runs of a command and all its shards, seed by seed, the fused systems before the baseline.

    Args:
        task: What to learn.
        model: The plain encoder or DLFA checkpoint to start from, and how to fuse.
        seeds: One run of each system per seed.
        do_train: Whether to train; otherwise a checkpoint is evaluated.
        baseline: Whether to add the last-layer model.
        layers_apart: Whether each fusion layer is a separate system; all lower layers if none is given.

    Raises:
        InputError: The model cannot be found, or its configuration and the arguments do not fit.
    """
    start, new_head = load_config(model), False
    try:
        if isinstance(start, DlfaConfig):
            if baseline:
                raise InputError(
                    f"--baseline needs a plain encoder to start both systems from, but {model.model_name_or_path} "
                    "is a DLFA checkpoint. Give an encoder, or remove --baseline."
                )
            new_head = check_checkpoint(task, model, start, do_train=do_train)
            configs = [start]
        elif do_train:
            configs = _encoder_configs(model, start, baseline=baseline, layers_apart=layers_apart)
        else:
            raise InputError(
                f"{model.model_name_or_path} is a plain encoder without a trained head. Give a DLFA checkpoint "
                "to evaluate, or train one first."
            )
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from error
    name_labels(task, configs)
    return [
        Run(
            system_name(config),
            baseline=config.fusion == "last" and len(configs) > 1,
            seed=seed,
            config=config,
            from_checkpoint=isinstance(start, DlfaConfig),
            new_head=new_head,
        )
        for seed in seeds
        for config in configs
    ]


def own_share(planned: Sequence[Run], index: int, shards: int) -> list[Run]:
    """Returns the runs of a shard: consecutive ones, so that most seeds' systems are trained on one machine.

    Args:
        planned: The runs of the command.
        index: Index of the shard, from 0.
        shards: Number of shards.

    Raises:
        InputError: There are fewer runs than shards.
    """
    if shards > len(planned):
        raise InputError(f"--num_shards {shards} is more than the {len(planned)} runs of this command. Lower it.")
    return list(planned[index * len(planned) // shards : (index + 1) * len(planned) // shards])


def name_labels(task: Task, configs: Sequence[DlfaConfig]) -> None:
    """Writes a task's labels and columns into configurations."""
    for config in configs:
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: index for index, label in enumerate(task.labels)}
        config.text_columns = list(task.text_columns)
        if task.problem_type != SINGLE_LABEL:
            # A Literal in transformers; tasks check theirs when they are made.
            config.problem_type = task.problem_type  # type: ignore[assignment]


def load_config(model: ModelArguments) -> PretrainedConfig:
    """Loads the configuration of an encoder or DLFA checkpoint, with the dropout that was asked for.

    Raises:
        InputError: It cannot be found or read.
    """
    check_place("--model_name_or_path", model.model_name_or_path)
    try:
        config = AutoConfig.from_pretrained(model.model_name_or_path, **model.hub_options())
    except (OSError, ValueError) as error:
        remedy = (
            "Offline, give --model_name_or_path the folder of an encoder, or an id that is in the "
            "cache, and set HF_HUB_OFFLINE=1."
        )
        raise cannot_load(model.model_name_or_path, error, remedy) from error
    if model.encoder_dropout is not None:
        _set_dropout(config.backbone_config if isinstance(config, DlfaConfig) else config, model.encoder_dropout)
    return config


def _set_dropout(encoder: PretrainedConfig, rate: float) -> None:
    # hidden_dropout_prob and attention_probs_dropout_prob in BERT; dropout, mlp_dropout, attn_pdrop, ... in others.
    of_heads = ("classif", "summary", "pooler", "qa_")
    found = [
        name
        for name, value in vars(encoder).items()
        if ("dropout" in name or "pdrop" in name)
        and not any(part in name for part in of_heads)
        and isinstance(value, (int, float))
    ]
    if not found:
        raise InputError(f"--encoder_dropout: {encoder.model_type} has no dropout to set. Remove it.")
    for name in found:
        setattr(encoder, name, rate)


def _encoder_configs(
    model: ModelArguments, backbone: PretrainedConfig, *, baseline: bool, layers_apart: bool
) -> list[DlfaConfig]:
    """Returns the configurations that wrap a plain encoder: the fused ones and, if requested, their baseline."""
    options = model.fusion_options()
    if table := load_table(model):
        options |= {"glyph_size": table.size, "glyph_table": table.control or True}
    chosen: list[dict[str, Any]] = [options]
    if layers_apart:
        lower = DlfaConfig(backbone, fusion="scalar_mix").fusion_layers
        layers = resolve_layers("mean", model.fusion_layers or lower, len(lower))
        chosen = [{**options, "fusion_layers": layer} for layer in layers]
    if baseline:
        read = {name: value for name, value in options.items() if name not in READ_BY or "last" in READ_BY[name]}
        chosen.append({**read, "fusion": "last"})
    return [DlfaConfig(backbone, **values) for values in chosen]


def check_checkpoint(task: Task, model: ModelArguments, saved: DlfaConfig, *, do_train: bool) -> bool:
    """Refuses arguments that contradict a DLFA checkpoint, and returns whether it gets a new head.

    A head of another kind or for other labels belongs to another task.

    Raises:
        InputError: The arguments contradict it, or it belongs to another task and is not trained.
    """
    path, options = model.model_name_or_path, model.fusion_options()
    if model.glyphs is not None:
        raise InputError(
            f"--glyphs is for plain encoders; the checkpoint {path} keeps the glyphs that it was "
            "trained with. Remove it, or start from a plain encoder."
        )
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
    # Not in the file's order, which sorts "10" before "2".
    labels = [label for _, label in sorted((saved.id2label or {}).items())]
    own_problem = saved.problem_type or SINGLE_LABEL
    fits = model_class in (saved.architectures or []) and own_problem == task.problem_type
    if fits and labels == list(task.labels):
        return False
    head = f"the labels {labels}" if fits else f"{saved.architectures} ({own_problem}), not {model_class}"
    if not do_train:
        raise InputError(
            f"{path} has {head}, but {task.title} has {list(task.labels)}. Evaluate a checkpoint of "
            "this task, or train this one."
        )
    logger.warning(
        f"{path} has {head}: it belongs to another task, so training on {task.title} starts with a "
        f"new head for {list(task.labels)}."
    )
    return True
