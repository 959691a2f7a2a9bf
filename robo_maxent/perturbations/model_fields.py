"""Fields of a compiled model with a value for each simulation, always written from the defaults."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from robo_maxent.sim.physics import Batch, mujoco


class ModelFields:
    """The per-simulation fields of a batch.

    A field that nobody writes stays that of the compiled model, and costs nothing.
    """

    def __init__(self, model: mujoco.MjModel, batch: Batch) -> None:
        """Expand nothing yet."""
        self._model, self._batch = model, batch
        self._rows: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        """Values of all simulations, to be written, (N, ...); options are named ``opt.gravity``."""
        if name not in self._rows:
            self._rows[name] = self._batch.expand(name)
        return self._rows[name]

    def default(self, name: str) -> np.ndarray:
        """The compiled value, (...)."""
        value: Any = self._model
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def read(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Values of some simulations, (k, ...)."""
        if name in self._rows:
            return self._rows[name][ids]
        default = self.default(name)
        return np.broadcast_to(default, (len(ids), *default.shape))

    def changed(self, names: Iterable[str], sim: int) -> dict[str, np.ndarray]:
        """Copies of one simulation's values of these fields, of those that were ever written."""
        return {name: self._rows[name][sim].copy() for name in names if name in self._rows}

    def restore(self, ids: np.ndarray) -> None:
        """Set everything that was ever written back to its compiled value."""
        for name, rows in self._rows.items():
            rows[ids] = self.default(name)
