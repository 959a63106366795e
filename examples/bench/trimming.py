"""A checkpoint whose vocabulary was trimmed on the test files, against the whole one: disk, loading, memory, steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from modeling_dlfa import DlfaForSequenceClassification, trim_vocabulary

from .fusion import compare_models
from .report import Row, bytes_row, time_row
from .timing import compare
from .workload import Workload

GROUP = "trimming"
ALL = 10**6


def measure(workload: Workload) -> Iterator[Row]:
    """Compares them; what a vocabulary costs does not depend on which of its ids a batch has."""
    folders = {"trimmed": workload.folder / "trimmed", "whole": workload.dlfa_checkpoint}
    texts = {"all": [text for pair in workload.pairs(ALL) for text in pair]}
    outcome = trim_vocabulary(folders["whole"], texts, folders["trimmed"])
    own, other = ((folder / "model.safetensors").stat().st_size for folder in folders.values())
    yield replace(
        bytes_row(GROUP, "weights on disk", own, other, "whole", 1.0),
        note=f"{outcome.tokens[1]:,} of {outcome.tokens[0]:,} tokens.",
    )
    load = DlfaForSequenceClassification.from_pretrained
    seconds = compare(
        {name: partial(load, folder) for name, folder in folders.items()}, workload.settings.amount("rounds")
    )
    yield time_row(GROUP, "from_pretrained", seconds["trimmed"], seconds["whole"], "whole", 1.0, "low")
    models: dict[str, Any] = {name: load(folder) for name, folder in folders.items()}
    for model in models.values():
        model.to(workload.settings.torch_device)
    yield from compare_models(GROUP, workload, "sequence", "sequence classification", models, (1.02, 1.0), 1.0)
