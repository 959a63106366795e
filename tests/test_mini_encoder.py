"""The encoder that comes with the repository: what its card promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from .conftest import ROOT

ENCODER = ROOT / "examples" / "mini" / "encoder"
CORPUS = ROOT / "examples" / "mini" / "corpus"
LANGUAGES = "ar bg de el en es fr hi ru sw th tr ur vi zh".split()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(str(ENCODER))


def test_it_is_a_deep_but_small_bert_in_half_precision() -> None:
    config = json.loads((ENCODER / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "bert" and config["architectures"] == ["BertModel"]
    assert config["num_hidden_layers"] >= 6
    weights = load_file(str(ENCODER / "model.safetensors"))
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert 5e6 <= sum(tensor.numel() for tensor in weights.values()) <= 15e6
    assert sum(path.stat().st_size for path in ENCODER.iterdir()) <= 20e6


def test_it_loads_whole() -> None:
    model, report = AutoModel.from_pretrained(
        str(ENCODER), add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values())
    assert model.embeddings.word_embeddings.weight.std() > 0.01


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_tokenizer_knows_all_text(tokenizer, language: str) -> None:
    lines = (CORPUS / f"scenes-{language}.txt").read_text(encoding="utf-8").splitlines()[:300]
    unknown = tokenizer.unk_token_id
    # Compatibility forms, Arabic vowel signs and invisible characters are not told apart.
    normalize = tokenizer.backend_tokenizer.normalizer.normalize_str
    for line, ids in zip(lines, tokenizer(lines, add_special_tokens=False)["input_ids"], strict=True):
        assert unknown not in ids
        assert tokenizer.decode(ids).replace(" ", "") == normalize(line).replace(" ", "").replace("␣", "")


@pytest.mark.parametrize("word", ["中", "国", "ที่", "ประเทศ", "नमस्ते", "کتاب", "données", "Häuser"])
def test_a_word_starts_with_a_piece_of_it(tokenizer, word: str) -> None:
    first = tokenizer.convert_ids_to_tokens(tokenizer(word, add_special_tokens=False)["input_ids"])[0]
    assert first.strip("▁")


def test_its_tokenizer_is_of_a_class_that_transformers_4_has() -> None:
    config = json.loads((ENCODER / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_it_has_seen_no_evaluation_text() -> None:
    stages = json.loads((ENCODER / "pretraining.json").read_text(encoding="utf-8"))["stages"]
    names = {file["file"] for stage in stages for file in stage["packed"]["files"]}
    allowed = {f"{language}.txt" for language in LANGUAGES} | {f"scenes-{language}.txt" for language in LANGUAGES}
    assert names <= allowed | {"aligned15.tsv", "aligned15-docs.tsv", "pairs-en.tsv"}


def test_translations_are_near_in_it(tokenizer) -> None:
    model = AutoModel.from_pretrained(str(ENCODER), add_pooling_layer=False, dtype=torch.float32).eval()
    sentences = {}
    for language in ("en", "de", "zh", "sw"):
        lines = (CORPUS / f"test-{language}.tsv").read_text(encoding="utf-8").splitlines()[1:101]
        inputs = tokenizer([line.split("\t")[0] for line in lines], padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**inputs, output_hidden_states=True).hidden_states[4]
        mask = inputs["attention_mask"][:, :, None]
        means = (hidden * mask).sum(1) / mask.sum(1)
        sentences[language] = torch.nn.functional.normalize(means - means.mean(0), dim=-1)
    for language in ("de", "zh", "sw"):
        found = (sentences["en"] @ sentences[language].T).argmax(1)
        # Chance is 0.01; some scenes of the hundred differ in a word only.
        assert (found == torch.arange(100)).float().mean() > 0.5


def test_its_card_is_what_its_record_says(tmp_path: Path) -> None:
    card = ROOT / "model_cards" / "dlfa-mini-encoder.md"
    stages = json.loads((ENCODER / "pretraining.json").read_text(encoding="utf-8"))["stages"]
    text = card.read_text(encoding="utf-8")
    for stage in stages:
        assert f"| {stage['step']:,} | {stage['tokens'] / 1e6:.1f} M |" in text
    for file in stages[-1]["packed"]["files"]:
        assert f"| `{file['file']}` | {file['lines']:,} | {file['bytes']:,} |" in text
