"""One start, in a process of its own: import, load, first batch. Prints seconds and memory as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def resident(name: str) -> int:
    """Returns `VmRSS` (now) or `VmHWM` (the most so far) in bytes; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def main(system: str, folder: str, device: str) -> None:
    """Starts as a program would that loads a checkpoint by an Auto class and predicts a pair."""
    started = time.perf_counter()
    if system == "dlfa":
        import modeling_dlfa  # noqa: F401
    # What transformers would import while it loads counts as import, for both.
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification  # noqa: F401

    imported = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    before, start_load = resident("VmRSS"), time.perf_counter()
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval().to(device)
    loaded, peak = time.perf_counter(), resident("VmHWM")
    batch = tokenizer(["The cat sleeps."], ["An animal rests."], return_tensors="pt").to(device)
    with torch.inference_mode():
        model(**batch).logits.cpu()
    print(
        json.dumps(
            {
                "import": imported - started,
                "load": loaded - start_load,
                "first": time.perf_counter() - loaded,
                "peak": peak - before,
                "weights": sum(parameter.nbytes for parameter in model.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
