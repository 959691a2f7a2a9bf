"""The plan of a stress test: which episodes each policy runs, in batches.

A plan says what there is, not what is different about each episode: parameters are drawn where an
episode is run, so that a plan of a million is small.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.report.rows import WORST_CASE, StressEpisode
from robo_maxent.robustness.axes import AnyTask, Disturbance, disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest, baselines
from robo_maxent.robustness.suites import NOMINAL, Condition, Suite, simulations
from robo_maxent.robustness.traced_rollout import BLOCK, Batch
from robo_maxent.seeds import Purpose
from robo_maxent.sim.catalogue import Catalogue
from robo_maxent.sim.terrain_pool import LEVELS, TerrainPool

VARIANTS = 2
"""Number of patches per kind and level; those of a random kind differ."""
PLANE = -1
"""Stands for no patch."""
LOOKED_AT = 8
"""Episodes of a condition that are drawn first, to see whether it is disturbed."""


@dataclass(frozen=True)
class Episodes:
    """Some episodes of a plan, all on one ground."""

    conditions: list[list[Condition]]
    """Conditions that each of J episodes counts for."""
    sims: np.ndarray
    """Simulation of each, int, (J,)."""
    patches: np.ndarray
    """Patch of each, int, (J,), or PLANE."""


@dataclass(frozen=True)
class Stretch:
    """New episodes that a condition adds to a plan."""

    condition: Condition
    first: int
    """Number of the first of them within the condition."""
    count: int
    is_nominal: bool
    """Whether they are undisturbed, so that other conditions can share them."""
    patch: int
    """First patch of their terrain, or PLANE."""

    def sims(self, numbers: np.ndarray) -> np.ndarray:
        """Simulation numbers of episodes of the condition."""
        return numbers if self.is_nominal else simulations(self.condition.first, numbers)


@dataclass(frozen=True)
class PolicyPlan:
    """The episodes of one policy; one that several conditions share runs once."""

    policy: PolicyUnderTest
    mode: str
    """How it acts: "mean", "sampled" or "baseline"."""
    stretches: tuple[Stretch, ...]
    """Stretches whose episodes, one after the other, are numbered from 0."""
    undisturbed: tuple[Condition, ...]
    """Conditions that undisturbed episodes count for, each as far as it has so many."""

    def __len__(self) -> int:
        """Number of episodes."""
        return sum(stretch.count for stretch in self.stretches)

    def batches(self) -> Iterator[tuple[str, np.ndarray]]:
        """Batches in order: undisturbed episodes, others on the plane, then terrain.

        The first are apart for the sake of safe sets, which baselines don't have.
        """
        groups: dict[str, list[np.ndarray]] = {NOMINAL: [], "plane": [], "terrain": []}
        for stretch, start in zip(self.stretches, self._starts(), strict=True):
            groups[self._group(stretch)].append(np.arange(start, start + stretch.count))
        for group, members in groups.items():
            ids = np.concatenate(members) if members else np.zeros(0, np.int64)
            for number, start in enumerate(range(0, len(ids), BLOCK)):
                yield f"{group}-{number:03d}", ids[start : start + BLOCK]

    def episodes(self, ids: np.ndarray) -> Episodes:
        """Some of its episodes."""
        starts = self._starts()
        conditions, sims, patches = [], [], []
        for place, id_ in zip(np.searchsorted(starts, ids, "right") - 1, ids, strict=True):
            stretch = self.stretches[place]
            number = stretch.first + id_ - starts[place]
            sim = stretch.sims(number)
            conditions.append(self._stands_for(stretch, number))
            sims.append(sim)
            patches.append(PLANE if stretch.patch == PLANE else stretch.patch + sim % VARIANTS)
        return Episodes(conditions, np.array(sims, np.int64), np.array(patches, np.int64))

    def _stands_for(self, stretch: Stretch, number: int) -> list[Condition]:
        if not stretch.is_nominal:
            return [stretch.condition]
        return [condition for condition in self.undisturbed if number < condition.episodes]

    def _starts(self) -> list[int]:
        """Number of the first episode of each stretch."""
        return list(accumulate((s.count for s in self.stretches[:-1]), initial=0))

    def _group(self, stretch: Stretch) -> str:
        if stretch.patch != PLANE:
            return "terrain"
        own = stretch.condition.axis == NOMINAL and self.mode != "baseline"
        return NOMINAL if own else "plane"


class Draws:
    """Draws the parameters of episodes."""

    def __init__(self, task: AnyTask, seed: int) -> None:
        """Draw nothing yet."""
        self._task, self._seed = task, seed
        self._plant = Plant(task.robot, task.control_dt)
        self.axes: Mapping[str, Disturbance] = disturbances(task)
        self._nominal = episode_params.nominal(task.perturbations, task.robot, 1)

    def params(self, condition: Condition, sims: np.ndarray) -> EpisodeParams:
        """Parameters of some simulations, int, (k,), of a condition."""
        return self.axes[condition.axis].params(
            self._task, self._plant, condition.severity, condition.case, sims, self._seed
        )

    def of(self, episodes: Episodes) -> EpisodeParams:
        """Parameters of some episodes of a plan, J rows."""
        first = [stands[0] for stands in episodes.conditions]
        parts, start = [], 0
        for end in range(1, len(first) + 1):
            if end == len(first) or first[end] is not first[start]:
                parts.append(self.params(first[start], episodes.sims[start:end]))
                start = end
        return EpisodeParams.join(parts)

    def is_nominal(self, condition: Condition) -> bool:
        """Whether no episode of a condition is disturbed."""
        if self.axes[condition.axis].axis.is_ground:
            return False
        start, size = 0, LOOKED_AT
        while start < condition.episodes:
            numbers = np.arange(start, min(start + size, condition.episodes))
            if self.params(condition, simulations(condition.first, numbers)).differing(
                self._nominal
            ):
                return False
            start, size = start + size, 4 * size
        return True


class Stages:
    """A task on plane and terrain, each built when it is needed."""

    def __init__(self, task: AnyTask, seed: int) -> None:
        """Make nothing yet."""
        self._task, self._seed = task, seed
        self._draws = Draws(task, seed)
        self._stages: dict[bool, AnyTask] = {}
        self._being_made = threading.Lock()

    def batch(self, episodes: Episodes) -> Batch:
        """Some episodes as a batch that can be run."""
        patches = np.maximum(episodes.patches, 0)  # the plane is patch 0 of its own
        task = self._stage(on_terrain=bool(episodes.patches[0] != PLANE))
        return Batch(task, self._draws.of(episodes), episodes.sims, self._seed, patches)

    def _stage(self, on_terrain: bool) -> AnyTask:
        with self._being_made:
            if on_terrain not in self._stages:
                pool = _pool(self._task, self._seed) if on_terrain else None
                self._stages[on_terrain] = self._task.trial(pool)
            return self._stages[on_terrain]


def planned(
    suite: Suite, task: AnyTask, policies: Sequence[PolicyUnderTest], seed: int
) -> list[PolicyPlan]:
    """Plans for all policies and modes, the baselines last.

    Raises:
        UsageError: There is no policy, labels are the same, or limits are to be of several.
    """
    compared = baselines(task)
    labels = [policy.label for policy in (*policies, *compared)]
    if not policies:
        raise UsageError("there is no policy to evaluate")
    if len(set(labels)) < len(labels):
        raise UsageError(f"labels must differ, got {', '.join(labels)}")
    if suite.limits and len(policies) > 1:
        names = ", ".join(policy.label for policy in policies)
        raise UsageError(f"limits are of one policy, got {names}: certify each by itself")
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
    """Plan of a round of refinement, with a policy's mean action."""
    return _Planner(task, seed).plan(policy, "mean", conditions)


def batch_of(row: StressEpisode, task: AnyTask) -> Batch:
    """A batch of one simulation that runs the episode of a row again.

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
    trial, patches = task.trial(pool), np.zeros(1, np.int64)
    params = episode_params.from_records([row.params], trial.perturbations, trial.robot)
    return Batch(trial, params, np.array([row.sim]), row.seed, patches)


class _Planner:
    """Turns conditions into episodes, for one task and seed."""

    def __init__(self, task: AnyTask, seed: int) -> None:
        self._task, self._draws = task, Draws(task, seed)
        self._known: dict[Condition, bool] = {}

    def plan(
        self, policy: PolicyUnderTest, mode: str, conditions: Sequence[Condition]
    ) -> PolicyPlan:
        stretches: list[Stretch] = []
        undisturbed: list[Condition] = []
        most = 0  # undisturbed episodes that there are already
        for condition in conditions:
            if not self._is_nominal(condition):
                patch = self._patch(condition)
                stretches.append(Stretch(condition, 0, condition.episodes, False, patch))
                continue
            undisturbed.append(condition)
            if condition.episodes > most:
                count = condition.episodes - most
                stretches.append(Stretch(condition, most, count, True, PLANE))
                most = condition.episodes
        return PolicyPlan(policy, mode, tuple(stretches), tuple(undisturbed))

    def _is_nominal(self, condition: Condition) -> bool:
        if condition not in self._known:
            self._known[condition] = self._draws.is_nominal(condition)
        return self._known[condition]

    def _patch(self, condition: Condition) -> int:
        """First patch of a condition in the terrain pool of the stress test, or PLANE."""
        if not self._draws.axes[condition.axis].axis.is_ground:
            return PLANE
        kind, level = _catalogue(self._task).uneven.index(condition.case), int(condition.severity)
        return (kind * LEVELS + level) * VARIANTS


def _pool(task: AnyTask, seed: int, kinds: tuple[str, ...] | None = None) -> TerrainPool:
    """Terrain of some kinds, or all, that only stress tests of this seed use."""
    catalogue = _catalogue(task)
    kinds = kinds or catalogue.uneven
    return TerrainPool(kinds, LEVELS, VARIANTS, seed, Purpose.STRESS_TEST, catalogue)


def _catalogue(task: AnyTask) -> Catalogue:
    """Catalogue of the task's terrain."""
    assert task.terrain is not None  # or else it has no axis of terrain
    return task.terrain.catalogue


def described(policies: Sequence[PolicyUnderTest]) -> list[dict[str, Any]]:
    """Identifying properties of policies, as JSON."""
    names = ("label", "file", "sha256", "answers")
    return [{name: getattr(policy, name) for name in names} for policy in policies]
