"""Cards of studies: a report as the study wrote it, its figures beside the card, what stands around it kept."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from study_card import BEGIN, END, main

from modeling_dlfa.studies.language_scaling.command import run_language_scaling


def test_it_holds_the_report_and_its_figures(finished: Path, tmp_path: Path) -> None:
    study, card = tmp_path / "scaling", tmp_path / "cards" / "mine.md"
    run_language_scaling([finished], study, n_resamples=50)
    card.parent.mkdir()
    card.write_text(f"# Mine\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n", encoding="utf-8")
    main([str(study), str(card)])
    text = card.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n\nBefore.\n\n{BEGIN}\n\n## Scaling") and text.endswith(f"{END}\n\nAfter.\n")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Scaling with target languages (scaling)"]
    report = (study / "language_scaling.md").read_text(encoding="utf-8")
    assert [line for line in report.splitlines() if line.startswith("|")] == [
        line for line in text.splitlines() if line.startswith("|")
    ]
    linked = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert len(linked) == len(re.findall(r"\]\(figures/", report)) > 1
    for name in linked:
        figure = study / "figures" / Path(name).name.removeprefix("mine-scaling-")
        assert (card.parent / name).read_bytes() == figure.read_bytes()
    main([str(study), str(card)])
    assert card.read_text(encoding="utf-8") == text


def test_studies_of_one_name_keep_their_figures(finished: Path, tmp_path: Path) -> None:
    card, sources = tmp_path / "mine.md", [tmp_path / name / "out" for name in ("a", "b")]
    run_language_scaling([finished], sources[0], n_resamples=50)
    shutil.copytree(sources[0], sources[1])
    for source in sources:
        for figure in (source / "figures").iterdir():
            figure.write_text(source.parent.name)
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    main([*map(str, sources), str(card)])
    linked = re.findall(r"\]\((figures/mine-([ab])-out-[^)]+)\)", card.read_text(encoding="utf-8"))
    assert {name for _, name in linked} == {"a", "b"}
    assert all((tmp_path / path).read_text() == name for path, name in linked)


def test_a_directory_without_a_study_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "mine.md"
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), str(card)])
    assert caught.value.code == 2 and "none of the reports" in capsys.readouterr().err
    assert card.read_text(encoding="utf-8") == f"{BEGIN}\n{END}\n"
