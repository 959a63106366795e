"""Model cards: the template filled from `results.json` and the model's own files, never by hand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoints.models import glyph_name
from ..command.wording import counted
from ..configuration_dlfa import DlfaConfig
from ..languages import get_language
from ..pretrained_dlfa import file_sha256
from ..results.figures import FIGURE_CAPTION
from ..results.tables import figure_file, markdown_table
from ..tasks import Task

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    from ..data.splits import SourceInfo
    from ..results.format import RunRecord
    from ..results.results import Results

TEMPLATE = Path(__file__).with_name("model_card_template.md")
COMMIT = re.compile(r"[0-9a-f]{40}")
UNKNOWN_LICENSE = "unknown"
PIPELINES = {"sequence": "text-classification", "token": "token-classification"}
AUTO_CLASSES = {"sequence": "AutoModelForSequenceClassification", "token": "AutoModelForTokenClassification"}
EXAMPLES = {"sequence": ("A man plays the guitar.", "A man makes music."), "token": ("Marie Curie lived in Paris.",)}
FUSIONS = {
    "aif": "whose last layer is fused with {layers} by DLFA's attention-based fusion",
    "mean": "whose last layer is averaged with {layers}",
    "concat": "whose last layer is concatenated with {layers} and mapped back",
    "scalar_mix": "all of whose layers{glyphs} are mixed, with one learnt weight each",
    "last": "read only at its last layer",
    "layer": "read only at {layers}",
}

# What is fused beside the layers; all but the first are controls.
GLYPHS = {
    "glyphs": "what each token looks like",
    "permuted": "what another token looks like (a control: glyphs permuted)",
    "gaussian": "random numbers of each token (a control of its look)",
    "script": "which script each token is in (a control of its look)",
    "ngrams": "how each token is spelt (a control of its look)",
}


def make_card(
    results: Results,
    run: str,
    folder: str | os.PathLike,
    *,
    model_id: str,
    revision: str | None = None,
    license: str | None = None,
    figure: str | None = None,
    selection: str = "",
) -> ModelCard:
    """Fills the template for one run of a command.

    Args:
        results: The results.
        run: Name of the run.
        folder: The model's files, of which the card takes the configuration and lists code and weights.
        model_id: What the usage snippets load: `namespace/name`, or a folder.
        revision: Commit or branch in the snippets; none if None, as for a folder.
        license: As the Hub names licences; `"unknown"` if None.
        figure: Where the figure lies, seen from the card; `figures/...` if None.
        selection: A sentence on why this run.

    Returns:
        The card, parsed.

    Raises:
        InputError: The results have no test scores.
        OSError: The folder lacks `config.json`.
    """
    from huggingface_hub import ModelCard
    from jinja2 import Environment, StrictUndefined

    task = results.described_task
    [record] = [record for record in results.runs if record.name == run]
    config = DlfaConfig.from_pretrained(folder)
    name = model_id.rstrip("/").rpartition("/")[2]
    texts = [json.dumps(text) for text in EXAMPLES[task.kind][: len(task.text_columns)]]
    pin = "" if revision is None else f', revision="{revision}"'
    values = {
        "metadata": make_metadata(results, record, task, name, license).to_yaml(),
        "name": name,
        "description": _description(results, record, task, config),
        "selection": selection or f"`{run}`, of the command's {counted(len(results.runs), 'run')}.",
        "revision": revision,
        "pinned": COMMIT.fullmatch(revision or "") is not None,
        "load": f"{json.dumps(model_id)}{pin}, trust_remote_code=True",
        "texts": texts,
        "example": ", ".join(texts),
        "pair": len(texts) > 1,
        "kind": task.kind,
        "hidden_size": config.hidden_size,
        "auto_class": AUTO_CLASSES[task.kind],
        "pipeline_tag": PIPELINES[task.kind],
        "labels": ", ".join(f"`{label}`" for _, label in sorted((config.id2label or {}).items())),
        "table": markdown_table(results, run).rstrip(),
        "metric": results.metric.capitalize(),
        "figure": figure or figure_file(results),
        "caption": FIGURE_CAPTION,
        "training": _training(results, record),
        "files": _files(Path(folder)),
        "limits": _limits(results, record, task),
        "licence": _licence(license),
        "origin": (results.model_origin or {}).get("text"),
        "version": results.versions.get("modeling_dlfa"),
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values)
    return ModelCard(text)


def make_metadata(results: Results, record: RunRecord, task: Task, name: str, license: str | None) -> ModelCardData:
    """Returns what the Hub reads of a card: languages, licence, origin, and every language's score of this model.

    A base model and data sets are named where they came from the Hub; a folder's name says nothing there.
    """
    from huggingface_hub import ModelCardData

    sources = [results.data.train, results.data.validation, *results.data.test.values()]
    datasets = dict.fromkeys(source.source for source in sources if source and _is_on_hub(source))
    origin = results.model_origin or {}
    base_model = results.model_name_or_path if results.model_commit else origin.get("base_model")
    return ModelCardData(
        language=list(dict.fromkeys([*results.seen, *results.languages])),
        license=license or UNKNOWN_LICENSE,
        library_name="transformers",
        pipeline_tag=PIPELINES[task.kind],
        base_model=base_model,
        datasets=list(datasets) or None,
        metrics=[results.metric],
        tags=["dlfa", "cross-lingual-transfer", "multilingual", task.name, "custom_code"],
        model_name=name,
        eval_results=[_eval_result(results, record, task, code) for code in results.languages],
    )


def _eval_result(results: Results, record: RunRecord, task: Task, code: str) -> EvalResult:
    from huggingface_hub import EvalResult

    source = results.data.test[code]
    on_hub = _is_on_hub(source)
    language = get_language(code).name
    return EvalResult(
        task_type=PIPELINES[task.kind],
        task_name=f"{task.title}, {language}",
        dataset_type=source.source if on_hub else "own-files",
        dataset_name=f"{source.source if on_hub else Path(source.source).name}, {language}",
        dataset_config=source.config or code,
        dataset_split=source.split or "test",
        dataset_revision=source.revision,
        dataset_args={"language": code},
        metric_type=results.metric,
        metric_name=f"{results.metric.capitalize()}, {language}",
        metric_value=round(record.test[code].scores[results.metric], 6),
    )


def _is_on_hub(source: SourceInfo) -> bool:
    # A commit is known of data sets of the Hub alone.
    return COMMIT.fullmatch(source.revision or "") is not None


def _origin(source: SourceInfo) -> str:
    if _is_on_hub(source):
        return f"`{source.source}` ({source.config}, {source.split}) at commit `{source.revision}`"
    checksum = f", sha256 `{source.sha256}`" if source.sha256 else ""
    return f"`{source.source}`{checksum}"


def _description(results: Results, record: RunRecord, task: Task, config: DlfaConfig) -> str:
    numbers = ["the embeddings" if layer == 0 else f"layer {layer}" for layer in config.fusion_layers]
    glyphs = [GLYPHS[name]] if (name := glyph_name(config)) else []
    fusion = FUSIONS[config.fusion].format(
        layers=" and ".join(numbers + glyphs), glyphs="".join(f" and {look}" for look in glyphs)
    )
    commit = f" at commit `{results.model_commit}`" if results.model_commit else ""
    source, count = _seen(results), len(results.languages)
    return (
        f"A `{config.backbone_config.model_type}` encoder of {config.num_hidden_layers} layers, {fusion}. Started "
        f"from `{results.model_name_or_path}`{commit}, fine-tuned on {source} labels for {task.title}, tested in "
        f"{'one language' if count == 1 else f'{count} languages'}. {record.parameters:,} parameters."
    )


def _seen(results: Results) -> str:
    """The languages of the training labels."""
    *others, last = [get_language(code).name for code in results.seen]
    return f"{', '.join(others)} and {last}" if others else last


def _training(results: Results, record: RunRecord) -> list[str]:
    """What one needs to train it again, a sentence or two each."""
    data, metric, seeds = results.data, results.metric, ", ".join(map(str, results.seeds))
    facts = [
        f"{split} data: {_origin(source)}, {source.rows:,} rows."
        for split, source in (("Train", data.train), ("Validation", data.validation))
        if source
    ]
    facts.append(f"Seed: {record.seed}, of {seeds}." if len(results.seeds) > 1 else f"Seed: {seeds}.")
    if validation := record.validation:
        facts.append(
            f"Checkpoint: {results.selection}; this model has {100 * validation.scores[metric]:.1f} there, at step "
            f"{validation.best_step or (record.train.steps if record.train else None)}."
        )
    facts.append(f"Finished: {results.created}; the last call of the command took {results.seconds:,.0f} s.")
    facts.append(f"Recipe: {_listed(results.recipe)}.")
    facts.append(f"Fusion: {_listed(record.config)}.")
    facts.append(f"Versions: {_listed(results.versions)}.")
    facts.append(f"Hardware: {_listed(results.hardware)}.")
    return facts


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)


def _files(folder: Path) -> list[dict[str, Any]]:
    """Code first, then weights, with what tells one version from another."""
    paths = sorted(folder.glob("*.py")) + sorted(folder.glob("*.safetensors"))
    files = []
    for path in paths:
        files.append({"name": path.name, "size": f"{path.stat().st_size:,}", "sha256": file_sha256(path)})
    return files


def _limits(results: Results, record: RunRecord, task: Task) -> list[str]:
    """What the numbers say against the model, and what they cannot say."""
    source, scores = _seen(results), results.run_scores(record)
    weakest = sorted(results.targets, key=lambda code: scores[code])[:3]
    named = ", ".join(f"{get_language(code).name} ({100 * scores[code]:.1f})" for code in weakest)
    limits = [
        f"It was trained on labels in {source} only."
        + (f" Its weakest languages here: {named}." if named else "")
        + " How good it is in a language that is not in the table is unknown."
    ]
    chance = 1 / len(task.labels)
    poor = [get_language(code).name for code in results.languages if scores[code] <= chance]
    if results.metric == "accuracy" and poor:
        limits.append(f"No better than a uniform guess ({100 * chance:.1f}) in: {', '.join(poor)}.")
    if record.collapsed:
        limits.append("**This run collapsed**: it nearly always predicts one label. Do not use it.")
    if results.require_summary().systems[record.system].runs == 1:
        limits.append("One seed was trained; another may differ by more than the differences in the table.")
    limits.append(
        f"Training cut inputs at {results.recipe['max_length']} tokens. The model inherits the biases of its "
        "encoder and data. It was tested only on this task and is not for decisions about people."
    )
    return limits


def _licence(license: str | None) -> str:
    if license is None:
        return "Not stated by the publisher; the encoder's and the data's own licences hold."
    return f"`{license}`, as stated by the publisher; the encoder's and the data's own licences hold as well."
