"""From images to rows of d numbers: principal components, or a small convolutional autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import InputError

_CHUNK = 8192
_IMAGE = (1, 16, 64)  # What 2×2 pooling leaves of 32×128 pixels.

_TRAINING_IMAGES = 32_768
_EPOCHS = 10
_BATCH = 128
_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Encoded:
    """What an encoder made of images.

    Attributes:
        values: (U, d) 32 bits, not standardised.
        method: How, in words and numbers that JSON holds.
    """

    values: torch.Tensor
    method: dict[str, Any]


def principal_components(pixels: torch.Tensor, counts: torch.Tensor, size: int, seed: int) -> Encoded:
    """Projects images onto the principal components of a vocabulary.

    The same images give the same numbers: nothing is drawn by chance, and the sign of a component is the one that
    makes its largest weight positive. The covariance is summed over parts of the images, so that memory does not grow
    with the vocabulary.

    Args:
        pixels: (U, P) bytes, different images.
        counts: (U,) how many pieces look like each.
        size: d, how many components.
        seed: Not needed here.

    Raises:
        InputError: There are too few different images for that many components.
    """
    weights = counts.double()
    total = weights.sum()
    mean = torch.zeros(pixels.size(1), dtype=torch.float64)
    second = torch.zeros(pixels.size(1), pixels.size(1), dtype=torch.float64)
    for part, chunk in _chunks(pixels):
        mean += weights[part] @ chunk.double()
        weighted = chunk * weights[part].sqrt().float().unsqueeze(1)
        second += (weighted.T @ weighted).double()
    mean /= total
    covariance = second / total - torch.outer(mean, mean)
    variances, vectors = torch.linalg.eigh(covariance)
    variances, vectors = variances.flip(0), vectors.flip(1)
    rank = int((variances > 1e-6 * variances[0]).sum())
    _check_size(size, min(rank, len(pixels) - 1))
    components = vectors[:, :size]
    largest = components.gather(0, components.abs().argmax(dim=0, keepdim=True))
    components = components * largest.sign()
    offset = (mean @ components).float()
    projection = components.float()
    values = torch.cat([chunk @ projection - offset for _, chunk in _chunks(pixels)])
    explained = float(variances[:size].sum() / variances.sum())
    return Encoded(values, {"encoder": "pca", "explained_variance": round(explained, 4)})


def convolutional_autoencoder(pixels: torch.Tensor, counts: torch.Tensor, size: int, seed: int) -> Encoded:
    """Encodes images by a network that was trained to draw them again from d numbers.

    Three convolutions with stride 2 and a linear layer, mirrored in the decoder; trained on up to 32,768 different
    images, 10 epochs, to the cross-entropy of each pixel's ink.

    Args:
        pixels: (U, P) bytes, different images.
        counts: (U,) how many pieces look like each; not needed here, each image is learnt once.
        size: d, how many numbers.
        seed: Of the weights, the images and their order.

    Raises:
        InputError: There are too few different images.
    """
    _check_size(size, len(pixels) - 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Autoencoder(size)
        chosen = torch.randperm(len(pixels))[:_TRAINING_IMAGES]
        steps = _EPOCHS * -(-len(chosen) // _BATCH)
        optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
        loss = torch.zeros(())
        for _ in range(_EPOCHS):
            summed = torch.zeros(())
            for batch in chosen[torch.randperm(len(chosen))].split(_BATCH):
                images = _images(pixels[batch])
                loss = nn.functional.binary_cross_entropy_with_logits(network(images), images)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                summed += loss.detach() * len(batch)
            loss = summed / len(chosen)
    network.eval()
    with torch.inference_mode():
        parts = [network.encoder(_images(pixels[start : start + _CHUNK])) for start in range(0, len(pixels), _CHUNK)]
    method = {
        "encoder": "conv",
        "training_images": len(chosen),
        "epochs": _EPOCHS,
        "batch_size": _BATCH,
        "learning_rate": _LEARNING_RATE,
        "last_epoch_loss": round(float(loss), 4),
    }
    return Encoded(torch.cat(parts).clone(), method)


ENCODERS: dict[str, Callable[[torch.Tensor, torch.Tensor, int, int], Encoded]] = {
    "pca": principal_components,
    "conv": convolutional_autoencoder,
}


def standardise(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Returns the values with mean 0 and standard deviation 1 in each column, over the pieces of a vocabulary.

    Args:
        values: (U, d).
        counts: (U,) how many pieces have each row.
    """
    weights = (counts / counts.sum()).double().unsqueeze(1)
    values = values.double()
    centred = values - (weights * values).sum(dim=0)
    scale = (weights * centred.square()).sum(dim=0).sqrt()
    return (centred / scale.clamp_min(1e-12)).float()


class _Autoencoder(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        narrow = (64, _IMAGE[1] // 8, _IMAGE[2] // 8)
        features = narrow[0] * narrow[1] * narrow[2]
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(features, size),
        )
        self.decoder = nn.Sequential(
            nn.Linear(size, features),
            nn.GELU(),
            nn.Unflatten(1, narrow),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Draws (N, 1, 16, 64) images again, as logits of ink."""
        drawn: torch.Tensor = self.decoder(self.encoder(images))
        return drawn


def _images(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.view(-1, *_IMAGE).float() / 255


def _chunks(pixels: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, len(pixels), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield part, pixels[part].float() / 255


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise InputError(
            f"The vocabulary has too few different glyphs for rows of {size} numbers. Lower --size to {max(most, 1)}."
        )
