"""Policies that do not walk: what they survive, no policy deserves credit for."""

from typing import Any

import numpy as np

from robo_maxent.envs.task import Task
from robo_maxent.robustness.traced_rollout import Contestant

ZERO, HOLD = "zero action", "hold pose"

JOINTS = "joint position from standing"
"""The part of an observation that says how far a robot is from its standing pose."""
STIFFER = 1.0
"""Joint targets go beyond the standing pose by so much of what is missing: at 1, legs are twice as
stiff as their servos, which sag by a quarter of the height, and are still far from trembling."""


def nulls(task: Task[Any]) -> list[Contestant]:
    """The null policies of a task: action 0, and the standing pose truly held.

    Action 0 aims at the standing pose too, but servos this soft sag far from it. The second needs a
    task that observes its joints.
    """
    found = [Contestant(ZERO, lambda obs: np.zeros((len(obs), task.action_size)))]
    names = [name for name, _, _ in task.policy_parts]
    if JOINTS in names:
        end = sum(size for _, size, _ in task.policy_parts[: names.index(JOINTS) + 1])
        joints, gain = slice(end - task.action_size, end), STIFFER / task.action_scale
        found.append(Contestant(HOLD, lambda obs: np.clip(-gain * obs[:, joints], -1.0, 1.0)))
    return found
