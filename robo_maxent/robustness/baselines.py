"""Policies under test, and baseline policies to compare them with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.types import Act

Sample = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Function from observations (N, P) and standard normal numbers (N, A) to sampled actions."""


@dataclass(frozen=True)
class PolicyUnderTest:
    """A policy, its label, and what identifies it."""

    label: str
    act: Act
    sample: Sample | None = None
    """Its sampled actions; None if it only acts by its mean."""
    file: str | None = None
    sha256: str | None = None
    """Digest of its file."""
    answers: str | None = None
    """Digest of a foreign policy's actions at fixed observations; None for our own."""
    thread_safe: bool = False
    """Whether several threads may call it at once: it has no memory."""


def baselines(task: AnyTask) -> list[PolicyUnderTest]:
    """The baseline policies that a task declares."""
    return [
        PolicyUnderTest(label, act, thread_safe=True) for label, act in task.baselines().items()
    ]


def baseline(task: AnyTask, label: str) -> PolicyUnderTest:
    """Find a baseline policy by its label.

    Raises:
        UsageError: The task declares none of that label, so the policy itself is needed.
    """
    for policy in baselines(task):
        if policy.label == label:
            return policy
    raise UsageError(f"to run an episode of {label!r} again, its policy is needed")
