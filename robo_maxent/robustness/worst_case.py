"""Searches the mildest disturbance that makes a policy fail.

One search is of one start (or of most of several): the same robot, command and noise, and only the
disturbance differs, so that what was found fails again, bit for bit. How much of that is the
disturbance and how much the start, fresh starts tell: the same disturbance is run in a hundred of
them. Points drawn at random, as many as the search took, say what the search is worth.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.report.rows import WORST_CASE
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.disturbance_space import DisturbanceSpace, space_of
from robo_maxent.robustness.disturbed_starts import (
    DisturbedStarts,
    critical_severities,
    failed,
    share_failed,
)
from robo_maxent.robustness.mildest_failure import MildestFailure
from robo_maxent.robustness.suites import MOST, first_simulation
from robo_maxent.robustness.tested_points import Ledger, Point, random_search
from robo_maxent.robustness.tried_episodes import TriedEpisodes
from robo_maxent.seeds import Purpose, named_rng, whole

FRESH = 100
"""Number of fresh starts in which a disturbance is tried."""
CALIBRATING = 20
"""Number of starts from which critical severities are estimated."""
HALVINGS = 5
"""Halvings of an axis: a critical severity is known to a 32nd of its range."""
LEAST_EPISODES = 200
"""Fewest episodes of a search, for a generation or two."""
MOST_STARTS, SPARE = 20, 10
"""Starts that a disturbance may be searched in, and more to choose from, since some may fail."""
SEARCHED, CALIBRATED, FRESHLY = 0, 1, 2
"""Blocks of simulations, so that no start serves two purposes."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """Settings of a search."""

    effects: tuple[str, ...] | None = None
    """Axes whose effects act together; None: those of the task's axis ``combined``."""
    episodes: int = 1000
    """Episodes of the search; random points get as many again."""
    starts: int = 1
    """Number of starts, in most of which a disturbance has to fail."""
    seed: int = 1
    """Seed of the starts and of the search."""
    fresh: int = FRESH
    """Number of other starts in which each failure is tried."""

    def __post_init__(self) -> None:
        """Check the values."""
        whole(self.seed)
        if not 0 <= self.fresh <= MOST:
            raise UsageError(f"fresh starts must be in 0..{MOST}, got {self.fresh}")
        if not 1 <= self.starts <= MOST_STARTS:
            raise UsageError(f"starts must be in 1..{MOST_STARTS}, got {self.starts}")
        if self.episodes < LEAST_EPISODES * self.starts:
            raise UsageError(
                f"a search takes at least {LEAST_EPISODES} episodes a start, "
                f"{LEAST_EPISODES * self.starts} in all, got {self.episodes}"
            )


@dataclass(frozen=True)
class Failure:
    """A disturbance that makes the policy fail."""

    point: Point
    fresh: Proportion | None
    """Number of fresh starts that fail with it; None if they were not run."""


@dataclass
class WorstCase:
    """Results of a search, filled as it goes, so that an interruption keeps them."""

    space: DisturbanceSpace
    starts: np.ndarray
    """Simulation numbers of the searched starts, (S,)."""
    undisturbed: Proportion
    """Number of fresh starts that fail without a disturbance."""
    minima: list[Failure] = field(default_factory=list)
    """Distinct failures, the mildest first."""
    at_random: Failure | None = None
    """The mildest failure among random points."""
    tests: int = 0
    """Number of tests of the search, each of S episodes."""
    random_tests: int = 0
    improvements: list[tuple[int, float]] = field(default_factory=list)
    """Tests so far and severity, each time a milder failure was found."""
    random_improvements: list[tuple[int, float]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failures(self) -> list[Failure]:
        """The minima, and the one found at random."""
        return [*self.minima, *([self.at_random] if self.at_random else [])]


def search(
    task: AnyTask,
    policy: PolicyUnderTest,
    settings: Settings,
    threads: int = 0,
    dumps: str | os.PathLike[str] = "runs/diverged",
    progress: Progress | None = None,
    tried: TriedEpisodes | None = None,
) -> tuple[WorstCase, DisturbedStarts]:
    """Search the mildest disturbances that make a policy fail.

    Args:
        task: What the policy does.
        policy: Who is disturbed.
        settings: What is searched.
        threads: Physics threads; 0: one per CPU. They change no result.
        dumps: Where the state of a diverged simulation goes.
        progress: Called with how much is done and how much there is.
        tried: What the same search has run already; it changes no result.

    Returns:
        What was found, also where Ctrl-C came between; and what runs it again.

    Raises:
        UsageError: An effect can't be searched.
        PolicyError: The policy fails undisturbed.
    """
    space = space_of(task, settings.effects)
    starts = DisturbedStarts(task, policy, settings.seed, threads, Path(dumps), tried)
    stages = _Stages(progress, settings, len(space.parts))
    undisturbed = share_failed(starts.calibrate(_block(FRESHLY, FRESH)))
    stages.next(FRESH)
    _require_works(policy, task, undisturbed)
    chosen = _chosen_starts(starts, settings, policy)
    space = _in_critical_severities(space, starts, settings.seed, stages)
    found = WorstCase(space, chosen, undisturbed)
    with _kept(found):
        _search(found, starts, settings, stages)
        _search_at_random(found, starts, settings, stages)
        _in_fresh_starts(found, starts, _block(FRESHLY, settings.fresh), stages)
    return found, starts


def _search(
    found: WorstCase, starts: DisturbedStarts, settings: Settings, stages: "_Stages"
) -> None:
    test = starts.test(found.space, found.starts)
    ledger = Ledger(test, settings.episodes // settings.starts, stages.shown(settings.episodes))
    found.improvements = ledger.improvements
    looking = MildestFailure(found.space, ledger, _rng(settings.seed, "search"))
    try:
        looking.run()
    finally:
        found.minima = [Failure(point, None) for point in looking.minima]
        found.tests = ledger.spent
    stages.next(settings.episodes)


def _search_at_random(
    found: WorstCase, starts: DisturbedStarts, settings: Settings, stages: "_Stages"
) -> None:
    """Test as many random points as the search took."""
    test = starts.test(found.space, found.starts)
    ledger = Ledger(test, found.tests, stages.shown(settings.episodes))
    points = random_search(found.space, ledger, _rng(settings.seed, "random"))
    found.random_tests, found.random_improvements = ledger.spent, ledger.improvements
    found.at_random = Failure(points[0], None) if points else None
    stages.next(settings.episodes)


def _in_fresh_starts(
    found: WorstCase, starts: DisturbedStarts, fresh: np.ndarray, stages: "_Stages"
) -> None:
    """Number of fresh starts that fail with each disturbance."""
    failures = found.failures if len(fresh) else []
    for place, failure in enumerate(failures):
        shares, choices = failure.point.shares[None], failure.point.choices[None]
        params = found.space.params(shares, choices).rows(np.zeros(len(fresh), np.int64))
        known = Failure(failure.point, share_failed(starts.run(params, fresh)))
        if place < len(found.minima):
            found.minima[place] = known
        else:
            found.at_random = known
        stages.next(len(fresh))


def _in_critical_severities(
    space: DisturbanceSpace, starts: DisturbedStarts, seed: int, stages: "_Stages"
) -> DisturbanceSpace:
    """The space with critical severities estimated for each effect alone."""
    sims, effects = _block(CALIBRATED, CALIBRATING), len(space.parts)
    choices = _rng(seed, "critical").uniform(size=(CALIBRATING, len(space.circular)))
    asked = np.arange(CALIBRATING * effects)
    alone = np.eye(effects)[asked // CALIBRATING]  # (K * CALIBRATING, K)

    def run(severities: np.ndarray) -> np.ndarray:
        steps = [severities[k] - part.nominal for k, part in enumerate(space.parts)]
        spans = [part.critical - part.nominal for part in space.parts]
        shares = alone * (np.array(steps) / np.array(spans))
        params = space.params(shares, choices[asked % CALIBRATING])
        fails = [failed(e) for e in starts.run(params, np.tile(sims, effects))]
        stages.next(len(asked))
        return np.reshape(fails, (effects, CALIBRATING)).mean(axis=1)

    severities, is_reached = critical_severities(
        run,
        np.array([part.nominal for part in space.parts]),
        np.array([part.hardest for part in space.parts]),
        np.array([part.axis.resolution for part in space.parts]),
        HALVINGS,
    )
    return space.with_critical(severities.tolist(), is_reached.tolist())


def _chosen_starts(
    starts: DisturbedStarts, settings: Settings, policy: PolicyUnderTest
) -> np.ndarray:
    """The first starts in which the undisturbed policy does not fail, (S,).

    Raises:
        PolicyError: There are too few.
    """
    sims = _block(SEARCHED, settings.starts + SPARE)
    good = [
        sim
        for sim, episode in zip(sims.tolist(), starts.undisturbed(sims), strict=True)
        if not failed(episode)
    ]
    if len(good) < settings.starts:
        raise PolicyError(
            f"{policy.label} succeeds undisturbed in {len(good)} of {len(sims)} starts, fewer than "
            f"the {settings.starts} asked for"
        )
    return np.array(good[: settings.starts])


def _require_works(policy: PolicyUnderTest, task: AnyTask, fails: Proportion) -> None:
    """Refuse a policy that fails its task undisturbed.

    Raises:
        PolicyError: The interval of its success lies below what a stress test requires.
    """
    if 1.0 - fails.low >= THRESHOLD:
        return
    success = proportion(round((1.0 - fails.share) * fails.count), fails.count)
    raise PolicyError(
        f"{policy.label} succeeds in {success} undisturbed episodes of {task.name}: it fails "
        "without any disturbance, so there is no mildest one. Train it until it succeeds in "
        f"{100 * THRESHOLD:g} %"
    )


def _block(number: int, count: int) -> np.ndarray:
    """Simulation numbers of a purpose, (count,)."""
    return first_simulation(WORST_CASE, number) + np.arange(count)


def _rng(seed: int, name: str) -> np.random.Generator:
    return named_rng(Purpose.STRESS_TEST, seed, 0, 0, f"{WORST_CASE}/{name}")


@contextmanager
def _kept(found: WorstCase) -> Iterator[None]:
    """Context in which Ctrl-C ends only the search."""
    try:
        yield
    except KeyboardInterrupt:
        found.interrupted = True


class _Stages:
    """Progress over several stages, in episodes."""

    def __init__(self, progress: Progress | None, settings: Settings, effects: int) -> None:
        calibrating = (HALVINGS + 1) * CALIBRATING * effects
        self._total = FRESH + calibrating + 2 * settings.episodes + 4 * settings.fresh
        self._progress, self._done = progress, 0

    def next(self, episodes: int) -> None:
        """End a stage of so many episodes."""
        self._done += episodes
        if self._progress:
            self._progress(min(self._done, self._total), self._total)

    def shown(self, episodes: int) -> Progress | None:
        """Callback for the progress within a stage."""
        if self._progress is None:
            return None
        progress, before, total = self._progress, self._done, self._total
        return lambda count, most: progress(before + episodes * count // most, total)
