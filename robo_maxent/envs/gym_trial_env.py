"""N episodes of a Gymnasium id under effects, for stress tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robo_maxent.envs.gym_model import World, model_field
from robo_maxent.envs.gym_trial import EFFECTS, GymTrials
from robo_maxent.envs.gym_wrapper import ERROR, checked_picture, one_line
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.active import ActiveEffects
from robo_maxent.perturbations.counter_rng import episode_key
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.seeds import Purpose
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import RobotState
from robo_maxent.types import Episode, Step


class GymTrialEnv:
    """N episodes of an id under the effects of their parameters; ended ones rest."""

    def __init__(
        self,
        trials: GymTrials,
        worlds: Sequence[World],
        params: EpisodeParams,
        sims: np.ndarray,
        seed: int,
        keep: bool = True,
    ) -> None:
        """Disturb nothing yet; call :meth:`reset` before the first step.

        Args:
            trials: Of which id.
            worlds: An environment for each episode.
            params: What is different about each, N rows.
            sims: Number of each simulation, int, (N,).
            seed: Of the whole set, at least 0.
            keep: The environments are for others afterwards.

        Raises:
            UsageError: A parameter or the seed is out of range, or the id lacks what it takes.
        """
        if seed < 0:
            raise UsageError(f"seed must be at least 0, got {seed}")
        robot, self.n, self.seed = trials.robot, len(sims), seed
        self.action_space = trials.action_space
        episode_params.check(params, EFFECTS, robot, self.n)
        self._trials, self._worlds, self._sims, self._keep = trials, worlds, sims, keep
        self._params, self._nominal = params, episode_params.nominal(EFFECTS, robot, 1)
        self._models = _Models(robot.model, self.n)
        self._effects = ActiveEffects(
            EFFECTS,
            robot,
            self._models,
            params,
            trials.observation,
            trials.action_space.columns,
            trials.step_seconds,
        )
        owner = episode_params.owner(EFFECTS, robot)
        self._effects.activate({owner[name] for name in params.differing(self._nominal)})
        self._base = robot.base_body
        self._forces = self._models.bind("xfrc_applied")[:, self._base, :3]  # (N, 3)
        self._obs = np.zeros((self.n, len(trials.observation)), np.float32)
        self._elapsed, self._rests = np.zeros(self.n, np.int64), np.zeros(self.n, bool)
        self._return, self._state = np.zeros(self.n), _nothing(self.n)

    def reset(self) -> np.ndarray:
        """Begin the episodes: observations, float32, (N, O).

        Raises:
            EnvError: An environment crashed, or returned NaN or infinity.
        """
        self._elapsed[:], self._return[:], self._rests[:] = 0, 0.0, False
        self._forces[:] = 0.0
        for row, (world, sim) in enumerate(zip(self._worlds, self._sims.tolist(), strict=True)):
            self._obs[row] = world.begin(Purpose.STRESS_TEST, self.seed, sim)
        key = episode_key(Purpose.STRESS_TEST, self.seed, self._sims, np.zeros(self.n, np.int64))
        self._effects.begin(np.arange(self.n), key)
        for row, world in enumerate(self._worlds):
            world.write(self._models.fields(row), self._models.changes_constants)
        return self._sensed()

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step: actions of the id's ``action_space``, clipped in a ``Box``.

        Raises:
            UsageError: The shape is wrong or a value is no action; nothing was stepped.
            EnvError: An environment crashed, or returned NaN or infinity, in an episode that is
                not disturbed; others count as diverged.
        """
        space = self.action_space
        sent = space.to_columns(space.checked(action, self.n))
        received = space.from_columns(self._effects.received(sent, self._elapsed))
        before = self._forces.copy()
        self._effects.before_step(self._state, self._elapsed)
        pushed = (self._forces != before).any(axis=1)
        reward, infos = np.zeros(self.n, np.float32), [{} for _ in self._worlds]
        terminated, truncated, diverged = np.zeros((3, self.n), bool)
        running = np.flatnonzero(~self._rests)
        self._elapsed[running] += 1
        for row in running.tolist():
            world = self._worlds[row]
            if pushed[row]:
                world.push(self._base, self._forces[row])
            self._obs[row], gained, failed, cut_off, infos[row] = world.step(received[row])
            if ERROR in infos[row] and not self._params.record(self._nominal, row):
                raise world.error(infos[row])
            diverged[row] = world.has_diverged()
            terminated[row] = failed or diverged[row]
            truncated[row] = cut_off and not terminated[row]
            reward[row] = gained
            self._return[row] += gained
        self._effects.after_step()
        ended = np.flatnonzero(terminated | truncated).tolist()
        self._rests[ended] = True
        episodes = [
            self._episode(row, bool(terminated[row]), bool(diverged[row]), infos[row])
            for row in ended
        ]
        obs = self._sensed()
        return Step(obs, obs, reward, terminated, truncated, diverged, {}, episodes)

    def metrics(self) -> dict[str, float]:
        """No metrics: what environments report is in their episodes."""
        return {}

    def state_dict(self) -> dict[str, np.ndarray]:
        """An empty state: an interrupted episode is run again."""
        return {}

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Begin the episodes again: observations, float32, (N, O)."""
        return self.reset()

    def frame(self) -> np.ndarray:
        """Picture of the first episode now, uint8, (height, width, 3).

        Raises:
            EnvError: The environment gave no picture.
        """
        try:
            rendered = self._worlds[0].wrapper.render()
        except Exception as error:  # someone else's code
            raise EnvError(f"{self._trials.name} can't draw itself: {one_line(error)}") from error
        return checked_picture(self._trials.name, rendered)

    def pictures(self) -> list[np.ndarray]:
        """Pictures of the last step of the first episode; see ``GymWrapper.pictures``.

        Raises:
            EnvError: The environment gave something else.
        """
        taken = self._worlds[0].wrapper.pictures
        return [checked_picture(self._trials.name, picture) for picture in taken]

    def close(self) -> None:
        """Undo the changes to kept environments; close the others."""
        for world in self._worlds:
            world.restore()
            if not self._keep:
                world.wrapper.close()

    def _sensed(self) -> np.ndarray:
        """Observations of the policy, with sensor effects, (N, O)."""
        obs = self._obs.copy()
        self._effects.add_noise(obs, self._elapsed)
        return obs

    def _episode(
        self, row: int, terminated: bool, diverged: bool, info: Mapping[str, Any]
    ) -> Episode:
        return Episode(
            task=self._trials.name,
            seed=self.seed,
            sim=int(self._sims[row]),
            index=0,
            length=int(self._elapsed[row]),
            reward=float(self._return[row]),
            success=False if diverged else info.get("is_success"),
            terminated=terminated,
            diverged=diverged,
            metrics={},
            params=self._params.record(self._nominal, row),
            realized=self._effects.realized(row),
        )


class _Models:
    """Model fields of N simulations of one compiled model, until they are written."""

    def __init__(self, model: mujoco.MjModel, n: int) -> None:
        self.nsim = n
        self.changes_constants = False
        self._model, self._data = model, mujoco.MjData(model)
        self._written: dict[str, np.ndarray] = {}
        self._bound: dict[str, np.ndarray] = {}

    def bind(self, name: str, /) -> np.ndarray:
        if name not in self._bound:
            self._bound[name] = np.zeros((self.nsim, *np.shape(getattr(self._data, name))))
        return self._bound[name]

    def expand(self, name: str, /) -> np.ndarray:
        compiled = np.array(model_field(self._model, name))
        self._written[name] = np.repeat(compiled[None], self.nsim, axis=0)
        return self._written[name]

    def set_const(self, ids: np.ndarray, /) -> None:
        self.changes_constants = True

    def fields(self, row: int) -> dict[str, np.ndarray]:
        """Fields of one simulation that effects have written."""
        return {name: values[row] for name, values in self._written.items()}


def _nothing(n: int) -> RobotState:
    """An empty state, for robots without named parts."""
    none = np.zeros((n, 0))
    return RobotState(np.zeros(n), none, none, none, none, {}, {})
