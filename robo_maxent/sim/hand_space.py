"""The space over the table that the hand of the shipped arm reaches, pointing down."""

import numpy as np

STARTS = np.array([[0.36, -0.24, 0.02], [0.66, 0.24, 0.32]])
"""Corners of the space in which episodes begin with the hand, world frame, m, (2, 3)."""
READY = np.array([0.5, 0.0, 0.2])
"""Position of the hand in the ready pose: over the middle of the table, m, (3,)."""
FULL = 6
"""Number of joints that can place and orient a hand freely; with fewer its heading is free."""
