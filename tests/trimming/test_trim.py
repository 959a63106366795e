"""Trimmed on texts: the same pieces and states for them, counted differences for others, and models that go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, trim_vocabulary
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs.table import GlyphTable
from modeling_dlfa.trimming.pieces import always_kept, complete, merges_of

from ..conftest import WORDS
from .samples import KINDS, save_encoder, texts


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    return {kind: save_encoder(kind, folder / kind) for kind in KINDS}


@torch.no_grad()
def states(folder: Path, lines: list[str]) -> tuple[list[list[str]], tuple[torch.Tensor, ...]]:
    """Pieces and all hidden states, padded in one batch."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(lines, padding=True, return_tensors="pt")
    pieces = [tokenizer.convert_ids_to_tokens(row) for row in inputs["input_ids"].tolist()]
    return pieces, model(**inputs, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("kind", KINDS)
def test_texts_keep_their_pieces_and_states_and_others_are_counted(
    kind: str, encoders: dict[str, Path], tmp_path: Path
) -> None:
    source, small = encoders[kind], tmp_path / "small"
    # Words of others' pieces, unknown letters, and the mask as one types it.
    mask = KINDS[kind][1]["mask"]
    own = texts(0, 30) | {"odd": ["漢字 ⵣ 🙂🙃", f"a {mask} b", "", "xyzzy Xylophon  9876"]}
    others = {**texts(30, 60), "odd": ["漢語 ⴰ 🙈", "Fjordpferd 1234"]}
    outcome = trim_vocabulary(source, own, small, other_texts=others)
    old, new = (AutoTokenizer.from_pretrained(folder) for folder in (source, small))
    assert outcome.tokens == (len(old), len(new)) and 200 < len(new) < 0.95 * len(old)
    lines = [text for given in own.values() for text in given]
    before, after = states(source, lines), states(small, lines)
    assert before[0] == after[0]
    assert all(torch.equal(one, other) for one, other in zip(before[1], after[1], strict=True))
    finer = {}
    for code, given in others.items():
        cut = [[tokenizer.tokenize(text) for tokenizer in (old, new)] for text in given]
        finer[code] = sum(one != other for one, other in cut)
        assert sum(len(one) for one, _ in cut) <= sum(len(other) for _, other in cut)
    assert outcome.finer == finer and outcome.texts == {code: len(given) for code, given in others.items()}
    assert 0 < sum(finer.values()) < sum(outcome.texts.values())
    names = [name for name in ("pad", "bos", "eos", "cls", "sep", "mask", "unk") if name in KINDS[kind][1]]
    config = AutoConfig.from_pretrained(small)
    assert config.vocab_size == len(new) and config.pad_token_id == new.pad_token_id
    for name in names:
        assert getattr(new, f"{name}_token") == getattr(old, f"{name}_token")
        assert getattr(config, f"{name}_token_id", None) in (None, getattr(new, f"{name}_token_id"))
    assert new.model_max_length == 300 and new.model_input_names == old.model_input_names
    pairs = [tokenizer(own["de"][0], own["en"][1])["input_ids"] for tokenizer in (old, new)]
    assert old.convert_ids_to_tokens(pairs[0]) == new.convert_ids_to_tokens(pairs[1])
    loaded = AutoModel.from_pretrained(small)
    assert outcome.parameters[1] == sum(weight.numel() for weight in loaded.parameters())
    assert outcome.parameters[0] - outcome.parameters[1] == (len(old) - len(new)) * 32
    record = json.loads((small / "trim.json").read_text(encoding="utf-8"))
    assert record["model"] is None and record["finer"] == finer and str(tmp_path) not in json.dumps(record)
    assert str(source) not in (small / "config.json").read_text(encoding="utf-8")


def test_without_others_each_text_is_counted_against_the_rest(encoders: dict[str, Path], tmp_path: Path) -> None:
    own = {"en": texts(0, 12)["en"], "ar": texts(0, 5)["ar"]}
    outcome = trim_vocabulary(encoders["wordpiece"], own, tmp_path / "small")
    tokenizer = AutoTokenizer.from_pretrained(encoders["wordpiece"])
    settings, always = json.loads(tokenizer.backend_tokenizer.to_str()), always_kept(tokenizer)
    pieces = {(code, text): set(tokenizer(text)["input_ids"]) for code, lines in own.items() for text in lines}
    finer = dict.fromkeys(own, 0)
    for place, ids in pieces.items():
        rest = set().union(*(other for key, other in pieces.items() if key != place))
        finer[place[0]] += not ids <= complete(settings, always | rest)
    assert outcome.finer == finer and 0 < finer["en"] < 12 and not outcome.others
    assert "further texts like these" in outcome.summary()


def test_merges_are_those_of_the_tokenizer(encoders: dict[str, Path]) -> None:
    """Made of its characters by its merges alone, a piece comes out whole."""
    settings = json.loads((encoders["bytes"] / "tokenizer.json").read_text(encoding="utf-8"))
    merges = [tuple(pair) for pair in settings["model"]["merges"]]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    for left, right in merges[::7]:
        applied = merges_of(left + right, ranks)
        alone = [pair for pair in merges if pair in applied]
        characters = {character: index for index, character in enumerate(sorted(set(left + right)))}
        vocabulary = dict(characters)
        for pair in alone:
            vocabulary.setdefault("".join(pair), len(vocabulary))
        tokenizer = Tokenizer(models.BPE(vocabulary, alone))
        assert tokenizer.encode(left + right).tokens == [left + right] == ["".join(applied[-1])]


def test_a_trimmed_encoder_is_wrapped_and_its_card_goes_along(
    tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path
) -> None:
    source = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, source)
    (source / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    lines = [" ".join(WORDS["de"]), "ein hund schläft"]
    trim_vocabulary(source, {"de": lines}, tmp_path / "small")
    assert (tmp_path / "small" / "README.md").read_text(encoding="utf-8") == "---\nlicense: mit\n---\n"
    found = []
    for folder in (source, tmp_path / "small"):
        torch.manual_seed(0)
        model = DlfaForSequenceClassification.from_backbone(folder, fusion_layers=1, num_labels=3)
        inputs = AutoTokenizer.from_pretrained(folder)(lines, padding=True, return_tensors="pt")
        found.append(model(**inputs).logits)
    assert torch.equal(*found)
    with pytest.raises(ValueError, match="The glyphs were made for another vocabulary"):
        DlfaForSequenceClassification.from_backbone(tmp_path / "small", fusion_layers=1, glyphs=tiny_glyphs)


@pytest.mark.parametrize("model_class", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_a_checkpoint_keeps_its_answers_and_its_glyphs(
    model_class: Any, tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"fusion_layers": 1, "glyphs": tiny_glyphs, "num_labels": 3}
    model = model_class.from_backbone(tiny_encoder, **options, dtype=torch.float16)
    model.save_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    save_tokenizer(tokenizer, tmp_path / "model")
    text = " ".join(WORDS["de"])
    outcome = trim_vocabulary(tmp_path / "model", {"de": [text]}, tmp_path / "small")
    small = model_class.from_pretrained(tmp_path / "small", dtype="auto")
    trimmed = AutoTokenizer.from_pretrained(tmp_path / "small")
    kept = {*tokenizer.all_special_ids, *tokenizer(text)["input_ids"]}
    assert outcome.tokens == (47, len(kept)) and 15 < len(kept) < 20 and small.dtype == torch.float16
    with torch.no_grad():
        expected = model(**tokenizer(text, return_tensors="pt")).logits
        assert torch.equal(small(**trimmed(text, return_tensors="pt")).logits, expected)
    rows = GlyphTable.load(tiny_glyphs).values
    for token, index in trimmed.get_vocab().items():
        assert torch.equal(small.dlfa.glyphs.table[index], rows[tokenizer.get_vocab()[token]])


def test_the_command(
    encoders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for code, lines in texts(0, 20).items():
        (tmp_path / f"{code}.txt").write_text("\n".join(["\ufeff" + lines[0], "", *lines[1:]]), encoding="utf-8")
    arguments = ["trim", str(encoders["unigram"]), "--texts", "{language}.txt", "--output_dir", "small"]
    dlfa([*arguments, "--languages", "en", "th", "--other_texts", "{language}.txt"])
    said = capsys.readouterr().out
    assert "Cut finer than before: of the other texts 0.0% (en 0.0%, th 0.0%)." in said and "Trimmed: small" in said
    record = json.loads((tmp_path / "small" / "trim.json").read_text(encoding="utf-8"))
    assert record["texts"] == {"en": 20, "th": 20}
    wrong = {
        "exists and is not empty": arguments,
        "no file for any language": [*arguments[:3], "{language}.tsv", "--output_dir", "new"],
        "bad.txt, line 2: not UTF-8": [*arguments[:3], "bad.txt", "--output_dir", "new"],
        "There are no texts": [*arguments[:3], "blank.txt", "--output_dir", "new"],
        "--languages is for names with": [*arguments[:3], "en.txt", "--output_dir", "new", "--languages", "en"],
        "there is no such folder": ["trim", str(tmp_path / "absent"), *arguments[2:4], "--output_dir", "new"],
    }
    (tmp_path / "bad.txt").write_bytes(b"good\nb\xe4d\n")
    (tmp_path / "blank.txt").write_text("\n \n", encoding="utf-8")
    for message, given in wrong.items():
        with pytest.raises(SystemExit) as stop:
            dlfa(given)
        captured = capsys.readouterr()
        assert stop.value.code == 2 and message in captured.err and captured.out == ""
        assert not (tmp_path / "new").exists()


def test_a_tokenizer_of_another_kind_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    for file in tiny_encoder.glob("[cm]*"):
        shutil.copyfile(file, tmp_path / file.name)
    words = {"[UNK]": 0, **{f"w{index}": index for index in range(1, 47)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="WordLevel"):
        trim_vocabulary(tmp_path, {"en": ["w1 w2"]}, tmp_path / "small")
    for given in ({"en": "a text"}, ["a text"]):
        with pytest.raises(InputError, match="Give the texts of each language as a list"):
            trim_vocabulary(tiny_encoder, given, tmp_path / "small")  # type: ignore[arg-type]
    assert not (tmp_path / "small").exists()
