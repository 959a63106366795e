"""Training only part of a model: LoRA on the backbone, its upper layers, or just the fusion and the head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..checkpoints.models import MODEL_CLASSES, encoder_blocks
from ..command.wording import counted
from ..configuration_dlfa import DlfaConfig
from ..errors import InputError
from ..modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaPreTrainedModel
from .options import ModelArguments

if TYPE_CHECKING:
    from peft import LoraConfig

# The attention's query and value, as in LoRA (Hu et al. 2022) and PEFT; ModernBERT keeps them, and the key, in one.
TARGET_MODULES: dict[str, tuple[str, ...]] = {
    "bert": ("query", "value"),
    "camembert": ("query", "value"),
    "deberta": ("in_proj",),
    "deberta-v2": ("query_proj", "value_proj"),
    "distilbert": ("q_lin", "v_lin"),
    "electra": ("query", "value"),
    "modernbert": ("Wqkv",),
    "rembert": ("query", "value"),
    "roberta": ("query", "value"),
    "xlm-roberta": ("query", "value"),
    "xlm-roberta-xl": ("query", "value"),
}
TASK_TYPES = {DlfaForSequenceClassification: "SEQ_CLS", DlfaForTokenClassification: "TOKEN_CLS"}


def lora_config(
    model: DlfaPreTrainedModel,
    *,
    r: int = 8,
    lora_alpha: int = 16,
    lora_dropout: float = 0.1,
    target_modules: Sequence[str] | None = None,
    **kwargs: Any,
) -> LoraConfig:
    """Returns the configuration for `peft.get_peft_model`: LoRA on the backbone, fusion and head trained and saved.

    Without `modules_to_save`, PEFT would freeze fusion and pooler and leave them out of the adapter.

    Args:
        model: The model to train.
        r: Rank of the update of each matrix.
        lora_alpha: The update is scaled by `lora_alpha / r`.
        lora_dropout: Dropout probability before the update.
        target_modules: Last parts of the names of the backbone's linear maps to adapt; query and value of the
            attention if None.
        kwargs: Further values of `LoraConfig`.

    Raises:
        InputError: PEFT is not installed, it is no DLFA model, the backbone's modules are unknown or missing, `r` is
            below 1, or `modules_to_save` is given.

    Example:
        >>> from modeling_dlfa import DlfaForSequenceClassification, lora_config
        >>> from peft import get_peft_model
        >>> model = DlfaForSequenceClassification.from_backbone("ENCODER", fusion_layers=1, num_labels=3)
        >>> model = get_peft_model(model, lora_config(model))
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise InputError("LoRA needs PEFT, which is not installed: pip install 'modeling-dlfa[peft]'.") from error
    _check_model(model)
    if type(r) is not int or r < 1:
        raise InputError(f"r={r!r} is not the rank of an update. Give 1 or more.")
    if "modules_to_save" in kwargs:
        raise InputError("modules_to_save is always fusion and head. Leave it out.")
    model_type = model.config.backbone_config.model_type
    wanted = tuple(target_modules or TARGET_MODULES.get(model_type, ()))
    if not wanted:
        known = ", ".join(TARGET_MODULES)
        raise InputError(f"No default LoRA target modules for {model_type!r} (known: {known}). Pass target_modules.")
    backbone: Any = model.base_model.backbone
    missing = sorted(set(wanted) - {name.rpartition(".")[2] for name, _ in backbone.named_modules()})
    if missing:
        raise InputError(f"The backbone {model_type!r} has no modules {', '.join(missing)}. Correct target_modules.")
    return LoraConfig(
        task_type=next((task for kind, task in TASK_TYPES.items() if isinstance(model, kind)), "FEATURE_EXTRACTION"),
        r=r,
        lora_alpha=lora_alpha,
        lora_dropout=lora_dropout,
        # Restricted to the backbone: elsewhere such a name could belong to a module that is trained in full.
        target_modules=rf".*\bbackbone\..*\.({'|'.join(wanted)})",
        modules_to_save=new_modules(model),
        **kwargs,
    )


def _check_model(model: Any) -> None:
    # Not by its class: a model that was loaded by remote code has another one.
    if getattr(getattr(model, "config", None), "model_type", None) != DlfaConfig.model_type:
        raise InputError(f"This takes a DLFA model, not {type(model).__name__}. Load it with from_pretrained first.")


def new_modules(model: DlfaPreTrainedModel) -> list[str]:
    """Returns the names of the modules trained in full: the fusion and the head, where they have weights."""
    glyphs: Any = model.base_model.glyphs
    parts: dict[str, Any] = {
        "fusion": model.base_model.fusion,
        # Not the table: it is as large as the vocabulary and never changes.
        **{f"glyphs.{name}": part for name, part in (glyphs.named_children() if glyphs is not None else ())},
        "pooler": model.base_model.pooler,
        "classifier": getattr(model, "classifier", None),
    }
    return [name for name, part in parts.items() if part is not None and any(True for _ in part.parameters())]


def freeze_backbone(model: DlfaPreTrainedModel, up_to: int | None = None) -> DlfaPreTrainedModel:
    """Freezes the backbone or its lower layers; fusion and head stay trainable.

    Languages without labels reach the trained layers through embeddings that training on English does not change
    (Wu and Dredze 2019, "Beto, Bentz, Becas", fine-tune mBERT this way).

    Args:
        model: Any DLFA model; changed in place. It saves and loads as usual, and a loaded model is fully trainable.
        up_to: Last frozen layer, numbered as in `hidden_states`: 0 freezes the embeddings alone, k the blocks up to k
            as well. The whole backbone if None.

    Returns:
        The same model.

    Raises:
        InputError: It is no DLFA model, or the layer does not exist.

    Example:
        >>> from modeling_dlfa import DlfaForSequenceClassification, freeze_backbone
        >>> model = DlfaForSequenceClassification.from_backbone("ENCODER", fusion_layers=1, num_labels=3)
        >>> model = freeze_backbone(model)
        >>> sorted({name.partition(".")[0] for name, weight in model.named_parameters() if weight.requires_grad})
        ['classifier', 'dlfa']
    """
    _check_model(model)
    backbone: Any = model.base_model.backbone
    trained: set[int] = set()
    if up_to is not None:
        blocks = encoder_blocks(backbone, model.config.num_hidden_layers)
        if blocks is None:
            kind = model.config.backbone_config.model_type
            raise InputError(
                f"DLFA finds no list of blocks in the backbone {kind!r}, so it cannot freeze single "
                "layers. Freeze the whole backbone instead."
            )
        if type(up_to) is not int or not 0 <= up_to < len(blocks):
            raise InputError(
                f"Layer {up_to!r} cannot be the last frozen one: the backbone has "
                f"{counted(len(blocks), 'block')}, and at least one must be trained. Choose from 0 "
                f"(the embeddings) to {len(blocks) - 1}, or freeze the whole backbone."
            )
        # Every backbone registers its embeddings, and any maps between them and the blocks, before the blocks.
        first = next(blocks[up_to].parameters())
        seen = False
        for parameter in backbone.parameters():
            seen = seen or parameter is first
            if seen:
                trained.add(id(parameter))
    for parameter in backbone.parameters():
        parameter.requires_grad_(id(parameter) in trained)
    return model


def parameter_counts(model: Any) -> tuple[int, int]:
    """Returns how many parameters are trained, and how many the model uses.

    PEFT keeps an unused copy of each module that it trains in full; it is not counted.
    """
    trained = total = 0
    for name, parameter in model.named_parameters():
        if ".original_module." not in name:
            total += parameter.numel()
            trained += parameter.numel() * parameter.requires_grad
    return trained, total


def check_adaptable(kind: str, model: ModelArguments, configs: Iterable[DlfaConfig]) -> None:
    """Checks, before anything is written, that `--peft` or `--freeze_up_to` fits the models of a kind of task.

    Raises:
        InputError: See `lora_config` and `freeze_backbone`.
    """
    for config in configs if model.peft == "lora" or model.freeze_up_to is not None else ():
        with torch.device("meta"):
            adapt(MODEL_CLASSES[kind](config), model)


def adapt(model: DlfaPreTrainedModel, arguments: ModelArguments) -> Any:
    """Returns the model ready for training: wrapped in LoRA, with all or part of its backbone frozen, or unchanged."""
    if arguments.peft == "lora":
        from peft import get_peft_model

        return get_peft_model(model, lora_config(model, **arguments.lora_options()))
    if arguments.peft == "frozen" or arguments.freeze_up_to is not None:
        return freeze_backbone(model, arguments.freeze_up_to)
    return model
