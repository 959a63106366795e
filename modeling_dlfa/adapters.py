"""Training a small part of a model: LoRA on the backbone, or fusion and head alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .arguments import ModelArguments
from .errors import InputError
from .modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaPreTrainedModel
from .systems import MODEL_CLASSES, Run
from .tasks import Task

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

    Without `modules_to_save` PEFT would leave fusion and pooler as they are, and out of the adapter.

    Args:
        model: The model that is to be trained.
        r: Rank of the update of each matrix.
        lora_alpha: The update is scaled by `lora_alpha / r`.
        lora_dropout: Dropout probability before the update.
        target_modules: Last parts of the names of the backbone's linear maps to adapt; query and value of the
            attention if None.
        kwargs: Further values of `LoraConfig`.

    Raises:
        InputError: PEFT is not installed, or the backbone's modules are not known or not there.

    Example:
        >>> from peft import get_peft_model
        >>> model = get_peft_model(model, lora_config(model))
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise InputError("LoRA needs PEFT, which is not installed: pip install 'modeling-dlfa[peft]'.") from error
    model_type = model.config.backbone_config.model_type
    wanted = tuple(target_modules or TARGET_MODULES.get(model_type, ()))
    if not wanted:
        known = ", ".join(TARGET_MODULES)
        raise InputError(f"Which modules of {model_type!r} LoRA adapts is known for {known}. Name target_modules.")
    backbone: Any = model.base_model.backbone
    missing = sorted(set(wanted) - {name.rpartition(".")[2] for name, _ in backbone.named_modules()})
    if missing:
        raise InputError(f"The backbone {model_type!r} has no modules {', '.join(missing)}. Correct target_modules.")
    return LoraConfig(
        task_type=next((task for kind, task in TASK_TYPES.items() if isinstance(model, kind)), "FEATURE_EXTRACTION"),
        r=r,
        lora_alpha=lora_alpha,
        lora_dropout=lora_dropout,
        # Within the backbone: elsewhere such a name could be a module that is trained whole.
        target_modules=rf".*\bbackbone\..*\.({'|'.join(wanted)})",
        modules_to_save=new_modules(model),
        **kwargs,
    )


def new_modules(model: DlfaPreTrainedModel) -> list[str]:
    """Returns the names of what is trained whole: the fusion and the head, as far as they have weights."""
    parts: dict[str, Any] = {
        "fusion": model.base_model.fusion,
        "pooler": model.base_model.pooler,
        "classifier": getattr(model, "classifier", None),
    }
    return [name for name, part in parts.items() if part is not None and any(True for _ in part.parameters())]


def freeze_backbone(model: DlfaPreTrainedModel) -> DlfaPreTrainedModel:
    """Leaves only fusion and head to be trained; the backbone's weights stay as they are.

    Args:
        model: Any DLFA model; changed in place. Saving and loading are as ever, and a loaded model trains whole.

    Returns:
        The same model.
    """
    model.base_model.backbone.requires_grad_(False)
    return model


def parameter_counts(model: Any) -> tuple[int, int]:
    """Returns how many parameters are trained, and how many the model has in use.

    PEFT keeps an unused copy of each module that it trains whole, which does not count.
    """
    trained = total = 0
    for name, parameter in model.named_parameters():
        if ".original_module." not in name:
            total += parameter.numel()
            trained += parameter.numel() * parameter.requires_grad
    return trained, total


def check_adaptable(task: Task, arguments: ModelArguments, runs: Sequence[Run]) -> None:
    """Checks, before anything is written, that `--peft` fits the models.

    Raises:
        InputError: See `lora_config`.
    """
    if arguments.peft == "lora":
        for run in runs:
            with torch.device("meta"):
                lora_config(MODEL_CLASSES[task.kind](run.config), **arguments.lora_options())


def adapt(model: DlfaPreTrainedModel, arguments: ModelArguments) -> Any:
    """Returns the model as `--peft` has it trained: with LoRA around it, with its backbone frozen, or as it is."""
    if arguments.peft == "lora":
        from peft import get_peft_model

        return get_peft_model(model, lora_config(model, **arguments.lora_options()))
    return freeze_backbone(model) if arguments.peft == "frozen" else model
