"""Training on several processes, and on two machines, is the training on one with the same global batch."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from accelerate.utils.other import get_free_port
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertConfig

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.cli import main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.modeling_dlfa import DlfaPreTrainedModel

from .backbones import BACKBONES, batch, build, labels
from .commands import read
from .launching import fork, launch, start

# As a module: a script would have its own folder, which holds tests of `statistics`, before the standard library.
pytestmark = pytest.mark.slow
FSDP = {"script": "tests.fsdp_on_cpu", "launcher": ("--module",), "config": "fsdp.yaml"}
RUN = "aif-layer1-seed42"
# Beginning of the files' names, and as many examples as fill whole batches: half a batch Accelerate would fill up.
TASKS = {"xnli": ("", "96"), "udpos": ("pos-", "70")}
FUSIONS = ("aif", "last", "mean", "concat", "scalar_mix", "layer")


@pytest.fixture(scope="module")
def steady_encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder without dropout, which every process draws for itself."""
    folder = tmp_path_factory.mktemp("steady") / "encoder"
    shutil.copytree(tiny_encoder, folder)
    BertConfig.from_pretrained(
        folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0
    ).save_pretrained(folder)
    return folder


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def arguments(task: str, steady_encoder: Path, tiny_data: Path, tiny_tags: Path) -> list[str]:
    """Arguments of two epochs in batches of eight, all full, without those of the batch."""
    prefix, examples = TASKS[task]
    folder = tiny_tags if prefix else tiny_data
    return [
        *("--model_name_or_path", str(steady_encoder), "--fusion_layers", "1", "--languages", "en", "de"),
        *("--train_file", str(folder / f"{prefix}train.tsv"), "--validation_file", str(folder / f"{prefix}dev.tsv")),
        *("--test_file", str(folder / f"{prefix}test-{{language}}.tsv"), "--classifier_dropout", "0.0"),
        *("--num_train_epochs", "2", "--learning_rate", "5e-3", "--max_train_samples", examples),
        *("--logging_steps", "1", "--keep_checkpoints", "True", "--save_total_limit", "9", "--use_cpu", "True"),
    ]


ONE, EACH_OF_TWO = ("--per_device_train_batch_size", "8"), ("--per_device_train_batch_size", "4")


def losses(output: Path) -> list[float]:
    """The training loss of every step."""
    states = output.glob("checkpoints/*/checkpoint-*/trainer_state.json")
    last = max(states, key=lambda path: int(path.parent.name.rpartition("-")[2]))
    return [entry["loss"] for entry in read(last)["log_history"] if "loss" in entry]


def assert_same_training(one: Path, other: Path) -> None:
    expected, found = losses(one), losses(other)
    assert len(expected) == 24 and found == pytest.approx(expected, abs=2e-5)
    assert max(expected) - min(expected) > 1e-2, "nothing was learnt: equal losses would prove nothing"
    models = [next(output.glob("models/aif-*")) for output in (one, other)]
    weights = [load_file(model / "model.safetensors") for model in models]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.allclose(weights[0][key], weights[1][key], atol=1e-4) for key in weights[0])
    names = [sorted(path.name for path in model.iterdir()) for model in models]
    assert names[0] == names[1] and "modeling_dlfa.py" in names[1]
    configs = [read(model / "config.json") for model in models]
    assert configs[0]["auto_map"] == configs[1]["auto_map"]
    assert configs[0]["architectures"] == configs[1]["architectures"]


def test_two_processes_train_like_one(task: str, arguments: list[str], tiny_glyphs: Path, tmp_path: Path) -> None:
    if task == "udpos":
        arguments += ["--glyphs", str(tiny_glyphs), "--glyph_kernel_size", "3"]
    main(task, [*arguments, *ONE, "--output_dir", str(tmp_path / "one")])
    if task == "xnli":
        printed = launch([*arguments, *EACH_OF_TWO], tmp_path / "ddp")
    else:
        printed = fork(["train", "pos", *arguments, *EACH_OF_TWO], tmp_path / "ddp")
    assert_same_training(tmp_path / "one", tmp_path / "ddp")
    assert [read(tmp_path / name / "results.json")["recipe"]["batch_size"] for name in ("one", "ddp")] == [8, 8]
    assert "find_unused_parameters" not in printed  # torch warns of a search that finds none.
    if task == "xnli":
        # The blocks above have no gradient, for which processes would wait.
        fork(["train", "xnli", *arguments, "--fusion", "layer", "--max_steps", "2", *EACH_OF_TWO], tmp_path / "layer")
        assert [run["system"] for run in read(tmp_path / "layer" / "results.json")["runs"]] == ["layer-1"]
    launch([task, *arguments, *EACH_OF_TWO], tmp_path / "fsdp", **FSDP)
    assert_same_training(tmp_path / "one", tmp_path / "fsdp")
    assert read(tmp_path / "fsdp" / "results.json")["hardware"]["processes"] == 2


@pytest.mark.parametrize("task", ["xnli"], indirect=True)
def test_two_machines_train_like_one(arguments: list[str], tmp_path: Path) -> None:
    main("xnli", [*arguments, *ONE, "--output_dir", str(tmp_path / "one")])
    port, output = str(get_free_port()), tmp_path / "two"
    machines = [
        start(
            [*arguments, *EACH_OF_TWO, "--output_dir", str(output)],
            config="ddp_machines.yaml",
            launcher=("--machine_rank", rank, "--main_process_ip", "127.0.0.1", "--main_process_port", port),
        )
        for rank in ("0", "1")
    ]
    printed = [machine.communicate(timeout=600)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], printed[0][-3000:] + printed[1][-3000:]
    assert_same_training(tmp_path / "one", output)
    assert [text.count("Results: ") for text in printed] == [1, 0]


@pytest.mark.parametrize("task", ["xnli"], indirect=True)
def test_one_pass_in_two_processes_is_that_of_one(arguments: list[str], tmp_path: Path) -> None:
    arguments = ["sweep", "xnli", "--one_pass", *arguments]
    dlfa([*arguments, *ONE, "--output_dir", str(tmp_path / "one")])
    fork([*arguments, *EACH_OF_TWO], tmp_path / "two")
    one, two = (read(tmp_path / name / "results.json") for name in ("one", "two"))
    assert two["hardware"]["processes"] == 2 and [run["name"] for run in two["runs"]] == [RUN, "last-seed42"]
    for expected, found in zip(one["runs"], two["runs"], strict=True):
        assert found["train"]["loss"] == pytest.approx(expected["train"]["loss"], abs=2e-5)
        weights = [
            load_file(tmp_path / name / "models" / found["name"] / "model.safetensors") for name in ("one", "two")
        ]
        assert all(torch.allclose(weights[0][key], weights[1][key], atol=1e-4) for key in weights[0])


@pytest.mark.parametrize("task", ["xnli"], indirect=True)
def test_sharded_training_resumes_and_saves_an_ordinary_checkpoint(arguments: list[str], tmp_path: Path) -> None:
    arguments = ["xnli", *arguments, *EACH_OF_TWO, "--baseline"]
    launch(arguments, tmp_path / "whole", **FSDP)
    output = tmp_path / "broken"
    broken = start([*arguments, "--output_dir", str(output)], **FSDP, STOP_AT="15")
    printed = broken.communicate(timeout=600)[0]
    assert broken.returncode != 0 and re.search(r"exitcode +: 3", printed), printed[-3000:]
    assert not (output / "models").exists(), "nothing was left to resume"
    launch([*arguments, "--resume_from_checkpoint", "last"], output, **FSDP)
    records = read(output / "results.json")["runs"]
    assert [record["train"]["resumed"] for record in records] == [True, False]
    for record in records:
        name = record["name"]
        whole, resumed = (load_file(tmp_path / d / "models" / name / "model.safetensors") for d in ("whole", "broken"))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    model = output / "models" / records[0]["name"]
    loaded = DlfaForSequenceClassification.from_pretrained(model)
    assert json.loads((model / "config.json").read_text(encoding="utf-8"))["weights_sha256"]
    assert isinstance(AutoModelForSequenceClassification.from_pretrained(model), type(loaded))


def test_a_class_that_torch_made_is_saved_as_its_own(tmp_path: Path) -> None:
    model = build(DlfaForTokenClassification, "bert")
    model.save_pretrained(tmp_path / "plain")
    sharded = type("FSDPDlfa", (DlfaForTokenClassification,), {"__module__": "torch.distributed.fsdp._fully_shard"})
    model.__class__ = sharded
    model.save_pretrained(tmp_path / "sharded")
    assert type(model) is sharded
    plain, again = (
        {path.name: path.read_bytes() for path in (tmp_path / kind).iterdir()} for kind in ("plain", "sharded")
    )
    assert plain == again and "modeling_dlfa.py" in plain


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("model_class", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_every_parameter_has_a_gradient(model_class: type[DlfaPreTrainedModel], name: str, fusion: str) -> None:
    layers = {"fusion_layers": [0, 1]} if fusion in ("aif", "mean", "concat") else {"fusion_layers": None}
    for pooling in ("cls", "mean") if model_class is DlfaForSequenceClassification else ("cls",):
        model = build(model_class, name, fusion=fusion, pooling=pooling, **layers).train()
        inputs = batch(name)
        model(**inputs, **labels(model_class, inputs)).loss.backward()
        without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
        if fusion == "layer":  # Two of three blocks are read; the last one, and what norms its output, are not.
            without = [key for key in without if not re.search(r"backbone\..*(layers?\.2\.|final_norm)", key)]
        assert not without, without
