"""How hard a push a robot can take, against an inverted pendulum worked by hand and simulated."""

import numpy as np
import pytest
from arm_world import ARM, ARM_SPEC

from robo_maxent.errors import RobotError
from robo_maxent.sim.capture_impulse import CaptureImpulse, capture_impulse
from robo_maxent.sim.robot import Robot, load
from robo_maxent.tasks.four_legs import QUADRUPED

ROBOT = Robot(load(QUADRUPED.model), QUADRUPED)


def test_the_capture_impulse_is_that_of_an_inverted_pendulum() -> None:
    robot = CaptureImpulse(mass=10.0, height=0.25, half_length=0.2, half_width=0.1, gravity=9.0)
    assert robot.towards(0.0) == pytest.approx(10.0 * 0.2 * 6.0)
    assert robot.towards(np.pi / 2) == pytest.approx(10.0 * 0.1 * 6.0)
    assert robot.towards(-np.pi / 2) == robot.towards(np.pi / 2)
    # At 45 degrees the edge of the rectangle is 0.1 m to the left and 0.1 m ahead.
    assert robot.towards(np.pi / 4) == pytest.approx(10.0 * np.hypot(0.1, 0.1) * 6.0)
    corner = float(np.arctan2(0.1, 0.2))
    assert robot.towards(corner) == pytest.approx(10.0 * np.hypot(0.1, 0.2) * 6.0)


def test_the_robot_has_the_capture_impulse_of_a_go1() -> None:
    quadruped = capture_impulse(ROBOT)
    assert quadruped.mass == pytest.approx(12.74, abs=0.01)
    assert quadruped.half_width == pytest.approx(0.127, abs=0.001)
    assert quadruped.half_length == pytest.approx(0.188, abs=0.001)
    # 9.6 and 14.2 with the trunk's height of 0.278 m; its centre of mass is a centimetre lower.
    assert quadruped.towards(np.pi / 2) == pytest.approx(9.6, rel=0.03)
    assert quadruped.towards(0.0) == pytest.approx(14.2, rel=0.03)
    at_trunk = CaptureImpulse(
        quadruped.mass, 0.278, quadruped.half_length, quadruped.half_width, quadruped.gravity
    )
    assert at_trunk.towards(np.pi / 2) == pytest.approx(9.6, abs=0.05)
    assert at_trunk.towards(0.0) == pytest.approx(14.2, abs=0.05)


def test_a_point_mass_comes_to_rest_above_the_edge_after_the_capture_impulse() -> None:
    quadruped = capture_impulse(ROBOT)
    for direction in (0.0, np.pi / 2):
        edge = quadruped.half_length if direction == 0.0 else quadruped.half_width
        x, v, dt = 0.0, quadruped.towards(direction) / quadruped.mass, 1e-5
        for _ in range(round(0.6 / dt)):  # the pendulum over the edge, which is its pivot
            v += quadruped.gravity / quadruped.height * (x - edge) * dt
            x += v * dt
        assert x == pytest.approx(edge, rel=0.05)


def test_json_holds_the_impulses_and_what_they_follow_from() -> None:
    quadruped = capture_impulse(ROBOT)
    record = quadruped.to_json()
    assert record.pop("lateral") == quadruped.towards(np.pi / 2)
    assert record.pop("longitudinal") == quadruped.towards(0.0)
    assert CaptureImpulse(**record) == quadruped


def test_a_robot_that_can_not_be_pushed_over_has_none() -> None:
    arm = Robot(load(ARM), ARM_SPEC)
    with pytest.raises(RobotError, match="fixed to the world"):
        capture_impulse(arm)
