"""The episodes that a suite asks of each policy, in batches to run together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.report.rows import WORST_CASE, StressEpisode
from robo_maxent.robustness.axes import AnyTask, Disturbance, disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest, baselines
from robo_maxent.robustness.suites import NOMINAL, Condition, Suite
from robo_maxent.robustness.traced_rollout import BLOCK, Batch
from robo_maxent.seeds import Purpose
from robo_maxent.sim.catalogue import Catalogue
from robo_maxent.sim.terrain_pool import LEVELS, TerrainPool

VARIANTS = 2
"""Patches of a kind and level; those of a random kind differ."""
PLANE = -1
"""In the place of a patch."""


@dataclass(frozen=True)
class PolicyPlan:
    """The episodes of one policy. One that several conditions have in common is run once."""

    policy: PolicyUnderTest
    mode: str
    """How it acts: "mean", "sampled" or "baseline"."""
    conditions: list[list[Condition]]
    """Those that each of J episodes stands for."""
    sims: np.ndarray
    """Simulation of each, int, (J,)."""
    patches: np.ndarray
    """Patch of each, int, (J,), or PLANE."""
    params: EpisodeParams
    """J rows."""

    def batches(self) -> Iterator[tuple[str, np.ndarray]]:
        """What is run together, in order: undisturbed episodes, others on the plane, terrain.

        The first are apart for the sake of safe sets, which baselines don't have.
        """
        plane = self.patches == PLANE
        undisturbed = np.array([stands[0].axis == NOMINAL for stands in self.conditions], bool)
        undisturbed &= self.mode != "baseline"
        groups = {NOMINAL: undisturbed, "plane": plane & ~undisturbed, "terrain": ~plane}
        for group, members in groups.items():
            ids = np.flatnonzero(members)
            for number, start in enumerate(range(0, len(ids), BLOCK)):
                yield f"{group}-{number:03d}", ids[start : start + BLOCK]


class Stages:
    """A task on its two grounds, each made when it is needed."""

    def __init__(self, task: AnyTask, seed: int) -> None:
        """Make nothing yet."""
        self._task, self._seed = task, seed
        self._stages: dict[bool, AnyTask] = {}

    def batch(self, plan: PolicyPlan, ids: np.ndarray) -> Batch:
        """Some episodes, all on one of the grounds."""
        patches = plan.patches[ids]
        on_terrain = bool(patches[0] != PLANE)
        if on_terrain not in self._stages:
            pool = _pool(self._task, self._seed) if on_terrain else None
            self._stages[on_terrain] = self._task.trial(pool)
        # The plane is patch 0 of its own.
        task = self._stages[on_terrain].at(np.maximum(patches, 0))
        return Batch(task, plan.params.rows(ids), plan.sims[ids], self._seed)


def planned(
    suite: Suite, task: AnyTask, policies: Sequence[PolicyUnderTest], seed: int
) -> list[PolicyPlan]:
    """The episodes of each policy and way to act, the baselines last.

    Raises:
        UsageError: There is no policy, or labels are the same.
    """
    compared = baselines(task)
    labels = [policy.label for policy in (*policies, *compared)]
    if not policies:
        raise UsageError("there is no policy to evaluate")
    if len(set(labels)) < len(labels):
        raise UsageError(f"labels must differ, got {', '.join(labels)}")
    ways = [(policy, "mean") for policy in policies]
    ways += [(policy, "sampled") for policy in policies if policy.sample]
    ways += [(policy, "baseline") for policy in compared]
    planner = _Planner(task, seed)
    return [
        planner.plan(policy, mode, conditions)
        for policy, mode in ways
        if (conditions := suite.conditions(task, mode))
    ]


def planned_round(
    conditions: Sequence[Condition], task: AnyTask, policy: PolicyUnderTest, seed: int
) -> PolicyPlan:
    """The episodes of a round of refinement, of a policy's mean action."""
    return _Planner(task, seed).plan(policy, "mean", conditions)


def batch_of(row: StressEpisode, task: AnyTask) -> Batch:
    """The one simulation that runs the episode of a row again.

    Raises:
        UsageError: The row is of an axis, a ground or a parameter that the task does not have.
    """
    pool, axes = None, disturbances(task)
    if row.axis not in (*axes, WORST_CASE):
        raise UnknownNameError(f"axis of {task.name}", row.axis, axes)
    if row.axis in axes and axes[row.axis].axis.is_ground:
        if row.terrain is None or row.level is None:
            raise UsageError(f"a row of the axis {row.axis} must say its terrain and its level")
        whole = _pool(task, row.seed, (row.terrain,))
        pool = whole.only(whole.index(row.terrain, row.level, row.sim % VARIANTS))
    trial = task.trial(pool).at(np.zeros(1, np.int64))
    params = episode_params.from_records([row.params], trial.perturbations, trial.robot)
    return Batch(trial, params, np.array([row.sim]), row.seed)


class _Planner:
    """Turns conditions into episodes of one task and seed."""

    def __init__(self, task: AnyTask, seed: int) -> None:
        self._task, self._seed = task, seed
        self._plant = Plant(task.robot, task.control_dt)
        self._axes: Mapping[str, Disturbance] = disturbances(task)
        self._nominal = episode_params.nominal(task.perturbations, task.robot, 1)

    def plan(
        self, policy: PolicyUnderTest, mode: str, conditions: Sequence[Condition]
    ) -> PolicyPlan:
        stands: list[list[Condition]] = []
        sims: list[int] = []
        patches: list[int] = []
        parts: list[EpisodeParams] = []
        undisturbed: dict[int, int] = {}  # simulation -> its episode
        for condition in conditions:
            numbers = condition.first + np.arange(condition.episodes)
            params = self._params(condition, numbers)
            is_ground = self._axes[condition.axis].axis.is_ground
            nominal = not is_ground and not params.differing(self._nominal)
            new = []
            for place, sim in enumerate(range(condition.episodes) if nominal else numbers.tolist()):
                if nominal and sim in undisturbed:
                    stands[undisturbed[sim]].append(condition)
                    continue
                if nominal:
                    undisturbed[sim] = len(stands)
                stands.append([condition])
                patches.append(_patch(self._task, condition, sim) if is_ground else PLANE)
                sims.append(sim)
                new.append(place)
            parts.append(params.rows(np.array(new, np.int64)))
        joined = EpisodeParams.join(parts)
        return PolicyPlan(policy, mode, stands, np.array(sims), np.array(patches), joined)

    def _params(self, condition: Condition, sims: np.ndarray) -> EpisodeParams:
        return self._axes[condition.axis].params(
            self._task, self._plant, condition.severity, condition.case, sims, self._seed
        )


def _pool(task: AnyTask, seed: int, kinds: tuple[str, ...] | None = None) -> TerrainPool:
    """Ground of some kinds, or all, that nothing but stress tests of this seed takes place on."""
    catalogue = _catalogue(task)
    kinds = kinds or catalogue.uneven
    return TerrainPool(kinds, LEVELS, VARIANTS, seed, Purpose.STRESS_TEST, catalogue)


def _catalogue(task: AnyTask) -> Catalogue:
    """What kinds of terrain there are where the task takes place."""
    assert task.terrain is not None  # or else it has no axis of terrain
    return task.terrain.catalogue


def _patch(task: AnyTask, condition: Condition, sim: int) -> int:
    """Patch in the pool of a stress test."""
    kind, level = _catalogue(task).uneven.index(condition.case), int(condition.severity)
    return (kind * LEVELS + level) * VARIANTS + sim % VARIANTS


def described(policies: Sequence[PolicyUnderTest]) -> list[dict[str, Any]]:
    """What identifies policies, as JSON."""
    names = ("label", "file", "sha256", "answers")
    return [{name: getattr(policy, name) for name in names} for policy in policies]
