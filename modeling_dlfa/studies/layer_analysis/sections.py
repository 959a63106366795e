"""A layer analysis as a page: tables with intervals, figures, and what the data say about each claim."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ...languages import get_language
from ...pages.model import Block, Code, Heading, Line, Notes, Phrase, Picture, Section, Table, Text
from ...statistics.formatting import number, percent, points_interval
from ...statistics.intervals import Interval
from ..study import Study
from .arguments import SIMILARITIES
from .figures import PAPER, SIMILARITY_TITLES, crossing_sentence, plot_agreement, plot_languages, plot_layers

_TITLE = "What each layer of"


def analysis_summary(results: Mapping[str, Any]) -> str:
    """Lay out the curves for a terminal, one row per layer, with a line on each curve and on the families below."""
    curves = results["curves"]
    titles = {name: textwrap.wrap(curve["title"], 14) for name, curve in curves.items()}
    height = max(map(len, titles.values()))
    lines = []
    for index in range(height):
        words = ["", *((["", *[""] * height, *title][-height:][index]) for title in titles.values())]
        lines.append("".join(f"{word:>16}" if place else f"{word:<6}" for place, word in enumerate(words)))
    for layer in range(results["n_layers"]):
        cells = "".join(f"{percent(curve['layers'][layer]['mean']):>16}" for curve in curves.values())
        lines.append(f"{layer:<6}{cells}")
    notes = [*_curve_notes(results), _crossing_note(results), *_family_notes(results)]
    wrapped = [textwrap.fill(note, 119, subsequent_indent="  ") for note in notes]
    return "\n".join([*lines, "", *wrapped])


def analysis_sections(results: Mapping[str, Any]) -> list[Section]:
    """Lay out an analysis.

    Args:
        results: Contents of `layer_analysis.json`.
    """
    blocks: list[Block] = [
        Notes(tuple(_data_notes(results))),
        Heading("Curves over depth"),
        _curve_table(results),
        Text("Times 100, with 95 % intervals. Bold: not significantly different from the curve's best layer."),
        Notes((*_curve_notes(results), _crossing_note(results))),
        Picture("layers", "Curves over depth", "", partial(plot_layers, results), PAPER),
        Heading("Language families"),
        *_family_blocks(results),
        Heading("How to read this"),
        Notes(tuple(_method_notes(results))),
        Text("Command:"),
        Code(results["command"]),
    ]
    return [Section(f"{_TITLE} {results['model_name_or_path']} knows", tuple(blocks))]


ANALYSIS = Study("layer_analysis", "dlfa layers", _TITLE, analysis_sections, forms=("png", "pdf"))


def _curve_table(results: Mapping[str, Any]) -> Table:
    curves = results["curves"].values()
    rows: list[tuple[Line, ...]] = []
    for layer in range(results["n_layers"]):
        cells: list[Line] = []
        for curve in curves:
            entry = curve["layers"][layer]
            mean = Phrase(percent(entry["mean"]), strong=layer in curve["tied_with_best"])
            cells.append((mean, f" [{percent(entry['low'])}, {percent(entry['high'])}]"))
        rows.append((str(layer), *cells))
    rows.append(("guess", *(percent(curve["chance"]) for curve in curves)))
    return Table("", ("layer", *(curve["title"] for curve in curves)), tuple(rows))


def _family_blocks(results: Mapping[str, Any]) -> Iterable[Block]:
    families = results["families"]
    if "not_compared" in families:
        yield Text(families["not_compared"])
        return
    for name, layers in families["similarities"].items():
        yield _family_table(f"By {SIMILARITY_TITLES[name]}", layers)
    yield Notes((*_family_notes(results), *_family_explanation(results)))
    yield Picture("families", "Agreement with the genealogy over depth", "", partial(plot_agreement, results), PAPER)
    drawn = results["options"].get("figure_similarity", SIMILARITIES[0])
    for layer in range(results["n_layers"]):
        yield Picture(
            f"languages-{drawn}-layer{layer}",
            f"Languages by {SIMILARITY_TITLES[drawn]} at layer {layer}",
            "",
            partial(plot_languages, results, drawn, layer),
            PAPER,
        )


def _curve_notes(results: Mapping[str, Any]) -> list[str]:
    notes = []
    for curve in results["curves"].values():
        best, tied = curve["best_layer"], [layer for layer in curve["tied_with_best"] if layer != curve["best_layer"]]
        rise = curve["upper_minus_lower_half"]
        interval = Interval(rise["mean"], rise["low"], rise["high"])
        if not interval.excludes_zero:
            direction = "upper and lower half of the layers do not differ significantly"
        else:
            direction = f"the upper half of the layers is {'higher' if interval.mean > 0 else 'lower'}"
        others = f", not significantly better than {_layers(tied)}" if tied else ""
        notes.append(f"{curve['title']}: highest at layer {best}{others}; {direction} ({points_interval(rise)}).")
    return notes


def _crossing_note(results: Mapping[str, Any]) -> str:
    found = results["profiles"]["crossings"]
    seen = ", ".join(f"layer {entry['layer']:.1f} (in {entry['support']:.0%} of resamples)" for entry in found)
    return f"Shared against own, each on its own range: {crossing_sentence(results)}" + (
        f"; crossings of all sentences: {seen}." if found else "."
    )


def _layers(layers: list[int]) -> str:
    """`2, 4 to 6` for 2, 4, 5, 6."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _family_table(caption: str, layers: list[Mapping[str, Any]]) -> Table:
    header = ("layer", "cophenetic correlation", "p", "p, corrected", "without script", "of script")
    rows = []
    for layer, entry in enumerate(layers):
        agreement = entry["cophenetic"]
        cells = [
            f"{number(agreement['mean'], 2)} [{number(agreement['low'], 2)}, {number(agreement['high'], 2)}]",
            _p(agreement["p_value"]),
            _p(agreement["p_value_holm"]),
            number(entry["cophenetic_without_script"], 2),
            number(entry["cophenetic_of_script"], 2),
        ]
        rows.append((str(layer), *cells))
    return Table(caption, header, tuple(rows))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _family_notes(results: Mapping[str, Any]) -> list[str]:
    if "not_compared" in results["families"]:
        return [results["families"]["not_compared"]]
    notes = []
    for name, layers in results["families"]["similarities"].items():
        found = [layer for layer, entry in enumerate(layers) if entry["cophenetic"]["p_value_holm"] < 0.05]
        values = [entry["cophenetic"]["mean"] for entry in layers]
        said = f"beyond chance at layer {_layers(found)}" if found else "beyond chance at no layer"
        notes.append(
            f"Clusters by {SIMILARITY_TITLES[name]} agree with the genealogy {said} (p < 0.05, corrected); "
            f"r from {number(min(values), 2)} to {number(max(values), 2)}."
        )
    return notes


def _family_explanation(results: Mapping[str, Any]) -> list[str]:
    families = results["families"]
    return [
        "Cophenetic correlation: of the heights at which two languages meet, in the tree of the clusters (average "
        "linkage of 1 - similarity) and in the genealogy (1 within a genus, 2 within a family, 3 between families). "
        "Intervals are over sentences; p-values over languages.",
        f"p: {families['n_permutations']:,} permutations of the languages, one-sided; corrected (Holm) for all layers "
        "and similarities of this report.",
        "Without script: the partial correlation once a common script is accounted for; of script: the correlation "
        "with having a script in common. Relatives often share a script, and with it pieces of words.",
        f"Genealogy: {families['genealogy']['source']}.",
    ]


def _data_notes(results: Mapping[str, Any]) -> list[Line]:
    aligned, pos = results["aligned"], results["pos"]
    notes: list[Line] = [
        (
            f"{aligned['sentences']:,} sentences of ",
            Phrase(aligned["source"], code=True),
            f" ({aligned['available']:,} whole rows) in {len(results['languages'])} languages: "
            f"{' '.join(results['languages'])}.",
        )
    ]
    if results["truncated_sentences"]:
        longest = results["options"]["max_length"]
        notes.append(f"Sentences cut at {longest} tokens: {results['truncated_sentences']:,}.")
    if pos:
        train, most = pos["train"], max(entry["sentences"] for entry in pos["test"].values())
        notes.append(
            (
                f"Parts of speech: {train['sentences']:,} training sentences of ",
                Phrase(train["source"], code=True),
                f" ({train['words']:,} words); tested in {' '.join(pos['test'])}, up to {most:,} sentences each.",
            )
        )
        if pos["languages_without_file"]:
            notes.append(f"Skipped, no part-of-speech file: {' '.join(pos['languages_without_file'])}.")
    if results["fusion_layers"]:
        fused = ", ".join(map(str, results["fusion_layers"]))
        notes.append(f"The backbone of a DLFA checkpoint that fuses layer {fused} with the last one.")
    return notes


def _method_notes(results: Mapping[str, Any]) -> list[str]:
    options = results["options"]
    notes = [
        "Sentences are the mean of their tokens (special tokens left out), centred for each language. Cosine, "
        "retrieval (nearest neighbour by cosine among all sentences of the other language, both ways) and linear CKA "
        "(debiased) are means over all pairs of languages.",
        "Probes are multinomial logistic regressions on standardised states: parts of speech from "
        f"the first piece with text of a word, learnt in {get_language(results['source_language']).name} and "
        "tested unchanged in other languages; the language from one token per sentence. Guess: the "
        "most frequent tag; one of the languages or sentences.",
        f"95% intervals (docs/method.md): normal, with the standard error of {options['n_resamples']} half-samples "
        "of the test sentences. They hold for this encoder and say nothing about one trained with another seed. "
        "Bonferroni's correction covers the best layers (all pairs of layers) and the halves (all curves).",
        "Panel b puts every curve on its own range over depth (0 at its lowest layer, 1 at its highest) and averages "
        "the curves of a kind: shared are cosine, CKA and retrieval; own are the language of a token and, where "
        "tested, parts of speech in the source language. Transferred parts of speech need both and are in neither. "
        "A crossing is named where 95 % of the resamples have it within a layer.",
        f"Seed {options['seed']}; probes use none.",
    ]
    for name, layers in results["probes_not_converged"].items():
        if layers:
            notes.append(f"The probe {name} did not converge at layer {_layers(layers)}.")
    return notes
