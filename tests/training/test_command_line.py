"""Command lines: what is said of a wrong one, and that it is said before torch is imported."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from modeling_dlfa import values_dlfa
from modeling_dlfa.cli import VERBS, main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.onnx_graph import QUANTIZATIONS
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.command_line import arguments_of_file, options_parser, parse_options, trainer_options
from modeling_dlfa.training.options import CHOICES, READ_BY

from ..conftest import ROOT

Python = Callable[..., Any]
MODEL = ["--model_name_or_path", "org/model"]
# Each command in turn, in one process: what one imports, the next would find.
RUN = """
import contextlib, io, json, runpy, sys
sys.path.insert(0, "examples")
answers = []
for sys.argv in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if sys.argv[0] == "dlfa":
                runpy.run_module("modeling_dlfa", run_name="__main__")
            else:
                runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            code = stop.code or 0
    imported = [name for name in ("torch", "accelerate", "datasets") if name in sys.modules]
    answers.append([code, out.getvalue(), err.getvalue(), imported])
print(json.dumps(answers))
"""
SCRIPTS = [f"examples/{name}.py" for name in "run_xnli run_ner results_card study_card benchmark".split()]
COMMANDS = [*SCRIPTS, *(f"dlfa {verb.usage.replace('TASK', 'ner')}" for verb in VERBS)]
CONTRADICTION = ["examples/run_xnli.py", *MODEL, "--fusion", "scalar_mix", "--fusion_layers", "3"]


@pytest.fixture(scope="module")
def answers(run_python: Python) -> list[list[Any]]:
    """Exit code, output, errors and imports: of each command with --help and a wrong option; of a contradiction."""
    asked = [[*command.split(), *more] for command in COMMANDS for more in (["--help"], ["--bogus_option", "1"])]
    return json.loads(run_python("-c", RUN, json.dumps([*asked, CONTRADICTION])).stdout)


@pytest.mark.parametrize("place", range(len(COMMANDS)), ids=COMMANDS)
def test_help_and_a_wrong_option_import_nothing_slow(place: int, answers: list[list[Any]]) -> None:
    """On two cores importing torch and the Trainer takes longer than everything that these commands do here."""
    (shown, out, _, imported), (refused, _, error, also) = answers[2 * place : 2 * place + 2]
    assert shown == 0 and imported == [] and "usage: " in out
    assert refused == 2 and also == [] and error.startswith("error: ") and "See --help." in error
    assert error.count("\n") == 1, "an error under its usage is hard to find"


def test_a_contradiction_among_our_options_is_found_before_torch_is_imported(answers: list[list[Any]]) -> None:
    code, _, error, imported = answers[-1]
    assert code == 2 and imported == []
    assert error.startswith("error: --fusion_layers has no effect with --fusion scalar_mix")


def test_help_shows_our_options_first_and_names_the_trainers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main("xnli", ["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    places = [text.index(f"  --{name}") for name in ("model_name_or_path", "fusion", "train_file", "seeds")]
    assert places == sorted(places) and places[-1] < text.index("gradient_accumulation_steps")
    assert "--learning_rate 2e-05" in text and "--max-length" not in text


def test_the_trainers_options_are_read_from_its_source() -> None:
    assert trainer_options() == [entry.name for entry in fields(TrainingArguments) if not entry.name.startswith("_")]


def test_choices_and_effects_are_those_of_the_configuration() -> None:
    for name, choices in CHOICES.items():
        assert values_dlfa.CHOICES[name] == choices
    assert all(set(readers) < set(CHOICES["fusion"]) for readers in READ_BY.values())
    assert READ_BY == {name: values_dlfa.READ_BY[name] for name in READ_BY}
    # Not options of the runner.
    assert set(values_dlfa.READ_BY) - set(READ_BY) == {"fusion_activation", "output_fusion_weights"}
    assert QUANTIZATIONS == ("int8",), "dlfa export names them without importing torch"


UNKNOWN = {
    "an abbreviation": (
        ["--hub_tok", "hf_abcdefghijklmnopqrst"],
        "there is no option --hub_tok. Did you mean --hub_token?",
    ),
    "ours, abbreviated": (["--fusion_lay", "3"], "there is no option --fusion_lay. Did you mean --fusion_layers?"),
    "a mistake": (["--learning_rat=3"], "there is no option --learning_rat. Did you mean --learning_rate?"),
    "a stray word": (["--max_steps", "3", "4"], "unexpected argument 4"),
    "no number": (["--seeds", "one"], "argument --seeds"),
    "no choice": (["--gate", "both"], "invalid choice: 'both'"),
    "no rate": (["--learning_rate", "fast"], "argument --learning_rate"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_options_that_do_not_exist(case: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    extra, expected = UNKNOWN[case]
    with pytest.raises(SystemExit) as stop:
        parse_arguments(XNLI, [*MODEL, "--output_dir", str(tmp_path), *extra])
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and line.startswith("error: ") and expected in line and line.endswith("See --help.")
    assert "hf_" not in line


ABBREVIATED = {
    "merge": (["a", "b", "--output_dir", "c"], "--license"),
    "publish": (["a", "b"], "--token"),
    "report": (["a", "b", "--output_dir", "c"], "--title"),
    "glyphs": (["a", "--output_dir", "b"], "--font_dir"),
    "perturb": (["a.tsv", "--noise", "leetspeak", "--output_file", "b.tsv"], "--report_file"),
    "gate": (["a", "b"], "--revision"),
    "trim": (["a", "--texts", "b", "--output_dir", "c"], "--other_texts"),
    "augment": (["xnli", "--train_file", "a", "--teacher", "b", "--output_file", "c"], "--language_text"),
    "fit-mlm-head": (["a", "--text", "b", "--output_dir", "c"], "--languages"),
    "export": (["a", "b"], "--token"),
    "compare": (["a", "b", "--task", "xnli", "--test_file", "x"], "--batch_size"),
    "predict": (["a", "b"], "--token"),
    "layers": (["--model_name_or_path", "a", "--aligned_file", "b", "--output_dir", "c"], "--languages"),
    "scaling": (["a", "--output_dir", "c"], "--difference"),
    "space": (["a"], "--baseline"),
    "sweep": (["--results_dir", "a"], "--compare_with"),
    "train": (["xnli", *MODEL], "--hub_token"),
}


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_no_verb_takes_abbreviations(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, option = ABBREVIATED[verb]
    with pytest.raises(SystemExit) as stop:
        dlfa([verb, *given, option[:-1], "hf_abcdefghijklmnopqrst"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "hf_" not in error
    assert f"Did you mean {option}?" in error or verb == "sweep", error


def test_a_script_takes_no_abbreviations(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    with pytest.raises(SystemExit) as stop:
        importlib.import_module("results_card").main(["a", "b", "--hardware", "c", "--hardwar", "secret"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "Did you mean --hardware?" in error and "secret" not in error


def test_no_parser_of_the_repository_takes_abbreviations() -> None:
    """Those of no script that a test starts, too; `CommandParser` itself is tested above."""
    lenient = []
    for path in [*(ROOT / "modeling_dlfa").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            if name in ("ArgumentParser", "HfArgumentParser"):
                assert isinstance(call, ast.Call)
                given = {entry.arg: getattr(entry.value, "value", None) for entry in call.keywords}
                if given.get("allow_abbrev") is not False:
                    lenient.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not lenient


def test_flags_with_dashes_and_negations_are_taken(tmp_path: Path) -> None:
    argv = [*MODEL, "--output-dir", str(tmp_path), "--learning-rate", "3e-5", "--no_save_models", "--seeds", "1", "2"]
    arguments = parse_arguments(XNLI, [*argv, "--max_steps", "-1", "--fusion_layers", "-2", "--no_do_predict"])
    assert arguments.training.learning_rate == 3e-5 and not arguments.run.save_models
    assert arguments.seeds == [1, 2] and arguments.model.fusion_layers == [-2] and not arguments.training.do_predict


def test_files_of_arguments_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("test_file: Prüfung.tsv".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        arguments_of_file(latin)
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    with pytest.raises(InputError, match="Cannot read"):
        arguments_of_file(folder)
    listed = tmp_path / "listed.yaml"
    listed.write_text("- learning_rate: 2e-5\n")
    with pytest.raises(InputError, match=r"listed\.yaml must contain a mapping .* such as learning_rate: 2e-5"):
        arguments_of_file(listed)
    norway = tmp_path / "norway.yaml"
    norway.write_text("languages: [no, de]")
    with pytest.raises(InputError, match="YAML reads an unquoted no.* quote it"):
        arguments_of_file(norway)
    norway.write_text("languages: ['no', de]\nbaseline: yes")
    assert arguments_of_file(norway) == ["--languages", "no", "de", "--baseline", "True"]


def test_an_option_in_a_file_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "arguments.json"
    path.write_text(json.dumps({"model_name_or_path": "x", "fusion_layer": 3}))
    with pytest.raises(SystemExit):
        parse_options(XNLI, [str(path)])
    assert "there is no option --fusion_layer. Did you mean --fusion_layers?" in capsys.readouterr().err


def test_errors_are_printed_by_one_process_of_a_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit):
        main("xnli", ["--bogus"])
    assert capsys.readouterr().err == ""
    assert "torch" in sys.modules


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.yaml", "seed: 1\nbaseline: true\nseed: 2\n", "line 1, column 1: 'seed' appears twice"),
        ("a.yaml", "lr_scheduler_kwargs:\n  a: 1\n  a: 2\n", "line 2, column 3: 'a' appears twice"),
        ("a.json", '{"seed": 1, "seed": 2}', "'seed' appears twice"),
        ("a.json", '{"lr_scheduler_kwargs": {"a": 1, "a": 2}}', "'a' appears twice"),
        ("a.yaml", "seeds: [1, 2\nbaseline: true\n", "is not valid YAML: line 2, column"),
        ("a.yml", "a: b: c\n", "is not valid YML: line 1, column 5: mapping values are not allowed here"),
    ],
)
def test_a_name_twice_and_broken_syntax_are_one_line(name: str, content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        arguments_of_file(path)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    path = tmp_path / "merged.yaml"
    path.write_text("base: &base\n  a: 1\nlr_scheduler_kwargs:\n  <<: *base\n  a: 2\n", encoding="utf-8")
    assert json.loads(arguments_of_file(path)[-1]) == {"a": 2}


def test_the_help_of_a_flag_that_turns_off_says_so() -> None:
    shown = " ".join(options_parser(None).format_help().split())
    assert "--no_save_models The same as --save_models False." in shown
