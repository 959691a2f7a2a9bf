"""Configuration of a run, and recipes by name; imports no torch."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from robo_maxent import machine
from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig, require_storable, take_plain

MOST = 100_000
"""Upper bounds of simulations, episodes of an evaluation and updates of a step."""

Precision = Literal["auto", "fp32", "bf16"]
"""Factors of matrix products, see :class:`TrainConfig`."""


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a run: its budget, and how to learn."""

    minutes: float | None = None
    """Wall-clock budget, evaluations on the way included; one more, at the end, comes after it.
    Give this or steps."""
    steps: int | None = None
    """Budget of environment steps, summed over the simulations."""
    seed: int = 0
    """Seed of everything random in the run."""
    envs: int = 128
    """Simulations stepped together."""
    updates_per_step: int = 8
    """Gradient updates per control step of all simulations; the update ratio is this / envs."""
    random_steps: int = 20
    """Control steps with uniform random actions before the first update."""
    replay_capacity: int = 1_000_000
    """Transitions kept."""
    symmetric: bool = True
    """Store each transition's left-right mirror image too, where the task declares one; False: only
    what happened."""
    relabelled: float | None = None
    """Share of transitions whose goal is replaced in hindsight; by default what the task says."""
    evaluate_every: int = 200_000
    """Environment steps between evaluations of the mean action."""
    evaluation_episodes: int = 32
    """Episodes of each of them; 0: none, and the latest policy is kept as the best."""
    save_seconds: float = 120.0
    """Wall-clock between checkpoints."""
    threads: int = 0
    """CPU threads, half for learning and half for physics; 0: one per CPU."""
    overlap: bool = True
    """Step the physics beside the updates, which so can't draw the transitions of that very step;
    False: first the physics, then the updates, each with all threads."""
    precision: Precision = "auto"
    """Factors of matrix products; auto: bf16 where it was measured to be half as fast again as fp32
    at least, or the CPU has AMX, else fp32."""
    sac: SacConfig = field(default_factory=SacConfig)
    """How to learn."""

    def __post_init__(self) -> None:
        """Check the values."""
        take_plain(self)
        if self.precision not in get_args(Precision):
            known = " or ".join(get_args(Precision))
            raise UsageError(f"precision must be {known}, got {self.precision}")
        if self.minutes is not None and self.steps is not None:
            raise UsageError("give one budget, minutes or steps, not both")
        for name in ("minutes", "steps", "save_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} must be > 0 and finite, got {value}")
        if self.relabelled is not None and not 0 <= self.relabelled <= 1:
            raise UsageError(f"relabelled must be within [0, 1], got {self.relabelled}")
        self._require_counts()

    def _require_counts(self) -> None:
        least = {name: 1 for name in ("envs", "evaluate_every", "replay_capacity")}
        least |= dict.fromkeys(("seed", "updates_per_step", "random_steps"), 0)
        least["evaluation_episodes"] = 0
        machine.require_threads(self.threads)
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UsageError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("envs", "evaluation_episodes", "updates_per_step"):
            if getattr(self, name) > MOST:
                raise UsageError(f"{name} must be at most {MOST:,}, got {getattr(self, name)}")
        require_storable(self)


Preset = Literal["default", "rough", "arm", "single", "discrete", "traffic", "goals", "classic"]
"""Recipes by name: many simulations, on terrain, of an arm, one environment, one with discrete
actions, some of those that are slow, some with goals, the published algorithm."""


_SINGLE = TrainConfig(
    envs=1,
    updates_per_step=1,
    random_steps=2_000,
    symmetric=False,
    evaluate_every=10_000,
    sac=SacConfig(
        width=256,
        batch_size=256,
        learning_rate=3e-4,
        learning_rate_held=None,
        gamma=0.99,
        tau=0.01,
        actor_every=2,
        initial_alpha=0.1,
    ),
)
_DISCRETE = replace(
    _SINGLE,
    random_steps=1_000,
    sac=SacConfig(
        batch_size=128,
        learning_rate=1e-3,
        learning_rate_held=None,
        gamma=0.99,
        tau=0.05,
        actor_every=1,
        initial_alpha=0.1,
    ),
)
_RECIPES: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "rough": TrainConfig(
        evaluate_every=500_000,
        evaluation_episodes=110,
        sac=SacConfig(width=256, learning_rate=1e-3, gamma=0.95, target_entropy_per_action=-1.0),
    ),
    "arm": TrainConfig(envs=64, evaluate_every=100_000, sac=SacConfig(gamma=0.95)),
    "single": _SINGLE,
    "discrete": _DISCRETE,
    "traffic": replace(
        _DISCRETE,
        envs=4,
        updates_per_step=4,
        random_steps=250,
        replay_capacity=200_000,
        sac=replace(_DISCRETE.sac, gamma=0.95),
    ),
    "goals": TrainConfig(
        envs=8,
        updates_per_step=4,
        random_steps=250,
        evaluate_every=20_000,
        symmetric=False,
        sac=SacConfig(width=256, batch_size=256, learning_rate=1e-3, gamma=0.95, tau=0.02),
    ),
    "classic": replace(
        _SINGLE,
        random_steps=10_000,
        precision="fp32",
        overlap=False,
        sac=SacConfig(
            width=256,
            layer_norm=False,
            normalize=False,
            batch_size=256,
            learning_rate=3e-4,
            learning_rate_held=None,
            weight_decay=0.0,
            gamma=0.99,
            tau=0.005,
            actor_every=1,
            actor_average=1.0,
            initial_alpha=1.0,
            alpha_learning_rate=3e-4,
            target_entropy_per_action=-1.0,
            log_std_range=(-20.0, 2.0),
            log_std_bound="clamp",
            calm_start=False,
        ),
    ),
}
"""What :func:`preset` returns, by the names of :data:`Preset`."""


def preset(name: str) -> TrainConfig:
    """A recipe without a budget; a task names its own in ``task.preset``.

    Args:
        name: ``default``: many simulations on two cores. ``rough``: the same, with wider networks,
            looking less far ahead, slower, with less noise, evaluated on many patches of terrain.
            ``arm``: for manipulation, looking less far ahead. ``single``: one environment at a
            time, one update per step. ``discrete``: the same for discrete actions, with smaller
            networks that follow faster. ``traffic``: four slow ones, each in a process of its own,
            looking less far ahead. ``goals``: a few of them, whose goals are exchanged in
            hindsight. ``classic``: the algorithm as published (Haarnoja et al. 2018, table 1), as
            Stable-Baselines3 has it: the same update of the same networks, in fp32, of transitions
            up to the newest. Only, the logarithm of 1 - tanh² is exact here; there 1e-6 is added.
            One of :data:`Preset`.

    Raises:
        UsageError: There is no such recipe.
    """
    if name not in _RECIPES:
        raise UsageError(f"unknown preset {name!r}; there are {', '.join(_RECIPES)}")
    return _RECIPES[name]
