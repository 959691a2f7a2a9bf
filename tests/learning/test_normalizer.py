"""The observation normalizer against NumPy over all the data at once."""

import numpy as np
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
