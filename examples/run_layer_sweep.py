"""Which layer to fuse: trains every lower layer and the baseline, and compares them in every language.

`python examples/run_layer_sweep.py --task pos ARGUMENTS` takes the arguments of `run_pos.py`; --fusion_layers are the
candidates, each alone, all lower layers if left out. With --one_pass all candidates of a seed, and the baseline, are
trained at once on one backbone. `python examples/run_layer_sweep.py --results_dir DIR` analyses a sweep that is there,
such as one merged of shards; with `--compare_with ONE_PASS` it says how far a one-pass sweep agrees with it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from modeling_dlfa.cli import end_started_processes, how_to_go_on
from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser

if TYPE_CHECKING:
    from modeling_dlfa.training.arguments import Arguments

TASKS = {"xnli": "xnli", "pawsx": "pawsx", "ner": "panx", "pos": "udpos"}


def main(argv: list[str] | None = None) -> None:
    """Sweeps, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", choices=TASKS, help="Train, with the arguments of the runner, such as run_pos.py's.")
    what.add_argument("--results_dir", help="Analyse the sweep in this output directory.")
    parser.add_argument("--one_pass", action="store_true", help="With --task: all layers of a seed in one training.")
    parser.add_argument("--compare_with", metavar="ONE_PASS", help="With --results_dir: a one-pass sweep's directory.")
    given, arguments = parser.parse_known_args(argv)
    if given.results_dir is not None and arguments:
        parser.error(f"--results_dir trains nothing and takes no further arguments, but got {' '.join(arguments)}")
    if given.one_pass and given.task is None:
        parser.error("--one_pass is a way to train: give --task")
    if given.compare_with is not None and given.results_dir is None:
        parser.error("--compare_with compares two finished sweeps: give the full one as --results_dir")
    parsed: list[Arguments] = []
    try:
        with one_line(lambda: how_to_go_on(*parsed)) if given.task is not None else one_line():
            if given.compare_with is not None:
                _compare(given.results_dir, given.compare_with)
                return
            if given.results_dir is not None:
                from modeling_dlfa.studies.layer_sweep.layer_sweep import analyse_sweep

                folder = given.results_dir
                sweep: dict[str, Any] | None = analyse_sweep(folder)
            else:
                from modeling_dlfa.tasks import get_task
                from modeling_dlfa.training.command_line import parse_options

                task = get_task(TASKS[given.task])
                options = parse_options(task, arguments)

                from modeling_dlfa.studies.layer_sweep.layer_sweep import run_sweep
                from modeling_dlfa.training.arguments import complete_arguments

                parsed.append(complete_arguments(task, options))
                folder = str(parsed[0].training.output_dir)
                sweep = run_sweep(task, parsed[0], one_pass=given.one_pass)
    finally:
        end_started_processes()
    if sweep is not None:
        from modeling_dlfa.studies.layer_sweep.markdown import findings

        print("\n".join(findings(sweep)).replace("**", ""))
        print(f"Sweep: {folder}/layer_sweep.md")
    elif int(os.environ.get("RANK", "0")) == 0:
        print("One shard is trained. Merge all by examples/merge_runs.py and analyse them by --results_dir.")


def _compare(full: str, one_pass: str) -> None:
    from modeling_dlfa.studies.layer_sweep.agreement import AGREEMENT, compare_sweeps
    from modeling_dlfa.studies.layer_sweep.agreement_markdown import agreement_findings

    print("\n".join(agreement_findings(compare_sweeps(full, one_pass))))
    print(f"Agreement: {one_pass}/{AGREEMENT}.md")


if __name__ == "__main__":
    main()
