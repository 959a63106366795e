"""From images to few numbers: principal components and the autoencoder."""

from __future__ import annotations

import pytest
import torch

from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs import features
from modeling_dlfa.glyphs.features import convolutional_autoencoder, principal_components, standardise


def images(count: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Different images with some structure, and how many pieces look like each."""
    generator = torch.Generator().manual_seed(1)
    basis = torch.rand(20, 1024, generator=generator)
    mixed = torch.rand(count, 20, generator=generator) ** 4 @ basis
    pixels = (mixed / mixed.max() * 255).to(torch.uint8)
    return pixels, torch.randint(1, 5, (count,), generator=generator)


def test_principal_components_are_those_of_the_vocabulary() -> None:
    # Against the definition: a singular value decomposition of all pieces' centred images.
    pixels, counts = images()
    whole = pixels.repeat_interleave(counts, dim=0).double() / 255
    centred = whole - whole.mean(dim=0)
    _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
    encoded = principal_components(pixels, counts, 8, 0)
    expected = (pixels.double() / 255 - whole.mean(dim=0)) @ directions[:8].T
    largest = directions[:8].gather(1, directions[:8].abs().argmax(dim=1, keepdim=True))
    torch.testing.assert_close(encoded.values, (expected * largest.sign().T).float(), rtol=1e-3, atol=1e-4)
    share = float(singular[:8].square().sum() / singular.square().sum())
    assert encoded.method["explained_variance"] == pytest.approx(share, abs=1e-3)


def test_parts_do_not_change_the_components(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, counts = images()
    whole = principal_components(pixels, counts, 8, 0).values
    monkeypatch.setattr(features, "_CHUNK", 7)
    torch.testing.assert_close(principal_components(pixels, counts, 8, 0).values, whole, rtol=1e-3, atol=1e-4)


def test_too_few_images_for_that_many_numbers() -> None:
    pixels, counts = images(10)
    for encode in (principal_components, convolutional_autoencoder):
        with pytest.raises(InputError, match="too few different glyphs for rows of 10 numbers. Lower --size to 9"):
            encode(pixels, counts, 10, 0)


def test_the_autoencoder_learns_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, counts = images()
    state = torch.random.get_rng_state()
    monkeypatch.setattr(features, "_EPOCHS", 1)
    short = convolutional_autoencoder(pixels, counts, 8, 3)
    monkeypatch.setattr(features, "_EPOCHS", 6)
    first, again, other = (convolutional_autoencoder(pixels, counts, 8, seed) for seed in (3, 3, 4))
    assert torch.equal(first.values, again.values) and first.method == again.method
    assert not torch.equal(first.values, other.values)
    assert first.method["last_epoch_loss"] < short.method["last_epoch_loss"]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_columns_are_standardised_over_pieces() -> None:
    values, counts = torch.randn(50, 3) * torch.tensor([1.0, 10.0, 0.1]) + 5, torch.randint(1, 9, (50,))
    pieces = standardise(values, counts).repeat_interleave(counts, dim=0)
    torch.testing.assert_close(pieces.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(pieces.std(dim=0, correction=0), torch.ones(3), atol=1e-5, rtol=0)
