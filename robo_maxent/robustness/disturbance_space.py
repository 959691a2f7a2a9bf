"""Combined disturbances as points of a space: how hard each effect is, and its free choices.

How hard an effect is, its share, is told in critical severities of the policy: 0 is nominal, and at
1, with nothing else different, half of the starts fail (or, where that never happens, the axis
ends). What is left open, directions and times, are the numbers that the effect draws of a generator
(:mod:`robo_maxent.perturbations.chosen`), as points of a cube: an effect needs nothing for it.

*How mild a point is, is the length of its shares*, the square root of the sum of their squares, so
that 1 is what any effect takes alone. It is the measure of the design point of structural
reliability (Hasofer and Lind 1974), with critical severities for standard deviations: it does not
depend on units, and an effect that does nothing has no place in the mildest failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Axis, Perturbation, Plant, Values
from robo_maxent.perturbations.chosen import ChosenNumbers
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.robustness.axes import AnyTask, disturbances, require

ANY = "any"
"""Case that stands for none of an axis' cases."""
COMBINED = "combined"
"""Axis whose effects are searched unless others are named."""


@dataclass(frozen=True)
class SearchedEffect:
    """One effect of a combined disturbance."""

    axis: Axis
    effect: Perturbation
    nominal: float
    """Severity that changes nothing, in the unit of the axis."""
    circular: tuple[bool, ...]
    """Whether each of its free numbers is an angle over a whole turn, (D,)."""
    critical: float
    """Severity at which half of the starts fail under this effect alone, or the hardest one."""
    is_reached: bool = False
    """Whether half of the starts fail there."""

    @property
    def hardest(self) -> float:
        """Hardest severity of its axis."""
        return self.axis.severities[-1]

    @property
    def reach(self) -> float:
        """Its largest share."""
        return (self.hardest - self.nominal) / (self.critical - self.nominal)

    def snapped(self, shares: np.ndarray) -> np.ndarray:
        """Shares rounded down to severities that exist: some come in whole steps."""
        step = self.axis.resolution / abs(self.critical - self.nominal)
        return shares if not step else np.floor(shares / step + 1e-9) * step

    def severity(self, share: float) -> float:
        """Severity of a share, in the unit of the axis."""
        severity = self.nominal + share * (self.critical - self.nominal)
        step = self.axis.resolution
        return severity if not step else round(severity / step) * step

    def values(self, share: float, choices: np.ndarray, plant: Plant) -> Values:
        """Parameters of the effect at a share; nominal at share 0."""
        if not share:
            return {}
        chosen = ChosenNumbers(choices)
        return dict(self.effect.at(self.severity(share), ANY, chosen, plant))


@dataclass(frozen=True)
class DisturbanceSpace:
    """Points of K shares, and D numbers in [0, 1] for the free choices of the effects."""

    task: AnyTask
    parts: tuple[SearchedEffect, ...]

    @property
    def reach(self) -> np.ndarray:
        """The largest share of each effect, (K,)."""
        return np.array([part.reach for part in self.parts])

    @property
    def circular(self) -> np.ndarray:
        """Which of the numbers are angles, so that 0 and 1 are the same, bool, (D,)."""
        return np.array([turn for part in self.parts for turn in part.circular], bool)

    @property
    def owner(self) -> np.ndarray:
        """Index of the effect that each number belongs to, int, (D,)."""
        counts = [len(part.circular) for part in self.parts]
        return np.repeat(np.arange(len(counts)), counts)

    def snapped(self, shares: np.ndarray) -> np.ndarray:
        """Shares rounded down to severities that exist, (N, K)."""
        columns = [part.snapped(shares[:, k]) for k, part in enumerate(self.parts)]
        return np.stack(columns, axis=1)

    def params(self, shares: np.ndarray, choices: np.ndarray) -> EpisodeParams:
        """Parameters of episodes at N points.

        Args:
            shares: How hard each effect is, (N, K).
            choices: What that leaves open, in [0, 1], (N, D).
        """
        plant, owner = Plant(self.task.robot, self.task.control_dt), self.owner
        made = episode_params.nominal(self.task.perturbations, self.task.robot, len(shares))
        for row, of_row in enumerate(shares.tolist()):
            for k, part in enumerate(self.parts):
                made.change(row, part.values(of_row[k], choices[row, owner == k], plant))
        return made

    def with_critical(self, severities: Sequence[float], is_reached: Sequence[bool]) -> Self:
        """The space with other critical severities, (K,)."""
        parts = tuple(
            replace(part, critical=severity, is_reached=reached)
            for part, severity, reached in zip(self.parts, severities, is_reached, strict=True)
        )
        return replace(self, parts=parts)


def space_of(task: AnyTask, names: Sequence[str] | None) -> DisturbanceSpace:
    """The space of disturbances by some effects, with shares of their hardest severities.

    Args:
        task: What the policy does.
        names: Axes; None: those that act together in the axis ``combined``, or all that are scales.

    Raises:
        UsageError: The task has no such axis, or it is no scale of one effect; the message lists
            those that are.
    """
    plant = Plant(task.robot, task.control_dt)
    parts = _searchable(task, plant)
    chosen = _usual(task, parts) if names is None else list(dict.fromkeys(names))
    if not chosen:
        raise UsageError(f"{task.name} has no effect that can be more or less severe")
    require(chosen, task)
    for name in chosen:
        if name not in parts:
            raise UsageError(
                f"the axis {name} of {task.name} can't be searched for the mildest failure: it is "
                f"not one effect that can be more or less severe. Those that are: "
                f"{', '.join(parts)}"
            )
    return DisturbanceSpace(task, tuple(parts[name] for name in chosen))


def _usual(task: AnyTask, parts: dict[str, SearchedEffect]) -> list[str]:
    """Default effects: those of the task's axis ``combined``, or all."""
    every = disturbances(task)
    together = every[COMBINED].effects if COMBINED in every else ()
    return [name for name, part in parts.items() if part.effect in together] or list(parts)


def _searchable(task: AnyTask, plant: Plant) -> dict[str, SearchedEffect]:
    """Axes of a task that are scales of one effect each; the first axis of each effect."""
    found: dict[str, SearchedEffect] = {}
    for name, disturbance in disturbances(task).items():
        if len(disturbance.effects) != 1 or not disturbance.axis.is_scale:
            continue
        effect = disturbance.effects[0]
        if any(part.effect is effect for part in found.values()):
            continue
        hardest = disturbance.axis.severities[-1]
        chosen = ChosenNumbers([])
        effect.at(hardest, ANY, chosen, plant)
        chosen.require_untouched(name)
        nominal = _nominal_severity(task, disturbance.axis, effect, plant)
        found[name] = SearchedEffect(
            disturbance.axis, effect, nominal, tuple(chosen.circular), hardest
        )
    return found


def _nominal_severity(task: AnyTask, axis: Axis, effect: Perturbation, plant: Plant) -> float:
    """The last severity of an axis that changes nothing, or else its first.

    An axis may begin beside the nominal severity, as that of friction does, with a better grip.
    """
    undisturbed = episode_params.nominal(task.perturbations, task.robot, 1)
    nominal = axis.severities[0]
    for severity in axis.severities[:-1]:
        made = undisturbed.rows(np.array([0]))
        made.change(0, dict(effect.at(severity, ANY, ChosenNumbers([]), plant)))
        if not made.differing(undisturbed):
            nominal = severity
    return nominal
