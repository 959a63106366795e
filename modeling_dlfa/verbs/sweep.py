"""Which layer to fuse: trains every lower layer and the baseline, and compares them in every language.

`dlfa sweep pos OPTIONS` takes the options of `dlfa train pos` as well (see its --help); --fusion_layers are the
candidates, each alone, all lower layers if left out. With --one_pass all candidates of a seed, and the baseline, are
trained at once on one backbone. `dlfa sweep --results_dir DIR` analyses a finished sweep, such as a merged one;
with `--compare_with ONE_PASS` it measures how well a one-pass sweep reproduces it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..command.ending import one_line
from ..command.parser import CommandParser
from ..tasks import TASK_NAMES, get_task
from ..training.argument_checks import STUDY_PACKAGES, check_installed
from ..training.command_line import Help, options_parser, parse_options
from .train import how_to_go_on

if TYPE_CHECKING:
    from ..tasks import Task


def main(argv: Sequence[str]) -> None:
    """Sweeps a task, or analyses a finished sweep."""
    named = bool(argv) and not argv[0].startswith("-")
    task = get_task(argv[0]) if named else None
    asked = {"-h", "--help"} & set(argv)
    shown = [options_parser(task, add_help=False)] if asked else []
    parser = CommandParser(
        prog="dlfa sweep",
        formatter_class=Help,
        parents=shown,
        epilog="".join(parser.epilog or "" for parser in shown),
        usage="dlfa sweep TASK [ARGUMENTS.yaml] [--one_pass] [OPTION ...]\n"
        "       dlfa sweep --results_dir DIR [--compare_with ONE_PASS]",
        description=f"{__doc__}\nTASK is one of {', '.join(TASK_NAMES)}.",
    )
    parser.add_argument("--results_dir", help="Analyse the sweep in this output directory.")
    parser.add_argument("--one_pass", action="store_true", help="With TASK: train all layers of a seed at once.")
    parser.add_argument(
        "--compare_with", metavar="ONE_PASS", help="With --results_dir: directory of a one-pass sweep to compare."
    )
    given, options = parser.parse_known_args(list(argv[named:]))
    if task is not None and given.results_dir is not None:
        parser.error("a task is trained, --results_dir is analysed: give one of the two")
    if given.compare_with is not None and given.results_dir is None:
        parser.error("--compare_with compares two finished sweeps: give the full one as --results_dir")
    if task is not None:
        _train(task, options, one_pass=given.one_pass)
        return
    if given.one_pass:
        parser.error("--one_pass trains: name a task")
    if given.results_dir is None:
        parser.refuse_unknown(options)
        parser.error(f"name a task ({', '.join(TASK_NAMES)}), or a finished sweep with --results_dir")
    if options:
        parser.error(f"--results_dir trains nothing and takes no further arguments, but got {' '.join(options)}")
    check_installed(STUDY_PACKAGES, "studies", "dlfa sweep")
    if given.compare_with is not None:
        _compare(given.results_dir, given.compare_with)
        return
    from ..studies.layer_sweep.layer_sweep import analyse_sweep

    _tell(analyse_sweep(given.results_dir), given.results_dir)


def _train(task: Task, options: Sequence[str], *, one_pass: bool) -> None:
    parsed = parse_options(task, options, prog="dlfa sweep TASK")
    output: list[str] = []
    with one_line(lambda: how_to_go_on(*output)):
        from ..studies.layer_sweep.layer_sweep import run_sweep
        from ..training.arguments import complete_arguments

        arguments = complete_arguments(task, parsed)
        output.append(str(arguments.training.output_dir))
        sweep = run_sweep(task, arguments, one_pass=one_pass)
    if sweep is not None:
        _tell(sweep, output[0])
    elif int(os.environ.get("RANK", "0")) == 0:
        print(
            "This shard is trained. Merge all shards with `dlfa merge`, then analyse them: dlfa sweep "
            "--results_dir MERGED."
        )


def _tell(sweep: dict[str, Any], folder: str) -> None:
    from ..pages.model import plain
    from ..studies.layer_sweep.sections import SWEEP, findings

    print("\n".join(map(plain, findings(sweep))))
    print(f"Sweep: {folder}/{SWEEP.page}")


def _compare(full: str, one_pass: str) -> None:
    from ..studies.layer_sweep.agreement import compare_sweeps
    from ..studies.layer_sweep.agreement_sections import AGREEMENT, agreement_findings

    print("\n".join(agreement_findings(compare_sweeps(full, one_pass))))
    print(f"Agreement: {one_pass}/{AGREEMENT.page}")
