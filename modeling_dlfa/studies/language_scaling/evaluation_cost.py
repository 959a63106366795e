"""What testing n languages in one pass costs in time and memory, with a separate process for each n."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...command.ending import one_line
from ...data.files import PLACEHOLDER
from ...errors import InputError
from ...files.writing import write_json
from ...results.results import Results
from ...statistics.over_languages import slope_over_languages
from ...tasks import TASKS

BATCH_SIZE = 64
PASSES = 3  # For each n; the median counts.


@dataclass(frozen=True)
class CostOptions:
    """What to time.

    Attributes:
        model: Folder or Hub id of a DLFA checkpoint; the first fused run's if None.
        test_file: Test files, `{language}` for the code; those of the results if None.
        max_test_samples: Examples per language; all if None.
    """

    model: str | None = None
    test_file: str | None = None
    max_test_samples: int | None = None


def numbers_of_languages(total: int) -> list[int]:
    """Return the n to time: powers of two, and the number of all languages."""
    return [*(2**power for power in range(total.bit_length()) if 2**power < total), total]


def measure_cost(results: Results, options: CostOptions) -> dict[str, Any]:
    """Time the pass with which the runner tests, for n = 1, 2, 4 ... N languages.

    Each n runs in a separate process, so that its peak memory is measured alone. Languages keep the results' order.

    Args:
        results: The results, with their folder.
        options: What to time.

    Returns:
        `"points"`, one for each n: `n`, `examples`, `tokens`, `start_seconds` (until model and tokenizer are loaded),
        `read_seconds` (data read and tokenised), `predict_seconds` (median over the passes), `passes` (each), resident
        bytes at their peak (`peak_memory`) and before the data were read (`memory_before`), and `device_memory` (bytes
        at the accelerator's peak, None without one). `"seconds_per_language"` and
        `"memory_per_language"` are least-squares slopes over n with 95 % intervals, None for fewer than three n.

    Raises:
        InputError: The checkpoint or the data cannot be found; or the child finds the input wrong, with its message.
    """
    languages = list(results.languages)
    argv = _arguments(results, options)
    points = []
    for n in numbers_of_languages(len(languages)):
        points.append(_measure_one(results, [*argv, "--languages", *languages[:n]]))
    found: dict[str, Any] = {
        "model": argv[argv.index("--model_name_or_path") + 1],
        "languages": languages,
        "batch_size": BATCH_SIZE,
        "max_test_samples": options.max_test_samples,
        "points": points,
    }
    for name, key in (("seconds_per_language", "predict_seconds"), ("memory_per_language", "peak_memory")):
        numbers, values = (np.array([point[one] for point in points], dtype=np.float64) for one in ("n", key))
        slope = slope_over_languages(values[None], numbers).to_dict() if len(points) > 2 else None
        found[name] = slope
    return found


def _arguments(results: Results, options: CostOptions) -> list[str]:
    """The runner's arguments, without the languages."""
    model = options.model
    if model is None:
        fused = [run for run in results.runs if not run.baseline] or results.runs
        found = (results.folder or Path()) / (fused[0].model or "")
        if not (found / "config.json").is_file():
            raise InputError(f"{results.folder} has no model to time ({found}). Name one with --cost_model.")
        model = str(found)
    argv = ["--model_name_or_path", model, "--do_train", "False", "--do_eval", "False", "--report_to", "none"]
    argv += ["--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "False"]
    argv += ["--disable_tqdm", "True", "--per_device_eval_batch_size", str(BATCH_SIZE)]
    argv += ["--max_length", str(results.recipe["max_length"])]
    argv += ["--max_test_samples", str(options.max_test_samples)] if options.max_test_samples else []
    if options.test_file is not None:
        return [*argv, "--test_file", options.test_file]
    sources = {code: results.data.test[code] for code in results.languages}
    if any(source.config for source in sources.values()):
        first = next(iter(sources.values()))
        revision = ["--dataset_revision", first.revision] if first.revision else []
        return [*argv, "--dataset_name", first.source, *revision]
    files = {code: source.source for code, source in sources.items()}
    pattern = _pattern(files)
    if pattern is None or not all(Path(file).is_file() for file in files.values()):
        raise InputError(
            f"The test files of the results ({next(iter(sources.values())).source}, ...) are not "
            f"here. Name them with --cost_test_file, with {{language}} for the code."
        )
    return [*argv, "--test_file", pattern]


def _pattern(files: Mapping[str, str]) -> str | None:
    """The one file name, with the placeholder for the language's code, that matches every language's file."""
    if len(files) == 1:
        return next(iter(files.values()))
    common = set.intersection(*(_readings(file, code) for code, file in files.items()))
    return min(common, default=None)


def _readings(file: str, code: str) -> set[str]:
    """A file's name with the placeholder for some occurrences of a code: `ar` occurs twice in `test-ar.parquet`."""
    first, *parts = file.split(code)
    readings = {first}
    for part in parts:
        readings = {reading + between + part for reading in readings for between in (code, PLACEHOLDER)}
    return readings - {file}


def _measure_one(results: Results, argv: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        job, answer = Path(scratch) / "job.json", Path(scratch) / "answer.json"
        arguments = [*argv, "--output_dir", str(Path(scratch) / "out")]
        write_json(job, {"results": results.to_dict(), "argv": arguments, "started": time.time()})
        command = [sys.executable, "-m", __name__, str(job), str(answer)]
        child = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        if child.returncode:
            reason = child.stderr.strip().splitlines() or ["no message"]
            raise InputError(f"The evaluation could not be timed: {reason[-1].removeprefix('error: ')}")
        measured: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return measured


def _child_main(job_file: str, answer_file: str) -> None:
    """Times one n; the entry point of the child process."""
    from ...training.answers import answers, data_collator, keep_class_ids
    from ...training.arguments import parse_arguments
    from ...training.base_model import load_model, load_tokenizer
    from ...training.systems import plan_runs
    from ...training.task_data import load_task_data
    from ...training.trainer import CrossLingualTrainer

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    results = Results.from_dict(job["results"])
    task = TASKS.get(results.task) or results.described_task
    arguments = parse_arguments(task, job["argv"])
    start, asked = arguments.model, arguments.data
    [run] = plan_runs(task, start, arguments.seeds, do_train=False)
    tokenizer = load_tokenizer(start, run.config)
    model = load_model(task.kind, start, run)
    loaded = time.time()
    before = _peak_memory()
    data = load_task_data(task, asked, arguments.training, asked.languages, tokenizer, start.cache_dir)
    dataset = data.encoded["test"]
    read = time.time()
    trainer = CrossLingualTrainer(
        model=model,
        args=arguments.training,
        data_collator=data_collator(task, tokenizer, pad_to_multiple_of=None),
        processing_class=tokenizer,
        preprocess_logits_for_metrics=keep_class_ids if task.kind == "token" else None,
    )
    passes = []
    for _ in range(PASSES):
        begun = time.perf_counter()
        outcome = trainer.predict(dataset, metric_key_prefix="test")
        answers(task, data.test, dataset, outcome)
        passes.append(time.perf_counter() - begun)
    write_json(
        Path(answer_file),
        {
            "n": len(data.test),
            "examples": sum(len(split) for split in data.test),
            "tokens": int(np.sum(dataset.with_format("numpy")["length"][:])),
            "start_seconds": loaded - job["started"],
            "read_seconds": read - loaded,
            "predict_seconds": float(np.median(passes)),
            "passes": passes,
            "memory_before": before,
            "peak_memory": _peak_memory(),
            "device_memory": _device_memory(),
        },
    )


def _peak_memory() -> int:
    """The peak of this process's resident bytes so far."""
    import resource

    kilo = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilo


def _device_memory() -> int | None:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


if __name__ == "__main__":
    with one_line():
        _child_main(*sys.argv[1:])
