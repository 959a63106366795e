"""The names of `modeling_dlfa` itself: found when asked for, described, and their examples run."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

import modeling_dlfa

from .conftest import ROOT

# What lies in the hub files is kept small, and shown by the README and the docs.
NAMES = sorted(name for name, home in modeling_dlfa._HOMES.items() if not home.endswith("_dlfa"))


@pytest.mark.parametrize("name", sorted({*modeling_dlfa.__all__} - {"__version__"}))
def test_every_name_is_described(name: str) -> None:
    assert name in dir(modeling_dlfa)
    assert len(inspect.getdoc(getattr(modeling_dlfa, name)) or "") > 40


ENTRIES = re.findall(r"^- \*\*`([^`]+)`\*\*: (\S)", (ROOT / "docs/api.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_of_the_api_is_complete() -> None:
    names = [entry.partition("(")[0] for entry, _ in ENTRIES]
    assert len(set(names)) == len(names)
    assert {name for name in names if "." not in name} == {*modeling_dlfa.__all__}
    assert {name.partition(".")[0] for name in names} == {*modeling_dlfa.__all__}


@pytest.mark.parametrize("entry", [entry for entry, _ in ENTRIES])
def test_a_signature_on_the_page_is_true(entry: str) -> None:
    name, called, shown = entry.partition("(")
    found = reduce(getattr, name.split("."), modeling_dlfa)
    if not called:
        assert name == "__version__" or isinstance(found, property)
        return
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(found).parameters.values()
        if parameter.name != "self"
    ]
    true = str(inspect.Signature(plain))
    beginning, more, end = " ".join(shown.split()).partition("…")
    assert end in ("", ")") and (true.startswith(f"({beginning}") if more else true == f"({beginning}")


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = modeling_dlfa.trian  # type: ignore[attr-defined]


def test_the_package_is_imported_without_torch(run_python: Any) -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'datasets', 'evaluate', 'matplotlib'}"
    code = f"import sys, modeling_dlfa; print({heavy} & {{*sys.modules}})"
    assert run_python("-c", code).stdout.strip() == "set()"


@pytest.fixture(scope="module")
def home(tiny_encoder: Path, tiny_data: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: an encoder, the files of XNLI, and the finished run `runs/xnli`."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(tiny_encoder, folder / "ENCODER")
    for file in tiny_data.iterdir():
        shutil.copyfile(file, folder / file.name)
    shutil.copytree(finished, folder / "runs" / "xnli")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_its_example_runs(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "lora_config":
        pytest.importorskip("peft")
    monkeypatch.chdir(home)
    # The Trainer's own lines, which are not the example's answer.
    monkeypatch.setattr("transformers.trainer_callback.ProgressCallback.on_log", lambda *args, **kwargs: None)
    found = doctest.DocTestFinder().find(getattr(modeling_dlfa, name), name, globs={})
    examples = [test for test in found if test.examples]
    assert examples, f"{name} has no example"
    for example in examples:
        said: list[str] = []
        outcome = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
        assert outcome.failed == 0, "".join(said)
