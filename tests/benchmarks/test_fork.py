"""The benchmark of plan B counts what its scripts do."""

import math
from typing import Any

import numpy as np
import pytest

from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.point_fork import FORK


@pytest.fixture
def fork(benchmark: Any) -> Any:
    return benchmark("fork")


class Scripted:
    """In the place of a policy: by its mean it goes left; by the sign of the first noise, drawn."""

    class actor:
        class head:
            action_size = 2

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        return self._to(obs, np.full(len(obs), LEFT))

    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        if (obs[:, 1] == 0.0).all():  # an episode begins
            self._side = np.where(noise[:, 0] > 0.0, LEFT, RIGHT)
        return self._to(obs, self._side)

    def _to(self, obs: np.ndarray, side: np.ndarray) -> np.ndarray:
        x, y = obs[:, :2].T
        gap = side * FORK.gap
        through = np.abs(y - gap) < 0.05
        aim = np.column_stack([np.where(through, 0.3, -0.3), gap])
        aim[x > 0.2] = FORK.goal, 0.0
        return np.clip(5.0 * (aim - obs[:, :2]), -1.0, 1.0)


def test_ways_and_arrivals_are_counted(fork: Any) -> None:
    ways = fork.run(Scripted(), OPEN, 3, 0)
    assert ways.arrived.all()
    assert (ways.left == 1.0).all()
    assert ways.paths.shape == (60, 3, 2)
    blocked = fork.run(Scripted(), LEFT, 3, 0)
    assert not blocked.arrived.any()
    assert np.isnan(blocked.left).all()


def test_a_policy_that_tosses_a_coin_has_a_plan_b(fork: Any) -> None:
    found = fork.judge(Scripted(), 60, 0)
    assert (found.nominal_mean, found.nominal_sampled) == (1.0, 1.0)
    assert found.left == pytest.approx(0.5, abs=0.2)
    assert found.mode_entropy > 0.8
    assert found.blocked_mean == 0.5  # of the two ways, the one that it does not take
    assert found.blocked_try == pytest.approx(0.5, abs=0.1)
    assert found.blocked_tries == pytest.approx(1.0 - 0.5**5, abs=0.06)


def test_the_entropy_of_a_split(fork: Any) -> None:
    assert fork.entropy(0.5) == 1.0
    assert fork.entropy(0.25) == pytest.approx(-(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75)))
    assert (fork.entropy(0.0), fork.entropy(1.0)) == (0.0, 0.0)
    assert np.isnan(fork.entropy(float("nan")))
