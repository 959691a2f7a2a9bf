"""Rotations of many vectors against MuJoCo, SciPy and the plane of complex numbers."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from robo_maxent.sim.rotations import axes, from_heading, product, to_base, turned, yaw

N = 20


def orientations(seed: int) -> np.ndarray:
    """Random unit quaternions w x y z, (N, 4)."""
    quaternions = np.random.default_rng(seed).normal(size=(N, 4))
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def test_vectors_turn_into_the_base_frame_as_mujoco_turns_them() -> None:
    orientation = orientations(0)
    vectors = np.random.default_rng(1).normal(size=(N, 3))
    expected = np.empty((N, 3))
    for one, turn, vector in zip(expected, orientation, vectors, strict=True):
        mujoco.mju_rotVecQuat(one, vector, turn * [1, -1, -1, -1])
    np.testing.assert_allclose(to_base(orientation, vectors), expected, atol=1e-12)


def test_vectors_turn_out_of_the_body_frame_as_mujoco_turns_them() -> None:
    orientation = orientations(9)
    vectors = np.random.default_rng(10).normal(size=(N, 3))
    expected = np.empty((N, 3))
    for one, turn, vector in zip(expected, orientation, vectors, strict=True):
        mujoco.mju_rotVecQuat(one, vector, turn)
    np.testing.assert_allclose(turned(orientation, vectors), expected, atol=1e-12)
    np.testing.assert_allclose(to_base(orientation, expected), vectors, atol=1e-12)


def test_a_product_turns_by_the_second_then_by_the_first() -> None:
    first, second = orientations(11), orientations(12)
    expected = np.empty((N, 4))
    for one, left, right in zip(expected, first, second, strict=True):
        mujoco.mju_mulQuat(one, left, right)
    np.testing.assert_allclose(product(first, second), expected, atol=1e-12)
    vectors = np.random.default_rng(13).normal(size=(N, 3))
    twice = turned(first, turned(second, vectors))
    np.testing.assert_allclose(turned(product(first, second), vectors), twice, atol=1e-12)


def test_the_axes_of_a_body_are_the_first_columns_of_its_matrix() -> None:
    orientation = orientations(14)
    matrices = Rotation.from_quat(orientation, scalar_first=True).as_matrix()
    np.testing.assert_allclose(axes(orientation)[:, :3], matrices[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(axes(orientation)[:, 3:], matrices[:, :, 1], atol=1e-12)
    np.testing.assert_allclose(axes(-orientation), axes(orientation))  # the same turn


def test_heading_is_the_turn_about_the_vertical_that_comes_last() -> None:
    orientation = orientations(2)
    turns = Rotation.from_quat(orientation, scalar_first=True)
    np.testing.assert_allclose(yaw(orientation), turns.as_euler("ZYX")[:, 0], atol=1e-12)
    np.testing.assert_allclose(yaw(-orientation), yaw(orientation), atol=1e-12)  # the same turn


def test_heading_is_where_the_forward_axis_points_seen_from_above() -> None:
    orientation = orientations(3)
    forward = Rotation.from_quat(orientation, scalar_first=True).apply([1.0, 0.0, 0.0])
    np.testing.assert_allclose(yaw(orientation), np.arctan2(forward[:, 1], forward[:, 0]))


@pytest.mark.parametrize("shape", [(N, 5, 3), (5, 3)], ids=["each its own", "the same for all"])
def test_vectors_in_the_heading_frame_turn_about_the_vertical(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    heading, vectors = rng.uniform(-4, 4, N), rng.normal(size=shape)
    placed = from_heading(heading, vectors)
    assert placed.shape == (N, 5, 3)
    for sim, rows in enumerate(np.broadcast_to(vectors, (N, 5, 3)).copy()):
        expected = Rotation.from_euler("z", heading[sim]).apply(rows)
        np.testing.assert_allclose(placed[sim], expected, atol=1e-12)


def test_horizontal_vectors_turn_as_those_without_height() -> None:
    rng = np.random.default_rng(5)
    heading, vectors = rng.uniform(-4, 4, N), rng.normal(size=(N, 5, 3))
    level = from_heading(heading, vectors[..., :2])
    np.testing.assert_array_equal(level, from_heading(heading, vectors)[..., :2])


@pytest.mark.parametrize("shape", [(N, 2), (N, 5, 2)], ids=["one origin", "an origin each"])
def test_points_turn_and_move_with_the_origin_of_the_heading_frame(shape: tuple[int, ...]) -> None:
    """The plane as complex numbers: heading is a factor, the origin a summand."""
    rng = np.random.default_rng(6)
    heading, points, origin = rng.uniform(-4, 4, N), rng.normal(size=(5, 2)), rng.normal(size=shape)
    place = origin @ [1, 1j]
    place = place[:, None] if place.ndim == 1 else place
    expected = np.exp(1j * heading)[:, None] * (points @ [1, 1j]) + place
    placed = from_heading(heading, points, origin)
    np.testing.assert_allclose(placed @ [1, 1j], expected, atol=1e-12)


def test_a_row_is_rounded_as_it_is_among_many() -> None:
    orientation, vectors = orientations(7), np.random.default_rng(8).normal(size=(N, 3))
    heading = yaw(orientation)
    based = to_base(orientation, vectors)
    joined, both = product(orientation, orientation[::-1]), axes(orientation)
    placed = from_heading(heading, vectors[:, None], vectors[:, :2])
    for sim in range(N):
        row = slice(sim, sim + 1)
        np.testing.assert_array_equal(to_base(orientation[row], vectors[row]), based[row])
        alone = from_heading(heading[row], vectors[row, None], vectors[row, :2])
        np.testing.assert_array_equal(alone, placed[row])
        alone = product(orientation[row], orientation[::-1][row])
        np.testing.assert_array_equal(alone, joined[row])
        np.testing.assert_array_equal(axes(orientation[row]), both[row])
