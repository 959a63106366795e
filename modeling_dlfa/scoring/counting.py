"""What every metric but spans and accuracy counts of an example, so that sums over examples determine the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUMS = 6  # Of a correlation: 1, x, y, xx, yy, xy.


def indicators(values: Any, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Returns which of the C labels N examples have, (N, C), from N class ids or from N rows of 0 and 1.

    Raises:
        InputError: The names of the labels are missing, or the values are neither.
    """
    if not labels:
        raise InputError("F1 needs the names of the classes, to know how many there are; pass labels.")
    array = np.asarray(values)
    if array.ndim == 1 and array.size:
        return np.asarray(array[:, None] == np.arange(len(labels)))
    if array.ndim != 2 or array.shape[1] != len(labels) or not array.size:
        raise InputError(f"F1 needs a class id, or {len(labels)} times 0 or 1, per example, but got {array.shape}.")
    return array.astype(bool)


def class_counts(predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[np.int64]:
    """Returns (N, 3 C) counts of each label: predicted as annotated, predicted, annotated."""
    predicted, annotated = indicators(predictions, labels), indicators(references, labels)
    return np.concatenate([predicted & annotated, predicted, annotated], axis=1).astype(np.int64)


def label_counts(predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[np.int64]:
    """Returns (N, 3) counts over all labels: predicted as annotated, predicted, annotated."""
    counts = class_counts(predictions, references, labels)
    return counts.reshape(len(counts), 3, len(labels)).sum(axis=2)


def macro_f1_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the mean F1 of the labels that were annotated or predicted, from summed `class_counts`."""
    right, predicted, annotated = np.moveaxis(counts.reshape(*counts.shape[:-1], 3, -1), -2, 0)
    spread = np.asarray(predicted + annotated, dtype=np.float64)
    each = np.divide(2 * right, spread, out=np.zeros(spread.shape), where=spread > 0)
    return np.asarray(each.sum(axis=-1) / np.maximum((spread > 0).sum(axis=-1), 1), dtype=np.float64)


def number_counts(predictions: Any, references: Any, labels: Sequence[str] = ()) -> NDArray[np.float64]:
    """Returns (N, 12) sums of correlations: of the numbers and, behind them, of their ranks in this data set.

    Raises:
        InputError: There is not one finite number per example.
    """
    from scipy.stats import rankdata

    sides = [np.asarray(side, dtype=np.float64) for side in (predictions, references)]
    if sides[0].shape != sides[1].shape or sides[0].ndim != 1 or not np.isfinite(sides).all() or not sides[0].size:
        raise InputError(
            f"A correlation needs one predicted and one annotated number per example, but got {sides[0].shape} and "
            f"{sides[1].shape}; pass finite numbers."
        )
    columns = []
    for x, y in (sides, [rankdata(side) for side in sides]):
        x, y = x - x.mean(), y - y.mean()  # Which changes no correlation, and keeps the sums exact.
        columns += [np.ones(len(x)), x, y, x * x, y * y, x * y]
    return np.stack(columns, axis=1)


def pearson_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Returns Pearson's correlation from summed `number_counts`; 0 where one side does not vary."""
    return _correlation(counts[..., :_SUMS])


def spearman_score(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Returns Spearman's rank correlation from summed `number_counts`; 0 where one side does not vary."""
    return _correlation(counts[..., _SUMS:])


def _correlation(sums: NDArray[Any]) -> NDArray[np.float64]:
    n, x, y, xx, yy, xy = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    spread = np.sqrt(np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0))
    varies = spread > 1e-12 * n
    return np.clip(np.divide(n * xy - x * y, spread, out=np.zeros(np.shape(spread)), where=varies), -1, 1)
