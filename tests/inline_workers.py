"""Workers of a sweep that do each run at once, in this process; and runs that take no time."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from robo_maxent.learning.config import SacConfig
from robo_maxent.sweeps.processes import News
from robo_maxent.sweeps.run import Ended, Order, Progress, perform
from robo_maxent.tasks import make
from robo_maxent.training.config import TrainConfig

ENVS = 8


def small_config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 40 * ENVS,
        "envs": ENVS,
        "random_steps": 10,
        "symmetric": False,
        "replay_capacity": 25 * ENVS,
        "evaluate_every": 16 * ENVS,
        "evaluation_episodes": 1,
        "threads": 1,
        "sac": SacConfig(width=16, batch_size=16),
    }
    return TrainConfig(**(defaults | changes))


def small_order(directory: Path, name: str = "recipe/seed-0", **changes: Any) -> Order:
    config = small_config(**changes)
    return Order(name, partial(make, "point-fork"), config, directory / name, episodes=1)


Do = Callable[[Order, Callable[[Progress], None]], Ended]


class InlineWorkers:
    """Each run is done when it is waited for."""

    def __init__(self, do: Do = perform) -> None:
        self._do = do
        self._waiting: list[Order] = []
        self.begun: list[str] = []
        self.most_at_once = 0
        self.stopped: list[str] = []

    def start(self, order: Order) -> None:
        self._waiting.append(order)
        self.begun.append(order.name)
        self.most_at_once = max(self.most_at_once, len(self._waiting))

    def wait(self, seconds: float) -> list[News]:
        order = self._waiting.pop(0)
        news: list[News] = []
        ended = self._do(order, lambda progress: news.append((order.name, progress)))
        return [*news, (order.name, ended)]

    def stop(self, name: str) -> None:
        self.stopped.append(name)

    def close(self) -> None:
        self._waiting.clear()
