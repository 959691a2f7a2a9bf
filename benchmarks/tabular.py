"""Discrete Soft Actor-Critic on finite processes, beside soft value iteration.

Two processes at a fixed temperature: *random*, 12 states of which two end it, 4 actions that each
lead to one of three states by chance, γ = 0.9; and *tunnel and bridge*
(``robo_maxent.learning.tunnel_bridge``), whose moves are certain, γ = 0.99.

Learners see a state as a one-hot vector. *tables*: actor and critics are one linear layer without a
bias, a number for each state and action, and a batch is every transition there is, once: nothing
but the losses, targets and optimizers of the library is left, so that the optimum is met closely.
*networks*: those of the preset ``discrete``, which learn from what they explore, from anywhere, in
episodes that a time limit cuts off; half of the simulations act at random, so that all is seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.categorical_critic import CategoricalActionValues
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.exact import FiniteMdp, log_boltzmann, soft_value_iteration
from robo_maxent.learning.networks import ActionValues, Actor, Critics, Ensemble
from robo_maxent.learning.replay_buffer import ReplayBatch, ReplayBuffer
from robo_maxent.learning.tunnel_bridge import tunnel_and_bridge
from robo_maxent.training.config import preset

ALPHA = 0.3
TIME_LIMIT = 20
"""Steps of an episode that a network explores in."""
SIMULATIONS = 64
BRANCHES = 3
"""Successors of a state and action of the random process, each as likely."""


def random_process(seed: int = 0, states: int = 12, actions: int = 4) -> FiniteMdp:
    """Every move leads to one of three states; the first two end it."""
    rng = np.random.default_rng(seed)
    transition = np.zeros((states, actions, states))
    for s, a in np.ndindex(states, actions):
        transition[s, a, rng.choice(states, BRANCHES, replace=False)] = 1.0 / BRANCHES
    return FiniteMdp(rng.normal(size=(states, actions)), transition, np.arange(states) < 2, 0.9)


PROCESSES: dict[str, Callable[[], FiniteMdp]] = {
    "random": random_process,
    "tunnel and bridge": tunnel_and_bridge,
}


@dataclass(frozen=True)
class Errors:
    """How far a learner is from the optimum, the worst of all states that are acted in."""

    q: float
    """Of an action value, over the span of them all."""
    tv: float
    """Total variation of the policy from the best one."""


def measure(sac: DiscreteSac, mdp: FiniteMdp) -> Errors:
    """Compare values and policy of a learner with soft value iteration."""
    acting = mdp.terminal == 0
    best = soft_value_iteration(mdp, ALPHA)[acting]
    seen = one_hot(np.flatnonzero(acting), len(mdp.terminal))
    with torch.no_grad():
        actions = torch.arange(best.shape[1])[:, None, None].expand(-1, len(seen), 1)
        q = sac.critics.each(seen, actions).amin(0).T.double().numpy()
        policy = sac.actor(seen).double().softmax(-1).numpy()
    apart = np.abs(policy - np.exp(log_boltzmann(best, ALPHA)))
    return Errors(float(np.abs(q - best).max() / np.ptp(best)), float(0.5 * apart.sum(1).max()))


# -- tables ------------------------------------------------------------------------------


class _Table(Ensemble):
    """E tables of a number for each state and output, in place of the layers of an ensemble."""

    def _begin(self, count: int, states: int, outputs: int) -> None:
        nn.Module.__init__(self)
        self.precision = "fp32"
        self.shapes = [(count, states, outputs)]
        self.flat = nn.Parameter(torch.zeros(count * states * outputs))

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs, (E, B, O), of one-hot rows (B, S)."""
        return x @ self.flat.view(self.shapes[0])


class TableActor(_Table, Actor):
    """Logits of each state."""

    def __init__(self, states: int, actions: int) -> None:
        """All alike."""
        self._begin(1, states, actions)
        self.obs_size, self.head = states, Categorical(actions)


class TableValues(_Table, ActionValues):
    """Two tables of action values."""

    def __init__(self, states: int, actions: int) -> None:
        """All 0."""
        self._begin(2, states, actions)


class TableDistributions(_Table, CategoricalActionValues):
    """Two tables of distributions of the return."""

    def __init__(self, states: int, actions: int, config: SacConfig) -> None:
        """All even."""
        self._begin(2, states, actions * config.atoms)
        self._set_atoms(config)


class TableSac(DiscreteSac):
    """The learner of discrete actions, with tables in place of networks."""

    def _new_networks(
        self, obs_size: int, action_size: int, policy_size: int
    ) -> tuple[Actor, Critics]:
        actor = TableActor(obs_size, action_size)
        if self.config.critic == "categorical":
            return actor, TableDistributions(obs_size, action_size, self.config)
        return actor, TableValues(obs_size, action_size)


def every_transition(mdp: FiniteMdp) -> ReplayBatch:
    """Each transition once, as often as the others: those of one move are as likely."""
    s, a, following = np.nonzero(mdp.transition * (mdp.terminal == 0)[:, None, None])
    states = len(mdp.terminal)
    return ReplayBatch(
        one_hot(s, states),
        torch.from_numpy(a).float()[:, None],
        torch.from_numpy(mdp.reward[s, a]).float(),
        one_hot(following, states),
        torch.from_numpy(mdp.terminal[following]).float(),
    )


def learn_tables(mdp: FiniteMdp, seed: int, updates: int, **changes: Any) -> DiscreteSac:
    """A learner of tables after so many updates, each of all transitions.

    Args:
        mdp: The process.
        seed: Of everything random.
        updates: Of actor and critics.
        changes: What is else in the configuration than a scalar critic needs.
    """
    batch = every_transition(mdp)
    states, actions = mdp.reward.shape
    config = replace(_fixed(mdp), learning_rate=0.05, batch_size=len(batch.reward), actor_every=1)
    sac = TableSac(states, actions, replace(config, **changes), seed)
    for update in range(updates):
        _fall(sac, update / updates)
        sac.update(batch)
    return sac


# -- networks ----------------------------------------------------------------------------


def learn_networks(mdp: FiniteMdp, seed: int, updates: int) -> DiscreteSac:
    """A learner of the preset's networks after so many updates, of what it has explored."""
    states, actions = mdp.reward.shape
    sac, rng = DiscreteSac(states, actions, _fixed(mdp), seed), np.random.default_rng(seed)
    walks = _Walks(mdp, rng)
    for _ in range(50):
        walks.step(rng.integers(actions, size=SIMULATIONS))
    for update in range(updates):
        if update % 4 == 0:
            action = sac.explore(one_hot(walks.state, states).numpy())
            at_random = np.arange(SIMULATIONS) % 2 == 0  # some actions are all but never drawn
            walks.step(np.where(at_random, rng.integers(actions, size=SIMULATIONS), action))
        _fall(sac, update / updates)
        sac.update(walks.buffer.sample(rng, sac.config.batch_size))
    return sac


class _Walks:
    """Episodes from anywhere, which end in terminal states, and are cut off by a time limit."""

    def __init__(self, mdp: FiniteMdp, rng: np.random.Generator) -> None:
        self.mdp, self.rng = mdp, rng
        self.starts = np.flatnonzero(mdp.terminal == 0)
        self.buffer = ReplayBuffer(100_000, len(mdp.terminal), 1)
        self.state = rng.choice(self.starts, SIMULATIONS)
        self.age = rng.integers(0, TIME_LIMIT, SIMULATIONS)

    def step(self, action: np.ndarray) -> None:
        cumulative = self.mdp.transition[self.state, action].cumsum(1)  # (N, S)
        following = (self.rng.random((SIMULATIONS, 1)) > cumulative).sum(1)
        self.age += 1
        terminated = self.mdp.terminal[following].astype(bool)
        ended = terminated | (self.age >= TIME_LIMIT)
        before, after = (
            one_hot(s, len(self.mdp.terminal)).numpy() for s in (self.state, following)
        )
        reward = self.mdp.reward[self.state, action]
        sims = np.arange(SIMULATIONS)
        self.buffer.add(before, action[:, None], reward, after, terminated, sims, ended)
        self.state = np.where(ended, self.rng.choice(self.starts, SIMULATIONS), following)
        self.age[ended] = 0


# -- what both share ---------------------------------------------------------------------


def one_hot(states: np.ndarray, count: int) -> Tensor:
    """States as observations, float32, (B, S)."""
    return torch.eye(count)[torch.from_numpy(states)]


def _fixed(mdp: FiniteMdp) -> SacConfig:
    """The preset for discrete actions at the discount of a process and a fixed temperature."""
    return replace(
        preset("discrete").sac,
        gamma=mdp.gamma,
        initial_alpha=ALPHA,
        alpha_learning_rate=0.0,
        weight_decay=0.0,
        normalize=False,
    )


def _fall(sac: DiscreteSac, share: float) -> None:
    """Rates are held for half of the updates, then fall to 0."""
    for name in ("actor", "critics"):
        sac.optimizers[name].rate = sac.config.learning_rate * min(1.0, 2.0 - 2.0 * share)
