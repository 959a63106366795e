"""How far an ONNX graph is from PyTorch: on sentences of 15 languages, in batches of several sizes and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from ..modeling_dlfa import DlfaForTokenClassification, DlfaModel, DlfaPreTrainedModel
from .answers import Head
from .onnx_runtime import OnnxGraph
from .samples import SENTENCES

# Largest difference to PyTorch that is allowed, as a share of its largest output (at least 1): the graph sums in
# another order, in float32, over many layers.
TOLERANCE = 1e-4
LONGEST_CHECK = 512  # tokens


@dataclass(frozen=True)
class Check:
    """What a graph and PyTorch gave for one batch; padded positions do not count.

    Attributes:
        batch: Sentences (or pairs).
        length: Tokens, padding included.
        difference: Largest difference of an output.
        magnitude: Largest output of PyTorch.
        answers: For how many sentences or tokens there are labels; 0 for a model without a classifier.
        same: For how many of them all labels are the same.
    """

    batch: int
    length: int
    difference: float
    magnitude: float
    answers: int
    same: int

    @property
    def equal(self) -> bool:
        """Whether the difference is within `TOLERANCE`."""
        return self.difference <= TOLERANCE * max(1.0, self.magnitude)


def check_batches(tokenizer: PreTrainedTokenizerBase, limit: int, pairs: bool) -> Iterator[BatchEncoding]:
    """Gives batches of text: one sentence, one pair, all of them, two as long as fits beside a short one.

    Args:
        tokenizer: The model's.
        limit: Longest input in tokens.
        pairs: Whether the model takes two texts.
    """
    limit = min(limit, tokenizer.model_max_length, LONGEST_CHECK)
    first, second = [list(side) for side in zip(*SENTENCES.values(), strict=True)]
    forward, backward = " ".join(first), " ".join(reversed(second))
    batches = [[first[:1]], [first, second], [second[:4], first[4:8]], [[forward, first[0], backward]], [[forward]]]
    for texts in batches:
        chosen = texts if pairs else texts[:1]
        yield tokenizer(*chosen, truncation=True, max_length=limit, padding=True, return_tensors="pt")


@torch.inference_mode()
def compare(model: DlfaPreTrainedModel, graph: OnnxGraph, batch: BatchEncoding) -> Check:
    """Compares a graph with the model that it was exported from, for one batch."""
    references = model(**batch, return_dict=True)
    mask = batch["attention_mask"].numpy().astype(bool)
    difference = magnitude = 0.0
    answers = same = 0
    for name, found in graph(batch).items():
        expected: NDArray[Any] = references[name].numpy()
        if expected.ndim == 3:
            expected, found = expected[mask], found[mask]
        # Python's `max` may drop NaN.
        difference = float(np.max([difference, np.abs(found - expected).max()]))
        magnitude = float(np.max([magnitude, np.abs(expected).max()]))
        if not isinstance(model, DlfaModel):
            head = Head.of(model.config, "the model", isinstance(model, DlfaForTokenClassification))
            answers, same = head.agreement(expected, found)
    count, length = batch["input_ids"].shape
    return Check(count, length, difference, magnitude, answers, same)
