"""The encoder or checkpoint that a command starts from: its tokenizer, weights and card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, PreTrainedTokenizerBase, set_seed

from ..checkpoints import loading
from ..checkpoints.models import MODEL_CLASSES, longest_input
from ..checkpoints.tokenizers import OWN_TOKENIZER
from ..checkpoints.weights import recorded_sums, verify_weights
from ..configuration_dlfa import DlfaConfig
from ..encoder_dlfa import find_weights
from ..errors import InputError
from ..files.places import check_place, check_safetensors, weight_files
from ..modeling_dlfa import DlfaPreTrainedModel
from .glyphs import load_table
from .options import ModelArguments
from .systems import Run


def card_origin(path: str) -> dict[str, Any] | None:
    """Returns what the card in an encoder's folder says about its origin; None for a Hub id, or without a card.

    Returns:
        `base_model` and `license` from its metadata, and `text`, its section "Origin"; None for each that is missing.
    """
    file = Path(path) / "README.md"
    if not file.is_file():
        return None
    from huggingface_hub import ModelCard

    try:
        card = ModelCard(file.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError, TypeError):
        return None  # Any text may be called README.md.
    base_model, license = getattr(card.data, "base_model", None), getattr(card.data, "license", None)
    section = re.search(r"^## Origin\n+(.+?)(?=^#|\Z)", card.text, re.DOTALL | re.MULTILINE)
    return {
        "base_model": base_model if isinstance(base_model, str) else None,
        "license": license if isinstance(license, str) else None,
        "text": section.group(1).strip() if section else None,
    }


def load_tokenizer(model: ModelArguments, config: DlfaConfig) -> PreTrainedTokenizerBase:
    """Loads the model's tokenizer.

    Raises:
        InputError: It cannot be found, or does not belong to the model (see `check_tokenizer`).
    """
    name = model.tokenizer_name or model.model_name_or_path
    check_place("--tokenizer_name" if model.tokenizer_name else "--model_name_or_path", name, file=None)
    tokenizer = loading.load_tokenizer(name, config, OWN_TOKENIZER, **model.hub_options())
    # Without it a tokenizer truncates nothing, and the one saved with the model should truncate.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest_input(config))
    return tokenizer


def fetch_weights(model: ModelArguments) -> None:
    """Downloads the model's weights unless they are cached, so that failures come before any work is done.

    Raises:
        InputError: They cannot be fetched, are not safetensors, are cut short, or are not those that DLFA saved there.
    """
    try:
        find_weights(model.model_name_or_path, None, model.hub_options())
        paths = weight_files(model.model_name_or_path, model.hub_options())
        for path in paths:
            check_safetensors(path)
        if recorded_sums(paths[0].parent):
            verify_weights(paths[0].parent, [path.name for path in paths])
    except (OSError, ValueError) as error:
        raise loading.cannot_load(model.model_name_or_path, error) from error


def check_buildable(model: ModelArguments, config: DlfaConfig) -> None:
    """Checks that the backbone can be built, with the attention that `--attn_implementation` names.

    Raises:
        InputError: Its configuration is broken; or that attention does not exist, is not installed, or does not fit
            this encoder.
    """
    what, remedy = f"Cannot build {model.model_name_or_path}", "Correct its config.json."
    tried: list[tuple[str, str, dict[str, Any]]] = [(what, remedy, {})]
    if (wished := model.attn_implementation) is not None:
        remedy = "sdpa and eager need no other package."
        tried.append((f"--attn_implementation {wished}", remedy, {"attn_implementation": wished}))
    for what, remedy, options in tried:
        try:
            with torch.device("meta"):
                AutoModel.from_config(config.backbone_config, **options)
        except Exception as error:  # Each architecture raises its own errors.
            reason = " ".join(str(error).split()).rstrip(".")
            raise InputError(f"{what}: {reason}. {remedy}") from error


def load_model(kind: str, model: ModelArguments, run: Run) -> DlfaPreTrainedModel:
    """Builds the model of a run in float32; fusion and head are initialised from the run's seed.

    Args:
        kind: Kind of the task, `"sequence"` or `"token"`.
        model: The encoder or checkpoint to start from.
        run: The run.

    Raises:
        InputError: The checkpoint cannot be read or lacks weights.
    """
    model_class, name = MODEL_CLASSES[kind], run.checkpoint or model.model_name_or_path
    options: dict[str, Any] = {"config": run.config, "dtype": torch.float32, **model.hub_options()}
    options["attn_implementation"] = model.attn_implementation
    set_seed(run.seed)
    try:
        if not run.from_checkpoint:
            table = load_table(model) if run.config.glyph_size else None
            rows = None if table is None else table.values  # Already compared with the tokenizer.
            return model_class.from_backbone(name, glyphs=rows, **options)
        loaded = model_class.from_pretrained(name, ignore_mismatched_sizes=run.new_head, **options)
    except (OSError, ValueError) as error:
        raise loading.cannot_load(name, error) from error
    if run.new_head:
        # A head of another task may have the same number of labels and would have been loaded.
        old: Any = loaded.classifier
        new = torch.nn.Linear(old.in_features, old.out_features, device=old.weight.device, dtype=old.weight.dtype)
        new.apply(loaded._init_weights)
        loaded.classifier = new
    return loaded
