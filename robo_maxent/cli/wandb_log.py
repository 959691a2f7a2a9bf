"""Metrics of a training on Weights & Biases, beside those that every run writes (extra ``wandb``).

``WANDB_MODE=offline`` needs no account and no network; ``wandb sync`` sends what it left later.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from robo_maxent.errors import UsageError
from robo_maxent.files import write_atomically
from robo_maxent.training.train import Run, Show, Status
from robo_maxent.versions import require_extra

FILE = "wandb.json"
"""Of a run: what it is called there, so that a resumed one goes on in the same place."""


class WandbLog:
    """Sends the metrics as they change; made by :func:`logging_to`."""

    def __init__(self, run: Any) -> None:
        """Send to ``run``, which ``wandb.init`` returned."""
        self._run = run
        self._is_noted = False
        self._sent: tuple[int, dict[str, float]] = -1, {}  # steps, and the values there

    def beside(self, show: Show) -> Show:
        """Wrap what shows a training, so that its metrics are sent as well."""

        def shown(status: Status) -> None:
            show(status)
            row = status.steps, dict(status.values)
            if row[1] and row != self._sent:  # an evaluation adds to the row of its step
                self._sent = row
                self._run.log(row[1], step=status.steps)
                if status.directory is not None:
                    self._note(status.directory)

        return shown

    def keep(self, run: Run) -> None:
        """Send the best that a run reached, and note in its directory its id at the service."""
        best = {"best_success": run.success, "best_return": run.reward}
        self._run.summary.update({name: value for name, value in best.items() if value is not None})
        self._note(run.directory)

    def _note(self, directory: Path) -> None:
        """Note what it is called there, early, for a run may be killed; no full disk ends it."""
        if not self._is_noted:
            with suppress(OSError):
                write_atomically(directory / FILE, json.dumps({"id": self._run.id}) + "\n")
                self._is_noted = True


@contextmanager
def logging_to(
    project: str, task: str, config: Mapping[str, Any], resumed: Path | None
) -> Iterator[WandbLog]:
    """Send metrics to a project while a training runs.

    Args:
        project: Name of the project, which is made if it is new.
        task: Name of the task, whose runs are a group there.
        config: What is trained and how, for the run's page.
        resumed: Directory of the run that is continued; None: the run is new.

    Raises:
        UsageError: The package is missing, or refuses; the message says what to do.
    """
    wandb = require_extra("wandb", "wandb", f"--wandb {project}")
    try:
        run = wandb.init(
            project=project, group=task, config=dict(config), id=_id(resumed), resume="allow"
        )
    except wandb.errors.Error as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise UsageError(
            f"Weights & Biases can't be used: {text}. Without an account: WANDB_MODE=offline"
        ) from error
    ended_well = False
    try:
        yield WandbLog(run)
        ended_well = True
    finally:
        run.finish(exit_code=0 if ended_well else 1)


def _id(resumed: Path | None) -> str | None:
    """What a run is called there; None: it was not there, or nobody knows."""
    if resumed is None:
        return None
    try:
        return str(json.loads((resumed / FILE).read_text())["id"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
