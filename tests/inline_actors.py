"""Actors in this process, which make each block when it is waited for; some are made to die."""

import pickle
from collections import deque

import numpy as np

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.training.actor import Actor, Begun, Block, Died, News, Post


class InlineActors:
    """They take turns, and what one is asked for is done in its order."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.posts: list[Post] = []
        self.actors: dict[int, Actor] = {}
        self.told: list[str] = []
        self.mortal: set[int] = set()
        """Those that die instead of sending their next block."""
        self.held: set[int] = set()
        """Those that send nothing for now."""
        self.sent: list[tuple[int, Block]] = []
        self._asked: dict[int, deque[np.ndarray | None]] = {}  # None: to begin
        self._turn = 0

    def start(self, task: EnvFactory, post: Post) -> None:
        self.posts.append(post)
        self.actors[post.number] = Actor(task, pickle.loads(pickle.dumps(post)))
        self._asked[post.number] = deque([None])

    def ask(self, number: int, weights: np.ndarray) -> None:
        self._asked[number].append(weights)

    def wait(self, seconds: float) -> News | None:
        turns = [(self._turn + place) % self.count for place in range(self.count)]
        free = [number for number in turns if self._asked[number] and number not in self.held]
        if not free:
            return None
        number = free[0]
        self._turn, weights = number + 1, self._asked[number].popleft()
        if weights is None:
            return number, Begun(self.actors[number].simulations, "elsewhere")
        if number in self.mortal:
            return number, Died("killed")
        block = self.actors[number].block(weights)
        for array in vars(block.transitions).values():
            array.flags.writeable = False  # as of what came in shared memory
        self.sent.append((number, block))
        return number, block

    def tell(self, line: str) -> None:
        self.told.append(line)

    def close(self) -> None:
        self.actors.clear()
