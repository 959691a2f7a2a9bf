"""The observation normalizer against NumPy over all the data at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_maxent.learning.networks import Normalizer

SIZE = 3

chunkings = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def drawn(rows: int, seed: int, offset: float) -> torch.Tensor:
    """Columns of very different spread around an offset, (rows, SIZE)."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(offset + rng.normal(size=(rows, SIZE)) * [1e-2, 1.0, 1e3])


@settings(deadline=None)
@given(chunkings, st.integers(0, 1000), st.sampled_from([0.0, 5.0, -1e5]))
def test_any_chunking_gives_the_mean_and_variance_of_all(
    chunks: list[int], seed: int, offset: float
) -> None:
    data = drawn(sum(chunks), seed, offset)
    normalizer = Normalizer(SIZE)
    for chunk in torch.split(data, chunks):
        normalizer.update(chunk)
    everything = data.numpy()
    assert normalizer.count == len(everything)
    np.testing.assert_allclose(normalizer.mean, everything.mean(0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(
        normalizer.square / normalizer.count, everything.var(0), rtol=1e-6, atol=1e-12
    )


def test_what_was_seen_has_zero_mean_and_unit_variance_afterwards() -> None:
    data = drawn(5000, seed=0, offset=2.0)[:, 1:].float()
    normalizer = Normalizer(SIZE - 1)
    normalizer.update(data)
    seen = normalizer(data)
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(seen.std(0, correction=0), 1.0, rtol=1e-3)


def test_before_any_data_it_changes_nothing() -> None:
    obs = torch.tensor([[-3e6, 0.0, 25.0]])
    assert torch.equal(Normalizer(SIZE)(obs), obs)


def test_ten_standard_deviations_are_the_limit() -> None:
    normalizer = Normalizer(1)
    normalizer.update(torch.tensor([[-1.0], [1.0]]))
    far = normalizer(torch.tensor([[9.0], [11.0], [-1e6]]))
    np.testing.assert_allclose(far[:, 0], [9.0, 10.0, -10.0], rtol=1e-3)


def test_an_element_that_never_changed_stays_finite() -> None:
    normalizer = Normalizer(2)
    normalizer.update(torch.tensor([[5.0, 0.0]]).expand(50, 2))
    np.testing.assert_array_equal(normalizer(torch.tensor([[5.0, 0.0]])), [[0.0, 0.0]])


@pytest.mark.parametrize("spike", [1e3, 1e25, -3e38])
def test_one_spike_does_not_blind_a_sensor(spike: float) -> None:
    data = drawn(2000, seed=0, offset=0.0).float()
    calm, spiked = Normalizer(SIZE), Normalizer(SIZE)
    for chunk in data.split(50):
        calm.update(chunk)
        spiked.update(chunk)
    spiked.update(torch.tensor([[0.0, spike, 0.0]]))
    before, after = calm.scale[1], spiked.scale[1]
    assert 0.5 * before < after < before
    assert abs(spiked.shift[1]) < 0.2


def test_spikes_that_go_on_do_not_blind_it_either() -> None:
    data = drawn(50_000, seed=0, offset=0.0).float()
    data[::1000, 1] = 1e25
    normalizer = Normalizer(SIZE)
    normalizer.update(data[1:501])
    for chunk in data[501:].split(100):
        normalizer.update(chunk)
    assert normalizer.scale[1] > 0.2


def test_a_flag_raised_late_and_a_sensor_that_moves_late_are_seen_as_they_are() -> None:
    data = torch.zeros(3000, 2)
    data[1000::100, 0] = 1.0
    data[2000:, 1] = 25.0
    normalizer = Normalizer(2)
    for chunk in data.split(8):
        normalizer.update(chunk)
    everything = data.double().numpy()
    np.testing.assert_allclose(normalizer.mean, everything.mean(0), rtol=1e-9)
    np.testing.assert_allclose(normalizer.square / 3000, everything.var(0), rtol=1e-9)


def test_a_sensor_that_moves_far_for_good_is_followed() -> None:
    normalizer = Normalizer(1)
    rng = np.random.default_rng(0)
    normalizer.update(torch.from_numpy(rng.normal(size=(1000, 1))))
    for _ in range(100):
        normalizer.update(torch.from_numpy(rng.normal(5000.0, 1000.0, (128, 1))))
    assert 3000.0 < normalizer.shift < 6000.0
