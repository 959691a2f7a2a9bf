"""Logs the metrics of a run as JSON lines and TensorBoard events.

Names are those of Stable-Baselines3 where it has one, so that dashboards made for it work.
"""

import json
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from robo_maxent.files import write_atomically

STEP = "time/total_timesteps"


class MetricsLog:
    """Appends to ``metrics.jsonl`` and to TensorBoard events in one directory."""

    def __init__(self, directory: Path, from_step: int = 0) -> None:
        """Open the log.

        Args:
            directory: The run's directory.
            from_step: Rows after this step, left by a run that was killed, are dropped.
        """
        self._path = directory / "metrics.jsonl"
        kept = [json.dumps(row) for row in read(self._path) if row[STEP] <= from_step]
        write_atomically(self._path, "".join(f"{row}\n" for row in kept))
        self._file = self._path.open("a")
        self._events = SummaryWriter(str(directory), purge_step=from_step or None)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append values at one step."""
        self._file.write(json.dumps({STEP: step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close both."""
        self._file.close()
        self._events.close()


def read(path: Path) -> list[dict[str, float]]:
    """Rows of a ``metrics.jsonl``, without damaged or truncated lines."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get(STEP), int | float):
            rows.append(row)
    return rows
