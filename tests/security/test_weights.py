"""Loading never makes weights up: damaged, missing, left-over and misshapen ones are errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, hf_hub_download
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification, BertModel

from modeling_dlfa import DlfaForTokenClassification, DlfaModel, verify_weights
from modeling_dlfa.errors import InputError

from ..backbones import MODEL_CLASSES, build, dlfa_config
from ..hub import HubServer
from ..online import Environment
from .copies import SEQUENCE, edit, published


def spoil_data(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1000] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def spoil_header(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[40] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def truncate(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def cut_short(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_data, spoil_header, truncate, cut_short, empty])
def test_damaged_weights_are_an_error(copy: Path, spoil: Callable[[Path], None]) -> None:
    assert verify_weights(copy) == ["model.safetensors"]
    spoil(copy)
    with pytest.raises(InputError, match=r"model.safetensors of .* is damaged: its sha256"):
        verify_weights(copy)
    if spoil is spoil_data:
        return  # A flipped bit is a valid number.
    for load in (AutoModel.from_pretrained, AutoModelForSequenceClassification.from_pretrained):
        with pytest.raises(ValueError, match=r"The weights of .* are damaged|does not fit"):
            load(copy)


@pytest.mark.parametrize("spoil", [truncate, cut_short, empty])
def test_an_encoders_file_that_is_cut_short_is_an_error(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    BertModel(dlfa_config("bert").backbone_config).save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=r"The weights of .* are damaged .*force_download=True"):
        SEQUENCE.from_backbone(tmp_path, fusion_layers=1)


def test_weights_changed_on_purpose_are_verified_without_the_sum(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="delete 'weights_sha256' in config.json"):
        verify_weights(copy)
    edit(copy, lambda values: values.pop("weights_sha256"))
    with pytest.raises(InputError, match="records no sha256 of its weights"):
        verify_weights(copy)
    with pytest.raises(InputError, match="cannot be read.* Give the folder of a model"):
        verify_weights(copy / "nope")
    model = SEQUENCE.from_pretrained(copy)
    assert torch.equal(model.classifier.bias, weights["classifier.bias"])
    model.save_pretrained(copy)
    assert SEQUENCE.from_pretrained(copy).config.to_dict().get("weights_sha256") is None


def test_sums_do_not_outlive_their_weights(copy: Path, tmp_path: Path) -> None:
    model = SEQUENCE.from_pretrained(copy)
    model.config.save_pretrained(tmp_path / "config")
    assert "weights_sha256" not in json.loads((tmp_path / "config" / "config.json").read_text())
    with torch.no_grad():
        model.classifier.bias.add_(1)
    model.save_pretrained(copy)
    assert torch.equal(SEQUENCE.from_pretrained(copy).classifier.bias, model.classifier.bias)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_and_variants_are_summed_and_must_all_be_there(tmp_path: Path, variant: str | None) -> None:
    model = build(SEQUENCE, "bert")
    model.save_pretrained(tmp_path, max_shard_size="20KB", variant=variant)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2 and not (tmp_path / "model.safetensors").exists()
    again = SEQUENCE.from_pretrained(tmp_path, variant=variant)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    content = shards[1].read_bytes()
    shards[1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert verify_weights(tmp_path, [shard.name for shard in shards if shard != shards[1]])
    with pytest.raises(InputError, match=f"{shards[1].name} of .* is damaged"):
        verify_weights(tmp_path)
    shards[1].write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"The weights of .* are damaged"):
        SEQUENCE.from_pretrained(tmp_path, variant=variant)
    shards[1].unlink()
    with pytest.raises(InputError, match=f"lacks {shards[1].name}"):
        verify_weights(tmp_path)
    with pytest.raises(OSError, match=shards[1].name):
        SEQUENCE.from_pretrained(tmp_path, variant=variant)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Changes the weights as someone does who knows of the sums."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder, lambda values: values.pop("weights_sha256", None))


@pytest.mark.parametrize(
    "key",
    ["dlfa.backbone.encoder.layer.1.output.dense.weight", "dlfa.fusion.global_branch.squeeze.bias", "classifier.bias"],
)
def test_missing_weights_are_an_error(copy: Path, key: str) -> None:
    rewrite(copy, lambda weights: weights.pop(key))
    with pytest.raises(ValueError, match=rf"does not fit DlfaForSequenceClassification: it lacks {key}"):
        SEQUENCE.from_pretrained(copy)


def test_weights_too_many_are_an_error(copy: Path) -> None:
    rewrite(copy, lambda weights: weights.update({"dlfa.fusion.extra": torch.zeros(2)}))
    for load in (AutoModel.from_pretrained, SEQUENCE.from_pretrained):
        with pytest.raises(ValueError, match=r"does not fit \w+: it also has (dlfa\.)?fusion\.extra"):
            load(copy, ignore_mismatched_sizes=True)


def test_another_fusion_is_an_error(copy: Path) -> None:
    edit(copy, lambda values: values.update(fusion="concat"))
    with pytest.raises(ValueError, match=r"lacks dlfa\.fusion\.primary.*also has dlfa\.fusion\.global_branch"):
        SEQUENCE.from_pretrained(copy)


def test_a_new_head_is_asked_for(copy: Path) -> None:
    with pytest.raises((RuntimeError, ValueError), match="ignore_mismatched_sizes|size mismatch"):
        SEQUENCE.from_pretrained(copy, num_labels=5)
    old = SEQUENCE.from_pretrained(copy)
    new = SEQUENCE.from_pretrained(copy, num_labels=5, ignore_mismatched_sizes=True)
    assert new.classifier.weight.shape[0] == 5
    trunk = new.dlfa.state_dict()
    assert all(torch.equal(value, trunk[key]) for key, value in old.dlfa.state_dict().items())


def test_sizes_of_the_body_are_never_ignored(copy: Path) -> None:
    edit(copy, lambda values: values["backbone_config"].update(vocab_size=70))
    with pytest.raises(ValueError, match="has another size for .*word_embeddings"):
        SEQUENCE.from_pretrained(copy, ignore_mismatched_sizes=True)


@pytest.mark.parametrize("saved", MODEL_CLASSES)
@pytest.mark.parametrize("loaded", MODEL_CLASSES)
def test_a_head_that_the_checkpoint_has_not_is_asked_for(saved: type, loaded: type, tmp_path: Path) -> None:
    build(saved, "bert").save_pretrained(tmp_path)
    lacking = (saved is DlfaModel and loaded is not DlfaModel) or (
        saved is DlfaForTokenClassification and loaded is SEQUENCE
    )
    if lacking:
        with pytest.raises(ValueError, match="lacks .* ignore_mismatched_sizes=True starts with a new head"):
            loaded.from_pretrained(tmp_path)
    model = loaded.from_pretrained(tmp_path, ignore_mismatched_sizes=lacking)
    assert not any(parameter.is_meta or parameter.isnan().any() for parameter in model.parameters())


def test_damage_on_the_way_is_found_and_mended(hub: HubServer, copy: Path) -> None:
    repo = published(HfApi(), copy, "damaged")
    SEQUENCE.from_pretrained(repo)
    blob = Path(hf_hub_download(repo, "model.safetensors")).resolve()
    snapshot, content = Path(hf_hub_download(repo, "config.json")).parent, blob.read_bytes()
    blob.write_bytes(content[:-5] + bytes([content[-5] ^ 4]) + content[-4:])
    with pytest.raises(InputError, match="from the Hub with force_download=True"):
        verify_weights(snapshot)
    SEQUENCE.from_pretrained(repo, force_download=True)
    verify_weights(snapshot)
    blob.write_bytes(content[:-5])
    with pytest.raises(ValueError, match="from the Hub with force_download=True"):
        SEQUENCE.from_pretrained(repo)
    SEQUENCE.from_pretrained(repo, force_download=True)
    SEQUENCE.from_pretrained(repo)


MISSING = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
code, shards, tokenizer = sys.argv[1:]
trust = {"trust_remote_code": True}
messages = []
for call in (
    lambda: AutoModelForSequenceClassification.from_pretrained(code, **trust),
    lambda: AutoModelForSequenceClassification.from_pretrained(shards, **trust),
    lambda: AutoTokenizer.from_pretrained(tokenizer, **trust),
    lambda: pipeline("text-classification", model=tokenizer, **trust),
):
    try:
        messages.append(f"loaded {call()}")
    except Exception as error:
        messages.append(f"{type(error).__name__}: {error}")
print()
print(json.dumps(messages))
"""


def test_missing_files_on_the_hub_are_named(
    hub: HubServer, copy: Path, bare_environment: Environment, tmp_path: Path
) -> None:
    api = HfApi()
    code, tokenizer = published(api, copy, "no-code"), published(api, copy, "no-tokenizer")
    api.delete_file("values_dlfa.py", code)
    build(SEQUENCE, "bert").save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    shards = published(api, tmp_path / "shards", "no-shard")
    gone = sorted(path.name for path in (tmp_path / "shards").glob("*.safetensors"))[1]
    api.delete_file(gone, shards)
    messages = bare_environment.run(MISSING, code, shards, tokenizer, home=tmp_path / "home", hub=hub).value
    assert "values_dlfa.py" in messages[0] and gone in messages[1]
    assert all("tokenizer" in message.lower() and "loaded" not in message for message in messages[2:]), messages[2:]
