"""The axes of a stress test on a task: one for each effect, terrain, and all at once.

An axis holds one thing at a severity, from mild to hard. Which severity is nominal follows from the
parameters that it comes to; of an axis with cases it is the first, which is run without one. What
else there is to choose, such as directions and times, comes from a generator named by (seed,
simulation, axis, case, effect): it is the same for every policy and at every severity.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.interface import StressTask
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Axis, Perturbation, Plant, Share, Values
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.seeds import Purpose, named_rng
from robo_maxent.types import Breakdown

AnyTask = StressTask[Any]

LEVELS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
BY_KIND = (Breakdown("kind", "case", "grid"),)

UNDISTURBED = Axis(
    "nominal",
    "Undisturbed",
    "",
    "nothing is different",
    (0.0,),
    suites={
        "nominal": Share(256, 64, sampled=64),
        "quick": Share(100, 16, sampled=32),
        "full": Share(256, 64, sampled=128),
    },
)


@dataclass(frozen=True)
class Disturbance:
    """An axis of a task, and the effects that it sets."""

    axis: Axis
    effects: tuple[Perturbation, ...] = ()
    """One effect; several if all act at once; none if the severity is the ground's."""

    def conditions(self, axis: Axis | None = None) -> list[tuple[float, str]]:
        """All severities with their cases; the first severity has no case.

        Args:
            axis: The same axis at other severities; None: as it is.
        """
        axis = axis or self.axis
        cases = axis.cases or ("",)
        mildest = [(axis.severities[0], "")] if self.effects else []
        rest = axis.severities[len(mildest) :]
        return mildest + [(severity, case) for severity in rest for case in cases]

    def params(
        self, task: AnyTask, plant: Plant, severity: float, case: str, sims: np.ndarray, seed: int
    ) -> EpisodeParams:
        """Parameters of episodes at a severity.

        Args:
            task: Whose episodes.
            plant: Its robot and control.
            severity: In the unit of the axis.
            case: One of its cases; "": nominal, if it has any.
            sims: Simulations, int, (k,).
            seed: Of the whole set.

        Raises:
            UsageError: The axis has cases, none is asked for, and one would make a difference.
        """
        if not case:
            self._require_nominal(task, plant, severity, sims[:1], seed)
        made = episode_params.nominal(task.perturbations, task.robot, len(sims))
        if case or not self.axis.cases:
            for row, sim in enumerate(sims.tolist()):
                for effect in self.effects:
                    made.change(row, self._values(effect, plant, severity, case, sim, seed))
        return made

    def _require_nominal(
        self, task: AnyTask, plant: Plant, severity: float, sims: np.ndarray, seed: int
    ) -> None:
        """Check that no case makes a difference, where a severity is run without any."""
        nominal = episode_params.nominal(task.perturbations, task.robot, 1)
        for case in self.axis.cases:
            if differing := self.params(task, plant, severity, case, sims, seed).differing(nominal):
                raise UsageError(
                    f"the first severity of an axis with cases must be nominal, but {severity:g} "
                    f"of {self.axis.name} with the case {case!r} changes "
                    f"{', '.join(sorted(differing))}"
                )

    def _values(
        self, effect: Perturbation, plant: Plant, severity: float, case: str, sim: int, seed: int
    ) -> Values:
        name = f"{self.axis.name}/{case}/{effect.name}"
        rng = named_rng(Purpose.STRESS_TEST, seed, sim, 0, name)
        if len(self.effects) == 1:
            return effect.at(severity, case, rng, plant)
        share = effect.combined(severity, plant.robot)
        return {} if share is None else effect.at(share, "any", rng, plant)


def disturbances(task: AnyTask) -> dict[str, Disturbance]:
    """The axes of a task by name, in the order in which they are shown."""
    found = [Disturbance(UNDISTURBED)]
    for effect in task.perturbations:
        if effect.lacking(task.robot) is None:
            found += [
                Disturbance(axis, (effect,))
                for axis in effect.axes(task.robot)
                if task.deviation_units or not axis.judged_by_recovery
            ]
    found += [Disturbance(axis) for axis in _terrain_axes(task)]
    found += _combined(task)
    return {each.axis.name: each for each in found}


def require(names: Iterable[str], task: AnyTask) -> dict[str, Disturbance]:
    """Check names of axes and return the axes.

    Raises:
        UnknownNameError: No task has such an axis.
        UsageError: The task does not have it; the message says why, and lists those it has.
    """
    available = disturbances(task)
    chosen = {}
    for name in names:
        if name not in available:
            raise _missing(name, task, available)
        chosen[name] = available[name]
    return chosen


def describe(axes: Iterable[Axis]) -> list[dict[str, Any]]:
    """Everything that a report has to know of axes, as JSON."""
    shown = (
        "name",
        "title",
        "unit",
        "summary",
        "noun",
        "phrase",
        "counts",
        "is_scale",
        "reference",
        "severities",
        "breakdowns",
    )
    return [{name: asdict(axis)[name] for name in shown} for axis in axes]


def _missing(name: str, task: AnyTask, available: Sequence[str] | dict[str, Any]) -> Exception:
    """The reason why a task does not have an axis."""
    declared = {
        axis.name: effect.lacking(task.robot)
        for effect in task.perturbations
        for axis in effect.axes(task.robot)
    }
    listed = ", ".join(available)
    if name in declared:
        lacking = declared[name]
        why = f"its robot has {lacking}" if lacking else "it does not say its deviations"
        return UsageError(f"{task.name} has no axis {name}: {why}. It has: {listed}.")
    if name in ("terrain", "terrain_heldout", "combined"):
        return UsageError(f"{task.name} has no axis {name}. It has: {listed}.")
    return UnknownNameError(f"axis of {task.name}", name, available)


def _terrain_axes(task: AnyTask) -> list[Axis]:
    """Axes over the level of terrain: kinds that the task trains on, and held-out kinds."""
    if task.terrain is None or task.terrain.catalogue.is_scenery:
        return []
    known = tuple(kind for kind in task.terrain.kinds if kind != "flat")
    unknown = tuple(kind for kind in task.terrain.catalogue.uneven if kind not in known)
    axes = [
        Axis(
            "terrain",
            "Terrain",
            "level",
            "kinds of terrain it trained on",
            LEVELS,
            cases=known,
            phrase="on the kinds of terrain that training has",
            reference=4.0,
            resolution=1.0,
            is_ground=True,
            breakdowns=BY_KIND,
            suites={
                "quick": Share(6, 2, severities=(0.0, 4.0, 8.0)),
                "full": Share(18, 4),
            },
        ),
        Axis(
            "terrain_heldout",
            "Terrain never trained on",
            "level",
            "kinds of terrain it never met",
            LEVELS,
            cases=unknown,
            phrase="on kinds that it never has",
            reference=4.0,
            resolution=1.0,
            is_ground=True,
            breakdowns=BY_KIND,
            suites={
                "quick": Share(8, 2, severities=(0.0, 4.0, 8.0)),
                "full": Share(34, 4),
            },
        ),
    ]
    return [axis for axis in axes if axis.cases]


def _combined(task: AnyTask) -> list[Disturbance]:
    """The axis of all effects at once, if the task has all of them."""
    robot = task.robot
    effects = tuple(e for e in task.perturbations if e.combined(1.0, robot) is not None)
    axes = [axis for effect in effects for axis in effect.axes(robot)]
    judged = any(axis.judged_by_recovery for axis in axes)
    lacking = any(effect.lacking(robot) is not None for effect in effects)
    if len(effects) < 2 or lacking or (judged and not task.deviation_units):
        return []
    parts = ", ".join(_at_most(effect, task) for effect in effects)
    axis = Axis(
        "combined",
        "Everything at once",
        "",
        f"all at once; at 1: {parts}",
        (0.0, 0.25, 0.5, 0.75, 1.0),
        noun="everything at once",
        reference=1.0,
        judged_by_recovery=judged,
        suites={
            "quick": Share(24, 4, sampled=8, severities=(0.0, 0.5, 1.0)),
            "full": Share(64, 10, sampled=40),
        },
    )
    return [Disturbance(axis, effects)]


def _at_most(effect: Perturbation, task: AnyTask) -> str:
    """Value of an effect when all act at once, at severity 1."""
    quantity = f"{effect.combined(1.0, task.robot):g} {effect.unit}".strip()
    return f"{effect.noun or effect.title.lower()} {quantity}"
