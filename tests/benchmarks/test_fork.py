"""The benchmark of plan B counts what its scripts do."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.point_fork import FORK, PointFork


@pytest.fixture
def fork(benchmark: Any) -> Any:
    return benchmark("fork")


@pytest.fixture
def ways(benchmark: Any) -> Any:
    return benchmark("fork_ways")


class Scripted:
    """In the place of a policy: by its mean it goes left; by the sign of the first noise, drawn."""

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


def test_ways_and_arrivals_are_counted(ways: Any) -> None:
    found = ways.run(Scripted(), OPEN, 3, 0)
    assert found.arrived.all()
    assert (found.left == 1.0).all()
    assert found.split == 1.0
    assert found.paths.shape == (60, 3, 2)
    blocked = ways.run(Scripted(), LEFT, 3, 0)
    assert not blocked.arrived.any()
    assert np.isnan(blocked.left).all()
    assert np.isnan(blocked.split)


def test_a_policy_that_tosses_a_coin_has_a_plan_b(ways: Any) -> None:
    found = ways.judge(Scripted(), 60, 0)
    assert (found.nominal_mean, found.nominal_drawn) == (1.0, 1.0)
    assert found.left == pytest.approx(0.5, abs=0.2)
    assert found.mode_entropy > 0.8
    assert found.blocked_mean == 0.5  # of the two ways, the one that it does not take
    assert found.blocked_try == pytest.approx(0.5, abs=0.1)
    assert found.blocked_tries == pytest.approx(1.0 - 0.5**5, abs=0.06)


class Relearning:
    """In the place of a learner: goes left, and from a number of steps on right."""

    def __init__(self, turns: int) -> None:
        self._turns, self.steps = turns, 0
        self.closed = OPEN

    def close_way(self, side: int) -> None:
        self.closed = side

    def learn(self, steps: int) -> None:
        assert self.closed == LEFT
        self.steps += steps

    @property
    def policy(self) -> Scripted:
        side = RIGHT if self.steps >= self._turns else LEFT
        return Decided(side)


class Decided(Scripted):
    """Goes to a side, whether it draws or not."""

    def __init__(self, side: int) -> None:
        self._decided = side

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        return self._to(obs, np.full(len(obs), self._decided))

    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return self(obs)


@pytest.mark.parametrize(
    ("turns", "little", "steps", "trained"),
    [(0, 1.0, 0, 60), (50, 1.0, 50, 60), (75, 0.0, 80, 80), (999, 0.0, math.inf, 90)],
)
def test_steps_are_counted_until_the_other_way_is_taken(
    ways: Any,
    turns: int,
    little: float,
    steps: float,
    trained: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ways, "LONGEST", 9)
    learner = Relearning(turns)
    found = ways.relearn(learner, LEFT, 10, 2, 0)
    assert (found.mean, found.drawn, found.steps) == (little, little, steps)
    assert learner.steps == trained, "six parts at least, the most at most"


def test_the_noise_of_drawn_actions_is_measured(ways: Any, benchmark: Any) -> None:
    noisy = benchmark("fork_arms").Noisy(lambda obs: np.zeros((len(obs), 2)), 0.2)
    assert ways.spread(noisy, 50, 0) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_a_way_that_is_closed_for_good_is_so_in_every_episode_and_untold(
    benchmark: Any, side: int, tmp_path: Path
) -> None:
    task = benchmark("fork_arms").closed_fork(side)
    env = task.training_env(4, 0, 1, tmp_path)
    env.reset()
    for _ in range(2):
        assert (env.params["blocked"] == side).all()
        assert (env.params["told"] == 0).all()
        lid = task.robot.lids[(LEFT, RIGHT).index(side)]
        assert (env.batch.expand("body_pos")[:, lid, 2] == 0.0).all()
        env.restart(np.arange(4))
    plain = PointFork()
    assert (task.name, task.options) == (plain.name, plain.options), "or no run could go on"


def test_a_run_goes_on_with_a_lid(benchmark: Any, tmp_path: Path) -> None:
    arms = benchmark("fork_arms")
    config = replace(arms.config_of(arms.ARMS["gaussian"], 0, 1_500, 1), updates_per_step=1)
    learner = arms.SacLearner(config, tmp_path / "run")
    assert learner.gap(np.zeros((2, 5), np.float32)) > 0.0
    learner.close_way(LEFT)
    learner.learn(61 * 64)  # until the episodes that ran have ended
    env = learner._trainer.collector.env
    assert (env.params["blocked"] == LEFT).all()
    assert learner._trainer.steps >= 1_500 + 61 * 64


def test_sb3_td3_goes_on_with_a_lid(benchmark: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    arms = benchmark("fork_arms")
    config = replace(arms.config_of(arms.ARMS["td3"], 0, 2_200, 1), updates_per_step=1)
    learner = arms.Td3Learner(config, 0.3)
    steps = learner._peer.model.num_timesteps
    assert steps >= 2_200
    assert learner._peer.updates > 0
    assert learner._peer.model.action_noise.noises[0]._sigma == pytest.approx(0.3)
    learner.close_way(RIGHT)
    learner.learn(128)
    assert learner._peer.model.num_timesteps == steps + 128, "counted on"
    env = learner._peer.model.get_env().venv.env
    assert (env.params["blocked"] == RIGHT).all()


@pytest.mark.parametrize(
    ("arms", "words"),
    [(["gauss"], "unknown arm 'gauss'; there are 'gaussian'"), (["td3"], "that of 'gaussian'")],
)
def test_arms_are_refused_at_the_door(fork: Any, arms: list[str], words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        fork.require(arms)
    fork.require(list(fork.ARMS))


def test_figures_are_listed_by_arm_in_the_order_of_seeds(fork: Any) -> None:
    acting = fork.Acting(1.0, 1.0, 0.25, 0.81, 0.5, 0.5, 0.76)
    lost = fork.Acting(0.0, 0.0, math.nan, math.nan, 0.0, 0.0, 0.0)
    after = fork.Relearning(0.0, 0.1, math.inf)
    results = {
        ("td3", 1): fork.Figures(acting, math.nan, after),
        ("td3", 2): fork.Figures(lost, 0.5, after),
    }
    found = json.loads(json.dumps(fork.by_arm(results, fork.Budget(60, 20, 1))))
    assert found["fork_modes"] == {"td3": [0.81, None]}
    assert found["fork_blocked_success_k5"] == {"td3": [0.76, 0.0]}
    assert found["fork_relearnt_steps"] == {"td3": [None, None]}
    assert "td3, 2" in fork.table(results, 20)
