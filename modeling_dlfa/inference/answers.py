"""From logits to answers: one label of several, any number of labels, or numbers, as the checkpoint was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..scoring.metrics import MULTI_LABEL, PROBLEM_TYPES, REGRESSION, SINGLE_LABEL, sigmoid, softmax

if TYPE_CHECKING:
    from transformers import PretrainedConfig

THRESHOLD = 0.5


@dataclass(frozen=True)
class Head:
    """What a classifier's logits mean.

    Attributes:
        problem: One of `PROBLEM_TYPES`, as transformers names them.
        labels: Label names in the order of the class ids; of a regression the names of its numbers.
        threshold: Probability from which a label is given, in multi-label problems.
    """

    problem: str
    labels: tuple[str, ...]
    threshold: float = THRESHOLD

    @classmethod
    def of(cls, config: PretrainedConfig, name: str, is_token: bool) -> Head:
        """Reads a configuration as transformers does: without a problem type, a single output is a regression.

        Args:
            config: The checkpoint's.
            name: Of the checkpoint, for messages.
            is_token: Whether it labels words, of which each has one label.

        Raises:
            InputError: There is nothing to choose from, or no such problem type.
        """
        names: dict[Any, str] = config.id2label or {}
        problem = config.problem_type or (SINGLE_LABEL if len(names) > 1 or is_token else REGRESSION)
        known = (SINGLE_LABEL,) if is_token else PROBLEM_TYPES
        if problem not in known:
            raise InputError(f"{name} has the problem type {problem!r}; supported are: {', '.join(known)}.")
        if not names or problem == SINGLE_LABEL and len(names) < 2:
            raise InputError(f"{name} has no labels to choose from: its configuration names {len(names)}.")
        return cls(problem, tuple(str(names[index]) for index in range(len(names))))

    def scores(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns probabilities, or of a regression the numbers as they are; the last dimension is the labels'."""
        if self.problem == SINGLE_LABEL:
            return softmax(logits)
        values = logits.astype(np.float64)
        return values if self.problem == REGRESSION else sigmoid(values)

    def agreement(self, logits: NDArray[np.floating], others: NDArray[np.floating]) -> tuple[int, int]:
        """Compares labels.

        Args:
            logits: N x number of labels.
            others: The same, computed in another way.

        Returns:
            For how many of the N there are labels (none in a regression), and in how many they are the same.
        """
        if self.problem == REGRESSION:
            return 0, 0
        if self.problem == SINGLE_LABEL:
            same = logits.argmax(-1) == others.argmax(-1)
        else:
            same = (self._given(self.scores(logits)) == self._given(self.scores(others))).all(-1)
        return len(logits), int(same.sum())

    def columns(self) -> list[str]:
        """Returns the columns of a table of answers, as `row` fills them."""
        if self.problem == REGRESSION:
            return ["score"] if len(self.labels) == 1 else list(self.labels)
        return ["prediction" if self.problem == SINGLE_LABEL else "predictions", *self.labels]

    def row(self, scores: NDArray[np.float64]) -> list[str]:
        """Returns one answer: the label or labels (`|` between them) and a probability each, or the numbers."""
        if self.problem == REGRESSION:
            return [f"{score:.7g}" for score in scores]
        return ["|".join(self.chosen(scores)), *(f"{score:.6f}" for score in scores)]

    def record(self, scores: NDArray[np.float64]) -> dict[str, Any]:
        """Returns one answer for JSON."""
        if self.problem == REGRESSION:
            numbers = [float(f"{score:.7g}") for score in scores]
            return {"score": numbers[0]} if len(numbers) == 1 else {"scores": self._by_label(numbers)}
        shares = self._by_label(scores.round(6).tolist())
        if self.problem == MULTI_LABEL:
            return {"labels": self.chosen(scores), "scores": shares}
        return {"label": self.chosen(scores)[0], "score": round(float(scores.max()), 6), "scores": shares}

    def chosen(self, scores: NDArray[np.float64]) -> list[str]:
        """Returns the most probable label or, where several can be, all from the threshold on."""
        if self.problem == SINGLE_LABEL:
            return [self.labels[int(scores.argmax())]]
        return [label for label, given in zip(self.labels, self._given(scores), strict=True) if given]

    def _given(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        return scores >= self.threshold

    def _by_label(self, values: Sequence[float]) -> dict[str, float]:
        return dict(zip(self.labels, values, strict=True))
