"""What a faster way to compute costs in a task's score: PyTorch and ONNX graphs on the same examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers.utils import cached_file

from ..checkpoints.loading import MODEL_FILE
from ..configuration_dlfa import SUMS_KEY, DlfaConfig
from ..data.files import expand_files
from ..data.loading import load_file, resolve_languages, rows_are_aligned
from ..errors import InputError
from ..files.writing import read_json
from ..languages import get_language
from ..pages.model import Table, Text
from ..pages.rendering import blocks_to_markdown
from ..scoring.metrics import AVERAGE_TITLES, get_metric, shown_averages
from ..statistics.comparisons import adjusted_entries, compare_to_baseline, score_intervals
from ..statistics.formatting import percent, points_interval
from .checkpoint import Backend, Checkpoint
from .onnx_export import RECORD
from .onnx_runtime import QUANTIZED_FILE
from .predictor import Predictor
from .reading import Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..data.splits import Split
    from ..tasks import Task

REFERENCE = "torch"


def compare_backends(
    checkpoint: str,
    onnx_folder: str,
    task: Task,
    test_file: str,
    *,
    languages: Sequence[str] = ("all",),
    max_samples: int | None = None,
    batch_size: int = 32,
) -> dict[str, Any]:
    """Scores a checkpoint by PyTorch and by the graphs that `export.export_onnx` wrote of it.

    Args:
        checkpoint: Folder or Hub id of a fine-tuned DLFA checkpoint.
        onnx_folder: Where it was exported to; its int8 graph is compared as well where there is one.
        task: What the files hold.
        test_file: A file a language, `{language}` in its name.
        languages: Codes, or `all` for those that have a file.
        max_samples: Takes no more than the first so many examples of each language.
        batch_size: Inputs of a batch; int8 graphs with a scale a batch depend on it.

    Returns:
        `scores` and, but for PyTorch, `differences` of each backend, with 95 % intervals over examples
        (a language, and the averages of `metrics.AVERAGES`), `same_labels` (share of PyTorch's labels that a backend
        gives as well), `n` examples a language, `metric`, `source_language`, `batch_size`.

    Raises:
        InputError: A file or a checkpoint cannot be read, the checkpoint's labels are not the task's, or the graphs
            are another checkpoint's.
    """
    reference, graphs = Checkpoint.of(checkpoint), Checkpoint.of(onnx_folder)
    for found in (reference, graphs):
        if found.kind != task.kind or set(found.labels) != set(task.labels):
            raise InputError(
                f"{found.name} has the labels {', '.join(found.labels)}, but {task.title} has "
                f"{', '.join(task.labels)}. Give a checkpoint of this task."
            )
    _check_same_weights(reference, graphs)
    codes = resolve_languages(languages, task, test_file)
    files = expand_files(test_file, codes)
    splits = [load_file(files[code], task, code, max_samples) for code in codes]
    backends = {REFERENCE: (reference, reference.load()), "onnx": (graphs, graphs.load_onnx(MODEL_FILE))}
    if Path(onnx_folder, QUANTIZED_FILE).is_file():
        backends["onnx_quantized"] = graphs, graphs.load_onnx(QUANTIZED_FILE)
    labels = {
        name: {split.language: _predict(*backend, task, split, batch_size) for split in splits}
        for name, backend in backends.items()
    }
    return _summary(task, splits, labels) | {"batch_size": batch_size}


def _check_same_weights(reference: Checkpoint, graphs: Checkpoint) -> None:
    """Refuses graphs that were exported from other weights, where both sides record the sha256 of theirs."""
    hub = {name: value for name, value in graphs.options.items() if name != "trust_remote_code"}
    path = cached_file(graphs.name, RECORD, _raise_exceptions_for_missing_entries=False, **hub)
    exported = read_json(Path(path)).get(SUMS_KEY) if path is not None else None
    saved, _ = DlfaConfig.get_config_dict(reference.name, **reference.options)
    own = saved.get(SUMS_KEY)
    if exported and own and exported != own:
        raise InputError(
            f"The graphs in {graphs.name} were exported from another checkpoint than {reference.name}: the sha256 of "
            f"the weights differs ({RECORD}, config.json). Export this one with `dlfa export`."
        )


def _predict(checkpoint: Checkpoint, backend: Backend, task: Task, split: Split, batch_size: int) -> list[Any]:
    """The task's class ids of a split's examples: one each or, of words, an array each."""
    ids = np.array([task.labels.index(name) for name in checkpoint.labels])
    rows = split.texts[0] if task.kind == "token" else zip(*split.texts, strict=True)
    examples = (Example(number + 1, number, list(texts)) for number, texts in enumerate(rows))
    predictions = Predictor(checkpoint, backend, batch_size).stream(examples)
    return [ids[prediction.scores.argmax(axis=-1)] for prediction in predictions]


def _summary(task: Task, splits: Sequence[Split], labels: Mapping[str, Mapping[str, list[Any]]]) -> dict[str, Any]:
    metric = get_metric(task.metric)
    counts: dict[str, dict[str, NDArray[np.int64]]] = {
        name: {
            split.language: metric.counts(found[split.language], split.labels, task.labels)[None] for split in splits
        }
        for name, found in labels.items()
    }
    options: dict[str, Any] = {"metric": metric, "source_language": task.source_language}
    options["aligned"] = rows_are_aligned(splits, task)
    flat = {
        name: np.concatenate([np.ravel(row) for rows in found.values() for row in rows])
        for name, found in labels.items()
    }
    others = [name for name in counts if name != REFERENCE]
    compared = compare_to_baseline({name: counts[name] for name in others}, counts[REFERENCE], **options)
    return {
        "metric": task.metric,
        "source_language": task.source_language,
        "n": {split.language: len(split) for split in splits},
        "scores": {
            name: {key: entry.to_dict() for key, entry in score_intervals(found, **options).items()}
            for name, found in counts.items()
        },
        "differences": adjusted_entries(compared, list(counts[REFERENCE])),
        "same_labels": {name: float((flat[name] == flat[REFERENCE]).mean()) for name in others},
    }


def comparison_table(results: Mapping[str, Any]) -> str:
    """Returns what `compare_backends` found as a Markdown table, in percent and points."""
    names = list(results["scores"])
    differences = list(results["differences"])
    shown = [*results["n"], *shown_averages(list(results["n"]), results["source_language"])]
    rows = []
    for key in (key for key in results["scores"][REFERENCE] if key in shown):
        cells = [percent(results["scores"][name][key]["mean"], 2) for name in names]
        cells += [points_interval(results["differences"][name][key], 2) for name in differences]
        rows.append((AVERAGE_TITLES.get(key) or get_language(key).name, *cells))
    header = ("", *names, *(f"{name} minus {REFERENCE}" for name in differences))
    same = ", ".join(f"{name} {100 * share:.2f} %" for name, share in results["same_labels"].items())
    return blocks_to_markdown([Table("", header, tuple(rows)), Text(f"The label is PyTorch's: {same}.")]).rstrip()
