"""Shards of a command, merged, are the command."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.cli import main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.publishing.publish import dry_run
from modeling_dlfa.training.merging import merge_runs

from ..commands import assert_refused, read

SHARDS = 2


@pytest.fixture(scope="module")
def arguments(tiny_encoder: Path, tiny_data: Path) -> list[str]:
    """Two systems and two seeds: four runs."""
    return [
        *("--model_name_or_path", str(tiny_encoder), "--fusion_layers", "1", "--baseline", "--seeds", "1", "2"),
        *("--train_file", str(tiny_data / "train.tsv"), "--validation_file", str(tiny_data / "dev.tsv")),
        *("--test_file", str(tiny_data / "test-{language}.tsv"), "--languages", "en", "de"),
        *("--num_train_epochs", "1", "--learning_rate", "2e-2", "--use_cpu", "True"),
    ]


def train_shard(arguments: list[str], output: Path, index: int, shards: int = SHARDS) -> None:
    number = ["--num_shards", str(shards), "--shard_index", str(index)]
    main("xnli", [*arguments, *number, "--output_dir", str(output)])


@pytest.fixture(scope="module")
def whole(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "out"
    main("xnli", [*arguments, "--output_dir", str(output)])
    return output


@pytest.fixture(scope="module")
def trained(arguments: list[str], tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The shards, the second on a machine where the data lie elsewhere."""
    folder = tmp_path_factory.mktemp("shards")
    shutil.copytree(tiny_data, folder / "data")
    train_shard(arguments, folder / "0", 0)
    train_shard([word.replace(str(tiny_data), str(folder / "data")) for word in arguments], folder / "1", 1)
    return [folder / "0", folder / "1"]


@pytest.fixture
def shards(trained: list[Path], tmp_path: Path) -> list[Path]:
    """Copies, which a test may spoil."""
    return [Path(shutil.copytree(path, tmp_path / f"shard-{path.name}")) for path in trained]


def change(path: Path, edit: Callable[[dict], object]) -> None:
    content = read(path)
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_runs_of_a_seed_stay_together(trained: list[Path]) -> None:
    names = [[run["name"] for run in read(path / "results.json")["runs"]] for path in trained]
    assert names == [["aif-layer1-seed1", "last-seed1"], ["aif-layer1-seed2", "last-seed2"]]
    assert "minus last" in (trained[0] / "results.md").read_text(encoding="utf-8")


def test_merged_shards_are_the_command_to_the_last_byte(whole: Path, shards: list[Path], tmp_path: Path) -> None:
    merge_runs(shards[::-1], tmp_path / "merged", license="mit")
    expected, found = read(whole / "results.json"), read(tmp_path / "merged" / "results.json")
    for key in ("summary", "languages", "seeds", "recipe", "selection", "labels"):
        assert json.dumps(found[key]) == json.dumps(expected[key]), key
    assert [run["name"] for run in found["runs"]] == [run["name"] for run in expected["runs"]]
    for one, other in zip(expected["runs"], found["runs"], strict=True):
        for key in ("test", "validation", "config", "model", "collapsed"):
            assert json.dumps(one[key]) == json.dumps(other[key]), key
    before, after = files(whole), files(tmp_path / "merged")
    assert before.keys() == after.keys()
    same = ("predictions", ".safetensors", ".png", "arguments.json", "tokenizer.json")
    assert all(before[name] == after[name] for name in before if any(word in name for word in same))
    table = [text.decode().partition("\n- Accuracy")[0] for text in (before["results.md"], after["results.md"])]
    assert table[0] == table[1] and "minus last" in table[1]


def test_a_merged_directory_can_be_used_like_any(
    arguments: list[str], shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "merged"
    results = merge_runs(shards, output, license="mit")
    card = (output / "models" / "last-seed2" / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card and str(output / "models" / "last-seed2") in card and "shard-" not in card
    assert "Merged from 2 shards of the runs.\n" in (output / "results.md").read_text(encoding="utf-8")
    assert DlfaForSequenceClassification.from_pretrained(output / "models" / "aif-layer1-seed2").num_labels == 3
    dry_run(output, "org/name", tmp_path / "preview")
    main("xnli", [*arguments, "--output_dir", str(output), "--resume_from_checkpoint", "last"])
    assert "[1/4]" not in capsys.readouterr().out, "a run was trained again"
    assert read(output / "results.json")["summary"] == results.to_dict()["summary"]


def test_a_card_that_fails_leaves_nothing_and_can_be_repeated(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError("full")

    (tmp_path / "merged").mkdir()
    with monkeypatch.context() as context, pytest.raises(OSError, match="full"):
        context.setattr("modeling_dlfa.publishing.publish.make_card", full)
        merge_runs(shards, tmp_path / "merged")
    assert not any((tmp_path / "merged").iterdir())
    merge_runs(shards, tmp_path / "merged")
    assert (tmp_path / "merged" / "models" / "last-seed2" / "README.md").is_file()


def test_a_disk_without_room_for_the_copies(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: mock.Mock(free=100))
    with pytest.raises(InputError, match="has 0.0 MB left, but the shards' models and predictions take"):
        merge_runs(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_shard_is_not_taken_for_the_command(
    shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in (
        ["publish", str(shards[1]), "org/name", "--license", "mit", "--dry_run"],
        ["report", str(shards[1]), "--output_dir"],
    ):
        with pytest.raises(SystemExit) as stop:
            dlfa([*verb, str(tmp_path / "new")])
        assert stop.value.code == 2 and "is only a shard (1 of 2, from 0). Merge all shards" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_differs_between_machines_is_noted(shards: list[Path], tmp_path: Path) -> None:
    change(shards[1] / "results.json", lambda results: results["versions"].update(torch="1.0", peft=None))
    results = merge_runs(shards, tmp_path / "merged")
    first = read(shards[0] / "results.json")["versions"]["torch"]
    assert results.versions["torch"] == f"{first} / 1.0"
    assert [shard.versions["torch"] for shard in results.shards or ()] == [first, "1.0"]
    assert len(results.command.splitlines()) == 3, "the commands of the shards, and the one that merges"
    report = (tmp_path / "merged" / "results.md").read_text(encoding="utf-8")
    assert "Merged from 2 shards of the runs. The shards differ in versions of libraries (see results.json)." in report


def test_shards_that_were_not_tested(arguments: list[str], tmp_path: Path) -> None:
    untested = [*arguments, "--do_predict", "False", "--max_steps", "1", "--save_models", "False"]
    for index in range(SHARDS):
        train_shard(untested, tmp_path / str(index), index)
    results = merge_runs([tmp_path / "0", tmp_path / "1"], tmp_path / "merged")
    assert len(results.runs) == 4 and results.summary is None
    assert not (tmp_path / "merged" / "models").exists()


def set_recipe(shard: Path) -> None:
    change(shard / "arguments.json", lambda content: content["recipe"].update(learning_rate=0.5))


def set_data(shard: Path) -> None:
    change(shard / "arguments.json", lambda content: content["data"]["test"]["de"].update(sha256="0" * 64))


def set_model(shard: Path) -> None:
    change(shard / "results.json", lambda content: content.update(model_commit="0" * 40))


def set_seeds(shard: Path) -> None:
    change(shard / "results.json", lambda content: content.update(seeds=[1, 3]))


def set_plan(shard: Path) -> None:
    change(shard / "results.json", lambda content: content["shard"]["planned_runs"].append("last-seed3"))


def drop_shard(shard: Path) -> None:
    change(shard / "results.json", lambda content: content.pop("shard"))


def drop_results(shard: Path) -> None:
    (shard / "results.json").unlink()


def set_prediction(shard: Path) -> None:
    path = shard / "predictions" / "last-seed2" / "de.tsv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    row = lines[1].split("\t")
    row[2] = next(label for label in ("neutral", "contradiction") if label not in (row[1], row[2]))
    if lines[1].split("\t")[2] != row[1]:
        row[2] = row[1]
    path.write_text("".join([lines[0], "\t".join(row), *lines[2:]]), encoding="utf-8")


SPOILED = {
    "another recipe": (set_recipe, "not shards of one command (recipe.learning_rate: 0.02, 0.5)"),
    "other data": (set_data, "data.test.de.sha256"),
    "another model": (set_model, "model_commit: None, 0000"),
    "other seeds": (set_seeds, "seeds: [1, 2], [1, 3]"),
    "another plan": (set_plan, "planned_runs"),
    "no shard": (drop_shard, "is not a shard"),
    "unfinished": (drop_results, "cannot be read"),
    "predictions changed": (set_prediction, "but its predictions give"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_shards_that_do_not_belong_together(case: str, shards: list[Path], tmp_path: Path) -> None:
    spoil, expected = SPOILED[case]
    spoil(shards[1])
    with pytest.raises(InputError) as error:
        merge_runs(shards, tmp_path / "merged")
    assert expected in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-0", "shard-1"], "something was left behind"


def test_shards_that_overlap_or_lack_runs(shards: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="both contain aif-layer1-seed1"):
        merge_runs([*shards, shards[0]], tmp_path / "merged")
    with pytest.raises(InputError, match=r"lack 2 of the command's runs \(aif-layer1-seed2, last-seed2\)"):
        merge_runs(shards[:1], tmp_path / "merged")
    with pytest.raises(InputError, match="nothing to merge"):
        merge_runs([], tmp_path / "merged")


def test_nothing_of_the_users_is_overwritten(shards: list[Path], tmp_path: Path) -> None:
    before = files(shards[0])
    for target in (shards[0], tmp_path):
        with pytest.raises(InputError, match="exists and is not empty"):
            merge_runs(shards, target)
    assert files(shards[0]) == before


WRONG = {
    "beyond the last": (
        ["--num_shards", "2", "--shard_index", "2"],
        "--shard_index 2 does not exist with --num_shards 2",
    ),
    "more shards than runs": (["--num_shards", "5", "--shard_index", "0"], "--num_shards 5 is more than the 4 runs"),
    "pushing a shard": (
        ["--num_shards", "2", "--shard_index", "0", "--push_to_hub", "True"],
        "which a shard does not know",
    ),
    "which shard": (["--num_shards", "2"], "--num_shards 2 needs --shard_index: "),
    "pushing no model": (["--save_models", "False", "--push_to_hub", "True"], "--save_models False"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extra, expected = WRONG[case]
    assert_refused([*arguments, *extra, "--output_dir", str(tmp_path / "out")], expected, capsys)
    assert not (tmp_path / "out").exists()


def test_another_shard_does_not_go_on_in_its_place(
    arguments: list[str], shards: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    resumed = [*arguments, "--output_dir", str(shards[0]), "--resume_from_checkpoint", "last", "--num_shards", "2"]
    assert_refused([*resumed, "--shard_index", "1"], "shard.shard_index: 0 before, 1 now", capsys)


def test_the_command(shards: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["merge", *map(str, shards), "--output_dir", str(tmp_path / "merged")]
    dlfa(command)
    printed = capfd.readouterr().out
    assert "minus last" in printed and printed.rstrip().endswith("results.json")
    with pytest.raises(SystemExit) as stop:
        dlfa(command)
    again = capfd.readouterr().err
    assert stop.value.code == 2 and again.startswith("error: ") and again.count("\n") == 1
    assert sys.executable not in again
