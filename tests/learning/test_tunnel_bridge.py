"""The tunnel and the bridge: known numbers, symmetry, and the temperature of the cliff."""

import math

import numpy as np
import pytest

from robo_maxent.learning.exact import log_boltzmann, soft_maximum, soft_value_iteration
from robo_maxent.learning.temperature import on_grid
from robo_maxent.learning.tunnel_bridge import (
    CELLS,
    CLIFF,
    MOVES,
    START,
    arrival,
    first_way,
    tunnel_and_bridge,
)


def best(alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Soft value, (S,), and policy, (S, A), of the process with both ways open."""
    q = soft_value_iteration(tunnel_and_bridge(), alpha, tolerance=1e-6)
    return soft_maximum(q, alpha), np.exp(log_boltzmann(q, alpha))


@pytest.mark.parametrize(
    ("alpha", "value", "entropy", "arrives", "blocked"),
    [
        (0.1, -10.853, 1.090, 1.000, 0.500),
        (0.5, -7.577, 1.360, 1.000, 0.501),
        (0.7, -1.851, 1.386, 0.461, 0.238),
        (1.0, 38.293, 1.386, 0.000, 0.000),
    ],
)
def test_values_and_chances_are_those_that_another_program_found(
    alpha: float, value: float, entropy: float, arrives: float, blocked: float
) -> None:
    values, policy = best(alpha)
    assert values[START] == pytest.approx(value, abs=1e-3)
    assert -(policy * np.log(policy))[START].sum() == pytest.approx(entropy, abs=1e-3)
    assert arrival(tunnel_and_bridge(), policy, 60) == pytest.approx(arrives, abs=1e-3)
    assert arrival(tunnel_and_bridge("tunnel"), policy, 60) == pytest.approx(blocked, abs=1e-3)


def test_the_shortest_way_has_twelve_moves_by_either_gap_and_one_where_the_other_is_closed() -> (
    None
):
    for closed in (None, "tunnel", "bridge"):
        mdp = tunnel_and_bridge(closed)
        plain = soft_value_iteration(mdp, 0.0).max(1)
        assert plain[START] == pytest.approx(-(1 - 0.99**12) / (1 - 0.99))
        policy = np.exp(log_boltzmann(soft_value_iteration(mdp, 0.01, tolerance=1e-6), 0.01))
        ways = first_way(mdp, policy, 60)
        expected = {None: 0.5, "tunnel": 0.0, "bridge": 1.0}[closed]
        assert ways["tunnel"] == pytest.approx(expected, abs=1e-6)
        assert sum(ways.values()) == pytest.approx(1.0)
        assert arrival(mdp, policy, 12) > 0.999 > arrival(mdp, policy, 11) == 0.0


def test_a_move_against_the_wall_or_the_edge_leaves_things_as_they_are() -> None:
    transition = tunnel_and_bridge().transition

    def onto(cell: tuple[int, int], move: tuple[int, int]) -> tuple[int, int]:
        return CELLS[transition[CELLS.index(cell), MOVES.index(move)].argmax()]

    assert onto((2, 3), (1, 0)) == (2, 3)  # the wall
    assert onto((2, 0), (1, 0)) == (3, 0)  # the tunnel
    assert onto((3, 0), (0, 1)) == (3, 0)  # its roof
    assert onto((0, 3), (-1, 0)) == (0, 3)  # the edge
    assert onto((2, 3), (0, -1)) == (2, 2)


def test_beyond_the_cliff_the_best_policy_flees_the_goal_and_below_it_seeks_it() -> None:
    assert pytest.approx(0.7213, abs=1e-4) == CLIFF
    beside = CELLS.index((5, 3))
    for alpha, seeks in ((0.95 * CLIFF, True), (1.05 * CLIFF, False)):
        values, policy = best(alpha)
        wandering = (alpha * math.log(4) - 1) / (1 - 0.99)
        assert (wandering < 0) == seeks
        assert (policy[beside, 0] > 0.25) == seeks, "the move onto the goal"
        assert (values[beside] < 0) == seeks


def test_the_likeliest_moves_arrive_where_sampled_ones_begin_to_lose_their_way() -> None:
    behaviour, arrives = on_grid(tunnel_and_bridge(), 0.7)
    assert arrives < 0.5
    assert behaviour.mean == pytest.approx(-(1 - 0.99**12) / (1 - 0.99))
    assert behaviour.sampled < 3 * behaviour.mean
