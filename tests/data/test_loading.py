"""From files and the Hub to tokenised examples, on real small files and a real tokenizer."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from modeling_dlfa.data.loading import (
    SourceInfo,
    Split,
    encode,
    expand_files,
    languages_without_file,
    length_sorted,
    load_file,
    load_hub,
    resolve_languages,
    rows_are_aligned,
)
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import HubSource, get_task

from .samples import write

TASK = get_task("xnli")
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
ROWS = [
    ("The cat sat on the mat.", "A cat is sitting.", "entailment"),
    ('He said "no" and left.', "He was angry, very angry.", "neutral"),
    ("Es regnet in Köln.", "Die Straße ist trocken.", "contradiction"),
    ("她回家了。", "她在家。", "neutral"),
]
RECORDS = [dict(zip(("premise", "hypothesis", "label"), row, strict=True)) for row in ROWS]
LABEL_IDS = [0, 1, 2, 1]
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the measuring data (../shared/data) is absent")


def tsv(rows: Iterable[tuple[str, ...]] = ROWS, end: str = "\n") -> str:
    return end.join("\t".join(row) for row in [("premise", "hypothesis", "label"), *rows]) + end


def write_csv(path: Path) -> None:
    datasets.Dataset.from_list(RECORDS).to_csv(path)


def write_json_lines(path: Path) -> None:
    write(path, "".join(json.dumps(record) + "\n" for record in RECORDS))


def write_parquet(path: Path) -> None:
    datasets.Dataset.from_list(RECORDS).to_parquet(path)


def write_class_label_parquet(path: Path) -> None:
    """As `datasets` writes it, with the label names in an order that is not ours."""
    names = datasets.ClassLabel(names=["contradiction", "entailment", "neutral"])
    datasets.Dataset.from_list(RECORDS).cast_column("label", names).to_parquet(path)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    wordpiece.train_from_iterator([text for row in ROWS for text in row[:2]], trainer)
    wordpiece.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=wordpiece,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=128,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def split_of(rows: list[tuple[str, str, str]], language: str = "en") -> Split:
    labels = [TASK.labels.index(label) for _, _, label in rows]
    texts = ([row[0] for row in rows], [row[1] for row in rows])
    return Split(language, texts, labels, SourceInfo("memory", len(rows)))


class TestResolveLanguages:
    def test_all_or_a_list(self) -> None:
        assert resolve_languages(["all"], TASK) == list(TASK.languages)
        assert resolve_languages(["zh", "ar"], TASK) == ["zh", "ar"]

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (["ar", "xx", "yy"], r"Unknown language code 'xx', 'yy'\. XNLI has: ar bg .* zh"),
            (["all", "ar"], "Unknown language code 'all'"),
            (["ar", "bg", "ar"], "Language 'ar' is given more than once"),
            ([], "No language is given. XNLI has: ar"),
        ],
    )
    def test_wrong(self, spec: list[str], message: str) -> None:
        with pytest.raises(InputError, match=message):
            resolve_languages(spec, TASK)


class TestExpandFiles:
    def test_template(self, tmp_path: Path) -> None:
        for language in ("ar", "en"):
            write(tmp_path / "[1]" / language / f"dev-{language}.tsv", tsv())
        files = expand_files(str(tmp_path / "[1]" / "{language}" / "dev-{language}.tsv"), ["en", "ar"])
        assert list(files) == ["en", "ar"]
        assert files["ar"] == tmp_path / "[1]" / "ar" / "dev-ar.tsv"

    def test_plain_path_for_one_language(self, tmp_path: Path) -> None:
        path = write(tmp_path / "{x}.tsv", tsv())
        assert expand_files(str(path), ["sw"]) == {"sw": path}

    def test_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        write(tmp_path / "dev-en.tsv", tsv())
        assert expand_files("~/dev-{language}.tsv", ["en"]) == {"en": tmp_path / "dev-en.tsv"}

    def test_missing_language_names_those_that_exist(self, tmp_path: Path) -> None:
        for language in ("en", "ar"):
            write(tmp_path / "[1]" / language / f"dev-{language}.tsv", tsv())
        write(tmp_path / "[1]" / "de" / "dev-fr.tsv", tsv())
        pattern = str(tmp_path / "[1]" / "{language}" / "dev-{language}.tsv")
        with pytest.raises(
            InputError, match=r"no file for 'bg', 'de' \(.*dev-bg\.tsv\)\. There are files for: ar en\."
        ):
            expand_files(pattern, ["en", "bg", "de"])

    @pytest.mark.parametrize(
        ("name", "languages", "message"),
        [
            ("none-{language}.tsv", ["en", "ar"], "no file for 'en', 'ar' .*No file matches the name"),
            ("dev-{lang}.tsv", ["en"], "Write {language}"),
            ("dev-en.tsv", ["en", "ar"], "one file is given for 2 languages. Write {language}"),
            ("nothing.tsv", ["en"], "there is no such file"),
        ],
    )
    def test_wrong(self, tmp_path: Path, name: str, languages: list[str], message: str) -> None:
        write(tmp_path / "dev-en.tsv", tsv())
        with pytest.raises(InputError, match=message):
            expand_files(str(tmp_path / name), languages)


class TestLoadFile:
    @pytest.mark.parametrize(
        ("name", "writer"),
        [
            ("a.tsv", lambda path: write(path, tsv())),
            ("a.TSV", lambda path: write(path, tsv())),
            ("a.csv", write_csv),
            ("a.json", write_json_lines),
            ("a.jsonl", write_json_lines),
            ("a.parquet", write_parquet),
            ("a.parquet", write_class_label_parquet),
        ],
    )
    def test_formats_agree(self, tmp_path: Path, name: str, writer: Callable[[Path], object]) -> None:
        path = tmp_path / name
        writer(path)
        split = load_file(path, TASK, "en")
        assert split.texts == ([row[0] for row in ROWS], [row[1] for row in ROWS])
        assert split.labels == LABEL_IDS
        assert (len(split), split.language) == (4, "en")
        content = path.read_bytes()
        assert split.source.to_dict() == {
            "source": str(path),
            "rows": 4,
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "revision": None,
            "config": None,
            "split": None,
        }
        assert json.loads(json.dumps(split.source.to_dict())) == split.source.to_dict()

    @pytest.mark.parametrize(
        "content",
        [
            tsv(end="\r\n"),
            "\ufeff" + tsv(),
            tsv() + "\n\n",
            tsv().rstrip("\n"),
            tsv().replace("neutral", " 1 ").replace("entailment", "0"),
            "label\tid\tpremise\thypothesis\n" + "".join(f"{c}\t9\t{a}\t{b}\n" for a, b, c in ROWS),
        ],
        ids=["crlf", "byte-order-mark", "blank-end", "no-final-newline", "class-ids", "other-columns"],
    )
    def test_harmless_variants(self, tmp_path: Path, content: str) -> None:
        split = load_file(write(tmp_path / "a.tsv", content), TASK, "en")
        assert split.texts == ([row[0] for row in ROWS], [row[1] for row in ROWS])
        assert split.labels == LABEL_IDS

    def test_tsv_has_no_quoting_and_no_exotic_line_ends(self, tmp_path: Path) -> None:
        rows = [('"an open quote', "next\u2028line\x85 and \x0b", "neutral"), ('"quoted"', "''", "neutral")]
        split = load_file(write(tmp_path / "a.tsv", tsv(rows)), TASK, "en")
        assert split.texts == ([rows[0][0], rows[1][0]], [rows[0][1], rows[1][1]])

    def test_csv_line_breaks_in_quotes_and_the_lines_of_errors(self, tmp_path: Path) -> None:
        good = 'premise,hypothesis,label\n"two\nlines","a ""b""",neutral\n'
        assert load_file(write(tmp_path / "a.csv", good), TASK, "en").texts == (["two\nlines"], ['a "b"'])
        with pytest.raises(InputError, match=r"a\.csv, line 4: unknown label 'maybe'"):
            load_file(write(tmp_path / "a.csv", good + "x,y,maybe\n"), TASK, "en")

    def test_max_samples_takes_the_first_rows_and_reads_no_further(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", tsv() + "malformed\n")
        split = load_file(path, TASK, "en", max_samples=2)
        assert (split.labels, split.source.rows, split.source.bytes) == ([0, 1], 2, path.stat().st_size)
        write_parquet(tmp_path / "a.parquet")
        assert load_file(tmp_path / "a.parquet", TASK, "en", max_samples=3).labels == [0, 1, 2]
        assert len(load_file(tmp_path / "a.parquet", TASK, "en", max_samples=99)) == 4
        with pytest.raises(InputError, match="number of samples is 0"):
            load_file(path, TASK, "en", max_samples=0)

    def test_label_names_that_are_digits_go_before_class_ids(self, tmp_path: Path) -> None:
        task = replace(TASK, labels=("1", "0"))
        rows = [("a", "b", "1"), ("a", "b", "0")]
        assert load_file(write(tmp_path / "a.tsv", tsv(rows)), task, "en").labels == [0, 1]

    def test_one_text_column(self, tmp_path: Path) -> None:
        task = replace(TASK, text_columns=("hypothesis",))
        split = load_file(write(tmp_path / "a.tsv", tsv()), task, "en")
        assert split.texts == ([row[1] for row in ROWS],)

    HEADER = "premise\thypothesis\tlabel\n"

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.tsv", "", r"a\.tsv: no rows"),
            ("a.tsv", HEADER + "\n\n", r"a\.tsv: no rows"),
            ("a.jsonl", "\n", r"a\.jsonl: no rows"),
            ("a.txt", tsv(), r"extension '\.txt'\. Use one of \.tsv, \.csv, \.json, \.jsonl, \.parquet"),
            ("a", tsv(), r"extension ''"),
            ("dev-{language}.tsv", tsv(), "replaced in the names of training and test files"),
            ("a.tsv", "premise\tlabel\nx\t0\n", "missing column 'hypothesis'; the first line names 'premise', 'la"),
            ("a.csv", tsv(), "missing columns 'premise', 'hypothesis', 'label'; the first line names 'premise\thypo"),
            ("a.tsv", HEADER.replace("\n", "\tlabel\n") + "a\tb\t0\t1\n", "more than one column 'label'"),
            ("a.tsv", HEADER + "a\tb\tneutral\na\tneutral\n", "line 3: malformed, 2 fields where the header has 3"),
            ("a.tsv", HEADER + "a\tb\tneutral\td\n", "line 2: malformed, 4 fields where the header has 3"),
            ("a.tsv", HEADER + "a\tb\tneutral\n\na\tb\tneutral\n", "line 3: the line is blank"),
            ("a.tsv", HEADER + "a\tb\t\n", r"a\.tsv, line 2: no label.*'entailment', 'neutral', 'contradiction'"),
            ("a.tsv", HEADER + "a\tb\t-1\n", "line 2: no label"),
            ("a.tsv", HEADER + "a\tb\tneutral\na\tb\tNeutral\n", "line 3: unknown label 'Neutral'. Known: 'entail"),
            ("a.tsv", HEADER + "a\tb\t3\n", "line 2: unknown label '3'.* or 0 to 2"),
            ("a.tsv", (HEADER + "a\tb\t0\nä\tb\t0\n").encode("latin-1"), "line 3: not UTF-8"),
            ("a.tsv", tsv().encode("utf-16"), "line 1: not UTF-8"),
            ("a.csv", 'premise,hypothesis,label\na,b,0\n"a,b,0\nc,d,0\n', r"line 3: malformed \(unexpected end of"),
            ("a.csv", 'premise,hypothesis,label\n"a"x,b,0\n', "line 2: malformed"),
            ("a.jsonl", '{"premise": "a"\n', "line 1: malformed JSON"),
            ("a.json", '[{"premise": "a"}]\n', "line 1: malformed, expected a JSON object a line"),
            ("a.jsonl", '{"premise": "a", "hypothesis": "b"}\n', "line 1: missing column 'label'; there are 'prem"),
            ("a.jsonl", '{"premise": "a", "hypothesis": "b", "label": null}', "line 1: no label"),
            ("a.jsonl", '{"premise": "a", "hypothesis": "b", "label": true}', "line 1: unknown label 'True'"),
            ("a.jsonl", '{"premise": 1, "hypothesis": "b", "label": 0}', "line 1: column 'premise' is 1, not text"),
            ("a.tsv", HEADER + "a\tb\x00\tneutral\n", r"a\.tsv, line 2: a NUL byte, which text does not have"),
            ("a.tsv", HEADER.encode("utf-16-le"), "line 1: a NUL byte.*not UTF-8 but UTF-16: convert it"),
            ("a.jsonl", '{"premise": "\\u0000", "hypothesis": "b", "label": 0}', "column 'premise' holds a NUL char"),
            ("a.jsonl", '{"premise": "a", "hypothesis": "x\\ud83d", "label": 0}',
             r"a\.jsonl, line 1: column 'hypothesis' holds half a surrogate pair \('\\ud83d'\), which is not a char"),
            ("a.jsonl", '{"premise": ' + "[" * 100_000, r"line 1: malformed JSON \("),
            ("a.jsonl", '{"premise": ' + "1" * 5_000 + "}", r"line 1: malformed JSON \(Exceeds the limit"),
            ("a.csv", tsv(), r"separated by tabs, those of a \.csv file by commas\. Rename the file to \.tsv\."),
            ("a.tsv", HEADER.replace("\t", ","), r"those of a \.tsv file by tabs\. Rename the file to \.csv\."),
            ("a.csv", HEADER.replace("\t", "; "), r"semicolons, those of a \.csv .*\. Convert the file\."),
            ("a.tsv", HEADER.replace("\t", "|"), r"by bars, those of a \.tsv file by tabs\. Convert the file\."),
            ("a.tsv", '"premise"\t"hypothesis"\t"label"\n', r"in quotes or padded, which a \.tsv file"),
            ("a.tsv", "a\tb\tneutral\n", "Rename the columns to .*, or add a first line with these names"),
            ("a.parquet", "not parquet", r"a\.parquet: not a Parquet file that can be read"),
        ],
    )  # fmt: skip
    def test_one_clear_error(self, tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            load_file(write(tmp_path / name, content), TASK, "en")
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
    def test_fields_of_any_length(self, tmp_path: Path, name: str) -> None:
        """The csv module takes 131,072 characters unless it is told otherwise."""
        long = "long " * 60_000
        content = tsv([(long, "short", "neutral")])
        content = content if name == "a.tsv" else content.replace("\t", ",")
        limit = csv.field_size_limit(131_072)
        try:
            assert load_file(write(tmp_path / name, content), TASK, "en").texts == ([long], ["short"])
        finally:
            csv.field_size_limit(limit)

    def test_a_wrong_delimiter_is_not_answered_by_renaming(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as error:
            load_file(write(tmp_path / "a.csv", tsv()), TASK, "en")
        assert "Rename the columns" not in str(error.value)

    def test_blank_texts_are_kept_and_known(self, tmp_path: Path) -> None:
        rows = [ROWS[0], (" ", "b", "neutral"), ("a", "\u3000", "neutral"), ("", "", "neutral")]
        path = write(tmp_path / "a.tsv", tsv(rows))
        split = load_file(path, TASK, "en")
        assert split.blank == [f"{path}, line {line}" for line in (3, 4, 5)]
        assert split.texts[0] == [row[0] for row in rows]

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.tsv: there is no such file"):
            load_file(tmp_path / "none.tsv", TASK, "en")
        (tmp_path / "folder.tsv").mkdir()
        with pytest.raises(InputError, match=r"folder\.tsv: cannot be read \(Is a directory\)"):
            load_file(tmp_path / "folder.tsv", TASK, "en")

    def test_parquet_rows_without_label_or_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        datasets.Dataset.from_list([*RECORDS, {**RECORDS[0], "label": None}]).to_parquet(path)
        with pytest.raises(InputError, match=r"a\.parquet, row 5: no label"):
            load_file(path, TASK, "en")
        datasets.Dataset.from_list([*RECORDS, {**RECORDS[0], "premise": None}]).to_parquet(path)
        with pytest.raises(InputError, match=r"a\.parquet, row 5: column 'premise' is None, not text"):
            load_file(path, TASK, "en")
        datasets.Dataset.from_list(RECORDS).remove_columns("label").to_parquet(path)
        with pytest.raises(InputError, match="missing column 'label'; there are 'premise', 'hypothesis'"):
            load_file(path, TASK, "en")
        datasets.Dataset.from_list(RECORDS).select([]).to_parquet(path)
        with pytest.raises(InputError, match="no rows"):
            load_file(path, TASK, "en")


def make_hub_folder(folder: Path, names: Sequence[str], test_labels: list[int]) -> None:
    """A data set repository laid out as `facebook/xnli`: a configuration a language, Parquet, features in the card."""
    features = [{"name": name, "dtype": "string"} for name in TASK.text_columns]
    label = {"name": "label", "dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(names)}}}}
    card = {
        "dataset_info": [{"config_name": code, "features": [*features, label]} for code in ("en", "de")],
        "configs": [
            {
                "config_name": code,
                "data_files": [{"split": s, "path": f"{code}/{s}-*"} for s in ("train", "validation", "test")],
            }
            for code in ("en", "de")
        ],
    }
    # JSON is YAML, so the card's header needs no YAML writer.
    write(folder / "README.md", f"---\n{json.dumps(card)}\n---\n# XNLI\n")
    for code in ("en", "de"):
        for split, label_ids in (("train", [0, 1]), ("validation", [2]), ("test", test_labels)):
            columns: dict[str, list[Any]] = {
                "premise": [f"{code} {split} premise {i}" for i in range(len(label_ids))],
                "hypothesis": [f"{code} {split} hypothesis {i}" for i in range(len(label_ids))],
                "label": label_ids,
            }
            datasets.Dataset.from_dict(columns).to_parquet(folder / code / f"{split}-00000-of-00001.parquet")


class TestLoadHub:
    def test_configurations_splits_and_labels(self, tmp_path: Path) -> None:
        make_hub_folder(tmp_path / "xnli", TASK.labels, [2, 0, 1])
        options: dict[str, Any] = {"dataset_name": str(tmp_path / "xnli"), "cache_dir": str(tmp_path / "cache")}
        train = load_hub(TASK, "train", "en", **options)
        assert train.texts == (
            ["en train premise 0", "en train premise 1"],
            ["en train hypothesis 0", "en train hypothesis 1"],
        )
        assert load_hub(TASK, "validation", "en", **options).labels == [2]
        test = load_hub(TASK, "test", "de", **options, max_samples=2)
        assert (test.language, test.labels, test.texts[0][0]) == ("de", [2, 0], "de test premise 0")
        assert test.source == SourceInfo(str(tmp_path / "xnli"), 2, config="de", split="test")

    def test_labels_are_mapped_by_name(self, tmp_path: Path) -> None:
        make_hub_folder(tmp_path / "xnli", ["contradiction", "entailment", "neutral"], [0, 1, 2])
        test = load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(tmp_path / "cache"))
        assert test.labels == [2, 0, 1]

    @pytest.mark.parametrize(
        ("names", "labels", "message"),
        [
            (TASK.labels, [0, -1], r"xnli \(configuration 'de', split 'test'\), row 2: no label"),
            (("yes", "no", "maybe"), [0], "row 1: unknown label 'yes'. Known: 'entailment'"),
            (TASK.labels, [], "corresponds to no data"),
        ],
    )
    def test_wrong_labels(self, tmp_path: Path, names: tuple[str, ...], labels: list[int], message: str) -> None:
        make_hub_folder(tmp_path / "xnli", names, labels)
        with pytest.raises(InputError, match=message):
            load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(tmp_path / "cache"))

    def test_unknown_configuration_split_column_and_folder(self, tmp_path: Path) -> None:
        make_hub_folder(tmp_path / "xnli", TASK.labels, [0])
        options: dict[str, Any] = {"dataset_name": str(tmp_path / "xnli"), "cache_dir": str(tmp_path / "cache")}
        with pytest.raises(InputError, match=r"'xx' not found\. Available: \['en', 'de'\]\. Pass --train_file"):
            load_hub(TASK, "test", "xx", **options)
        with pytest.raises(InputError, match=r'Unknown split "dev"'):
            load_hub(replace(TASK, hub=replace(TASK.hub, test_split="dev")), "test", "de", **options)
        with pytest.raises(InputError, match="missing column 'question'; there are 'premise', 'hypothesis', 'label'"):
            load_hub(replace(TASK, text_columns=("question",)), "test", "de", **options)
        with pytest.raises(InputError, match="Cannot load '.*nowhere/at/all'"):
            load_hub(TASK, "test", "de", str(tmp_path / "nowhere/at/all"), cache_dir=str(tmp_path / "cache"))


def load_offline(home: Path) -> subprocess.CompletedProcess[str]:
    """Ask for the real data set in a process that may not use the network, with nothing but `home` as its cache."""
    program = (
        "from modeling_dlfa.data.loading import load_hub\n"
        "from modeling_dlfa.errors import InputError\n"
        "from modeling_dlfa.tasks import get_task\n"
        "try:\n"
        "    split = load_hub(get_task('xnli'), 'test', 'de')\n"
        "    print(split.labels, split.source)\n"
        "except InputError as error:\n"
        "    print(error)\n"
        "    raise SystemExit(2)\n"
    )
    removed = ("HF_DATASETS_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in removed}
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )


class TestOffline:
    def test_without_network_and_cache_the_error_says_what_to_do(self, tmp_path: Path) -> None:
        process = load_offline(tmp_path)
        assert process.returncode == 2, process.stderr
        assert process.stdout.startswith("Cannot load 'facebook/xnli' (configuration 'de', split 'test')")
        for remedy in ("--train_file", "--validation_file", "--test_file", "HF_HUB_OFFLINE=1"):
            assert remedy in process.stdout
        assert process.stdout.count("\n") == 1

    def test_a_cached_data_set_is_used_and_its_commit_recorded(self, tmp_path: Path) -> None:
        make_hub_folder(tmp_path / "xnli", TASK.labels, [2, 0])
        cache, commit = tmp_path / "home" / "datasets", "0123456789abcdef0123456789abcdef01234567"
        load_hub(TASK, "test", "de", str(tmp_path / "xnli"), cache_dir=str(cache))
        # Where and how `datasets` keeps the prepared data of a repository on the Hub.
        (prepared,) = (path.parent for path in cache.glob("xnli/de/*/*/dataset_info.json"))
        target = cache / "facebook___xnli" / "de" / "0.0.0" / commit
        target.parent.mkdir(parents=True)
        prepared.rename(target)
        process = load_offline(tmp_path / "home")
        assert process.returncode == 0, process.stdout + process.stderr
        assert process.stdout.startswith("[2, 0] SourceInfo(source='facebook/xnli', rows=2")
        assert f"revision='{commit}', config='de', split='test'" in process.stdout


class TestEncode:
    def test_rows_are_those_of_the_tokenizer(self, tokenizer: PreTrainedTokenizerFast) -> None:
        splits = [split_of(ROWS[:3], "en"), split_of(ROWS[2:], "zh")]
        dataset = encode(splits, tokenizer, TASK)
        assert len(dataset) == 5
        assert dataset["language"][:] == [0, 0, 0, 1, 1]
        assert dataset["row"][:] == [0, 1, 2, 0, 1]
        assert dataset["labels"][:] == [0, 1, 2, 2, 1]
        for example in dataset:
            split, row = splits[example["language"]], example["row"]
            expected = tokenizer(split.texts[0][row], split.texts[1][row])
            for name in ("input_ids", "attention_mask", "token_type_ids"):
                assert example[name] == expected[name]
            assert example["length"] == len(expected["input_ids"])
        assert set(dataset.column_names) == {
            "input_ids", "attention_mask", "token_type_ids", "labels", "length", "language", "row",
        }  # fmt: skip

    def test_token_type_ids_only_where_the_model_has_them(self, tokenizer: PreTrainedTokenizerFast) -> None:
        roberta_like = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.backend_tokenizer, model_input_names=["input_ids", "attention_mask"]
        )
        assert "token_type_ids" not in encode([split_of(ROWS)], roberta_like, TASK).column_names

    def test_truncation_takes_from_the_longer_text_and_does_not_pad(self, tokenizer: PreTrainedTokenizerFast) -> None:
        long, short = "cat " * 50, "cat sat"
        rows = [(long, short, "neutral"), (short, long, "neutral"), (short, short, "neutral")]
        dataset = encode([split_of(rows)], tokenizer, TASK, max_length=12)
        short_ids = tokenizer(short, add_special_tokens=False)["input_ids"]
        assert dataset["length"][:] == [12, 12, 3 + 2 * len(short_ids)]
        assert dataset[0]["input_ids"][-1 - len(short_ids) : -1] == short_ids
        assert dataset[1]["input_ids"][1 : 1 + len(short_ids)] == short_ids

    def test_one_text_column(self, tokenizer: PreTrainedTokenizerFast) -> None:
        split = Split("en", (["cat sat"],), [0], SourceInfo("memory", 1))
        dataset = encode([split], tokenizer, replace(TASK, text_columns=("text",)), max_length=8)
        assert dataset[0]["input_ids"] == tokenizer("cat sat")["input_ids"]

    def test_maximum_length_that_does_not_fit(self, tokenizer: PreTrainedTokenizerFast) -> None:
        with pytest.raises(InputError, match="3 tokens leaves no room .* adds 3 special tokens"):
            encode([split_of(ROWS)], tokenizer, TASK, max_length=3)
        with pytest.raises(InputError, match="129 tokens is more than the 128"):
            encode([split_of(ROWS)], tokenizer, TASK, max_length=129)

    @pytest.mark.slow
    def test_nothing_is_written_and_processes_agree(self, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
        tokenizer.save_pretrained(tmp_path / "tokenizer")
        write(tmp_path / "a.tsv", tsv(ROWS * 30))
        program = (
            "import hashlib, json\n"
            "from transformers import AutoTokenizer\n"
            "from modeling_dlfa.data.loading import encode, length_sorted, load_file\n"
            "from modeling_dlfa.tasks import get_task\n"
            "task = get_task('xnli')\n"
            "splits = [load_file('a.tsv', task, 'en'), load_file('a.tsv', task, 'de', max_samples=7)]\n"
            "dataset = length_sorted(encode(splits, AutoTokenizer.from_pretrained('tokenizer'), task, 20))\n"
            "assert not dataset.cache_files\n"
            "print(hashlib.sha256(json.dumps(dataset[:], sort_keys=True).encode()).hexdigest(), len(dataset))\n"
        )
        home = tmp_path / "home"
        home.mkdir()
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGINGFACE_"))}
        environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        before = sorted(tmp_path.rglob("*"))
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip
        outputs = [process.communicate(timeout=120) for process in processes]
        assert all(process.returncode == 0 for process in processes), outputs
        assert outputs[0][0] == outputs[1][0]
        assert outputs[0][0].split()[1] == "127"
        assert "Tokenising" in outputs[0][1]
        assert sorted(tmp_path.rglob("*")) == before


class TestOrder:
    def test_length_sorted_is_stable_and_keeps_the_origin(self, tokenizer: PreTrainedTokenizerFast) -> None:
        splits = [split_of(ROWS * 3, "en"), split_of(ROWS * 2, "de")]
        dataset = encode(splits, tokenizer, TASK, max_length=32)
        ordered = length_sorted(dataset)
        key = [(-example["length"], example["language"], example["row"]) for example in ordered]
        assert key == sorted(key)
        original = {(example["language"], example["row"]): example for example in dataset}
        assert len(original) == len(ordered) == 20
        assert all(original[example["language"], example["row"]] == example for example in ordered)

    def test_rows_are_aligned(self) -> None:
        english, german = split_of(ROWS, "en"), split_of(ROWS, "de")
        assert rows_are_aligned([english, german], TASK)
        assert rows_are_aligned([english], TASK)
        assert not rows_are_aligned([english, split_of(ROWS[:3], "de")], TASK)
        assert not rows_are_aligned([english, split_of(ROWS[::-1], "de")], TASK)
        assert not rows_are_aligned([english, german], replace(TASK, aligned_rows=False))

    @pytest.mark.parametrize(
        ("changed", "aligned"), [([], True), (range(0, 200, 40), True), (range(0, 200, 10), False)]
    )
    def test_labels_of_translations_may_differ_here_and_there(self, changed: Sequence[int], aligned: bool) -> None:
        labels = [number * 7919 % 13 % 2 for number in range(200)]
        other = [1 - label if row in changed else label for row, label in enumerate(labels)]
        splits = [replace(split_of(ROWS), labels=side) for side in (labels, other)]
        assert rows_are_aligned(splits, get_task("pawsx")) is aligned

    def test_files_sorted_by_label_prove_nothing(self) -> None:
        splits = [replace(split_of(ROWS), labels=[0] * 100 + [1] * 100) for _ in range(2)]
        assert not rows_are_aligned(splits, get_task("pawsx"))


WORDS = [["Paris", "is", "big"], ["Ah"]]
TAGS = [["B-LOC", "O", "O"], ["O"]]


class TestTokens:
    TASK = get_task("panx")

    def write_as(self, path: Path, tags: list[list[Any]], **features: Any) -> Path:
        data = datasets.Dataset.from_dict({"tokens": WORDS, "ner_tags": tags})
        if features:
            names = datasets.Sequence(datasets.ClassLabel(**features))
            data = data.cast_column("ner_tags", names)
        if path.suffix == ".parquet":
            data.to_parquet(path)
        else:
            data.to_json(path)
        return path

    def test_formats_agree(self, tmp_path: Path) -> None:
        ids = [[self.TASK.labels.index(tag) for tag in tags] for tags in TAGS]
        rows = zip(WORDS, TAGS, strict=True)
        text = "\n\n".join("\n".join(map("\t".join, zip(*row, strict=True))) for row in rows)
        names = [*self.TASK.labels[::-1]]
        other_ids = [[names.index(tag) for tag in tags] for tags in TAGS]
        paths = [
            write(tmp_path / "a.tsv", text),
            self.write_as(tmp_path / "a.jsonl", TAGS),
            self.write_as(tmp_path / "b.jsonl", ids),
            self.write_as(tmp_path / "a.parquet", TAGS),
            self.write_as(tmp_path / "b.parquet", other_ids, names=names),
        ]
        for path in paths:
            split = load_file(path, self.TASK, "en")
            assert (split.texts, split.labels, split.source.rows) == ((WORDS,), ids, 2), path
            assert load_file(path, self.TASK, "en", max_samples=1).texts == (WORDS[:1],)

    def test_words_without_annotation_are_left_out(self, tmp_path: Path) -> None:
        task = get_task("udpos")
        path = write(tmp_path / "a.tsv", "al\t_\na\tADP\nel\tDET\n\nal\t_\n\nx\tX\n")
        split = load_file(path, task, "es")
        assert split.texts == ([["a", "el"], ["x"]],)
        assert split.source.rows == 2
        with pytest.raises(InputError, match="line 1: unknown label '_'"):
            load_file(path, replace(task, unlabelled=()), "es")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.tsv", "x\tO\ny\tB-MISC\n", r"a\.tsv, line 2: unknown label 'B-MISC'\. Known: 'O', 'B-PER'"),
            (
                "a.jsonl",
                '{"tokens": ["a"], "ner_tags": ["O", "O"]}',
                "line 1: columns 'tokens' and 'ner_tags' must be",
            ),
            ("a.jsonl", '{"tokens": "a", "ner_tags": "O"}', "line 1: columns 'tokens' and 'ner_tags' must be lists"),
            ("a.jsonl", '{"tokens": ["a", 1], "ner_tags": [0, 0]}', "line 1, word 2: the word is 1, not text"),
            ("a.jsonl", '{"tokens": ["a", "b"], "ner_tags": [0, -1]}', "line 1, word 2: no label. Remove the word"),
            (
                "a.jsonl",
                '{"tokens": ["\\udc00"], "ner_tags": [0]}',
                "line 1, word 1: the word holds half a surrogate pair",
            ),
            ("a.jsonl", '{"tokens": ["a"], "tags": [0]}', "missing column 'ner_tags'"),
            ("a.jsonl", '{"tokens": [], "ner_tags": []}', "no word has a label"),
            ("a.csv", "tokens,ner_tags\na,O\n", "labels words, for which CSV has no layout. Use one of .tsv"),
            ("a.xml", "<a/>", "cannot tell the format"),
        ],
    )
    def test_one_clear_error(self, tmp_path: Path, name: str, content: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            load_file(write(tmp_path / name, content), self.TASK, "en")

    def test_language_marks_of_panx_are_removed(self, tmp_path: Path) -> None:
        """As its authors distribute it, every word has its language before it, a colon too."""
        path = write(tmp_path / "de.tsv", "de:Berlin\tB-LOC\nde::\tO\nde:de:x\tO\n\nde:\u00a0\tO\n")
        split = load_file(path, self.TASK, "de")
        assert (split.texts, split.prefix) == (([["Berlin", ":", "de:x"], ["\u00a0"]],), "de:")
        assert split.blank == [f"{path}, line 5"]

    @pytest.mark.parametrize(
        "content", ["de:Berlin\tB-LOC\nist\tO\n", "http:a\tO\nhttp:b\tO\n", "a\tO\n"]
    )  # fmt: skip
    def test_nothing_else_is_taken_for_a_mark(self, tmp_path: Path, content: str) -> None:
        split = load_file(write(tmp_path / "de.tsv", content), self.TASK, "de")
        assert split.texts[0] == [[line.split("\t")[0] for line in content.splitlines()]] and not split.prefix

    def test_marks_of_some_words_are_told_and_of_most_refused(self, tmp_path: Path) -> None:
        some = load_file(write(tmp_path / "de.tsv", "de:Anton\tB-PER\nW\tO\nde:x\tO\nY\tO\n"), self.TASK, "de")
        assert (some.marked, some.prefix, some.texts[0]) == (2, "", [["de:Anton", "W", "de:x", "Y"]])
        path = write(tmp_path / "most.tsv", "de:Anton\tB-PER\nW\tO\nde:x\tO\n")
        with pytest.raises(InputError, match=r"most\.tsv: 2 of 3 words begin with 'de:', the language's mark"):
            load_file(path, self.TASK, "de")

    def test_a_name_twice_in_a_json_line_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", '{"tokens": ["a"], "ner_tags": ["O"], "tokens": ["b"]}\n')
        with pytest.raises(InputError, match=r"a\.jsonl, line 1: .*'tokens' appears twice"):
            load_file(path, self.TASK, "de")

    def test_marks_of_another_language_are_another_languages_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "de.tsv", "en:Berlin\tB-LOC\nen:is\tO\n")
        with pytest.raises(InputError, match=r"de\.tsv: every word begins with 'en:', .* was given for 'de'\. Give"):
            load_file(path, self.TASK, "de")

    def test_hub_puts_the_treebanks_of_a_language_together(self, tmp_path: Path) -> None:
        task = get_task("udpos")
        hub = HubSource(str(tmp_path / "ud"), test_config={"es": ("es_a", "es_b")})
        names = ["NOUN", "PUNCT", "ADP", "_", "X"]  # Not our order, and with a name that means nothing.
        kind = {"sequence": {"class_label": {"names": {str(i): name for i, name in enumerate(names)}}}}
        features = [{"name": "tokens", "sequence": "string"}, {"name": "upos", **kind}]
        card = {
            "dataset_info": [{"config_name": config, "features": features} for config in ("es_a", "es_b")],
            "configs": [
                {"config_name": config, "data_files": [{"split": "test", "path": f"{config}/test-*"}]}
                for config in ("es_a", "es_b")
            ],
        }
        write(tmp_path / "ud" / "README.md", f"---\n{json.dumps(card)}\n---\n")
        for config, words, tags in (
            ("es_a", [["casa"], ["."]], [[0], [1]]),
            ("es_b", [["del", "de", "uf"]], [[3, 2, 4]]),
        ):
            data = datasets.Dataset.from_dict({"tokens": words, "upos": tags})
            (tmp_path / "ud" / config).mkdir()
            data.to_parquet(tmp_path / "ud" / config / "test-00000-of-00001.parquet")
        options: dict[str, Any] = {"cache_dir": str(tmp_path / "cache")}
        split = load_hub(replace(task, hub=hub), "test", "es", **options)
        assert split.texts == ([["casa"], ["."], ["de", "uf"]],)
        assert [[task.labels[label] for label in labels] for labels in split.labels] == [
            ["NOUN"],
            ["PUNCT"],
            ["ADP", "X"],
        ]
        assert (split.source.config, split.source.rows) == ("es_a+es_b", 3)
        assert load_hub(replace(task, hub=hub), "test", "es", **options, max_samples=2).source.config == "es_a"

    def test_a_task_without_hub_data(self) -> None:
        with pytest.raises(InputError, match=r"PAN-X has no data on the Hub\. Pass --train_file"):
            load_hub(replace(self.TASK, hub=None), "test", "de")


class TestAllLanguages:
    def test_all_are_those_that_have_a_file(self, tmp_path: Path) -> None:
        for language in ("ar", "en", "xx"):
            write(tmp_path / f"dev-{language}.tsv", tsv())
        pattern = str(tmp_path / "dev-{language}.tsv")
        assert resolve_languages(["all"], TASK, pattern) == ["ar", "en"]
        assert resolve_languages(["all"], TASK, str(tmp_path / "dev-en.tsv")) == list(TASK.languages)
        assert resolve_languages(["bg"], TASK, pattern) == ["bg"]  # Which `expand_files` will miss.
        assert languages_without_file(["all"], TASK, ["ar", "en"]) == [
            c for c in TASK.languages if c not in ("ar", "en")
        ]
        assert languages_without_file(["ar"], TASK, ["ar"]) == []
        with pytest.raises(InputError, match=r"no file for any language of XNLI \(ar bg"):
            resolve_languages(["all"], TASK, str(tmp_path / "none-{language}.tsv"))


@needs_shared_data
class TestRealData:
    def test_xnli_has_fifteen_aligned_languages(self) -> None:
        files = expand_files(str(SHARED / "xnli" / "dev-{language}.tsv"), TASK.languages)
        splits = [load_file(path, TASK, language) for language, path in files.items()]
        assert [len(split) for split in splits] == [2490] * 15
        assert all(Counter(split.labels) == {0: 830, 1: 830, 2: 830} for split in splits)
        assert rows_are_aligned(splits, TASK)
        assert len({split.source.sha256 for split in splits}) == 15

    def test_english_training_data(self) -> None:
        train = load_file(SHARED / "nli-en" / "train.tsv", TASK, "en")
        assert len(train) == 38_380
        assert set(train.labels) == {0, 1, 2}
        assert len(load_file(SHARED / "nli-en" / "dev.tsv", TASK, "en")) == 1_683

    def test_pawsx_is_aligned_with_labels_of_its_own(self) -> None:
        task = get_task("pawsx")
        files = expand_files(str(SHARED / "pawsx" / "dev-{language}.tsv"), task.languages)
        splits = [load_file(path, task, language) for language, path in files.items()]
        assert [len(split) for split in splits] == [2_000] * 7
        assert len({tuple(split.labels) for split in splits}) == 7
        assert rows_are_aligned(splits, task)
        moved = replace(splits[0], labels=splits[0].labels[1:] + splits[0].labels[:1])
        assert not rows_are_aligned([moved, *splits[1:]], task)

    @pytest.mark.slow
    @pytest.mark.parametrize(("name", "test", "count"), [("panx", "dev", 29), ("udpos", "test", 25)])
    def test_tagged_words(self, name: str, test: str, count: int) -> None:
        task, pattern = get_task(name), str(SHARED / name / f"{test}-{{language}}.tsv")
        languages = resolve_languages(["all"], task, pattern)
        assert len(languages) == count and ("th" in languages) == (name == "udpos")
        splits = [load_file(path, task, code) for code, path in expand_files(pattern, languages).items()]
        assert {label for split in splits for labels in split.labels for label in labels} == set(
            range(len(task.labels))
        )
        assert not rows_are_aligned(splits, task)


def test_import_is_light() -> None:
    program = (
        "import sys, modeling_dlfa.data.loading\n"
        "print([name for name in ('datasets', 'pandas', 'pyarrow', 'evaluate', 'matplotlib') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )
    assert output.stdout == "[]\n", output.stderr
