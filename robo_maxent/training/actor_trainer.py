"""A learner with actors elsewhere, which send blocks of transitions and get weights."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname

import numpy as np
import torch

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import ActorError, UsageError
from robo_maxent.training.actor import Actors, Begun, Block, Died, Post
from robo_maxent.training.checkpoint import Loop
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_state import RunState, Told
from robo_maxent.types import Episode

AHEAD = 2
"""Blocks that an actor is asked for ahead, so that it need not wait."""
LATE = 20
"""A block is dropped if this many blocks per actor were learnt from since it was asked for."""
DEATHS = 5
"""Deaths of one actor in a row, without a block, after which the run fails."""
BEGIN_SECONDS = 120.0
"""Most time to wait for actors before the run begins without some."""
QUIET_SECONDS = 600.0
"""Most time to wait for a block of any actor."""
WAIT_SECONDS = 0.5
"""Time between checks whether the run should end, while no block comes."""


@dataclass(frozen=True)
class Nothing:
    """Report of a step in which no block came."""

    terms: dict[str, np.ndarray] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)


@dataclass
class _Colleague:
    """State of one actor, as the learner knows it."""

    simulations: Mapping[str, np.ndarray] | None = None
    """Its simulations after the last block that was learnt from; None before the first."""
    asked: deque[tuple[int, int]] = field(default_factory=deque)
    """Updates, and blocks of all actors, at the time each outstanding block was asked for."""
    deaths: int = 0
    """Deaths since its last block."""
    host: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


class ActorTrainer(RunState):
    """A learner here and actors elsewhere, each with ``envs`` simulations of its own.

    Each control step of an actor counts like one of a run in one process, and is followed by the
    same number of updates. Actors act with weights that are some blocks old, and who is faster
    sends more: the same seed gives another run each time.
    """

    def __init__(
        self, task: EnvFactory, config: TrainConfig, directory: Path, actors: Actors
    ) -> None:
        """Build a run at its beginning; actors are started by :meth:`begin`.

        Raises:
            UsageError: A setting means nothing for the actions of the task, or with actors.
        """
        super().__init__(task, config, directory)
        if not config.overlap:
            raise UsageError(
                "without overlap, as in the preset classic, updates follow the very step that they "
                "learn from, which actors elsewhere can't do: leave --actors out, or say --overlap"
            )
        threads = machine.threads()
        torch.set_num_threads(threads)
        self.actors = actors.count
        self.learner = self._new_learner(threads, config.envs * actors.count)
        self._elsewhere = actors
        self._colleagues = [_Colleague() for _ in range(actors.count)]
        self._rng = np.random.default_rng(self._action_seed)
        self._control_steps = self._blocks = self._refused = self._replaced = 0
        self._weights, self._weights_of = np.zeros(0, np.float32), -1
        self._is_open = False  # whether actors are asked for blocks as soon as they are ready
        self._ages: list[int] = []
        self._quiet = self._waited = 0.0
        self._logged = time.monotonic()

    @property
    def control_steps(self) -> int:
        """Control steps of ``envs`` simulations that were learnt from."""
        return self._control_steps

    def begin(self) -> None:
        """Start all actors and wait until they are ready; some may come later.

        Raises:
            RoboMaxentError: One can't do the task, and says why.
            ActorError: None was ready in time.
        """
        for number in range(self.actors):
            self._start(number)
        end = time.monotonic() + BEGIN_SECONDS
        while (left := sum(not each.host for each in self._colleagues)) and time.monotonic() < end:
            self._hear()
        if left == self.actors:
            raise ActorError(
                f"no actor was ready within {BEGIN_SECONDS:.0f} s: all CPUs may be taken by others"
            )
        if left:
            self._elsewhere.tell(
                f"{left} of {self.actors} actors are not ready: they will join later"
            )
        self._is_open = True
        for number, colleague in enumerate(self._colleagues):
            if colleague.host:
                self._ask(number, AHEAD)
        if not self.config.threads:  # leave actors on this machine a core each
            here = sum(each.host == gethostname() for each in self._colleagues)
            torch.set_num_threads(max(machine.threads() - here, 1))
        self._logged = time.monotonic()

    def step(self) -> tuple[Told, dict[str, torch.Tensor]]:
        """Learn from the next block, if one comes soon.

        Raises:
            RoboMaxentError: An actor met with an error that it would meet again.
            ActorError: Actors die and die, or nothing comes for long.
        """
        start = time.monotonic()
        heard = self._hear()
        waited = time.monotonic() - start
        self._waited += waited
        if heard is None:
            self._quiet += waited
            if self._quiet > QUIET_SECONDS:
                raise ActorError(f"no actor has sent anything for {QUIET_SECONDS:.0f} s.")
            return Nothing(), {}
        self._quiet = 0.0
        return heard[1], self._learn(*heard)

    def metrics(self) -> dict[str, float]:
        """Metrics of the simulations, averaged over actors, and of the actors."""
        told = [each.metrics for each in self._colleagues]
        values = {
            name: float(np.mean([one[name] for one in told if name in one]))
            for name in set().union(*told)
        }
        now = time.monotonic()
        values |= {
            "actors/staleness": float(np.mean(self._ages)) if self._ages else 0.0,
            "actors/staleness_max": float(max(self._ages, default=0)),
            "actors/learner_waits": self._waited / max(now - self._logged, 1e-9),
            "actors/refused_blocks": float(self._refused),
            "actors/replaced": float(self._replaced),
        }
        self._ages, self._waited, self._logged = [], 0.0, now
        return values

    def close(self) -> None:
        """End the actors."""
        self._elsewhere.close()

    def _hear(self) -> tuple[int, Block] | None:
        """The next block and its actor; None if there was another message, or none."""
        heard = self._elsewhere.wait(WAIT_SECONDS)
        if heard is None:
            return None
        number, news = heard
        colleague = self._colleagues[number]
        if isinstance(news, Block):
            return number, news
        if isinstance(news, Begun):
            colleague.simulations, colleague.host = news.simulations, news.host
            if self._is_open:
                self._ask(number, AHEAD)
        else:
            self._replace(number, news)
        return None

    def _start(self, number: int) -> None:
        config, colleague = self.config, self._colleagues[number]
        random_steps = max(config.random_steps - self._control_steps, 0)
        post = Post(
            number=number,
            envs=config.envs,
            seed=config.seed,
            begins_at=self._control_steps,
            random_steps=-(-random_steps // self.actors),
            explorer=self.learner.agent.explorer,
            simulations=colleague.simulations,
        )
        colleague.asked.clear()
        colleague.host = ""  # until it is ready
        self._elsewhere.start(self.task, post)

    def _ask(self, number: int, blocks: int = 1) -> None:
        agent = self.learner.agent
        if self._weights_of != agent.updates:
            self._weights, self._weights_of = agent.explorer.weights, agent.updates
            if not np.isfinite(self._weights).all():
                raise self._diverged()
        for _ in range(blocks):
            self._colleagues[number].asked.append((agent.updates, self._blocks))
            self._elsewhere.ask(number, self._weights)

    def _learn(self, number: int, block: Block) -> dict[str, torch.Tensor]:
        colleague, learner = self._colleagues[number], self.learner
        updates, blocks = colleague.asked.popleft()
        colleague.simulations, colleague.metrics = block.simulations, block.metrics
        colleague.deaths = 0
        self._keep(block.dumps)
        self._ask(number)  # first, so that it has something to do meanwhile
        if self._blocks - blocks > LATE * self.actors:
            self._refused += 1
            self._end_episodes(number)
            return {}
        self._blocks += 1
        self._ages.append(learner.agent.updates - updates)
        metrics: dict[str, torch.Tensor] = {}
        for transitions in block.steps():
            if len(transitions.obs):
                learner.agent.observe(transitions.obs)
            learner.store(transitions)
            if self._control_steps >= self.config.random_steps:
                metrics |= learner.learn()
            self._control_steps += 1
        return metrics

    def _replace(self, number: int, news: Died) -> None:
        colleague = self._colleagues[number]
        colleague.deaths += 1
        if colleague.deaths >= DEATHS:
            raise ActorError(
                f"actor {number} died {DEATHS} times without sending a block; at last: {news.why}."
            )
        self._replaced += 1
        self._elsewhere.tell(f"actor {number} died and is replaced: {news.why}")
        if not self.task.exact_resume:
            self._end_episodes(number)
        self._start(number)

    def _end_episodes(self, number: int) -> None:
        """Mark the episodes of an actor as ended in the replay."""
        first, envs = number * self.config.envs, self.config.envs
        sims = np.arange(first, first + envs)
        self.learner.replay.end(np.concatenate([sims, sims + envs * self.actors]))

    def _keep(self, dumps: Mapping[str, bytes]) -> None:
        """Write dumps of diverged simulations to the run's directory."""
        for name, data in dumps.items():
            directory = self.directory / "diverged"
            try:
                directory.mkdir(parents=True, exist_ok=True)
                (directory / name).write_bytes(data)
            except OSError as error:
                self._elsewhere.tell(f"the state of a diverged simulation is not kept: {error}")

    def _simulations(self) -> Mapping[str, np.ndarray]:
        known = [(number, each.simulations) for number, each in enumerate(self._colleagues)]
        begun = [(number, saved) for number, saved in known if saved is not None]
        first = dict(begun[0][1])
        others = {
            f"{_prefix(number)}{name}": array
            for number, saved in begun[1:]
            for name, array in saved.items()
        }
        return first | others

    def _action_rng(self) -> np.random.Generator:
        return self._rng

    def _continue_collecting(self, simulations: Mapping[str, np.ndarray], loop: Loop) -> None:
        """Continue actors from a checkpoint; new ones start from others' state.

        An actor checks itself whether it has such simulations.
        """
        self._control_steps = loop.control_steps
        self._rng.bit_generator.state = loop.action_rng
        saved = [_of_actor(number, simulations) for number in range(max(loop.actors, 1))]
        for number, colleague in enumerate(self._colleagues):
            colleague.simulations = saved[number % len(saved)] or saved[0]


def _prefix(number: int) -> str:
    """Prefix of an actor's arrays in a checkpoint; the first actor has none."""
    return f"actor{number}." if number else ""


def _of_actor(number: int, simulations: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Saved state of one actor's simulations; empty if it had not begun."""
    if number:
        names = [name for name in simulations if name.startswith(_prefix(number))]
        return {name.removeprefix(_prefix(number)): simulations[name] for name in names}
    return {name: array for name, array in simulations.items() if not name.startswith("actor")}
