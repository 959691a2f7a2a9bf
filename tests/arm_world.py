"""A two-joint arm that reaches for a target: a task without a base, feet or a reflection."""

from dataclasses import dataclass

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.rewards import bell
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.perturbations.actuators import MotorStrength
from robo_maxent.perturbations.channel import ActionDelay
from robo_maxent.perturbations.gravity import GravityTilt
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.sim.robot import RobotSpec, RobotState
from robo_maxent.spaces import Field

ARM = """
<mujoco model="arm">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.004" integrator="implicitfast"/>
  <default>
    <geom contype="0" conaffinity="0"/>
    <joint armature="0.01"/>
  </default>
  <worldbody>
    <body name="upper arm">
      <joint name="shoulder" axis="0 1 0" range="-2 2"/>
      <geom type="capsule" size="0.02" fromto="0 0 0 0.3 0 0" mass="0.5"/>
      <body name="forearm" pos="0.3 0 0">
        <joint name="elbow" axis="0 1 0" range="-2.5 2.5"/>
        <geom type="capsule" size="0.015" fromto="0 0 0 0.25 0 0" mass="0.3"/>
        <site name="tip" pos="0.25 0 0"/>
        <body name="finger" pos="0.25 0 0">
          <joint name="finger" type="slide" axis="1 0 0" range="0 0.05"/>
          <geom type="box" size="0.01 0.01 0.01" mass="0.02"/>
        </body>
      </body>
    </body>
    <body name="target" mocap="true" pos="0.4 0 0.2">
      <geom type="sphere" size="0.02"/>
    </body>
  </worldbody>
  <actuator>
    <position name="shoulder" joint="shoulder" kp="60" kv="4" forcerange="-30 30"/>
    <position name="elbow" joint="elbow" kp="30" kv="2" forcerange="-15 15"/>
    <position name="finger" joint="finger" kp="50" kv="1" forcerange="-5 5"/>
  </actuator>
  <keyframe>
    <key name="home" qpos="-0.8 1.2 0.01" ctrl="-0.8 1.2 0.01"/>
  </keyframe>
</mujoco>
"""

# The elbow before the shoulder, unlike the joints; the finger is not for the policy.
ARM_SPEC = RobotSpec(ARM, actuators=("elbow", "shoulder"), sites={"fingertip": "tip"})


@dataclass
class Reaching(EpisodeState):
    """Running episodes of reaching."""

    target: np.ndarray
    """World frame, m, (N, 3)."""


class ArmReach(MujocoTask[Reaching, RobotState]):
    """Bring the fingertip to a target that stands somewhere else in each episode."""

    name = "arm-reach"
    summary = "an arm reaches for a target"
    robot_spec = ARM_SPEC
    perturbations = (MotorStrength(), SensorNoise(), ActionDelay(), GravityTilt())
    observation = (
        Field("joint position", "rad", 2, noise=0.01),
        Field("joint velocity", "rad/s", 2),
        Field("fingertip", "m", 3),
        Field("target", "m", 3),
    )
    action = (Field("joint target from home", "action scale", 2),)
    action_scale = np.array([0.8, 0.5])  # rad; elbow, shoulder
    substeps = 5
    episode_steps = 30

    def episode_state(self, n: int) -> Reaching:
        """N episodes that have not begun."""
        return Reaching.blank(n, self.action_size, target=np.zeros((n, 3)))

    def reset(self, episode: Reaching, sim: int, rng: np.random.Generator) -> Initial:
        """Move the target, and close the finger by as much as the seed says."""
        target = rng.uniform([0.3, 0.0, -0.2], [0.5, 0.0, 0.3])
        finger = rng.uniform(0.0, 0.05)
        episode.target[sim] = target
        return Initial(
            self.robot.home_qpos,
            ctrl=np.append(self.robot.home_qpos[:2], finger),
            mocap_pos=target[None],
            mocap_quat=np.array([[0.0, 0.0, 0.0, 1.0]]),
        )

    def observe(self, episode: Reaching, state: RobotState) -> np.ndarray:
        """Its joints, its fingertip and the target."""
        tip = state.site_position["fingertip"]
        parts = [state.joint_position, state.joint_velocity, tip, episode.target]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 10)

    def reward_terms(
        self, episode: Reaching, state: RobotState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Near the target."""
        return {"near": bell(self._distance(episode, state) / 0.2)}

    def terminated(self, episode: Reaching, state: RobotState) -> np.ndarray:
        """Never."""
        return np.zeros(len(episode.elapsed), bool)

    def success(self, episode: Reaching, sim: int) -> bool:
        """It is not judged."""
        return True

    def _distance(self, episode: Reaching, state: RobotState) -> np.ndarray:
        return np.linalg.norm(state.site_position["fingertip"] - episode.target, axis=1)
