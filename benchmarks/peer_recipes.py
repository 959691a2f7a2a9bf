"""The values with which the peers of peers.py learn, each with its source.

SAC has three recipes: our values as far as a library has them, those published for such tasks, and
those of a sweep on such a machine. PPO has those of two publishers, and one adapted. What departs
from a source says so.
"""

from dataclasses import dataclass

from robo_maxent.training.config import TrainConfig


@dataclass(frozen=True)
class SacRecipe:
    """How a SAC learns. What a library lacks, it goes without."""

    envs: int
    """Simulations stepped together."""
    updates: int
    """Updates of the critics per control step of all simulations."""
    batch: int
    net_arch: tuple[int, ...]
    """Units of each hidden layer."""
    activation: str
    """Its name in flax."""
    learning_rate: float
    weight_decay: float
    """Of AdamW."""
    tau: float
    gamma: float
    policy_delay: int
    """Critic updates per actor update; SB3 updates both alike."""
    first_alpha: float
    entropy_per_action: float
    """What the temperature holds, nats per action dimension."""
    random_steps: int
    """Environment steps before the first update."""
    buffer: int = 1_000_000


_DEFAULT = TrainConfig()
OURS = SacRecipe(
    envs=_DEFAULT.envs,
    updates=_DEFAULT.updates_per_step,
    batch=_DEFAULT.sac.batch_size,
    net_arch=(_DEFAULT.sac.width,) * 2,
    activation="silu",
    learning_rate=_DEFAULT.sac.learning_rate,
    weight_decay=_DEFAULT.sac.weight_decay,
    tau=_DEFAULT.sac.tau,
    gamma=_DEFAULT.sac.gamma,
    policy_delay=_DEFAULT.sac.actor_every,
    first_alpha=_DEFAULT.sac.initial_alpha,
    entropy_per_action=_DEFAULT.sac.target_entropy_per_action,
    random_steps=_DEFAULT.random_steps * _DEFAULT.envs,
    buffer=_DEFAULT.replay_capacity,
)
"""The values of our preset ``default``. Not to be had there: a learning rate of its own for the
temperature, LayerNorm in the actor (in SB3: at all)."""

PUBLISHED = SacRecipe(
    envs=1024,
    updates=32,
    batch=512,
    net_arch=(512, 256, 128),
    activation="elu",
    learning_rate=4.4689e-4,
    weight_decay=1e-4,  # that of optax.adamw
    tau=2.3056e-3,
    gamma=0.9831,
    policy_delay=8,
    first_alpha=9.4718e-3,
    entropy_per_action=-1.0,
    random_steps=2000,
    buffer=2_000_000,
)
"""A. Raffin, "Getting SAC to work on a massive parallel simulator", 2025, part II: tuned for five
minutes on A1 with SBX and a large GPU, confirmed on Go1 and Go2. Unchanged."""

SWEPT = SacRecipe(
    envs=128,
    updates=2,
    batch=512,
    net_arch=(256, 256),
    activation="elu",
    learning_rate=1e-3,
    weight_decay=1e-4,
    tau=0.02,
    gamma=0.97,
    policy_delay=4,
    first_alpha=0.01,
    entropy_per_action=-0.5,  # as in Gait in Eight Minutes, FlashSAC, SimBa
    random_steps=2000,
)
"""The best of a sweep of plain SAC on such a task and two cores, which make a tenth of the updates
published in ten minutes, so that each must move the networks further. In a first minute of SBX SAC
on one core these values reached a tracking term of 0.57 of 1, the published ones 0.35, where random
actions begin."""


@dataclass(frozen=True)
class PpoRecipe:
    """How a PPO learns."""

    envs: int
    """Simulations stepped together."""
    steps: int
    """Control steps of each between updates."""
    minibatches: int
    """Into how many an epoch divides what was collected."""
    epochs: int
    learning_rate: float
    gamma: float
    entropy: float
    """Weight of the entropy bonus."""
    clip: float
    value: float
    """Weight of the squared error of values."""
    net_arch: tuple[int, ...]
    """Units of each hidden layer, of policy and value alike."""
    activation: str
    """Its name in flax."""


PPO_ENVS = 256
"""As many environment steps a second as 1024, more updates of them; published are thousands, which
two cores step in ten seconds and more."""
PPO_NOISE = 0.5
"""Standard deviation of the first actions: 0.25 rad sideways and 0.5 rad fore and aft.

IsaacLab has 1 at 0.25 rad per unit. In a first minute on one core 0.5 reached a tracking term of
0.57 of 1; 0.25 reached 0.41, standing.
"""

ISAACLAB = PpoRecipe(
    envs=PPO_ENVS,  # published: 4096
    steps=24,
    minibatches=4,
    epochs=5,
    learning_rate=1e-3,
    gamma=0.99,
    entropy=0.005,
    clip=0.2,
    value=1.0,
    net_arch=(512, 256, 128),
    activation="elu",
)
"""IsaacLab, velocity/config/a1/agents/sb3_ppo_cfg.yaml, but for the number of simulations."""

PLAYGROUND = PpoRecipe(
    envs=PPO_ENVS,  # published: 8192
    steps=20,
    minibatches=32,
    epochs=4,
    learning_rate=3e-4,
    gamma=0.97,
    entropy=0.01,
    clip=0.3,  # this and the next are defaults of Brax
    value=0.25,
    net_arch=(512, 256, 128),
    activation="silu",
)
"""MuJoCo Playground, locomotion_params.py, Go1JoystickFlatTerrain, but for the number of
simulations, and that Brax squashes the actions."""

ADAPTED = PpoRecipe(
    envs=PPO_ENVS,
    steps=24,
    minibatches=4,
    epochs=5,
    learning_rate=3e-4,
    gamma=0.97,
    entropy=0.005,
    clip=0.2,
    value=1.0,
    net_arch=(128, 128, 128),
    activation="elu",
)
"""IsaacLab's, with the learning rate and gamma of MuJoCo Playground's Go1, and the width of
IsaacLab's rsl_rl_ppo_cfg.py for flat ground. IsaacLab's 1e-3 moved the policy by a KL divergence of
0.04, four times that at which its other PPO lowers the rate, and learned no faster in a first
minute (with gamma 0.99)."""
