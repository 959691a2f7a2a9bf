"""One tree of seeds, so that episodes drawn for one purpose are never met for another.

A run, an evaluation, a stress test and a film may all be given the same seed by the user; each has
a branch of its own below it, so that no policy is judged by the episodes that it was trained on.
"""

import operator
import zlib
from enum import IntEnum
from typing import SupportsIndex

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.from_json import LARGEST


class Purpose(IntEnum):
    """Purpose of an episode: the first branching of the tree."""

    TRAINING = 0
    VALIDATION = 1
    """The periodic evaluations within a training run, which choose the policy that is kept."""
    EVALUATION = 2
    STRESS_TEST = 3
    FILM = 4


def whole(seed: SupportsIndex) -> int:
    """A seed as a Python integer: NumPy's integers overflow in hashes and are not valid JSON.

    Raises:
        UsageError: It is no whole number of at least 0, or too large for files that name it.
    """
    try:
        number = operator.index(seed)
    except TypeError as error:
        raise UsageError(f"seed must be a whole number, got {seed!r}") from error
    if number < 0:
        raise UsageError(f"seed must be at least 0, got {number}")
    if number >= LARGEST:
        raise UsageError(f"seed must be below 2**63, got {number}")
    return number


def episode_rng(purpose: Purpose, seed: int, sim: int, episode: int) -> np.random.Generator:
    """Generator of what a task draws at the beginning of an episode.

    Args:
        purpose: What the episode is for.
        seed: Seed of the environment, at least 0.
        sim: Number of the simulation.
        episode: How many episodes that simulation had before.
    """
    return _generator(seed, (purpose, sim, episode))


def named_rng(
    purpose: Purpose, seed: int, sim: int, episode: int, name: str
) -> np.random.Generator:
    """Generator of one named part of an episode, so that adding a part changes no other."""
    return _generator(seed, (purpose, sim, episode, word(name)))


def patch_rng(
    purpose: Purpose, seed: int, kind: str, level: int, variant: int
) -> np.random.Generator:
    """Generator of a patch of terrain."""
    return _generator(seed, (purpose, word(kind), level, variant))


def environment_seed(purpose: Purpose, seed: int, sim: int, episode: int) -> int:
    """Seed of an episode of a Gymnasium environment, 32 bits, since many take no more.

    The first three bits are the purpose: hashes of so few bits would meet by chance.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, sim, episode))
    return (purpose << 29) | (int(sequence.generate_state(1)[0]) >> 3)


def word(name: str) -> int:
    """Hash of a name, 32 bits."""
    return zlib.crc32(name.encode())


def _generator(seed: int, key: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
