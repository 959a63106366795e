"""What of a finished run is published: the model that English validation data chose, whole, and nothing that runs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.hub import HubRepository
from modeling_dlfa.publishing.publish import Publication, dry_run, publish
from modeling_dlfa.results.format import FORMAT

from ..conftest import ROOT

Python = Callable[..., subprocess.CompletedProcess[str]]


EMPTY: dict[str, Any] = {
    **{"task": "xnli", "metric": "accuracy", "source_language": "en", "languages": ["en"], "runs": []},
    **{"schema_version": FORMAT, "command": "python x", "model_name_or_path": "org/encoder"},
}
SUMMARY = {"systems": {}, "differences": {}, "bootstrap": {"n_resamples": 9, "seed": 0, "aligned": True}}
SUMMARY |= {"intervals": {"method": "", "correction": "holm", "threshold": 0.05, "comparisons": 0}}


def record(name: str, validation: float | None, *, baseline: bool = False, collapsed: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "system": name.partition("-")[0],
        "seed": int(name[-1]),
        "model": f"models/{name}",
        "baseline": baseline,
        "collapsed": collapsed,
        "validation": None if validation is None else {"accuracy": validation},
    }


def selected(folder: Path, records: list[dict[str, Any]], run: str | None = None) -> Publication:
    (folder / "results.json").write_text(json.dumps({**EMPTY, "summary": SUMMARY, "runs": records}))
    return Publication.of(folder, run)


def test_the_best_fused_run_on_validation_data_is_selected(tmp_path: Path) -> None:
    records = [
        record("last-seed1", 0.99, baseline=True),
        record("aif-seed1", 0.7),
        record("aif-seed2", 0.8),
        record("aif-seed3", 0.8),
        record("aif-seed4", 0.9, collapsed=True),
        record("aif-seed5", None),
    ]
    publication = selected(tmp_path, records)
    assert publication.run == "aif-seed2"
    assert "best by en validation accuracy (80.0); no target language was used to choose" in publication.selection
    assert selected(tmp_path, records, "last-seed1").selection == (
        "Published: `last-seed1`, named by its publisher among 6 runs."
    )
    assert selected(tmp_path, [record("aif-seed4", 0.9, collapsed=True)]).run == "aif-seed4"


def test_what_cannot_be_selected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained run 'x'. Choose one of: a-seed1"):
        selected(tmp_path, [record("a-seed1", 0.5)], "x")
    with pytest.raises(InputError, match="no trained model with a validation score"):
        selected(tmp_path, [record("a-seed1", None)])
    for run in (None, "a-seed1"):
        with pytest.raises(InputError, match="holds no model: the command kept none"):
            selected(tmp_path, [{**record("a-seed1", 0.5), "model": None}], run)
    (tmp_path / "results.json").write_text(json.dumps({**EMPTY, "recipe": {"one_pass": True}}))
    with pytest.raises(InputError, match="trained with --one_pass"):
        Publication.of(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps(EMPTY))
    with pytest.raises(InputError, match="no scores of test languages"):
        Publication.of(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        Publication.of(tmp_path)
    with pytest.raises(InputError, match="finished command"):
        Publication.of(tmp_path / "absent")


def test_a_dry_run_holds_exactly_the_publication(finished: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    folder = tmp_path / "new" / "dry"
    dry_run(finished, "org/name", folder, license="apache-2.0", run="aif-layer1-seed2")
    model = finished / "models" / "aif-layer1-seed2"
    code = [
        f"{name}_dlfa.py"
        for name in ("configuration", "encoder", "fusion", "glyphs", "modeling", "pretrained", "values")
    ]
    tokenizer = ["tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(
        ["README.md", "config.json", "figures/accuracy_by_language.png", "model.safetensors", "results.json"]
        + code
        + tokenizer
    )
    for name in ("config.json", "model.safetensors", *code, *tokenizer):
        assert (folder / name).read_bytes() == (model / name).read_bytes(), name
    for name in ("results.json", "figures/accuracy_by_language.png"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes()
    assert (folder / "results.json").stat().st_mode & 0o044 == 0o044 and folder.stat().st_mode & 0o055 == 0o055
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    inputs = AutoTokenizer.from_pretrained(folder)("the cat sleeps", "die katze", return_tensors="pt")
    with torch.no_grad():
        logits = [DlfaForSequenceClassification.from_pretrained(path)(**inputs).logits for path in (model, folder)]
    assert torch.equal(*logits)


def test_a_tokenizer_of_an_earlier_run_becomes_loadable_on_v4(finished: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path)
    model = run / "models" / "aif-layer1-seed2"
    AutoTokenizer.from_pretrained(model).save_pretrained(model)
    saved = json.loads((model / "tokenizer_config.json").read_text())["tokenizer_class"]
    dry_run(run, "org/name", tmp_path / "dry", run="aif-layer1-seed2")
    written = json.loads((tmp_path / "dry" / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert saved in ("TokenizersBackend", "PreTrainedTokenizerFast")


def copied(finished: Path, folder: Path) -> Path:
    return Path(shutil.copytree(finished, folder / "run"))


def leave_out(name: str) -> Callable[[Path], None]:
    return lambda model: (model / name).unlink()


def truncate(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def leak(model: Path) -> None:
    results = model.parents[1] / "results.json"
    results.write_text(results.read_text().replace('"command": "', '"command": "--token hf_' + 34 * "a" + " "))


def flip(model: Path) -> None:
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "model.safetensors").write_bytes(content)


def shard_missing(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pickle": (
        lambda model: torch.save({}, model / "training_args.bin"),
        "holds training_args.bin. Such files can run",
    ),
    "hidden pickle": (
        lambda model: (model / "last").mkdir() or torch.save({}, model / "last" / "optimizer.pt"),
        "holds last/optimizer.pt",
    ),
    "no weights": (leave_out("model.safetensors"), "lacks model.safetensors"),
    "half the weights": (truncate, "is not a whole safetensors file"),
    "a flipped bit": (flip, "model.safetensors of .* is damaged: its sha256 is not the one in config.json"),
    "no shard": (shard_missing, "lacks model-00002-of-00002.safetensors"),
    "no code": (leave_out("modeling_dlfa.py"), "lacks modeling_dlfa.py"),
    "no config": (leave_out("config.json"), "config.json cannot be read"),
    "no tokenizer": (
        lambda model: [leave_out(name)(model) for name in ("tokenizer.json", "tokenizer_config.json")],
        "has no tokenizer that can be loaded",
    ),
    "no figure": (
        lambda model: shutil.rmtree(model.parents[1] / "figures"),
        "accuracy_by_language.png cannot be read",
    ),
    "a token": (leak, "README.md holds what looks like a Hub token"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_whole_or_not_safe_is_refused_and_leaves_nothing(
    case: str, finished: Path, tmp_path: Path
) -> None:
    breaks, message = BROKEN[case]
    run = copied(finished, tmp_path)
    breaks(run / "models" / "aif-layer1-seed2")
    with pytest.raises(InputError, match=message):
        dry_run(run, "org/name", tmp_path / "dry", run="aif-layer1-seed2")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_with_content_is_left_alone(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        dry_run(finished, "org/name", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    dry_run(finished, "org/name", tmp_path / "empty")
    assert (tmp_path / "empty" / "README.md").is_file()


KILLED = """
import os, signal, sys
from modeling_dlfa.publishing import publish as publishing
publishing.check_contents = lambda folder: os.kill(os.getpid(), signal.SIGKILL)  # All files are written by then.
publishing.dry_run(sys.argv[1], "org/name", sys.argv[2])
"""


def test_killed_half_way_there_is_no_folder(finished: Path, tmp_path: Path, run_python: Python) -> None:
    process = run_python("-c", KILLED, str(finished), str(tmp_path / "dry"), check=False, PYTHONPATH=str(ROOT))
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "dry").exists() and all(path.name.startswith(".") for path in tmp_path.iterdir())
    dry_run(finished, "org/name", tmp_path / "dry")
    assert (tmp_path / "dry" / "README.md").is_file()


def test_a_broken_run_is_named_before_the_hub_is_asked(finished: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path)
    truncate(run / "models" / "aif-layer1-seed2")
    with pytest.raises(InputError, match="safetensors"):
        publish(run, HubRepository("org/name", "hf_x"), run="aif-layer1-seed2")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        publish(run, HubRepository("org/name", "hf_x"), run="aif-layer1-seed1")


def test_the_command_line(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dlfa(["publish", str(finished), "org/name", "--dry_run", str(tmp_path / "dry"), "--license", "mit"])
    assert str(tmp_path / "dry") in capsys.readouterr().out
    assert "license: mit" in (tmp_path / "dry" / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        dlfa(["publish", str(finished), "name", "--dry_run", str(tmp_path / "other")])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and told.splitlines()[-1].startswith("error: 'name' lacks the namespace")


@pytest.mark.parametrize("name", ["hf_" + "a1B2" * 8, "Apache 2.0", "", "no-such-licence"])
def test_what_is_not_a_licence_is_refused_and_a_token_not_repeated(
    name: str, finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from modeling_dlfa.training.merging import merge_runs

    for act in (
        lambda: dry_run(finished, "org/name", tmp_path / "dry", license=name),
        lambda: publish(finished, HubRepository("org/name", "token"), license=name),
        lambda: merge_runs([finished], tmp_path / "merged", license=name),
    ):
        with pytest.raises(InputError, match="is not the name of a licence on the Hub"):
            act()
    with pytest.raises(SystemExit):
        main("xnli", [*xnli_arguments, "--license", name])
    message = capsys.readouterr().err
    assert "is not the name of a licence on the Hub" in message and "hf_" not in message
    assert ("Did you mean apache-2.0?" in message) == (name == "Apache 2.0")
    assert not list(tmp_path.iterdir())
