"""The order of the package's rooms, read from the imports of all modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "modeling_dlfa"
HUB = {path.stem for path in PACKAGE.glob("*_dlfa.py")}
# From what is known by all to what knows all; a room imports from those above it alone.
ORDER = (
    {"errors", "version", "languages", "processor", "hub files", "registration"},
    {"command", "files"},
    {"scoring"},
    {"tasks"},
    {"checkpoints"},
    {"data"},
    {"statistics"},
    {"pages"},
    {"results", "glyphs"},
    {"publishing", "inference"},
    {"training", "perturbation", "augmentation", "trimming"},
    {"space"},
    {"studies.study"},
    {"studies.report"},
    {"studies.language_scaling", "studies.layer_analysis", "studies.layer_sweep"},
    {"verbs"},
    {"cli"},
    {"__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# Beside the order: what one installs for inference alone needs nothing of training or of results.
NEVER = {"inference": {"results", "publishing", "training"}, "publishing": {"inference"}}


def room(parts: list[str]) -> str:
    """Returns the room of a module or of what is imported, given its path below the package."""
    if parts[0] in HUB:
        return "hub files"
    return ".".join(parts[:2]) if parts[0] == "studies" and len(parts) > 1 else parts[0]


def imports(path: Path) -> Iterator[str]:
    """The rooms that a module imports from, wherever in it, for types as well."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        absolute = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            absolute = [node.module or ""]
        assert not any(name.partition(".")[0] == "modeling_dlfa" for name in absolute), f"{path}: import it by dots"
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        below = [*parts[: len(parts) - node.level], *(node.module.split(".") if node.module else [])]
        for target in [below] if node.module else [[*below, name.name] for name in node.names]:
            if target:
                yield room(target)


MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {path: room(list(path.relative_to(PACKAGE).with_suffix("").parts)) for path in MODULES}


def test_every_module_has_a_place_in_the_order() -> None:
    packages = {"__init__", "studies.__init__"}  # The public names, and a docstring.
    assert {own for own in ROOMS.values()} - packages == RANK.keys()


@pytest.mark.parametrize("own", sorted(RANK))
def test_arrows_run_one_way(own: str) -> None:
    """No room imports from one below it or beside it, so that there is no circle of rooms."""
    modules = [path for path in MODULES if ROOMS[path] == own]
    assert modules
    for path in modules:
        for other in {*imports(path)} - {own}:
            is_base = RANK[own] == 0 and other == "hub files"  # Registration knows the models.
            assert RANK[other] < RANK[own] or is_base, f"{path.relative_to(PACKAGE)} imports from {other}"
            assert other not in NEVER.get(own, ()), f"{path.relative_to(PACKAGE)} imports from {other}"


def test_every_import_finds_a_module() -> None:
    """mypy is told to overlook what it cannot find, and finds a module that was moved away no more."""
    for path in MODULES:
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                target = PACKAGE.joinpath(*parts[: len(parts) - node.level], *node.module.split("."))
                assert target.with_suffix(".py").is_file() or target.is_dir(), f"{path} imports {node.module}"


def test_files_that_travel_import_nothing_of_the_package_but_each_other() -> None:
    for path in (path for path in MODULES if ROOMS[path] == "hub files"):
        assert {*imports(path)} <= {"hub files"}, path.name


def test_the_package_itself_names_every_room_that_it_opens() -> None:
    """`__init__` may import all, but when a name is asked for: see test_public_names."""
    opened = {*imports(PACKAGE / "__init__.py")}
    assert opened <= RANK.keys() and not opened & {"verbs", "cli"}


# Who plans a command or checks it as a whole; every other function gets the part that it needs.
HOLD_ALL_ARGUMENTS = {
    "training/planning.py": {"planned", "_plan"},
    "training/runner.py": {"run_task"},
    "training/checks.py": {"check_arguments"},
    "training/argument_checks.py": {"check_options"},
    "studies/layer_sweep/layer_sweep.py": {"run_sweep"},
}


def test_the_arguments_of_a_command_travel_no_further_than_its_plan() -> None:
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = {
                    name.id
                    for one in given
                    if one.annotation
                    for name in ast.walk(one.annotation)
                    if isinstance(name, ast.Name)
                }
                if "Arguments" in names:
                    found.setdefault(path.relative_to(PACKAGE).as_posix(), set()).add(node.name)
    assert found == HOLD_ALL_ARGUMENTS


def test_a_backward_arrow_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    (tmp_path / "data").mkdir()
    module = tmp_path / "data" / "x.py"
    module.write_text("def f():\n    from ..training import runner\n    from .. import results\n    from . import y\n")
    assert [*imports(module)] == ["training", "results", "data"]


def test_no_test_file_needs_another() -> None:
    """What tests share lies in conftest.py or in a module that holds no tests."""
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            names = [name.name for name in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            parts = [part for name in (module, *names) for part in name.split(".")]
            assert not any(part.startswith("test_") for part in parts), f"{path.name} imports from a test file"
