"""JSON and YAML without repeated names, of which parsers would silently take the last."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any


def unique_pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Makes a dictionary; as `object_pairs_hook` of `json.loads`, of every object.

    Raises:
        ValueError: A name appears twice.
    """
    mapping: dict[Any, Any] = {}
    for name, value in pairs:
        if name in mapping:
            raise ValueError(f"{name!r} appears twice")
        mapping[name] = value
    return mapping


def load_yaml(text: str) -> Any:
    """Reads YAML safely.

    Raises:
        ValueError: It is not valid, or a mapping has a name twice; the message is one line with the place.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            # Names that are merged in give way to written ones.
            own = [name for name, _ in node.value if name.tag != "tag:yaml.org,2002:merge"]
            names = [self.construct_object(name, deep=True) for name in own]
            seen = [(name, None) for name in names if isinstance(name, Hashable)]
            try:
                unique_pairs(seen)
            except ValueError as error:
                raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None
            return dict(super().construct_mapping(node, deep))

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
