"""Chooses the learner for a task by its action space."""

from dataclasses import replace
from typing import Any

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import UsageError
from robo_maxent.learning.agent import Agent
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.heads import most_entropy
from robo_maxent.learning.sac import Sac
from robo_maxent.learning.support import support_of
from robo_maxent.spaces import Discrete
from robo_maxent.training.config import TrainConfig

OF_CONTINUOUS = (
    "target_entropy_per_action",
    "target_entropy_final",
    "log_std_range",
    "log_std_bound",
    "components",
)
OF_DISCRETE = ("target_entropy_ratio",)
"""Settings of ``SacConfig`` that only discrete actions give a meaning to."""


def agent_of(task: EnvFactory, config: TrainConfig, seed: int, shares: int) -> Agent:
    """A new learner: :class:`DiscreteSac` for discrete actions, otherwise :class:`Sac`.

    Args:
        task: What to learn.
        config: How.
        seed: Of the initial weights and of every later draw.
        shares: Into how many shares a batch is divided, as of :class:`Sac`.

    Raises:
        UsageError: A categorical critic has no support, see :func:`with_support`.
    """
    learner = DiscreteSac if isinstance(task.action_space, Discrete) else Sac
    return learner(
        task.observation_size,
        task.action_space.size,
        with_support(task, config.sac),
        seed,
        config.precision,
        task.policy_size,
        shares,
    )


def with_support(task: EnvFactory, config: SacConfig) -> SacConfig:
    """The configuration with the support that the task's rewards allow, if none is given.

    Raises:
        UsageError: A categorical critic needs one, and the task does not say how large rewards are,
            or the discount is 1.
    """
    if config.critic == "scalar" or config.support is not None:
        return config
    if task.reward_range is None:
        horizon = f" = {1 / (1 - config.gamma):.4g} r" if config.gamma < 1 else ""
        raise UsageError(
            f"{task.name} does not say how large its rewards are, so a categorical critic needs "
            "--support LOW HIGH, the lowest and highest discounted return: a reward of r at every "
            f"step is worth r / (1 - gamma){horizon}. train/value in the metrics.jsonl of a run "
            "with a scalar critic shows what values come to; too wide costs little, too narrow is "
            "said in the first minute"
        )
    return replace(
        config, support=support_of(task.reward_range, task.termination_cost, config.gamma)
    )


def require_settings_for(task: EnvFactory, config: TrainConfig) -> None:
    """Refuse settings that mean nothing for the task's actions.

    Raises:
        UsageError: One is not at its default; the message says what to give instead. Or a
            categorical critic has no support, or no policy has the target entropy.
    """
    with_support(task, config.sac)
    discrete, usual = isinstance(task.action_space, Discrete), SacConfig()
    kind = "discrete" if discrete else "continuous"
    for name in OF_CONTINUOUS if discrete else OF_DISCRETE:
        value = getattr(config.sac, name)
        if value != getattr(usual, name):
            _refuse(task, kind, name, value, "target_entropy" in name)
    if not discrete:
        _require_reachable(config.sac)
    if discrete and config.symmetric:
        raise UsageError(
            f"{task.name} has discrete actions, which declare no mirror image: leave symmetric "
            "out, with --no-symmetric or by the preset discrete"
        )


def _require_reachable(config: SacConfig) -> None:
    """Check that a policy can have the target entropy, without which the temperature never rests.

    Raises:
        UsageError: Even the widest Gaussian has less.
    """
    if config.alpha_learning_rate == 0.0 or config.components > 1:
        return
    most, (low, high) = most_entropy(config.log_std_range[1]), config.log_std_range
    stays = config.target_entropy_final is None
    name = "target_entropy_per_action" if stays else "target_entropy_final"
    if (target := getattr(config, name)) >= most:
        raise UsageError(
            f"{name} must be below {most:.3f} nats, got {target}: with log_std_range {low:g} "
            f"{high:g} no policy has more, and the temperature would rise for ever. Lower it, or "
            "widen that range"
        )


def _refuse(task: EnvFactory, kind: str, name: str, value: Any, is_entropy: bool) -> None:
    entropy = {
        "discrete": "their entropy is held by target_entropy_ratio, a share of log A nats",
        "continuous": "their entropy is held by target_entropy_per_action, nats per dimension",
    }
    advice = entropy[kind] if is_entropy else "leave it out, or take the preset discrete"
    raise UsageError(
        f"{task.name} has {kind} actions, for which {name} (here {value}) means nothing: {advice}"
    )
