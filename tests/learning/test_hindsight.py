"""Relabelling against a slow list, a hand-made batch, and a chain solved by value iteration."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from robo_maxent.errors import UsageError
from robo_maxent.learning.episode_index import EpisodeIndex
from robo_maxent.learning.hindsight import Hindsight, hindsight
from robo_maxent.learning.replay_buffer import ReplayBatch, ReplayBuffer
from robo_maxent.spaces import GoalSpec

# An observation is (where, wanted, serial number); to be where one wanted is worth 0, else -1.
PARTS = (("where", 1, "m"), ("wanted", 1, "m"), ("serial", 1, ""))
GOAL = GoalSpec(
    "where",
    "wanted",
    reward=lambda obs, action, after: np.where(after[:, 0] == after[:, 1], 0.0, -1.0),
    success=lambda got, want: (got == want).all(axis=1),
    share=1.0,
)
NOWHERE = -5.0
SIMS = 3


def transition(number: int, sim: int, where: float, ended: bool) -> dict[str, np.ndarray]:
    """One step to ``where + 1`` that wanted to be nowhere; its reward is -1."""
    return {
        "obs": np.array([[where, NOWHERE, number]]),
        "action": np.array([[0.5]]),
        "reward": np.array([-1.0]),
        "next_obs": np.array([[where + 1.0, NOWHERE, number]]),
        "terminated": np.array([False]),
        "sim": np.array([sim]),
        "ended": np.array([ended]),
    }


def buffer_of(capacity: int, goal: GoalSpec = GOAL) -> ReplayBuffer:
    return ReplayBuffer(capacity, 3, 1, hindsight(goal, PARTS))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 15),
    st.lists(
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=SIMS, max_size=SIMS), max_size=12
    ),
)
def test_goals_are_those_that_were_achieved_later_in_the_same_episode(
    capacity: int, control_steps: list[list[tuple[bool, bool]]]
) -> None:
    """Three simulations; each may diverge, which stores no row, or end its episode."""
    buffer, rows = buffer_of(capacity), list[dict[str, float]]()
    episode, over = [0] * SIMS, set[tuple[int, int]]()
    for step in control_steps:
        for sim, (diverged, ended) in enumerate(step):
            key = (sim, episode[sim])
            if diverged:
                buffer.end([sim])
            else:
                where = 100.0 * len(rows)  # tells every row from every other
                buffer.add(**transition(len(rows), sim, where, ended))
                rows.append({"sim": sim, "episode": episode[sim], "achieved": where + 1.0})
            if diverged or ended:
                over.add(key)
                episode[sim] += 1
    if not rows:
        return
    stored = range(max(len(rows) - capacity, 0), len(rows))
    expected = {number: set[float]() for number in stored}
    for number in stored:
        key = (rows[number]["sim"], rows[number]["episode"])
        later = [rows[k] for k in stored if k >= number]
        same = [row["achieved"] for row in later if (row["sim"], row["episode"]) == key]
        expected[number] = set(same) if key in over else {NOWHERE}
    # A pair is missed with probability below 200 (1 - 1/200)^4000 = 4e-7.
    batch = buffer.sample(np.random.default_rng(0), 4000)
    seen = {number: set[float]() for number in stored}
    for number, goal in zip(batch.obs[:, 2].tolist(), batch.obs[:, 1].tolist(), strict=True):
        seen[int(number)].add(goal)
    assert seen == expected
    np.testing.assert_array_equal(batch.obs[:, 1], batch.next_obs[:, 1])
    np.testing.assert_array_equal(batch.reward, GOAL.reward(None, None, batch.next_obs.numpy()))  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=30))
def test_a_restored_index_continues_as_the_original(
    capacity: int, steps: list[tuple[int, bool]]
) -> None:
    original, restored = EpisodeIndex(capacity), EpisodeIndex(capacity)
    for sim, ended in steps:
        original.add(np.array([sim]), np.array([ended]))
    restored.load_state_dict({k: v.copy() for k, v in original.state_dict().items()})
    for index in (original, restored):
        for sim in (2, 0, 1):
            index.add(np.array([sim]), np.array([sim == 1]))
        index.end()
    for name, values in original.state_dict().items():
        np.testing.assert_array_equal(values, restored.state_dict()[name], err_msg=name)


def test_every_later_step_is_as_likely_and_the_share_is_kept() -> None:
    buffer = buffer_of(10, replace(GOAL, share=0.8))
    for number in range(5):
        buffer.add(**transition(number, 0, float(number), number == 4))
    drawn = buffer.sample(np.random.default_rng(0), 20_000)
    is_first = drawn.obs[:, 2] == 0
    counts = Counter(drawn.obs[is_first, 1].tolist())
    assert counts.keys() == {NOWHERE, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert chisquare([counts[k] for k in (1.0, 2.0, 3.0, 4.0, 5.0)]).pvalue > 0.01
    assert np.mean(drawn.obs[:, 1].numpy() != NOWHERE) == pytest.approx(0.8, abs=0.01)


def test_a_relabelled_batch_is_as_worked_out_by_hand() -> None:
    """Three steps 0 to 3, the last a failure that cost 7; goals are those achieved."""
    buffer = buffer_of(4, replace(GOAL, terminates=True))
    for number in range(3):
        row = transition(number, 0, float(number), ended=number == 2)
        if number == 2:
            row |= {"reward": np.array([-8.0]), "terminated": np.array([True])}
        buffer.add(**row)
    batch = buffer.sample(np.random.default_rng(3), 100)
    got = np.stack(
        [batch.obs[:, 2], batch.obs[:, 1], batch.reward, batch.terminated], axis=1
    ).tolist()
    worth = {  # (step, goal) -> reward, whether the episode ended there
        (0, 1): (0, 1),
        (0, 2): (-1, 0),
        (0, 3): (-1, 0),
        (1, 2): (0, 1),
        (1, 3): (-1, 0),
        (2, 3): (-7, 1),  # reached, but it fell all the same
    }
    assert got == [[step, goal, *worth[int(step), int(goal)]] for step, goal, *_ in got]
    assert {(step, goal) for step, goal, *_ in got} == worth.keys()


def test_success_that_ended_an_episode_ends_it_no_more_for_another_goal() -> None:
    """The step to 1 was the goal, and the end; for the goal 1 of step 0 it still is."""
    goal = replace(GOAL, terminates=True)
    buffer = ReplayBuffer(4, 3, 1, replace(hindsight(goal, PARTS), share=1.0))
    rows = [transition(0, 0, 0.0, False), transition(1, 0, 1.0, True)]
    for row in rows:
        row["obs"][:, 1] = row["next_obs"][:, 1] = 2.0
    rows[1] |= {"terminated": np.array([True]), "reward": np.array([0.0])}
    for row in rows:
        buffer.add(**row)
    batch = buffer.sample(np.random.default_rng(0), 50)
    met = batch.next_obs[:, 0] == batch.next_obs[:, 1]
    np.testing.assert_array_equal(batch.terminated, met.float())
    assert 0 < met.sum() < 50


def test_an_episode_in_which_nothing_moved_is_left_as_it_was() -> None:
    buffer = buffer_of(10, replace(GOAL, least_move=1.5))
    buffer.add(**transition(0, 0, 0.0, ended=True))  # moves by 1
    buffer.add(**transition(1, 1, 0.0, ended=False))
    buffer.add(**transition(2, 1, 1.0, ended=True))  # by 2
    batch = buffer.sample(np.random.default_rng(0), 200)
    relabelled = batch.obs[:, 1] != NOWHERE
    np.testing.assert_array_equal(relabelled, batch.obs[:, 2] > 0)


def test_rows_of_a_running_episode_are_drawn_as_they_were() -> None:
    buffer = buffer_of(10)
    for number in range(4):
        buffer.add(**transition(number, 0, float(number), ended=False))
    assert (buffer.sample(np.random.default_rng(0), 100).obs[:, 1] == NOWHERE).all()


def test_what_is_relative_to_the_goal_moves_with_it() -> None:
    goal = replace(GOAL, relative=("to go",))
    buffer = ReplayBuffer(10, 4, 1, hindsight(goal, (*PARTS, ("to go", 1, "m"))))
    for number in range(3):
        row = transition(number, 0, float(number), ended=number == 2)
        for name in ("obs", "next_obs"):
            row[name] = np.append(row[name], row[name][:, 1:2] - row[name][:, :1], axis=1)
        buffer.add(**row)
    batch = buffer.sample(np.random.default_rng(0), 100)
    for seen in (batch.obs, batch.next_obs):
        np.testing.assert_array_equal(seen[:, 3], seen[:, 1] - seen[:, 0])


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (replace(GOAL, achieved="hand"), "the goal 'hand' is no part of the observation"),
        (replace(GOAL, desired="pair"), "must have the same size, got 1 and 2"),
    ],
)
def test_goals_that_do_not_fit_the_observation_are_refused(goal: GoalSpec, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hindsight(goal, (*PARTS, ("pair", 2, "")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 5.0}, r"share of a GoalSpec must be within \[0, 1\], got 5"),
        ({"least_move": -1.0}, "least_move of a GoalSpec must be >= 0"),
        ({"relative": "goal"}, "relative of a GoalSpec must be a tuple"),
    ],
)
def test_a_goal_specification_is_checked_at_the_door(changes: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(GOAL, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": lambda obs, action, after: 1.0}, r"reward of a GoalSpec .* got shape \(\)"),
        ({"reward": lambda obs, action, after: obs[:, :1]}, r"got shape \(\d+, 1\)"),
        ({"reward": lambda obs, action, after: 0 * obs[:, 0] + np.nan}, r"\d+ not finite"),
        ({"success": lambda got, want: got[:, 0]}, "success of a GoalSpec must give bools"),
    ],
)
def test_functions_that_break_their_contract_are_named(changes: Any, message: str) -> None:
    buffer = buffer_of(4, replace(GOAL, **changes))
    buffer.add(**transition(0, 0, 0.0, ended=True))
    with pytest.raises(UsageError, match=message):
        buffer.sample(np.random.default_rng(0), 8)


LENGTH, STEPS, GAMMA = 6, 8, 0.9


def chain(relabel: Hindsight) -> ReplayBuffer:
    """Random walks on places 0 to 5, of which most never meet the goal that they have."""
    rng = np.random.default_rng(1)
    buffer = ReplayBuffer(20_000, 3, 1, relabel)
    for episode in range(1200):
        place, wanted = rng.integers(LENGTH), rng.integers(LENGTH)
        for step in range(STEPS):
            action = rng.choice([-1.0, 1.0])
            after = np.clip(place + action, 0, LENGTH - 1)
            row = transition(step, episode % SIMS, 0.0, step == STEPS - 1)
            row["obs"][0, :2], row["next_obs"][0, :2] = (place, wanted), (after, wanted)
            row |= {"action": np.array([[action]])}
            row["reward"] = GOAL.reward(row["obs"], row["action"], row["next_obs"])
            buffer.add(**row)
            place = after
    return buffer


def solved() -> np.ndarray:
    """Value of each place, goal and action by value iteration, (places, goals, 2)."""
    q = np.zeros((LENGTH, LENGTH, 2))
    for _ in range(300):
        after = np.clip(np.arange(LENGTH)[:, None] + np.array([-1, 1]), 0, LENGTH - 1)
        reward = np.where(after[:, None, :] == np.arange(LENGTH)[None, :, None], 0.0, -1.0)
        best = q.max(axis=2)  # (place, goal)
        q = reward + GAMMA * np.moveaxis(best[after], 1, 2)
    return q


@pytest.mark.parametrize("share", [0.0, 0.8, 1.0])
def test_values_learnt_from_relabelled_walks_are_those_of_value_iteration(share: float) -> None:
    """The chain is deterministic, so that relabelling, whatever the share, biases nothing."""
    buffer = chain(replace(hindsight(GOAL, PARTS), share=share))
    q, rng = np.zeros((LENGTH, LENGTH, 2)), np.random.default_rng(2)
    for _ in range(150):
        update(q, buffer.sample(rng, 2000))
    np.testing.assert_allclose(q, solved(), atol=1e-3)


def update(q: np.ndarray, batch: ReplayBatch) -> None:
    """A sweep of exact backups at the transitions of a batch."""
    place, goal = batch.obs[:, 0].int().numpy(), batch.obs[:, 1].int().numpy()
    after, action = batch.next_obs[:, 0].int().numpy(), batch.action[:, 0].numpy() > 0
    target = batch.reward.numpy() + GAMMA * q[after, goal].max(axis=1)
    q[place, goal, action.astype(int)] = target
