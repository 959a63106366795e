"""What a command needs is checked before data are read: the model, its weights, its attention, its head."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from modeling_dlfa import processor
from modeling_dlfa.cli import main
from modeling_dlfa.data.loading import resolve_languages
from modeling_dlfa.errors import InputError
from modeling_dlfa.files.places import check_place, hub_commit
from modeling_dlfa.languages import meant_language
from modeling_dlfa.tasks import PANX, XNLI, Task
from modeling_dlfa.training.arguments import Arguments, parse_arguments
from modeling_dlfa.training.base_model import load_model
from modeling_dlfa.training.systems import Run, plan_runs

from ..commands import assert_refused

MOODS = dataclasses.replace(XNLI, name="moods", title="Moods", labels=("glad", "sad", "calm"), hub=None)
PAIRS = dataclasses.replace(XNLI, name="pairs", title="Pairs", labels=("0", "1"), hub=None)


def parsed(task: Task, arguments: list[str], model: Path, *extra: str) -> Arguments:
    values = {"--fusion_layers", "--fusion", "--reduction_ratio"}
    kept = [word for index, word in enumerate(arguments) if not {word, arguments[index - 1]} & values]
    return parse_arguments(task, [*kept, "--model_name_or_path", str(model), *extra])


def runs_of(task: Task, given: Arguments) -> list[Run]:
    options = {"do_train": given.training.do_train, "baseline": given.run.baseline}
    return plan_runs(task, given.model, given.seeds, **options)


@pytest.mark.parametrize("task", [MOODS, PAIRS, PANX], ids=["other labels", "fewer labels", "words"])
def test_a_checkpoint_of_another_task_gets_a_new_head(
    task: Task, finished: Path, xnli_arguments: list[str], caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    path = finished / "models" / "aif-layer1-seed1"
    arguments = parsed(task, xnli_arguments, path)
    (run,) = runs_of(task, arguments)
    warning = capfd.readouterr().err + caplog.text
    assert "starts with a new head" in warning and str(path) in warning
    model: Any = load_model(task.kind, arguments.model, run)
    trained: Any = load_model(XNLI.kind, arguments.model, _xnli(xnli_arguments, path))
    assert model.config.id2label == dict(enumerate(task.labels)) and model.classifier.out_features == len(task.labels)
    first, second = (one.state_dict() for one in (model.base_model, trained.base_model))
    assert all(torch.equal(first[key], second[key]) for key in first), "the encoder and the fusion stay"
    if model.classifier.weight.shape == trained.classifier.weight.shape:
        assert not torch.equal(model.classifier.weight, trained.classifier.weight)
    assert torch.equal(model.classifier.weight, load_model(task.kind, arguments.model, run).classifier.weight), (
        "by the seed"
    )
    with pytest.raises(InputError, match="Evaluate a checkpoint of this task, or train"):
        runs_of(task, parsed(task, xnli_arguments, path, "--do_train", "False"))


def _xnli(arguments: list[str], path: Path) -> Run:
    return runs_of(XNLI, parsed(XNLI, arguments, path))[0]


def test_a_checkpoint_of_the_same_task_keeps_its_head(finished: Path, xnli_arguments: list[str]) -> None:
    assert not _xnli(xnli_arguments, finished / "models" / "aif-layer1-seed1").new_head


def test_options_that_the_fusion_of_a_checkpoint_does_not_read(finished: Path, xnli_arguments: list[str]) -> None:
    path = finished / "models" / "last-seed1"
    with pytest.raises(InputError, match="--fusion_layers has no effect with --fusion last"):
        runs_of(XNLI, parsed(XNLI, xnli_arguments, path, "--fusion_layers", "1"))


def test_the_baseline_is_not_given_what_it_does_not_read(xnli_arguments: list[str]) -> None:
    given = parse_arguments(XNLI, [*xnli_arguments, "--baseline", "--stream_norm", "layer_norm", "--pooling", "mean"])
    fused, last = (run.config for run in runs_of(XNLI, given))
    assert (fused.reduction_ratio, fused.stream_norm) == (4, "layer_norm")
    assert (last.fusion, last.pooling, last.stream_norm) == ("last", "mean", "none")


def truncated(encoder: Path, target: Path) -> None:
    shutil.copytree(encoder, target)
    weights = target / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def sharded(encoder: Path, target: Path) -> None:
    """Two files by an index, of which the second ends early."""
    shutil.copytree(encoder, target)
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    shutil.copy(target / "model.safetensors", target / names[0])
    (target / names[1]).write_bytes((target / "model.safetensors").read_bytes()[:500])
    (target / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": dict(zip("ab", names, strict=True))}
    (target / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("damage", [truncated, sharded])
def test_weights_that_end_early_are_found_before_data_are_read(
    damage: Callable[[Path, Path], None],
    tiny_encoder: Path,
    xnli_arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(tiny_encoder, tmp_path / "damaged")
    absent = ["--train_file", "absent.tsv"]
    assert_refused(
        [*xnli_arguments, *absent, "--model_name_or_path", str(tmp_path / "damaged")],
        "is not a whole safetensors file",
        capsys,
    )


def test_a_checkpoint_of_ours_is_compared_with_its_sums_before_it_is_evaluated(
    finished: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "models" / "aif-layer1-seed1", tmp_path / "flipped")
    weights = tmp_path / "flipped" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert_refused(
        [*xnli_arguments, "--do_train", "False", "--model_name_or_path", str(weights.parent)],
        "is damaged: its sha256 is not the one in config.json",
        capsys,
    )


@pytest.mark.parametrize("name", ["flash_attention_2", "magic"])
def test_attention_that_is_not_there(
    name: str, xnli_arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    extra = ["--attn_implementation", name, "--train_file", "absent.tsv"]
    assert_refused([*xnli_arguments, *extra], f"--attn_implementation {name}: ", capsys)
    assert not (tmp_path / "out").exists()


def test_names_of_models_that_can_only_be_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder").mkdir()
    for folder in (tmp_path, tmp_path / "encoder"):
        (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for fine in ("encoder", "org/model", "bert-base-cased", str(tmp_path)):
        check_place("--model_name_or_path", fine)
    for name, expected in {
        "./absent": "there is no such folder",
        "runs/xnli/models/aif": "there is no such folder",
        "/encoder": "there is no such folder",
        "encodr": "Did you mean encoder?",
        str(tmp_path / "encoders"): f"Did you mean {tmp_path / 'encoder'}?",
        "config.json": "is a file. Give the folder",
        r"runs\model": "there is no such folder",
    }.items():
        with pytest.raises(InputError) as error:
            check_place("--model_name_or_path", name)
        assert f"--model_name_or_path {name}" in str(error.value) and expected in str(error.value)


def test_a_path_that_does_not_exist_is_not_called_a_repo_id(
    xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--model_name_or_path", "--tokenizer_name"):
        assert_refused(
            [*xnli_arguments, option, "runs/no/such/folder"], f"{option} runs/no/such/folder: there is", capsys
        )


def test_codes_that_are_written_otherwise() -> None:
    known = ("de", "en", "he", "zh")
    guesses = {
        "EN": "en",
        "zh-CN": "zh",
        "zh_Hans": "zh",
        "en,de": "en de",
        "German": "de",
        "iw": "he",
        "EN, zh-CN": "en zh",
    }
    assert {given: meant_language(given, known) for given in guesses} == guesses
    assert meant_language("xx", known) is None and meant_language("en,xx", known) is None
    with pytest.raises(InputError, match=r"'EN', 'zh-CN'\. Did you mean en zh\? XNLI has"):
        resolve_languages(["EN", "zh-CN", "de"], XNLI)
    with pytest.raises(InputError, match=r"'en,de'\. Did you mean en de\?"):
        resolve_languages(["en,de"], XNLI)


def test_slow_bf16_is_warned_of_and_no_secret_is_recorded(
    xnli_arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "hf_" + "Ab1" * 11
    config = tmp_path / "arguments.yaml"
    config.write_text(f"hub_token: {token}\ntoken: {token}\nmax_steps: 1\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    monkeypatch.setattr("sys.argv", ["run.py", str(config), "--cache_dir", f"/tmp/{token}"])
    main("xnli", [str(config), *xnli_arguments, "--bf16", "True", "--cache_dir", str(tmp_path / token)])
    assert f"warning: {processor.bf16_warning('--bf16 True')}" in capsys.readouterr().err
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert tmp_path / "out" / "results.json" in files
    assert [path for path in files if token.encode() in path.read_bytes()] == []
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    main("xnli", [*xnli_arguments, "--bf16", "True", "--overwrite", "--max_steps", "1"])
    assert "warning: --bf16" not in capsys.readouterr().err


def test_a_folder_without_a_model_is_told_from_an_encoder(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(InputError, match="this folder holds no config.json.* Save the model there"):
        check_place("--model_name_or_path", str(tmp_path))
    with pytest.raises(
        InputError,
        match=r"is the output directory of a command\. Name one of its models, such as .*models/aif-layer1-seed1",
    ):
        check_place("The checkpoint", str(finished))
    check_place("--tokenizer_name", str(tmp_path), file=None)


def test_an_encoder_whose_heads_do_not_divide_its_features(
    tiny_encoder: Path, xnli_arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "broken")
    config = tmp_path / "broken" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_attention_heads": 3}))
    options = ["--model_name_or_path", str(tmp_path / "broken")]
    assert_refused([*xnli_arguments, *options], f"Cannot build {tmp_path / 'broken'}: ", capsys)


def test_a_model_folder_that_is_gone_has_no_commit(tmp_path: Path) -> None:
    assert hub_commit(str(tmp_path / "gone")) is None and hub_commit(str(tmp_path)) is None
