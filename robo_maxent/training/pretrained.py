"""Policies that come with the package, each with a card: how it was trained, and how it does.

    assets/pretrained/NAME.safetensors    the policy
    assets/pretrained/NAME.json           its card

``python benchmarks/pretrained.py NAME --out assets/pretrained`` makes both. On a command line, such
a policy is ``pretrained:NAME``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_maxent.assets import ASSETS
from robo_maxent.errors import PolicyError, UnknownNameError
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.from_json import typed

if TYPE_CHECKING:
    from robo_maxent.learning.policy import Policy

PREFIX = "pretrained:"
FOLDER = ASSETS / "pretrained"
POLICY, CARD = ".safetensors", ".json"
"""What the names of the two files end in."""


@dataclass(frozen=True)
class Judged:
    """Evaluation in fresh episodes of the task as trained."""

    command: str
    """What prints these figures."""
    success: Proportion
    metrics: Mapping[str, float | None]
    """Mean of each metric of the task; None if no episode has it."""
    by_level: Mapping[str, Proportion]
    """Success by the level of the terrain; empty for tasks without any."""


@dataclass(frozen=True)
class Stressed:
    """Results of a stress test."""

    command: str
    """What prints these figures, and writes a report of them."""
    episodes: int
    """Number of episodes of the policy and its baselines."""
    undisturbed: Proportion
    disturbed: Proportion
    """Mean over the axes, each counting alike; episodes may share their start, so its interval is
    not Wilson's."""
    headline: str
    details: tuple[str, ...]
    axes: Mapping[str, Mapping[str, Proportion]]
    """Axis -> severity -> success of the mean action, with Wilson's interval."""


@dataclass(frozen=True)
class Card:
    """Card of a policy that comes with the package."""

    name: str
    sha256: str
    """Digest of its file."""
    version: str
    """Version of this package that trained and judged it."""
    packages: Mapping[str, str | None]
    """Versions of packages that decide the last bit."""
    licence: str
    """SPDX identifier."""
    task: str
    task_options: Mapping[str, Any]
    """Options of the task, such as what its episodes drew."""
    preset: str
    """Recipe of its training."""
    train: Mapping[str, Any]
    """All settings of its training, as in a run's ``config.json``."""
    command: str
    """What trains it again."""
    seed: int
    steps: int
    """Environment steps of the training; the policy is the best evaluated one."""
    minutes: float
    """Wall-clock of the training, evaluations included, min."""
    machine: str
    nominal: Judged
    stress: Stressed

    @property
    def file(self) -> Path:
        """The policy's file."""
        return FOLDER / f"{self.name}{POLICY}"


def is_pretrained(named: str) -> bool:
    """Whether a word has the form of a pretrained policy's name."""
    return named.startswith(PREFIX)


def names() -> list[str]:
    """Names of the pretrained policies, without prefix."""
    return sorted(path.stem for path in FOLDER.glob(f"*{CARD}"))


def card(named: str) -> Card:
    """Card of a pretrained policy, by its name, with or without the prefix.

    Raises:
        UnknownNameError: There is no such policy; the message lists those there are.
        PolicyError: The card is damaged.
    """
    name = named.removeprefix(PREFIX)
    if name not in names():
        raise UnknownNameError("pretrained policy", name, names())
    path = FOLDER / f"{name}{CARD}"
    try:
        described: Card = typed(Card, json.loads(path.read_text()), "it")
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path} is damaged ({error}): install the package again") from error
    if described.name != name:
        raise PolicyError(f"{path} is the card of {described.name}: install the package again")
    return described


def load(named: str) -> "Policy":
    """Load a pretrained policy, by its name, with or without the prefix.

    Raises:
        UnknownNameError: There is no such policy; the message lists those there are.
        PolicyError: Its file is not the one that its card is about.
    """
    from robo_maxent.learning.policy import Policy

    described = card(named)
    try:
        found = digest(described.file)
    except OSError as error:
        raise PolicyError(
            f"{described.file} can't be read ({error.strerror}): install the package again"
        ) from error
    if found == described.sha256:
        policy = Policy.load(described.file)
        if policy.layout.task == described.task:
            return policy
    raise PolicyError(
        f"{described.file} is not the policy that its card is about: install the package again"
    )


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
