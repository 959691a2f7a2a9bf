"""What learns at the fork, and goes on learning with a way closed: SAC as here, and SB3's TD3.

A module for benchmarks/fork.py; TD3 needs the extra ``bench``.
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.learning.boltzmann import actor_gap
from robo_maxent.learning.sac import Sac
from robo_maxent.perturbations.base import Ranges, Values
from robo_maxent.perturbations.blocked import Blocked
from robo_maxent.sim.robot import Robot
from robo_maxent.tasks.point_fork import PointFork
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

NOTHING = 1e-8
"""A temperature that stands for 0: its share of a value is lost in the rounding of float32."""
WARM = {"initial_alpha": 0.1, "alpha_learning_rate": 0.0}
"""A fixed temperature at which the two ways, learnt to within a few hundredths of each other, are
as good: the automatic one ends at a twentieth of it."""
GAP_SAMPLES = 512
"""Of the policy, and as many even ones, at each state."""


@dataclass(frozen=True)
class Arm:
    """A way to learn."""

    sac: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the task's recipe."""
    noise_of: str = ""
    """TD3, whose noise is that of this arm; "": SAC."""


ARMS = {
    "gaussian": Arm(),
    "mixture of 2": Arm({"components": 2}),
    "gaussian, warm": Arm(WARM),
    "mixture of 2, warm": Arm(WARM | {"components": 2}),
    "temperature 0": Arm({"initial_alpha": NOTHING, "alpha_learning_rate": 0.0}),
    "td3": Arm(noise_of="gaussian"),
    "td3, warm noise": Arm(noise_of="gaussian, warm"),
}


class Stochastic(Protocol):
    """A policy that acts by its mean, or draws."""

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Mean actions, (N, A), at observations (N, P)."""
        ...

    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Actions drawn with standard normal numbers, (N, A)."""
        ...


class Learner(Protocol):
    """A policy that can go on learning, with a way closed that it is not told of."""

    @property
    def policy(self) -> Stochastic:
        """The present one; it changes as it learns."""
        ...

    def close_way(self, side: int) -> None:
        """Close a way, from the next episodes on."""
        ...

    def learn(self, steps: int) -> None:
        """Go on for at least so many environment steps."""
        ...

    def gap(self, obs: np.ndarray) -> float:
        """Mean KL from the Boltzmann distribution of its critics, nats; NaN: it has none."""
        ...


class OneWayClosed(Blocked):
    """The same way is closed in every episode, and the policy is not told."""

    def __init__(self, side: int) -> None:
        """``side`` is closed: LEFT or RIGHT."""
        self.side = side

    def varies(self, ranges: Ranges) -> bool:
        """It acts whatever the ranges are."""
        return True

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """The side, untold."""
        return {"blocked": self.side, "told": 0}


def closed_fork(side: int) -> PointFork:
    """The task with a way closed; in all else, its name too, it is the task."""
    task = PointFork()
    task.perturbations = tuple(
        OneWayClosed(side) if isinstance(each, Blocked) else each for each in task.perturbations
    )
    task.randomization = task.ranges("none")
    return task


def config_of(arm: Arm, seed: int, steps: int, threads: int) -> TrainConfig:
    """The task's recipe but for what the arm has of its own."""
    config = preset(PointFork.preset)
    return replace(
        config,
        steps=steps,
        seed=seed,
        threads=threads,
        evaluate_every=steps,
        sac=replace(config.sac, **arm.sac),
    )


class SacLearner:
    """A run of ours."""

    def __init__(self, config: TrainConfig, directory: Path) -> None:
        """Train with both ways open; the run stays in the directory."""
        self._config, self._directory = config, directory
        train(PointFork(), config, directory)
        self._trainer = self._restored(PointFork())

    @property
    def policy(self) -> Stochastic:
        """The average of the actor, which acts."""
        return self._trainer.policy()

    def close_way(self, side: int) -> None:
        """Go on from the checkpoint in a task with a lid; running episodes end as they began."""
        self._trainer.close()
        self._trainer = self._restored(closed_fork(side))

    def learn(self, steps: int) -> None:
        """Make steps and updates as before."""
        until = self._trainer.steps + steps
        while self._trainer.steps < until:
            self._trainer.step()

    def gap(self, obs: np.ndarray) -> float:
        """Of the actor that learns, and its temperature now; NaN where that stands for 0."""
        agent = self._trainer.learner.agent
        assert isinstance(agent, Sac)
        if agent.alpha <= 2 * NOTHING:
            return float("nan")
        seen = agent.normalizer(torch.from_numpy(obs))
        generator = torch.Generator().manual_seed(0)
        gap = actor_gap(agent.actor, agent.critics, seen, agent.alpha, GAP_SAMPLES, generator)
        return float(gap.mean())

    def _restored(self, task: PointFork) -> Trainer:
        trainer = Trainer(task, self._config, self._directory)
        trainer.restore()
        return trainer


class Noisy:
    """A deterministic policy with Gaussian noise on its actions."""

    def __init__(self, mean: Any, deviation: float) -> None:
        """``mean`` is the policy; ``deviation`` that of the noise, of actions in [-1, 1]."""
        self._mean, self._deviation = mean, deviation

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Without noise."""
        return np.asarray(self._mean(obs))

    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """With noise, cut off at the limits, as it explores."""
        return np.clip(self(obs) + self._deviation * noise, -1.0, 1.0)


class Td3Learner:
    """SB3's TD3 with the networks, batches, updates, gamma and tau of the task's recipe."""

    def __init__(self, config: TrainConfig, deviation: float) -> None:
        """Train with both ways open, and noise of a standard deviation."""
        from peers import OURS, sb3_td3

        values = {"envs": config.envs, "updates": config.updates_per_step}
        recipe = replace(OURS, **values, gamma=config.sac.gamma)
        self._peer = sb3_td3(PointFork(), config.seed, recipe, deviation)
        self._seed, self._envs = config.seed, config.envs
        self.policy: Stochastic = Noisy(self._peer.act, deviation)
        assert config.steps is not None
        self.learn(config.steps)

    def close_way(self, side: int) -> None:
        """Go on with simulations that have a lid."""
        model = self._peer.model
        model.get_env().venv.env = MujocoVecEnv(closed_fork(side), self._envs, self._seed)
        model.set_env(model.get_env(), force_reset=True)

    def learn(self, steps: int) -> None:
        """Make steps and updates as before."""
        until = self._peer.model.num_timesteps + steps
        self._peer.learn(lambda done: done >= until, go_on=True)

    def gap(self, obs: np.ndarray) -> float:
        """It is no distribution."""
        return float("nan")
