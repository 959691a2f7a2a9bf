"""Estimates and checks the memory that a run needs."""

from pathlib import Path

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import UsageError
from robo_maxent.learning.replay_buffer import row_bytes
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_state import relabelling

BASE_MEMORY = 500_000_000
"""Memory of a run beside its replay, bytes: torch, MuJoCo, networks and simulations."""


def memory_needed(task: EnvFactory, config: TrainConfig, resumed: Path | None = None) -> int:
    """Estimate of the memory that a run needs, bytes: the replay, and the rest.

    Args:
        task: What to learn.
        config: How.
        resumed: The run to continue, whose saved replay is in memory twice as it is loaded.

    Raises:
        UsageError: Goals shall be relabelled, and the task has none.
    """
    replay = config.replay_capacity * _row(task, config)
    if resumed is not None:
        sizes = [file.stat().st_size for file in (resumed / "checkpoint").glob("*/*")]
        replay = max(replay, 2 * max(sizes, default=0))
    return replay + BASE_MEMORY


def require_memory(task: EnvFactory, config: TrainConfig, resumed: Path | None) -> None:
    """Check that a run fits in the memory that is free; ``resumed`` is a run to continue.

    Raises:
        UsageError: It does not; the message says how much would.
    """
    needed, available = memory_needed(task, config, resumed), machine.available_memory()
    if needed > available:
        if resumed is not None:
            raise UsageError(
                f"To resume, {resumed} needs about {needed / 1e9:.1f} GB of memory, of which "
                f"{available / 1e9:.1f} GB are available. End other programs, or continue on a "
                "larger machine."
            )
        fitting = int(0.9 * (available - BASE_MEMORY) / _row(task, config))
        advice = (
            f"Use --replay-capacity {fitting} or less." if fitting > 0 else "End other programs."
        )
        raise UsageError(
            f"This run needs about {needed / 1e9:.1f} GB of memory, of which "
            f"{available / 1e9:.1f} GB are available. "
            f"{advice}"
        )


def _row(task: EnvFactory, config: TrainConfig) -> int:
    """Memory of a transition, bytes, with its place in the index of episodes if there is one."""
    relabelled = relabelling(task, config.relabelled) is not None
    return row_bytes(task.observation_size, task.action_space.columns, relabelled)
