"""Token tasks, PAWS-X and a task of one's own through the runner, with the real Trainer and files."""

from __future__ import annotations

import csv
import random
import re
import runpy
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from modeling_dlfa import DlfaForTokenClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import main
from modeling_dlfa.data.conll import read_sentences

from ..commands import read, read_words, stopped_at
from ..conftest import ROOT, WORDS
from ..launching import fork
from ..tiny_checkpoints import letter_tokenizer


def arguments_of(encoder: Path, tags: Path, kind: str, output: Path) -> list[str]:
    return [
        *("--model_name_or_path", str(encoder), "--output_dir", str(output)),
        *("--train_file", str(tags / f"{kind}-train.tsv"), "--validation_file", str(tags / f"{kind}-dev.tsv")),
        *("--test_file", str(tags / f"{kind}-test-{{language}}.tsv"), "--fusion_layers", "1"),
        *("--num_train_epochs", "4", "--learning_rate", "2e-2", "--per_device_train_batch_size", "8"),
        *("--use_cpu", "True"),
    ]


@pytest.fixture
def ner_arguments(tiny_encoder: Path, tiny_tags: Path, tmp_path: Path) -> list[str]:
    return arguments_of(tiny_encoder, tiny_tags, "ner", tmp_path / "out")


@pytest.fixture(scope="module")
def finished(tiny_encoder: Path, tiny_tags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a whole command: two seeds, DLFA and its baseline, all languages that have a file."""
    output = tmp_path_factory.mktemp("finished") / "out"
    main("panx", [*arguments_of(tiny_encoder, tiny_tags, "ner", output), "--baseline", "--seeds", "1", "2"])
    return output


def seqeval_f1(path: Path) -> tuple[float, float, int]:
    """F1 and accuracy of a file of predictions and its number of sentences, by seqeval and nothing of ours."""
    from seqeval.metrics import accuracy_score, f1_score

    sides: dict[str, dict[str, list[str]]] = {"label": {}, "prediction": {}}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            for side, sentences in sides.items():
                sentences.setdefault(row["sentence"], []).append(row[side])
    gold, guessed = (list(side.values()) for side in sides.values())
    assert list(sides["label"]) == [str(number) for number in range(len(gold))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f1_score(gold, guessed), accuracy_score(gold, guessed), len(gold)


def test_results_equal_what_seqeval_makes_of_the_predictions(finished: Path, tiny_tags: Path) -> None:
    results = read(finished / "results.json")
    assert results["languages"] == ["ar", "de", "en"] and results["metric"] == "f1"
    assert len(results["runs"]) == 4
    for run in results["runs"]:
        for language, entry in run["test"].items():
            path = finished / "predictions" / run["name"] / f"{language}.tsv"
            words, tags = read_sentences(str(tiny_tags / f"ner-test-{language}.tsv"), language).columns
            assert read_words(path) == words, "a word is missing or twice"
            assert max(map(len, words)) > 64, "no sentence is longer than the encoder reads"
            f1, accuracy, sentences = seqeval_f1(path)
            assert entry["f1"] == pytest.approx(f1, abs=1e-12)
            assert entry["accuracy"] == pytest.approx(accuracy, abs=1e-12)
            assert (entry["n"], entry["words"]) == (sentences, sum(map(len, words))) == (25, len(sum(tags, [])))
            assert sum(entry["predictions"].values()) == entry["words"]
        assert run["test"]["en"]["f1"] > 0.5, "nothing was learnt: equal predictions would prove nothing"
        assert not run["collapsed"]
        history = run["validation"]["history"]
        assert run["validation"]["f1"] == pytest.approx(max(entry["f1"] for entry in history))
        assert (run["validation"]["n"], len(history)) == (24, 4)
        assert 0.5 < run["validation"]["accuracy"] <= 1
    scores = [run["test"]["de"]["f1"] for run in results["runs"] if run["baseline"]]
    assert results["summary"]["systems"]["last"]["languages"]["de"]["mean"] == pytest.approx(sum(scores) / 2)
    assert not results["summary"]["bootstrap"]["aligned"]


def test_report_and_models_follow_the_task(finished: Path) -> None:
    results, report = read(finished / "results.json"), (finished / "results.md").read_text(encoding="utf-8")
    assert report.startswith("# PAN-X: F1 by language\n")
    assert (finished / "figures" / "f1_by_language.png").read_bytes().startswith(b"\x89PNG")
    words = {entry["words"] for entry in results["runs"][0]["test"].values()}
    for text in (
        "F1 in percent, mean ± standard deviation over seeds 1, 2.",
        "paired by seed (seeds 1, 2) and sentence.",
        "Student's t over the seeds plus the bootstrap error of the sentences (2,000 resamples of the sentences).",
        "For comparison, accuracy of words in percent, averaged over languages and seeds: last ",
        "(72 sentences); validation",
        "Test sentences: 25 in each language.",
        f"Test words: {words.pop()} in each language.",
        "Skipped, no test file: af, az, bg, bn, el, es,",
        "Selection: best checkpoint by en validation F1.",
    ):
        assert text in report, report
    assert "ccuracy by language" not in report and "examples" not in report and not words
    model = DlfaForTokenClassification.from_pretrained(finished / "models" / "aif-layer1-seed1")
    assert model.config.id2label[1] == "B-PER"
    assert results["languages_without_file"][:2] == ["af", "az"] and len(results["languages_without_file"]) == 45


@pytest.mark.slow
def test_evaluation_depends_on_neither_batch_nor_processes(
    finished: Path, ner_arguments: list[str], tmp_path: Path
) -> None:
    arguments = [*ner_arguments, "--model_name_or_path", str(finished / "models" / "aif-layer1-seed1")]
    arguments += ["--do_train", "False", "--per_device_eval_batch_size"]
    main("panx", [*arguments, "5", "--output_dir", str(tmp_path / "one")])
    fork(["train", "ner", *arguments, "4"], tmp_path / "two")
    first = read(finished / "results.json")["runs"][0]
    for language in ("en", "de", "ar"):
        name = f"predictions/aif-layer1-seed42/{language}.tsv"
        one, two = ((tmp_path / folder / name).read_text(encoding="utf-8") for folder in ("one", "two"))
        before = finished / "predictions" / first["name"] / f"{language}.tsv"
        assert one == two == before.read_text(encoding="utf-8")
    one, two = (read(tmp_path / folder / "results.json") for folder in ("one", "two"))
    assert one["summary"] == two["summary"] and one["runs"][0]["validation"] == two["runs"][0]["validation"]
    assert one["runs"][0]["validation"]["f1"] == pytest.approx(first["validation"]["f1"])
    assert two["hardware"]["processes"] == 2


def test_interrupted_training_ends_in_the_same_weights(
    ner_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*ner_arguments, "--save_strategy", "steps", "--save_steps", "4", "--eval_strategy", "steps"]
    arguments += ["--eval_steps", "4", "--num_train_epochs", "2"]
    main("panx", [*arguments, "--output_dir", str(tmp_path / "whole")])
    with stopped_at(7, monkeypatch):
        main("panx", [*arguments, "--output_dir", str(tmp_path / "broken")])
    main("panx", [*arguments, "--output_dir", str(tmp_path / "broken"), "--resume_from_checkpoint", "last"])
    runs = [read(tmp_path / folder / "results.json")["runs"][0] for folder in ("whole", "broken")]
    assert runs[1]["train"]["resumed"] and runs[0]["test"] == runs[1]["test"]
    whole, broken = (
        load_file(tmp_path / folder / "models" / runs[0]["name"] / "model.safetensors")
        for folder in ("whole", "broken")
    )
    assert whole.keys() == broken.keys() and all(torch.equal(whole[key], broken[key]) for key in whole)


def write_pawsx(path: Path, language: str, rows: int, seed: int) -> None:
    rng, words = random.Random(seed), WORDS[language]
    lines = ["sentence1\tsentence2\tlabel"]
    for _ in range(rows):
        label, chosen = rng.randrange(2), rng.sample(range(len(words)), 6)
        second = chosen if label else chosen[::-1]
        lines.append("\t".join([*(" ".join(words[i] for i in side) for side in (chosen, second)), str(label)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["pos", "ner", "pawsx"])
def test_the_example_scripts(
    name: str, tiny_encoder: Path, tiny_tags: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = arguments_of(tiny_encoder, tiny_tags, name, tmp_path / "out")
    if name == "pawsx":
        write_pawsx(tmp_path / "train.tsv", "en", 40, 1)
        for language in ("en", "de"):
            write_pawsx(tmp_path / f"dev-{language}.tsv", language, 30, 2)
        arguments += ["--train_file", str(tmp_path / "train.tsv"), "--validation_file", str(tmp_path / "dev-en.tsv")]
        arguments += ["--test_file", str(tmp_path / "dev-{language}.tsv")]
    script = str(ROOT / "examples" / f"run_{name}.py")
    with mock.patch("sys.argv", [script, *arguments, "--max_steps", "2"]):
        runpy.run_path(script, run_name="__main__")
    output = capfd.readouterr().out
    results = read(tmp_path / "out" / "results.json")
    assert results["languages"] == (["de", "en"] if name == "pawsx" else ["ar", "de", "en"])
    assert "Skipped, no test file: " in output.splitlines()[0]
    if name == "pawsx":
        assert results["labels"] == ["0", "1"] and results["runs"][0]["test"]["de"]["n"] == 30
        assert results["summary"]["bootstrap"]["aligned"]
        rows = (tmp_path / "out" / "predictions" / results["runs"][0]["name"] / "de.tsv").read_text(encoding="utf-8")
        assert rows.startswith("row\tlabel\tprediction\t0\t1\n")
    else:
        f1, _, _ = seqeval_f1(tmp_path / "out" / "predictions" / results["runs"][0]["name"] / "ar.tsv")
        assert results["runs"][0]["test"]["ar"]["f1"] == pytest.approx(f1, abs=1e-12)


def test_a_run_that_finds_no_name_is_collapsed(ner_arguments: list[str], tiny_tags: Path, tmp_path: Path) -> None:
    content = (tiny_tags / "ner-train.tsv").read_text(encoding="utf-8")
    first, *others = re.split(r"\t[BI]-PER", content)
    (tmp_path / "train.tsv").write_text(f"{first}\tB-PER" + "\tO".join(others), encoding="utf-8")
    main("panx", [*ner_arguments, "--train_file", str(tmp_path / "train.tsv"), "--num_train_epochs", "2"])
    run = read(tmp_path / "out" / "results.json")["runs"][0]
    assert run["collapsed"] and run["validation"]["f1"] == 0.0
    report = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert f"Collapsed runs (nearly always one label), included in the averages: {run['name']}." in report


ERRORS = {
    "unknown tag": ("x\tB-DISEASE\n", [], "tags.tsv, line 1: unknown label 'B-DISEASE'"),
    "no tag": ("x\tO\nParis\n", [], "tags.tsv, line 2: malformed"),
    "a header": ("token\ttag\nx\tO\n", [], "tags.tsv, line 1: unknown label 'tag'"),
    "no file for a language": ("x\tO\n", ["--languages", "en", "sw"], "no file for 'sw'"),
    "no file at all": ("x\tO\n", ["--test_file", "none-{language}.tsv"], "no file for any language of PAN-X"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_input_ends_with_one_message(
    case: str, ner_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, extra, expected = ERRORS[case]
    (tmp_path / "tags.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main("panx", [*ner_arguments, "--train_file", str(tmp_path / "tags.tsv"), *extra])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and len(lines) == 1 and expected in lines[0], lines
    assert not (tmp_path / "out").exists()


def test_a_task_of_ones_own_as_its_page_shows_it(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = (ROOT / "docs" / "own-task.md").read_text(encoding="utf-8")
    code, command = re.findall(r"```(?:python|bash)[^\n]*\n(.*?)```", section, flags=re.DOTALL)[:2]
    assert len(code.splitlines()) < 15
    rng = random.Random(0)
    for name, language, rows in (("train", "en", 24), ("dev", "en", 12), ("test-en", "en", 9), ("test-de", "de", 9)):
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "opinion"])
            for _ in range(rows):
                label = rng.randrange(2)
                writer.writerow([", ".join(rng.choices(WORDS[language][label::2], k=4)), ("bad", "good")[label]])
    words = command.replace("\\\n", " ").replace("ENCODER", str(tiny_encoder)).split()
    assert words[0] == "python"
    arguments = [word.strip("'") for word in words[2:]]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", [words[1], *arguments, "--use_cpu", "True", "--max_steps", "2", "--fusion_layers", "1"]
    )
    exec(compile(code, words[1], "exec"), {"__name__": "__main__"})
    results = read(Path(arguments[arguments.index("--output_dir") + 1]) / "results.json")
    assert (results["title"], results["languages"]) == ("Reviews", ["en", "de"])
    assert results["labels"] == ["bad", "good"] and results["runs"][0]["test"]["de"]["n"] == 9


@pytest.fixture
def letter_encoder(tmp_path: Path) -> Path:
    """An encoder that knows the letters of many languages, so that real words are not unknown to it."""
    tokenizer = letter_tokenizer()
    save_tokenizer(tokenizer, tmp_path / "letters")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "letters")
    return tmp_path / "letters"


@pytest.mark.parametrize(("task", "test", "count"), [("panx", "dev", 37), ("udpos", "test", 25)])
def test_real_files(task: str, test: str, count: int, letter_encoder: Path, shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / task
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    arguments = [
        "--model_name_or_path",
        str(letter_encoder),
        "--output_dir",
        str(tmp_path / "out"),
        "--use_cpu",
        "True",
    ]
    arguments += ["--train_file", str(folder / "train-en.tsv"), "--validation_file", str(folder / "dev-en.tsv")]
    arguments += ["--test_file", str(folder / f"{test}-{{language}}.tsv"), "--max_steps", "2", "--fusion_layers", "1"]
    limits = ["--max_train_samples", "32", "--max_eval_samples", "40", "--max_test_samples", "40"]
    main(task, [*arguments, *limits])
    results = read(tmp_path / "out" / "results.json")
    assert len(results["languages"]) == count
    for language in results["languages"]:
        path = tmp_path / "out" / "predictions" / results["runs"][0]["name"] / f"{language}.tsv"
        table = read_sentences(str(folder / f"{test}-{language}.tsv"), language, 40)
        assert read_words(path) == table.columns[0]
        assert results["runs"][0]["test"][language]["f1"] == pytest.approx(seqeval_f1(path)[0], abs=1e-12)
