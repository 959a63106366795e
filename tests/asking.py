"""What the pipelines of transformers answer, asked in a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.tasks import XNLI

from .hub import HubServer
from .online import Environment
from .tiny_checkpoints import corpus_pairs

STRATEGIES = ("none", "simple", "first", "average", "max")
TEXTS = [premise for code in XNLI.languages for premise, _ in corpus_pairs(code)[:1]]
PAIRS = [
    {"text": premise, "text_pair": hypothesis}
    for code in XNLI.languages
    for premise, hypothesis in corpus_pairs(code)[:1]
]
# More letters than an input keeps, whatever the corpus says.
LONG = " ".join(TEXTS[4] for _ in range(1 + 500 // len(TEXTS[4])))
# Every model is told its device on v4.
HARMLESS = ("Device set to use",)
# Its last line is what the pipelines answer, and each warning of any kind that there was.
SCRIPT = """
import json, logging, sys, transformers, warnings
from transformers import pipeline
from transformers.utils import logging as library
if sys.argv[1] == "package":
    import modeling_dlfa
    trust = {}
else:
    trust = {"trust_remote_code": True}
said = []
class Listener(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
library.get_logger("transformers").addHandler(Listener(level=logging.WARNING))
warnings.showwarning = lambda message, *rest, **more: said.append(str(message))
warnings.simplefilter("always")
sequence, token, given = sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
answers = {}
def ask(name, pipe, inputs, **options):
    answers[name] = [[pipe(entry, **options) for entry in inputs], pipe(inputs, batch_size=4, **options)]
classify = pipeline("text-classification", model=sequence, **trust)
ask("single", classify, given["texts"], top_k=None)
ask("pairs", classify, given["pairs"], top_k=None)
zero_shot = pipeline("zero-shot-classification", model=sequence, **trust)
for multi in (False, True):
    ask(f"zero-shot {multi}", zero_shot, given["texts"], candidate_labels=["food", "خانه", "天气"], multi_label=multi)
for strategy in given["strategies"]:
    tag = pipeline("token-classification", model=token, aggregation_strategy=strategy, ignore_labels=[], **trust)
    ask(strategy, tag, given["texts"])
    options = {"aggregation_strategy": strategy, "ignore_labels": [], **trust}
    windows = {} if strategy == "none" else {"stride": 16}
    tag = pipeline("token-classification", model=token, **options, **windows)
    answers[f"long {strategy}"] = [tag([given["long"]]), tag([given["long"]], batch_size=4)]
present = "modeling_dlfa" in sys.modules
release = transformers.__version__
print(json.dumps({"answers": answers, "said": said, "present": present, "release": release}, default=float))
"""


@dataclass(frozen=True)
class Checkpoints:
    """Folders or repositories of a classifier of pairs and of a tagger."""

    sequence: Path | str
    token: Path | str


def answer(
    environment: Environment, checkpoints: Checkpoints, way: str, home: Path, hub: HubServer | None = None
) -> dict[str, Any]:
    """Asks the three pipelines in a process of its own, offline unless it has a Hub to load the checkpoints from."""
    given = json.dumps({"texts": TEXTS, "pairs": PAIRS, "long": LONG, "strategies": STRATEGIES})
    arguments = [way, checkpoints.sequence, checkpoints.token, given]
    return environment.run(SCRIPT, *arguments, home=home, hub=hub, offline=hub is None).value


def approximately(value: Any) -> Any:
    """Returns what equals `value` up to float rounding, at any depth."""
    if isinstance(value, float):
        return pytest.approx(value, abs=2e-5)
    if isinstance(value, list):
        return [approximately(entry) for entry in value]
    return {key: approximately(entry) for key, entry in value.items()} if isinstance(value, dict) else value
