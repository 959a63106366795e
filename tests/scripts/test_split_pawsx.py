import errno
import importlib.util
from pathlib import Path

import pytest

from modeling_dlfa.data.loading import load_file
from modeling_dlfa.tasks import PAWSX

SCRIPT = Path(__file__).parents[2] / "examples" / "split_pawsx.py"
spec = importlib.util.spec_from_file_location("split_pawsx", SCRIPT)
split_pawsx = importlib.util.module_from_spec(spec)
spec.loader.exec_module(split_pawsx)


def write_files(folder, languages=("en", "de"), rows=60, shift=0):
    """Every third pair shares a sentence with the pair before it."""
    for code in languages:
        moved = shift if code != "en" else 0
        lines = ["sentence1\tsentence2\tlabel"]
        for row in range(rows):
            row = (row + moved) % rows
            first = row - 1 if row % 3 == 1 else row
            lines.append(f"{code} first {first}\t{code} second {row}\t{int(row * row % 7 < 3)}")
        (folder / f"dev-{code}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / "dev-{language}.tsv")


def rows_of(path):
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def test_held_out_rows_share_no_sentence_with_training_and_are_tested_in_every_language(tmp_path):
    files = write_files(tmp_path)
    out = tmp_path / "out"
    split_pawsx.main([files, str(out), "--validation_rows", "20"])
    train, validation = rows_of(out / "train-en.tsv"), rows_of(out / "validation-en.tsv")
    assert (len(train), len(validation)) == (40, 20)
    assert not {text for row in train for text in row[:2]} & {text for row in validation for text in row[:2]}
    assert rows_of(out / "test-en.tsv") == validation
    german = rows_of(out / "test-de.tsv")
    assert [[text.replace("de ", "en ") for text in row] for row in german] == validation
    assert sorted(train + validation) == sorted(rows_of(tmp_path / "dev-en.tsv"))


def test_another_seed_holds_out_other_rows(tmp_path):
    split = load_file(write_files(tmp_path).replace("{language}", "en"), PAWSX, "en")
    assert (
        split_pawsx.held_out(split, 20, 1) == split_pawsx.held_out(split, 20, 1) != split_pawsx.held_out(split, 20, 2)
    )


@pytest.mark.parametrize(
    ("arrange", "options", "says"),
    [
        (lambda folder: write_files(folder, shift=1), [], "not translations of each other"),
        (lambda folder: write_files(folder, languages=("de",)), [], "no English file"),
        (lambda folder: write_files(folder), ["--validation_rows", "60"], "cannot be held out"),
    ],
)
def test_what_cannot_be_split_is_one_error_and_writes_nothing(tmp_path, capsys, arrange, options, says):
    files = arrange(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        split_pawsx.main([files, str(tmp_path / "out"), "--validation_rows", "20", *options])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_left_as_it_is(tmp_path, capsys):
    with pytest.raises(SystemExit):
        split_pawsx.main([write_files(tmp_path), str(tmp_path), "--validation_rows", "20"])
    assert "is not empty" in capsys.readouterr().err
    assert not (tmp_path / "train-en.tsv").exists()


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    files = write_files(tmp_path)

    def full(split, rows, path):
        if path.name == "validation-en.tsv":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return written(split, rows, path)

    written = split_pawsx.write
    monkeypatch.setattr(split_pawsx, "write", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        split_pawsx.main([files, str(tmp_path / "out"), "--validation_rows", "20"])
    assert sorted(tmp_path.iterdir()) == before
