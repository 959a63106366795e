"""Text of 15 languages, packed: a plugin of the tests that pre-train, so that it is made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretrain_mini import main
from pretraining_data import Packed
from pretraining_text import LANGUAGES

from .pretraining import SCENES, TOKENIZER


@pytest.fixture(scope="session")
def mini_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with text of 15 languages and the results of all stages but training."""
    folder = tmp_path_factory.mktemp("pretrain")
    columns = {}
    for language in LANGUAGES:
        lines = (SCENES / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()
        columns[language] = lines[:150]
        (folder / f"{language}.txt").write_text("\n".join(lines[150:400]) + "\n", encoding="utf-8")
    rows = ["\t".join(LANGUAGES)] + ["\t".join(row) for row in zip(*columns.values(), strict=True)]
    (folder / "aligned15.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    pair = ["lang\ten\ttext\tsource", "de\tThe tree is green.\tDer Baum ist grün.\ttest", "fr\tYes!\tOui !\ttest"]
    (folder / "pairs-en.tsv").write_text("\n".join(pair) + "\n", encoding="utf-8")
    stages = ["tokenizer", "pack", "init", "--text_dir", str(folder), "--work_dir", str(folder / "work")]
    main([*stages, *TOKENIZER, "--hidden_size", "32", "--max_positions", "64"])
    return folder / "work"


@pytest.fixture(scope="session")
def packed(mini_work: Path) -> Packed:
    return Packed.load(mini_work / "packed.npz")
