"""Fusion of a primary stream with secondary ones. This file travels with every checkpoint.

A stream is a B x T x E tensor aligned with the tokens. The primary stream is the last layer, the secondary streams are
lower layers; nothing here depends on that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from .configuration_dlfa import DlfaConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


def masked_means(streams: Sequence[torch.Tensor], mask: torch.Tensor | None) -> list[torch.Tensor]:
    """Returns the mean of each stream over the real tokens of each sentence.

    Args:
        streams: Each B x T x E.
        mask: B x T, 1 (or True) for a real token and 0 for padding; None where all are real.

    Returns:
        A B x 1 x E tensor for each stream, whatever stands at padding. A sentence without a real token gives zeros.
    """
    if mask is None:
        return [stream.mean(dim=1, keepdim=True) for stream in streams]
    padding = (mask == 0).unsqueeze(-1)
    mask = mask.float()
    # The division comes first, so that no sum over a long sentence overflows half precision.
    weights = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1.0)).unsqueeze(1)
    # A weight of 0 is not enough: 0 times NaN is NaN.
    return [torch.bmm(weights.to(stream.dtype), stream.masked_fill(padding, 0.0)) for stream in streams]


def masked_mean(stream: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Returns the mean of one stream, B x 1 x E, as `masked_means` does."""
    return masked_means((stream,), mask)[0]


def take(stream: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Returns one token of each sentence.

    Args:
        stream: B x T x E.
        positions: B, the index of the token in its sentence.

    Returns:
        B x 1 x E.
    """
    return stream.gather(1, positions.view(-1, 1, 1).expand(-1, 1, stream.size(-1)))


class FusionLinear(nn.Linear):
    """A linear map that remembers how it starts.

    Each module with weights knows its own initialisation: transformers v5 may skip modules that hold weights only
    through their children.

    Args:
        in_features: Size of the input's last dimension.
        out_features: Size of the output's last dimension.
        bias: Whether to add a bias.
        initial_weight: Name of the `torch.nn.init` function for the weight; None for the general rule.
        initial_bias: Value of the bias.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        initial_weight: str | None = None,
        initial_bias: float = 0.0,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.initial_weight = initial_weight
        self.initial_bias = initial_bias


class Fusion(nn.Module):
    """Base of all fusions: the same call for DLFA and what it is compared with.

    Args:
        config: Configuration of the model.
        num_secondary: Number of secondary streams.
    """

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__()
        self.num_secondary = num_secondary

    def forward(
        self,
        primary: torch.Tensor,
        secondary: Sequence[torch.Tensor],
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Fuses the streams at every position, or at one position of each sentence, which gives the same there.

        Args:
            primary: B x T x E.
            secondary: The secondary streams, each B x T x E.
            mask: B x T, 1 (or True) for a real token; None where all are real.
            positions: B, the only position of each sentence that is wanted; None for all.

        Returns:
            The fused stream, B x T x E (B x 1 x E with `positions`), and the gate, None for fusions that have none:
            B x T x E with one secondary stream or the `"excite"` gate, else B x T x S x E with the primary stream
            first.

        Raises:
            ValueError: Streams of different shapes, or not as many as the fusion was built for.
        """
        if len(secondary) != self.num_secondary or any(stream.shape != primary.shape for stream in secondary):
            raise ValueError(
                f"{type(self).__name__} fuses {self.num_secondary} secondary streams of shape {tuple(primary.shape)}, "
                f"got {[tuple(stream.shape) for stream in secondary]}."
            )
        context = self.context(primary, secondary, mask)
        if positions is not None:
            primary = take(primary, positions)
            secondary = [take(stream, positions) for stream in secondary]
        return self.fuse(primary, secondary, context)

    def context(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Returns what the fusion reads of the whole sentence (B x 1 x E), or None where it reads tokens alone."""
        return None

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Fuses token by token; arguments and result as in `forward`."""
        raise NotImplementedError(f"{type(self).__name__} does not define how it fuses.")


class LastLayer(Fusion):
    """The plain encoder: the primary stream as it is. The baseline of every comparison."""

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, None]:
        """Returns the primary stream."""
        return primary, None


class MeanFusion(Fusion):
    """The mean of all streams."""

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, None]:
        """Returns the mean."""
        return sum(secondary, primary) / (1 + len(secondary)), None


class ConcatFusion(Fusion):
    """A linear map of the concatenated features, starting from the primary stream alone.

    The matrix is kept as one E x E block a stream, which is the same map and needs no concatenated copy.
    """

    def __init__(self, config: DlfaConfig, num_secondary: int) -> None:
        super().__init__(config, num_secondary)
        size = config.hidden_size
        self.primary = FusionLinear(size, size, initial_weight="eye_")
        self.secondary = nn.ModuleList(
            FusionLinear(size, size, bias=False, initial_weight="zeros_") for _ in range(num_secondary)
        )

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, None]:
        """Returns the sum of the mapped streams."""
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

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, None]:
        """Returns the weighted sum of all streams."""
        shares = self.weights.softmax(dim=0).to(primary.dtype)
        fused = shares[-1] * primary
        for share, stream in zip(shares[:-1], secondary, strict=True):
            fused = fused + share * stream
        return self.scale.to(primary.dtype) * fused, None


class PointwiseBranch(nn.Module):
    """Two point-wise convolutions, E to E/r to the gate, with normalisation and non-linearity between.

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
        self.expand = FusionLinear(reduced, out_features, initial_bias=initial_bias)

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
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
        # Makes the gate `gate_init` where both branches are silent; one bias of the two is enough.
        bias = math.log(config.gate_init * gates / (1 - config.gate_init))
        self.local_branch = PointwiseBranch(config, gates * config.hidden_size, initial_bias=bias)
        self.global_branch = PointwiseBranch(config, gates * config.hidden_size, initial_bias=0.0)

    def context(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Returns the global branch of the gate, before the sigmoid."""
        # The mean is linear: the sum W is never built over the whole sentence for its sake.
        means = masked_means((primary, *secondary), mask)
        return self.global_branch(sum(means[1:], means[0]))

    def fuse(
        self, primary: torch.Tensor, secondary: Sequence[torch.Tensor], context: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns the gated streams and the gate."""
        total = sum(secondary[1:], primary + secondary[0])
        logits = self.local_branch(total) + context
        if self.gate == "excite":
            gate = logits.sigmoid().to(primary.dtype)
            return gate * total, gate
        if self.num_secondary == 1:
            gate = logits.sigmoid().to(primary.dtype)
            return torch.lerp(secondary[0], primary, gate), gate
        logits = logits.unflatten(-1, (self.num_secondary, primary.size(-1)))
        logits = torch.cat((torch.zeros_like(logits[..., :1, :]), -logits), dim=-2)
        gate = logits.softmax(dim=-2).to(primary.dtype)
        fused = gate[..., 0, :] * primary
        for index, stream in enumerate(secondary, start=1):
            fused = fused + gate[..., index, :] * stream
        return fused, gate


FUSION_CLASSES: dict[str, type[Fusion]] = {
    "aif": AIF,
    "last": LastLayer,
    "mean": MeanFusion,
    "concat": ConcatFusion,
    "scalar_mix": ScalarMix,
}


def init_fusion(module: nn.Module) -> None:
    """Initialises what the general rule (normal weights, zero biases) does not: called after it, on every module."""
    if isinstance(module, FusionLinear):
        if module.initial_weight is not None:
            getattr(nn.init, module.initial_weight)(module.weight)
        if module.bias is not None:
            nn.init.constant_(module.bias, module.initial_bias)
    elif isinstance(module, ScalarMix):
        nn.init.zeros_(module.weights)
        nn.init.ones_(module.scale)
