"""Who acts elsewhere acts as the learner does whose weights it was sent."""

import pickle

import numpy as np
import pytest
import torch

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.sac import Sac

OBS, ACT = 7, 3


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (Sac, SacConfig(width=16)),
        (Sac, SacConfig(width=16, components=2)),
        (DiscreteSac, SacConfig(width=16)),
    ],
)
@pytest.mark.parametrize("seen", [0, 50])
def test_an_explorer_with_the_weights_of_a_learner_acts_as_it_does(
    kind: type[Sac], config: SacConfig, seen: int
) -> None:
    rng = np.random.default_rng(0)
    learner, other = kind(OBS, ACT, config, seed=1), kind(OBS, ACT, config, seed=2)
    if seen:
        learner.observe(rng.normal(3.0, 2.0, (seen, OBS)).astype(np.float32))
    with torch.no_grad():  # as after some learning, far from the calm start
        learner.actor.flat.add_(0.5 * torch.randn(learner.actor.flat.shape))
    elsewhere = pickle.loads(pickle.dumps(other.explorer))
    obs = rng.normal(0.0, 40.0, (20, OBS)).astype(np.float32)
    own = learner.explorer(obs, torch.Generator().manual_seed(5))
    assert not np.array_equal(elsewhere(obs, torch.Generator().manual_seed(5)), own)
    weights = learner.explorer.weights
    elsewhere.load(weights)
    np.testing.assert_array_equal(elsewhere(obs, torch.Generator().manual_seed(5)), own)
    np.testing.assert_array_equal(elsewhere.weights, weights)
    assert weights.dtype == np.float32
    assert weights.ndim == 1


def test_weights_are_a_copy_and_not_what_learns_on() -> None:
    learner = Sac(OBS, ACT, SacConfig(width=16), seed=1)
    before = learner.explorer.weights
    kept = before.copy()
    with torch.no_grad():
        learner.actor.flat.add_(1.0)
    np.testing.assert_array_equal(before, kept)
    assert not np.array_equal(learner.explorer.weights, kept)
