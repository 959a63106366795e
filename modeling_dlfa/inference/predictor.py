"""Predict a stream of examples with any checkpoint: sorted by length within a buffer, answered in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DataCollatorWithPadding

from ..data.windows import WordEncoder
from ..errors import InputError
from .checkpoint import Backend, Checkpoint
from .columns import check_given
from .lines import check_texts
from .reading import Example
from .source import ReadAhead


@dataclass(frozen=True)
class Prediction:
    """What an example is.

    Attributes:
        example: The example.
        scores: A probability for each label (of a regression, its numbers): as many as labels or, of a token task,
            words x labels.
    """

    example: Example
    scores: NDArray[np.float64]


class Predictor:
    """Predicts texts, pairs of texts or words in batches of similar length.

    Args:
        checkpoint: Folder or Hub id of a fine-tuned classifier of texts or words, or what `Checkpoint.of` read.
        backend: Computes its logits; PyTorch on `device` if None.
        batch_size: Inputs of a batch; a long sentence of words is several inputs.
        buffer_size: Examples that are read, sorted by length and answered together; memory holds no more.
        device: For PyTorch; the accelerator if there is one, else the CPU, if None.
        kwargs: As for `Checkpoint.of`: `max_length`, `trust_remote_code`, `revision`, `token`, `cache_dir`.

    Attributes:
        checkpoint: What is asked.
        shortened: How many texts were longer than the checkpoint reads, and were cut; words never are.
        blank_words: How many words were blank, and were read as the unknown token.

    Raises:
        InputError: The checkpoint cannot be read, or is not a classifier.

    Example:
        >>> from modeling_dlfa import Predictor
        >>> predictor = Predictor("runs/xnli/models/aif-layer1-seed1")
        >>> answers = predictor([("The cat sleeps.", "The dog runs."), ("Die Katze schläft.", "Der Hund rennt.")])
        >>> sorted(answers[1])
        ['label', 'score', 'scores']
        >>> sorted(answers[1]["scores"])
        ['contradiction', 'entailment', 'neutral']
    """

    def __init__(
        self,
        checkpoint: Checkpoint | str | os.PathLike,
        backend: Backend | None = None,
        batch_size: int = 32,
        buffer_size: int = 4096,
        *,
        device: str | None = None,
        **kwargs: Any,
    ) -> None:
        if any(type(size) is not int or size < 1 for size in (batch_size, buffer_size)):
            raise InputError("--batch_size and --buffer_size are whole numbers, at least 1.")
        if backend is not None and not callable(backend):
            raise InputError(
                f"backend={backend!r} is not a function. For ONNX give Checkpoint.of(FOLDER).load_onnx(), of "
                "modeling_dlfa.inference.checkpoint; for PyTorch leave it out."
            )
        self.checkpoint = (
            checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.of(str(checkpoint), **kwargs)
        )
        self.backend = backend if backend is not None else self.checkpoint.load(device or best_device())
        self.batch_size, self.buffer_size, self.shortened = batch_size, buffer_size, 0
        self.blank_words = 0
        self._collate = DataCollatorWithPadding(self.checkpoint.tokenizer)
        is_token = self.checkpoint.kind == "token"
        self._encoder = WordEncoder(self.checkpoint.tokenizer, self.checkpoint.max_length) if is_token else None

    def __call__(self, inputs: Iterable[str | Sequence[str]]) -> list[Any]:
        """Answers examples.

        Args:
            inputs: Texts, or pairs of texts as `("a text", "another")`; for a checkpoint that labels words, lists of
                words.

        Returns:
            For each what `dlfa predict` writes as JSON: `label`, `score` and `scores` by label (`labels` and `scores`
            where several can be given, `score` or `scores` of a regression); of words a list of such, each with its
            `word`.

        Raises:
            InputError: An input is not of that kind; nothing is computed then.
        """
        if isinstance(inputs, str):
            raise InputError("One string was given, which would be read letter by letter. Give a list of texts.")
        if not isinstance(inputs, Iterable):
            raise InputError(f"The inputs are {type(inputs).__name__}. Give a list of texts.")
        examples = [self._example(number, given) for number, given in enumerate(inputs)]
        return [self._answer(prediction) for prediction in self.stream(examples)]

    def _example(self, number: int, given: Any) -> Example:
        where, own = f"input {number}", self.checkpoint.text_columns
        is_token = self._encoder is not None
        if not isinstance(given, (str, list, tuple)) or (is_token and isinstance(given, str)):
            wanted = "a list of words" if is_token else "a text, or a pair of texts"
            raise InputError(f"{where} is {given!r}. Give {wanted}.")
        texts = [given] if isinstance(given, str) else list(given)
        if strange := [text for text in texts if not isinstance(text, str)]:
            raise InputError(f"{where} holds {strange[0]!r}, which is not a text.")
        if not is_token:
            check_given(texts, own, where)
        if not texts:
            raise InputError(f"{where} has no words. Leave it out, or fill in its words.")
        check_texts(texts, where, blank=is_token)
        return Example(number + 1, number, texts)

    def _answer(self, prediction: Prediction) -> Any:
        head = self.checkpoint.head
        if prediction.scores.ndim == 1:
            return head.record(prediction.scores)
        words = zip(prediction.example.texts, prediction.scores, strict=True)
        return [{"word": word, **head.record(scores)} for word, scores in words]

    def stream(self, examples: Iterable[Example]) -> Iterator[Prediction]:
        """Gives a prediction for each example, in their order, a buffer at a time.

        Args:
            examples: The examples; what a `ReadAhead` has not got yet is not waited for.

        Raises:
            InputError: See `WordEncoder`; or an answer is not finite.
        """
        remaining = iter(examples)
        take = examples.take if isinstance(examples, ReadAhead) else lambda limit: list(islice(remaining, limit))
        while buffer := take(self.buffer_size):
            answers = self._texts(buffer) if self._encoder is None else self._words(buffer, self._encoder)
            for example, answer in zip(buffer, answers, strict=True):
                if not np.isfinite(answer).all():
                    raise InputError(
                        f"line {example.line}: the answer of {self.checkpoint.name} is not a finite number. Compute "
                        "in float32 (without --dtype) or on another device; otherwise its weights are unusable."
                    )
                yield Prediction(example, answer)

    def _texts(self, examples: list[Example]) -> list[NDArray[np.float64]]:
        tokenizer, limit = self.checkpoint.tokenizer, self.checkpoint.max_length
        inputs: list[dict[str, list[int]]] = [{} for _ in examples]
        # One text and two are not mixed in a call of the tokenizer.
        for width in (1, 2):
            chosen = [index for index, example in enumerate(examples) if len(example.texts) == width]
            if not chosen:
                continue
            columns = [[examples[index].texts[column] for index in chosen] for column in range(width)]
            encoded = tokenizer(*columns, verbose=False)
            for position, index in enumerate(chosen):
                inputs[index] = {name: values[position] for name, values in encoded.items()}
                # A slow tokenizer does not tell what it has cut, so that what is too long is cut by itself.
                if len(inputs[index]["input_ids"]) > limit:
                    texts = examples[index].texts
                    inputs[index] = dict(tokenizer(*texts, truncation="longest_first", max_length=limit))
                    self.shortened += 1
        answers: list[Any] = [None] * len(examples)
        for index, logits in self._in_batches(inputs):
            answers[index] = self.checkpoint.head.scores(logits)
        return answers

    def _words(self, examples: list[Example], encoder: WordEncoder) -> list[NDArray[np.float64]]:
        self.blank_words += sum(not word.strip() for example in examples for word in example.texts)
        windows = [
            (row, window)
            for row, sentence in enumerate(encoder([example.texts for example in examples]))
            for window in sentence
        ]
        answers = [np.full((len(example.texts), len(self.checkpoint.labels)), np.nan) for example in examples]
        for index, logits in self._in_batches([window.inputs for _, window in windows]):
            row, window = windows[index]
            answers[row][window.words] = self.checkpoint.head.scores(logits[window.positions])
        return answers

    def _in_batches(self, inputs: list[dict[str, list[int]]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Gives each input's number and logits, the longest first: a lack of memory shows at once."""
        for chosen in group_by_length([len(entry["input_ids"]) for entry in inputs], self.batch_size):
            batch = self._collate([inputs[index] for index in chosen])
            # Padding on the left would move the words; theirs is numbered from the first token.
            yield from zip(chosen, self._unpadded(self.backend(batch), batch), strict=True)

    def _unpadded(self, logits: NDArray[np.float32], batch: Mapping[str, torch.Tensor]) -> Iterator[Any]:
        if logits.ndim == 2 or self.checkpoint.tokenizer.padding_side == "right":
            yield from logits
            return
        width = logits.shape[1]
        for row, mask in zip(logits, batch["attention_mask"], strict=True):
            yield row[width - int(mask.sum()) :]


def group_by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Puts inputs into batches of which at most a quarter is padding.

    Args:
        lengths: Tokens of each input.
        batch_size: Inputs of a batch at most; a batch ends sooner where the next input has less than three quarters of
            its longest one's tokens, as happens where inputs are few.

    Returns:
        Positions of the inputs, batch by batch, the longest first.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        batch = batches[-1] if batches else []
        if batch and len(batch) < batch_size and 4 * lengths[index] >= 3 * lengths[batch[0]]:
            batch.append(index)
        else:
            batches.append([index])
    return batches


def best_device() -> str:
    """Returns the accelerator of this machine, else `"cpu"`."""
    return torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"  # type: ignore[union-attr]
