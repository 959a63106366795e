"""Brings the reports of studies into a card of `model_cards/studies/`: what stands between two marks is written anew.

`python examples/study_card.py runs/layers runs/sweep model_cards/studies/NAME.md` takes output directories of
`dlfa sweep`, `dlfa layers` and `dlfa scaling`. What one makes of them is written around
the marks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from results_card import distinct_names, write_between

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError

BEGIN, END = "<!-- studies: written by examples/study_card.py -->", "<!-- end of studies -->"
REPORTS = ("layer_sweep.md", "one_pass_agreement.md", "layer_analysis.md", "language_scaling.md")
PICTURE = re.compile(r"!\[[^\]]*\]\((figures/[^)]+)\)")


def update_card(card: Path, sources: Sequence[Path]) -> None:
    """Replaces what stands between the marks of a card, and copies the reports' figures beside it.

    Args:
        card: An existing file with the two marks.
        sources: Output directories of studies.

    Raises:
        InputError: The card or its marks are missing, or a directory has no report.
    """
    sections: list[str] = []
    figures: dict[str, Path] = {}
    for source, name in zip(sources, distinct_names(sources), strict=True):
        reports = [source / name for name in REPORTS if (source / name).is_file()]
        if not reports:
            raise InputError(f"{source} has none of the reports {', '.join(REPORTS)}. Run a study there first.")
        for report in reports:
            text = re.sub(r"^#", "##", report.read_text(encoding="utf-8").strip(), flags=re.MULTILINE)
            # Two studies of one task have reports of one title.
            text = re.sub(r"^(#+ .*)", rf"\1 ({name})", text, count=1, flags=re.MULTILINE)
            for picture in PICTURE.findall(text):
                beside = f"figures/{card.stem}-{name}-{Path(picture).name}"
                if figures.setdefault(beside, source / picture) != source / picture:
                    raise InputError(f"Two figures would be {beside}. Rename one of the directories.")
                text = text.replace(f"({picture})", f"({beside})")
            sections.append(text)
    write_between(card, BEGIN, END, "\n\n".join(sections), figures)


def main(argv: Sequence[str] | None = None) -> None:
    """Updates the card, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path, metavar="STUDY", help="Output directory of a study.")
    parser.add_argument("card", type=Path, help="The card, which holds both marks.")
    given = parser.parse_args(argv)
    with one_line():
        update_card(given.card, given.sources)


if __name__ == "__main__":
    main()
