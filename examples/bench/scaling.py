"""How time and memory grow with length, batch, languages and processes."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from .evaluation import evaluate_ours
from .fusion import adamw, inference, training_step
from .harness import Effort, Line, Ratio, exponent, interleave, line, timed
from .machine import waiter
from .memory import held_bytes, peak_bytes
from .options import filled
from .report import Row, duration, size
from .training import train_ours
from .workload import Workload

FAR = 100  # Languages.
GOAL = 1.1  # Linear is an exponent of 1; a tenth more is what timing leaves open.


@dataclass(frozen=True)
class Curve:
    """What was measured along one axis.

    Attributes:
        title: Of the axis.
        xs: Where.
        seconds: Median time at each.
        memory: Peak bytes at each.
        fit: The line through the times, where one was fitted.
        shares_work: Whether x are workers of the same work, not more of it.
    """

    title: str
    xs: tuple[int, ...]
    seconds: list[float]
    memory: list[int]
    fit: Line | None = None
    shares_work: bool = False


def measure(workload: Workload) -> Iterator[Row]:
    """Measures the curves, draws them beside the table, and yields how steep each is."""
    scale, rows = workload.settings.scale, workload.settings.device_batch
    curves = [
        *_forward(workload, "tokens of a sentence", scale.lengths, [(rows, x) for x in scale.lengths]),
        *_forward(workload, "examples of a batch", scale.batches, [(x, 48) for x in scale.batches]),
    ]
    languages = _languages(workload)
    processes, rates = _processes(workload)
    for curve in curves:
        yield _steepness(curve)
    yield _far(languages, scale.rows)
    yield _steepness(languages)
    yield from rates
    from .figure import draw

    draw([*curves, languages, processes], Path(workload.settings.output_dir) / "scaling.png")


def _forward(workload: Workload, title: str, xs: tuple[int, ...], shapes: list[tuple[int, int]]) -> Iterator[Curve]:
    """Measures inference and a training step over shapes (examples, tokens)."""
    device = workload.settings.torch_device
    model = workload.dlfa()
    optimizer = adamw(model)
    batches = {f"{rows}×{length}": filled(workload, rows, length) for rows, length in shapes}
    for what in ("inference", "training step"):
        training = what != "inference"
        runs = {
            name: training_step(model, batch, optimizer) if training else inference(model, batch)
            for name, batch in batches.items()
        }
        seconds = interleave({name: timed(run, wait=waiter(device)) for name, run in runs.items()}, _shorter(workload))
        memory = [
            peak_bytes(run, held_bytes([model], [optimizer] if training else []), device) for run in runs.values()
        ]
        yield Curve(f"{title}, {what}", xs, [statistics.median(values) for values in seconds.values()], memory)


def _languages(workload: Workload) -> Curve:
    scale = workload.settings.scale
    memory: dict[int, int] = {}

    def run(count: int) -> float:
        finished = evaluate_ours(workload, workload.languages[:count], scale.rows)
        memory[count] = max(memory.get(count, 0), finished.peak)
        return finished.seconds

    seconds = interleave(
        {str(count): partial(run, count) for count in scale.language_counts}, scale.curve_effort, warm_up=0
    )
    medians = [statistics.median(values) for values in seconds.values()]
    counts = scale.language_counts
    title = f"languages × {scale.rows} rows, one run"
    return Curve(title, counts, medians, [memory[count] for count in counts], line(counts, medians))


def _processes(workload: Workload) -> tuple[Curve, list[Row]]:
    """Trains the same global batch in one process and in several, which share the processors."""
    scale, settings = workload.settings.scale, workload.settings
    # Half a training's steps are enough for a curve.
    file = workload.training_file(max(1, scale.steps // 2))
    most = torch.cuda.device_count() if settings.torch_device.type == "cuda" else os.cpu_count() or 1
    counts = tuple(count for count in scale.processes if count <= most and settings.batch_size % count == 0)
    losses: dict[int, float] = {}

    def run(count: int) -> float:
        with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
            record = train_ours(workload, file, Path(folder) / "run", processes=count)
        losses[count] = record["loss"]
        return record["seconds"]

    seconds = interleave({str(count): partial(run, count) for count in counts}, scale.curve_effort, warm_up=0)
    medians = [statistics.median(values) for values in seconds.values()]
    rows = [
        Row(
            "scaling",
            f"training in {count} processes" if count > 1 else "training in one process",
            ours=f"{file.rows / median:.2f} samples/s",
            note=f"global batch {settings.batch_size}, mean loss {losses[count]:.4f}." if count > 1 else "",
        )
        for count, median in zip(counts, medians, strict=True)
    ]
    return Curve("processes, training", counts, medians, [], shares_work=True), rows


def _steepness(curve: Curve) -> Row:
    power = exponent(curve.xs, curve.seconds)
    return Row(
        "scaling",
        f"{curve.title}, {curve.xs[0]} to {curve.xs[-1]}: exponent of the time",
        ours=f"{duration(curve.seconds[0])} to {duration(curve.seconds[-1])}",
        theirs=f"memory: {size(curve.memory[0])} to {size(curve.memory[-1])}",
        ratio=Ratio(power, power, power, 1),
        goal=GOAL,
        better="low",
    )


def _far(curve: Curve, rows: int) -> Row:
    assert curve.fit is not None
    return Row(
        "scaling",
        f"{FAR} languages × {rows} rows, extrapolated",
        ours=duration(curve.fit.at(FAR)),
        note=f"seconds = {curve.fit.start:.2f} + {curve.fit.slope:.3f} × languages, which misses no measured value by "
        f"more than {100 * curve.fit.error:.0f} %; memory does not depend on it beyond the texts.",
    )


def _shorter(workload: Workload) -> Effort:
    effort = workload.settings.scale.effort
    return replace(effort, seconds=effort.seconds / 2, least=min(effort.least, 3))
