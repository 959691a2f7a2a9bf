"""N simulations of one task, stepped together on a thread pool."""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, Generic

import numpy as np

from robo_maxent.envs.perturb import Perturbations
from robo_maxent.envs.task import M, Task
from robo_maxent.errors import UsageError
from robo_maxent.perturbations import params as drawing
from robo_maxent.perturbations.applier import Applier
from robo_maxent.perturbations.counter_rng import episode_key
from robo_maxent.perturbations.params import Draw
from robo_maxent.perturbations.ranges import Randomization, draw
from robo_maxent.sim.physics import Batch, SimulationError, mujoco
from robo_maxent.sim.terrain_pool import GROUND
from robo_maxent.types import Episode, Step

_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
_UNSTABLE = [
    int(warning)
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
        mujoco.mjtWarning.mjWARN_BADCTRL,
    )
]
"""Counters that say a simulation diverged; MuJoCo resets such a simulation silently."""


class VecEnv(Generic[M]):
    """N simulations of a task with automatic reset in the same step, unless told to run ``once``.

    All randomness of an episode is drawn when it begins, from a generator seeded by
    (seed, simulation, episode index). So simulation 0 of 64 runs the same episodes as simulation 0
    of 1, any episode can be run again, and the thread count changes nothing.
    """

    def __init__(
        self,
        task: Task[M],
        n: int,
        seed: int,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        first_sim: int = 0,
        draws: Draw | None = None,
        sims: np.ndarray | None = None,
        once: bool = False,
    ) -> None:
        """Build the simulations; call :meth:`reset` before the first step.

        Args:
            task: What to do.
            n: Number of simulations.
            seed: Seed of every episode, at least 0.
            threads: Physics threads; 0: one per CPU.
            dump_dir: Where the state of a diverged simulation goes.
            first_sim: Number of the first simulation, to run a part of a larger set.
            draws: What is different about the first episode of each simulation, N rows; None: drawn
                from the task's ranges, as all later ones are. Commands, start and noise are those
                of the same seed with any other draws.
            sims: Number of each simulation, int, (N,), instead of those from ``first_sim`` on. One
                may come twice, to run the same episode with different draws.
            once: Simulations rest after their first episode: they are not stepped, and what is said
                of them means nothing.

        Raises:
            UsageError: ``n``, ``seed``, ``sims`` or ``draws`` is out of range, or the task does not
                support what they change.
        """
        if n < 1:
            raise UsageError(f"n must be at least 1, got {n}")
        if seed < 0:
            raise UsageError(f"seed must be at least 0, got {seed}")
        sims = first_sim + np.arange(n) if sims is None else np.asarray(sims)
        if sims.shape != (n,) or sims.min() < 0:
            raise UsageError(f"sims must be {n} numbers of at least 0, got {sims.tolist()}")
        self.task, self.n, self.seed = task, n, seed
        self.batch = Batch(task.robot.model, n, threads)
        self.now = task.robot.read(self.batch)
        self.memory = task.memory(n)
        self.draws = drawing.nominal(task.robot, n)
        self._ctrl = self.batch.bind("ctrl")
        self.memory.number[:] = sims
        self._patched = task.pool is not None and not task.pool.endless
        if self._patched:
            self._dataid = self.batch.expand("geom_dataid")  # (N, geoms)
            self._ground = task.robot.model.geom(GROUND).id
        self._apply = Applier(task.robot, self.batch)
        self._dump_dir = Path(dump_dir)
        self._sims = sims
        self._repeated = len(np.unique(sims)) < n
        self._before = np.empty_like(self.batch.state)  # (N, state), to dump what diverged
        self._index = np.zeros(n, np.int64)  # episodes finished, per simulation
        self._return = np.zeros(n)
        self._acting = Perturbations(task, self.batch, self._apply, self.draws)
        self._usual = drawing.nominal(task.robot, n)
        self._given, self._once = draws, once
        self._rests = np.zeros(n, bool)
        self._trunk_mass = float(task.robot.model.body_mass[task.robot.trunk])
        self._use(task.randomization)
        if draws is not None:
            self._admit(draws)

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation.

        Returns:
            Observations, (N, O).
        """
        self._index[:] = 0
        self._begin(np.arange(self.n))
        return self._observe()

    def restart(self, ids: np.ndarray) -> np.ndarray:
        """Give up the running episodes of some simulations and begin their next ones.

        Args:
            ids: Which simulations, int, (k,).

        Returns:
            Observations of all simulations, (N, O).
        """
        self._index[ids] += 1
        self._begin(ids)
        return self._observe()

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step; ended episodes begin anew within the step.

        Args:
            action: Actions, clipped to [-1, 1], (N, A).

        Raises:
            UsageError: The shape is wrong or a value is not finite; nothing was stepped.
        """
        task, memory, now = self.task, self.memory, self.now
        action = self._checked(action)
        acting = self._acting.received(action, memory.elapsed)
        self._ctrl[:] = task.robot.stand_pose + task.action_scale * acting
        self._acting.before_step(memory.elapsed, now)
        diverged = self._step_physics()
        self._acting.after_step()
        memory.elapsed += 1

        terminated = (task.fallen(memory, now) | diverged) & ~self._rests
        terms = task.rewards(memory, now, action)
        if task.fall_price:
            terms["fall"] = -task.fall_price * terminated
        reward = sum(terms.values(), np.zeros(self.n))
        over = (memory.elapsed >= task.episode_steps) | task.left(memory, now)
        truncated = over & ~terminated & ~self._rests
        self._return += reward
        task.advance(memory, now, action)
        obs = next_obs = self._observe()

        ended = np.flatnonzero(terminated | truncated)
        episodes = [self._finish(int(i), bool(terminated[i]), bool(diverged[i])) for i in ended]
        if self._once:
            self._rests[ended] = True
        elif len(ended):
            self._begin(ended)
            obs = next_obs.copy()
            obs[ended] = self._observe()[ended]
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

    def pushes(self, sim: int, seconds: float) -> np.ndarray:
        """Forces of the pushes of ``sim`` that act, or began less than ``seconds`` ago.

        Returns:
            One row each, world frame, N, (k, 3).
        """
        return self._acting.lately(sim, int(self.memory.elapsed[sim]), seconds)

    def metrics(self) -> dict[str, float]:
        """What to log of the simulations, by name."""
        return self.task.metrics(self.memory)

    def close(self) -> None:
        """Nothing to do: the simulations go with the object."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of everything that continues: simulations, task memory, draws, counters."""
        parts = {"state": self.batch.state, "index": self._index, "return": self._return}
        parts["rests"] = self._rests
        parts |= {f"memory.{f.name}": getattr(self.memory, f.name) for f in fields(self.memory)}
        parts |= {f"draw.{f.name}": getattr(self.draws, f.name) for f in fields(self.draws)}
        parts |= {f"acting.{name}": array for name, array in self._acting.state_dict().items()}
        return {name: array.copy() for name, array in parts.items()}

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue exactly where :meth:`state_dict` was taken.

        Returns:
            Observations to act on next, (N, O).
        """
        self.batch.state[:] = saved["state"]
        self._index[:], self._return[:] = saved["index"], saved["return"]
        self._rests[:] = saved["rests"]
        for part, prefix in ((self.memory, "memory"), (self.draws, "draw")):
            for array in fields(part):
                getattr(part, array.name)[:] = saved[f"{prefix}.{array.name}"]
        if self._patched:
            self._dataid[:, self._ground] = self.memory.patch
        self._require(drawing.differing(self.draws, self._usual))
        everyone = np.arange(self.n)
        self._apply(self.draws, everyone)
        prefix = "acting."
        acting = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        self._acting.load_state_dict(acting, self.memory.elapsed, self._keys(everyone))
        self.batch.forward(stage=_VELOCITY_STAGE)
        return self._observe()

    def _admit(self, given: Draw) -> None:
        """Check draws that someone gave, and have them applied."""
        drawing.check(given, self._usual, self._trunk_mass)
        self._require(drawing.differing(given, self._usual))

    def _use(self, ranges: Randomization) -> None:
        """Draw from these ranges from now on."""
        drawing.check_payload(ranges.payload[0], self._trunk_mass)
        self._ranges = ranges
        self._require(ranges.varied)

    def _require(self, names: set[str]) -> None:
        drawing.require_supported(names, self.task.perturbations, self.task.name)
        self._apply.require(names)
        self._acting.require(names)

    def _observe(self) -> np.ndarray:
        """What the policy sees, through the sensors, (N, O)."""
        obs = self.task.observe(self.memory, self._acting.sensed(self.now))
        self._acting.add_noise(obs, self.memory.elapsed)
        return obs

    def _checked(self, action: np.ndarray) -> np.ndarray:
        expected = (self.n, self.task.action_size)
        if np.shape(action) != expected:
            raise UsageError(f"action must have shape {expected}, got {np.shape(action)}")
        if not np.isfinite(action).all():
            bad = np.flatnonzero(~np.isfinite(action).all(axis=1))
            raise UsageError(
                f"action must be finite, got NaN or infinity in simulations {bad[:5].tolist()}; "
                "nothing was stepped"
            )
        return np.clip(action, -1.0, 1.0)

    def _step_physics(self) -> np.ndarray:
        """Advance one control step; restore and report simulations that diverged, bool, (N,)."""
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
            diverged |= batch.warning[:, _UNSTABLE].any(axis=(1, 2))
            batch.warning[:] = 0
        if diverged.any():
            ids = np.flatnonzero(diverged)
            for i in ids:
                self._dump(int(i))
            batch.state[ids] = self._before[ids]
            batch.forward(ids, stage=_VELOCITY_STAGE)
        return diverged

    def _dump(self, sim: int) -> None:
        self._dump_dir.mkdir(parents=True, exist_ok=True)
        row = f"-row{sim}" if self._repeated else ""
        name = (
            f"{self.task.name}-seed{self.seed}-sim{self._sims[sim]}"
            f"-episode{self._index[sim]}{row}.npz"
        )
        np.savez(
            self._dump_dir / name,
            state=self._before[sim],
            elapsed=self.memory.elapsed[sim],
            draw=json.dumps(self._drawn(sim)),
        )

    def _finish(self, sim: int, terminated: bool, diverged: bool) -> Episode:
        met, measures = self.task.outcome(self.memory, sim)
        pool = self.task.pool
        patch = None if pool is None else pool.patches[self.memory.patch[sim]]
        episode = Episode(
            task=self.task.name,
            seed=self.seed,
            sim=int(self._sims[sim]),
            index=int(self._index[sim]),
            length=int(self.memory.elapsed[sim]),
            reward=float(self._return[sim]),
            success=met and not terminated,
            terminated=terminated,
            diverged=diverged,
            measures=measures,
            draw=self._drawn(sim),
            realized=self._realized(sim),
            terrain=None if patch is None else patch.kind,
            level=None if patch is None else patch.level,
        )
        self.task.ended(self.memory, sim, terminated)
        self._index[sim] += 1
        return episode

    def _drawn(self, sim: int) -> dict[str, Any]:
        return drawing.recorded(self.draws, self._usual, sim)

    def _realized(self, sim: int) -> dict[str, float]:
        return {name: float(array[sim]) for name, array in vars(self._acting.realized).items()}

    def _begin(self, ids: np.ndarray) -> None:
        batch = self.batch
        if self.task.randomization is not self._ranges:  # they may widen as training goes on
            self._use(self.task.randomization)
        batch.reset(ids, keyframe=self.task.robot.stand, stage=0)
        qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
        drawing.copy_rows(self._usual, self.draws, ids)
        for sim in ids:
            rng = self._episode_rng(int(sim))
            qpos[sim], qvel[sim] = self.task.begin(self.memory, int(sim), rng)
            ranges = self.task.ranges(self.memory, int(sim))
            draw(ranges, self._usual, rng, self.draws, int(sim))
        if self._given is not None:
            drawing.copy_rows(self._given, self.draws, ids[self._index[ids] == 0])
        stuck, joint = np.nonzero(self.draws.locked_joint[ids])
        qpos[ids[stuck], 7 + joint] = self.task.robot.stand_pose[joint]
        self._return[ids], self._rests[ids] = 0.0, False
        if self._patched:
            self._dataid[ids, self._ground] = self.memory.patch[ids]
        self._apply(self.draws, ids)
        self._acting.begin(ids, self._keys(ids))
        batch.forward(ids, stage=_VELOCITY_STAGE)

    def _keys(self, ids: np.ndarray) -> np.ndarray:
        return episode_key(self.seed, self._sims[ids], self._index[ids])

    def _episode_rng(self, sim: int) -> np.random.Generator:
        key: Any = (self.seed, int(self._sims[sim]), int(self._index[sim]))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
