"""Actors of a run: they simulate elsewhere, and send blocks of transitions."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
import torch

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import CheckpointError, DivergedError
from robo_maxent.learning.explorer import Explorer
from robo_maxent.training.checkpoint import require_like
from robo_maxent.training.collector import Collector, Transitions
from robo_maxent.types import Episode

BLOCK_ROWS = 1024
"""Transitions of a block: enough that sending it costs little."""
BLOCK_SECONDS = 0.1
"""Most time for a block, so that slow simulations get fresh weights too."""
SEEDS = 3
"""Index of the actors' generators among those of a run, after agent, actions, and replay."""


@dataclass(frozen=True)
class Post:
    """Everything that an actor needs to begin; it can be pickled."""

    number: int
    """Number of the actor, from 0; its simulations are ``envs`` from ``number * envs`` on."""
    envs: int
    seed: int
    """Seed of the run."""
    begins_at: int
    """Control steps of the run so far, so that a replacement draws other actions."""
    random_steps: int
    """Control steps with uniform random actions at the start."""
    explorer: Explorer
    simulations: Mapping[str, np.ndarray] | None
    """Saved simulations to continue; None: new ones."""


@dataclass(frozen=True)
class Block:
    """Some control steps of an actor, and the state to continue from."""

    transitions: Transitions
    """Transitions of all control steps, with the run's numbers of simulations."""
    rows: tuple[int, ...]
    """Number of transitions of each control step."""
    diverged: tuple[int, ...]
    """Number of diverged simulations in each control step."""
    episodes: list[Episode]
    """Episodes that ended."""
    terms: dict[str, np.ndarray]
    """Named reward terms of the last control step, each (N,)."""
    metrics: dict[str, float]
    """Metrics of the simulations for the log, by name."""
    simulations: dict[str, np.ndarray]
    """State of the simulations at the end."""
    dumps: dict[str, bytes]
    """File name -> dump of a diverged simulation."""

    def steps(self) -> Iterator[Transitions]:
        """Transitions of each control step."""
        row = gone = 0
        for rows, diverged in zip(self.rows, self.diverged, strict=True):
            own = {
                field.name: getattr(self.transitions, field.name)[row : row + rows]
                for field in fields(Transitions)
            }
            own["obs"] = own["obs"].copy()  # what came from elsewhere can't be written to
            own["diverged"] = self.transitions.diverged[gone : gone + diverged]
            yield Transitions(**own)
            row, gone = row + rows, gone + diverged


@dataclass(frozen=True)
class Begun:
    """Message of an actor that it is ready."""

    simulations: dict[str, np.ndarray]
    """State of its simulations at the beginning."""
    host: str
    """Name of its machine."""


@dataclass(frozen=True)
class Died:
    """Message that an actor is gone, with its process or its machine."""

    why: str


News = tuple[int, Begun | Block | Died]
"""Number of an actor, and its message."""


class Actors(Protocol):
    """Protocol of what starts actors and asks them for blocks; ``distributed`` has one on Ray."""

    @property
    def count(self) -> int:
        """Number of actors of the run."""
        ...

    def start(self, task: EnvFactory, post: Post) -> None:
        """Start an actor, or a replacement of one that died; all have the same task."""
        ...

    def ask(self, number: int, weights: np.ndarray) -> None:
        """Ask an actor for one more block.

        Args:
            number: Of the actor, which does what it is asked for in turn.
            weights: Of its explorer, float32, (W,); those of the call before, where they are the
                same array.
        """
        ...

    def wait(self, seconds: float) -> News | None:
        """The next message of any actor; None if none comes for a while.

        Raises:
            RoboMaxentError: An actor met with an error that it would meet again.
            ActorError: There is nowhere for any to be.
        """
        ...

    def tell(self, line: str) -> None:
        """Show a line to people."""
        ...

    def close(self) -> None:
        """End all actors."""
        ...


class Actor:
    """Simulations, and an explorer that acts in them."""

    def __init__(self, task: EnvFactory, post: Post) -> None:
        """Make the simulations, in this process, and begin or continue their episodes.

        Raises:
            CheckpointError: The state is not that of such simulations.
            EnvError: An environment can't be made.
        """
        self._task, self._post, self._first_sim = task, post, post.number * post.envs
        # It is made when a simulation diverges: whoever is killed leaves no empty ones.
        self._scratch = Path(tempfile.gettempdir(), f"robo_maxent-actor-{uuid4().hex}")
        self._env = task.actor_env(post.envs, post.seed, self._first_sim, self._scratch)
        key = SEEDS, post.number, post.begins_at
        noise_seed, action_seed = np.random.SeedSequence(post.seed, spawn_key=key).spawn(2)
        self._noise = torch.Generator().manual_seed(int(noise_seed.generate_state(1)[0]))
        rng = np.random.default_rng(action_seed)
        self._collector = Collector(self._env, post.random_steps, rng)
        if post.simulations is not None:
            self._continue(post.simulations)

    @property
    def simulations(self) -> dict[str, np.ndarray]:
        """State of the simulations."""
        return self._env.state_dict()

    def block(self, weights: np.ndarray) -> Block:
        """Act for some control steps.

        Args:
            weights: Of the explorer, float32, (W,).

        Raises:
            DivergedError: It acts with NaN.
            EnvError: An environment crashed or returned NaN or infinity.
        """
        self._post.explorer.load(weights)
        end, parts, episodes = time.monotonic() + BLOCK_SECONDS, list[Transitions](), []
        while True:
            step, transitions = self._collector.step(self._act())
            parts.append(transitions)
            episodes += step.episodes
            if len(parts) * self._post.envs >= BLOCK_ROWS or time.monotonic() > end:
                break
        return Block(
            transitions=_joined(parts, self._first_sim),
            rows=tuple(len(part.sim) for part in parts),
            diverged=tuple(len(part.diverged) for part in parts),
            episodes=episodes,
            terms=step.terms,
            metrics=self._env.metrics(),
            simulations=self.simulations,
            dumps=self._taken_dumps(),
        )

    def _act(self) -> np.ndarray:
        action = self._collector.act(lambda obs: self._post.explorer(obs, self._noise))
        if self._env.action_space.wrong(action).any():
            raise DivergedError("The learner diverged: its policy acts with NaN.")
        return action

    def _continue(self, simulations: Mapping[str, np.ndarray]) -> None:
        try:
            require_like(simulations, self.simulations, "env")
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint does not hold the simulations of {self._task.name}: {error}"
            ) from error
        self._collector.obs = self._env.load_state_dict(dict(simulations))

    def _taken_dumps(self) -> dict[str, bytes]:
        if not self._scratch.exists():
            return {}
        dumps = {path.name: path.read_bytes() for path in self._scratch.glob("diverged/*")}
        shutil.rmtree(self._scratch)
        return dumps


def _joined(parts: Sequence[Transitions], first_sim: int) -> Transitions:
    """Transitions joined in one array each, with the run's numbers of simulations."""
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Transitions)
    }
    joined = Transitions(**columns)
    return replace(joined, sim=joined.sim + first_sim, diverged=joined.diverged + first_sim)
