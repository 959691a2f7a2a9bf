"""The replay buffer against a list: every field of a transition proves where it came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from robo_maxent.errors import UsageError
from robo_maxent.learning.replay_buffer import ReplayBatch, ReplayBuffer, row_bytes

OBS, ACTION = 3, 2
SIMS = 4

capacities = st.integers(1, 20)
sizes = st.lists(st.integers(0, 50), max_size=12)


def transitions(index: np.ndarray) -> dict[str, np.ndarray]:
    """The transitions of these indices; number k has 1000 k + column in every field."""
    start = 1000.0 * index
    return {
        "obs": start[:, None] + np.arange(OBS),
        "action": start[:, None] + 100 + np.arange(ACTION),
        "reward": start + 200,
        "next_obs": start[:, None] + 300 + np.arange(OBS),
        "terminated": index % 3 == 0,
        "sim": index % SIMS,
        "ended": index % 7 == 0,
    }


def indices(batch: ReplayBatch) -> np.ndarray:
    """Which transition each row is, (B,), having checked that all its fields agree."""
    index = np.round((batch.reward.numpy() - 200) / 1000).astype(int)
    for name, expected in transitions(index).items():
        if name in ("sim", "ended"):
            continue  # which a batch does not hold
        np.testing.assert_array_equal(getattr(batch, name).numpy(), expected, err_msg=name)
    return index


def filled(capacity: int, counts: list[int]) -> tuple[ReplayBuffer, int]:
    """A buffer after adding so many transitions at a time, and how many there were in all."""
    buffer, total = ReplayBuffer(capacity, OBS, ACTION), 0
    for count in counts:
        buffer.add(**transitions(np.arange(total, total + count)))
        total += count
    return buffer, total


@settings(deadline=None)
@given(capacities, sizes)
def test_the_buffer_holds_exactly_the_latest_transitions(capacity: int, counts: list[int]) -> None:
    buffer, model = ReplayBuffer(capacity, OBS, ACTION), []
    added = 0
    for count in counts:
        buffer.add(**transitions(np.arange(added, added + count)))
        model = [*model, *range(added, added + count)][-capacity:]
        added += count
        assert len(buffer) == len(model)
        if model:
            # A stored transition is missed with probability below 20 (1 - 1/20)^1000 = 1e-21.
            drawn = indices(buffer.sample(np.random.default_rng(0), 1000))
            assert set(drawn) == set(model)


@settings(deadline=None)
@given(capacities, sizes)
def test_how_transitions_are_grouped_does_not_matter(capacity: int, counts: list[int]) -> None:
    grouped, total = filled(capacity, counts)
    single, _ = filled(capacity, [1] * total)
    np.testing.assert_array_equal(grouped.state_dict()["rows"], single.state_dict()["rows"])


@settings(deadline=None)
@given(capacities, sizes, st.integers(1, 50))
def test_a_restored_buffer_continues_as_the_original(
    capacity: int, counts: list[int], more: int
) -> None:
    original, total = filled(capacity, counts)
    restored = ReplayBuffer(capacity, OBS, ACTION)
    restored.load_state_dict({k: v.copy() for k, v in original.state_dict().items()})
    assert len(restored) == len(original)
    for buffer in (original, restored):
        buffer.add(**transitions(np.arange(total, total + more)))
    one, other = (
        indices(buffer.sample(np.random.default_rng(1), 50)) for buffer in (original, restored)
    )
    np.testing.assert_array_equal(one, other)


def test_every_stored_transition_is_drawn_equally_often() -> None:
    buffer, total = filled(20, [13, 13])
    drawn = indices(buffer.sample(np.random.default_rng(0), 4000))
    counts = np.bincount(drawn - (total - 20), minlength=20)
    assert counts.sum() == 4000
    assert chisquare(counts).pvalue > 0.01


def test_one_seed_draws_the_same_batch_and_another_seed_another() -> None:
    buffer, _ = filled(20, [20])
    one, same, other = (
        indices(buffer.sample(np.random.default_rng(seed), 32)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_batch_keeps_its_values_when_the_ring_moves_on() -> None:
    buffer, total = filled(4, [4])
    batch = buffer.sample(np.random.default_rng(0), 16)
    before = indices(batch)
    buffer.add(**transitions(np.arange(total, total + 4)))
    np.testing.assert_array_equal(indices(batch), before)


def test_what_is_stored_is_a_copy_of_what_was_given() -> None:
    given_ones = transitions(np.array([7, 8]))
    buffer = ReplayBuffer(2, OBS, ACTION)
    buffer.add(**given_ones)
    for array in given_ones.values():
        array[:] = 0
    assert set(indices(buffer.sample(np.random.default_rng(0), 100))) == {7, 8}


def test_a_transition_costs_the_memory_that_was_announced() -> None:
    rows = ReplayBuffer(5, OBS, ACTION)
    rows.add(**transitions(np.arange(5)))
    assert rows.state_dict()["rows"].nbytes == 5 * row_bytes(OBS, ACTION)


def test_an_empty_buffer_says_that_it_is_empty() -> None:
    with pytest.raises(UsageError, match="nothing to sample: the replay buffer is empty"):
        ReplayBuffer(4, OBS, ACTION).sample(np.random.default_rng(0), 1)


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="capacity must be at least 1, got 0"):
        ReplayBuffer(0, OBS, ACTION)


def test_saved_rows_of_another_layout_are_refused_with_both_shapes() -> None:
    saved = filled(4, [4])[0].state_dict()
    with pytest.raises(UsageError, match=r"\(4, 10\), this buffer holds float32 \(4, 12\)"):
        ReplayBuffer(4, OBS + 1, ACTION).load_state_dict(saved)


def test_saved_rows_beyond_the_capacity_are_refused_with_both_shapes() -> None:
    saved = filled(4, [4])[0].state_dict()
    with pytest.raises(UsageError, match=r"\(4, 10\), this buffer holds float32 \(3, 10\)"):
        ReplayBuffer(3, OBS, ACTION).load_state_dict(saved)


def test_a_ring_that_went_round_is_refused_by_a_larger_buffer() -> None:
    saved = filled(4, [6])[0].state_dict()
    with pytest.raises(UsageError, match=r"\(4, 10\), this buffer holds float32 \(8, 10\)"):
        ReplayBuffer(8, OBS, ACTION).load_state_dict(saved)
