"""Models of real size with random weights, the real vocabulary, and real text."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.data.loading import expand_files, load_file
from modeling_dlfa.errors import InputError
from modeling_dlfa.pretrained_dlfa import DlfaPreTrainedModel
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.trainer import LengthGroupedSampler

from .settings import SIZES, Settings

MAX_LENGTH = 128
ENTITIES = 7  # PAN-X: O, and B and I of three kinds.
LABELS: dict[str, Any] = {
    "id2label": dict(enumerate(XNLI.labels)),
    "label2id": {name: i for i, name in enumerate(XNLI.labels)},
}


@dataclass(frozen=True)
class TrainingFile:
    """Rows that stand for a long training, and tokens an example: real, and as our batches pad them."""

    path: Path
    rows: int
    real: float
    padded: float


class Workload:
    """What the benchmarks run on; made when first asked for.

    Args:
        settings: Data and sizes.
        folder: Where checkpoints and files are written.

    Raises:
        InputError: A language of XNLI has no file.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.test_files = expand_files(settings.test_file, XNLI.languages)
        self.languages = list(XNLI.languages)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """BERT's tokenizer over the given vocabulary, cased."""
        folder = self.folder / "vocabulary"
        folder.mkdir()
        shutil.copyfile(self.settings.vocab_file, folder / "vocab.txt")
        values = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512}
        (folder / "tokenizer_config.json").write_text(json.dumps(values), encoding="utf-8", newline="\n")
        return AutoTokenizer.from_pretrained(folder)

    def config(self, **values: Any) -> BertConfig:
        """Returns the encoder's configuration; the same random weights follow."""
        torch.manual_seed(0)
        vocabulary: dict[str, Any] = {"vocab_size": len(self.tokenizer), "pad_token_id": self.tokenizer.pad_token_id}
        return BertConfig(**SIZES[self.settings.size], **vocabulary, **values)

    def plain(self, kind: str = "sequence") -> PreTrainedModel:
        """Returns transformers' own classifier on the device."""
        model_class: Any = BertForTokenClassification if kind == "token" else BertForSequenceClassification
        return model_class(self.config(num_labels=_num_labels(kind))).to(self.settings.torch_device)

    def dlfa(self, kind: str = "sequence", **fusion: Any) -> DlfaPreTrainedModel:
        """Returns ours on the device, with the default fusion or what is given of `DlfaConfig`."""
        model_class: Any = DlfaForTokenClassification if kind == "token" else DlfaForSequenceClassification
        config = DlfaConfig(self.config(), num_labels=_num_labels(kind), **fusion)
        return model_class(config).to(self.settings.torch_device)

    @cached_property
    def encoder(self) -> Path:
        """Checkpoint of a plain encoder, for training."""
        return self._save(BertModel(self.config()), "encoder")

    @cached_property
    def plain_checkpoint(self) -> Path:
        """Checkpoint of transformers' classifier of XNLI."""
        return self._save(BertForSequenceClassification(self.config(**LABELS)), "plain")

    @cached_property
    def dlfa_checkpoint(self) -> Path:
        """Checkpoint of ours, around the same encoder."""
        return self._save(DlfaForSequenceClassification.from_backbone(self.encoder, **LABELS), "dlfa")

    def _save(self, model: PreTrainedModel, name: str) -> Path:
        model.save_pretrained(self.folder / name)
        save_tokenizer(self.tokenizer, self.folder / name)
        return self.folder / name

    def pairs(self, number: int, seed: int = 0) -> list[tuple[str, ...]]:
        """Returns premises and hypotheses drawn from all languages."""
        each = -(-number // len(self.languages)) * 4
        splits = [load_file(self.test_files[code], XNLI, code, each) for code in self.languages]
        found = [pair for split in splits for pair in zip(*split.texts, strict=True)]
        return random.Random(seed).sample(found, min(number, len(found)))

    def encode(self, pairs: Sequence[tuple[str, ...]]) -> list[list[int]]:
        """Returns the ids of pairs."""
        first, second = (list(texts) for texts in zip(*pairs, strict=True))
        return self.tokenizer(first, second, truncation="longest_first", max_length=MAX_LENGTH)["input_ids"]

    def batch(self, size: int, kind: str = "sequence") -> dict[str, torch.Tensor]:
        """Returns a batch of examples of similar length, the middle one of eight, with labels, on the device."""
        inputs = sorted(self.encode(self.pairs(8 * size)), key=len)
        start = (len(inputs) - size) // 2
        collate = DataCollatorWithPadding(self.tokenizer)
        batch = dict(collate([{"input_ids": ids} for ids in inputs[start : start + size]]))
        ids = batch["input_ids"]
        batch["labels"] = ids[:, 0] % 3 if kind == "sequence" else ids % ENTITIES
        return {name: values.to(self.settings.torch_device) for name, values in batch.items()}

    def training_file(self, steps: int) -> TrainingFile:
        """Writes rows for so many steps that are what a whole epoch is.

        From the order in which the runner groups up to 400 batches, batches are taken at equal distances in length:
        few steps then have the mean and the spread of the epoch's batches; the official recipe gets the same texts.

        Raises:
            InputError: The file has too few rows.
        """
        size = self.settings.batch_size
        split = load_file(self.settings.train_file, XNLI, "en")
        chosen = random.Random(0).sample(range(len(split)), min(len(split), 400 * size))
        pairs = [(split.texts[0][row], split.texts[1][row]) for row in chosen]
        lengths = np.array([len(ids) for ids in self.encode(pairs)])
        # The first batch of an epoch is its longest.
        batches = [batch for batch in grouped(lengths, size)[1:] if len(batch) == size]
        if len(batches) < steps:
            raise InputError(
                f"{self.settings.train_file} is too short for {steps} steps of {size}: give fewer --steps."
            )
        batches.sort(key=lambda batch: lengths[batch].max())
        places = ((np.arange(steps) + 0.5) * len(batches) / steps).astype(int)
        rows = np.concatenate([batches[place] for place in places])
        lines = [[*XNLI.text_columns, XNLI.label_column]]
        lines += [[*pairs[row], XNLI.labels[split.labels[chosen[row]]]] for row in rows]
        path = self.folder / f"train-{steps}.tsv"
        path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8", newline="\n")
        padded = sum(lengths[rows][batch].max() * len(batch) for batch in grouped(lengths[rows], size))
        return TrainingFile(path, len(rows), float(lengths[rows].mean()), float(padded / len(rows)))


def _num_labels(kind: str) -> int:
    return ENTITIES if kind == "token" else len(XNLI.labels)


def grouped(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns the runner's batches: indices of examples, in the order of an epoch."""
    order = np.fromiter(LengthGroupedSampler(lengths.tolist(), size, seed=42), dtype=np.int64)
    return [order[start : start + size] for start in range(0, len(order), size)]
