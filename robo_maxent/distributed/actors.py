"""Actors of a training run, each in a process of Ray's with a CPU of its own."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import gethostname
from typing import Any

import numpy as np
import torch

from robo_maxent import machine
from robo_maxent.distributed.cluster import Cluster, LostError
from robo_maxent.distributed.tasks import LONELY_SECONDS, LOOK_SECONDS, Notice, own_modules_travel
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import (
    ActorError,
    CheckpointError,
    DivergedError,
    EnvError,
    RoboMaxentError,
    UsageError,
)
from robo_maxent.training.actor import Actor, Begun, Block, Died, News, Post

KINDS = {kind.__name__: kind for kind in (CheckpointError, DivergedError, EnvError, UsageError)}
"""Errors that an actor may raise on purpose, beside those of no special kind."""


@dataclass(frozen=True)
class Refused:
    """An error that an actor raised on purpose, as text, for not every error can be sent."""

    text: str
    kind: str


class RayActors:
    """Starts actors on whatever node has a CPU, and again on another one where that died."""

    def __init__(self, cluster: Cluster, count: int, notice: Notice = lambda line: None) -> None:
        """Check that there is room for the actors; none is started yet.

        Args:
            cluster: Where they shall run.
            count: Number of actors, each of which needs a CPU.
            notice: Called with a line for people about what went wrong and is done again.

        Raises:
            UsageError: The nodes have fewer CPUs than that.
        """
        cpus = cluster.cpus
        if count > cpus:
            raise UsageError(
                f"{count} actors need {count} CPUs, and {cluster.where} has {cpus}: say --actors "
                f"{max(cpus, 1)} or less, or add nodes"
            )
        self.count, self._cluster, self._notice, self._ray = count, cluster, notice, cluster.ray
        remote: Any = cluster.ray.remote(_Remote)
        self._remote = remote.options(
            num_cpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._handles: dict[int, Any] = {}
        self._answers: dict[int, deque[Any]] = {}  # references, those of each in its order
        self._ready: deque[int] = deque()  # actors whose next answer is there
        self._task: Any = None  # a reference: the task is sent once to each node
        self._sent: tuple[Any, Any] = None, None  # the latest weights, and their reference
        self._looked = self._seen = time.monotonic()

    def start(self, task: EnvFactory, post: Post) -> None:
        """Start an actor, also in the place of one that is gone; all have the same task."""
        self._end(post.number)
        with self._reached():
            if self._task is None:
                with own_modules_travel(self._ray):
                    self._task = self._ray.put(task)
            handle = self._remote.remote()
            self._handles[post.number] = handle
            self._answers[post.number] = deque([handle.begin.remote(self._task, post)])

    def ask(self, number: int, weights: np.ndarray) -> None:
        """Ask an actor for one more block of transitions; an array of weights is sent once."""
        with self._reached():
            if self._sent[0] is not weights:
                self._sent = weights, self._ray.put(weights)
            self._answers[number].append(self._handles[number].block.remote(self._sent[1]))

    def wait(self, seconds: float) -> News | None:
        """Wait for news of an actor, in their order; None: there was none for so many seconds.

        Raises:
            RoboMaxentError: An actor met with an error that it would meet again.
            ActorError: There has been no node for long, one can't import what is needed, or Ray
                can't be reached any more.
        """
        with self._reached():
            return self._heard(seconds)

    def _heard(self, seconds: float) -> News | None:
        if not self._ready:
            self._look()
            asked = {number: answers for number, answers in self._answers.items() if answers}
            nexts = {answers[0]: number for number, answers in asked.items()}
            ready, _ = self._ray.wait(list(nexts), num_returns=1, timeout=seconds)
            if ready:
                ready, _ = self._ray.wait(list(nexts), num_returns=len(nexts), timeout=0)
            self._ready.extend(nexts[reference] for reference in ready)
        if not self._ready:
            return None
        number = self._ready.popleft()
        return number, self._answer(self._answers[number].popleft())

    def tell(self, line: str) -> None:
        """Show a line to people."""
        self._notice(line)

    def close(self) -> None:
        """End all actors."""
        for number in list(self._handles):
            self._end(number)

    def _end(self, number: int) -> None:
        """End an actor, if it is there: one that only seems to be gone must not go on."""
        handle = self._handles.pop(number, None)
        if handle is not None:
            self._cluster.let_go(lambda: self._ray.kill(handle))
        self._answers.pop(number, None)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Use Ray.

        Raises:
            ActorError: It can't be reached any more.
        """
        try:
            with self._cluster.reached():
                yield
        except LostError as error:
            raise ActorError(f"{error}.") from None  # nobody gains by its traceback

    def _answer(self, reference: Any) -> Begun | Block | Died:
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise ActorError(
                    f"a node can't import what is needed ({error.cause}): install it there."
                ) from error
            raise  # an error that nobody foresaw
        except exceptions.RayError as error:
            return Died(" ".join(str(error).split())[:200] or type(error).__name__)
        if isinstance(answer, Refused):
            raise KINDS.get(answer.kind, RoboMaxentError)(answer.text)
        return answer

    def _look(self) -> None:
        """See, now and then, whether there are nodes.

        Raises:
            ActorError: There has been none for long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._cluster.cpus:
            self._seen = now
        elif now - self._seen > LONELY_SECONDS:
            raise ActorError(
                f"{self._cluster.where} has had no node with a CPU for {LONELY_SECONDS:.0f} s."
            )


class _Remote:
    """An actor in a process of its own, which has one CPU."""

    def begin(self, task: EnvFactory, post: Post) -> Begun | Refused:
        machine.use_threads(1)
        torch.set_num_threads(1)
        return _guarded(lambda: self._begun(task, post))

    def block(self, weights: np.ndarray) -> Block | Refused:
        return _guarded(lambda: self._actor.block(weights))

    def _begun(self, task: EnvFactory, post: Post) -> Begun:
        self._actor = Actor(task, post)
        return Begun(self._actor.simulations, gethostname())


def _guarded(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except RoboMaxentError as error:
        return Refused(str(error), type(error).__name__)
