"""Quadrupeds with parameters of effects held at a value, for tests."""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from robo_maxent.assets import path as asset
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.active import ActiveEffects
from robo_maxent.perturbations.params import EpisodeParams, nominal, owner
from robo_maxent.perturbations.ranges import Randomization, level
from robo_maxent.sim.physics import Batch
from robo_maxent.sim.robot import Robot
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import EFFECTS, QUADRUPED
from robo_maxent.types import Step

TASK = make("quadruped-flat")
ROBOT = TASK.robot
A = TASK.action_size
DT = TASK.control_dt
EFFECT = {effect.name: effect for effect in EFFECTS}
NOMINAL = nominal(EFFECTS, ROBOT, 1)
PARAMETERS = tuple(NOMINAL)


def held(n: int, **values: Any) -> EpisodeParams:
    """Nominal parameters, but for some held at a value."""
    params = nominal(EFFECTS, ROBOT, n)
    for name, value in values.items():
        params[name][:] = value
    return params


def environment(params: EpisodeParams) -> MujocoVecEnv[Any, Any]:
    """The first episodes of these parameters, begun."""
    env = MujocoVecEnv(TASK, len(params["payload"]), seed=0, params=params)
    env.reset()
    return env


def in_the_air(env: MujocoVecEnv[Any, Any]) -> MujocoVecEnv[Any, Any]:
    """At rest at a height of 10 m, facing along x."""
    env.batch.bind("qpos")[:, :7] = [0, 0, 10, 1, 0, 0, 0]
    env.batch.bind("qvel")[:] = 0.0
    return env


def stiff_and_standing(env: MujocoVecEnv[Any, Any]) -> MujocoVecEnv[Any, Any]:
    """Every joint is locked: let it come to rest."""
    for _ in range(150):
        assert not env.step(np.zeros((env.n, A))).episodes
    assert np.abs(env.batch.bind("qvel")).max() < 1e-3
    env.batch.forward()
    return env


def written(robot: Robot, params: EpisodeParams, names: str | None = None) -> ActiveEffects:
    """Effects that have begun these episodes on a batch of their own.

    Args:
        robot: A quadruped.
        params: N episodes, which may be changed before they begin again.
        names: The effects that act, one space between them; None: those whose parameters differ.
    """
    n = len(params["payload"])
    effects = ActiveEffects(
        EFFECTS, robot, Batch(robot.model, n, 1), params, TASK.observation, TASK.action_size, DT
    )
    of = owner(EFFECTS, robot)
    differing = {of[name] for name in params.differing(nominal(EFFECTS, robot, 1))}
    effects.activate(differing if names is None else [EFFECT[name] for name in names.split()])
    effects.begin(np.arange(n), np.zeros(n, np.uint64))
    return effects


def batch_of(effects: ActiveEffects) -> Batch:
    """The simulations that effects act on."""
    return effects._batch


def realized(env: MujocoVecEnv[Any, Any], name: str) -> np.ndarray:
    """What every simulation did of an effect in its running episode, (N,)."""
    return np.array([env.effects.realized(sim)[name] for sim in range(env.n)])


def quadruped(change: Callable[[mujoco.MjSpec], None]) -> Robot:
    """The project's quadruped with something about its file changed."""
    spec = mujoco.MjSpec.from_file(str(asset("quadruped.xml")))
    change(spec)
    return Robot(spec.compile(), QUADRUPED)


def heavy() -> Robot:
    """A quadruped of twice the mass."""

    def double(spec: mujoco.MjSpec) -> None:
        for body in spec.bodies[1:]:
            body.mass = 2.0 * body.mass

    return quadruped(double)


def ranges(name: str = "none", /, **changes: Any) -> Randomization:
    """A level of randomization of the quadruped, but for some ranges."""
    return Randomization(EFFECTS, ROBOT, {**level(name, EFFECTS, ROBOT).ranges, **changes})


def drawn(given: Randomization, n: int, seed: int = 0) -> EpisodeParams:
    """N episodes drawn from ranges of the quadruped."""
    params = nominal(EFFECTS, ROBOT, n)
    for sim in range(n):
        given.draw(lambda name, sim=sim: generator(seed, sim, name), params, sim)
    return params


def generator(seed: int, sim: int, name: str) -> np.random.Generator:
    """A generator of its own for each name."""
    return np.random.default_rng([seed, sim, *name.encode()])


def actions(steps: int, n: int, size: float = 1.0) -> np.ndarray:
    """Uniform actions, float32, (steps, N, A)."""
    return np.random.default_rng(0).uniform(-size, size, (steps, n, A)).astype(np.float32)


def flailing(steps: int, n: int) -> np.ndarray:
    """Actions that throw the robot over within a second, held for 5 steps, (steps, N, A)."""
    rng = np.random.default_rng(1)
    return rng.choice([-1.0, 1.0], (steps // 5 + 1, n, A)).repeat(5, axis=0)[:steps]


def run(env: MujocoVecEnv[Any, Any], acts: np.ndarray) -> list[Step]:
    """Steps from a reset."""
    env.reset()
    return [env.step(action) for action in acts]


def everything(steps: int) -> MujocoTask[Any, Any]:
    """All effects at once, with a nearer time limit and the first push and slip within it."""
    task = make("quadruped-flat")
    task.randomization = ranges(
        "hard",
        dead_joint=0.3,
        locked_joint=0.3,
        push_interval=(0.1, 0.4),
        slip=0.7,
        slip_begin=(0.1, 0.6),
        slip_duration=(0.1, 0.5),
    )
    task.episode_steps = steps
    return task
