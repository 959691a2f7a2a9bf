"""Estimates and checks the memory that a run needs."""

from pathlib import Path

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import UsageError
from robo_maxent.learning.replay_buffer import row_bytes
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_state import relabelling

BASE_MEMORY = 500_000_000
"""Memory of a run beside its replay, bytes: torch, MuJoCo, networks, simulations, and an update."""
USUAL_UPDATES = 100_000_000
"""What of that is for the updates of a control step; few need more."""
OF_UNIT = 3 * 2 * 3
"""Numbers that an update keeps of a transition for each unit of a hidden layer: of three networks
with two layers each, what comes before and after the activation, and the slope."""


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
    return replay + BASE_MEMORY + _beyond_usual(task, config)


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
        raise UsageError(
            f"This run needs about {needed / 1e9:.1f} GB of memory, of which "
            f"{available / 1e9:.1f} GB are available. "
            f"{_advice(task, config, available)}"
        )


def _advice(task: EnvFactory, config: TrainConfig, available: int) -> str:
    """What to do where a new run does not fit."""
    beyond = _beyond_usual(task, config)
    fitting = int(0.9 * (available - BASE_MEMORY - beyond) / _row(task, config))
    if fitting > 0:
        return f"Use --replay-capacity {fitting} or less."
    if beyond and available > BASE_MEMORY:
        return (
            f"The updates of a step take {(beyond + USUAL_UPDATES) / 1e9:.1f} GB of it: use a "
            "smaller --batch-size, or fewer --updates-per-step."
        )
    return "End other programs."


def _row(task: EnvFactory, config: TrainConfig) -> int:
    """Memory of a transition, bytes, with its place in the index of episodes if there is one."""
    relabelled = relabelling(task, config.relabelled) is not None
    return row_bytes(task.observation_size, task.action_space.columns, relabelled)


def _beyond_usual(task: EnvFactory, config: TrainConfig) -> int:
    """Memory of the updates of a control step, bytes, as far as it is no usual one.

    Transitions and noise of all updates are drawn at once; networks see one batch at a time.
    """
    sac, size = config.sac, task.observation_size + task.action_space.columns
    row = row_bytes(task.observation_size, task.action_space.columns)
    noise = 8 * sac.components * task.action_space.size
    drawn = config.updates_per_step * sac.batch_size * (row + noise)
    outputs = 8 * (sac.atoms if sac.critic == "categorical" else 1)
    seen = 4 * sac.batch_size * sac.components * (OF_UNIT * sac.width + outputs + 2 * size)
    return max(drawn + seen - USUAL_UPDATES, 0)
