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

Pair = tuple[str, str]


@dataclass(frozen=True)
class TrainingFile:
    """Rows for a short training that stands for a long one.

    Attributes:
        path: A TSV file.
        rows: How many.
        real: Tokens of an example, on average.
        padded: The same as the runner's batches pad them.
    """

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
        """Returns the encoder's configuration."""
        vocabulary: dict[str, Any] = {"vocab_size": len(self.tokenizer), "pad_token_id": self.tokenizer.pad_token_id}
        return BertConfig(**SIZES[self.settings.size], **vocabulary, **values)

    def plain(self, kind: str = "sequence") -> PreTrainedModel:
        """Returns transformers' own classifier on the device, random weights."""
        torch.manual_seed(0)
        model_class: Any = BertForTokenClassification if kind == "token" else BertForSequenceClassification
        return model_class(self.config(num_labels=_labels(kind))).to(self.settings.torch_device)

    def dlfa(self, kind: str = "sequence", attention: str | None = None, **fusion: Any) -> DlfaPreTrainedModel:
        """Returns ours on the device, random weights, with the default fusion or what is given of `DlfaConfig`."""
        torch.manual_seed(0)
        config = DlfaConfig(self.config(), num_labels=_labels(kind), **fusion)
        config._attn_implementation = attention
        model_class: Any = DlfaForTokenClassification if kind == "token" else DlfaForSequenceClassification
        return model_class(config).to(self.settings.torch_device)

    @cached_property
    def encoder(self) -> Path:
        """Checkpoint of a plain encoder, for training."""
        torch.manual_seed(0)
        return self._save(BertModel(self.config()), "encoder")

    @cached_property
    def plain_checkpoint(self) -> Path:
        """Checkpoint of transformers' classifier of XNLI."""
        torch.manual_seed(0)
        return self._save(BertForSequenceClassification(self.config(**label_names())), "plain")

    @cached_property
    def dlfa_checkpoint(self) -> Path:
        """Checkpoint of ours, around the same encoder."""
        return self._save(DlfaForSequenceClassification.from_backbone(self.encoder, **label_names()), "dlfa")

    def _save(self, model: PreTrainedModel, name: str) -> Path:
        model.save_pretrained(self.folder / name)
        save_tokenizer(self.tokenizer, self.folder / name)
        return self.folder / name

    def pairs(self, number: int, seed: int = 0) -> list[Pair]:
        """Returns premises and hypotheses drawn from all languages."""
        each = -(-number // len(self.languages)) * 4
        found = [pair for code in self.languages for pair in read_pairs(self.test_files[code], code, each)]
        return random.Random(seed).sample(found, min(number, len(found)))

    def batch(self, size: int, kind: str = "sequence") -> dict[str, torch.Tensor]:
        """Returns a batch of examples of similar length, the middle one of eight, with labels, on the device."""
        first, second = zip(*self.pairs(8 * size), strict=True)
        encoded = self.tokenizer(list(first), list(second), truncation="longest_first", max_length=MAX_LENGTH)
        inputs = sorted(
            ({name: encoded[name][index] for name in encoded} for index in range(len(first))),
            key=lambda entry: len(entry["input_ids"]),
        )
        start = (len(inputs) - size) // 2
        batch = dict(DataCollatorWithPadding(self.tokenizer)(inputs[start : start + size]))
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
        first, second = zip(*pairs, strict=True)
        encoded = self.tokenizer(list(first), list(second), truncation="longest_first", max_length=MAX_LENGTH)
        lengths = np.array([len(ids) for ids in encoded["input_ids"]])
        # The first batch of an epoch is its longest.
        batches = [batch for batch in grouped(lengths, size)[1:] if len(batch) == size]
        if len(batches) < steps:
            raise InputError(
                f"{self.settings.train_file}: {steps} steps of {size} need more rows. Give fewer --steps."
            )
        batches.sort(key=lambda batch: lengths[batch].max())
        places = ((np.arange(steps) + 0.5) * len(batches) / steps).astype(int)
        rows = np.concatenate([batches[place] for place in places])
        labels = [XNLI.labels[split.labels[chosen[row]]] for row in rows]
        path = self.folder / f"train-{steps}.tsv"
        write_pairs(path, [pairs[row] for row in rows], labels)
        padded = sum(lengths[rows][batch].max() * len(batch) for batch in grouped(lengths[rows], size))
        return TrainingFile(path, len(rows), float(lengths[rows].mean()), float(padded / len(rows)))


def _labels(kind: str) -> int:
    return ENTITIES if kind == "token" else len(XNLI.labels)


def label_names() -> dict[str, Any]:
    """Returns the values of a configuration that name XNLI's labels."""
    names = dict(enumerate(XNLI.labels))
    return {"id2label": names, "label2id": {name: index for index, name in names.items()}}


def grouped(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns the runner's batches: indices of examples, in the order of an epoch."""
    order = np.fromiter(LengthGroupedSampler(lengths.tolist(), size, seed=42), dtype=np.int64)
    return [order[start : start + size] for start in range(0, len(order), size)]


def read_pairs(path: str | Path, language: str, limit: int) -> list[Pair]:
    """Returns the texts of a file's first rows."""
    split = load_file(path, XNLI, language, limit)
    return list(zip(*split.texts, strict=True))


def write_pairs(path: Path, pairs: Sequence[Pair], labels: Sequence[str]) -> None:
    """Writes a file of XNLI's layout."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join([*XNLI.text_columns, XNLI.label_column]) + "\n")
        file.writelines("\t".join([*pair, label]) + "\n" for pair, label in zip(pairs, labels, strict=True))
