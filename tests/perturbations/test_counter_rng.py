"""Numbers named by where they are used: uniform, normal, and the same wherever they are asked."""

import itertools

import numpy as np
from scipy.stats import kstest

from robo_maxent.perturbations.counter_rng import Stream, _hash, episode_key, normal, uniform
from robo_maxent.seeds import Purpose

TRAINING = Purpose.TRAINING


def test_normal_numbers_of_a_stream_are_normal_and_independent() -> None:
    key = episode_key(TRAINING, 7, np.arange(4000), np.zeros(4000, np.int64))
    for size in (12, 5):
        numbers = normal(Stream.ACTION, key, np.full(4000, 3), size)
        assert numbers.shape == (4000, size)
        assert kstest(numbers.ravel(), "norm").pvalue > 1e-3
        correlation = np.corrcoef(numbers.T) - np.eye(size)
        assert np.abs(correlation).max() < 0.08  # five standard errors
    alone = normal(Stream.ACTION, key[5:6], np.array([3]), 12)
    np.testing.assert_array_equal(alone, normal(Stream.ACTION, key, np.full(4000, 3), 12)[5:6])


def test_numbers_of_a_stream_are_uniform_and_named_by_all_of_their_keys() -> None:
    grid = itertools.product(range(5), range(8), range(5))
    sims, episodes, steps = (np.array(part) for part in zip(*grid, strict=True))  # (200,) each
    key = episode_key(TRAINING, 7, sims, episodes)
    numbers = uniform(Stream.SENSOR_NOISE, key, steps, 51)
    assert numbers.shape == (200, 51)
    assert len(np.unique(numbers)) > numbers.size - 5  # of 2^32 values
    assert 0.0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1.0
    shares = np.histogram(numbers, bins=20, range=(0, 1))[0] / numbers.size
    np.testing.assert_allclose(shares, 0.05, atol=0.011)  # 5 sigma
    others = [
        episode_key(TRAINING, 8, sims, episodes),
        episode_key(TRAINING, 7 + (1 << 64), sims, episodes),
        episode_key(Purpose.EVALUATION, 7, sims, episodes),
        episode_key(TRAINING, 7, sims + 5, episodes),
        episode_key(TRAINING, 7, sims, episodes + 8),
    ]
    for other in (
        uniform(Stream.PACKET_LOSS, key, steps, 51),
        uniform(Stream.SENSOR_NOISE, key, steps + 5, 51),
        *(uniform(Stream.SENSOR_NOISE, other, steps, 51) for other in others),
    ):
        assert np.isin(other, numbers).sum() < 5
    some = slice(31, 40)
    again = uniform(Stream.SENSOR_NOISE, key[some], steps[some], 51)
    np.testing.assert_array_equal(again, numbers[some])


def test_purpose_and_seed_do_not_stand_in_for_each_other() -> None:
    """Keys of seed s and purpose p would meet those of another pair if they were just added."""
    ids = np.arange(3)
    keys = [
        episode_key(purpose, seed, ids, ids)
        for purpose in Purpose
        for seed in (0, 1, 2, 1 << 64, (1 << 64) + 1)
    ]
    assert len(np.unique(keys)) == 3 * 5 * len(Purpose)


def test_the_hash_is_the_published_one() -> None:
    # First outputs of splitmix64 seeded with 0 and 1234567, from its reference program.
    golden = 0x9E3779B97F4A7C15
    states = np.array([golden, 1234567 + golden], np.uint64)
    assert [int(x) for x in _hash(states)] == [0xE220A8397B1DCDAF, 6457827717110365317]
