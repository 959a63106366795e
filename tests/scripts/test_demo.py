"""The demo from end to end with a tiny encoder that its own set-up made; `make demo` itself takes minutes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import demo
import encoder
import pytest
from safetensors import safe_open

from modeling_dlfa.data.loading import load_file
from modeling_dlfa.results.results import Results
from modeling_dlfa.tasks import XNLI, Task, get_task
from modeling_dlfa.training.arguments import Arguments, parse_arguments

from ..conftest import ROOT, python
from ..packed import tiny_pieces, tiny_tokenizer, tiny_weights
from ..scored import make_runs, with_summary

CORPUS = ROOT / "examples" / "demo" / "corpus"
ROWS = ["--max_train_samples", "32", "--max_eval_samples", "16", "--max_test_samples", "6", "--num_train_epochs", "1"]


@pytest.fixture(scope="module")
def tiny_e5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, pieces = tmp_path_factory.mktemp("models") / "tiny-e5", tiny_pieces()
    folder.mkdir()
    encoder.write_checkpoint(folder, tiny_weights(pieces)[0], tiny_tokenizer(pieces))
    return folder


@pytest.fixture(scope="module")
def small(tiny_e5: Path) -> list[str]:
    """The demo's arguments for the tiny encoder and few rows."""
    return ["--model_name_or_path", str(tiny_e5), "--fusion_layers", "1", "--freeze_up_to", "1", *ROWS]


@pytest.fixture(scope="module")
def told(small: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A whole demo: where it wrote, and what it printed on both streams."""
    output = tmp_path_factory.mktemp("runs") / "demo"
    code = (
        "import sys; from pathlib import Path; import demo; demo.OUTPUT = Path(sys.argv[1]); demo.main(sys.argv[2:])"
    )
    path = os.pathsep.join([str(ROOT / "examples" / "demo"), str(ROOT)])
    process = python("-c", code, str(output), *small, PYTHONPATH=path)
    return output, process.stdout, process.stderr


@pytest.fixture
def finished_demo(told: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "OUTPUT", told[0])
    monkeypatch.chdir(ROOT)  # Undone in the end: the demo itself goes there.
    return told[0]


def results_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_both_systems_are_trained_and_tested_on_the_corpus(told: tuple[Path, str, str]) -> None:
    results = results_of(told[0])
    assert [run["name"] for run in results["runs"]] == ["aif-layer1-seed1", "last-seed1"]
    trained = CORPUS / "train-en.tsv"
    assert results["data"]["train"]["sha256"] == hashlib.sha256(trained.read_bytes()).hexdigest()
    assert results["data"]["train"]["rows"] == 32 and len(results["languages"]) == 15
    assert results["summary"]["differences"].keys() == {"aif-layer1"}
    assert str(ROOT) not in json.dumps(results["data"])


def test_it_says_what_it_does_how_long_and_what_came_out(told: tuple[Path, str, str]) -> None:
    output, out, err = told
    order = [out.index(part) for part in ("Now: fine-tune", "that takes about", "Done in", "average, targets")]
    assert order == sorted(order)
    # One table, and no path that is gone.
    assert out.count("average, targets") == 1 and ".draft-" not in out and out.count("Results:") == 0
    assert out.count("aif-layer1 minus last, average of the target languages: ") == 1
    for name in ("aif-layer1-seed1", "last-seed1"):
        assert f"{name}, training: " in err and f"{name}, evaluating: " in err
    for _, premise, hypothesis, expected in demo.QUESTIONS:
        [line] = [line for line in out.splitlines() if premise in line and hypothesis in line]
        assert line.endswith(("(right)", f"(wrong: {expected})"))
    assert f"dlfa gate {output}/models/aif-layer1-seed1" in out


def test_it_leaves_one_checkpoint_in_half_precision_and_its_card(told: tuple[Path, str, str]) -> None:
    output, _, _ = told
    assert [path.name for path in output.parent.iterdir()] == ["demo"]
    assert [path.name for path in (output / "models").iterdir()] == ["aif-layer1-seed1"]
    assert not (output / "checkpoints").exists()
    model = output / "models" / "aif-layer1-seed1"
    with safe_open(model / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118
    card = (model / "README.md").read_text(encoding="utf-8")
    assert f'"{model.as_posix()}", trust_remote_code=True' in card
    assert "base_model: intfloat/multilingual-e5-small" in card and "license: mit" in card and "2402.05672" in card
    assert (model / "../../figures/accuracy_by_language.png").resolve().is_file()


@pytest.mark.parametrize("slow", [True, False])
def test_its_precision_is_that_of_the_processor(
    slow: bool, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    import modeling_dlfa.training.runner  # noqa: F401  # Imported later, it would keep the stub.

    def planned(task: Task, arguments: Arguments) -> None:
        assert arguments.training.bf16 is not slow
        raise Stop

    monkeypatch.setattr(demo, "OUTPUT", tmp_path / "demo")
    monkeypatch.setattr(demo, "bf16_is_slow", lambda: slow)
    monkeypatch.setattr("modeling_dlfa.training.planning.planned", planned)
    monkeypatch.chdir(ROOT)
    with pytest.raises(Stop):
        demo.train(small)


def test_a_mistyped_option_ends_before_torch_is_imported() -> None:
    code = (
        "import sys; sys.path[:0] = ['examples/demo']; import demo\n"
        "try: demo.main(['--max_train_sample', '9'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = python("-c", code)
    assert done.stdout.split() == ["2", "False"]
    assert done.stderr.startswith("error: there is no option --max_train_sample. Did you mean --max_train_samples?")


def test_to_show_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path / "demo")
    with pytest.raises(SystemExit):
        demo.main(["--show"])
    assert capsys.readouterr().out == ""


def test_a_second_call_says_that_nothing_is_trained(finished_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(finished_demo)
    demo.main(["--show"])
    out = capsys.readouterr().out
    assert out.startswith("No training: this is the last run, in ")
    assert out.count("average, targets") == 1 and "Three questions" in out
    assert contents(finished_demo) == before


def test_without_a_run_there_is_nothing_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path / "demo")
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        demo.main(["--show"])
    assert ended.value.code == 2 and "contains no finished run" in capsys.readouterr().err


def test_an_interrupted_repetition_keeps_the_last_run(
    finished_demo: Path, small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from modeling_dlfa.training.trainer import CrossLingualTrainer

    before = contents(finished_demo)

    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    # The first model is trained and saved then.
    monkeypatch.setattr(CrossLingualTrainer, "predict", interrupted)
    with pytest.raises(SystemExit) as ended:
        demo.main(small)
    assert ended.value.code == 130
    assert f"The last run is still in {finished_demo}." in capsys.readouterr().err
    assert contents(finished_demo) == before and [path.name for path in finished_demo.parent.iterdir()] == ["demo"]


def test_a_run_that_cannot_be_put_in_place_keeps_the_last_one(finished_demo: Path, tmp_path: Path) -> None:
    before = contents(finished_demo)
    draft = finished_demo.parent / "draft"
    with pytest.raises(FileNotFoundError):
        demo._put_in_place(draft)  # It is not there.
    assert contents(finished_demo) == before


def test_a_finished_repetition_replaces_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path / "demo")
    for content in ("one", "two"):
        draft = tmp_path / f"draft-{content}" / "draft"
        draft.mkdir(parents=True)
        (draft / "results.json").write_text(content, encoding="utf-8")
        demo._put_in_place(draft)
        assert contents(tmp_path / "demo") == {"results.json": content.encode()}


@pytest.mark.parametrize("name", ["notes.txt", "models/mine.bin"])
def test_it_deletes_nothing_of_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    monkeypatch.setattr(encoder, "set_up", lambda folder: pytest.fail("It fetches 95 MB first."))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        demo.main([])
    assert ended.value.code == 2 and f"did not write: {tmp_path / name}." in capsys.readouterr().err
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_checkpoint_without_its_code_is_an_error(told: tuple[Path, str, str], tmp_path: Path) -> None:
    for path in (told[0] / "models" / "aif-layer1-seed1").iterdir():
        if not path.name.endswith("_dlfa.py"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(demo.InputError, match="does not load with the code beside it"):
        demo.ask(tmp_path)


def test_its_questions_are_three_languages_and_all_labels() -> None:
    assert len({code for code, *_ in demo.QUESTIONS}) == 3 and "en" not in {code for code, *_ in demo.QUESTIONS}
    assert sorted(question[3] for question in demo.QUESTIONS) == sorted(get_task("xnli").labels)


@pytest.mark.parametrize("question", demo.QUESTIONS)
def test_its_questions_are_not_in_the_corpus(question: tuple[str, str, str, str]) -> None:
    code, premise, hypothesis, _ = question
    rows = (CORPUS / f"test-{code}.tsv").read_text(encoding="utf-8").splitlines()
    assert not [row for row in rows if row.startswith(f"{premise}\t{hypothesis}\t")]


@pytest.mark.parametrize(
    ("low", "high", "p", "words"),
    [
        (-0.01, 0.02, 0.4, "the interval includes 0"),
        (0.01, 0.02, 0.01, "is better"),
        (-0.02, -0.01, 0.01, "is worse"),
        (0.01, 0.02, 0.06, "do not differ significantly after correction"),
        (0.01, 0.02, None, "do not differ significantly after correction"),
    ],
)
def test_one_sentence_says_whether_they_differ(low: float, high: float, p: float | None, words: str) -> None:
    content, counts = make_runs(["en", "de"], {"last": [1], "aif-layer8": [1]})
    content = with_summary(content, counts)
    content["summary"]["differences"]["aif-layer8"]["macro_target"] = {
        **{"mean": (low + high) / 2, "low": low, "high": high},
        **({"p_adjusted": p} if p else {}),
    }
    sentence = demo.verdict(Results.from_dict(content))
    assert words in sentence and f"[{100 * low:+.1f}, {100 * high:+.1f}]" in sentence


def test_its_recipe_is_one_of_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    arguments = parse_arguments(XNLI, [str(demo.RECIPE)])
    assert arguments.model.model_name_or_path == str(encoder.FOLDER) and arguments.run.baseline
    assert len(load_file(str(arguments.data.train_file), XNLI, "en", arguments.data.max_train_samples)) >= 3000
    assert not arguments.training.load_best_model_at_end and arguments.run.save_dtype == "float16"
