"""N simulations of a task on the thread pool of ``mujoco.batch``."""

import json
import os
import warnings
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Generic

import numpy as np

from robo_maxent import machine
from robo_maxent.envs import task_code
from robo_maxent.envs.robot_task import RobotTask
from robo_maxent.envs.task import E, S
from robo_maxent.envs.task_code import says_whose_fault, whose_fault
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.active import ActiveEffects
from robo_maxent.perturbations.base import Values
from robo_maxent.perturbations.counter_rng import episode_key
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.seeds import Purpose, episode_rng, named_rng, whole
from robo_maxent.sim.physics import UNSTABLE, Batch, SimulationError, mujoco
from robo_maxent.types import Episode, Snapshot, Step

_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value


class MujocoVecEnv(Generic[E, S]):
    """N simulations of a task, reset in the step in which they end, unless run ``once``.

    All randomness of an episode is drawn when it begins, from generators named by
    (purpose, seed, simulation, episode index). So simulation 0 of 64 runs the same episodes as
    simulation 0 of 1, any episode can be run again, and the thread count changes nothing.
    """

    def __init__(
        self,
        task: RobotTask[E, S],
        n: int,
        seed: int,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        first_sim: int = 0,
        params: EpisodeParams | None = None,
        sims: np.ndarray | None = None,
        once: bool = False,
        purpose: Purpose = Purpose.TRAINING,
    ) -> None:
        """Build the simulations; call :meth:`reset` before the first step.

        Args:
            task: What to do.
            n: Number of simulations.
            seed: Seed of every episode, at least 0.
            threads: Physics threads; 0: one per CPU.
            dump_dir: Where the state of a diverged simulation goes.
            first_sim: Number of the first simulation, to run a part of a larger set.
            params: What is different about the first episode of each simulation, N rows; None:
                drawn from the task's ranges, as all later ones are. Commands, start and noise are
                those of the same seed with any other parameters.
            sims: Number of each simulation, int, (N,), instead of those from ``first_sim`` on. One
                may come twice, to run the same episode with different parameters.
            once: Simulations rest after their first episode: they are not stepped, and what is said
                of them means nothing.
            purpose: What the episodes are for; those of another purpose have nothing in common.

        Raises:
            UsageError: ``n``, ``seed``, ``sims`` or ``params`` is out of range, or the robot lacks
                what they take.
        """
        if n < 1:
            raise UsageError(f"n must be at least 1, got {n}")
        self.task, self.n, self.seed, self.purpose = task, n, whole(seed), purpose
        self._sims = first_sim + np.arange(n) if sims is None else np.asarray(sims)
        if self._sims.shape != (n,) or self._sims.min() < 0:
            raise UsageError(f"sims must be {n} numbers of at least 0, got {self._sims.tolist()}")
        self._repeated = len(np.unique(self._sims)) < n
        self._dump_dir, self._once = Path(dump_dir), once
        self._index = np.zeros(n, np.int64)  # episodes finished, per simulation
        self._return = np.zeros(n)
        self._rests = np.zeros(n, bool)
        with whose_fault(task):
            self.action_space, self.episode = task.action_space, task.episode_state(n)
        self.episode.number[:] = self._sims
        self._make_simulations(threads or machine.threads())
        self._make_effects(params)

    def _make_simulations(self, threads: int) -> None:
        """N simulations of the robot, each with a ground of its own where there is terrain."""
        robot, terrain = self.task.robot, self.task.terrain
        self.batch = Batch(robot.model, self.n, threads, persistent=self.task.keeps_data)
        self._state = robot.read(self.batch)
        self._ctrl = self.batch.bind("ctrl")
        self._before = np.empty_like(self.batch.state)  # (N, state), to dump what diverged
        self._patched = terrain is not None and not terrain.is_plane
        if terrain is not None and self._patched:
            self._dataid = self.batch.expand("geom_dataid")  # (N, geoms)
            self._ground = robot.model.geom(terrain.catalogue.geom).id

    def _make_effects(self, given: EpisodeParams | None) -> None:
        """What differs between episodes; the first ones have the parameters that are given."""
        task = self.task
        robot, effects = task.robot, task.perturbations
        self.params = self.episode.params = episode_params.nominal(effects, robot, self.n)
        self._nominal = episode_params.nominal(effects, robot, 1)
        self._owner = episode_params.owner(effects, robot)
        self.effects = ActiveEffects(
            effects,
            robot,
            self.batch,
            self.params,
            task.observation,
            task.action_size,
            task.control_dt,
        )
        self._held: Values = {}
        self._given = given
        self._use(task.randomization)
        if given is not None:
            episode_params.check(given, effects, robot, self.n)
            self._activate(given)

    @property
    def state(self) -> S:
        """Live state of the robots."""
        robot = self.task.robot
        state: Any = self._state if robot.is_live else robot.read(self.batch)
        return state

    @says_whose_fault
    def observe(self) -> np.ndarray:
        """Current observations of the policy, with sensor effects, (N, O).

        It is what steps return, however often it is asked, until something is changed from outside.
        """
        state: Any = self.effects.sensed(self.state)
        obs = task_code.observations(self.task, self.task.observe(self.episode, state), self.n)
        self.effects.add_noise(obs, self.episode.elapsed)
        return obs

    @says_whose_fault
    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation.

        Returns:
            Observations, (N, O).

        Raises:
            EnvError: The task raises an exception of its own, or observes another number of
                elements than it declares.
        """
        self._index[:] = 0
        self._begin(np.arange(self.n))
        return self.observe()

    @says_whose_fault
    def restart(self, ids: np.ndarray) -> np.ndarray:
        """End the episodes of some simulations, if they still run, and begin new ones.

        Args:
            ids: Which simulations, int, (k,).

        Returns:
            Observations of all simulations, (N, O).
        """
        self._index[ids] += ~self._rests[ids]  # those that rest have finished theirs
        self._begin(ids)
        return self.observe()

    @says_whose_fault
    def step(self, action: np.ndarray) -> Step:
        """Act for one control step; simulations whose episode ends are reset within it.

        Args:
            action: Actions, clipped to [-1, 1], (N, A).

        Raises:
            UsageError: The shape is wrong or a value is not finite; nothing was stepped.
            EnvError: The task raises an exception of its own, or gives a reward or an observation
                that is none.
        """
        # Effects that act on it remember float64: an episode must not tell whether one did.
        action = self.action_space.checked(action, self.n).astype(np.float64)
        diverged = self._act(action)
        task, episode, state = self.task, self.episode, self.state
        fails = task_code.flags(task, "terminated", task.terminated(episode, state), self.n)
        terminated = (fails | diverged) & ~self._rests
        terms = task_code.reward_terms(task, task.reward_terms(episode, state, action))
        if task.termination_cost:
            terms["termination"] = -task.termination_cost * terminated
        reward = task_code.rewards(task, terms, self.n)
        cut = task_code.flags(task, "truncated", task.truncated(episode, state), self.n)
        over = (episode.elapsed >= task.episode_steps) | cut
        truncated = over & ~terminated & ~self._rests
        self._return += reward
        task.after_step(episode, state, action)
        obs = next_obs = self.observe()
        if not np.isfinite(obs).all():
            raise EnvError(f"{task.name} observes NaN or infinity.")

        ended = np.flatnonzero(terminated | truncated)
        episodes = [self._finish(int(i), bool(terminated[i]), bool(diverged[i])) for i in ended]
        if self._once:
            self._rests[ended] = True
        elif len(ended):
            self._begin(ended)
            obs = next_obs.copy()
            obs[ended] = self.observe()[ended]
        return Step(
            obs,
            next_obs,
            reward.astype(np.float32),
            terminated,
            truncated,
            diverged,
            terms,
            episodes,
        )

    @says_whose_fault
    def hold(self, values: Values) -> None:
        """Use these parameters for all episodes that begin from now on, instead of drawing them.

        Raises:
            UsageError: There is no such parameter, or its value is not allowed.
        """
        self._require(values)
        self.effects.activate({self._owner[name] for name in values})
        self._held = dict(values)

    @says_whose_fault
    def change(self, sim: int, values: Values) -> None:
        """Change parameters of a running episode, from the next control step on.

        The model is written from its compiled defaults again; what had begun goes on. An effect
        that remembers, such as a delay, knows the control steps since it was activated: where it is
        to know all, activate it before :meth:`reset`.

        Raises:
            UsageError: There is no such parameter, or its value is not allowed.
        """
        self._require(values)
        self.params.change(sim, values)
        self._activate(self.params)
        self.effects.rewrite(self.episode.elapsed)
        self.batch.forward(stage=_VELOCITY_STAGE)

    @says_whose_fault
    def drawn(self, sim: int) -> EpisodeParams:
        """Parameters that are drawn for the episode of ``sim`` if none are held, one row."""
        params = self._nominal.rows(np.zeros(self.n, int))
        self._draw(sim, params)
        return params.rows(np.array([sim]))

    @says_whose_fault
    def snapshot(self, sim: int) -> Snapshot:
        """Everything that a picture of ``sim`` needs now."""
        state: Any = self.state
        arrows = self.task.arrows(self.episode, state, sim)
        arrows += self.effects.arrows(state, sim, int(self.episode.elapsed[sim]))
        return Snapshot(
            qpos=self.batch.bind("qpos")[sim].copy(),
            mocap_pos=self.batch.bind("mocap_pos")[sim].copy(),
            mocap_quat=self.batch.bind("mocap_quat")[sim].copy(),
            patch=int(self.episode.patch[sim]),
            arrows=tuple(arrows),
            fields=self.effects.shown(sim),
        )

    @says_whose_fault
    def metrics(self) -> dict[str, float]:
        """Metrics of the simulations for the log, by name."""
        logged = self.task.training_metrics(self.episode)
        numbers = task_code.numbers(self.task, "training_metrics", logged)
        return {name: value for name, value in numbers.items() if value is not None}

    def close(self) -> None:
        """Do nothing: the simulations are freed with the object."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all that a resumed run needs: simulations, episodes, counters."""
        parts = {"state": self.batch.state, "index": self._index, "return": self._return}
        parts["rests"] = self._rests
        parts |= {f"episode.{name}": array for name, array in self._remembered().items()}
        parts |= {f"params.{name}": values for name, values in self.params.items()}
        parts |= {f"effects.{name}": array for name, array in self.effects.state_dict().items()}
        return {name: array.copy() for name, array in parts.items()}

    @says_whose_fault
    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue exactly where :meth:`state_dict` was taken.

        Where that was of simulations with other numbers, these keep theirs, by which later episodes
        differ from those.

        Returns:
            Observations to act on next, (N, O).
        """
        self.batch.state[:] = saved["state"]
        self._index[:], self._return[:] = saved["index"], saved["return"]
        self._rests[:] = saved["rests"]
        for name, array in self._remembered().items():
            array[:] = saved[f"episode.{name}"]
        self.episode.number[:] = self._sims
        for name, values in self.params.items():
            values[:] = saved[f"params.{name}"]
        if self._patched:
            self._dataid[:, self._ground] = self.episode.patch
        self._activate(self.params)
        prefix = "effects."
        effects = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        keys = self._keys(np.arange(self.n))
        self.effects.load_state_dict(effects, self.episode.elapsed, keys)
        self.batch.forward(stage=_VELOCITY_STAGE)
        return self.observe()

    def _remembered(self) -> dict[str, np.ndarray]:
        """The task's episode state as arrays."""
        names = (part.name for part in fields(self.episode) if part.name != "params")
        return {name: getattr(self.episode, name) for name in names}

    def _use(self, ranges: Randomization) -> None:
        """Draw parameters from these ranges from now on."""
        self._ranges = ranges
        self.effects.activate(ranges.varied)

    def _activate(self, params: EpisodeParams) -> None:
        """Activate the effects that these parameters, N rows, need."""
        self.effects.activate({self._owner[name] for name in params.differing(self._nominal)})

    def _act(self, action: np.ndarray) -> np.ndarray:
        """Act for one control step; report diverged simulations, bool, (N,)."""
        task, episode, state = self.task, self.episode, self.state
        received = self.effects.received(action, episode.elapsed)
        control = task_code.controls(task, task.control(episode, state, received), self.n)
        self._ctrl[:, task.robot.actuators] = control
        self.effects.before_step(state, episode.elapsed)
        diverged = self._step_physics()
        self.effects.after_step()
        episode.elapsed += 1
        return diverged

    def _step_physics(self) -> np.ndarray:
        """Advance one control step; restore and report diverged simulations, bool, (N,)."""
        batch = self.batch
        self._before[:] = batch.state
        running = np.flatnonzero(~self._rests) if self._rests.any() else None
        try:
            batch.step(running, nstep=self.task.substeps, stage=_VELOCITY_STAGE)
        except SimulationError:
            diverged = (batch.status != 0) & ~self._rests
        else:
            diverged = np.zeros(self.n, bool)
        if batch.warning.any():
            diverged |= batch.warning[:, UNSTABLE].any(axis=(1, 2))
            batch.warning[:] = 0
        if diverged.any():
            ids = np.flatnonzero(diverged)
            for i in ids:
                self._dump(int(i))
            batch.state[ids] = self._before[ids]
            batch.forward(ids, stage=_VELOCITY_STAGE)
        return diverged

    def _dump(self, sim: int) -> None:
        """Save the state before a simulation diverged; a full disk is only reported."""
        params = json.dumps(self.params.record(self._nominal, sim))
        name = (
            f"{self.task.name}-seed{self.seed}-sim{self._sims[sim]}"
            f"-episode{self._index[sim]}{self._apart(sim, params)}.npz"
        )
        try:
            self._dump_dir.mkdir(parents=True, exist_ok=True)
            np.savez(
                self._dump_dir / name,
                state=self._before[sim],
                elapsed=self.episode.elapsed[sim],
                params=params,
            )
        except OSError as error:
            warnings.warn(f"The state of a diverged simulation is not kept: {error}", stacklevel=2)

    def _apart(self, sim: int, params: str) -> str:
        """Key of the randomness of an episode, independent of the rest of the batch."""
        if self._given is None:
            return f"-row{sim}" if self._repeated else ""
        return f"-{zlib.crc32(f'{params} {self.episode.patch[sim]}'.encode()):08x}"

    def _finish(self, sim: int, terminated: bool, diverged: bool) -> Episode:
        task, pool = self.task, self.task.terrain
        patch = None
        if pool is not None and not pool.catalogue.is_scenery:
            patch = pool.patches[self.episode.patch[sim]]
        episode = Episode(
            task=task.name,
            seed=self.seed,
            sim=int(self._sims[sim]),
            index=int(self._index[sim]),
            length=int(self.episode.elapsed[sim]),
            reward=float(self._return[sim]),
            success=bool(task.success(self.episode, sim)) and not terminated,
            terminated=terminated,
            diverged=diverged,
            metrics=task_code.numbers(task, "metrics", task.metrics(self.episode, sim)),
            params=self.params.record(self._nominal, sim),
            realized=self.effects.realized(sim),
            terrain=None if patch is None else patch.kind,
            level=None if patch is None else patch.level,
            places=task.places(self.episode, sim),
        )
        task.after_episode(self.episode, sim, terminated)
        self._index[sim] += 1
        return episode

    def _begin(self, ids: np.ndarray) -> None:
        batch, task = self.batch, self.task
        if task.randomization is not self._ranges:  # they may widen as training goes on
            self._use(task.randomization)
        batch.reset(ids, keyframe=task.robot.home, stage=0)
        self.episode.elapsed[ids] = 0
        self.episode.last_action[ids] = 0.0
        self.params.fill(ids, self._nominal)
        for row in ids.tolist():
            self._place(row)
        self.effects.start(ids, batch.bind("qpos"))
        self._return[ids], self._rests[ids] = 0.0, False
        if self._patched:
            self._dataid[ids, self._ground] = self.episode.patch[ids]
        self.effects.begin(ids, self._keys(ids))
        batch.forward(ids, stage=_VELOCITY_STAGE)

    def _place(self, sim: int) -> None:
        """Put a simulation into the initial state of its episode."""
        task, episode, rng = self.task, self.episode, self._episode_rng(sim)
        episode.patch[sim] = task.draw_patch(episode, sim, rng)
        self._draw(sim, self.params)
        self.params.change(sim, self._held)
        for name, value in task_code.initial(task, task.reset(episode, sim, rng)).items():
            place = self.batch.bind(name)[sim]
            if value.shape != place.shape:
                raise EnvError(
                    f"reset of {task.name} must say {name} of shape {place.shape}, and says one of "
                    f"shape {value.shape}."
                )
            place[:] = value

    def _draw(self, sim: int, into: EpisodeParams) -> None:
        """Draw the parameters of the episode of ``sim`` into its row, which is nominal."""
        self.task.randomization_of(self.episode, sim).draw(self._named_rng(sim), into, sim)
        if self._given is not None and self._index[sim] == 0:
            into.copy_rows(self._given, np.array([sim]))

    def _require(self, values: Values) -> None:
        """Check that parameters exist and are allowed.

        Raises:
            UsageError: There is no such parameter, or its value is not allowed.
        """
        effects, robot = self.task.perturbations, self.task.robot
        row = episode_params.from_records([values], effects, robot)
        episode_params.check(row, effects, robot, 1)

    def _keys(self, ids: np.ndarray) -> np.ndarray:
        return episode_key(self.purpose, self.seed, self._sims[ids], self._index[ids])

    def _episode_rng(self, sim: int) -> np.random.Generator:
        number, index = int(self._sims[sim]), int(self._index[sim])
        return episode_rng(self.purpose, self.seed, number, index)

    def _named_rng(self, sim: int) -> Callable[[str], np.random.Generator]:
        number, index = int(self._sims[sim]), int(self._index[sim])
        return lambda name: named_rng(self.purpose, self.seed, number, index, name)
