"""Policies under test, and those that they are compared with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.types import Act

Sample = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A policy's own randomness: observations (N, P) and standard normal numbers (N, A) to actions."""


@dataclass(frozen=True)
class PolicyUnderTest:
    """A policy with what names it."""

    label: str
    act: Act
    sample: Sample | None = None
    """Its actions drawn rather than the mean; None: it has only one way to act."""
    file: str | None = None
    sha256: str | None = None
    """Of the file."""
    answers: str | None = None
    """Digest of what somebody else's answers to fixed observations; None: of no such policy."""
    thread_safe: bool = False
    """Several threads may ask it at once, which saves time: it has no memory, and only computes."""


def baselines(task: AnyTask) -> list[PolicyUnderTest]:
    """The baseline policies that a task declares."""
    return [
        PolicyUnderTest(label, act, thread_safe=True) for label, act in task.baselines().items()
    ]


def baseline(task: AnyTask, label: str) -> PolicyUnderTest:
    """A baseline policy by its label.

    Raises:
        UsageError: The task declares none of that label, so the policy itself is needed.
    """
    for policy in baselines(task):
        if policy.label == label:
            return policy
    raise UsageError(f"to run an episode of {label!r} again, its policy is needed")
