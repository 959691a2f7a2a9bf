"""A camera that sees late, or nothing for a while, compared with what was true then."""

import numpy as np
from handled import DT, PICK, A, environment, held

from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.spaces import columns

SEEN, TRUE, HAND, FROM_HAND, WAY, GOAL = (
    columns(PICK.observation)[name]
    for name in ("object as seen", "object", "hand", "object from hand", "way to the goal", "goal")
)
N, STEPS = 3, 30


def run(params: EpisodeParams, save_at: int | None = None) -> np.ndarray:
    """Observations of random actions on moving objects, (STEPS + 1, N, O)."""
    env = environment(params, PICK)
    env.batch.bind("qvel")[:, PICK.robot.object_dof[0]] = 0.4  # it slides
    rng, observed = np.random.default_rng(0), [env.observe()]
    for step in range(STEPS):
        if step == save_at:
            saved = env.state_dict()
            env = environment(params, PICK)
            env.load_state_dict(saved)
        observed.append(env.step(rng.uniform(-1.0, 1.0, (N, A)).astype(np.float32)).next_obs)
    return np.array(observed)


def test_what_is_seen_late_was_true_then() -> None:
    obs = run(held(N, camera_delay=np.array([0, 1, 3])))
    for sim, late in enumerate((0, 1, 3)):
        true = obs[:, sim, TRUE]
        expected = true[np.maximum(np.arange(STEPS + 1) - late, 0)]
        np.testing.assert_array_equal(obs[:, sim, SEEN], expected)
    assert (np.diff(obs[:10, 0, TRUE], axis=0) != 0.0).any(axis=1).all(), "it must move"


def test_a_hidden_object_is_held_to_be_where_it_was_seen_last() -> None:
    begin, steps = 5, 8
    seconds = np.array([0.0, steps * DT, steps * DT])
    obs = run(held(N, occlusion_begin=np.array([0.0, begin * DT, 0.0]), occlusion_seconds=seconds))
    for sim, (first, last) in enumerate([(0, 0), (begin + 1, begin + steps), (1, steps)]):
        hidden = np.zeros(STEPS + 1, bool)
        hidden[first : last + 1] = first > 0
        np.testing.assert_array_equal(obs[~hidden, sim, SEEN], obs[~hidden, sim, TRUE])
        for step in np.flatnonzero(hidden):
            np.testing.assert_array_equal(obs[step, sim, SEEN], obs[first - 1, sim, TRUE])


def test_what_is_reckoned_from_what_is_seen_agrees_with_it() -> None:
    obs = run(held(N, camera_delay=2, occlusion_begin=0.2, occlusion_seconds=0.4))
    hand, goal, thing = obs[:, :, HAND], obs[:, :, GOAL], obs[:, :, SEEN]
    np.testing.assert_allclose(obs[:, :, FROM_HAND], thing - hand, atol=1e-6)
    np.testing.assert_allclose(obs[:, :, WAY], goal - thing, atol=1e-6)


def test_a_saved_episode_goes_on_seeing_as_it_would_have() -> None:
    params = held(N, camera_delay=2, occlusion_begin=0.2, occlusion_seconds=0.4)
    whole = run(params)
    for save_at in (3, 8, 20):
        np.testing.assert_array_equal(run(params, save_at), whole)
