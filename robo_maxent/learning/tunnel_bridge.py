"""Two ways that are exactly as good, as a finite process: a tunnel and a bridge through a wall.

    y = 6   . . . b . . .      s  where an episode begins, (0, 3)
            . . . # . . .      g  the goal, (6, 3), which ends it
            . . . # . . .      b  the bridge, (3, 6)
    y = 3   s . . # . . g      t  the tunnel, (3, 0), its mirror image
            . . . # . . .      #  the wall
            . . . # . . .
    y = 0   . . . t . . .      x from 0 to 6

Each move, to the right, left, up or down, costs 1, also one against the wall or the edge, which
leaves things as they are. The shortest way has 12 moves by either gap. γ is 0.99.

Wandering for ever at random is worth (α log 4 - 1) / (1 - γ), arriving 0: beyond the temperature
:data:`CLIFF` = 1 / log 4 = 0.721 the best policy of maximum entropy stays away from the goal. It is
the reward inflation of Yu, Zhang and Xu 2022 (arXiv 2201.12434) in the smallest place.
"""

import math
from itertools import product
from typing import Literal

import numpy as np

from robo_maxent.learning.exact import FiniteMdp

Way = Literal["tunnel", "bridge"]

SIDE, GAMMA = 7, 0.99
GAPS: dict[Way, tuple[int, int]] = {"tunnel": (3, 0), "bridge": (3, 6)}
"""Way -> its cell in the wall."""
CELLS = [cell for cell in product(range(SIDE), repeat=2) if cell[0] != 3 or cell in GAPS.values()]
"""Cell (x, y) of each state."""
START, GOAL = CELLS.index((0, 3)), CELLS.index((6, 3))
"""States."""
MOVES = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""What each action adds to x and y, unless the wall or the edge is there."""
CLIFF = 1.0 / math.log(len(MOVES))
"""Temperature at which the entropy of a random move pays its cost."""


def tunnel_and_bridge(closed: Way | None = None) -> FiniteMdp:
    """The process, of 44 states and 4 actions.

    Args:
        closed: A way that is walled up; None: both are open.
    """
    states, actions = len(CELLS), len(MOVES)
    free = [cell for cell in CELLS if closed is None or cell != GAPS[closed]]
    transition = np.zeros((states, actions, states))
    for (state, (x, y)), (action, (dx, dy)) in product(enumerate(CELLS), enumerate(MOVES)):
        onto = x + dx, y + dy
        transition[state, action, CELLS.index(onto) if onto in free else state] = 1.0
    return FiniteMdp(np.full((states, actions), -1.0), transition, np.arange(states) == GOAL, GAMMA)


def arrival(mdp: FiniteMdp, policy: np.ndarray, moves: int) -> float:
    """Probability that an episode arrives within so many moves.

    Args:
        mdp: The process, with both ways open or one.
        policy: Probability of each action, (S, A).
        moves: The limit.
    """
    return float(_after(mdp, policy, moves, (GOAL,))[GOAL])


def first_way(mdp: FiniteMdp, policy: np.ndarray, moves: int) -> dict[Way, float]:
    """Probability of each way to be the first that is taken, within so many moves."""
    states: dict[Way, int] = {way: CELLS.index(cell) for way, cell in GAPS.items()}
    last = _after(mdp, policy, moves, tuple(states.values()))
    return {way: float(last[state]) for way, state in states.items()}


def _after(mdp: FiniteMdp, policy: np.ndarray, moves: int, held: tuple[int, ...]) -> np.ndarray:
    """Distribution over states after so many moves, (S,), where ``held`` are never left."""
    chain = np.einsum("sa,sat->st", policy, mdp.transition)
    for state in held:
        chain[state] = np.eye(len(chain))[state]
    return np.linalg.matrix_power(chain, moves)[START]
