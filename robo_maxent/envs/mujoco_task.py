"""Tasks of robots with their simulations, as training, evaluation and stress tests ask for them."""

import os
from pathlib import Path

import numpy as np

from robo_maxent.envs.interface import Reading
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.envs.robot_task import RobotTask
from robo_maxent.envs.task import E, S
from robo_maxent.envs.task_code import whose_fault
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.seeds import Purpose
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import turned

SATURATED = 0.999  # of the torque limit
BEYOND = 0.01  # rad outside of a joint's range


class MujocoTask(RobotTask[E, S]):
    """A task whose episodes are simulated by ``mujoco.batch``; implements ``StressTask``."""

    exact_resume = True
    most_simulations = 256

    def training_env(
        self, n: int, seed: int, threads: int, directory: str | os.PathLike[str]
    ) -> MujocoVecEnv[E, S]:
        """N simulations to train in; diverged ones are dumped in the run's ``directory``.

        ``threads`` are those that the learner leaves free. Contacts with terrain take twice the
        time of those with a plane: there, physics shares the learner's too.
        """
        threads = threads if self.terrain is None else 2 * threads
        dump_dir = Path(directory) / "diverged"
        return MujocoVecEnv(self.in_training(), n, seed, threads, dump_dir=dump_dir)

    def actor_env(
        self, n: int, seed: int, first_sim: int, directory: str | os.PathLike[str]
    ) -> MujocoVecEnv[E, S]:
        """N simulations for one of several actors, stepped in one thread."""
        dump_dir = Path(directory) / "diverged"
        return MujocoVecEnv(self.in_training(), n, seed, 1, dump_dir, first_sim)

    def evaluation_env(
        self,
        n: int,
        seed: int,
        first_sim: int = 0,
        purpose: Purpose = Purpose.EVALUATION,
        params: EpisodeParams | None = None,
    ) -> MujocoVecEnv[E, S]:
        """N simulations of one episode each, numbered from ``first_sim`` on.

        They have these parameters, if given, rather than some of the task's ranges.
        """
        task = self.unseen(seed, purpose)
        return MujocoVecEnv(
            task, n, seed, first_sim=first_sim, params=params, once=True, purpose=purpose
        )

    def trial_env(
        self,
        params: EpisodeParams,
        sims: np.ndarray,
        seed: int,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        filmed: bool = False,
    ) -> MujocoVecEnv[E, S]:
        """Simulations for a stress test, which run one episode each and then rest.

        Args:
            params: What is different about each, N rows.
            sims: Their numbers, int, (N,).
            seed: Of the whole set.
            threads: Physics threads; 0: one per CPU.
            dump_dir: Where the state of a diverged simulation goes.
            filmed: Pictures need nothing of them.
        """
        return MujocoVecEnv(
            self,
            len(sims),
            seed,
            threads,
            dump_dir,
            params=params,
            sims=sims,
            once=True,
            purpose=Purpose.STRESS_TEST,
        )

    def reading(self, env: MujocoVecEnv[E, S]) -> Reading:
        """Measurements of such simulations now."""
        state, speed = env.state, None
        with whose_fault(self):
            deviations = self.deviations(env.episode, env.state)
            tracking = self.tracking(env.episode, env.state)
            holding = self.holding(env.episode, env.state)
            position = self.position(env.episode, env.state)
        if isinstance(state, LeggedState):
            x, y, _ = turned(state.base_orientation, state.base_linear_velocity).T
            speed = np.sqrt(x * x + y * y)
        limit = env.effects.torque_limits()
        at_limit = (np.abs(state.joint_torque) >= SATURATED * limit) & (limit > 0.0)
        low, high = self.robot.joint_range.T
        outside = np.maximum(low - state.joint_position, state.joint_position - high)
        return Reading(
            deviations=deviations,
            tracking=tracking,
            holding=holding,
            position=position,
            speed=speed,
            power=np.abs(state.joint_torque * state.joint_velocity).sum(axis=1),
            saturated=np.any(at_limit, axis=1),
            beyond=np.any(outside > BEYOND, axis=1),
        )
