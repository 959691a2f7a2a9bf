"""The episodes that a suite asks of each policy, in batches to run together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.task import UNSEEN, Task
from robo_maxent.errors import UsageError
from robo_maxent.perturbations import params as drawing
from robo_maxent.perturbations.params import Draw
from robo_maxent.robustness.axes import AXES, TERRAIN, World, world_of
from robo_maxent.robustness.baselines import nulls
from robo_maxent.robustness.suites import Condition, Suite
from robo_maxent.robustness.traced_rollout import BLOCK, Batch, Contestant
from robo_maxent.sim.terrain import KINDS
from robo_maxent.sim.terrain_pool import LEVELS, Pool

GROUNDS = tuple(kind for kind in KINDS if kind != "flat")
"""Kinds of terrain in the pool of an evaluation; all else takes place on a plane."""
VARIANTS = 2
"""Patches of a kind and level; those of a random kind differ."""
PLANE = -1
"""In the place of a patch."""


@dataclass(frozen=True)
class Work:
    """The episodes of one policy. One that several conditions have in common is run once."""

    contestant: Contestant
    mode: str
    """How it acts: "mean", "sampled" or "null"."""
    conditions: list[list[Condition]]
    """Those that each of J episodes stands for."""
    sims: np.ndarray
    """Simulation of each, int, (J,)."""
    patches: np.ndarray
    """Patch of each, int, (J,), or PLANE."""
    draws: Draw
    """J rows."""

    def batches(self) -> Iterator[tuple[str, np.ndarray]]:
        """What is run together, in order: undisturbed episodes, others on the plane, terrain.

        The first are apart for the sake of safe sets, which null policies don't have.
        """
        plane = self.patches == PLANE
        undisturbed = np.array([own[0].axis == "nominal" for own in self.conditions], bool)
        undisturbed &= self.mode != "null"
        groups = {"nominal": undisturbed, "plane": plane & ~undisturbed, "terrain": ~plane}
        for group, members in groups.items():
            ids = np.flatnonzero(members)
            for number, start in enumerate(range(0, len(ids), BLOCK)):
                yield f"{group}-{number:03d}", ids[start : start + BLOCK]


class Stages:
    """A task on its two grounds, each made when it is needed."""

    def __init__(self, task: Task[Any], seed: int) -> None:
        """Make nothing yet."""
        self._task, self._seed = task, seed
        self._made: dict[bool, Task[Any]] = {}

    def batch(self, work: Work, ids: np.ndarray) -> Batch:
        """Some episodes, all on one of the grounds."""
        patches = work.patches[ids]
        terrain = bool(patches[0] != PLANE)
        if terrain not in self._made:
            pool = Pool(GROUNDS, LEVELS, VARIANTS, UNSEEN + self._seed) if terrain else None
            self._made[terrain] = self._task.trial(pool)
        task = self._made[terrain].at(np.maximum(patches, 0))  # the plane is patch 0 of its own
        return Batch(task, drawing.rows(work.draws, ids), work.sims[ids], self._seed)


def planned(
    suite: Suite, task: Task[Any], contestants: Sequence[Contestant], seed: int
) -> list[Work]:
    """The episodes of each policy and way to act, the null policies last.

    Raises:
        UsageError: There is no policy, or labels are the same.
    """
    idle = nulls(task)
    labels = [contestant.label for contestant in (*contestants, *idle)]
    if not contestants:
        raise UsageError("there is no policy to evaluate")
    if len(set(labels)) < len(labels):
        raise UsageError(f"labels must differ, got {', '.join(labels)}")
    ways = [(contestant, "mean") for contestant in contestants]
    ways += [(contestant, "sampled") for contestant in contestants if contestant.sample]
    ways += [(null, "null") for null in idle]
    world = world_of(task)
    return [
        _work(contestant, mode, conditions, world, seed)
        for contestant, mode in ways
        if (conditions := suite.conditions(task, mode))
    ]


def batch_of(row: Mapping[str, Any], task: Task[Any]) -> Batch:
    """The one simulation that runs the episode of a row of an evaluation again."""
    pool = None
    if row["axis"] in TERRAIN:
        whole = Pool((row["terrain"],), LEVELS, VARIANTS, UNSEEN + row["seed"])
        pool = whole.only(whole.index(row["terrain"], row["level"], row["sim"] % VARIANTS))
    trial = task.trial(pool).at(np.zeros(1, np.int64))
    draws = drawing.replayed([row["draw"]], trial.robot)
    return Batch(trial, draws, np.array([row["sim"]]), row["seed"])


def _work(
    contestant: Contestant, mode: str, conditions: Sequence[Condition], world: World, seed: int
) -> Work:
    usual = drawing.nominal(world.robot, 1)
    stands: list[list[Condition]] = []
    sims: list[int] = []
    patches: list[int] = []
    parts: list[Draw] = []
    undisturbed: dict[int, int] = {}  # simulation -> its episode
    for condition in conditions:
        own = condition.first + np.arange(condition.episodes)
        axis = AXES[condition.axis]
        made = axis.draws(world, condition.severity, condition.case, own, seed)
        nominal = not drawing.differing(made, usual) and condition.axis not in TERRAIN
        new = []
        for number, sim in enumerate(range(condition.episodes) if nominal else own.tolist()):
            if nominal and sim in undisturbed:
                stands[undisturbed[sim]].append(condition)
                continue
            if nominal:
                undisturbed[sim] = len(stands)
            stands.append([condition])
            patches.append(_patch(condition, sim))
            sims.append(sim)
            new.append(number)
        parts.append(drawing.rows(made, np.array(new, np.int64)))
    draws = drawing.joined(parts)
    return Work(contestant, mode, stands, np.array(sims), np.array(patches), draws)


def _patch(condition: Condition, sim: int) -> int:
    """Patch in the pool of an evaluation, or PLANE."""
    if condition.axis not in TERRAIN:
        return PLANE
    kind, level = GROUNDS.index(condition.case), int(condition.severity)
    return (kind * LEVELS + level) * VARIANTS + sim % VARIANTS
