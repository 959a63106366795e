"""The `dlfa` command: its verbs, what it shows and how it ends."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modeling_dlfa.cli import VERBS, main, run
from modeling_dlfa.command.messages import shown_messages
from modeling_dlfa.command.redaction import command_line
from modeling_dlfa.tasks import PANX, TASK_NAMES, TASKS, UDPOS, get_task
from modeling_dlfa.version import __version__

from .conftest import ROOT


def test_help_fits_a_screen_and_imports_nothing_slow(run_python: Any) -> None:
    code = (
        "import sys\nfrom modeling_dlfa.cli import run\n"
        "try: run(['--help'])\n"
        "finally: print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules], file=sys.stderr)"
    )
    started = time.perf_counter()
    shown = run_python("-c", code)
    assert time.perf_counter() - started < 2 * max(1.0, os.getloadavg()[0])
    lines = shown.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100 and shown.stderr.strip() == "[]"
    for verb in VERBS:
        (line,) = [line for line in lines if line.strip().startswith(f"{verb.usage}  ")]
        assert line.endswith(verb.help) and verb.help.endswith(".")


def test_every_verb_has_its_own_function() -> None:
    assert len({verb.name for verb in VERBS}) == len({verb.target for verb in VERBS}) == len(VERBS)
    for verb in VERBS:
        function = verb.load()
        assert callable(function) and function.__doc__, verb.name


def test_the_console_script_is_this_command() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\ndlfa = "modeling_dlfa.cli:run"\n' in text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "name a verb: train, predict, sweep"),
        (["trian"], "there is no verb trian. Did you mean train?"),
        (["--bogus"], "there is no option --bogus"),
        (["train"], "name a task: xnli, pawsx, ner, pos"),
        (["train", "--seeds", "1"], "name a task: xnli"),
        (["train", "xnil"], "There is no task 'xnil'. Choose one of: xnli, pawsx, ner, pos."),
        (["sweep"], "name a task (xnli, pawsx, ner, pos), or a finished sweep with --results_dir"),
        (["sweep", "pos", "--results_dir", "x"], "a task is trained, --results_dir is analysed"),
        (["report", "a", "./a/", "--output_dir", "b"], "a is given twice"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(
    argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(argv)
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and line.startswith("error: ") and expected in line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"dlfa {__version__}\n"


@pytest.mark.parametrize("verb", ["train", "sweep"])
def test_help_without_a_task_shows_the_packages_options_before_the_trainers(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run([verb, "--help"])
    text = capsys.readouterr().out
    places = [text.index(name) for name in ("TASK", "  --fusion_layers", "  --seeds", "gradient_accumulation_steps")]
    assert stop.value.code == 0 and places == sorted(places) and "--max-length" not in text


def test_tasks_go_by_both_of_their_names() -> None:
    assert [get_task(name) for name in TASK_NAMES] == list(TASKS.values())
    assert get_task("panx") is get_task("ner") is PANX and get_task("udpos") is get_task("pos") is UDPOS


def test_results_record_the_command_as_one_would_type_it() -> None:
    assert (
        command_line(["/home/me/.venv/bin/dlfa", "train", "xnli", "--token", "hf_x"])
        == "dlfa train xnli --token '***'"
    )
    assert command_line(["C:/env/Scripts/dlfa.exe", "layers"]) == "dlfa layers"
    assert command_line(["/site-packages/modeling_dlfa/__main__.py", "merge", "a b"]) == "dlfa merge 'a b'"
    assert command_line(["examples/run_xnli.py", "--baseline"]) == "python examples/run_xnli.py --baseline"


def test_a_command_shows_what_the_library_logs(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("modeling_dlfa.training.runner")
    logger.info("unheard")
    with shown_messages():
        logger.info("[1/2] last-seed1")
        logger.warning("bf16 is slow here")
    logger.info("unheard")
    shown = capsys.readouterr()
    assert shown.out == "[1/2] last-seed1\n" and "warning: bf16 is slow here\n" in shown.err
    assert "unheard" not in shown.out + shown.err


def test_nothing_below_the_commands_prints() -> None:
    """Ruff's T20 holds it; this holds the exception that ruff is given."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    allowed = re.findall(r'^"(.+)" = \[.*"T20".*\]', text, re.MULTILINE)
    assert '"T20"' in text.partition("ignore = [")[0] and allowed == [
        "{examples,docs}/*",
        "modeling_dlfa/{command,verbs}/*.py",
    ]


def test_whoever_reads_may_stop(tmp_path: Path) -> None:
    """`dlfa ... | head -1` ends without a traceback."""
    code = "from modeling_dlfa import cli\nwith cli._command():\n    for _ in range(100_000): print('x' * 80)"
    command = f'{sys.executable} -c "$CODE" 2> {tmp_path}/err | head -1'
    subprocess.run(["bash", "-c", command], cwd=ROOT, env={**os.environ, "CODE": code}, check=True)
    assert (tmp_path / "err").read_text() == ""


def test_train_verb_and_script_do_the_same(
    xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--max_train_samples", "16", "--num_train_epochs", "1"]
    run(["train", "xnli", *xnli_arguments, *few, "--output_dir", str(tmp_path / "verb")])
    told = capsys.readouterr().out
    main("xnli", [*xnli_arguments, *few, "--output_dir", str(tmp_path / "script")])
    assert "[1/1] aif-layer1-seed42" in told and f"Results: {tmp_path}/verb/results.json" in told
    predictions = [
        sorted(path.read_bytes() for path in (tmp_path / name / "predictions").rglob("*.tsv"))
        for name in ("verb", "script")
    ]
    assert predictions[0] == predictions[1] and len(predictions[0]) == 3
