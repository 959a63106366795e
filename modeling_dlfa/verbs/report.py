"""Turns results into one HTML page that opens from disk, and Markdown.

`dlfa report runs/xnli runs/ner runs/scaling --output_dir runs/report` takes output directories of training and of
studies, or single files, in any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..command.parser import CommandParser
from ..errors import InputError
from ..training.argument_checks import STUDY_PACKAGES, check_installed


def main(argv: Sequence[str]) -> None:
    """Writes the report."""
    parser = CommandParser(prog="dlfa report", description=__doc__)
    parser.add_argument("sources", nargs="+", metavar="RUN", help="Output directory of a command, or a file of it.")
    parser.add_argument("--output_dir", required=True, help="Where report.html, report.md and figures/ go.")
    parser.add_argument("--title", default="DLFA: results", help="Title of the page.")
    parser.add_argument("--overwrite", action="store_true", help="Replace an earlier report.")
    given = parser.parse_args(argv)

    check_installed(STUDY_PACKAGES, "studies", "dlfa report")
    from ..studies.language_scaling.sections import SCALING
    from ..studies.layer_analysis.sections import ANALYSIS
    from ..studies.layer_sweep.agreement_sections import AGREEMENT
    from ..studies.layer_sweep.sections import SWEEP
    from ..studies.report.report import build_report, check_free, write_report

    places = [Path(source).resolve() for source in given.sources]
    if twice := [source for source, place in zip(given.sources, places, strict=True) if places.count(place) > 1]:
        raise InputError(f"{twice[0]} is given twice and would be compared with itself. Give each source once.")
    check_free(given.output_dir, overwrite=given.overwrite)
    sections = build_report(given.sources, [SWEEP, AGREEMENT, ANALYSIS, SCALING])
    page = write_report(given.title, sections, given.output_dir, overwrite=given.overwrite)
    print(f"Report: {page}")
