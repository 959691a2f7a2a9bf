"""The peers on our tasks: an adapter for their environments, and recipes for each of them.

Stable-Baselines3 (SB3) and its JAX sister SBX take our simulations through :class:`PeerEnv`. Each
algorithm has several arms, which differ in their values (peer_recipes.py), and a race keeps the
fastest. None of them mirrors its data, averages its actor or lets its learning rate fall without a
budget: neither library offers that.

A module for benchmarks/time_to_walk.py and arms.py; needs the extra ``bench``.
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from peer_recipes import (
    ADAPTED,
    ISAACLAB,
    OURS,
    PLAYGROUND,
    PPO_NOISE,
    PUBLISHED,
    SWEPT,
    PpoRecipe,
    SacRecipe,
)
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv as Sb3VecEnv
from stable_baselines3.common.vec_env import VecNormalize

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.evaluation.rollout import Act
from robo_maxent.types import Episode, Step

ACTIVATIONS = {"elu": torch.nn.ELU, "silu": torch.nn.SiLU}
"""Name in flax -> in torch."""

# TD3, which is in no race: it learns as ours does by default, as far as it can.
TD3_RATE = 1e-3
"""Half of ours: it has no LayerNorm."""
TD3_NOISE = 0.147
"""Standard deviation of its noise: that of a Gaussian with the entropy that ours holds, -1/2."""

_FOREVER = 10**12  # environment steps


class PeerEnv(Sb3VecEnv):
    """Our simulations as an SB3 environment: actions in [-1, 1], reset within the step."""

    def __init__(self, env: MujocoVecEnv[Any, Any]) -> None:
        """Wrap simulations; SB3 resets them itself."""
        self.env = env
        self._action = np.zeros((env.n, env.task.action_size), np.float32)
        super().__init__(
            env.n,
            spaces.Box(-np.inf, np.inf, (env.task.observation_size,), np.float32),
            spaces.Box(-1.0, 1.0, (env.task.action_size,), np.float32),
        )

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation, (N, O)."""
        return self.env.reset()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for :meth:`step_wait`, (N, A)."""
        self._action = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations after any reset, rewards, ends of episodes, and what SB3 asks of an end."""
        step = self.env.step(self._action)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for episode in step.episodes:
            infos[episode.sim] = _info(step, episode)
        return step.obs, step.reward, step.terminated | step.truncated, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for every simulation; SB3 asks for ``render_mode``, which is None."""
        value = None if attr_name == "render_mode" else getattr(self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: simulations have no attributes of their own."""
        raise NotImplementedError("simulations have no attributes of their own")

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Refuse: simulations have no methods of their own."""
        raise NotImplementedError("simulations have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Whether each simulation is in a Gymnasium wrapper: it is not."""
        return [False for _ in self._get_indices(indices)]


@dataclass(frozen=True)
class Peer:
    """A learner that has not begun, and its policy."""

    model: Any
    """An SB3 algorithm: ``learn(total_timesteps, callback)``."""
    act: Act
    """The present mean-action policy on raw observations; it changes as the learner does."""
    updates_each: int = 1
    """Gradient updates that the library counts as one; of off-policy ones those of the critics."""

    @property
    def updates(self) -> int:
        """Gradient updates made so far."""
        return self.updates_each * self.model._n_updates

    def learn(self, over: Callable[[int], bool], go_on: bool = False) -> None:
        """Train until ``over``, called with the environment steps so far, says so.

        They count from 0, unless it should ``go_on`` where it stopped.
        """
        # BaseCallback is made of a function: SB3 stops when that returns False.
        self.model.learn(
            _FOREVER,
            callback=lambda local, _: not over(local["self"].num_timesteps),
            reset_num_timesteps=not go_on,
        )


def ppo(task: MujocoTask[Any, Any], seed: int, recipe: PpoRecipe = ADAPTED) -> Peer:
    """SB3 PPO; the recipes have observations normalized, lambda 0.95 and gradients cut off at 1."""
    # Published rewards are multiplied by the 0.02 s of a control step. Ours are not: normalized.
    env = VecNormalize(_env(task, recipe.envs, seed), norm_reward=True, gamma=recipe.gamma)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=recipe.steps,
        batch_size=recipe.envs * recipe.steps // recipe.minibatches,
        n_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        gamma=recipe.gamma,
        gae_lambda=0.95,
        clip_range=recipe.clip,
        ent_coef=recipe.entropy,
        vf_coef=recipe.value,
        max_grad_norm=1.0,
        policy_kwargs={
            "activation_fn": ACTIVATIONS[recipe.activation],
            "net_arch": [*recipe.net_arch],
            "ortho_init": False,
            "log_std_init": math.log(PPO_NOISE),
        },
        device="cpu",
        seed=seed,
    )
    return Peer(model, _mean_action(model, env), recipe.minibatches)  # it counts epochs


def sb3_sac(task: MujocoTask[Any, Any], seed: int, recipe: SacRecipe = OURS) -> Peer:
    """SB3 SAC, without what SB3 lacks: LayerNorm and a delayed actor."""
    env = VecNormalize(_env(task, recipe.envs, seed), norm_reward=False)
    model = SAC(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, recipe),
        **_updates(recipe.updates),
        tau=recipe.tau,
        policy_kwargs={
            "net_arch": [*recipe.net_arch],
            "activation_fn": ACTIVATIONS[recipe.activation],
            "optimizer_class": torch.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": recipe.weight_decay},
        },
        device="cpu",
    )
    return Peer(model, _mean_action(model, env))


def sbx_sac(task: MujocoTask[Any, Any], seed: int, recipe: SacRecipe = OURS) -> Peer:
    """SBX SAC, with LayerNorm in the critics, AdamW and a delayed actor."""
    import flax.linen
    import optax
    import sbx

    env = VecNormalize(_env(task, recipe.envs, seed), norm_reward=False)
    model = sbx.SAC(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, recipe),
        **_updates(recipe.updates, recipe.policy_delay),
        tau=recipe.tau,
        policy_delay=recipe.policy_delay,
        policy_kwargs={
            "net_arch": [*recipe.net_arch],
            "activation_fn": getattr(flax.linen, recipe.activation),
            "layer_norm": True,
            "optimizer_class": optax.adamw,
            "optimizer_kwargs": {"weight_decay": recipe.weight_decay},
        },
    )
    return Peer(model, _mean_action(model, env))


def sbx_crossq(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SBX CrossQ, 256 wide as it learned to walk on a real robot.

    Numbers: Bhatt et al. 2024 (CrossQ): learning rate 1e-3, Adam's beta1 0.5, policy delay 3, no
    target networks, observations not normalized (its batch renormalization does that). Bohlinger
    et al. 2025 ("Gait in Eight Minutes"): critics of 256 units, 1000 steps of warm-up of the
    renormalization, target entropy -A/2. SBX's own critics of 1024 units would cost ten times as
    much. SBX sets beta1 itself. The rest is of :data:`SWEPT`.
    """
    import sbx

    recipe, policy_delay = SWEPT, 3
    env = _env(task, recipe.envs, seed)
    model = sbx.CrossQ(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, recipe),
        **_updates(recipe.updates, policy_delay),
        policy_delay=policy_delay,
        policy_kwargs={"net_arch": [*recipe.net_arch], "renorm_warmup_steps": 1000},
    )
    return Peer(model, lambda obs: model.predict(obs, deterministic=True)[0])


def sb3_td3(
    task: MujocoTask[Any, Any], seed: int, recipe: SacRecipe = OURS, noise: float = TD3_NOISE
) -> Peer:
    """SB3 TD3 with our networks, batches, updates, gamma and tau.

    What TD3 has of its own, policy delay and noise of the targets, is as published (Fujimoto et al.
    2018). ``noise`` is the standard deviation with which it explores.
    """
    env = VecNormalize(_env(task, recipe.envs, seed), norm_reward=False)
    still = np.zeros(task.action_size)
    model = TD3(
        "MlpPolicy",
        env,
        learning_rate=TD3_RATE,
        gamma=recipe.gamma,
        tau=recipe.tau,
        **_updates(recipe.updates),
        batch_size=recipe.batch,
        buffer_size=1_000_000,
        learning_starts=2000,
        action_noise=NormalActionNoise(still, still + noise),
        policy_kwargs={"net_arch": [*recipe.net_arch]},
        device="cpu",
        seed=seed,
    )
    return Peer(model, _mean_action(model, env))


PEERS: dict[str, Callable[[MujocoTask[Any, Any], int], Peer]] = {
    "ppo/isaaclab": partial(ppo, recipe=ISAACLAB),
    "ppo/playground": partial(ppo, recipe=PLAYGROUND),
    "ppo/adapted": partial(ppo, recipe=ADAPTED),
    "sb3-sac/ours": partial(sb3_sac, recipe=OURS),
    "sb3-sac/published": partial(sb3_sac, recipe=PUBLISHED),
    "sb3-sac/swept": partial(sb3_sac, recipe=SWEPT),
    "sbx-sac/ours": partial(sbx_sac, recipe=OURS),
    "sbx-sac/published": partial(sbx_sac, recipe=PUBLISHED),
    "sbx-sac/swept": partial(sbx_sac, recipe=SWEPT),
    "sbx-crossq": sbx_crossq,
}
"""Arm on the command line of time_to_walk.py -> what builds it."""


def _off_policy(task: MujocoTask[Any, Any], seed: int, recipe: SacRecipe) -> dict[str, Any]:
    """What the off-policy peers share."""
    return {
        "learning_rate": recipe.learning_rate,
        "gamma": recipe.gamma,
        "batch_size": recipe.batch,
        "buffer_size": recipe.buffer,
        "learning_starts": recipe.random_steps,
        "ent_coef": f"auto_{recipe.first_alpha}",
        "target_entropy": recipe.entropy_per_action * task.action_size,
        "seed": seed,
    }


def _updates(per_step: int, policy_delay: int = 1) -> dict[str, Any]:
    """Updates at a time, and control steps between these times.

    SBX compiles its update once for each remainder of updates done by the policy delay: with a
    multiple of that at a time, once.
    """
    at_a_time = math.lcm(per_step, policy_delay)
    return {"gradient_steps": at_a_time, "train_freq": at_a_time // per_step}


def _env(task: MujocoTask[Any, Any], n: int, seed: int) -> PeerEnv:
    return PeerEnv(MujocoVecEnv(task, n, seed))


def _mean_action(model: Any, env: VecNormalize) -> Act:
    """Deterministic policy on raw observations; looking does not move the statistics."""
    return lambda obs: model.predict(env.normalize_obs(obs), deterministic=True)[0]


def _info(step: Step, episode: Episode) -> dict[str, Any]:
    """What SB3 wants to know of an episode's end."""
    sim = episode.sim
    return {
        "terminal_observation": step.next_obs[sim],
        "TimeLimit.truncated": bool(step.truncated[sim]),
        "episode": {"r": episode.reward, "l": episode.length, "t": 0.0},  # as SB3's Monitor
        "is_success": episode.success,
    }
