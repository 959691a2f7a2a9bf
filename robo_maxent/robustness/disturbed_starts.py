"""Runs and judges episodes of one policy in chosen starts with chosen disturbances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.rollout import silence_fails
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.report.rows import StressEpisode
from robo_maxent.robustness import success_by_return, traced_rollout
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.disturbance_space import DisturbanceSpace
from robo_maxent.robustness.episode_measures import measured
from robo_maxent.robustness.shards import scale_of
from robo_maxent.robustness.tested_points import Outcomes
from robo_maxent.robustness.traced_rollout import BLOCK, Batch
from robo_maxent.robustness.tried_episodes import TriedEpisodes
from robo_maxent.types import Episode


@dataclass
class DisturbedStarts:
    """Runs disturbed episodes, and judges them as a stress test does."""

    task: AnyTask
    policy: PolicyUnderTest
    seed: int
    threads: int
    dumps: Path
    """Directory for the state of diverged simulations."""
    tried: TriedEpisodes | None = None
    """Episodes of an interrupted search that need not run again; None: nothing is kept."""
    by_return: bool = False
    """Whether episodes are judged by their return, since the task does not define success."""
    least_return: float | None = None
    """Return that counts as success then; None: no return does."""
    success_means: str | None = None
    """What success means, for the reader."""
    _trial: AnyTask = field(init=False)

    def __post_init__(self) -> None:
        """Put the task on the ground of a stress test."""
        self._trial = self.task.trial(None)

    def undisturbed(self, sims: np.ndarray) -> list[Episode]:
        """Run undisturbed episodes, (S,)."""
        return self.run(self._nominal(len(sims)), sims)

    def run(self, params: EpisodeParams, sims: np.ndarray) -> list[Episode]:
        """Run and judge one episode of each start with its parameters."""
        return self._judged(self._run(params, sims))

    def _run(self, params: EpisodeParams, sims: np.ndarray) -> list[Episode]:
        """Run them, without judging."""
        episodes: list[Episode] = []
        for first in range(0, len(sims), BLOCK):
            ids = np.arange(first, min(first + BLOCK, len(sims)))
            episodes += self._block(params.rows(ids), sims[ids])
        return episodes

    def _block(self, params: EpisodeParams, sims: np.ndarray) -> list[Episode]:
        """Run episodes together, without judging them."""

        def run() -> list[Episode]:
            batch = self._batch(params, sims)
            return traced_rollout.run(batch, self.policy, "mean", self.threads, self.dumps)[0]

        return self.tried.episodes(params, sims, run) if self.tried else run()

    def calibrate(self, sims: np.ndarray) -> list[Episode]:
        """Calibrate by undisturbed episodes, if the task does not define success."""
        episodes = self._run(self._nominal(len(sims)), sims)
        self.by_return = not success_by_return.knows_success(episodes)
        if self.by_return:
            chance = baseline(self.task, success_by_return.RANDOM)
            n = success_by_return.RANDOM_EPISODES
            batch = self._batch(self._nominal(n), np.arange(n))
            at_random, _ = traced_rollout.run(batch, chance, "baseline", self.threads, self.dumps)
            own, random = (success_by_return.mean_return(each) for each in (episodes, at_random))
            self.least_return = success_by_return.needed(own, random)
            least = {self.policy.label: self.least_return}
            self.success_means = success_by_return.explained(self.task.name, random, least)
        return self._judged(episodes)

    def test(self, space: DisturbanceSpace, sims: np.ndarray) -> "DisturbanceTest":
        """A test of whether points of a space fail in most of these starts, (S,)."""
        return DisturbanceTest(self, space, sims)

    def rows(
        self, params: EpisodeParams, sims: np.ndarray, labels: Sequence[dict[str, object]]
    ) -> list[StressEpisode]:
        """Rows of episodes, with all measurements."""
        batch, mode = self._batch(params, sims), "mean"
        episodes, trace = traced_rollout.run(batch, self.policy, mode, self.threads, self.dumps)
        rows = []
        for sim, (episode, label) in enumerate(zip(self._judged(episodes), labels, strict=True)):
            gait, effort = trace.gait(sim, episode.length), trace.effort(sim, episode.length)
            whole = {"policy": self.policy.label, "mode": mode} | label
            scale = scale_of(self.task)
            rows.append(measured(episode, gait, effort, None, scale, whole, self.by_return))
        return rows

    def _batch(self, params: EpisodeParams, sims: np.ndarray) -> Batch:
        return Batch(self._trial, params, sims, self.seed, np.zeros(len(sims), np.int64))

    def _nominal(self, n: int) -> EpisodeParams:
        return episode_params.nominal(self.task.perturbations, self.task.robot, n)

    def _judged(self, episodes: Sequence[Episode]) -> list[Episode]:
        if not self.by_return:
            return silence_fails(episodes)
        return [success_by_return.judged(each, self.least_return) for each in episodes]


@dataclass(frozen=True)
class DisturbanceTest:
    """Tests whether points of a space fail in most of some starts."""

    episodes: DisturbedStarts
    space: DisturbanceSpace
    sims: np.ndarray
    """Simulation numbers of the starts, (S,)."""

    def __call__(self, shares: np.ndarray, choices: np.ndarray) -> Outcomes:
        """Run every start at each of N points; returns are means over the starts."""
        starts = len(self.sims)
        params = self.space.params(shares, choices)
        repeated = params.rows(np.repeat(np.arange(len(shares)), starts))
        episodes = self.episodes.run(repeated, np.tile(self.sims, len(shares)))
        fails = np.array([failed(episode) for episode in episodes]).reshape(-1, starts)
        rewards = np.array([episode.reward for episode in episodes]).reshape(-1, starts)
        return Outcomes(2 * fails.sum(axis=1) > starts, rewards.mean(axis=1))


def failed(episode: Episode) -> bool:
    """Whether a policy failed in an episode; a diverged simulation does not count."""
    if episode.diverged:
        return False
    if episode.success is None:
        return episode.terminated
    return not episode.success


def share_failed(episodes: Sequence[Episode]) -> Proportion:
    """The share of episodes that failed."""
    return proportion(sum(map(failed, episodes)), len(episodes))


def critical_severities(
    run: Callable[[np.ndarray], np.ndarray],
    nominal: np.ndarray,
    hardest: np.ndarray,
    resolution: np.ndarray,
    halvings: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Severities at which half of the starts fail, for each of K effects alone.

    Args:
        run: Severities of all effects, (K,), to the share of starts that fails at each, (K,).
        nominal: Where nothing is different, (K,).
        hardest: Where the axes end, (K,).
        resolution: Steps that severities come in; 0: none, (K,).
        halvings: How often a range is halved in which it is known to be.

    Returns:
        Those severities, or the hardest where fewer fail even there, (K,); and whether half of the
        starts fail at them, bool, (K,).
    """
    mild, hard = nominal.astype(float), hardest.astype(float)
    is_reached = run(hard) >= 0.5
    for _ in range(halvings if is_reached.any() else 0):
        middle = (mild + hard) / 2.0
        whole = np.where(resolution > 0.0, resolution, 1.0)
        middle = np.where(resolution > 0.0, np.round(middle / whole) * whole, middle)
        middle = np.where(middle == nominal, hard, middle)
        fails = is_reached & (run(middle) >= 0.5)
        hard = np.where(fails, middle, hard)
        mild = np.where(is_reached & ~fails, middle, mild)
    return hard, is_reached
