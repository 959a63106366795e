"""A metric of `evaluate` for several languages at once. Nothing here needs the network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, quoted
from .counting import indicators
from .metrics import MULTI_LABEL, REGRESSION, get_metric, summarise


class CrossLingualMetric(evaluate.Metric):
    """Scores per language and their averages, as an `evaluate.Metric`; the runner scores every task by it.

    `compute(predictions=, references=, languages=)` takes three equally long sequences. Predictions and references are
    class ids or names of classes, for `"f1"` a list of them an example, one a word. `add` and `add_batch` collect as
    usual. Examples stay in memory: no network, no file, no lock, so any number of processes may use one each, on the
    predictions they hold (gather them first, as `Trainer` does).

    `evaluate.evaluator` knows predictions and references alone: for it, give the languages of its data set here. Its
    references must then be the same in every call, as resampled ones (`strategy="bootstrap"`) have other languages.

    Args:
        metric: `"accuracy"` or `"macro_f1"` of texts; `"f1"` of tagged words, as seqeval counts it; `"micro_f1"` or
            `"macro_f1"` of texts with any number of labels, rows of 0 and 1; `"pearson"` or `"spearman"` of numbers.
        source_language: The language of the training labels; without it there is no transfer gap.
        labels: Names of the classes, in the order of their ids; `"f1"` needs them, and so do names of classes.
        languages: Language code of each example, where `compute` is not given them.
        problem_type: What `macro_f1` scores, as transformers names it: one label an example, the default, or several.

    Raises:
        InputError: There is no such metric; from `compute`, `add` and `add_batch` if the sequences are empty, differ
            in length, or hold anything but class ids and `labels`.

    Example:
        >>> from modeling_dlfa import CrossLingualMetric
        >>> scorer = CrossLingualMetric("accuracy", source_language="en")
        >>> scores = scorer.compute(predictions=[0, 1, 2], references=[0, 1, 1], languages=["en", "en", "de"])
        >>> scores["languages"]
        {'en': {'accuracy': 1.0, 'n': 2}, 'de': {'accuracy': 0.0, 'n': 1}}
        >>> scores["macro_all"], scores["macro_target"], scores["transfer_gap"]
        (0.5, 0.0, 1.0)
    """

    def __init__(
        self,
        metric: str = "accuracy",
        source_language: str = "en",
        labels: Sequence[str] = (),
        languages: Sequence[str] | None = None,
        problem_type: str | None = None,
    ) -> None:
        self._problem = problem_type or get_metric(metric).problems[0]
        self._scored, self._source, self._labels = get_metric(metric), source_language, tuple(labels)
        self._languages = None if languages is None else list(languages)
        self._references: list[Any] | None = None
        super().__init__(keep_in_memory=True)

    def _build_data_dir(self) -> str:
        # evaluate makes a folder in the user's cache here, though it never writes to it with keep_in_memory.
        return tempfile.gettempdir()

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Value("int64")
        alone = self._scored.kind == "sequence" and self._problem != MULTI_LABEL
        each = ids if alone else datasets.Sequence(ids)
        if self._problem == REGRESSION:
            each = datasets.Value("float64")
        features = {"predictions": each, "references": each}
        if self._languages is None:
            features["languages"] = datasets.Value("string")
        return evaluate.MetricInfo(
            description=f"{self._scored.name} per language, averages and transfer gap from {self._source}.",
            citation="",
            inputs_description="predictions, references: a class an example or a word; languages: a code an example.",
            features=datasets.Features(features),
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Scores what is given here and what was collected before, and forgets it.

        Args:
            predictions: N class ids or names of classes; of a token metric N lists of them.
            references: The same, as annotated.
            kwargs: `languages`, N language codes, unless the metric was made with them.

        Returns:
            Plain Python numbers: `"languages"`, in order of first appearance, each with its scores and `"n"`; and
            `"macro_all"`, `"macro_target"` and `"transfer_gap"` (see `Summary`).
        """
        columns = {name: None for name in self._feature_names()} | kwargs
        columns |= {"predictions": predictions, "references": references}
        if not len(self) and all(column is None for column in columns.values()):
            raise InputError(f"There is nothing to score; pass {', '.join(self._feature_names())}.")
        scores: dict[str, Any] = super().compute(**columns)
        return scores

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Collects an example, having checked it."""
        rest = {name: [value] for name, value in kwargs.items()}
        self.add_batch(predictions=[prediction], references=[reference], **rest)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Collects a batch, having checked it."""
        columns = {name: None for name in self._feature_names()} | kwargs
        columns |= {"predictions": predictions, "references": references}
        sizes = {name: 0 if column is None else len(column) for name, column in columns.items()}
        if len(set(sizes.values())) > 1 or not all(sizes.values()):
            raise InputError(f"The metric needs equally many {', '.join(sizes)}, but got {sizes}.")
        for name in ("predictions", "references"):
            columns[name] = self._ids(name, columns[name])
        super().add_batch(**columns)

    def _ids(self, name: str, column: Any) -> Any:
        """Returns the class ids that a column holds or spells; `evaluate` would truncate 0.9 to class 0 in silence."""
        if self._problem == REGRESSION:
            return np.asarray(column, dtype=np.float64)
        if self._problem == MULTI_LABEL:
            return indicators(column, self._labels).astype(np.int64)
        if self._scored.kind == "sequence":
            return self._checked(name, column[:], "example")
        return [self._checked(name, words, "word, a list per sentence") for words in column]

    def _checked(self, name: str, values: Any, unit: str) -> NDArray[np.int64]:
        array = np.asarray(values)
        if array.ndim == 1 and array.size and all(isinstance(value, str) for value in values):
            known = {label: index for index, label in enumerate(self._labels)}
            if name == "predictions" and self._scored.kind == "token":
                known.setdefault("O", len(self._labels))  # What the evaluator says of words without an answer.
            if unknown := sorted(set(array.tolist()) - known.keys()):
                labels = quoted(self._labels) or "none"
                raise InputError(f"Among the {name} is {unknown[0]!r}; the metric was made with the labels: {labels}.")
            return np.array([known[label] for label in array.tolist()], dtype=np.int64)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise InputError(f"{name} must be one class id per {unit}, but has shape {array.shape} of {array.dtype}.")
        if self._labels and array.size and not (0 <= array.min() and array.max() < len(self._labels)):
            wrong = array[(array < 0) | (array >= len(self._labels))][0]
            raise InputError(f"Among the {name} is class id {wrong}; ids run from 0 to {len(self._labels) - 1}.")
        return array

    def _compute(self, predictions: list[Any], references: list[Any], languages: Any = None) -> dict[str, Any]:
        rows: dict[str, list[int]] = {}
        for row, code in enumerate(self._languages_of(references) if languages is None else languages):
            rows.setdefault(code, []).append(row)
        metric, reports = self._scored, {}
        for code, own in rows.items():
            predicted, annotated = ([side[row] for row in own] for side in (predictions, references))
            reports[code] = metric.report(metric.counts(predicted, annotated, self._labels))
        averages = summarise({code: report[metric.name] for code, report in reports.items()}, self._source)
        return {"languages": reports, **vars(averages)}

    def _languages_of(self, references: list[Any]) -> list[str]:
        """Returns the languages that the metric was made with, if they can be those of these examples."""
        assert self._languages is not None
        if len(references) != len(self._languages):
            sizes = f"{len(self._languages)} examples, not {len(references)}"
            raise InputError(f"The metric was made with the languages of {sizes}. Make one for each data set.")
        self._references = self._references or references
        if references != self._references:
            raise InputError(
                "The references are not those of the metric's first call, so that its languages may be of other "
                'examples. Make a metric for each data set; with an evaluator use strategy="simple".'
            )
        return self._languages
