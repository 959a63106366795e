"""Turns results into one HTML page that opens from disk, and Markdown.

`python examples/report.py runs/xnli runs/ner runs/scaling --output_dir runs/report` takes output directories of the
runner and of the studies, or single files, in any number.
"""

from __future__ import annotations

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser


def main(argv: list[str] | None = None) -> None:
    """Writes the report, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("sources", nargs="+", metavar="RUN", help="Output directory of a command, or a file of it.")
    parser.add_argument("--output_dir", required=True, help="Where report.html, report.md and figures/ go.")
    parser.add_argument("--title", default="DLFA: results", help="Title of the page.")
    parser.add_argument("--overwrite", action="store_true", help="Replace a report that is there.")
    given = parser.parse_args(argv)

    from modeling_dlfa.studies.report.report import build_report, check_free, write_report

    with one_line():
        check_free(given.output_dir, overwrite=given.overwrite)
        page = write_report(given.title, build_report(given.sources), given.output_dir, overwrite=given.overwrite)
    print(f"Report: {page}")


if __name__ == "__main__":
    main()
