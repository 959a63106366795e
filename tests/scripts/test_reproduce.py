"""The scripts that reproduce: what they print, skip and resume, with a stand-in for Python; and a real run."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import reproduce_steps

from modeling_dlfa import augmentation
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.tasks import TASK_NAMES, get_task
from modeling_dlfa.training.arguments import parse_arguments

from ..augmentation.planted import save_teacher, save_text
from ..conftest import ROOT

EXAMPLES = ROOT / "examples"
ENVIRONMENT = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
# Stands in for Python: notes its words; a command that trains leaves what the package would, or waits to be stopped.
STAND_IN = """#!/bin/bash
[[ $1 != -c ]] || exit 0
echo "$*" >>calls
case "$*" in
    *"reproduce_steps.py layer"*) echo 3 ;;
    *"reproduce_steps.py best"*) echo "$4" ;;
    *estimate.py*) cat >costs ;;
    *"reproduce_steps.py card"*) touch "$4" ;;
    *--output_dir*)
        mkdir -p "${@: -1}" 2>/dev/null || mkdir -p "${@: -3:1}"
        for word; do [[ $last != --output_dir ]] || folder=$word; last=$word; done
        touch "$folder/arguments.json"
        [[ ! -f stop ]] || exit 130
        [[ ! -f wait ]] || exec sleep 60
        ;;
esac
"""

Script = Callable[..., subprocess.CompletedProcess[str]]


def call(script: str, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(EXAMPLES / script), *words]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT | more, capture_output=True, text=True, timeout=1800)


@pytest.fixture
def stub(tmp_path: Path) -> Script:
    """Calls a script with the stand-in, in an empty folder."""
    file = tmp_path / "stand-in"
    file.write_text(STAND_IN, encoding="utf-8")
    file.chmod(0o755)
    return lambda script, *words: call(script, *words, cwd=tmp_path, PYTHON=str(file))


def calls(folder: Path) -> list[list[str]]:
    """What the stand-in was called with since the last time, without the folder of the scripts."""
    found = [line.replace(f"{EXAMPLES}/", "").split() for line in (folder / "calls").read_text().splitlines()]
    (folder / "calls").unlink()
    return [words[2:] if words[0] == "-m" else words for words in found]


def planned_commands(output: str) -> list[list[str]]:
    return [words for line in output.splitlines() if (words := shlex.split(line, comments=True))]


def assert_parses(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the package read a command; nothing is trained or asked."""
    program, verb, *options = words
    if program == "reproduce_steps.py":
        monkeypatch.setattr(reproduce_steps, "write_card", lambda run, card: None)
        monkeypatch.setattr(reproduce_steps, "write_hub_rows", lambda task, folder: None)
        reproduce_steps.main([verb, *options])
    elif verb in ("train", "sweep"):
        arguments = parse_arguments(get_task(options[0]), [word for word in options[1:] if word != "--one_pass"])
        assert arguments.training.output_dir.endswith(words[-1])
    elif verb == "augment":
        asked: list[Any] = []
        outcome = augmentation.augment.Outcome(0, 0, {}, [], {})
        monkeypatch.setattr(augmentation, "augment_file", lambda *given, **more: asked.append(given) or outcome)
        monkeypatch.setattr(augmentation, "write_mixup_file", lambda *given, **more: asked.append(given) or Table())
        dlfa([verb, *options])
        assert len(asked) == 1
    else:
        assert verb in ("report", "scaling")  # They read results, which do not exist yet.


class Table:
    positions = ()

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("task", TASK_NAMES)
@pytest.mark.parametrize("data", [[], ["--data", "DATA"]])
def test_every_command_is_one_of_the_package(
    task: str, data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = save_text(tmp_path / "text")
    more = ["--augment", "--text", text] if task in ("xnli", "pawsx") else []
    options = ["--model", "xlm-roberta-base", "--pooling", "mean", *data, *more]
    done = call("reproduce.sh", task, "--dry_run", *options, "--", "--use_cpu", "True", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = planned_commands(done.stdout)
    assert [words[1] for words in found[:4]] == ["sweep", "train", "report", "card"]
    assert len([words for words in found if words[1] == "augment"]) == (6 if more else 0)
    for words in found:
        assert_parses(words, monkeypatch)
        if words[1] in ("sweep", "train"):
            assert ("--train_file" in words) == bool(data or "augment" in words[-1])
            assert ("--pooling" in words) == (task in ("xnli", "pawsx"))
    assert not (tmp_path / "runs").exists()


def test_the_hour_has_nine_pieces_whose_time_is_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call("reproduce_hour.sh", "--dry_run", "--", "--use_cpu", "True", cwd=tmp_path)
    trained = [words for words in planned_commands(done.stdout) if words[1] in ("sweep", "train")]
    assert [words[2] for words in trained] == [task for task in TASK_NAMES for _ in range(2)]
    for words in trained:
        assert_parses(words, monkeypatch)
    script = (EXAMPLES / "reproduce_hour.sh").read_text(encoding="utf-8")
    limits = dict(part.strip("[]").split("]=") for part in script.split("limits=(")[1].split(")")[0].split())
    sweep, train, report = (int(limits[name]) + 20 for name in ("sweep", "train", "report"))
    assert max(sweep, train, report) <= 600 and 4 * (sweep + train) + report <= 3600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a task: xnli pawsx ner pos"),
        (["xnil"], "there is no task xnil. Choose one of: xnli pawsx ner pos."),
        (["xnli", "--sees", "1"], "there is no option --sees. Options of dlfa train go behind --."),
        (["xnli", "--seeds"], "--seeds needs a value"),
        (["xnli", "--seeds", "1,2"], '--seeds 1,2: give numbers, such as "1 2 3".'),
        (["xnli", "pos"], "unexpected argument pos"),
        (["xnli", "--only", "swep"], "there is no step swep. Choose one of: sweep, train, report, augment."),
        (["xnli", "--limit", "1.5"], "--limit 1.5 is not a number of seconds"),
        (["xnli", "--", "--seeds", "3"], "--seeds cannot go behind --"),
        (["xnli", "--only", "train"], "no layer is selected. Run the sweep first (--only sweep)."),
        (["xnli", "--only", "report"], "is not complete. Train first (--only train)."),
        (["ner", "--augment"], "--augment is for xnli and pawsx, not for ner. Leave it out."),
        (["xnli", "--augment"], "--augment needs unlabelled texts: add --text"),
        (["xnli", "--augment", "--text", "t", "--", "--max_train_samples", "9"], "Shorten --train_file"),
    ],
)
def test_a_mistake_is_one_message(words: list[str], message: str, stub: Script, tmp_path: Path) -> None:
    done = stub("reproduce.sh", *words)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("words", [["10"], ["1", "2"], ["--piece", "1"]])
def test_the_hour_takes_one_piece(words: list[str], stub: Script) -> None:
    done = stub("reproduce_hour.sh", *words)
    assert done.returncode == 2 and "give one piece, from 1 to 9. See --help." in done.stderr


def test_an_interpreter_without_the_package_is_named(tmp_path: Path) -> None:
    done = call("reproduce.sh", "xnli", cwd=tmp_path, PYTHON="no-such-python")
    assert done.returncode == 2 and "no-such-python has no modeling_dlfa. Install it" in done.stderr


def test_the_docs_name_options_that_exist(stub: Script) -> None:
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("studies.md", "augmentation.md"))
    commands = re.findall(r"^    examples/(reproduce\w*\.sh) (.*)$", pages, re.MULTILINE)
    assert {script for script, _ in commands} == {"reproduce.sh", "reproduce_hour.sh"}
    for script, options in commands:
        words = [word for word in shlex.split(options) if word != "--cost"]
        done = stub(script, *(() if "--help" in words else ("--dry_run",)), *words)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["reproduce.sh", "reproduce_hour.sh"])
def test_help(script: str, stub: Script) -> None:
    done = stub(script, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: examples/{script} ")
    assert max(map(len, done.stdout.splitlines())) < 120


def test_a_second_call_skips_what_is_done(stub: Script, tmp_path: Path) -> None:
    assert stub("reproduce.sh", "xnli", "--output_dir", "out").returncode == 0
    first = calls(tmp_path)
    assert [words[0] for words in first] == [
        *("estimate.py", "sweep", "reproduce_steps.py", "train", "report", "reproduce_steps.py")
    ]
    assert first[3][first[3].index("--fusion_layers") + 1] == "3"
    assert "dlfa sweep xnli" in (tmp_path / "costs").read_text()
    done = stub("reproduce.sh", "xnli", "--output_dir", "out")
    assert done.returncode == 0 and done.stdout.count("Complete: ") == 4
    assert [words[1] for words in calls(tmp_path)] == ["layer", "layer"]  # For what is left, and for the training.
    assert stub("reproduce.sh", "xnli", "--output_dir", "out", "--dry_run").stdout == ""


def test_other_options_are_refused_where_something_is_done(stub: Script, tmp_path: Path) -> None:
    stub("reproduce.sh", "xnli", "--output_dir", "out")
    done = stub("reproduce.sh", "xnli", "--output_dir", "out", "--", "--learning_rate", "3e-5")
    assert done.returncode == 2 and "out/sweep was made by another command" in done.stderr
    assert "choose another --output_dir, or remove out/sweep." in done.stderr


def test_an_interrupted_step_is_resumed(stub: Script, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    assert stub("reproduce.sh", "xnli", "--output_dir", "out").returncode == 130
    assert [words[0] for words in calls(tmp_path)] == ["estimate.py", "sweep"]
    (tmp_path / "stop").unlink()
    assert stub("reproduce.sh", "xnli", "--output_dir", "out").returncode == 0
    _, sweep, _, train, *_ = calls(tmp_path)
    assert sweep[-2:] == ["--resume_from_checkpoint", "last"] and "--resume_from_checkpoint" not in train


def test_a_limit_ends_a_step_that_goes_on_later(stub: Script, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    started = time.monotonic()
    done = stub("reproduce.sh", "xnli", "--output_dir", "out", "--limit", "1")
    assert done.returncode == 124 and time.monotonic() - started < 30
    assert "Stopped after 1 seconds. Call again with the same options to continue." in done.stderr
    assert not (tmp_path / "out" / "sweep.done").exists()
    (tmp_path / "wait").unlink()
    assert stub("reproduce.sh", "xnli", "--output_dir", "out", "--only", "sweep").returncode == 0
    assert calls(tmp_path)[-1][-2:] == ["--resume_from_checkpoint", "last"]


def test_the_hour_takes_the_next_piece(stub: Script, tmp_path: Path) -> None:
    told = [stub("reproduce_hour.sh", "--pooling", "mean") for _ in range(9)]
    assert [done.returncode for done in told] == [0] * 9, told[-1].stderr
    first = [done.stdout.splitlines()[0].split(",")[0] for done in told]
    names = [f"{task} {step}" for task in TASK_NAMES for step in ("sweep", "train")]
    assert first == [f"Piece {number} of 9: {name}" for number, name in enumerate([*names, "all report"], 1)]
    assert "All pieces are done: runs/hour/all/report/report.html" in told[-1].stdout
    trained = [words for words in calls(tmp_path) if words[0] in ("sweep", "train")]
    assert len(trained) == 8 and all("10000" in words for words in trained)
    assert "Complete: runs/hour/pos/sweep" in stub("reproduce_hour.sh", "7", "--pooling", "mean").stdout
    assert stub("reproduce_hour.sh", "--pooling", "mean").stdout.count("Complete: ") == 9


def write_rows(folder: Path) -> list[str]:
    """Writes pairs of the planted teacher's words; returns the options that name them."""
    rng = random.Random(0)
    words = "the cat sleeps house in hand a b".split()
    for name, count in (("train", 64), ("dev", 24), ("test-en", 24), ("test-de", 24), ("test-ru", 24)):
        lines = ["premise\thypothesis\tlabel"]
        for row in range(count):
            premise, hypothesis = (" ".join(rng.choices(words, k=4)) for _ in range(2))
            lines.append(f"{premise}\t{hypothesis}\t{get_task('xnli').labels[row % 3]}")
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--train_file", "train.tsv", "--validation_file", "dev.tsv", "--test_file", "test-{language}.tsv"]


@pytest.mark.slow
def test_a_task_is_interrupted_and_ends_with_every_table(tmp_path: Path) -> None:
    save_teacher(tmp_path / "model")
    words = ["xnli", "--model", "model", *write_rows(tmp_path), "--seeds", "1", "--output_dir", "out"]
    words += ["--", "--use_cpu", "True", "--bf16", "False", "--num_train_epochs", "15"]
    command = ["bash", str(EXAMPLES / "reproduce.sh"), *words]
    with subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, start_new_session=True) as process:
        while process.poll() is None and not list(tmp_path.glob("out/sweep/checkpoints/*/*/trainer_state.json")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    done = call("reproduce.sh", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Total: about" in done.stdout
    output = tmp_path / "out"
    [sweep] = {json.dumps(run["train"]["resumed"]) for run in results(output / "sweep")["runs"]}
    assert sweep == "true"
    assert [run["name"] for run in results(output / "train")["runs"]] == ["aif-layer0-seed1", "last-seed1"]
    for page in ("card.md", "report/report.html"):
        assert (output / page).is_file()
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    again = call("reproduce.sh", *words, cwd=tmp_path)
    assert again.returncode == 0 and again.stdout.count("Complete: ") == 4
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))
