"""Collects transitions from simulations."""

from dataclasses import dataclass, replace

import numpy as np

from robo_maxent.envs.interface import VecEnv
from robo_maxent.spaces import Mirror
from robo_maxent.types import Act, Step


@dataclass(frozen=True)
class Transitions:
    """Transitions of one control step of N simulations: n <= N rows.

    A simulation that diverged gives no row. Rows are in the order of the simulations.
    """

    obs: np.ndarray
    """Observation, float32, (n, O)."""
    action: np.ndarray
    """Action in [-1, 1], or the number of a discrete one, float32, (n, columns)."""
    reward: np.ndarray
    """Reward, float32, (n,)."""
    next_obs: np.ndarray
    """True successor, before any reset, float32, (n, O)."""
    terminated: np.ndarray
    """The episode ended in a state without a future, bool, (n,)."""
    sim: np.ndarray
    """Number of the simulation, int32, (n,)."""
    ended: np.ndarray
    """Whether the episode ended here, terminated or truncated, bool, (n,)."""
    diverged: np.ndarray
    """Numbers of the simulations that gave no row: their episodes ended with the row before, int32,
    (N - n,)."""

    def mirrored(self, see: Mirror, act: Mirror, sims: int) -> "Transitions":
        """Left-right mirror images, as if from further simulations.

        Args:
            see: Reflection of an observation.
            act: Reflection of an action.
            sims: What to add to the number of a simulation.
        """
        return replace(
            self,
            obs=see(self.obs),
            action=act(self.action),
            next_obs=see(self.next_obs),
            sim=self.sim + sims,
            diverged=self.diverged + sims,
        )


class Collector:
    """Acts in simulations: at random at first, then as told."""

    def __init__(self, env: VecEnv, random_steps: int, rng: np.random.Generator) -> None:
        """Begin the first episodes.

        Args:
            env: The simulations, N of them.
            random_steps: Control steps with uniform random actions at the start.
            rng: Source of those actions.
        """
        self.env, self.rng = env, rng
        self.control_steps = 0
        self.obs = env.reset()  # (N, O)
        self._random_steps = random_steps

    @property
    def is_random(self) -> bool:
        """Whether the next actions are uniform random ones."""
        return self.control_steps < self._random_steps

    def act(self, explore: Act) -> np.ndarray:
        """N actions for the present observations: from ``explore``, or random at first."""
        if not self.is_random:
            return explore(self.obs)
        return self.env.action_space.random(self.env.n, self.rng)

    def step(self, action: np.ndarray) -> tuple[Step, Transitions]:
        """Act for one control step: the simulations' report, and transitions to learn from.

        Args:
            action: N actions of the simulations' ``action_space``.

        Raises:
            EnvError: An environment crashed or returned NaN or infinity.
        """
        step = self.env.step(action)
        keep = ~step.diverged  # (N,)
        transitions = Transitions(
            obs=self.obs[keep],
            action=self.env.action_space.to_columns(action)[keep],
            reward=step.reward[keep],
            next_obs=step.next_obs[keep],
            terminated=step.terminated[keep],
            sim=np.flatnonzero(keep).astype(np.int32),
            ended=(step.terminated | step.truncated)[keep],
            diverged=np.flatnonzero(step.diverged).astype(np.int32),
        )
        self.obs = step.obs
        self.control_steps += 1
        return step, transitions
