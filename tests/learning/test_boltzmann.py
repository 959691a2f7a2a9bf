"""The gap between an actor and its critics, against sums over a grid."""

import numpy as np
import pytest
import torch

from robo_maxent.learning.boltzmann import actor_gap
from robo_maxent.learning.exact import boltzmann_gap
from robo_maxent.learning.heads import Head, SquashedGaussian
from robo_maxent.learning.mixture import Mixture
from robo_maxent.learning.networks import Actor, Critics

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "head",
    [SquashedGaussian(2, (-2.0, 0.0)), Mixture(SquashedGaussian(2, (-2.0, 0.0)), 3)],
    ids=["gaussian", "mixture"],
)
def test_the_gap_of_an_actor_is_that_on_a_grid_of_its_actions(head: Head) -> None:
    torch.manual_seed(0)
    actor = Actor(3, head, 8, layer_norm=True, calm_start=False)
    critics = Critics(3, 2, 8, layer_norm=False)
    critics.layers()[-1][0].mul_(8.0)  # so that actions differ in value
    obs, alpha = torch.randn(4, 3), 0.5
    found = actor_gap(actor, critics, obs, alpha, 20_000, torch.Generator().manual_seed(1))
    side = (torch.arange(300) + 0.5) / 150 - 1
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        for row in range(4):
            seen = obs[[row]].expand(len(grid), -1)
            log_policy = head.log_prob(actor(seen), torch.atanh(grid)).double().numpy()
            q = critics(seen, grid).amin(0).double().numpy()
            exact = boltzmann_gap(log_policy, q, alpha, (1 / 150) ** 2)
            assert found[row].item() == pytest.approx(float(exact), abs=0.03)
            assert exact > 0.3
    assert np.ptp(found.numpy()) > 0.1
