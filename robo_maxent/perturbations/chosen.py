"""A generator of chosen instead of random numbers, by which a search controls an effect."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robo_maxent.errors import UsageError

TURN = 2.0 * np.pi
"""Width of a range whose ends are the same angle, rad."""
ELSEWHERE = 0.25
"""Quantile of a number that nobody chose: not the middle, where there may be no difference."""


class ChosenNumbers(np.random.Generator):
    """A generator that gives quantiles of what is asked for, chosen beforehand.

    What a severity leaves open of an effect, such as direction and time, the effect draws from a
    generator, and as much whatever the severity is (:meth:`Perturbation.at`). So a point of the
    unit cube says all of it, which can be searched where a random one can only be met.
    """

    def __init__(self, quantiles: Sequence[float] | np.ndarray) -> None:
        """Give these, in [0, 1], one after the other; ELSEWHERE if more are asked for."""
        super().__init__(np.random.PCG64(0))
        self._quantiles = np.asarray(quantiles, float)
        self._untouched = self.bit_generator.state
        self.circular: list[bool] = []
        """Of each number that was given, whether its range is a whole turn."""

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform between the ends: so far from the low one as the quantile says."""
        shape = np.broadcast_shapes(np.shape(low), np.shape(high)) if size is None else size
        width = np.broadcast_to(np.subtract(high, low), shape)
        quantiles = self._next(np.isclose(width, TURN))
        values = low + quantiles * width
        return float(values) if values.ndim == 0 else values

    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
        axis: int = 0,
        shuffle: bool = True,
    ) -> Any:
        """One of several, equally wide parts of [0, 1] each."""
        if p is not None or not replace or axis:
            raise UsageError("of choice(), a search can choose with replacement and equal chances")
        options = np.asarray(a)
        quantiles = self._next(np.zeros(() if size is None else size, bool))
        return options[np.minimum((quantiles * len(options)).astype(int), len(options) - 1)]

    def require_untouched(self, name: str) -> None:
        """Check that an effect drew nothing that is not chosen.

        Args:
            name: The effect.

        Raises:
            UsageError: It asked for a distribution that this generator does not know.
        """
        if self.bit_generator.state != self._untouched:
            raise UsageError(
                f"the effect {name} draws something else than uniform() or choice() in "
                "at(): its directions and times can't be searched"
            )

    def _next(self, circular: np.ndarray) -> np.ndarray:
        """The next quantiles, as an array of a shape."""
        first = len(self.circular)
        self.circular += circular.ravel().tolist()
        taken = np.full(circular.size, ELSEWHERE)
        there = self._quantiles[first : first + circular.size]
        taken[: len(there)] = there
        return taken.reshape(circular.shape)
