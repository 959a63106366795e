"""Losses of pre-training: masked pieces without the memory traffic of their scores, and sentences that translate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

IGNORED = -100
CHUNK = 512


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients with the loss, a few rows at a time, so that the scores stay in the cache of a CPU."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor) -> Any:
        known = (labels != IGNORED).sum().clamp(min=1)
        to_hidden, to_weight, to_bias = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
        loss = torch.zeros((), dtype=torch.float32)
        for begin in range(0, len(hidden), CHUNK):
            rows, wanted = hidden[begin : begin + CHUNK], labels[begin : begin + CHUNK, None]
            share = (wanted != IGNORED) / known
            wanted = wanted.clamp(min=0)
            scores = torch.addmm(bias, rows, weight.t())
            scores -= scores.amax(dim=1, keepdim=True)
            right = scores.gather(1, wanted).float()
            scores.exp_()
            total = scores.sum(dim=1, keepdim=True, dtype=torch.float32)
            loss += ((total.log() - right) * share).sum()
            scores *= (share / total).to(scores.dtype)
            scores.scatter_add_(1, wanted, -share.to(scores.dtype))
            to_hidden[begin : begin + CHUNK] = scores @ weight
            to_weight.addmm_(scores.t(), rows)
            to_bias.addmv_(scores.t(), torch.ones(len(scores), dtype=scores.dtype))
        ctx.save_for_backward(to_hidden, to_weight, to_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return (*(saved * grad for saved in ctx.saved_tensors), None)


def linear_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy of `hidden @ weight.T + bias`, for bf16 on a CPU: fewer passes over memory.

    Args:
        hidden: M x E.
        weight: V x E.
        bias: V.
        labels: Right rows of `weight`, M; -100 counts for nothing.

    Returns:
        The loss, a float32 scalar.
    """
    return _LinearCrossEntropy.apply(hidden, weight, bias, labels)


def translation_contrast(
    hidden: torch.Tensor, attention_mask: torch.Tensor, temperature: float = 0.05
) -> torch.Tensor:
    """Tells each sentence's translation from the other sentences of the batch (InfoNCE), as InfoXLM (Chi et al. 2021).

    Args:
        hidden: States of one layer for 2P sentences, 2P x T x E; row P + i translates row i.
        attention_mask: 2P x T.
        temperature: Divides the cosine of two sentences, each the mean of its tokens.

    Returns:
        The loss, a scalar: the mean over both directions.
    """
    mask = attention_mask[:, :, None].to(hidden.dtype)
    sentences = nn.functional.normalize(((hidden * mask).sum(dim=1) / mask.sum(dim=1)).float(), dim=-1)
    first, second = sentences.chunk(2)
    scores = first @ second.t() / temperature
    right = torch.arange(len(scores), device=scores.device)
    return (nn.functional.cross_entropy(scores, right) + nn.functional.cross_entropy(scores.t(), right)) / 2


def word_contrast(
    hidden: torch.Tensor, input_ids: torch.Tensor, first_word: int, temperature: float = 0.1
) -> torch.Tensor:
    """Tells a piece's translation from the other pieces of the batch, as XLM-Align (Chi et al. 2021) learns alignment.

    Which pieces translate each other the states themselves say, without a gradient: those that are each other's
    nearest (mutual argmax of the cosine) in a sentence and its translation. Pieces of the batch with the same id as
    the right one are no wrong answers.

    Args:
        hidden: States of one layer for 2P sentences, 2P x T x E; row P + i translates row i.
        input_ids: 2P x T.
        first_word: Lower ids are special tokens, padding and masked pieces among them: they take no part.
        temperature: Divides the cosine of two pieces.

    Returns:
        The loss, a scalar: the mean over both directions and all aligned pieces; 0 where there is none.
    """
    states = nn.functional.normalize(hidden.float(), dim=-1)
    (first, second), (first_ids, second_ids) = states.chunk(2), input_ids.chunk(2)
    known, other = first_ids >= first_word, second_ids >= first_word
    with torch.no_grad():
        alike = first @ second.transpose(1, 2)
        alike = alike.masked_fill(~(known[:, :, None] & other[:, None, :]), -2.0)
        best, back = alike.argmax(dim=2), alike.argmax(dim=1)
        places = torch.arange(first_ids.shape[1], device=hidden.device)
        mutual = known & (back.gather(1, best) == places) & (alike.amax(dim=2) > -2.0)
        row, place = mutual.nonzero(as_tuple=True)
        partner = best[row, place]
    if not len(row):
        return hidden.sum() * 0.0
    one, two = first[row, place], second[row, partner]
    one_ids, two_ids = first_ids[row, place], second_ids[row, partner]
    scores = one @ two.t() / temperature
    right = torch.arange(len(row), device=hidden.device)
    same = torch.eye(len(row), dtype=torch.bool, device=hidden.device)
    forth = scores.masked_fill((two_ids[:, None] == two_ids[None, :]) & ~same, float("-inf"))
    back_scores = scores.t().masked_fill((one_ids[:, None] == one_ids[None, :]) & ~same, float("-inf"))
    return (nn.functional.cross_entropy(forth, right) + nn.functional.cross_entropy(back_scores, right)) / 2


def matching_loss(first: torch.Tensor, head: nn.Linear, matches: torch.Tensor) -> torch.Tensor:
    """Tells from `[CLS]` whether the two sentences of a row mean the same (Huang et al. 2019, "Unicoder").

    Args:
        first: Last states of the first token, B x E.
        head: E to 2.
        matches: 1 or 0, B; -100 counts for nothing.

    Returns:
        Mean cross-entropy, a scalar; 0 where no row counts.
    """
    total = nn.functional.cross_entropy(head(first).float(), matches, ignore_index=IGNORED, reduction="sum")
    return total / (matches != IGNORED).sum().clamp(min=1)
