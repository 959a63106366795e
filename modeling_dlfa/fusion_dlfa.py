"""Fusion of a primary stream with secondary ones. This file travels with every checkpoint.

A stream is a B x T x E tensor aligned with the tokens: primary the last layer, secondary lower layers and glyphs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .configuration_dlfa import DlfaConfig

Fused = tuple[Tensor, Tensor | None]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


def masked_mean(stream: Tensor, mask: Tensor | None) -> Tensor:
    """Returns the mean (B x 1 x E) of a stream (B x T x E) over each sentence's real tokens, 0 if it has none.

    Real is where the mask (B x T) is 1 or True; without a mask all are. Values at padding do not matter.
    """
    if mask is None:
        return stream.mean(dim=1, keepdim=True)
    # Divide first, so that no sum over a long sentence overflows half precision.
    weights = mask.float() / mask.float().sum(dim=1, keepdim=True).clamp(min=1.0)
    return torch.bmm(weights.unsqueeze(1).to(stream.dtype), stream.masked_fill((mask == 0).unsqueeze(-1), 0.0))


def take(stream: Tensor, positions: Tensor) -> Tensor:
    """Returns one token (B x 1 x E) of each sentence of a stream (B x T x E), by its index (B)."""
    return stream.gather(1, positions.view(-1, 1, 1).expand(-1, 1, stream.size(-1)))


class Fusion(nn.Module):
    """Base of all fusions of secondary streams: DLFA and the fusions it is compared with share one call."""

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__()
        self.num_secondary = num_secondary

    def forward(
        self, primary: Tensor, secondary: Sequence[Tensor], mask: Tensor | None = None, positions: Tensor | None = None
    ) -> Fused:
        """Fuses the streams at every position, or at one position of each sentence with the same result there.

        Args:
            primary: B x T x E.
            secondary: The secondary streams, each B x T x E.
            mask: B x T, 1 (or True) for a real token; None if all are real.
            positions: B, the one position to fuse in each sentence; None for all.

        Returns:
            The fused stream, B x T x E (B x 1 x E with `positions`), and the gate: B x T x E with one secondary stream
            or `"excite"`, else B x T x S x E with the primary stream first; None for fusions without a gate.

        Raises:
            ValueError: The streams differ in shape, or the fusion was built for another number of them.
        """
        if len(secondary) != self.num_secondary or any(stream.shape != primary.shape for stream in secondary):
            raise ValueError(
                f"{type(self).__name__} fuses {self.num_secondary} secondary streams of shape {tuple(primary.shape)}, "
                f"got {[tuple(stream.shape) for stream in secondary]}."
            )
        context = self._context(primary, secondary, mask)
        if positions is not None:
            primary, *secondary = [take(stream, positions) for stream in (primary, *secondary)]
        return self._fuse(primary, secondary, context)

    def _context(self, primary: Tensor, secondary: Sequence[Tensor], mask: Tensor | None) -> Tensor | None:
        """Returns what the fusion reads of the whole sentence (B x 1 x E), or None if it reads only single tokens."""
        return None

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        """Fuses token by token; arguments and result as in `forward`."""
        raise NotImplementedError(f"{type(self).__name__} does not define how it fuses.")


class LastLayer(Fusion):
    """The plain encoder: the primary stream unchanged. The baseline of every comparison."""

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        return primary, None


class LowerLayer(Fusion):
    """The one secondary stream unchanged: what a lower layer is worth alone. The blocks above it are not trained."""

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        return secondary[0], None


class MeanFusion(Fusion):
    """The mean of all streams."""

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        return sum(secondary, primary) / (1 + len(secondary)), None


class ConcatFusion(Fusion):
    """A linear map of the concatenated features that starts as the primary stream alone.

    The matrix is kept as one E x E block per stream: the same map without a concatenated copy.
    """

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__(config, num_secondary)
        size = config.hidden_size
        self.primary = nn.Linear(size, size)
        self.secondary = nn.ModuleList(nn.Linear(size, size, bias=False) for _ in range(num_secondary))

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        fused = self.primary(primary)
        for block, stream in zip(self.secondary, secondary, strict=True):
            fused = fused + block(stream)
        return fused, None


class ScalarMix(Fusion):
    """One softmax-normalised weight for every stream and one scale (Peters et al. 2018, equation 1)."""

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__(config, num_secondary)
        self.weights = nn.Parameter(torch.zeros(num_secondary + 1))
        self.scale = nn.Parameter(torch.ones(1))

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        shares = self.weights.softmax(dim=0).to(primary.dtype)
        fused = shares[-1] * primary
        for share, stream in zip(shares[:-1], secondary, strict=True):
            fused = fused + share * stream
        return self.scale.to(primary.dtype) * fused, None


class PointwiseBranch(nn.Module):
    """Two point-wise convolutions, E to E/r to the gate, with normalisation and non-linearity between them.

    A point-wise convolution over tokens is a linear map of each token's features. The normalisation is over a token's
    own features, so that no example sees another one (our reading; open-aff normalises over the batch).
    """

    def __init__(self, config: DlfaConfig, out_features: int, initial_bias: float) -> None:
        super().__init__()
        reduced = config.hidden_size // config.reduction_ratio
        norms = {"layer_norm": nn.LayerNorm, "rms_norm": nn.RMSNorm}
        self.squeeze = nn.Linear(config.hidden_size, reduced)
        self.norm = norms[config.fusion_norm](reduced, eps=1e-5) if config.fusion_norm in norms else nn.Identity()
        self.activation = ACTIVATIONS[config.fusion_activation]()
        self.dropout = nn.Dropout(config.fusion_dropout)
        self.expand = nn.Linear(reduced, out_features)
        self.initial_bias = initial_bias

    def forward(self, stream: Tensor) -> Tensor:
        """Maps B x T x E to B x T x `out_features`."""
        return self.expand(self.dropout(self.activation(self.norm(self.squeeze(stream)))))


class AIF(Fusion):
    """Attention-based fusion by a gate from a local and a global branch (Chen et al. 2022; details our reading).

    With W the sum of the streams, `a = sigmoid(local(W) + global(masked mean of W))`; one secondary stream Y gives
    `a*X + (1-a)*Y` (`"select"`, Dai et al. 2021) or `a*W` (`"excite"`). Several secondary streams are selected from by
    a softmax over the streams, which for one stream is the sigmoid (Li et al. 2019, Selective Kernel Networks).
    """

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__(config, num_secondary)
        self.gate = config.gate
        gates = num_secondary if config.gate == "select" else 1
        # Makes the gate `gate_init` while both branches give 0; one of the two biases is enough.
        bias = math.log(config.gate_init * gates / (1 - config.gate_init))
        self.local_branch = PointwiseBranch(config, gates * config.hidden_size, initial_bias=bias)
        self.global_branch = PointwiseBranch(config, gates * config.hidden_size, initial_bias=0.0)

    def _context(self, primary: Tensor, secondary: Sequence[Tensor], mask: Tensor | None) -> Tensor:
        # The mean is linear, so the sum W over the whole sentence is never built for it.
        means = [masked_mean(stream, mask) for stream in (primary, *secondary)]
        return self.global_branch(sum(means[1:], means[0]))

    def _fuse(self, primary: Tensor, secondary: Sequence[Tensor], context: Tensor | None) -> Fused:
        total = sum(secondary[1:], primary + secondary[0])
        logits = self.local_branch(total) + context
        if self.gate == "excite" or self.num_secondary == 1:
            gate = logits.sigmoid().to(primary.dtype)
            return (gate * total if self.gate == "excite" else torch.lerp(secondary[0], primary, gate)), gate
        logits = logits.unflatten(-1, (self.num_secondary, primary.size(-1)))
        logits = torch.cat((torch.zeros_like(logits[..., :1, :]), -logits), dim=-2)
        gate = logits.softmax(dim=-2).to(primary.dtype)
        fused = gate[..., 0, :] * primary
        for index, stream in enumerate(secondary, start=1):
            fused = fused + gate[..., index, :] * stream
        return fused, gate


FUSION_CLASSES: dict[str, type[Fusion]] = {"aif": AIF, "last": LastLayer, "layer": LowerLayer, "mean": MeanFusion}
FUSION_CLASSES |= {"concat": ConcatFusion, "scalar_mix": ScalarMix}


def init_fusion(module: nn.Module) -> None:
    """Initialises what the general rule (normal weights, zero biases) does not; runs after it, children first."""
    if isinstance(module, PointwiseBranch):
        nn.init.constant_(module.expand.bias, module.initial_bias)
    elif isinstance(module, ConcatFusion):
        nn.init.eye_(module.primary.weight)
        nn.init.zeros_(module.primary.bias)
        for block in module.secondary:
            nn.init.zeros_(block.weight)  # type: ignore[arg-type]
    elif isinstance(module, ScalarMix):
        nn.init.zeros_(module.weights)
        nn.init.ones_(module.scale)
