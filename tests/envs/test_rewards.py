"""Laws of the reward primitives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robo_maxent.envs.rewards import bell, squared_norm

errors = st.floats(-1e6, 1e6)
vectors = arrays(np.float64, (5, 3), elements=st.floats(-1e3, 1e3))


@given(errors)
def test_a_bell_is_between_zero_and_one_and_the_same_on_both_sides(error: float) -> None:
    reward = bell(np.array(error))
    assert 0.0 <= reward <= 1.0
    assert reward == bell(np.array(-error))


@given(errors, errors)
def test_a_larger_error_never_earns_more(one: float, other: float) -> None:
    small, large = sorted((abs(one), abs(other)))
    assert bell(np.array(large)) <= bell(np.array(small))


def test_a_bell_is_one_without_error_and_1_over_e_at_its_width() -> None:
    np.testing.assert_allclose(bell(np.array([0.0, 1.0, -1.0, 2.0])), np.exp([0, -1, -1, -4]))


@given(vectors)
def test_squared_norm_is_the_sum_of_squares_and_does_not_change_its_input(x: np.ndarray) -> None:
    before = x.copy()
    slow = [sum(float(value) ** 2 for value in row) for row in x]
    np.testing.assert_allclose(squared_norm(x), slow, rtol=1e-12)
    np.testing.assert_array_equal(x, before)


@given(vectors, st.floats(-np.pi, np.pi))
def test_squared_norm_does_not_depend_on_the_axes(x: np.ndarray, angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    turned = x @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(squared_norm(turned), squared_norm(x), rtol=1e-9, atol=1e-9)


def test_squared_norm_works_on_any_number_of_axes() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(squared_norm(x), (x * x).sum(axis=-1))  # (2, 3)
