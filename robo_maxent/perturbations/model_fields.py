"""Model fields with a value for each simulation, always written from compiled defaults."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from robo_maxent.sim.physics import mujoco


class Simulations(Protocol):
    """What effects need of N simulations of one model; a ``mujoco.batch.Batch`` has it."""

    @property
    def nsim(self) -> int:
        """How many there are, N."""
        ...

    def bind(self, name: str, /) -> np.ndarray:
        """A field of the state, live, (N, ...)."""
        ...

    def expand(self, name: str, /) -> np.ndarray:
        """A field of the model with a value for each simulation, to be written, (N, ...)."""
        ...

    def set_const(self, ids: np.ndarray, /) -> Any:
        """Recompute constants that MuJoCo derives from the fields, in some simulations."""
        ...


class ModelFields:
    """The per-simulation fields of a batch.

    A field that nobody writes stays that of the compiled model, and costs nothing.
    """

    def __init__(self, model: mujoco.MjModel, batch: Simulations) -> None:
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
