"""Tilted gravity, against a rotation and a fall."""

import numpy as np
from perturbed import environment, held, in_the_air
from scipy.spatial.transform import Rotation

from robo_maxent.perturbations.gravity import tilted
from robo_maxent.sim.robot import LeggedState


def test_gravity_is_turned_as_by_a_rotation_vector() -> None:
    rng = np.random.default_rng(0)
    tilt, gravity = rng.uniform(-1, 1, (50, 2)), np.array([0.3, -0.2, -9.81])
    vectors = np.concatenate([tilt, np.zeros((50, 1))], axis=1)
    expected = Rotation.from_rotvec(vectors).apply(gravity)
    np.testing.assert_allclose(tilted(gravity, tilt), expected, atol=1e-12)


def test_tilted_gravity_accelerates_sideways_and_the_robot_senses_it() -> None:
    tilt = np.array([[0.0, 0.0], [0.0, 0.2], [0.1, -0.3]])
    env = in_the_air(environment(held(3, gravity_tilt=tilt)))
    turned = Rotation.from_euler("xyz", [[0.2, -0.1, 1.0], [0.5, 0.3, 2.0], [0.0, 0.4, -1.0]])
    env.batch.bind("qpos")[:, 3:7] = turned.as_quat(scalar_first=True)
    acceleration = env.batch.bind("qacc")
    env.batch.forward()
    gravity = tilted(np.array([0, 0, -9.81]), tilt)
    np.testing.assert_allclose(gravity[1], [-9.81 * np.sin(0.2), 0, -9.81 * np.cos(0.2)])
    # Joints at rest in free fall: only the motors, which act within the robot, accelerate parts.
    env.batch.bind("ctrl")[:] = env.state.joint_position
    env.batch.forward()
    np.testing.assert_allclose(acceleration[:, :3], gravity, atol=1e-9)
    expected = turned.inv().apply(-gravity / 9.81)
    sensed = env.effects.sensed(env.state)
    assert isinstance(sensed, LeggedState)
    np.testing.assert_allclose(sensed.up, expected, atol=1e-6)
    np.testing.assert_allclose(env.observe()[:, 6:9], expected, atol=1e-6)
