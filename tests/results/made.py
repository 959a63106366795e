"""Results as a command would have recorded them."""

from __future__ import annotations

from typing import Any

from modeling_dlfa.languages import LANGUAGES

from ..scored import make_runs, with_summary

XNLI = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]


def make_results(languages: list[str], systems: dict[str, list[int]], **options: Any) -> dict[str, Any]:
    return with_summary(*make_runs(languages, systems, **options))


CASES: dict[str, dict[str, Any]] = {
    "two systems": {"languages": XNLI, "systems": {"last": [1, 2, 3], "aif-layer4": [1, 2, 3]}},
    "one system": {"languages": XNLI, "systems": {"aif-layer4": [1, 2]}},
    "only the baseline": {"languages": ["en", "de"], "systems": {"last": [1, 2]}},
    "one seed": {"languages": ["en", "de"], "systems": {"last": [1], "aif-layer4": [1]}},
    "only the source": {"languages": ["en"], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "no source": {"languages": ["de", "fr"], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "own language": {"languages": ["en", "de", "qx"], "systems": {"aif|layer4": [7]}},
    "40 languages": {"languages": list(LANGUAGES)[:40], "systems": {"last": [1, 2], "aif-layer4": [1, 2]}},
    "many systems": {
        "languages": XNLI,
        "systems": {"aif-layer4-select-ratio16-layer_norm": [1, 2], "last": [1, 2], "mean": [1, 2], "concat": [1, 2]}
        | {f"aif-layer{layer}": [1, 2] for layer in range(5, 12)},
    },
}
