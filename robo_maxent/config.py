"""What to spend on a run, and how to learn: frozen, checked at the door, free of torch."""

from dataclasses import dataclass, field

from robo_maxent.errors import UsageError


@dataclass(frozen=True)
class SacConfig:
    """How to learn. The defaults suit many simulations on two cores."""

    width: int = 128
    """Units in each hidden layer."""
    layer_norm: bool = True
    """Normalize hidden layers; keeps critics stable at high learning rates."""
    batch_size: int = 512
    """Transitions in an update."""
    learning_rate: float = 1e-3
    """Step size of Adam for actor and critics."""
    weight_decay: float = 1e-3
    """Decoupled weight decay of actor and critics."""
    gamma: float = 0.97
    """Discount per control step."""
    tau: float = 0.02
    """Share of the critics that moves into their targets at each update."""
    actor_every: int = 4
    """Critic updates per update of actor and temperature."""
    initial_alpha: float = 0.01
    """Temperature at the start."""
    alpha_learning_rate: float = 1e-3
    """Step size of Adam for log alpha."""
    target_entropy_per_action: float = -0.5
    """Entropy that the temperature holds, nats per action dimension of [-1, 1]^A."""

    def __post_init__(self) -> None:
        """Check the values at the door."""
        for name in ("width", "batch_size", "actor_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "initial_alpha", "alpha_learning_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("gamma", "tau"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} must be in (0, 1], got {getattr(self, name)}")


@dataclass(frozen=True)
class TrainConfig:
    """What to spend on a run, and how to learn."""

    minutes: float | None = None
    """Wall-clock budget, evaluation and saving included; give this or steps."""
    steps: int | None = None
    """Budget of environment steps, summed over the simulations."""
    seed: int = 0
    """Seed of everything random in the run."""
    envs: int = 128
    """Simulations stepped together."""
    updates_per_step: int = 2
    """Gradient updates per control step of all simulations; the update ratio is this / envs."""
    random_steps: int = 20
    """Control steps with uniform random actions before the first update."""
    replay_capacity: int = 1_000_000
    """Transitions kept."""
    symmetric: bool = True
    """Store each transition's left-right mirror image too, where the task declares one."""
    evaluate_every: int = 200_000
    """Environment steps between evaluations of the mean action."""
    evaluation_episodes: int = 32
    """Episodes of each of them."""
    save_seconds: float = 120.0
    """Wall-clock between checkpoints."""
    threads: int = 0
    """CPU threads, half for learning and half for physics; 0: one per CPU."""
    compile: bool = False
    """Compile the losses with a C++ compiler: slower to start, faster after; for long runs."""
    sac: SacConfig = field(default_factory=SacConfig)
    """How to learn."""

    def __post_init__(self) -> None:
        """Check the values at the door."""
        if self.minutes is not None and self.steps is not None:
            raise UsageError("give one budget, minutes or steps, not both")
        for name in ("minutes", "steps", "save_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be > 0, got {value}")
        for name in ("envs", "evaluate_every", "evaluation_episodes", "replay_capacity"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seed", "updates_per_step", "random_steps", "threads"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be at least 0, got {getattr(self, name)}")
