"""LoRA on the backbone, fusion and head trained whole: small on disk, and the same logits when loaded again.

What users met elsewhere (huggingface/peft #310, #577): a head of one's own stays frozen, or is not saved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel
from modeling_dlfa.errors import InputError
from modeling_dlfa.training.adapters import freeze_backbone, lora_config, new_modules, parameter_counts

from ..backbones import BACKBONES, MODEL_CLASSES, RELEASE, batch, build, labels
from ..online import Environment

PARTS = {DlfaModel: ["fusion", "pooler"], DlfaForTokenClassification: ["fusion", "classifier"]}
PARTS[DlfaForSequenceClassification] = ["fusion", "pooler", "classifier"]


@torch.no_grad()
def answers(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return model.eval()(**inputs).logits


@torch.no_grad()
def hidden_states(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    return model.eval().base_model.backbone(**inputs, output_hidden_states=True).hidden_states


def train(model: Any, inputs: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(3):
        model(**inputs, **targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("model_class", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_trains_saves_and_loads(model_class: type, name: str, tmp_path: Path) -> None:
    build(model_class, name).save_pretrained(tmp_path / "base")
    base = model_class.from_pretrained(tmp_path / "base")
    inputs = batch(name)
    plain = answers(base, inputs)
    before = {key: value.clone() for key, value in base.state_dict().items()}
    model = get_peft_model(base, lora_config(base, r=2))
    assert torch.equal(answers(model, inputs), plain)
    train(model, inputs, labels(model_class, inputs))
    expected = answers(model, inputs)
    assert not torch.allclose(expected, plain, atol=1e-3)
    model.save_pretrained(tmp_path / "adapter")
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    whole = sum(value.numel() for value in before.values())
    assert sum(value.numel() for value in saved.values()) == parameter_counts(model)[0] < whole / 2
    glyphs = ["glyphs"] if base.base_model.glyphs is not None else []
    for part in PARTS[model_class] + glyphs:
        keys = [key for key in saved if f".{part}." in key and ".lora_" not in key]
        own = [key for key in before if f".{part}." in f".{key}" and ".backbone." not in key]
        own = [key for key in own if not key.endswith("glyphs.table")]  # The base model's.
        assert len(keys) == len(own) > 0
        assert all(not torch.equal(saved[f"base_model.model.{key}"], before[key]) for key in own), part
    assert all(".backbone." in key for key in saved if ".lora_" in key)
    again = PeftModel.from_pretrained(model_class.from_pretrained(tmp_path / "base"), tmp_path / "adapter")
    assert torch.equal(answers(again, inputs), expected)
    merged = again.merge_and_unload()
    assert type(merged) is model_class and merged.state_dict().keys() == before.keys()
    torch.testing.assert_close(answers(merged, inputs), expected, rtol=1e-4, atol=1e-4)
    merged.save_pretrained(tmp_path / "merged")
    assert torch.equal(answers(model_class.from_pretrained(tmp_path / "merged"), inputs), answers(merged, inputs))


def test_an_adapter_finds_its_base_by_the_auto_class(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    build(DlfaForSequenceClassification, "bert").save_pretrained(tmp_path / "base")
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    model = get_peft_model(base, lora_config(base))
    inputs = batch("bert")
    train(model, inputs, labels(DlfaForSequenceClassification, inputs))
    model.save_pretrained(tmp_path / "adapter")
    again = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter")
    assert torch.equal(answers(again, inputs), answers(model, inputs))
    assert [str(warning.message) for warning in recwarn if "peft" in str(warning.filename)] == []


def test_an_adapter_by_the_auto_class_of_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library loads it wrongly, as 5.0 to 5.13 do, the error says how to."""
    build(DlfaForSequenceClassification, "bert").save_pretrained(tmp_path / "base")
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    model = get_peft_model(base, lora_config(base)).eval()
    with torch.no_grad():
        for parameter in (weight for weight in model.parameters() if weight.requires_grad):
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(tmp_path / "adapter")
    inputs, load = batch("bert"), AutoModelForSequenceClassification.from_pretrained
    if not (5, 0) <= RELEASE < (5, 14):
        assert torch.equal(answers(load(tmp_path / "adapter"), inputs), answers(model, inputs))

        def fail(*_: Any, **__: Any) -> None:
            raise AttributeError("'NoneType' object has no attribute 'to_dict'")

        monkeypatch.setattr("transformers.integrations.peft.PeftAdapterMixin.load_adapter", fail)
    with pytest.raises(ValueError, match=r"cannot load this adapter.*PeftModel\.from_pretrained\(model, .*adapter"):
        load(tmp_path / "adapter")


ADAPTED = """
import json, sys, torch
import peft
kinds = [getattr(peft, f"AutoPeftModelFor{task}") for task in sys.argv[2].split()]
inputs = {name: torch.tensor(value) for name, value in json.loads(sys.argv[1]).items()}
found = []
with torch.no_grad():
    for kind, folder in zip(kinds, sys.argv[3:]):
        model = kind.from_pretrained(folder, trust_remote_code=True)
        found.append(model(**inputs)[0].tolist())
print(json.dumps(["modeling_dlfa" in sys.modules, found]))
"""


@pytest.mark.slow
def test_a_stranger_finds_the_base_of_an_adapter(bare_environment: Environment, tmp_path: Path) -> None:
    inputs, expected, folders = batch("bert"), [], []
    for model_class in MODEL_CLASSES:
        place = tmp_path / model_class.__name__
        build(model_class, "bert").save_pretrained(place / "base")
        base = model_class.from_pretrained(place / "base")
        model = get_peft_model(base, lora_config(base)).eval()
        with torch.no_grad():
            for parameter in (weight for weight in model.parameters() if weight.requires_grad):
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
            expected.append(model(**inputs)[0].tolist())
        model.save_pretrained(place / "adapter")
        folders.append(place / "adapter")
    given = json.dumps({name: value.tolist() for name, value in inputs.items()})
    tasks = "FeatureExtraction SequenceClassification TokenClassification"
    imported, found = bare_environment.run(ADAPTED, given, tasks, *folders, home=tmp_path / "home", offline=True).value
    assert not imported and found == expected


def test_a_plain_configuration_with_modules_to_save(tmp_path: Path) -> None:
    build(DlfaForSequenceClassification, "bert").save_pretrained(tmp_path / "base")
    base = DlfaForSequenceClassification.from_pretrained(tmp_path / "base")
    options: dict[str, Any] = {"target_modules": ["query", "value"], "modules_to_save": ["fusion", "pooler"]}
    model = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", **options))
    helper = DlfaForSequenceClassification.from_pretrained(tmp_path / "base")
    same = get_peft_model(helper, lora_config(helper))
    trained = [{name for name, p in m.named_parameters() if p.requires_grad} for m in (model, same)]
    assert trained[0] == trained[1] and any("classifier" in name for name in trained[0])
    inputs = batch("bert")
    train(model, inputs, labels(DlfaForSequenceClassification, inputs))
    model.save_pretrained(tmp_path / "adapter")
    fresh = DlfaForSequenceClassification.from_pretrained(tmp_path / "base")
    assert torch.equal(answers(PeftModel.from_pretrained(fresh, tmp_path / "adapter"), inputs), answers(model, inputs))


def test_an_adapter_of_a_wrapped_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    """Fusion and head are drawn anew at each wrapping; the adapter brings its own."""
    inputs = batch("bert", lengths=(9, 5))
    inputs = {key: value.clamp(max=40) for key, value in inputs.items()}
    wrapped = [DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3) for _ in "12"]
    model = get_peft_model(wrapped[0], lora_config(wrapped[0]))
    train(model, inputs, {"labels": torch.tensor([0, 2])})
    model.save_pretrained(tmp_path / "adapter")
    assert not torch.allclose(answers(wrapped[1], inputs), answers(model, inputs), atol=1e-3)
    again = PeftModel.from_pretrained(wrapped[1], tmp_path / "adapter")
    assert torch.equal(answers(again, inputs), answers(model, inputs))


@pytest.mark.parametrize("fusion", ["last", "mean", "concat", "scalar_mix", "layer"])
def test_every_fusion(fusion: str, tmp_path: Path) -> None:
    model = build(DlfaForSequenceClassification, "bert", fusion=fusion)
    assert new_modules(model) == (["fusion"] if fusion in ("concat", "scalar_mix") else []) + ["pooler", "classifier"]
    inputs = batch("bert")
    adapted = get_peft_model(model, lora_config(model))
    train(adapted, inputs, labels(DlfaForSequenceClassification, inputs))
    adapted.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(build(DlfaForSequenceClassification, "bert", fusion=fusion), tmp_path)
    assert torch.equal(answers(again, inputs), answers(adapted, inputs))


def test_wrong_modules_are_one_error() -> None:
    model = build(DlfaModel, "bert")
    with pytest.raises(InputError, match="has no modules Wqkv"):
        lora_config(model, target_modules=["Wqkv"])
    for options, message in (({"r": 0}, "r=0 is not the rank"), ({"modules_to_save": ["a"]}, "Leave it out")):
        with pytest.raises(InputError, match=message):
            lora_config(model, **options)  # type: ignore[arg-type]
    for function in (lora_config, freeze_backbone):
        with pytest.raises(InputError, match="takes a DLFA model, not Linear"):
            function(torch.nn.Linear(2, 2))  # type: ignore[operator]
    with pytest.raises(InputError, match="Layer '1' cannot be the last frozen one"):
        freeze_backbone(model, "1")  # type: ignore[arg-type]
    model.config.backbone_config.model_type = "flaubert"
    with pytest.raises(InputError, match=r"No default LoRA target modules .*Pass target_modules"):
        lora_config(model)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_frozen_backbone_stays_as_it_is(name: str) -> None:
    model = freeze_backbone(build(DlfaForSequenceClassification, name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = batch(name)
    train(model, inputs, labels(DlfaForSequenceClassification, inputs))
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {key for key in before if ".backbone." not in key and not key.endswith("glyphs.table")}
    assert parameter_counts(model)[0] == sum(before[key].numel() for key in changed)


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("name", BACKBONES)
def test_layers_up_to_one_stay_as_they_are(name: str, layer: int) -> None:
    model = freeze_backbone(build(DlfaForTokenClassification, name), up_to=layer)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = batch(name)
    states = hidden_states(model, inputs)
    train(model, inputs, labels(DlfaForTokenClassification, inputs))
    same = [torch.equal(*pair) for pair in zip(states, hidden_states(model, inputs), strict=True)]
    # DeBERTa's relative embeddings, and their norm, belong to all blocks.
    kept = 1 if name == "deberta-v2" else layer + 1
    assert same == [True] * kept + [False] * (len(same) - kept)
    changed = sum(value.numel() for key, value in model.state_dict().items() if not torch.equal(value, before[key]))
    assert changed <= parameter_counts(model)[0] < parameter_counts(model)[1]
    with pytest.raises(InputError, match="one must be trained"):
        freeze_backbone(model, up_to=model.config.num_hidden_layers)


def test_a_trainer_of_ones_own_resumes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = batch("bert", lengths=(6,) * 16)
    rows = [{key: value[i] for key, value in inputs.items()} | {"labels": i % 3} for i in range(16)]

    def run(steps: int, folder: str, resume: bool) -> dict[str, torch.Tensor]:
        base = build(DlfaForSequenceClassification, "bert")
        torch.manual_seed(3)
        model = get_peft_model(base, lora_config(base))
        options: dict[str, Any] = {"save_steps": 4, "report_to": "none", "use_cpu": True, "learning_rate": 1e-2}
        options |= {"per_device_train_batch_size": 4, "lr_scheduler_type": "constant", "save_strategy": "steps"}
        trainer = Trainer(
            model, TrainingArguments(str(tmp_path / folder), max_steps=steps, **options), train_dataset=rows
        )
        trainer.train(resume_from_checkpoint=resume)
        return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    whole = run(8, "whole", False)
    run(4, "parts", False)
    parts = run(8, "parts", True)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], rtol=0, atol=0, msg=name)
    assert "label_names" not in capfd.readouterr().err
