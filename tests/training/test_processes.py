"""What several processes need: a launch that does what it says, one output directory, blocks that FSDP can split."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from accelerate import PartialState

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.errors import InputError
from modeling_dlfa.training.processes import block_classes, check_launch, check_shared

from ..backbones import BACKBONES, build
from ..launching import start

BLOCKS = {
    "bert": "BertLayer",
    "xlm-roberta": "XLMRobertaLayer",
    "distilbert": "TransformerBlock",
    "deberta-v2": "DebertaV2Layer",
    "modernbert": "ModernBertEncoderLayer",
    "rembert": "RemBertLayer",
}


@pytest.mark.parametrize("name", BACKBONES)
def test_the_blocks_of_every_encoder_are_found(name: str) -> None:
    assert block_classes(build(DlfaForTokenClassification, name)) == [BLOCKS[name.removesuffix("-glyphs")]]


def test_a_model_without_a_list_of_blocks() -> None:
    model = build(DlfaForSequenceClassification, "bert")
    model.config.backbone_config.num_hidden_layers = 7
    assert block_classes(model) is None


@pytest.mark.parametrize(
    "variables",
    [
        {"ACCELERATE_USE_FSDP": "true"},
        {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"},
    ],
)
def test_lora_on_split_weights_is_refused(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    PartialState(cpu=True)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="--peft lora merges"):
        check_launch("lora")
    check_launch("frozen")


def test_lora_under_zero_2_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    check_launch("lora")


@pytest.mark.slow
def test_fsdp_on_the_cpu_is_no_silent_ddp(xnli_arguments: list[str], tmp_path: Path) -> None:
    process = start(xnli_arguments, config="fsdp.yaml")
    printed = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert printed.count("error: Accelerate does not support FSDP on the CPU") == 1, printed[-3000:]
    assert not (tmp_path / "out").exists()


def test_a_directory_that_other_machines_do_not_see(tmp_path: Path) -> None:
    PartialState(cpu=True)
    (tmp_path / "seen").write_text("x")
    check_shared(tmp_path / "seen", patience=0)
    started = time.monotonic()
    with pytest.raises(InputError, match="Not every machine sees"):
        check_shared(tmp_path / "unseen", patience=0.3)
    assert time.monotonic() - started >= 0.3
