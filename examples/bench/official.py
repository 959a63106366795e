"""The official recipe, to be measured against: what transformers' `run_xnli.py` does with its data and its Trainer.

A program that imports nothing of modeling_dlfa, written after `examples/pytorch/text-classification/run_xnli.py` of
huggingface/transformers (commit a22a4378) and the command in the README beside it: a process loads one model and
evaluates one language; every example is padded to 128 tokens when it is tokenised; all else is the default of
`TrainingArguments`. Since nothing can be downloaded, examples come from a TSV file instead of the Hub's Arrow files,
and the accuracy is computed here, where `evaluate.load("xnli")` would compute the same.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

LABELS = ("entailment", "neutral", "contradiction")


@dataclass
class RecipeArguments:
    """Model and data, named as in the original where it has them."""

    model_name_or_path: str = field(metadata={"help": "Folder of an encoder or a classifier."})
    train_file: str | None = field(default=None, metadata={"help": "In place of the Hub's training split."})
    eval_file: str | None = field(default=None, metadata={"help": "In place of the Hub's split of --language."})
    language: str = field(default="en", metadata={"help": "Evaluation language."})
    max_seq_length: int = field(default=128, metadata={"help": "Every example has this many tokens."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Take only the first rows."})


def read(path: str, limit: int | None = None) -> Dataset:
    """Reads premise, hypothesis and label of a tab-separated file without quoting."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:limit]
    return Dataset.from_list([{**row, "label": LABELS.index(row["label"])} for row in rows])


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Returns what the metric `xnli` of evaluate does."""
    scores: Any = prediction.predictions
    return {"accuracy": float((np.argmax(scores, axis=1) == prediction.label_ids).mean())}


def main() -> None:
    """Trains, evaluates, or both, and writes `train_results.json` and `eval_results.json`."""
    groups: Any = [RecipeArguments, TrainingArguments]
    recipe, training = HfArgumentParser(groups, allow_abbrev=False).parse_args_into_dataclasses()
    set_seed(training.seed)
    names = dict(enumerate(LABELS))
    config = AutoConfig.from_pretrained(
        recipe.model_name_or_path, num_labels=3, id2label=names, label2id={name: key for key, name in names.items()}
    )
    tokenizer = AutoTokenizer.from_pretrained(recipe.model_name_or_path)
    model = AutoModelForSequenceClassification.from_pretrained(recipe.model_name_or_path, config=config)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        settings: Any = {"padding": "max_length", "max_length": recipe.max_seq_length, "truncation": True}
        return tokenizer(batch["premise"], batch["hypothesis"], **settings)

    files = {"train": (recipe.train_file, None), "eval": (recipe.eval_file, recipe.max_eval_samples)}
    data = {name: read(path, limit).map(tokenize, batched=True) for name, (path, limit) in files.items() if path}
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=data.get("train"),
        eval_dataset=data.get("eval"),
        compute_metrics=accuracy,
        processing_class=tokenizer,
        data_collator=default_data_collator,
    )
    if "train" in data:
        trainer.save_metrics("train", trainer.train().metrics)
    if "eval" in data:
        trainer.save_metrics("eval", trainer.evaluate())


if __name__ == "__main__":
    main()
