"""How hard a push a legged robot can take, from its mass and its stance."""

from dataclasses import dataclass

import numpy as np

from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot


@dataclass(frozen=True)
class CaptureImpulse:
    """The largest push that a robot survives without taking a step.

    A linear inverted pendulum of height h that is pushed from rest just comes to a stand above a
    point at a distance r if its velocity is r sqrt(g / h). That times the mass, with r the distance
    from the centre of its stance to the edge in that direction, is the capture impulse.

    That is of a blow. Of a push that lasts T seconds it takes w T / (1 - exp(-w T)) times as much,
    with w = sqrt(g / h), for the feet push back meanwhile: 1.3 to 1.7 times in 0.1 to 0.2 s, at a
    height of 0.27 m.
    """

    mass: float
    """Mass of the robot, kg."""
    height: float
    """Height of its centre of mass over the ground, standing, m."""
    half_length: float
    """Half-length of the rectangle around the standing feet, m."""
    half_width: float
    """Half-width of that rectangle, m."""
    gravity: float
    """Size of gravity, m/s²."""

    def towards(self, direction: float) -> float:
        """Capture impulse in a direction in the heading frame, rad: N·s."""
        along, across = abs(np.cos(direction)), abs(np.sin(direction))
        edge = min(
            self.half_length / max(along, 1e-9),
            self.half_width / max(across, 1e-9),
        )
        return float(self.mass * edge * np.sqrt(self.gravity / self.height))

    def to_json(self) -> dict[str, float]:
        """Capture impulses sideways and lengthwise, N·s, and the quantities they follow from."""
        lengths = {name: value for name, value in vars(self).items()}
        return {"lateral": self.towards(np.pi / 2), "longitudinal": self.towards(0.0)} | lengths


def capture_impulse(robot: Robot) -> CaptureImpulse:
    """The capture impulse of a robot in its home pose.

    Raises:
        RobotError: The robot is fixed to the world.
    """
    model, base, data = robot.model, robot.base_body, mujoco.MjData(robot.model)
    mujoco.mj_resetDataKeyframe(model, data, robot.home)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    feet = data.geom_xpos[robot.foot_geoms]  # (feet, 3)
    half = 0.5 * (feet.max(axis=0) - feet.min(axis=0))
    ground = feet[:, 2].min() - robot.foot_radius
    return CaptureImpulse(
        mass=float(model.body_subtreemass[base]),
        height=float(data.subtree_com[base, 2] - ground),
        half_length=float(half[0]),
        half_width=float(half[1]),
        gravity=float(-model.opt.gravity[2]),
    )
