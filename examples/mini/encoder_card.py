"""Writes the card of the encoder: what `pretraining.json` and the results of its evaluation say, and nothing else."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

LICENCES = {
    "aligned15.tsv": "CC BY-SA 4.0 (NTREX-128, FLORES-200)",
    "aligned15-docs.tsv": "MIT, CC0 (course documentation, machine-translated)",
    "pairs-en.tsv": "CC BY 2.0 FR (Tatoeba), CC0 (TICO-19), research use (WMT)",
    "scenes-": "CC0 (ours)",
    "": "CC0, CC BY-SA, MIT (Common Voice, NTREX, courses, Wikipedia titles and fragments)",
}
POINTS = 12


def make_card(
    encoder: Path,
    name: str,
    results: Sequence[Path],
    figure: str,
    hardware: str,
    compared: Sequence[Path] = (),
    comparison_note: str = "",
) -> str:
    """Fills the template beside this file.

    Args:
        encoder: Folder that `pretrain_mini.py export` wrote.
        name: Heading of the card.
        results: `results.json` files of commands that trained on this encoder.
        figure: Where the loss curve lies, seen from the card.
        hardware: A sentence on the machine, which the record cannot know.
        compared: `results.json` files of one task, of commands on this encoder and on another one.
        comparison_note: What their comparison says, and what the other encoder is.

    Returns:
        The card.
    """
    from huggingface_hub import ModelCardData
    from jinja2 import Environment, StrictUndefined
    from safetensors import safe_open

    from modeling_dlfa.reporting import markdown_table

    stages = json.loads((encoder / "pretraining.json").read_text(encoding="utf-8"))["stages"]
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    with safe_open(encoder / "model.safetensors", framework="pt") as weights:
        parameters = sum(weights.get_tensor(key).numel() for key in weights.keys())  # noqa: SIM118
    packed, batches, training = (stages[-1][key] for key in ("packed", "batches", "training"))
    curve = loss_curve(stages)
    languages = sorted(packed["sentences"])
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in results]
    values = {
        "name": name,
        "metadata": ModelCardData(
            language=languages,
            license="cc-by-sa-4.0",
            library_name="transformers",
            tags=["bert", "multilingual", "cross-lingual", "dlfa"],
        ).to_yaml(),
        "layers": config["num_hidden_layers"],
        "hidden": config["hidden_size"],
        "vocabulary": f"{config['vocab_size']:,}",
        "parameters": f"{parameters / 1e6:.1f} M",
        "megabytes": f"{sum(path.stat().st_size for path in encoder.iterdir()) / 1e6:.1f}",
        "languages": languages,
        "files": [file | {"licence": licence(file["file"])} for file in packed["files"]],
        "mlm": round(100 * batches["mlm_probability"]),
        "tlm": round(100 * batches["tlm_probability"]),
        "alpha": batches["alpha"],
        "batches": batches,
        "batch": f"{batches['tokens']:,}",
        "embedding_rate": training["embedding_rate"],
        "pieces": round(sum(packed["pieces"].values()) / 1e6),
        "contrast_layer": training["contrast_layer"],
        "contrast_weight": training["contrast_weight"],
        "word_weight": training.get("word_weight"),
        "broken": any(stage["step"] < stage["training"]["max_steps"] for stage in stages),
        "stages": stages,
        "curve": [
            {"word_loss": None} | curve[index]
            for index in np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))
        ],
        "figure": figure,
        "hardware": hardware,
        "compared": [comparison(json.loads(path.read_text(encoding="utf-8"))) for path in compared],
        "comparison_note": comparison_note,
        "results": [{"title": table["title"], "table": markdown_table(table).rstrip()} for table in tables],
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    template = Path(__file__).with_name("encoder_card.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(values)


def comparison(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the last layer of an encoder scored: accuracy, of words where they are labelled, means over the seeds.

    Args:
        results: What `results.json` of a command holds that trained the last layer alone, perhaps beside others.

    Raises:
        ValueError: It did not.
    """
    source = results["source_language"]
    runs = [run for run in results["runs"] if run["fusion"] == "last"]
    if not runs:
        raise ValueError(f"{results['command']}: the last layer alone was not trained.")
    means = {code: fmean(run["test"][code]["accuracy"] for run in runs) for code in results["languages"]}
    return {
        "title": results["title"],
        "encoder": results["model_name_or_path"],
        "epochs": f"{results['recipe']['num_train_epochs']:g}",
        "learning_rate": f"{results['recipe']['learning_rate']:g}",
        "seeds": results["seeds"],
        "source": f"{100 * means.pop(source):.1f}",
        "targets": f"{100 * fmean(means.values()):.1f}",
        "number": len(means),
        "command": results["command"],
    }


def licence(file: str) -> str:
    """Licence of a text file by its name."""
    return next(text for start, text in LICENCES.items() if file.startswith(start))


def loss_curve(stages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The curves of all stages on end, tokens counted from the first."""
    curve, before = [], 0
    for stage in stages:
        curve += [point | {"tokens": point["tokens"] + before} for point in stage["curve"]]
        before += stage["tokens"]
    return curve


def plot_loss(curve: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the loss against the tokens seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    millions = [point["tokens"] / 1e6 for point in curve]
    axes.plot(millions, [point["loss"] for point in curve], color="#1b6ca8", label="all")
    contrast = [(x, point["contrastive_loss"]) for x, point in zip(millions, curve, strict=True)]
    known = [pair for pair in contrast if pair[1] is not None]
    axes.plot(*zip(*known, strict=True), color="#c8553d", linestyle="--", label="contrastive part")
    axes.set(xlabel="Tokens seen (millions)", ylabel="Loss", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes card and figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("card", type=Path)
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="results.json of evaluations")
    parser.add_argument("--compared", type=Path, nargs="*", default=[], help="the same, of this and another encoder")
    parser.add_argument("--comparison_note", default="", help="what that comparison says")
    parser.add_argument("--hardware", required=True, help="a sentence on the machine")
    arguments = parser.parse_args(argv)
    figure = Path("figures") / f"{arguments.card.stem}-loss.png"
    stages = json.loads((arguments.encoder / "pretraining.json").read_text(encoding="utf-8"))["stages"]
    plot_loss(loss_curve(stages), arguments.card.parent / figure)
    name = arguments.card.stem
    options = (figure.as_posix(), arguments.hardware, arguments.compared, arguments.comparison_note)
    text = make_card(arguments.encoder, name, arguments.results, *options)
    arguments.card.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
