"""A task defined here alone, an arm that reaches, does all that the quadrupeds do."""

from dataclasses import dataclass, replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.interop import onnx_export
from robo_maxent.learning.config import SacConfig
from robo_maxent.perturbations.actuators import MotorStrength
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.rendering.video import VideoSettings, record
from robo_maxent.robustness import runner
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.stress_test import read, stress_test
from robo_maxent.robustness.suites import find
from robo_maxent.sim.robot import RobotSpec, RobotState
from robo_maxent.spaces import Field, GoalSpec
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.train import Run, train

ARM = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <light pos="0 0 2"/>
    <camera name="above" pos="0 0 1.5"/>
    <body>
      <joint name="shoulder" axis="0 0 1" range="-120 120" damping="0.5" armature="0.02"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02" mass="0.5"/>
      <body pos="0.3 0 0">
        <joint name="elbow" axis="0 0 1" range="-120 120" damping="0.5" armature="0.02"/>
        <geom type="capsule" fromto="0 0 0 0.25 0 0" size="0.015" mass="0.3"/>
        <site name="fingertip" pos="0.25 0 0"/>
      </body>
    </body>
    <body name="target" mocap="true"><geom size="0.02" contype="0" conaffinity="0"/></body>
  </worldbody>
  <actuator>
    <position name="shoulder" joint="shoulder" kp="20" kv="1" forcerange="-8 8"/>
    <position name="elbow" joint="elbow" kp="20" kv="1" forcerange="-8 8"/>
  </actuator>
  <keyframe><key name="home" qpos="0 0.8"/></keyframe>
</mujoco>
"""
CLOSE = 0.1  # m


@dataclass
class Reaching(EpisodeState):
    """Running episodes of reaching."""

    target: np.ndarray
    """World frame, m, (N, 3)."""
    distance: np.ndarray
    """From the fingertip to it, m, (N,)."""


class Reach(MujocoTask[Reaching, RobotState]):
    """Bring the fingertip to the target."""

    name = "arm-reach"
    summary = "a two-joint arm reaches for a point"
    robot_spec = RobotSpec(ARM, sites={"fingertip": "fingertip"})
    observation = (
        Field("joint position", "rad", 2, noise=0.01),
        Field("joint velocity", "rad/s", 2, noise=0.1),
        Field("fingertip", "m", 2),
        Field("target", "m", 2),
    )
    action = (Field("joint target", "action scale", 2),)
    action_scale = np.array([1.2, 1.2])  # rad
    substeps = 4
    episode_steps = 60
    perturbations = (MotorStrength(), SensorNoise())
    deviation_units = {"distance": "m"}
    goal = GoalSpec(
        "fingertip",
        "target",
        lambda obs, action, after: 1.0 - np.tanh(5.0 * _apart(after[:, 4:6], after[:, 6:8])),
        lambda got, want: _apart(got, want) < CLOSE,
    )

    def episode_state(self, n: int) -> Reaching:
        return Reaching.blank(n, self.action_size, target=np.zeros((n, 3)), distance=np.zeros(n))

    def reset(self, episode: Reaching, sim: int, rng: np.random.Generator) -> Initial:
        angle, radius = rng.uniform(-1.0, 1.5), rng.uniform(0.3, 0.5)
        episode.target[sim] = radius * np.cos(angle), radius * np.sin(angle), 0.0
        episode.distance[sim] = 0.0
        return Initial(self.robot.home_qpos, mocap_pos=episode.target[sim : sim + 1])

    def observe(self, episode: Reaching, state: RobotState) -> np.ndarray:
        tip = state.site_position["fingertip"]
        parts = [state.joint_position, state.joint_velocity, tip[:, :2], episode.target[:, :2]]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def reward_terms(
        self, episode: Reaching, state: RobotState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        return {"reach": 1.0 - np.tanh(5.0 * self._distance(episode, state))}

    def terminated(self, episode: Reaching, state: RobotState) -> np.ndarray:
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: Reaching, state: RobotState, action: np.ndarray) -> None:
        super().after_step(episode, state, action)
        episode.distance[:] = self._distance(episode, state)

    def success(self, episode: Reaching, sim: int) -> bool:
        return bool(episode.distance[sim] < CLOSE)

    def metrics(self, episode: Reaching, sim: int) -> dict[str, float | None]:
        return {"distance": float(episode.distance[sim])}

    def deviations(self, episode: Reaching, state: RobotState) -> dict[str, np.ndarray]:
        return {"distance": self._distance(episode, state)}

    def _distance(self, episode: Reaching, state: RobotState) -> np.ndarray:
        return np.linalg.norm(state.site_position["fingertip"] - episode.target, axis=1)


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one - other, axis=1)


CONFIG = TrainConfig(
    envs=32,
    random_steps=20,
    updates_per_step=4,
    evaluate_every=100_000,
    evaluation_episodes=8,
    threads=2,
    sac=SacConfig(width=64),
)


def trained(directory: Path, steps: int, resume: bool = False) -> Run:
    config = replace(CONFIG, steps=steps)
    return train(Reach(randomization="default"), config, directory, resume=resume)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("arm") / "run", 12_800)


def test_it_has_no_base_no_mirror_and_no_ground() -> None:
    task = Reach()
    assert task.mirrors is None
    assert task.terrain is None
    assert not hasattr(task.evaluation_env(1, seed=0).state, "base_position")


class Observing(Reach):
    """It forgot that its target has two elements."""

    observation = (*Reach.observation[:-1], Field("target", "m", 1))


class Lifting(Reach):
    """It has an action more than its robot has actuators."""

    action_scale = np.ones(3)


def test_a_task_whose_arrays_are_not_as_declared_is_refused_by_name() -> None:
    message = r"arm-reach: observe gives shape \(2, 8\), its fields say \(2, 7\)"
    with pytest.raises(EnvError, match=message):
        Observing().evaluation_env(2, seed=0).reset()
    with pytest.raises(UsageError, match=r"arm-reach: the robot has 2 actuators, .* shape \(3,\)"):
        Lifting()


def test_it_learns_to_reach_on_episodes_that_it_was_not_trained_on(run: Run) -> None:
    reached = summarize(evaluate(run.policy, Reach(), 64)).success
    idle = summarize(evaluate(Reach().baselines()["zero action"], Reach(), 64)).success
    assert reached is not None and idle is not None  # noqa: PT018
    assert reached.low > 0.7
    assert idle.high < reached.low


def test_a_training_that_was_interrupted_goes_on_exactly(tmp_path: Path) -> None:
    trained(tmp_path / "whole", 2_560)
    trained(tmp_path / "parts", 1_280)
    trained(tmp_path / "parts", 1_280, resume=True)
    whole, parts = (load_file(tmp_path / p / "policy-last.safetensors") for p in ("whole", "parts"))
    for name, tensor in whole.items():
        np.testing.assert_array_equal(tensor, parts[name])


def test_it_is_filmed_with_its_target(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "arm.mp4"
    record(run.policy, Reach(), 0, path, settings=VideoSettings(width=320, height=240))
    frames = iio.imread(path, plugin="FFMPEG")
    assert frames.shape == (30, 240, 320, 3)
    assert frames[0].std() > 5.0
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 50


def test_it_is_stress_tested_and_a_row_of_it_runs_again(run: Run, tmp_path: Path) -> None:
    task, policy = Reach(), PolicyUnderTest("reacher", run.policy, run.policy.sample)
    stress_test(find("quick").only(["motor_strength"], task), task, [policy], tmp_path, clips=0)
    rows, description = read(tmp_path)
    assert {row.axis for row in rows} == {"nominal", "motor_strength"}
    limits = description["safe_set"]["reacher"]["mean"]["limits"]
    assert limits.keys() == {"distance"}
    row = next(row for row in rows if row.axis == "motor_strength" and row.severity == 0.6)
    again = runner.replay(row, task, policy)
    assert (again.length, again.reward) == (row.length, row.reward)
    assert "Weak motors" in (tmp_path / "report.html").read_text()


def test_it_is_exported(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "arm.onnx"
    assert onnx_export.write(run.policy, path, np.random.default_rng(0)) < 1e-5
    session = onnxruntime.InferenceSession(str(path))
    obs = Reach().evaluation_env(1, seed=0).reset()
    (target,) = session.run(["joint_target"], {"observation": obs})
    assert np.abs(np.asarray(target) - [[0.0, 0.8]]).max() <= 1.2 + 1e-6
