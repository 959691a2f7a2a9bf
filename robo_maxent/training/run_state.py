"""State of a run that is saved and restored exactly, whoever steps its simulations."""

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

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
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.learner import Learner
from robo_maxent.types import Episode

MAY_DIFFER = ("minutes", "steps", "save_seconds", "evaluate_every", "evaluation_episodes")
"""Settings that may change on resume, since they do not affect learning."""


class Told(Protocol):
    """Report of a step of a run."""

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """Named reward terms of the latest control step, each (N,)."""
        ...

    @property
    def episodes(self) -> list[Episode]:
        """Episodes that ended."""
        ...


class RunState(ABC):
    """Agent, replay, generators and counters of a run; subclasses step the simulations."""

    learner: Learner
    """Set by the subclass, once its simulations are made."""
    actors = 0
    """Number of actors; 0: this process collects itself."""

    def __init__(self, task: EnvFactory, config: TrainConfig, directory: Path) -> None:
        """Begin the clock, and name the seeds.

        Raises:
            UsageError: A setting means nothing for the actions of the task.
        """
        require_settings_for(task, config)
        self.task, self.config, self.directory = task, config, directory
        self._began, self._seconds_before = time.monotonic(), 0.0
        machine.use_threads(config.threads)
        seeds = np.random.SeedSequence(config.seed).spawn(3)
        self._agent_seed, self._action_seed, self._replay_seed = seeds
        self.best_score: list[float] = []

    @abstractmethod
    def step(self) -> tuple[Told, dict[str, torch.Tensor]]:
        """Collect for a while, and make the updates that the recipe asks for.

        Returns:
            What the simulations tell, and metrics of the last update.

        Raises:
            EnvError: An environment crashed or returned NaN or infinity.
            DivergedError: The agent acts with NaN.
            ActorError: Nobody is left to collect.
        """

    @property
    @abstractmethod
    def control_steps(self) -> int:
        """Control steps of ``envs`` simulations together."""

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Metrics of the simulations for the log, by name."""

    @abstractmethod
    def close(self) -> None:
        """Wait for running work, and end other processes."""

    @abstractmethod
    def begin(self) -> None:
        """Start the actors, after :meth:`restore` and before the first step."""

    @property
    def steps(self) -> int:
        """Environment steps, summed over the simulations."""
        return self.control_steps * self.config.envs

    @property
    def seconds(self) -> float:
        """Wall-clock of the run so far, without pauses between its processes, s."""
        return self._seconds_before + time.monotonic() - self._began

    def policy(self) -> Policy:
        """The present policy without noise; it changes as the agent learns."""
        return self.learner.agent.policy(layout_of(self.task))

    def require_finite(self) -> None:
        """Check that all numbers of the agent are finite.

        Raises:
            DivergedError: Some of its numbers are NaN or infinite.
        """
        if not self.learner.agent.is_finite():
            raise self._diverged()

    def save(self) -> Path:
        """Write a checkpoint.

        Raises:
            CheckpointError: It could not be written.
            DivergedError: The agent could not go on from it.
        """
        self.require_finite()
        learner = self.learner
        loop = {
            "control_steps": self.control_steps,
            "best_score": self.best_score,
            "recipe": self._recipe(),
            "seconds": self.seconds,
            "action_rng": self._action_rng().bit_generator.state,
            "replay_rng": learner.rng.bit_generator.state,
        }
        return checkpoint.save(
            self.directory / "checkpoint",
            self.steps,
            Checkpoint(
                learner=learner.agent.state_dict(),
                env=self._simulations(),
                replay=learner.replay.state_dict(),
                loop=loop | ({"actors": self.actors} if self.actors else {}),
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

    @abstractmethod
    def _simulations(self) -> Mapping[str, np.ndarray]:
        """State of the simulations; of actors beside the first under a prefix."""

    @abstractmethod
    def _action_rng(self) -> np.random.Generator:
        """Generator of the random actions of a run in one process."""

    @abstractmethod
    def _continue_collecting(self, simulations: Mapping[str, np.ndarray], loop: Loop) -> None:
        """Continue from saved simulations and counters.

        Raises:
            KeyError, ValueError: That is of other simulations.
        """

    def _new_learner(self, shares: int, sims: int) -> Learner:
        """A new learner.

        Args:
            shares: Into how many shares a batch is divided.
            sims: How many simulations transitions come from.
        """
        task, config = self.task, self.config
        agent = agent_of(task, config, int(self._agent_seed.generate_state(1)[0]), shares)
        return Learner(
            agent,
            ReplayBuffer(
                config.replay_capacity,
                task.observation_size,
                task.action_space.columns,
                relabelling(task, config.relabelled),
            ),
            np.random.default_rng(self._replay_seed),
            update_size=config.updates_per_step * config.sac.batch_size,
            sims=sims,
            mirrors=task.mirrors if config.symmetric else None,
        )

    def _diverged(self) -> DivergedError:
        return DivergedError(
            f"The learner diverged at {self.steps:,} steps: some of its numbers are not finite."
        )

    def _recipe(self) -> dict[str, Any]:
        """Everything that decides how the run learns, but its budget."""
        train = {name: v for name, v in asdict(self.config).items() if name not in MAY_DIFFER}
        copies = {
            option: f"{name} {hashlib.sha256(data).hexdigest()}"
            for option, (name, data) in self.task.kept.items()
        }
        options = {**self.task.options, **copies}
        return {"task": self.task.name, "options": options, "train": train}

    def _completed(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """A saved recipe, with defaults for settings that were added later.

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
        learner = self.learner
        checkpoint.require_like(saved.learner, learner.agent.state_dict(), "learner")
        self._continue_collecting(saved.env, loop)
        learner.agent.load_state_dict(saved.learner)
        learner.replay.load_state_dict(dict(saved.replay))
        learner.rng.bit_generator.state = loop.replay_rng
        self.best_score, self._seconds_before = list(loop.best_score), loop.seconds
        if not self.task.exact_resume or loop.actors != self.actors:
            learner.replay.end()


def relabelling(task: EnvFactory, share: float | None) -> Hindsight | None:
    """How transitions of a task are relabelled; None if they are not.

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
