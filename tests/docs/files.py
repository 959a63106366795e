"""Files of the names that the docs use."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..conftest import WORDS
from .snippets import marked

TREEBANK = {"en-train": "en", "en-dev": "en", "en-test": "en", "de-test": "de"}


def copy_files(data: Path, home: Path) -> None:
    """Copies train.tsv, dev.tsv and test-{en,de,ar}.tsv, and German as Bulgarian."""
    for path in data.iterdir():
        shutil.copyfile(path, home / path.name)
    shutil.copyfile(data / "test-de.tsv", home / "test-bg.tsv")


def copy_for_yaml(data: Path, home: Path) -> None:
    """Copies the files that `xnli.yaml` names, and writes that one."""
    copy_files(data, home)
    (home / "xnli.yaml").write_text(marked("devices", "arguments"), encoding="utf-8")


def write_conllu(home: Path, sentences: int) -> None:
    """Writes a treebank of sentences of two words: {en-train,en-dev,en-test,de-test}.conllu."""
    token = "{}\t{}\t_\t{}\t_\t_\t0\troot\t_\t_\n"
    for name, language in TREEBANK.items():
        words, text = WORDS[language], ""
        for number in range(sentences):
            pair = (words[number % 7], "NOUN"), (words[7 + number * number % 7], "VERB")
            text += "".join(token.format(place, *tagged) for place, tagged in enumerate(pair, start=1)) + "\n"
        (home / f"{name}.conllu").write_text(text, encoding="utf-8")


def write_paraphrases(path: Path, language: str, rows: int) -> None:
    words = WORDS[language]
    lines = ["sentence1,sentence2,label"]
    lines += [
        f"{words[row % 14]} {words[3]},{words[row % 14 - row % 2]} {words[3]},{1 - row % 2}" for row in range(rows)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
