"""Everything of a run that continues: one step of it, and its exact saving and restoring."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from robo_maxent.envs.interface import Learnable, layout_of
from robo_maxent.learning.hardware import cpus, resolve
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac
from robo_maxent.training import checkpoint
from robo_maxent.training.checkpoint import Checkpoint
from robo_maxent.training.config import TrainConfig
from robo_maxent.types import Step


class Trainer:
    """Everything of a run that continues: environment, learner, replay, generators, counters."""

    def __init__(self, task: Learnable, config: TrainConfig, directory: Path) -> None:
        """Build a run at its beginning."""
        seeds = np.random.SeedSequence(config.seed).spawn(3)
        learner_seed = int(seeds[0].generate_state(1)[0])
        self.task, self.config, self.directory = task, config, directory
        threads = config.threads or cpus()
        # Two threads that must wait for each other are slow where another one takes a core: they
        # learn together once the physics of the step is finished. A single simulation leaves the
        # cores free.
        learner_threads = threads if config.envs == 1 else max(threads // 2, 1)
        torch.set_num_threads(learner_threads)
        self._threads, self._learner_threads = threads, learner_threads
        physics_threads = max(threads - learner_threads, 1)
        self.env = task.training_env(config.envs, config.seed, physics_threads, directory)
        self._mirrors = task.mirrors if config.symmetric else None
        self._physics = ThreadPoolExecutor(1, "physics")
        self._stepping: Future[Step] = Future()
        self.learner = Sac(
            task.observation_size,
            task.action_size,
            config.sac,
            learner_seed,
            resolve(config.precision),
            task.policy_size,
            shares=min(threads, 2 * learner_threads),
        )
        self.replay = ReplayBuffer(config.replay_capacity, task.observation_size, task.action_size)
        self.action_rng = np.random.default_rng(seeds[1])
        self.replay_rng = np.random.default_rng(seeds[2])
        self.control_steps = 0
        self.best_score: list[float] = []
        self.obs = self.env.reset()

    @property
    def steps(self) -> int:
        """Environment steps, summed over the simulations."""
        return self.control_steps * self.config.envs

    def step(self) -> tuple[Step, dict[str, torch.Tensor]]:
        """Act, then step the physics on one half of the cores while the other half learns.

        The updates see the transitions up to the last step and the actions come from the policy
        before them, whatever the timing: the same seed gives the same run.
        """
        self.learner.observe(self.obs)
        learning = self.control_steps >= self.config.random_steps
        if learning:
            action = self.learner.explore(self.obs)
        else:
            shape = (self.config.envs, self.task.action_size)
            action = self.action_rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        self._stepping = self._physics.submit(self.env.step, action)
        try:
            metrics = self._learn() if learning and len(self.replay) else {}
        finally:
            step = self._stepping.result()
        self._store(action, step)
        self.obs = step.obs
        self.control_steps += 1
        return step, metrics

    def _store(self, action: np.ndarray, step: Step) -> None:
        keep = ~step.diverged
        obs, action, next_obs = self.obs[keep], action[keep], step.next_obs[keep]
        reward, terminated = step.reward[keep], step.terminated[keep]
        self.replay.add(obs, action, reward, next_obs, terminated)
        if self._mirrors:
            see, act = self._mirrors
            self.replay.add(see(obs), act(action), reward, see(next_obs), terminated)

    def _learn(self) -> dict[str, torch.Tensor]:
        size = self.config.updates_per_step * self.config.sac.batch_size
        if not size:
            return {}
        return self.learner.update(self.replay.sample(self.replay_rng, size), self._crew)

    def _crew(self) -> int:
        """How many threads may learn: all of them once the physics of the step is finished."""
        return self._threads if self._stepping.done() else self._learner_threads

    def policy(self) -> Policy:
        """The present mean-action policy; it changes as the learner does."""
        seen = self.learner.normalizer.first(self.task.policy_size)
        return Policy(layout_of(self.task), self.learner.average, seen)

    def save(self) -> Path:
        """Write a checkpoint."""
        return checkpoint.save(
            self.directory / "checkpoint",
            self.steps,
            Checkpoint(
                learner=self.learner.state_dict(),
                env=self.env.state_dict(),
                replay=self.replay.state_dict(),
                loop={
                    "control_steps": self.control_steps,
                    "best_score": self.best_score,
                    "action_rng": self.action_rng.bit_generator.state,
                    "replay_rng": self.replay_rng.bit_generator.state,
                },
            ),
        )

    def restore(self) -> None:
        """Continue exactly where the run's checkpoint was written.

        Where the task's simulations can't be saved, new episodes begin, none of them a repetition.
        """
        saved = checkpoint.load(self.directory / "checkpoint")
        self.learner.load_state_dict(saved.learner)
        self.replay.load_state_dict(dict(saved.replay))
        self.control_steps = saved.loop["control_steps"]
        self.best_score = saved.loop["best_score"]
        self.action_rng.bit_generator.state = saved.loop["action_rng"]
        self.replay_rng.bit_generator.state = saved.loop["replay_rng"]
        self.obs = self.env.load_state_dict(dict(saved.env))

    def close(self) -> None:
        """Wait for a step that is under way, and end worker processes."""
        self._physics.shutdown()
        self.env.close()
