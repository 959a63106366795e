"""The main job in minutes: English labels, tests in 15 languages, DLFA beside its last-layer baseline.

It sets up multilingual-e5-small (`encoder.py`, once), fine-tunes it on the corpus beside this file by the recipe in
`demo.yaml`, and asks the saved checkpoint three questions through transformers alone. Further arguments are those of
`examples/run_xnli.py`, in place of the recipe's: `--max_train_samples 64`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from logging import ERROR, getLogger
from pathlib import Path
from typing import TYPE_CHECKING

import encoder

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError
from modeling_dlfa.files.folders import draft_folder, named_folder
from modeling_dlfa.languages import get_language
from modeling_dlfa.processor import bf16_is_slow
from modeling_dlfa.results.directory import OutputDirectory
from modeling_dlfa.results.own_files import own_files, read_record
from modeling_dlfa.results.results import Results, load_results
from modeling_dlfa.results.tables import text_table
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.command_line import parse_options

if TYPE_CHECKING:
    from modeling_dlfa.training.planning import Plan
    from modeling_dlfa.training.systems import Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECIPE = HERE / "demo.yaml"
OUTPUT = Path("runs/demo")
QUESTIONS = tuple(
    tuple(line.split("\t")) for line in (HERE / "corpus/questions.tsv").read_text(encoding="utf-8").splitlines()[1:]
)


def train(extra: Sequence[str] = ()) -> None:
    """Trains and tests both systems, and replaces the last run's table, results, figure, card and checkpoint.

    Until all of them are ready, the last run stays as it is.

    Args:
        extra: Arguments of `run_xnli.py` that override the recipe.

    Raises:
        InputError: Wrong arguments, a missing encoder, or `OUTPUT` holds files that are not the demo's.
    """
    import datasets
    from transformers.utils import logging

    from modeling_dlfa.publishing.publish import write_cards
    from modeling_dlfa.training.arguments import parse_arguments
    from modeling_dlfa.training.planning import planned
    from modeling_dlfa.training.runner import execute

    check_output()
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    # For newcomers: only the runs' progress bars, and no warnings that every fine-tuning gives.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning)
    getLogger("modeling_dlfa").setLevel(ERROR)
    with draft_folder(OUTPUT.parent) as draft:
        precision = ["--bf16", str(not bf16_is_slow())]
        given = [str(RECIPE), *precision, *extra, "--output_dir", str(draft)]
        arguments = parse_arguments(XNLI, given)
        if arguments.model.freeze_up_to and arguments.model.cache_frozen is None:
            # Computed once for both systems and epochs; removed with the draft's folder.
            arguments.model.cache_frozen = str(draft.with_name("states"))
        if arguments.model.model_name_or_path == str(encoder.FOLDER):
            encoder.set_up(encoder.FOLDER)
        with planned(XNLI, arguments) as plan:
            _tell_plan(plan)
            results = execute(plan, _keep_fused_alone)
        _put_in_place(draft)
    write_cards(results, OutputDirectory(OUTPUT), arguments.run.license)


def _keep_fused_alone(plan: Plan, runs: Sequence[Run]) -> None:
    """Executes the runs of a seed one after another; the baseline's model is not kept, to save disk space."""
    from modeling_dlfa.training.execution import execute_run

    for run in runs:
        execute_run(replace(plan, saving=replace(plan.saving, save_models=not run.baseline)), run)


def _tell_plan(plan: Plan) -> None:
    sys.path.append(str(ROOT / "examples"))
    from estimate import estimate

    print("Now: fine-tune on English sentence pairs (does one follow from the other?) and test in 15 languages.")
    for system, baseline in {run.system: run.baseline for run in plan.runs}.items():
        print(f"  {system}: {'its baseline, the last layer alone' if baseline else 'DLFA, the last layer fused'}")
    sys.stdout.flush()
    expected = estimate(plan)
    precision = "bf16" if plan.training.bf16 else "float32, faster here than bf16"
    minutes = (expected.training + expected.testing) / 60
    print(
        f"On this processor ({os.cpu_count()} CPUs, {precision}) that takes about {_minutes(minutes)}: "
        f"{_minutes(expected.training / 60)} to train, {_minutes(expected.testing / 60)} to test.",
        flush=True,
    )


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{max(1, round(60 * minutes))} seconds"


def check_output() -> None:
    """Checks that only our own files would be replaced.

    Raises:
        InputError: `OUTPUT` is a file, or holds files that no run of ours wrote.
    """
    record = read_record(named_folder(OUTPUT))
    ours = set() if record is None else set(own_files(OUTPUT, record))
    if others := sorted(str(path) for path in OUTPUT.rglob("*") if not path.is_dir() and path not in ours):
        listed = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise InputError(
            f"The demo replaces {OUTPUT}, which contains files that it did not write: {listed}. Move them elsewhere."
        )


def _put_in_place(draft: Path) -> None:
    """Replaces the last run; if that fails, the last run is left in place."""
    before = draft.with_name("before")
    if OUTPUT.exists():
        os.replace(OUTPUT, before)
    try:
        os.replace(draft, OUTPUT)
    except BaseException:
        if before.exists():
            os.replace(before, OUTPUT)
        raise


def ask(checkpoint: Path) -> list[str]:
    """Returns a checkpoint's labels for `QUESTIONS`, from a process that has only the code beside its weights.

    Raises:
        InputError: The checkpoint does not load there.
    """
    lines = [json.dumps({"text": premise, "text_pair": hypothesis}) for _, premise, hypothesis, _ in QUESTIONS]
    command = [sys.executable, "-I", str(HERE / "ask.py"), str(checkpoint.resolve())]
    asked = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, encoding="utf-8")
    if asked.returncode:
        raise InputError(f"The checkpoint does not load with the code beside it:\n{asked.stderr}")
    return [json.loads(line)["label"] for line in asked.stdout.splitlines()]


def _finished() -> OutputDirectory:
    output = OutputDirectory(OUTPUT)
    if not output.results.is_file():
        raise InputError(f"{OUTPUT} contains no finished run. Train one: python examples/demo/demo.py.")
    return output


def show() -> None:
    """Prints the last run: table, difference, three answers, and where to go next.

    Raises:
        InputError: There has not been a run.
    """
    output = _finished()
    results = load_results(OUTPUT)
    checkpoint = output.model(next(run.name for run in results.runs if not run.baseline))
    chance = 100 / len(results.described_task.labels)
    print(
        f"Accuracy in percent by language, trained only on English labels (chance: {chance:.1f}). In "
        "brackets: 95 % intervals of the differences, marked * where significant after correction "
        "for the number of languages.\n"
    )
    print(text_table(results, notes=False))
    print(verdict(results))
    print(f"\nThree questions for {checkpoint}, loaded with trust_remote_code=True and without this package:")
    for (code, premise, hypothesis, expected), label in zip(QUESTIONS, ask(checkpoint), strict=True):
        judged = "right" if label == expected else f"wrong: {expected}"
        print(f"  {get_language(code).name}: {premise} / {hypothesis}  {label} ({judged})")
    print(
        f"\nHere: {OUTPUT}/results.md (the table with its notes), {OUTPUT}/figures/, {checkpoint}/README.md (card).\n"
        f"Next: dlfa gate {checkpoint} 'TEXT' 'TEXT' shows how much each token takes from which layer.\n"
        "docs/training.md: your own data and encoders. docs/prediction.md: your own sentences."
    )


def verdict(results: Results) -> str:
    """Says in one sentence whether DLFA differs from its baseline in these results."""
    differences = results.require_summary().differences
    if not differences:
        return "No baseline was trained, so what the fusion gains is unknown."
    name, difference = next(iter(differences.items()))
    found = difference.values["macro_target"]
    numbers = f"{100 * found.mean:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    if found.stands_out:
        better = "better" if found.mean > 0 else "worse"
        conclusion = f"DLFA is {better} than its baseline here, with {_seeds(difference.seeds)}"
    elif not found.excludes_zero:
        conclusion = "the interval includes 0, so no difference between DLFA and its baseline shows here"
    else:
        conclusion = "DLFA and its baseline do not differ significantly after correction for the number of systems"
    return f"{name} minus {difference.baseline}, average of the target languages: {numbers}; {conclusion}."


def _seeds(seeds: Sequence[int]) -> str:
    return "one seed; others may differ" if len(seeds) == 1 else f"{len(seeds)} seeds"


def main(argv: Sequence[str] | None = None) -> None:
    """Trains and shows the run, or shows the last one; wrong input ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="Do not train; show the last run.")
    given, extra = parser.parse_known_args(argv)
    os.chdir(ROOT)  # The recipe's paths start there, and the records then name no folder of this machine.
    started = time.monotonic()
    with one_line(
        lambda: f"The last run is still in {OUTPUT}." if OUTPUT.exists() else "Nothing of this run was kept."
    ):
        if given.show:
            _finished()
            print(f"No training: this is the last run, in {OUTPUT}. `make -B demo` trains again.\n")
        else:
            parse_options(XNLI, [str(RECIPE), *extra])  # A mistyped option ends here, before torch is imported.
            train(extra)
            print(f"\nDone in {_minutes((time.monotonic() - started) / 60)}.")
        show()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Half-written files are then removed as well.
    main()
