"""Registers the models with the Auto classes when somebody looks for them, so that importing the package is quick.

The models need torch and transformers' modelling code, seconds of imports that a command's `--help` does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODEL_TYPE = "dlfa"
AUTO_CONFIG = "transformers.models.auto.configuration_auto"
_importing: list[str] = []
_registered = False


def install() -> None:
    """Sees to it that the Auto classes find the models: at once if they are imported already, else when asked.

    What counts as asking: transformers looks up the model type, or one of this package's own model files is imported.
    """
    if AUTO_CONFIG in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _AfterImport())


def register() -> None:
    """Registers configuration and models with the Auto classes."""
    global _registered
    if _registered:
        return
    _registered = True
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

    from .configuration_dlfa import DlfaConfig
    from .modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

    AutoConfig.register(MODEL_TYPE, DlfaConfig, exist_ok=True)
    DlfaConfig.register_for_auto_class()
    pairs: tuple[tuple[Any, Any], ...] = (
        (AutoModel, DlfaModel),
        (AutoModelForSequenceClassification, DlfaForSequenceClassification),
        (AutoModelForTokenClassification, DlfaForTokenClassification),
    )
    for auto_class, model_class in pairs:
        auto_class.register(DlfaConfig, model_class, exist_ok=True)
        model_class.register_for_auto_class(auto_class.__name__)


class _AfterImport(MetaPathFinder):
    """Finds every module as usual, and acts when one that matters has been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        own = fullname.startswith(f"{__package__}.") and fullname.endswith("_dlfa")
        if not own and fullname != AUTO_CONFIG:
            return None
        others = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in others if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = partial(_execute_own if own else _execute_auto, execute)  # type: ignore[method-assign]
        return spec


def _execute_own(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Registers once the outermost of our model files is there: they import one another."""
    _importing.append(module.__name__)
    try:
        execute(module)
    finally:
        _importing.pop()
    if not _importing:
        register()


def _execute_auto(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Has transformers' table of configurations register ours when it is asked for it.

    Not at once: the modules that import the table are not complete yet.
    """
    execute(module)
    table: Any = vars(module)["CONFIG_MAPPING"]
    plain: Any = type(table)

    class Asked(plain):
        """The table until our entry is asked for."""

        def __contains__(self, key: object) -> bool:
            return plain.__contains__(_answering(self, key), key)

        def __getitem__(self, key: str) -> Any:
            return plain.__getitem__(_answering(self, key), key)

        def __reduce__(self) -> Any:
            return plain.__reduce__(_answering(self, MODEL_TYPE))

    def _answering(asked: Any, key: object) -> Any:
        if key == MODEL_TYPE:
            asked.__class__ = plain
            register()
        return asked

    table.__class__ = Asked
