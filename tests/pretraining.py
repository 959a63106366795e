"""What the tests of pre-training share: settings of a tiny encoder, rows without masks."""

from __future__ import annotations

import numpy as np
from pretraining import PretrainingLoss, TrainingSettings
from pretraining_batches import BatchSettings
from pretraining_data import Packed
from pretraining_losses import IGNORED
from transformers import BertConfig

from .conftest import ROOT

EXAMPLES = ROOT / "examples"
SCENES = EXAMPLES / "mini" / "corpus"
TINY = "--hidden_size 32 --layers 2 --heads 2 --intermediate_size 64 --max_positions 64 --max_length 64".split()
TINY += ["--contrast_layer", "1"]

TOKENIZER = ["--vocab_size", "2500", "--min_character_count", "1"]


def config(packed: Packed, **changes: int | float) -> BertConfig:
    settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    settings |= {"max_position_embeddings": 64, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    return BertConfig(vocab_size=len(packed.starts_word), tie_word_embeddings=False, **settings | changes)


def batch_settings(**changes: int | float | bool) -> BatchSettings:
    return BatchSettings(**{"tokens": 1024, "max_length": 64} | changes)


def training_settings(**changes: int | float) -> TrainingSettings:
    return TrainingSettings(**{"contrast_layer": 1} | changes)


def pretraining_loss(packed: Packed, **weights: float) -> PretrainingLoss:
    weights = {"contrast_weight": 0.0, "word_weight": 0.0} | weights
    return PretrainingLoss(config(packed), 1, first_word=5, attention="eager", **weights).eval()


def rows(batch: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Both texts of each row, masks undone."""
    ids = batch["input_ids"].copy()
    kept = batch["labels"] != IGNORED
    ids.ravel()[batch["positions"][kept]] = batch["labels"][kept]
    result = []
    for row in ids:
        ends = np.flatnonzero(row == 3)
        result.append((row[1 : ends[0]], row[ends[0] + 1 : ends[1]] if len(ends) > 1 else row[:0]))
    return result
