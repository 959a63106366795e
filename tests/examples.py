"""The scripts of `examples/` as modules."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from .online import ROOT


def load_example(name: str) -> ModuleType:
    """Returns a script by its name without the ending."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
