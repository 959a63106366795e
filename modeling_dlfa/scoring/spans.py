"""Entity spans in tag sequences, counted for each sentence so that they add up to seqeval's scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def span_counts(
    predictions: Sequence[ArrayLike], references: Sequence[ArrayLike], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Count spans as `seqeval.metrics.f1_score` does by default, with its own rules of where a span starts and ends.

    In its default mode, which follows conlleval, seqeval puts all sentences one after the other with an O after each
    and compares the spans that it finds; here each is counted for the sentence in which it ends. The sums over all
    sentences are seqeval's, also in its odd cases. Of tags without a prefix such as UPOS, which XTREME scores with
    seqeval too, it takes the first letter for the prefix and the rest for the type: a run of equal tags is one span;
    CCONJ and SCONJ are of one type; X, of the same empty type as O, does not form a span at a sentence's end.

    Args:
        predictions: N arrays of class ids, one for each word.
        references: The same, as annotated.
        labels: Label names; the position of a name is its class id.

    Returns:
        (N, 3): spans predicted as annotated, spans predicted, spans annotated.
    """
    lengths = np.array([len(np.asarray(sentence)) for sentence in references])
    sentence = np.repeat(np.arange(len(lengths)), lengths + 1)  # The O after a sentence belongs to it.
    predicted, annotated = (_spans(values, tuple(labels)) for values in (predictions, references))
    found = [ends for ends, _, _ in (predicted, annotated)]
    right = found[0] & found[1] & (predicted[1] == annotated[1]) & (predicted[2] == annotated[2])
    counts = [np.bincount(sentence[ends], minlength=len(lengths)) for ends in (right, *found)]
    return np.stack(counts, axis=1).astype(np.int64)


def _spans(
    sentences: Sequence[ArrayLike], labels: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Whether a span ended before each place of the joined sentences, and that span's type and start."""
    starts, ends, types = _rules(labels)
    outside = len(labels)
    current = np.concatenate([np.append(np.asarray(values, dtype=np.int64), outside) for values in sentences])
    previous = np.concatenate([[outside + 1], current[:-1]])
    place = np.arange(len(current))
    last_start = np.maximum.accumulate(np.where(starts[previous, current], place, 0))
    return ends[previous, current], types[previous], np.concatenate([[0], last_start[:-1]])


@lru_cache
def _rules(labels: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """The rules of seqeval for every pair of labels: (L+2, L+2) starts and ends, and the (L+2,) number of each type.

    The last two are the O between sentences and the state before the first word.
    """
    from seqeval.metrics.sequence_labeling import end_of_chunk, start_of_chunk

    # As in `seqeval.metrics.sequence_labeling.get_entities`.
    tags = [(name[0], name[1:].split("-", maxsplit=1)[-1] or "_") for name in (*labels, "O")] + [("O", "")]
    starts, ends = (
        np.array([[rule(before[0], tag[0], before[1], tag[1]) for tag in tags] for before in tags], dtype=bool)
        for rule in (start_of_chunk, end_of_chunk)
    )
    types = [kind for _, kind in tags]
    return starts, ends, np.array([types.index(kind) for kind in types], dtype=np.int64)


def span_classes(
    predictions: Sequence[ArrayLike], references: Sequence[ArrayLike], labels: Sequence[str], types: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the spans of each type of entity, as seqeval's `classification_report` does.

    Args:
        predictions: As in `span_counts`.
        references: As in `span_counts`.
        labels: As in `span_counts`.
        types: The C types, such as `PER` of `B-PER`.

    Returns:
        Three arrays of C counts: spans predicted as annotated, spans predicted, spans annotated.
    """
    predicted, annotated = (_spans(values, tuple(labels)) for values in (predictions, references))
    right = predicted[0] & annotated[0] & (predicted[1] == annotated[1]) & (predicted[2] == annotated[2])
    first = [next(index for index, label in enumerate(labels) if label[2:] == name) for name in types]
    # A type's number is the position of its first label.
    return tuple(
        np.array([np.count_nonzero(kinds[ends] == number) for number in first], dtype=np.int64)
        for ends, kinds in ((right, predicted[1]), (predicted[0], predicted[1]), (annotated[0], annotated[1]))
    )  # type: ignore[return-value]
