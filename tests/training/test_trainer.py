"""The order of the training data: complete, grouped by length, and a function of seed and epoch alone."""

from __future__ import annotations

import random

import pytest

from modeling_dlfa.training.trainer import LengthGroupedSampler


@pytest.fixture
def lengths() -> list[int]:
    rng = random.Random(0)
    return [rng.randint(5, 128) for _ in range(1003)]


def test_every_example_comes_once_an_epoch(lengths: list[int]) -> None:
    sampler = LengthGroupedSampler(lengths, 8, seed=1)
    assert sorted(sampler) == list(range(1003)) and len(sampler) == 1003


def test_the_order_depends_on_seed_and_epoch_alone(lengths: list[int]) -> None:
    orders = {}
    for seed in (1, 2):
        for epoch in (0, 1):
            sampler = LengthGroupedSampler(lengths, 8, seed)
            list(sampler)  # What was drawn before must not count.
            sampler.set_epoch(epoch)
            orders[seed, epoch] = list(sampler)
    again = LengthGroupedSampler(lengths, 8, seed=2)
    again.set_epoch(1)
    assert list(again) == orders[2, 1]
    assert len({tuple(order) for order in orders.values()}) == 4


def test_batches_are_of_similar_length_and_the_first_is_the_longest(lengths: list[int]) -> None:
    order = list(LengthGroupedSampler(lengths, 8, seed=3))
    batches = [[lengths[index] for index in order[start : start + 8]] for start in range(0, 1003, 8)]
    padded = sum(len(batch) * max(batch) for batch in batches)
    assert padded < 1.06 * sum(lengths), "length grouping must leave little padding"
    assert max(batches[0]) == max(lengths) and len(batches[-1]) == 1003 % 8
    heads = [max(batch) for batch in batches[1:-1]]
    assert heads != sorted(heads, reverse=True), "batches must not come in the order of their length"


def test_less_than_one_batch() -> None:
    assert sorted(LengthGroupedSampler([3, 1, 2], 8, seed=0)) == [0, 1, 2]
