"""The arm with parameters of effects held at a value, for tests."""

from functools import cache
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.params import EpisodeParams, nominal
from robo_maxent.tasks import make
from robo_maxent.tasks.arm import ArmTask
from robo_maxent.tasks.arm_effects import EFFECTS, VARIED
from robo_maxent.tasks.arm_pick import ArmPick
from robo_maxent.tasks.arm_reach import ArmReach

REACH, PICK = ArmReach(randomization="none"), ArmPick(randomization="none")
REACH.episode_steps = PICK.episode_steps = 500
ROBOT = REACH.robot
DT = REACH.control_dt
A = REACH.action_size
HALF = float(ROBOT.object_half[0, 2])
OBJECT = int(ROBOT.object_bodies[0])
BOX, CYLINDER = ROBOT.object_geoms.tolist()
START, MOTION = int(ROBOT.object_qpos[0]), int(ROBOT.object_dof[0])
CLOSE = np.array([0.0, 0.0, 0.0, -1.0])
ARM_TASKS = ("arm-reach", "arm-reach-joints", "arm-push", "arm-pick")
EFFECT = {effect.name: effect for effect in EFFECTS}
NOMINAL = nominal(EFFECTS, ROBOT, 1)


def held(n: int, **values: Any) -> EpisodeParams:
    """Nominal parameters, but for some held at a value; a row of one object may be a column."""
    params = nominal(EFFECTS, ROBOT, n)
    for name, value in values.items():
        given = np.asarray(value)
        shape = params[name].shape
        params[name][:] = given[:, None] if given.ndim == 1 and shape == (n, 1) else given
    return params


def environment(
    params: EpisodeParams, task: ArmTask = REACH, seed: int = 0
) -> MujocoVecEnv[Any, Any]:
    """The first episodes of these parameters, begun."""
    env = MujocoVecEnv(task, len(params["table_height"]), seed, threads=1, params=params)
    env.reset()
    return env


def put(env: MujocoVecEnv[Any, Any], x: float, y: float, facing: float = 0.0) -> None:
    """Put the objects at a place on their tables, turned about the normal, at rest."""
    task: Any = env.task
    for sim in range(env.n):
        surface, above = task.surface(env.episode, sim), task.half_height(env.episode, sim)
        pose = surface.lying(np.array([x, y]), above, facing)
        env.batch.bind("qpos")[sim, START : START + 7] = np.concatenate(pose)
    env.batch.bind("qvel")[:] = 0.0
    env.batch.forward()


def rest(env: MujocoVecEnv[Any, Any], steps: int) -> None:
    """Let time pass."""
    for _ in range(steps):
        env.step(np.zeros((env.n, A)))


def place(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """Where the objects are, world frame, m, (N, 3)."""
    return env.state.object_position[:, 0].copy()


@cache
def built(name: str, level: str | None = None) -> Any:
    """A task of the arm at a level of randomization; None: its own."""
    return make(name, randomization=level)


def of_shape(task: Any, cylinders: float) -> Any:
    """The task with a share of cylinders, and else as it is varied by itself."""
    return make(task.name, randomization={**VARIED, "cylinders": cylinders})


def begun(task: Any, n: int, seed: int = 0) -> MujocoVecEnv[Any, Any]:
    """Episodes of a task that have just begun."""
    env = MujocoVecEnv(task, n, seed, threads=1)
    env.reset()
    return env
