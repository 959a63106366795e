"""The mathematics of the fusions, against formulas written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from modeling_dlfa import DlfaConfig
from modeling_dlfa.fusion_dlfa import AIF, FUSION_CLASSES, Fusion, init_fusion, masked_mean, take
from modeling_dlfa.values_dlfa import READ_BY

B, T, E = 3, 7, 8


def build(fusion: str = "aif", num_secondary: int = 1, **values: object) -> Fusion:
    """A fusion with random weights everywhere, in double precision."""
    layers = list(range(num_secondary))
    backbone = {"model_type": "bert", "num_hidden_layers": 4, "hidden_size": E, "num_attention_heads": 2}
    values |= {"reduction_ratio": 2, "fusion_layers": layers}
    acting = {name: value for name, value in values.items() if fusion in READ_BY.get(name, [fusion])}
    config = DlfaConfig(backbone, fusion=fusion, **acting)
    torch.manual_seed(0)
    module = FUSION_CLASSES[fusion](config, num_secondary).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.eval()


@pytest.fixture
def streams() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(B, T, E, dtype=torch.double) for _ in range(4)]


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [0] * 2 + [1] * 5])


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + (-x).exp())


def branch(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Squeeze, layer normalisation, ReLU, expansion, written out."""
    y = x @ module.squeeze.weight.T + module.squeeze.bias
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    y = (y * module.norm.weight + module.norm.bias).clamp(min=0)
    return y @ module.expand.weight.T + module.expand.bias


def sentence_mean(w: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([w[i][mask[i].bool()].mean(0) for i in range(len(w))])[:, None]


@pytest.mark.parametrize("gate", ["select", "excite"])
def test_aif_is_its_equation(gate: str, streams: list[torch.Tensor], mask: torch.Tensor) -> None:
    aif = build(gate=gate)
    x, y = streams[:2]
    w = x + y
    a = sigmoid(branch(aif.local_branch, w) + branch(aif.global_branch, sentence_mean(w, mask)))
    expected = a * x + (1 - a) * y if gate == "select" else a * w
    fused, weights = aif(x, [y], mask)
    torch.testing.assert_close(fused, expected)
    torch.testing.assert_close(weights, a)


def test_several_layers_are_selected_by_softmax(streams: list[torch.Tensor], mask: torch.Tensor) -> None:
    aif = build(num_secondary=3)
    w = sum(streams)
    logits = branch(aif.local_branch, w) + branch(aif.global_branch, sentence_mean(w, mask))
    shares = torch.cat([torch.zeros(B, T, 1, E), -logits.view(B, T, 3, E)], dim=2).softmax(2)
    fused, weights = aif(streams[0], streams[1:], mask)
    torch.testing.assert_close(weights, shares)
    torch.testing.assert_close(fused, (shares * torch.stack(streams, dim=2)).sum(2))
    torch.testing.assert_close(weights.sum(2), torch.ones(B, T, E, dtype=torch.double))


def test_softmax_over_one_lower_layer_is_the_sigmoid_gate() -> None:
    s = torch.linspace(-6, 6, 13, dtype=torch.double)
    torch.testing.assert_close(torch.stack([torch.zeros_like(s), -s]).softmax(0)[0], s.sigmoid())


def test_mean_concat_and_scalar_mix(streams: list[torch.Tensor]) -> None:
    x, *rest = streams
    torch.testing.assert_close(build("mean", 3)(x, rest)[0], sum(streams) / 4)
    concat = build("concat", 3)
    matrix = torch.cat([concat.primary.weight, *(block.weight for block in concat.secondary)], dim=1)
    torch.testing.assert_close(concat(x, rest)[0], torch.cat(streams, -1) @ matrix.T + concat.primary.bias)
    mix = build("scalar_mix", 4)
    shares = mix.weights.softmax(0)
    layers = [*rest, rest[0]]  # The primary stream is the last of all layers.
    expected = mix.scale * (sum(s * layer for s, layer in zip(shares[:-1], layers, strict=True)) + shares[-1] * x)
    torch.testing.assert_close(mix(x, layers)[0], expected)
    assert build("last", 0)(x, [])[0] is x
    assert build("layer", 1)(x, rest[:1])[0] is rest[0]


@pytest.mark.parametrize("fusion", ["aif", "mean", "concat", "scalar_mix", "last", "layer"])
@pytest.mark.parametrize("gate", ["select", "excite"])
def test_one_position_equals_the_full_computation(
    fusion: str, gate: str, streams: list[torch.Tensor], mask: torch.Tensor
) -> None:
    count = {"last": 0, "layer": 1, "scalar_mix": 4}.get(fusion, 2)
    module, secondary = build(fusion, count, gate=gate), (streams[1:] * 2)[:count]
    positions = torch.tensor([0, 3, 2])
    full, weights = module(streams[0], secondary, mask)
    one, one_weights = module(streams[0], secondary, mask, positions=positions)
    torch.testing.assert_close(one, take(full, positions), rtol=0, atol=1e-14)
    if weights is not None:
        chosen = torch.stack([weights[i, p] for i, p in enumerate(positions.tolist())])
        torch.testing.assert_close(one_weights[:, 0], chosen, rtol=0, atol=1e-14)


def test_junk_in_padding_changes_nothing_at_all(streams: list[torch.Tensor], mask: torch.Tensor) -> None:
    aif = build(num_secondary=2)
    clean = aif(streams[0], streams[1:3], mask)[0]
    junk = [torch.where(mask[..., None].bool(), stream, 1e30 * torch.ones_like(stream)) for stream in streams]
    real = mask.bool()
    assert torch.equal(aif(junk[0], junk[1:3], mask)[0][real], clean[real])


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("fusion", ["aif", "mean", "concat", "scalar_mix", "layer"])
def test_what_is_not_finite_in_padding_changes_nothing(
    fusion: str, junk: float, streams: list[torch.Tensor], mask: torch.Tensor
) -> None:
    count = 1 if fusion == "layer" else 2
    module = build(fusion, count)
    spoilt = [stream.masked_fill(~mask[..., None].bool(), junk) for stream in streams]
    real = mask.bool()
    clean, after = (module(found[0], found[1 : count + 1], mask)[0] for found in (streams, spoilt))
    assert torch.equal(after[real], clean[real])
    assert torch.equal(masked_mean(spoilt[0], mask), masked_mean(streams[0], mask))


def test_padding_and_company_change_nothing_beyond_rounding(streams: list[torch.Tensor], mask: torch.Tensor) -> None:
    aif = build()
    batch = aif(streams[0], streams[1:2], mask)[0]
    alone = aif(streams[0][1:2, :4], [streams[1][1:2, :4]])[0]
    torch.testing.assert_close(batch[1, :4], alone[0], rtol=0, atol=1e-13)
    order = torch.tensor([2, 0, 1])
    shuffled = aif(streams[0][order], [streams[1][order]], mask[order])[0]
    torch.testing.assert_close(shuffled, batch[order], rtol=0, atol=1e-13)


def test_masked_mean_in_half_precision_and_without_tokens() -> None:
    stream = torch.full((2, 512, E), 200.0, dtype=torch.float16)  # The sum, 102,400, exceeds half precision.
    mask = torch.ones(2, 512)
    mask[1] = 0
    mean = masked_mean(stream, mask)
    assert torch.isfinite(mean).all() and mean[0].sub(200).abs().max() < 1 and mean[1].abs().max() == 0
    torch.testing.assert_close(masked_mean(stream.float(), None), torch.full((2, 1, E), 200.0))


@pytest.mark.parametrize(("gate", "count"), [("select", 1), ("select", 3), ("excite", 1), ("excite", 3)])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_gate_starts_at_gate_init(gate: str, count: int, share: float, streams: list[torch.Tensor]) -> None:
    aif = build(num_secondary=count, gate=gate, gate_init=share)

    def silent(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        init_fusion(module)

    aif.apply(silent)  # Children first, as transformers does.
    weights = aif(streams[0], streams[1 : count + 1])[1]
    primary = weights[..., 0, :] if weights.dim() == 4 else weights
    torch.testing.assert_close(primary, torch.full_like(primary, share))
    if weights.dim() == 4:
        torch.testing.assert_close(weights[..., 1:, :], torch.full_like(weights[..., 1:, :], (1 - share) / count))


def test_concat_and_scalar_mix_start_from_what_is_known(streams: list[torch.Tensor]) -> None:
    for fusion, expected in (("concat", streams[0]), ("scalar_mix", sum(streams) / 4)):
        module = build(fusion, 3)
        for part in module.modules():
            init_fusion(part)
        torch.testing.assert_close(module(streams[0], streams[1:])[0], expected)


def test_streams_that_do_not_fit_are_refused(streams: list[torch.Tensor]) -> None:
    aif = build(num_secondary=2)
    with pytest.raises(ValueError, match="fuses 2 secondary streams"):
        aif(streams[0], streams[1:2])
    with pytest.raises(ValueError, match="fuses 2 secondary streams"):
        aif(streams[0], [streams[1], streams[2][:, :-1]])


def test_every_weight_of_the_fusion_is_trained(streams: list[torch.Tensor], mask: torch.Tensor) -> None:
    for fusion, count in (("aif", 1), ("aif", 3), ("concat", 2), ("scalar_mix", 3)):
        module = build(fusion, count).train()
        module(streams[0], streams[1 : count + 1], mask)[0].square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters()), fusion


def test_the_ratio_sets_the_squeeze() -> None:
    assert isinstance(build(), AIF) and build().local_branch.squeeze.out_features == E // 2
