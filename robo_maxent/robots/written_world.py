"""Base class of the worlds that are written for the robot of a page."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Generic, TypeVar

from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import RobotSpec

P = TypeVar("P")


class WrittenWorld(ABC, Generic[P]):
    """The world of a task with the robot of a page: the ``model`` of its ``RobotSpec``."""

    def __init__(self, parts: Mjcf, page: P, own: RobotSpec) -> None:
        """Keep the parts; the world is written when it is first used.

        Args:
            parts: The robot alone, written anew.
            page: Its page.
            own: The task's own robot, in its world.
        """
        self._parts, self._page, self._own = parts, page, own

    def spec(self, decorations: bool) -> mujoco.MjSpec:
        """The world, with or without decorations."""
        text = self._whole if decorations else self._bare
        return mujoco.MjSpec.from_string(text, assets=dict(self._parts.files))

    @cached_property
    def _bare(self) -> str:
        return self._written(decorations=False)

    @cached_property
    def _whole(self) -> str:
        return self._written(decorations=True)

    @abstractmethod
    def _written(self, decorations: bool) -> str:
        """The world as MJCF."""
