"""What a policy does at the fork: its ways, its tries with one closed, and how soon it relearns.

A module for benchmarks/fork.py.
"""

import math
from dataclasses import dataclass

import numpy as np
from fork_arms import Learner, Stochastic

from robo_maxent.evaluation.intervals import binary_entropy
from robo_maxent.evaluation.rollout import policy_view
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.point_fork import PointFork
from robo_maxent.types import Act

TRIES = 5
ENOUGH = 0.9
"""Share of drawn episodes that arrive where a closed way is no matter any more."""
LITTLE, LONGEST = 6, 30
"""How many chunks of training are a little more, and the most."""


@dataclass(frozen=True)
class Ways:
    """Episodes of one policy."""

    arrived: np.ndarray
    """Whether each was at the goal at its end, bool, (N,)."""
    left: np.ndarray
    """1 where it went left, 0 right, NaN nowhere, (N,)."""
    paths: np.ndarray
    """Positions, m, (T, N, 2)."""

    @property
    def split(self) -> float:
        """Share of those that arrived that went left; NaN: none arrived."""
        return float(self.left[self.arrived].mean()) if self.arrived.any() else math.nan


@dataclass(frozen=True)
class Acting:
    """What a policy does, over all starts."""

    nominal_mean: float
    nominal_drawn: float
    left: float
    """Share of its drawn episodes that arrive by the left way."""
    mode_entropy: float
    """Of that split, over log 2: 1 where both are as frequent."""
    blocked_mean: float
    """Success where a way is closed, the mean of both ways."""
    blocked_try: float
    blocked_tries: float
    """The same if one of several tries is enough."""


@dataclass(frozen=True)
class Relearning:
    """What comes of a little more training with the usual way closed."""

    mean: float
    """Success of mean actions after it."""
    drawn: float
    steps: float
    """Environment steps until enough drawn episodes arrive, to the next 60th of a run; infinite:
    more than half a run."""


def drawn(policy: Stochastic, seed: int) -> Act:
    """A policy that draws its actions."""
    rng, size = np.random.default_rng(seed), PointFork.action[0].size
    return lambda obs: policy.sample(obs, rng.standard_normal((len(obs), size)))


def run(act: Act, closed: int, starts: int, seed: int) -> Ways:
    """One episode from each start, with a way closed that the policy is not told of."""
    task = PointFork()
    params = episode_params.nominal(task.perturbations, task.robot, starts)
    for sim in range(starts):
        params.change(sim, {"blocked": closed, "told": 0})
    env, view = task.evaluation_env(starts, seed, params=params), policy_view(act, task.policy_size)
    arrived, left = np.zeros(starts, bool), np.full(starts, np.nan)
    obs, paths = env.reset(), []
    for _ in range(task.episode_steps):
        paths.append(obs[:, :2].copy())
        step = env.step(view(obs))
        obs = step.obs
        for episode in step.episodes:
            arrived[episode.sim] = bool(episode.success)
            way = episode.metrics["left"]
            left[episode.sim] = np.nan if way is None else way
    env.close()
    return Ways(arrived, left, np.array(paths))


def judge(policy: Stochastic, starts: int, seed: int) -> Acting:
    """What a policy does, with both ways open and with either closed."""
    mean, open_ways = run(policy, OPEN, starts, seed), run(drawn(policy, seed), OPEN, starts, seed)
    blocked = [run(policy, side, starts, seed).arrived.mean() for side in (LEFT, RIGHT)]
    tries = [
        np.array([run(drawn(policy, 1 + k), side, starts, seed).arrived for k in range(TRIES)])
        for side in (LEFT, RIGHT)
    ]
    return Acting(
        nominal_mean=float(mean.arrived.mean()),
        nominal_drawn=float(open_ways.arrived.mean()),
        left=open_ways.split,
        mode_entropy=binary_entropy(open_ways.split),
        blocked_mean=float(np.mean(blocked)),
        blocked_try=float(np.mean([each.mean() for each in tries])),
        blocked_tries=float(np.mean([each.any(axis=0).mean() for each in tries])),
    )


def relearn(learner: Learner, usual: int, chunk: int, starts: int, seed: int) -> Relearning:
    """Close the usual way and go on learning, a chunk of steps at a time."""

    def arriving(act: Act) -> float:
        return float(run(act, usual, starts, seed).arrived.mean())

    learner.close_way(usual)
    shares = [arriving(drawn(learner.policy, seed))]
    little = math.nan
    while len(shares) <= LITTLE or (max(shares) < ENOUGH and len(shares) <= LONGEST):
        learner.learn(chunk)
        shares.append(arriving(drawn(learner.policy, seed)))
        if len(shares) == LITTLE + 1:
            little = arriving(learner.policy)
    enough = np.flatnonzero(np.array(shares) >= ENOUGH)
    steps = float(chunk * enough[0]) if len(enough) else math.inf
    return Relearning(mean=little, drawn=shares[LITTLE], steps=steps)


def spread(policy: Stochastic, starts: int, seed: int) -> float:
    """Standard deviation of drawn actions around mean ones, along drawn episodes."""
    squares = []
    draw = drawn(policy, seed)

    def act(obs: np.ndarray) -> np.ndarray:
        action = draw(obs)
        squares.append(np.square(action - policy(obs)).mean())
        return action

    run(act, OPEN, starts, seed)
    return math.sqrt(np.mean(squares))
