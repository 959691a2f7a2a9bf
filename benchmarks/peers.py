"""The peers on our tasks: an adapter for their environments, and a recipe for each of them.

Stable-Baselines3 (SB3) and its JAX sister SBX take our simulations through :class:`PeerEnv`. Every
recipe starts from a published one for walking robots, named where the numbers stand; it departs
from that only where two cores or this task's reward and action scales call for it, and says so.
None of them mirrors its data: neither library offers that.

A module for benchmarks/time_to_walk.py and arms.py; needs the extra ``bench``.
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import MujocoVecEnv as Sb3VecEnv
from stable_baselines3.common.vec_env import VecNormalize

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.evaluation.rollout import Act
from robo_maxent.types import Episode, Step

# The off-policy recipes. They depart from the published one (A. Raffin, "Getting SAC to work on a
# massive parallel simulator", 2025: tuned for five minutes on A1 with 1024 simulations on a large
# GPU, confirmed on Go1 and Go2) where two cores call for it. Its 32 updates per 1024 environment
# steps come to some 300,000; two cores make a tenth of those in ten minutes, so each must move the
# networks further. The values below are the best of a sweep of plain SAC on such a task and such a
# machine. In a first minute of SBX SAC on one core they reached a tracking term of 0.57 of 1, the
# published ones 0.35, where random actions begin.
ENVS = 128  # published: 1024
UPDATES_PER_ENV_STEP = 2 / 128  # published: 32 / 1024
BATCH = 512  # as published
WIDTH = 256  # units in each of two layers, as SB3 and SBX by default; published: 512, 256, 128
LEARNING_RATE = 1e-3  # published: 4.5e-4
TAU = 0.02  # published: 0.0023
GAMMA = 0.97  # published: 0.983
POLICY_DELAY = 4  # critic updates per actor update, where the library has it; published: 8

# PPO.
PPO_ENVS = 256  # IsaacLab: 4096; as many environment steps a second as 1024, more updates of them
PPO_GAMMA = 0.97  # MuJoCo Playground, Go1; IsaacLab: 0.99
PPO_NOISE = 0.5
"""Standard deviation of the first actions: 0.25 rad sideways and 0.5 rad fore and aft.

IsaacLab has 1 at 0.25 rad per unit. In a first minute on one core 0.5 reached a tracking term of
0.57 of 1; 0.25 reached 0.41, standing.
"""

# TD3, which is in no race: it learns as ours does by default, as far as it can.
TD3_WIDTH, TD3_BATCH, TD3_UPDATES = 128, 256, 8  # as ours; the updates per step of ENVS simulations
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

    def learn(self, over: Callable[[int], bool]) -> None:
        """Train until ``over``, called with the environment steps so far, says so."""
        # BaseCallback is made of a function: SB3 stops when that returns False.
        self.model.learn(_FOREVER, callback=lambda local, _: not over(local["self"].num_timesteps))


def ppo(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SB3 PPO with the recipe of IsaacLab for a quadruped of this size on flat ground.

    Numbers: IsaacLab, velocity/config/a1/agents/sb3_ppo_cfg.yaml (24 steps, 4 minibatches, 5
    epochs, lambda 0.95, entropy 0.005, ELU, observations normalized); width from rsl_rl_ppo_cfg.py
    beside it, flat ground: three layers of 128. Learning rate: 3e-4 as in MuJoCo Playground's Go1;
    IsaacLab's 1e-3 moved the policy by a KL divergence of 0.04, four times that at which its other
    PPO lowers the rate, and learned no faster in a first minute (with gamma 0.99).
    """
    steps, minibatches = 24, 4
    # IsaacLab's rewards are multiplied by the 0.02 s of a control step. Ours are not: normalized.
    env = VecNormalize(_env(task, PPO_ENVS, seed), norm_reward=True, gamma=PPO_GAMMA)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=steps,
        batch_size=PPO_ENVS * steps // minibatches,
        n_epochs=5,
        learning_rate=3e-4,
        gamma=PPO_GAMMA,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.005,
        vf_coef=1.0,
        max_grad_norm=1.0,
        policy_kwargs={
            "activation_fn": torch.nn.ELU,
            "net_arch": [128, 128, 128],
            "ortho_init": False,
            "log_std_init": math.log(PPO_NOISE),
        },
        device="cpu",
        seed=seed,
    )
    return Peer(model, _mean_action(model, env))


def sb3_sac(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SB3 SAC: the recipe above, without what SB3 lacks: LayerNorm and a delayed actor."""
    env = VecNormalize(_env(task, ENVS, seed), norm_reward=False)
    model = SAC(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, gradient_steps=2),
        tau=TAU,
        policy_kwargs={"net_arch": [WIDTH, WIDTH]},
        device="cpu",
    )
    return Peer(model, _mean_action(model, env))


def sbx_sac(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SBX SAC: the recipe above, with the LayerNorm, ELU, AdamW and delayed actor published."""
    import flax.linen
    import optax
    import sbx

    env = VecNormalize(_env(task, ENVS, seed), norm_reward=False)
    model = sbx.SAC(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, gradient_steps=POLICY_DELAY),
        tau=TAU,
        policy_delay=POLICY_DELAY,
        policy_kwargs={
            "net_arch": [WIDTH, WIDTH],
            "activation_fn": flax.linen.elu,
            "layer_norm": True,
            "optimizer_class": optax.adamw,
        },
    )
    return Peer(model, _mean_action(model, env))


def sbx_crossq(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SBX CrossQ, 256 wide as it learned to walk on a real robot.

    Numbers: Bhatt et al. 2024 (CrossQ): learning rate 1e-3, Adam's beta1 0.5, policy delay 3, no
    target networks, observations not normalized (its batch renormalization does that). Bohlinger
    et al. 2025 ("Gait in Eight Minutes"): critics of 256 units, 1000 steps of warm-up of the
    renormalization, target entropy -A/2. SBX's own critics of 1024 units would cost ten times as
    much. SBX sets beta1 itself.
    """
    import sbx

    env = _env(task, ENVS, seed)
    model = sbx.CrossQ(
        "MlpPolicy",
        env,
        **_off_policy(task, seed, gradient_steps=3),
        policy_delay=3,
        policy_kwargs={"net_arch": [WIDTH, WIDTH], "renorm_warmup_steps": 1000},
    )
    return Peer(model, lambda obs: model.predict(obs, deterministic=True)[0])


def sb3_td3(task: MujocoTask[Any, Any], seed: int) -> Peer:
    """SB3 TD3 with our networks, batches, updates, gamma and tau: no LayerNorm, so half our rate.

    What TD3 has of its own, policy delay and noise of the targets, is as published (Fujimoto et al.
    2018).
    """
    env = VecNormalize(_env(task, ENVS, seed), norm_reward=False)
    still = np.zeros(task.action_size)
    model = TD3(
        "MlpPolicy",
        env,
        learning_rate=LEARNING_RATE,
        gamma=GAMMA,
        tau=TAU,
        train_freq=1,
        gradient_steps=TD3_UPDATES,
        batch_size=TD3_BATCH,
        buffer_size=1_000_000,
        learning_starts=2000,
        action_noise=NormalActionNoise(still, still + TD3_NOISE),
        policy_kwargs={"net_arch": [TD3_WIDTH, TD3_WIDTH]},
        device="cpu",
        seed=seed,
    )
    return Peer(model, _mean_action(model, env))


PEERS: dict[str, Callable[[MujocoTask[Any, Any], int], Peer]] = {
    "ppo": ppo,
    "sb3-sac": sb3_sac,
    "sbx-sac": sbx_sac,
    "sbx-crossq": sbx_crossq,
}
"""Name on the command line of time_to_walk.py -> recipe."""


def _off_policy(task: MujocoTask[Any, Any], seed: int, gradient_steps: int) -> dict[str, Any]:
    """What the three off-policy peers share.

    SBX compiles its update once for each remainder of updates done by the policy delay: with
    ``gradient_steps`` a multiple of that, once.
    """
    return {
        "learning_rate": LEARNING_RATE,
        "gamma": GAMMA,
        "gradient_steps": gradient_steps,
        "train_freq": round(gradient_steps / (UPDATES_PER_ENV_STEP * ENVS)),
        "batch_size": BATCH,
        "buffer_size": 1_000_000,
        "learning_starts": 2000,  # as published
        "ent_coef": "auto_0.01",  # published: 0.0095
        "target_entropy": -0.5 * task.action_size,  # as in Gait in Eight Minutes, FlashSAC, SimBa
        "seed": seed,
    }


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
