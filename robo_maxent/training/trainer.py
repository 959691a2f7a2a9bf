"""Everything of a run that continues: one step of it, and its exact saving and restoring."""

import hashlib
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robo_maxent import machine
from robo_maxent.differences import first_difference
from robo_maxent.envs.interface import EnvFactory, layout_of
from robo_maxent.errors import CheckpointError, DivergedError, UsageError
from robo_maxent.from_json import typed
from robo_maxent.learning.hindsight import Hindsight, hindsight
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.training import checkpoint
from robo_maxent.training.agents import agent_of, require_settings_for
from robo_maxent.training.checkpoint import Checkpoint, Loop
from robo_maxent.training.collector import Collector, Transitions
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.learner import Learner
from robo_maxent.types import Step

MAY_DIFFER = ("minutes", "steps", "save_seconds", "evaluate_every", "evaluation_episodes")
"""Of a configuration, what may be changed when a run is resumed: it touches nothing learnt."""


class Trainer:
    """A collector and a learner on one machine: the physics of a step beside the updates.

    It is everything of a run that continues: simulations, agent, replay, generators, counters.
    """

    def __init__(self, task: EnvFactory, config: TrainConfig, directory: Path) -> None:
        """Build a run at its beginning.

        Raises:
            UsageError: A setting means nothing for the actions of the task.
        """
        require_settings_for(task, config)
        self.task, self.config, self.directory = task, config, directory
        self._began, self._seconds_before = time.monotonic(), 0.0
        machine.use_threads(config.threads)
        threads = machine.threads()
        # Two threads that must wait for each other are slow where another one takes a core: they
        # learn together once the physics of the step is finished. A single simulation leaves the
        # cores free, and so does physics that has its own turn.
        share = config.overlap and config.envs > 1
        learner_threads = max(threads // 2, 1) if share else threads
        torch.set_num_threads(learner_threads)
        self._threads, self._learner_threads = threads, learner_threads
        agent_seed, action_seed, replay_seed = np.random.SeedSequence(config.seed).spawn(3)
        self.collector = self._new_collector(action_seed)
        self.learner = self._new_learner(agent_seed, replay_seed)
        self.best_score: list[float] = []
        self._physics = ThreadPoolExecutor(1, "physics")
        self._stepping: Future[tuple[Step, Transitions]] = Future()

    def _new_collector(self, action_seed: np.random.SeedSequence) -> Collector:
        config, threads = self.config, max(self._threads - self._learner_threads, 1)
        if not config.overlap:
            threads = self._threads
        env = self.task.training_env(config.envs, config.seed, threads, self.directory)
        rng = np.random.default_rng(action_seed)
        return Collector(env, config.random_steps, rng)

    def _new_learner(
        self, agent_seed: np.random.SeedSequence, replay_seed: np.random.SeedSequence
    ) -> Learner:
        task, config = self.task, self.config
        shares = min(self._threads, 2 * self._learner_threads)
        agent = agent_of(task, config, int(agent_seed.generate_state(1)[0]), shares)
        return Learner(
            agent,
            ReplayBuffer(
                config.replay_capacity,
                task.observation_size,
                task.action_space.columns,
                relabelling(task, config.relabelled),
            ),
            np.random.default_rng(replay_seed),
            update_size=config.updates_per_step * config.sac.batch_size,
            sims=config.envs,
            mirrors=task.mirrors if config.symmetric else None,
        )

    @property
    def control_steps(self) -> int:
        """Control steps of all simulations together."""
        return self.collector.control_steps

    @property
    def steps(self) -> int:
        """Environment steps, summed over the simulations."""
        return self.control_steps * self.config.envs

    @property
    def seconds(self) -> float:
        """Wall-clock since the run began, the time between its processes left out."""
        return self._seconds_before + time.monotonic() - self._began

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

    def _crew(self) -> int:
        """How many threads may learn: all of them once the physics of the step is finished."""
        return self._threads if self._stepping.done() else self._learner_threads

    def policy(self) -> Policy:
        """The present policy without noise; it changes as the agent does."""
        return self.learner.agent.policy(layout_of(self.task))

    def require_finite(self) -> None:
        """Check that the agent can go on.

        Raises:
            DivergedError: Some of its numbers are NaN or infinite.
        """
        if not self.learner.agent.is_finite():
            raise self._diverged()

    def _diverged(self) -> DivergedError:
        return DivergedError(
            f"The learner diverged at {self.steps:,} steps: some of its numbers are not finite."
        )

    def save(self) -> Path:
        """Write a checkpoint.

        Raises:
            CheckpointError: It could not be written.
            DivergedError: The agent could not go on from it.
        """
        self.require_finite()
        collector, learner = self.collector, self.learner
        return checkpoint.save(
            self.directory / "checkpoint",
            self.steps,
            Checkpoint(
                learner=learner.agent.state_dict(),
                env=collector.env.state_dict(),
                replay=learner.replay.state_dict(),
                loop={
                    "control_steps": collector.control_steps,
                    "best_score": self.best_score,
                    "recipe": self._recipe(),
                    "seconds": self.seconds,
                    "action_rng": collector.rng.bit_generator.state,
                    "replay_rng": learner.rng.bit_generator.state,
                },
            ),
        )

    def restore(self) -> None:
        """Continue exactly where the run's checkpoint was written.

        Where the task's simulations can't be saved, new episodes begin, none of them a repetition.

        Raises:
            CheckpointError: There is none, it is damaged, it can't go on, another version wrote it,
                or a run of another configuration.
        """
        directory = self.directory / "checkpoint"
        saved = checkpoint.load(directory)
        try:
            loop: Loop = typed(Loop, saved.loop, "loop.json")
            recipe = json.loads(json.dumps(self._recipe()))
            if loop.recipe is not None and (before := self._completed(loop.recipe)) != recipe:
                difference = first_difference(recipe, before, "the checkpoint's")
                raise CheckpointError(
                    f"{self.directory / 'config.json'} was edited: {difference}. Put that back, or "
                    "begin a run of its own with train --out."
                )
            self._continue(saved, loop)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise CheckpointError(
                f"The checkpoint in {directory} does not hold what this run continues from: "
                f"{' '.join(str(error).split())[:200]}. The run's policy files are separate and "
                "can still be used."
            ) from error
        except KeyError as error:
            raise CheckpointError(
                f"The checkpoint in {directory} was written by another version: it has no {error}. "
                "The run's policy files are separate and can still be used."
            ) from error
        if not self.learner.agent.is_finite():
            raise CheckpointError(
                f"The learner in {directory} has diverged: some of its numbers are not finite. The "
                "run's policy files are separate and can still be used."
            )

    def _recipe(self) -> dict[str, Any]:
        """What decides how the run learns, beside its budget."""
        train = {name: v for name, v in asdict(self.config).items() if name not in MAY_DIFFER}
        copies = {
            option: f"{name} {hashlib.sha256(data).hexdigest()}"
            for option, (name, data) in self.task.kept.items()
        }
        options = {**self.task.options, **copies}
        return {"task": self.task.name, "options": options, "train": train}

    def _completed(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """A saved recipe with the settings that came later, whose defaults are as before.

        Raises:
            KeyError, TypeError: It is no recipe.
        """
        later = json.loads(json.dumps(asdict(TrainConfig())))
        train = {name: value for name, value in later.items() if name not in MAY_DIFFER}
        sac = train["sac"] | recipe["train"]["sac"]
        completed = recipe | {"train": train | recipe["train"] | {"sac": sac}}
        ours = self._recipe()["options"]
        for option in self.task.kept:  # of which there was a path before there were copies
            if recipe["options"][option] == self.task.options[option]:
                completed["options"] = completed["options"] | {option: ours[option]}
        return completed

    def _continue(self, saved: Checkpoint, loop: Loop) -> None:
        collector, learner = self.collector, self.learner
        checkpoint.require_like(saved.learner, learner.agent.state_dict(), "learner")
        checkpoint.require_like(saved.env, collector.env.state_dict(), "env")
        learner.agent.load_state_dict(saved.learner)
        learner.replay.load_state_dict(dict(saved.replay))
        learner.rng.bit_generator.state = loop.replay_rng
        self.best_score, self._seconds_before = list(loop.best_score), loop.seconds
        collector.control_steps = loop.control_steps
        collector.rng.bit_generator.state = loop.action_rng
        collector.obs = collector.env.load_state_dict(dict(saved.env))
        if not self.task.exact_resume:
            learner.replay.end()

    def close(self) -> None:
        """Wait for a step that is under way, and end worker processes."""
        self._physics.shutdown()
        self.collector.env.close()


def relabelling(task: EnvFactory, share: float | None) -> Hindsight | None:
    """How transitions of a task are relabelled; None: they are not.

    Raises:
        UsageError: It is asked for, and the task has no goals.
    """
    if task.goal is None:
        if share:
            reasons = "".join(f" {note}." for note in task.notes if "hindsight" in note)
            raise UsageError(
                f"{task.name} has no goals that could be relabelled: leave relabelled out.{reasons}"
            )
        return None
    found = hindsight(task.goal, task.observation_parts, share)
    return found if found.share else None
