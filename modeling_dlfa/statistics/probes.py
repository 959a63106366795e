"""Linear probes: what a linear map can read from a layer's states, in one language or in others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

L2 = 1e-3  # Weight of half the squared norm beside the mean loss, for standardised features.
MAX_ITERATIONS = 1000
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class LinearProbe:
    """Multinomial logistic regression on standardised features.

    The loss is convex and the solver (L-BFGS) starts at zero, so that the same data give the same probe: there is no
    seed. A linear probe is meant to find what is openly there, not to learn the task (Alain and Bengio 2016,
    arXiv 1610.01644).

    Attributes:
        mean: (E,) of the training features.
        scale: (E,) their standard deviations, 1 where a feature does not vary.
        model: The fitted regression.
        converged: Whether the solver reached its tolerance.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    model: Any
    converged: bool

    @classmethod
    def fit(
        cls,
        features: NDArray[np.floating],
        labels: NDArray[np.integer],
        *,
        l2: float = L2,
        max_iterations: int = MAX_ITERATIONS,
    ) -> LinearProbe:
        """Fits a probe.

        Args:
            features: (N, E).
            labels: (N,) class ids, of two classes at least.
            l2: Weight of half the squared norm of the coefficients beside the mean loss.
            max_iterations: Of the solver.

        Raises:
            InputError: There is one class alone.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        labels = np.asarray(labels)
        if len(np.unique(labels)) < 2:
            raise InputError("A probe needs examples of two classes or more, but there is one. Give more data.")
        mean = features.mean(axis=0, dtype=np.float64)
        scale = features.std(axis=0, dtype=np.float64)
        scale = np.where(scale > 1e-6 * (np.abs(mean) + scale.max()), scale, 1.0)
        model = LogisticRegression(C=1 / (l2 * len(labels)), max_iter=max_iterations, tol=_TOLERANCE)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(_standardised(features, mean, scale), labels)
        converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        return cls(mean, scale, model, converged)

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """Returns the class ids of (N, E) features, standardised as the training features were."""
        return self.model.predict(_standardised(features, self.mean, self.scale))


def _standardised(
    features: NDArray[np.floating], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    return ((features - mean) / scale).astype(np.float32)


@dataclass(frozen=True)
class Counts:
    """How often a probe was right, an entry a sentence, so that sentences can be resampled.

    Attributes:
        correct: (N,) right answers.
        total: (N,) answers.
    """

    correct: NDArray[np.float64]
    total: NDArray[np.float64]

    @classmethod
    def of(
        cls, predictions: NDArray[np.integer], labels: NDArray[np.integer], sentences: NDArray[np.integer]
    ) -> Counts:
        """Counts answers by sentence.

        Args:
            predictions: (W,) class ids.
            labels: (W,) class ids.
            sentences: (W,) the sentence of each answer, from 0.
        """
        hits = (predictions == labels).astype(np.float64)
        correct, total = np.bincount(sentences, weights=hits), np.bincount(sentences)
        return cls(correct.astype(np.float64), total.astype(np.float64))

    def accuracy(self, draws: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Returns the accuracy in every draw of sentences, (R,) for (R, N)."""
        return (draws @ self.correct) / (draws @ self.total)


def majority_accuracy(train_labels: NDArray[np.integer], test_labels: NDArray[np.integer]) -> float:
    """Returns the accuracy of always answering the training data's most frequent class."""
    return float((np.asarray(test_labels) == np.bincount(train_labels).argmax()).mean())
