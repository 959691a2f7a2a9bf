"""Random numbers named by where they are used: no generator to carry, save or share.

A number is a hash of (seed, simulation, episode, control step, stream, element). So it is the same
for one simulation and for many, on any number of threads, and after a restart.
"""

from enum import IntEnum

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)  # splitmix64 (Steele, Lea and Flood 2014): golden ratio, ...
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # ... and its finalizer
_WORD = (1 << 64) - 1


class Stream(IntEnum):
    """What the numbers are for: two uses never see the same ones."""

    SENSOR_NOISE = 1
    PACKET_LOSS = 2


def uniform(
    stream: Stream, seed: int, sims: np.ndarray, episodes: np.ndarray, steps: np.ndarray, size: int
) -> np.ndarray:
    """Uniform numbers in [0, 1), (k, size).

    Args:
        stream: What they are for.
        seed: Seed of the environment, at least 0.
        sims: Simulations, int, (k,).
        episodes: Index of the episode in its simulation, int, (k,).
        steps: Control step of the episode, int, (k,).
        size: Numbers for each.
    """
    key = np.full(len(sims), int(stream), np.uint64)
    while seed:  # of any length, a word at a time
        key = _hash(key + _STEP + np.uint64(seed & _WORD))
        seed >>= 64
    for part in (sims, episodes, steps):
        key = _hash(key + _STEP + part.astype(np.uint64))
    element = np.arange(1, size + 1, dtype=np.uint64) * _STEP
    bits = _hash(key[:, None] + element)  # (k, size)
    return (bits >> np.uint64(11)) * 2.0**-53


def _hash(x: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64, which changes half of the bits for one that changed."""
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))
