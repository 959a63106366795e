"""Hidden states: what they are the mean of, whatever the batch, and when they come from disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.errors import InputError
from modeling_dlfa.studies.layer_analysis.encoders import load_encoder
from modeling_dlfa.studies.layer_analysis.states import LayerStates

from ...backbones import backbone_config

TEXTS = ["the cat sleeps", "dog", "die katze schläft im haus nicht", "ال قطة ينام"]
LONG = " ".join(["cat", "dog", "runs"] * 40)


@pytest.fixture
def states(tiny_encoder: Path, tmp_path: Path) -> LayerStates:
    return LayerStates(load_encoder(str(tiny_encoder)), tmp_path / "states", batch_size=2)


def reference(folder: Path, text: str) -> tuple[torch.Tensor, list[int]]:
    """Returns the states of one text alone, (layers, T, E), by transformers, and its tokens that are not special."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        hidden = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
    hidden = torch.stack(hidden)[:, 0]
    return hidden, list(range(1, hidden.shape[1] - 1))


def test_sentences_are_means_of_their_tokens(states: LayerStates, tiny_encoder: Path) -> None:
    means, tokens = states.sentences(TEXTS, seed=3)
    assert means.shape == tokens.shape == (4, len(TEXTS), 16)
    places = set()
    for row, text in enumerate(TEXTS):
        hidden, words = reference(tiny_encoder, text)
        assert np.allclose(means[:, row], hidden[:, words].mean(dim=1), atol=1e-5)
        distance = (hidden[:, words] - torch.tensor(tokens[:, row])[:, None]).abs().amax(dim=(0, 2))
        assert distance.min() < 1e-5
        places.add(int(distance.argmin()))
    assert len(places) > 1


def test_words_are_their_first_pieces(states: LayerStates, tiny_encoder: Path) -> None:
    sentences = [["the", "cat.x", "sleeps"], ["dog"], ["katze", "im", "haus"]]
    found = states.words(sentences)
    assert found.shape == (4, 7, 16)
    hidden, _ = reference(tiny_encoder, "the cat.x sleeps")
    # [CLS] the cat . x sleeps [SEP]
    assert np.allclose(found[:, :3], hidden[:, [1, 2, 5]], atol=1e-5)
    hidden, _ = reference(tiny_encoder, "katze im haus")
    assert np.allclose(found[:, 4:], hidden[:, 1:4], atol=1e-5)


def test_long_sentences_are_cut_and_long_lists_of_words_are_not(states: LayerStates) -> None:
    means, _ = states.sentences([LONG, "cat"])
    assert states.truncated == 1 and np.isfinite(means).all()
    found = states.words([LONG.split(), ["cat"]])
    assert found.shape[1] == 121 and (np.abs(np.asarray(found)).sum(axis=(0, 2)) > 0).all()


def test_batches_do_not_matter(tiny_encoder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny_encoder))
    one, many = (LayerStates(encoder, tmp_path / str(size), size) for size in (1, 8))
    for first, second in zip(one.sentences(TEXTS), many.sentences(TEXTS), strict=True):
        assert np.allclose(first, second, atol=1e-5)
    with pytest.raises(InputError, match="batch size is 0"):
        LayerStates(encoder, tmp_path, 0)


def test_what_was_computed_comes_from_disk(states: LayerStates, tiny_encoder: Path) -> None:
    first = [np.array(entry) for entry in states.sentences(TEXTS)]
    assert states.computed == 5 + 3 + 8 + 5
    again = LayerStates(load_encoder(str(tiny_encoder)), states.folder, batch_size=7)
    second = again.sentences(TEXTS)
    assert again.computed == 0 and all((a == b).all() for a, b in zip(first, second, strict=True))
    assert len(list(Path(states.folder).iterdir())) == 1
    for other in (TEXTS[:3], [*TEXTS[:3], "cat"]):
        again.sentences(other)
    again.sentences(TEXTS, seed=1)
    again.words([text.split() for text in TEXTS])
    assert again.computed > 0 and len(list(Path(states.folder).iterdir())) == 5


def test_another_checkpoint_is_not_mistaken_for_this_one(
    states: LayerStates, tiny_encoder: Path, tmp_path: Path
) -> None:
    first = np.array(states.sentences(TEXTS)[0])
    copy = shutil.copytree(tiny_encoder, tmp_path / "elsewhere")
    same = LayerStates(load_encoder(str(copy)), states.folder)
    assert (same.sentences(TEXTS)[0] == first).all() and same.computed == 0  # Where it lies says nothing.
    weights = load_file(copy / "model.safetensors")
    weights["encoder.layer.2.output.dense.bias"][0] += 0.5
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    tuned = LayerStates(load_encoder(str(copy)), states.folder)
    second = tuned.sentences(TEXTS)[0]
    assert tuned.computed > 0
    assert (second[:3] == first[:3]).all() and not np.allclose(second[3], first[3], atol=1e-3)


def test_what_is_broken_off_leaves_nothing(states: LayerStates, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = states.encoder
    with torch.no_grad():
        encoder.model.encoder.layer[1].output.dense.bias[0] = float("nan")  # type: ignore[union-attr,index]
    with pytest.raises(InputError, match="Layer 2 of .* is not finite"):
        states.sentences(TEXTS)
    assert list(Path(states.folder).iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_computed(states: LayerStates, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 layers x 8 rows x 16 features x 4 bytes.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2047))
    with pytest.raises(InputError, match="0.0 GB left.*--states_dir"):
        states.sentences(TEXTS)
    assert states.computed == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2048))
    states.sentences(TEXTS)


def test_a_file_that_is_something_else(states: LayerStates) -> None:
    states.sentences(TEXTS)
    (path,) = Path(states.folder).iterdir()
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"holds \(2, 2\) numbers instead of \(4, 8, 16\)\. Delete it"):
        states.sentences(TEXTS)


@pytest.mark.parametrize("model_class", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_dlfa_checkpoints_have_the_backbones_states(
    model_class: type, states: LayerStates, tiny_encoder: Path, tmp_path: Path
) -> None:
    model = model_class.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3)
    model.save_pretrained(tmp_path / "dlfa")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "dlfa")
    encoder = load_encoder(str(tmp_path / "dlfa"))
    assert encoder.fusion_layers == [1] and (encoder.n_layers, encoder.n_features) == (4, 16)
    found = LayerStates(encoder, states.folder).sentences(TEXTS)[0]
    assert np.allclose(found, states.sentences(TEXTS)[0], atol=1e-6)


def test_heads_of_fine_tuned_checkpoints_are_left_out(states: LayerStates, tiny_encoder: Path, tmp_path: Path) -> None:
    BertForSequenceClassification.from_pretrained(tiny_encoder, num_labels=3).save_pretrained(tmp_path / "tuned")
    encoder = load_encoder(str(tmp_path / "tuned"), tokenizer_name=str(tiny_encoder))
    assert encoder.fusion_layers is None
    found = LayerStates(encoder, tmp_path / "new").sentences(TEXTS)[0]
    assert np.allclose(found, states.sentences(TEXTS)[0], atol=1e-6)


@pytest.mark.parametrize("name", ["deberta-v2", "distilbert", "modernbert", "xlm-roberta"])
def test_other_encoders(name: str, tiny_encoder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = backbone_config(name)
    AutoModel.from_config(config).save_pretrained(tmp_path / name)
    encoder = load_encoder(str(tmp_path / name), tokenizer_name=str(tiny_encoder))
    means, tokens = LayerStates(encoder, tmp_path / "states").sentences(TEXTS)
    assert means.shape == tokens.shape == (4, len(TEXTS), 32)
    model = AutoModel.from_pretrained(tmp_path / name).eval()
    ids = torch.tensor(encoder.tokenizer(TEXTS[1])["input_ids"])[None]
    with torch.no_grad():
        last = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    assert np.allclose(means[-1, 1], last[0, 1], atol=1e-4)


def test_what_cannot_be_loaded(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot load .*nowhere"):
        load_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="--max_length 500 is not between 3 and 64"):
        load_encoder(str(tiny_encoder), max_length=500)
    with pytest.raises(InputError, match="Cannot load .*device"):
        load_encoder(str(tiny_encoder), device="nonsense")
    small = DlfaConfig(backbone_config("bert", vocab_size=20)).backbone_config
    AutoModel.from_config(small).save_pretrained(tmp_path / "small")
    with pytest.raises(InputError, match="tokens, the model only 20 embeddings"):
        load_encoder(str(tmp_path / "small"), tokenizer_name=str(tiny_encoder))


def test_a_text_that_becomes_nothing(states: LayerStates) -> None:
    with pytest.raises(InputError, match="turns '\\\\u200b' into no tokens"):
        states.sentences(["cat", "\u200b"])
