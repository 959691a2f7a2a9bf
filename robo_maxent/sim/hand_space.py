"""The space over a table that a hand has to reach, pointing down, for the shipped arm."""

import numpy as np

STARTS = np.array([[0.36, -0.24, 0.02], [0.66, 0.24, 0.32]])
"""Corners of where episodes begin with the hand, world frame, m, (2, 3)."""
READY = np.array([0.5, 0.0, 0.2])
"""Where it is in the ready pose: over the middle of the table, m, (3,)."""
FULL = 6
"""Joints that can place a hand and turn it in any way: with fewer its heading is free."""
