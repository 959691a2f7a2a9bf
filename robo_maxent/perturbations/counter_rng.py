"""Random numbers as hashes of where they are used: no generator to carry, save or share.

A number is a hash of (purpose, seed, simulation, episode, control step, stream, element). So it is
the same for one simulation and for many, on any number of threads, and after a restart.
"""

from enum import IntEnum

import numpy as np

from robo_maxent.seeds import Purpose

_STEP = np.uint64(0x9E3779B97F4A7C15)  # splitmix64 (Steele, Lea and Flood 2014): golden ratio, ...
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # ... and its finalizer
_WORD = (1 << 64) - 1


class Stream(IntEnum):
    """Uses of random numbers; two uses never get the same ones."""

    SENSOR_NOISE = 1
    PACKET_LOSS = 2
    ACTION = 3
    ACTION_NOISE = 4
    OBSERVATION_LOSS = 5


def episode_key(purpose: Purpose, seed: int, sims: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Key of the random numbers of episodes, uint64, (k,).

    Args:
        purpose: What the episodes are for.
        seed: Seed of the environment, at least 0.
        sims: Simulations, int, (k,).
        episodes: Index of the episode in its simulation, int, (k,).
    """
    key = _hash(np.full(len(sims), purpose, np.uint64) + _STEP)
    while seed:  # of any length, a word at a time
        key = _hash(key + _STEP + np.uint64(seed & _WORD))
        seed >>= 64
    for part in (sims, episodes):
        key = _hash(key + _STEP + part.astype(np.uint64))
    return key


def uniform(stream: Stream, key: np.ndarray, steps: np.ndarray, size: int) -> np.ndarray:
    """Uniform numbers in [0, 1), multiples of 2^-32, (k, size).

    Args:
        stream: What they are for.
        key: Of the episodes, (k,).
        steps: Control step of each, int, (k,).
        size: Numbers for each.
    """
    at = _hash(key + _STEP + np.uint64(stream))
    at = _hash(at + _STEP + steps.astype(np.uint64))
    pair = np.arange(1, size // 2 + size % 2 + 1, dtype=np.uint64) * _STEP
    bits = _hash(at[:, None] + pair)  # (k, pairs)
    return bits.view(np.uint32)[:, :size] * 2.0**-32


def normal(stream: Stream, key: np.ndarray, steps: np.ndarray, size: int) -> np.ndarray:
    """Standard normal numbers, (k, size), by the transform of Box and Muller (1958).

    The arguments are those of :func:`uniform`.
    """
    pairs = size // 2 + size % 2
    chance = uniform(stream, key, steps, 2 * pairs)
    radius = np.sqrt(-2.0 * np.log(1.0 - chance[:, :pairs]))  # of (0, 1], where log is finite
    angle = 2.0 * np.pi * chance[:, pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :size]


def _hash(x: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64, which changes half of the bits for one, in place."""
    x ^= x >> np.uint64(30)
    x *= _MIX[0]
    x ^= x >> np.uint64(27)
    x *= _MIX[1]
    x ^= x >> np.uint64(31)
    return x
