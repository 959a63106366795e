"""The visual stream: its formula, where its rows come from, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer, BertModel, Trainer, TrainingArguments

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel
from modeling_dlfa.glyphs import GlyphTable
from modeling_dlfa.glyphs_dlfa import GlyphStream, read_glyphs

from .backbones import MODEL_CLASSES, backbone_config, batch, build, labels
from .conftest import WORDS

NAME = "bert-glyphs"
D = 6  # Columns of the tiny tables.
EVERY = (
    {},
    {"gate": "excite"},
    {"fusion_layers": []},
    {"fusion_layers": [0, 2]},
    {"fusion_layers": [], "gate": "excite"},
    *({"fusion": fusion, "fusion_layers": layers} for fusion in ("mean", "concat") for layers in (1, [])),
    {"fusion": "scalar_mix"},
)
each_fusion = pytest.mark.parametrize("values", EVERY, ids=lambda values: "-".join(map(str, values.values())) or "aif")


def looks(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# The formula


def stream_by_hand(stream: GlyphStream, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """LayerNorm(Linear(depth-wise convolution(rows))), a token and a neighbour at a time."""
    length = rows.shape[1]
    rows = rows * mask[..., None]
    if stream.neighbours is not None:
        kernel, near = stream.neighbours.weight[:, 0], stream.neighbours.kernel_size[0] // 2
        mixed = torch.zeros_like(rows)
        for token in range(length):
            for place, neighbour in enumerate(range(token - near, token + near + 1)):
                if 0 <= neighbour < length:
                    mixed[:, token] += kernel[:, place] * rows[:, neighbour]
        rows = mixed
    mapped = rows @ stream.projection.weight.T + stream.projection.bias
    centred = mapped - mapped.mean(-1, keepdim=True)
    normed = centred / (mapped.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return normed * stream.norm.weight + stream.norm.bias


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_stream_is_its_formula(kernel: int) -> None:
    model = build(DlfaModel, NAME, glyph_kernel_size=kernel)
    inputs = batch(NAME)
    mask, real = inputs["attention_mask"], inputs["attention_mask"].bool()
    found = model.glyphs(inputs["input_ids"], None, mask, mask.shape[1])
    expected = stream_by_hand(model.glyphs, model.glyphs.table[inputs["input_ids"]].float(), mask)
    torch.testing.assert_close(found[real], expected[real])


def test_it_is_the_last_of_the_secondary_streams() -> None:
    model = build(DlfaModel, NAME, fusion="concat", fusion_layers=[0, 2])
    inputs = batch(NAME)
    with torch.no_grad():
        for block in [model.fusion.primary, *model.fusion.secondary]:
            block.weight.zero_()
        model.fusion.primary.bias.zero_()
        model.fusion.secondary[2].weight.copy_(torch.eye(32))
        expected = model.glyphs(inputs["input_ids"], None, inputs["attention_mask"], 9)
        torch.testing.assert_close(model(**inputs).last_hidden_state, expected)


def test_the_convolution_starts_as_none() -> None:
    config = DlfaConfig(backbone_config("bert"), fusion_layers=1, glyph_size=D, glyph_kernel_size=3)
    torch.manual_seed(0)
    model = DlfaModel(config).eval()
    model.glyphs.fill(looks(99, D))
    inputs = batch("bert")
    whole = model(**inputs).last_hidden_state
    model.glyphs.neighbours = None
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(model(**inputs).last_hidden_state[real], whole[real])


# In every fusion


@each_fusion
@pytest.mark.parametrize("model_class", MODEL_CLASSES)
def test_looks_matter_and_padding_does_not(model_class: type, values: dict[str, Any], tmp_path: Path) -> None:
    pooled = {"pooling": "mean"} if model_class is not DlfaForTokenClassification else {}
    model = build(model_class, NAME, **values, **pooled)
    inputs, real = batch(NAME), batch(NAME)["attention_mask"].bool()
    with torch.no_grad():
        output = model(**inputs, output_fusion_weights=True)
        before = output[0][real] if output[0].dim() == 3 else output[0]
        junk = {**inputs, "input_ids": inputs["input_ids"].masked_fill(~real, 77)}
        rows = model.base_model.glyphs.table[inputs["input_ids"]].float()
        spoilt = rows.masked_fill(~real[..., None], float("nan"))
        for same in (junk, {**inputs, "visual_embeds": rows}, {**inputs, "visual_embeds": spoilt}):
            after = model(**same)[0]
            assert torch.equal(after[real] if after.dim() == 3 else after, before)
        other = model(**inputs, visual_embeds=looks(3, 9, D))[0]
        assert not torch.allclose(other[real] if other.dim() == 3 else other, before, atol=1e-3)
        model.save_pretrained(tmp_path)
        again = model_class.from_pretrained(tmp_path)(**inputs)[0]
        assert torch.equal(again[real] if again.dim() == 3 else again, before)


@pytest.mark.parametrize(("layers", "streams"), [([], 2), (1, 3), ([0, 2], 4)])
def test_fusion_weights_tell_what_a_token_takes_from_its_look(layers: Any, streams: int) -> None:
    model = build(DlfaForTokenClassification, NAME, fusion_layers=layers)
    inputs = batch(NAME)
    real = inputs["attention_mask"].bool()
    full = model(**inputs, output_fusion_weights="full").fusion_weights
    shares = model(**inputs, output_fusion_weights=True).fusion_weights
    if streams == 2:  # As with one layer: the last layer's share, the look's being the rest.
        assert full.shape == (3, 9, 32) and shares.shape == (3, 9)
        full = torch.stack((full, 1 - full), dim=2)
    assert full.shape == (3, 9, streams, 32)
    states = model(**inputs, output_hidden_states=True).hidden_states
    look = model.dlfa.glyphs(inputs["input_ids"], None, inputs["attention_mask"], 9)
    parts = torch.stack([states[3], *(states[layer] for layer in model.config.fusion_layers), look], dim=2)
    fused = model.dlfa(**inputs).last_hidden_state
    torch.testing.assert_close((full * parts).sum(2)[real], fused[real])


# visual_embeds


def test_one_look_for_all_tokens() -> None:
    model, inputs = build(DlfaForSequenceClassification, NAME), batch(NAME)
    one = looks(3, 1, D)
    expected = model(**inputs, visual_embeds=one.expand(3, 9, D)).logits
    assert torch.equal(model(**inputs, visual_embeds=one).logits, expected)
    assert not torch.allclose(expected, model(**inputs).logits, atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 9, D + 1), (3, 8, D), (3, D), (3, 1, 9, D)])
def test_looks_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"visual_embeds is .*; give B x 9 x {D}, or B x 1 x {D} for all"):
        build(DlfaModel, NAME)(**batch(NAME), visual_embeds=looks(*shape))


def test_a_model_without_a_visual_stream_refuses_looks() -> None:
    with pytest.raises(ValueError, match="glyph_size=0"):
        build(DlfaModel, "bert")(**batch("bert"), visual_embeds=looks(3, 9, D))


def test_a_mask_that_is_not_of_padding_is_refused_beside_glyphs() -> None:
    model, inputs = build(DlfaForTokenClassification, NAME, fusion="mean"), batch(NAME)
    inputs["attention_mask"] = inputs["attention_mask"][:, None, :].expand(-1, 9, -1)
    with pytest.raises(ValueError, match="B x T"):
        model(**inputs)


def test_gradients_reach_what_made_the_looks_and_padding_spoils_none() -> None:
    model, inputs = build(DlfaForTokenClassification, NAME).train(), batch(NAME)
    rows = looks(3, 9, D).masked_fill(inputs["attention_mask"][..., None] == 0, float("nan")).requires_grad_()
    model(**inputs, visual_embeds=rows, **labels(DlfaForTokenClassification, inputs)).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    real = inputs["attention_mask"].bool()
    assert rows.grad is not None and rows.grad[real].abs().min() > 0


class ImageEncoder(nn.Module):
    """An image encoder of transformers with drawn weights: B x 1 x 32 x 64 to B x 16."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"num_channels": 1}
        if kind == "resnet":
            sizes |= {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
        else:
            sizes |= {"image_size": (32, 64), "patch_size": 16, "hidden_size": 16, "num_hidden_layers": 1}
            sizes |= {"num_attention_heads": 2, "intermediate_size": 32}
        self.model = AutoModel.from_config(CONFIG_MAPPING[kind](**sizes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images).pooler_output.flatten(1)


def drawn(word: str) -> torch.Tensor:
    """The image of a word, 1 x 32 x 64."""
    image, drawing, font = (pytest.importorskip(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    canvas = image.new("L", (64, 32))
    drawing.Draw(canvas).text((2, 4), word, fill=255, font=font.load_default(16))
    return torch.tensor(list(canvas.tobytes()), dtype=torch.float32).view(1, 32, 64) / 255


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_features_of_an_image_encoder_enter_and_train_it(kind: str, tiny_encoder: Path) -> None:
    torch.manual_seed(0)
    vision, size = ImageEncoder(kind), 16
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    options = {"fusion_layers": [], "glyph_size": size, "glyph_table": False, "pooling": "mean"}
    model = DlfaForSequenceClassification.from_backbone(tiny_encoder, num_labels=2, **options)
    sentences = [" ".join(WORDS["de"][:4]), " ".join(WORDS["en"][:4])]
    inputs = tokenizer(sentences, return_tensors="pt")
    assert inputs["input_ids"].shape == (2, 6)
    words = [tokenizer.convert_ids_to_tokens(row) for row in inputs["input_ids"].tolist()]
    images = torch.stack([drawn(word) for row in words for word in row])
    assert len({image.sum().item() for image in images}) > 6
    with pytest.raises(ValueError, match="no table of glyphs. Give visual_embeds"):
        model(**inputs)
    optimizer = torch.optim.AdamW([*vision.parameters(), *model.parameters()], lr=1e-2)
    losses = []
    for _ in range(8):
        features = vision(images).view(2, 6, size)
        loss = model(**inputs, visual_embeds=features, labels=torch.tensor([0, 1])).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        assert next(vision.parameters()).grad.abs().sum() > 0
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    sentence = vision(torch.stack([drawn(text) for text in sentences])).view(2, 1, size)
    assert model(**inputs, visual_embeds=sentence).logits.shape == (2, 2)


@pytest.mark.parametrize("given", [False, True])
def test_the_trainer_trains_and_predicts(given: bool, tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path) -> None:
    table = {"glyph_size": D, "glyph_table": False} if given else {"glyphs": tiny_glyphs}
    options = {"fusion_layers": 1, "pooling": "mean", "num_labels": 2, **table}
    model = DlfaForSequenceClassification.from_backbone(tiny_encoder, **options)
    ids = torch.randint(5, 40, (16, 8), generator=torch.Generator().manual_seed(0))
    rows = [{"input_ids": row, "labels": int(row[0]) % 2} for row in ids]
    if given:
        rows = [{**row, "visual_embeds": looks(8, D, seed=index)} for index, row in enumerate(rows)]
    before = {name: value.clone() for name, value in model.state_dict().items() if ".glyphs." in name}
    arguments = TrainingArguments(str(tmp_path), max_steps=3, learning_rate=1e-2, report_to="none", use_cpu=True)
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    changed = {name for name, value in before.items() if not torch.equal(value, model.state_dict()[name])}
    assert changed == before.keys() - {"dlfa.glyphs.table"}
    assert trainer.predict(rows).predictions.shape == (16, 2)
    trainer.save_model(str(tmp_path / "saved"))
    again = DlfaForSequenceClassification.from_pretrained(tmp_path / "saved")
    extra = {"visual_embeds": torch.stack([row["visual_embeds"] for row in rows])} if given else {}
    with torch.no_grad():
        assert torch.equal(again(ids, **extra).logits, model.eval()(ids, **extra).logits)


# The table


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_table_stays_in_half_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    model = build(DlfaForTokenClassification, NAME)
    table = model.dlfa.glyphs.table.clone()
    assert table.dtype == torch.float16
    model.save_pretrained(tmp_path)
    for other in (DlfaForTokenClassification.from_pretrained(tmp_path, dtype=dtype), model.to(dtype)):
        assert {parameter.dtype for parameter in other.parameters()} == {dtype}
        assert other.dlfa.glyphs.table.dtype == torch.float16 and torch.equal(other.dlfa.glyphs.table, table)
        assert other(**batch(NAME)).logits.isfinite().all()


def test_from_backbone_reads_a_folder_or_takes_a_table(tiny_encoder: Path, tiny_glyphs: Path) -> None:
    values = GlyphTable.load(tiny_glyphs).values
    models = []
    for glyphs in (tiny_glyphs, str(tiny_glyphs), values, values.float()):
        torch.manual_seed(0)
        models.append(DlfaForTokenClassification.from_backbone(tiny_encoder, fusion_layers=1, glyphs=glyphs))
    states = [model.state_dict() for model in models]
    assert all(torch.equal(state[name], value) for state in states for name, value in states[0].items())
    assert models[0].config.glyph_size == D and torch.equal(models[0].dlfa.glyphs.table, values)
    encoder = BertModel.from_pretrained(tiny_encoder)
    encoder.resize_token_embeddings(64)
    shared = DlfaModel.from_backbone(encoder, fusion_layers=1, glyphs=tiny_glyphs)
    rows = len(values)
    assert torch.equal(shared.glyphs.table[:rows], values) and len(shared.glyphs.table) == 64
    assert not shared.glyphs.table[rows:].any()


def test_one_seed_gives_the_same_head_with_glyphs_and_without(tiny_encoder: Path, tiny_glyphs: Path) -> None:
    heads = []
    for glyphs in (None, tiny_glyphs):
        torch.manual_seed(3)
        model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1, glyphs=glyphs)
        heads.append(model.classifier.weight)
    assert torch.equal(*heads)


def test_tables_that_do_not_fit_are_refused(tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path) -> None:
    other, bare = tmp_path / "other", tmp_path / "bare"
    shutil.copytree(tiny_encoder, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_encoder / name, bare)
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (other, {"glyphs": tiny_glyphs}, "made of another vocabulary .* Make them of the model's own tokenizer"),
        (bare, {"glyphs": tiny_glyphs}, "has no tokenizer that loads|made of another vocabulary"),
        (tiny_encoder, {"glyphs": tmp_path}, "does not hold a table of glyphs.*Make one with dlfa glyphs"),
        (tiny_encoder, {"glyphs": looks(200, D)}, "200 rows of 6; the configuration has room for"),
        (tiny_encoder, {"glyphs": looks(10, D), "glyph_size": 5}, "10 rows of 6"),
        (tiny_encoder, {"glyphs": looks(10, D), "glyph_table": False}, "room for 0 of 0"),
        (tiny_encoder, {"glyphs": looks(10)}, "V x d numbers"),
        (tiny_encoder, {"glyphs": looks(10, D) * 1e9}, "finite in half precision"),
        (tiny_encoder, {"glyph_size": D}, "needs glyphs=..., or glyph_table=False"),
        (tiny_encoder, {"glyphs": tiny_glyphs, "fusion": "last"}, "glyph_size has no effect with fusion='last'"),
    ]
    for folder, options, message in cases:
        layers = {} if options.get("fusion") == "last" else {"fusion_layers": 1}
        with pytest.raises(ValueError, match=message):
            DlfaModel.from_backbone(folder, **layers, **options)
    config = DlfaConfig(BertModel.from_pretrained(tiny_encoder).config, fusion_layers=1)
    with pytest.raises(ValueError, match="room for 0 of 0"):
        DlfaModel.from_backbone(tiny_encoder, config=config, glyphs=tiny_glyphs)


def test_a_control_keeps_its_name(tiny_encoder: Path, tiny_glyphs: Path, tiny_control: Path, tmp_path: Path) -> None:
    model = DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, fusion_layers=1)
    model.save_pretrained(tmp_path)
    again = DlfaModel.from_pretrained(tmp_path)
    assert model.config.glyph_table == again.config.glyph_table == "permuted"
    assert torch.equal(again.glyphs.table, GlyphTable.load(tiny_control).values)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert saved["glyph_table"] == "permuted"
    real = DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_glyphs, fusion_layers=1).config
    assert real.glyph_table is True
    for config, folder, needed in ((real, tiny_control, "'permuted'"), (again.config, tiny_glyphs, "True")):
        with pytest.raises(ValueError, match=f"does not fit {folder}; it needs {needed}"):
            DlfaModel.from_backbone(tiny_encoder, glyphs=folder, config=config)
    with pytest.raises(ValueError, match="glyph_table=True does not fit"):
        DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, fusion_layers=1, glyph_table=True)
    assert DlfaModel.from_backbone(tiny_encoder, glyphs=tiny_control, config=again.config).glyphs is not None


def test_checkpoints_from_before_controls_had_names_load(tmp_path: Path) -> None:
    model = build(DlfaModel, NAME)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert saved["glyph_table"] is True  # As it was written before.
    del saved["glyph_table"]
    (tmp_path / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    assert DlfaModel.from_pretrained(tmp_path).config.glyph_table is True


@pytest.mark.parametrize("key", ["format", "tokenizer", "columns"])
def test_a_record_that_lacks_something_is_named(key: str, tiny_glyphs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "glyphs"
    shutil.copytree(tiny_glyphs, folder)
    record = json.loads((folder / "glyphs.json").read_text(encoding="utf-8"))
    del record[key]
    (folder / "glyphs.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"does not hold a table of glyphs.*'{key}'"):
        read_glyphs(folder)
