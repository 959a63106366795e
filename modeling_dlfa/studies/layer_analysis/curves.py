"""The curves of a layer analysis: similarity of translations, probes for parts of speech and for the language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...languages import get_language
from ...statistics.probes import Counts, LinearProbe, majority_accuracy
from .arguments import SIMILARITIES
from .depth import Curve, Kind
from .resampling import half_samples
from .similarity import (
    centred_units,
    centroid_cosines,
    cka_matrices,
    language_means,
    pair_mean,
    retrieval_hits,
    translation_cosines,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    States = NDArray[np.float32]

Progress = Callable[[str], None]

_TITLES = {
    "cosine": "centred cosine of translations",
    "cka": "linear CKA between languages",
    "retrieval": "retrieval of translations",
}


@dataclass
class Matrices:
    """What pairs of L languages have in common, one entry per layer.

    Attributes:
        values: For each similarity (L, L).
        draws: For each similarity (R, L, L), on the resamples.
        retrieval: (L, L) accuracy, from the row's language to the column's.
    """

    values: dict[str, list[NDArray[np.float64]]] = field(default_factory=lambda: {name: [] for name in SIMILARITIES})
    draws: dict[str, list[NDArray[np.float64]]] = field(default_factory=lambda: {name: [] for name in SIMILARITIES})
    retrieval: list[NDArray[np.float64]] = field(default_factory=list)


def similarity_curves(
    states: Mapping[str, States], n_resamples: int, seed: int, report: Progress
) -> tuple[list[Curve], Matrices]:
    """Compares the languages' vectors of the same sentences at every layer.

    Args:
        states: For each of L languages (layers, N, E).
        n_resamples: R half-samples of the N sentences, the same in every language, layer and measure. Retrieval always
            searches all N neighbours, even in a half-sample: among fewer it would be easier.
        seed: Seed of the half-samples.
        report: Called with what is being done.

    Returns:
        The curves `cosine`, `cka` and `retrieval`, each the mean over all pairs of languages, and the matrices.
    """
    n_layers, n_sentences, _ = next(iter(states.values())).shape
    draws = half_samples(n_sentences, n_resamples, np.random.SeedSequence([seed, 0]))
    draws = np.vstack([np.ones((1, n_sentences), dtype=bool), draws])  # All sentences come first.
    weights = (draws / draws.sum(axis=1, keepdims=True)).astype(np.float32)
    matrices = Matrices()
    means: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _TITLES}
    by_language: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _TITLES}
    for layer in range(n_layers):
        report(f"layer {layer}: similarity of translations")
        vectors = np.stack([np.asarray(entry[layer]) for entry in states.values()])
        units = centred_units(vectors)
        found = {
            "cka": cka_matrices(vectors, draws),
            "cosine": _averages(weights, translation_cosines(units)),
            "centroids": centroid_cosines(vectors, draws),
            "retrieval": _averages(weights, retrieval_hits(units)),
        }
        for name in SIMILARITIES:
            matrices.values[name].append(found[name][0])
            matrices.draws[name].append(found[name][1:])
        matrices.retrieval.append(found["retrieval"][0])
        for name in _TITLES:
            means[name].append(pair_mean(found[name]))
            by_language[name].append(language_means(found[name][0]))
    curves = []
    for name, title in _TITLES.items():
        values = np.stack(means[name], axis=1)
        languages = dict(zip(states, np.stack(by_language[name], axis=1), strict=True))
        chance = 1 / n_sentences if name == "retrieval" else None
        curves.append(Curve(name, title, "alignment", values[0], values[1:], languages, chance))
    return curves, matrices


def _averages(weights: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weighted means over the sentences: (R, L, L) of (R, N) and (N, L, L)."""
    flat = weights @ values.reshape(len(values), -1)
    return flat.reshape(len(weights), *values.shape[1:]).astype(np.float64)


def language_probe_curve(
    states: Mapping[str, States], n_resamples: int, seed: int, report: Progress
) -> tuple[Curve, list[bool]]:
    """Asks a linear probe which language a token belongs to, by one token of each sentence.

    Whole sentences would not work: from their mean a probe almost always tells the language, at every layer. It learns
    from half of the sentences and is tested on the other half, the same ones in all languages, so that it has seen no
    translation of a test sentence.

    Args:
        states: For each of L languages (layers, N, E), one token per sentence.
        n_resamples: R half-samples of the test sentences.
        seed: Seed of the split and the half-samples.
        report: Called with what is being done.

    Returns:
        The curve, and for each layer whether the probe converged.
    """
    n_layers, n_sentences, _ = next(iter(states.values())).shape
    mixed = np.random.default_rng(np.random.SeedSequence([seed, 1])).permutation(n_sentences)
    parts = {"train": np.sort(mixed[: n_sentences // 2]), "test": np.sort(mixed[n_sentences // 2 :])}
    labels = {name: np.repeat(np.arange(len(states)), len(rows)) for name, rows in parts.items()}
    n_test = len(parts["test"])
    draws = half_samples(n_test, n_resamples, np.random.SeedSequence([seed, 2]))
    draws = np.vstack([np.ones((1, n_test), dtype=bool), draws])
    accuracies, by_language, converged = [], [], []
    for layer in range(n_layers):
        report(f"layer {layer}: language probe")
        vectors = [np.asarray(entry[layer]) for entry in states.values()]
        features = {name: np.concatenate([entry[rows] for entry in vectors]) for name, rows in parts.items()}
        probe = LinearProbe.fit(features["train"], labels["train"])
        predictions = probe.predict(features["test"])
        sentences = np.tile(np.arange(n_test), len(states))
        accuracies.append(Counts.of(predictions, labels["test"], sentences).accuracy(draws))
        by_language.append((predictions == labels["test"]).reshape(len(states), n_test).mean(axis=1))
        converged.append(probe.converged)
    values = np.stack(accuracies, axis=1)
    languages = dict(zip(states, np.stack(by_language, axis=1), strict=True))
    title = "language of a token"
    return Curve("language", title, "structure", values[0], values[1:], languages, 1 / len(states)), converged


@dataclass(frozen=True)
class TaggedWords:
    """Words with their parts of speech, and their states.

    Attributes:
        states: (layers, W, E).
        labels: (W,) class ids.
        sentences: (W,) the sentence of each word, from 0, without gaps.
    """

    states: States
    labels: NDArray[np.int64]
    sentences: NDArray[np.int64]


def pos_probe_curves(
    train: TaggedWords, tests: Mapping[str, TaggedWords], source: str, n_resamples: int, seed: int, report: Progress
) -> tuple[list[Curve], list[bool]]:
    """Trains a linear probe on the source language's parts of speech, and tests it in every language.

    Args:
        train: The source language's training words.
        tests: Test words of each language.
        source: The source language.
        n_resamples: R half-samples of each language's test sentences.
        seed: Seed of the half-samples.
        report: Called with what is being done.

    Returns:
        The curves `pos` (accuracy on words in the source language, if tested) and `pos_transfer` (average over the
        other languages, if there are any), and for each layer whether the probe converged.
    """
    draws = {}
    for index, (code, test) in enumerate(tests.items()):
        n_sentences = int(test.sentences.max()) + 1
        drawn = half_samples(n_sentences, n_resamples, np.random.SeedSequence([seed, 3, index]))
        draws[code] = np.vstack([np.ones((1, n_sentences), dtype=bool), drawn])
    accuracies: dict[str, list[NDArray[np.float64]]] = {code: [] for code in tests}
    converged = []
    for layer in range(len(train.states)):
        report(f"layer {layer}: part-of-speech probe")
        probe = LinearProbe.fit(np.asarray(train.states[layer]), train.labels)
        converged.append(probe.converged)
        for code, test in tests.items():
            predictions = probe.predict(np.asarray(test.states[layer]))
            accuracies[code].append(Counts.of(predictions, test.labels, test.sentences).accuracy(draws[code]))
    values = {code: np.stack(entries, axis=1) for code, entries in accuracies.items()}
    majority = {code: majority_accuracy(train.labels, test.labels) for code, test in tests.items()}
    curves = []
    targets = [code for code in tests if code != source]
    wanted: list[tuple[str, str, Kind, list[str]]] = [
        ("pos", f"parts of speech, {get_language(source).name}", "structure", [source] if source in tests else []),
        ("pos_transfer", "parts of speech, transferred", "both", targets),
    ]
    for name, title, kind, codes in wanted:
        if codes:
            average = np.mean([values[code] for code in codes], axis=0)
            languages = {code: values[code][0] for code in codes}
            chance = float(np.mean([majority[code] for code in codes]))
            curves.append(Curve(name, title, kind, average[0], average[1:], languages, chance))
    return curves, converged
