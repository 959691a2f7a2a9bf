"""A run in one process: the physics of a step beside the updates."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.training.checkpoint import Loop, require_like
from robo_maxent.training.collector import Collector, Transitions
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_state import RunState
from robo_maxent.types import Step


class Trainer(RunState):
    """A collector and a learner on one machine. The same seed gives the same run."""

    def __init__(self, task: EnvFactory, config: TrainConfig, directory: Path) -> None:
        """Build a run at its beginning.

        Raises:
            UsageError: A setting means nothing for the actions of the task.
        """
        super().__init__(task, config, directory)
        threads = machine.threads()
        # Two threads that must wait for each other are slow where another one takes a core: they
        # learn together once the physics of the step is finished. A single simulation leaves the
        # cores free, and so does physics that has its own turn.
        share = config.overlap and config.envs > 1
        learner_threads = max(threads // 2, 1) if share else threads
        torch.set_num_threads(learner_threads)
        self._threads, self._learner_threads = threads, learner_threads
        self.collector = self._new_collector()
        self.learner = self._new_learner(min(threads, 2 * learner_threads), config.envs)
        self._physics = ThreadPoolExecutor(1, "physics")
        self._stepping: Future[tuple[Step, Transitions]] = Future()

    def _new_collector(self) -> Collector:
        config, threads = self.config, max(self._threads - self._learner_threads, 1)
        if not config.overlap:
            threads = self._threads
        env = self.task.training_env(config.envs, config.seed, threads, self.directory)
        rng = np.random.default_rng(self._action_seed)
        return Collector(env, config.random_steps, rng)

    def begin(self) -> None:
        """Nothing to start: all is here."""

    @property
    def control_steps(self) -> int:
        """Control steps of all simulations together."""
        return self.collector.control_steps

    def step(self) -> tuple[Step, dict[str, torch.Tensor]]:
        """Act, then step the physics on one half of the cores while the other half learns.

        The updates see the transitions up to the last step and the actions come from the policy
        before them, whatever the timing: the same seed gives the same run. Without ``overlap`` the
        updates come after the physics, and see its transitions too.

        Raises:
            EnvError: An environment crashed or returned NaN or infinity.
            DivergedError: The agent acts with NaN; nothing was stepped.
        """
        collector, learner = self.collector, self.learner
        learner.agent.observe(collector.obs)
        learning = not collector.is_random
        action = collector.act(learner.agent.explore)
        if self.task.action_space.wrong(action).any():
            raise self._diverged()
        if not self.config.overlap:
            step, transitions = collector.step(action)
            learner.store(transitions)
            return step, learner.learn() if learning else {}
        self._stepping = self._physics.submit(collector.step, action)
        try:
            metrics = learner.learn(self._crew) if learning else {}
        finally:
            step, transitions = self._stepping.result()
        learner.store(transitions)
        return step, metrics

    def metrics(self) -> dict[str, float]:
        """What to log of the simulations, by name."""
        return self.collector.env.metrics()

    def close(self) -> None:
        """Wait for a step that is under way, and end worker processes."""
        self._physics.shutdown()
        self.collector.env.close()

    def _crew(self) -> int:
        """How many threads may learn: all of them once the physics of the step is finished."""
        return self._threads if self._stepping.done() else self._learner_threads

    def _simulations(self) -> Mapping[str, np.ndarray]:
        return self.collector.env.state_dict()

    def _action_rng(self) -> np.random.Generator:
        return self.collector.rng

    def _continue_collecting(self, simulations: Mapping[str, np.ndarray], loop: Loop) -> None:
        collector = self.collector
        require_like(simulations, collector.env.state_dict(), "env")
        collector.control_steps = loop.control_steps
        collector.rng.bit_generator.state = loop.action_rng
        collector.obs = collector.env.load_state_dict(dict(simulations))
