"""Sentences of labelled words → one data set of windows, and the predictions for its tokens → words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tasks import Task
from .loading import Split, check_max_length
from .windows import WordEncoder

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # The label of what does not count, in PyTorch's losses and in the Trainer.


def encode_words(
    splits: Sequence[Split], tokenizer: PreTrainedTokenizerBase, task: Task, max_length: int | None = None
) -> Dataset:
    """Tokenise sentences of words into one data set, in memory.

    The first piece of a word that has text carries its label (see `WordEncoder.label_piece`); other pieces, special
    tokens and padding do not count. Long sentences become several windows, each word labelled in one of them, in
    training as in testing: see `WordEncoder`.

    Args:
        splits: The sentences.
        tokenizer: The model's tokenizer, a fast one.
        task: The task of the splits.
        max_length: Longest input in tokens, special tokens included; `None` is the task's.

    Returns:
        The splits' windows one after the other, with the columns that the tokenizer gives, `labels` (a class id or
        -100 for each token), `length` (tokens), `language` (index into `splits`), `row` (the sentence, from 0, within
        the split) and `words` (which of the sentence's words are labelled here, in order). A window without such a
        word, which lies in the middle of a very long one, is left out.

    Raises:
        InputError: If the tokenizer is not fast or has no unknown token where one is needed, or as `encode`.
    """
    from datasets import Dataset

    encoder = WordEncoder(tokenizer, check_max_length(tokenizer, task, max_length))
    columns: dict[str, list[Any]] = {
        "sentence": [words for split in splits for words in split.texts[0]],
        "tags": [labels for split in splits for labels in split.labels],
        "language": [index for index, split in enumerate(splits) for _ in range(len(split))],
        "row": [row for split in splits for row in range(len(split))],
    }

    def tokenize(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded: dict[str, list[Any]] = {}
        sentences = encoder(batch["sentence"])
        for windows, tags, language, row in zip(
            sentences, batch["tags"], batch["language"], batch["row"], strict=True
        ):
            for window in windows:
                labels = [IGNORED] * len(window)
                for position, word in zip(window.positions, window.words, strict=True):
                    labels[position] = tags[word]
                example = {**window.inputs, "labels": labels, "length": len(window), "words": window.words}
                for name, value in {**example, "language": language, "row": row}.items():
                    encoded.setdefault(name, []).append(value)
        return encoded

    return Dataset.from_dict(columns).map(
        tokenize,
        batched=True,
        remove_columns=list(columns),
        keep_in_memory=True,
        load_from_cache_file=False,
        desc="Tokenising",
    )


def join_words(
    splits: Sequence[Split], dataset: Dataset, predictions: NDArray[np.integer], labels: NDArray[np.integer]
) -> list[list[NDArray[np.int64]]]:
    """Bring the predictions for tokens back to the words.

    Args:
        splits: The sentences that `encode_words` was given.
        dataset: What it returned, in any order.
        predictions: (N, T) class ids, a row for each of the data set, padded with anything.
        labels: (N, T) labels as the collator made them, in the same places: what is not -100 is a word.

    Returns:
        For each split and each of its sentences an array with a class id for every word.
    """
    answers = [[np.full(len(words), IGNORED, dtype=np.int64) for words in split.texts[0]] for split in splits]
    columns = (dataset[name][:] for name in ("language", "row", "words"))
    for language, row, words, predicted, label in zip(*columns, predictions, labels, strict=True):
        answers[language][row][words] = predicted[label != IGNORED]
    if any((answer == IGNORED).any() for sentences in answers for answer in sentences):
        raise RuntimeError("A word has no prediction: the data set does not hold all windows of these sentences.")
    return answers
