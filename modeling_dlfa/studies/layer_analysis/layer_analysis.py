"""What each layer of an encoder knows: from its hidden states to results, report and figures on disk."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...command.redaction import command_line
from ...data.splits import Split
from ...files.folders import locked
from ...inference.predictor import best_device
from ...statistics.probes import L2
from ...version import installed_versions
from .arguments import SIMILARITIES, LayerAnalysisArguments
from .curves import (
    Matrices,
    TaggedWords,
    language_probe_curve,
    pos_probe_curves,
    similarity_curves,
)
from .depth import Curve, Profiles
from .encoders import Encoder, load_encoder
from .families import adjust_agreements, agreement_with_genealogy, language_permutations
from .genealogy import Genealogy
from .inputs import AnalysisData, check_arguments, read_data
from .sections import ANALYSIS
from .states import LayerStates

PACKAGES = ("modeling_dlfa", "transformers", "torch", "numpy", "scipy", "scikit-learn")


def run_layer_analysis(
    arguments: LayerAnalysisArguments, report: Callable[[str], None] = lambda message: None
) -> dict[str, Any]:
    """Analyses an encoder layer by layer and writes results (JSON), report (Markdown) and figures.

    Args:
        arguments: The options of the analysis.
        report: Called with what is being done.

    Returns:
        The results, as written.

    Raises:
        InputError: Wrong input, found before anything is computed; see the functions called.
    """
    arguments = replace(arguments, device=arguments.device or best_device())
    check_arguments(arguments)
    output = Path(arguments.output_dir)
    with locked(output):
        return _run(arguments, output, report)


def _run(arguments: LayerAnalysisArguments, output: Path, report: Callable[[str], None]) -> dict[str, Any]:
    started = time.perf_counter()
    data = read_data(arguments)
    encoder = load_encoder(
        arguments.model_name_or_path,
        tokenizer_name=arguments.tokenizer_name,
        max_length=arguments.max_length,
        device=str(arguments.device),
        revision=arguments.model_revision,
        cache_dir=arguments.cache_dir,
        token=arguments.token,
    )
    states = LayerStates(encoder, arguments.states_dir or output / "states", arguments.batch_size)
    curves, matrices, unconverged = _curves(arguments, data, states, report)
    report("clusters of languages")
    results: dict[str, Any] = {
        "command": command_line(sys.argv),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": installed_versions(PACKAGES),
        **_described(arguments, data, encoder),
        "truncated_sentences": states.truncated,
        "probes_not_converged": unconverged,
        "curves": {curve.name: curve.to_dict(comparisons=len(curves)) for curve in curves},
        "profiles": Profiles.of(curves).to_dict(),
        "families": _families(arguments, data.genealogy, matrices),
        "retrieval": [matrix.tolist() for matrix in matrices.retrieval],
    }
    results["tokens_computed"] = states.computed
    results["seconds"] = round(time.perf_counter() - started, 1)
    return ANALYSIS.write(results, output)


def _curves(
    arguments: LayerAnalysisArguments, data: AnalysisData, states: LayerStates, report: Callable[[str], None]
) -> tuple[list[Curve], Matrices, dict[str, list[int]]]:
    """Computes all curves, and the layers at which a probe did not converge."""
    means, tokens = {}, {}
    for code, texts in data.aligned.texts.items():
        report(f"{code}: hidden states of {len(texts)} sentences")
        means[code], tokens[code] = states.sentences(texts, arguments.seed)
    curves, matrices = similarity_curves(means, arguments.n_resamples, arguments.seed, report)
    curve, converged = language_probe_curve(tokens, arguments.n_resamples, arguments.seed, report)
    curves.append(curve)
    probes = {"language": converged}
    if data.pos_train is not None:

        def tagged(split: Split) -> TaggedWords:
            report(f"{split.language}: hidden states of the words of {len(split)} sentences")
            sentences = np.repeat(np.arange(len(split)), [len(words) for words in split.texts[0]])
            return TaggedWords(states.words(split.texts[0]), np.concatenate(split.labels), sentences)

        train = tagged(data.pos_train)
        tests = {code: tagged(split) for code, split in data.pos_tests.items()}
        source = arguments.source_language
        found, probes["pos"] = pos_probe_curves(train, tests, source, arguments.n_resamples, arguments.seed, report)
        curves += found
    unconverged = {name: [layer for layer, done in enumerate(entries) if not done] for name, entries in probes.items()}
    return curves, matrices, unconverged


def _families(arguments: LayerAnalysisArguments, genealogy: Genealogy, matrices: Matrices) -> dict[str, Any]:
    result: dict[str, Any] = {
        "genealogy": genealogy.to_dict(),
        "n_permutations": arguments.n_permutations,
        "similarities": {},
    }
    if genealogy.tells_apart:
        permutations = language_permutations(len(genealogy.languages), arguments.n_permutations, arguments.seed)
    for name in SIMILARITIES:
        layers = []
        for values, draws in zip(matrices.values[name], matrices.draws[name], strict=True):
            entry: dict[str, Any] = {"matrix": values.tolist()}
            if genealogy.tells_apart:
                entry |= agreement_with_genealogy(values, draws, genealogy, permutations)
            layers.append(entry)
        result["similarities"][name] = layers
    if genealogy.tells_apart:
        adjust_agreements([entry for layers in result["similarities"].values() for entry in layers])
    else:
        result["not_compared"] = (
            "Languages are not compared with their genealogy: that takes at least four languages, "
            "some related and some not."
        )
    return result


def _described(arguments: LayerAnalysisArguments, data: AnalysisData, encoder: Encoder) -> dict[str, Any]:
    """Returns what was analysed, on which data, and how."""
    aligned = data.aligned
    described: dict[str, Any] = {
        "model_name_or_path": arguments.model_name_or_path,
        "model_revision": arguments.model_revision,
        "model_sha256": encoder.fingerprint,
        "fusion_layers": encoder.fusion_layers,
        "n_layers": encoder.n_layers,
        "n_features": encoder.n_features,
        "languages": list(aligned.texts),
        "source_language": arguments.source_language,
        "aligned": {
            "source": aligned.source,
            "sha256": aligned.sha256,
            "sentences": len(aligned),
            "available": aligned.available,
        },
        "pos": None,
        "options": {
            "seed": arguments.seed,
            "n_resamples": arguments.n_resamples,
            "n_permutations": arguments.n_permutations,
            "figure_similarity": arguments.figure_similarity,
            "max_length": encoder.max_length,
            "probe_l2": L2,
            "device": str(arguments.device),
            "torch_threads": torch.get_num_threads(),
        },
    }
    if data.pos_train is not None:

        def listed(split: Split) -> dict[str, Any]:
            source = split.source
            words = sum(map(len, split.labels))
            return {"source": source.source, "sha256": source.sha256, "sentences": len(split), "words": words}

        described["pos"] = {
            "train": listed(data.pos_train),
            "test": {code: listed(split) for code, split in data.pos_tests.items()},
            "languages_without_file": data.without_pos,
        }
    return described
