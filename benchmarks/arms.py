"""The arms of maxent_robustness.py: how each learns to walk, and how it acts afterwards.

All SAC arms have the default recipe with one thing changed. TD3 and PPO are those of
Stable-Baselines3, whose networks are as wide but not the same; see peers.py.
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.interop import sb3_policies
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.policy import Policy
from robo_maxent.robustness.baselines import PolicyUnderTest, Sample
from robo_maxent.tasks import make
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.trainer import Trainer
from robo_maxent.types import Act

TASK = "quadruped-flat"
PEER_MODULES = ("stable_baselines3",)
OURS, ARCHIVE, STATISTICS = "policy.safetensors", "policy.zip", "vecnormalize.pkl"
"""Files of a trained policy: of a SAC arm the first, of a peer the others."""
THREADS = torch.get_num_threads()

NOTHING = 1e-8
"""A temperature that stands for 0: its share of a value is lost in the rounding of float32."""
NO_LEARNING = {"alpha_learning_rate": 0.0}
SPREAD = (-1.93, -1.91)
"""Log standard deviation of the arm whose noise is fixed: that of a Gaussian with the entropy that
the automatic temperature holds, -1/2 per action."""

Over = Callable[[int, Callable[[], Act]], bool]
"""Environment steps so far, and how to get the present policy, to whether training ends."""


@dataclass(frozen=True)
class Arm:
    """One way to learn."""

    summary: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default ``SacConfig``."""
    randomization: str | Mapping[str, Any] = "none"
    """What differs between episodes of training."""
    fall_cost: float = 0.0
    """What a fall costs, beside the rewards that no longer follow."""
    peer: str | None = None
    """Recipe in peers.py; None: our SAC."""
    budget: int = 1
    """Environment steps, as a multiple of those of SAC: the others need more of them to walk."""


PUSHED = {"push_impulse": (0.0, 12.7), "push_interval": (4.0, 8.0)}
"""Hard pushes in training, N·s and s apart: where nothing is left to chance, risk means nothing."""
CATEGORICAL = {"critic": "categorical"}

ENTROPY: dict[str, Arm] = {
    "sac": Arm("automatic temperature"),
    "fixed-0.01": Arm("that temperature all the time", {"initial_alpha": 0.01, **NO_LEARNING}),
    "fixed-0.1": Arm("the same, ten times as hot", {"initial_alpha": 0.1, **NO_LEARNING}),
    "actor-only": Arm("entropy in the actor, not in the critics", {"entropy_in_target": False}),
    "zero": Arm("temperature 0: no entropy at all", {"initial_alpha": NOTHING, **NO_LEARNING}),
    "zero-noise": Arm(
        "temperature 0, and noise of the size that SAC has",
        {"initial_alpha": NOTHING, **NO_LEARNING, "log_std_range": SPREAD},
    ),
    "td3": Arm("TD3 with noise of the size that SAC has", peer="sb3_td3", budget=2),
    "ppo": Arm("PPO", peer="ppo", budget=10),
    "sac-randomized": Arm(
        "automatic temperature, randomized training", randomization="default", budget=3
    ),
}
"""Name -> arm: what entropy buys. The others are compared with the first."""

RISK: dict[str, Arm] = {
    "sac-pushed": Arm("automatic temperature, pushed in training", {}, PUSHED, budget=2),
    "categorical": Arm("the same with a categorical critic", CATEGORICAL, PUSHED, budget=2),
    "risk-0.5": Arm(
        "an actor for the worse half of its returns", {**CATEGORICAL, "risk": 0.5}, PUSHED, budget=2
    ),
    "risk-0.25": Arm(
        "an actor for the worst quarter", {**CATEGORICAL, "risk": 0.25}, PUSHED, budget=2
    ),
    "dear-falls": Arm(
        "the mean of returns in which a fall costs 40 more", CATEGORICAL, PUSHED, 40.0, budget=2
    ),
}
"""Name -> arm: what an aversion to risk buys, beside a price on what is risky."""

ARMS = ENTROPY | RISK


def nominal_task() -> MujocoTask[Any, Any]:
    """The task on which success is judged: episodes differ in starts and commands only."""
    return make(TASK, randomization="none")


def learn(arm: Arm, seed: int, over: Over, directory: Path) -> None:
    """Train until ``over``, and write the policy."""
    directory.mkdir(parents=True, exist_ok=True)
    task = make(TASK, randomization=arm.randomization)
    task.termination_cost = arm.fall_cost
    if arm.peer is None:
        _learn_ours(arm, task, seed, over, directory)
    else:
        _learn_peer(arm.peer, task, seed, over, directory)


def policy_of(name: str, task: MujocoTask[Any, Any], directory: Path) -> PolicyUnderTest:
    """The policy that :func:`learn` wrote: its mean actions, and those it would explore with."""
    peer = ARMS[name].peer
    if peer is None:
        policy = Policy.load(directory / OURS)
        return PolicyUnderTest(name, policy, policy.sample, thread_safe=True)
    act = sb3_policies.load(directory / ARCHIVE, task, str(directory / STATISTICS))
    sample = _with_noise(act) if peer == "sb3_td3" else _gaussian(directory)
    return PolicyUnderTest(name, act, sample)


def _learn_ours(
    arm: Arm, task: MujocoTask[Any, Any], seed: int, over: Over, directory: Path
) -> None:
    config = TrainConfig(seed=seed, sac=replace(SacConfig(), **arm.changes))
    trainer = Trainer(task, config, directory)
    try:
        while not over(trainer.steps, trainer.policy):
            trainer.step()
        trainer.policy().save(directory / OURS)
    finally:
        trainer.close()


def _learn_peer(
    name: str, task: MujocoTask[Any, Any], seed: int, over: Over, directory: Path
) -> None:
    import peers

    torch.set_num_threads(THREADS)  # ours leaves it at half
    peer = getattr(peers, name)(task, seed)
    peer.learn(lambda steps: over(steps, lambda: peer.act))
    peer.model.save(directory / ARCHIVE)
    peer.model.get_vec_normalize_env().save(str(directory / STATISTICS))


def _with_noise(act: Act) -> Sample:
    """TD3 as it explores."""
    import peers

    return lambda obs, noise: np.clip(act(obs) + peers.TD3_NOISE * noise, -1.0, 1.0)


def _gaussian(directory: Path) -> Sample:
    """PPO as it explores: a Gaussian, cut off at the ends of the range."""
    from stable_baselines3 import PPO

    policy = PPO.load(directory / ARCHIVE, device="cpu").policy
    normal = pickle.loads((directory / STATISTICS).read_bytes()).normalize_obs

    @torch.no_grad()
    def sample(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        seen = torch.as_tensor(normal(obs), dtype=torch.float32)
        spread: Any = policy.get_distribution(seen).distribution
        return np.clip(spread.mean.numpy() + spread.stddev.numpy() * noise, -1.0, 1.0)

    return sample
