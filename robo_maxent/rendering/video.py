"""A policy acting, as an mp4, without a display."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

from robo_maxent.envs.interface import Simulations
from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.envs.task import Task
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import Act, Guard, seeing
from robo_maxent.rendering.backend import find_backend
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import load
from robo_maxent.types import Arrow, Episode

ARROW_RADIUS = 0.012  # m
PUSH_RGBA = (0.85, 0.0, 0.4, 1.0)
PUSH_RADIUS = 0.022  # m
PUSH_SCALE = 0.005  # m of arrow for each N
PUSH_LENGTHS = (0.25, 0.8)  # m
PUSH_ABOVE = np.array([0.0, 0.0, 0.12])  # the base, m: on the back, since the trunk would hide it
PUSH_SECONDS = 0.4
"""A push is shown for at least this time: most last a tenth of a second, which nobody sees."""
BLOCK = 16
"""Video codecs want frame sides that are a multiple of this, pixels."""


class Camera:
    """Draws one simulation of a VecEnv, decorations included."""

    def __init__(self, env: VecEnv[Any], camera: str, width: int, height: int) -> None:
        """Open a renderer.

        Args:
            env: Whose simulations to draw.
            camera: Camera of the robot file.
            width: Multiple of 16, pixels.
            height: Multiple of 16, pixels.

        Raises:
            UsageError: A size is not a multiple of 16, or the camera does not exist.
            RenderingError: No OpenGL backend works.
        """
        if width % BLOCK or height % BLOCK or min(width, height) < BLOCK:
            raise UsageError(f"width and height must be multiples of {BLOCK}, got {width}x{height}")
        find_backend()
        self._env, self._size = env, (height, width)
        names = [env.task.robot.model.camera(i).name for i in range(env.task.robot.model.ncam)]
        if camera not in names:
            raise UsageError(f"unknown camera {camera!r}; the robot has: {', '.join(names)}")
        self._camera = camera
        self._patch: int | None = None
        self._open(0)

    def frame(self, sim: int = 0) -> np.ndarray:
        """Picture of simulation ``sim`` now, uint8, (height, width, 3)."""
        if self._env.memory.patch[sim] != self._patch:
            self.close()
            self._open(int(self._env.memory.patch[sim]))
        self._data.qpos[:] = self._env.batch.bind("qpos")[sim]
        mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera)
        for arrow in self._env.task.arrows(self._env.memory, self._env.now, sim):
            self._draw(arrow, ARROW_RADIUS)
        for arrow in pushes(self._env, sim):
            self._draw(arrow, PUSH_RADIUS)
        return self._renderer.render().copy()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def _open(self, patch: int) -> None:
        """Load the decorated world with one patch of its terrain: all of them would fill a GPU."""
        task = self._env.task
        pool = None if task.pool is None else task.pool.only(patch)
        self._patch, self._model = patch, load(task.model_file, decorations=True, pool=pool)
        self._data = mujoco.MjData(self._model)
        self._renderer = mujoco.Renderer(self._model, *self._size)

    def _draw(self, arrow: Arrow, radius: float) -> None:
        scene = self._renderer.scene
        geom = scene.geoms[scene.ngeom]
        kind = mujoco.mjtGeom.mjGEOM_ARROW
        nowhere, rgba = np.zeros(3), np.array(arrow.rgba, np.float32)
        mujoco.mjv_initGeom(geom, kind, nowhere, nowhere, np.eye(3).ravel(), rgba)
        end = arrow.start + arrow.vector
        mujoco.mjv_connector(geom, kind, radius, arrow.start, end)
        scene.ngeom += 1


def pushes(env: VecEnv[Any], sim: int) -> list[Arrow]:
    """An arrow on the back of ``sim`` for each push that acts or did a moment ago."""
    forces = env.pushes(sim, PUSH_SECONDS)
    size = np.linalg.norm(forces, axis=1, keepdims=True)
    vectors = forces / size * np.clip(PUSH_SCALE * size, *PUSH_LENGTHS)
    start = env.now.base_position[sim] + PUSH_ABOVE
    return [Arrow(start, vector, PUSH_RGBA) for vector in vectors]


@dataclass(frozen=True)
class Look:
    """How a video looks."""

    camera: str = "tracking"
    """Camera of the robot file: tracking or side."""
    width: int = 640
    """Pixels, a multiple of 16."""
    height: int = 480
    """Pixels, a multiple of 16."""
    fps: int = 25
    """Pictures per second; the video runs in real time."""


def record(
    act: Act,
    task: Task[Any],
    seed: int,
    path: str | os.PathLike[str],
    seconds: float | None = None,
    look: Look | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Record the first episode of a seed; the last pictures show how it ended.

    Args:
        act: Policy.
        task: What to do.
        seed: Seed of the episode: the one that ``evaluate`` runs first with this seed.
        path: An mp4 file, written at once when complete.
        seconds: Stop after this time; None: at the end of the episode.
        look: Camera and size.
        progress: Called with control steps done and control steps in all.

    Returns:
        The episode, or None if it was cut short.

    Raises:
        UsageError: A value of ``look`` or ``seconds`` is not allowed.
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    look = look or Look()
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds must be > 0, got {seconds}")
    if not 1 <= look.fps <= round(1 / task.control_dt):
        raise UsageError(f"fps must be in 1..{round(1 / task.control_dt)}, got {look.fps}")
    env = task.evaluation_env(1, seed)
    camera = Camera(env, look.camera, look.width, look.height)
    scene = Scene(env, camera.frame, task.control_dt, task.episode_steps)
    try:
        return film(seeing(act, task.policy_size), scene, path, seconds, look.fps, progress)
    finally:
        camera.close()


@dataclass(frozen=True)
class Scene:
    """What is filmed."""

    env: Simulations
    """One simulation; it is reset first."""
    frame: Callable[[], np.ndarray]
    """Picture of it now, uint8, (height, width, 3), the sides multiples of 16."""
    control_dt: float
    """Time between two actions, s."""
    steps: int
    """Control steps that no episode exceeds."""


def film(
    act: Act,
    scene: Scene,
    path: str | os.PathLike[str],
    seconds: float | None,
    fps: int,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Film the first episode of a scene, acting on whole observations; see :func:`record`."""
    steps, dt = scene.steps, scene.control_dt
    if seconds is not None:
        steps = min(steps, round(seconds / dt))
    obs = scene.env.reset()
    guard, ended = Guard(act), None
    shown = 0
    first = scene.frame()
    with writing(path, first.shape[1], first.shape[0], fps) as write:
        for count in range(steps):
            if count * dt * fps >= shown:
                write(scene.frame())
                shown += 1
            step = scene.env.step(guard(obs))
            obs = step.obs
            if progress:
                progress(count + 1, steps)
            if step.episodes:
                ended = guard.judge(0, step.episodes[0])
                break
    return ended


def render_frame(env: VecEnv[Any], sim: int = 0, look: Look | None = None) -> np.ndarray:
    """One picture of a simulation, uint8, (height, width, 3)."""
    look = look or Look()
    camera = Camera(env, look.camera, look.width, look.height)
    try:
        return camera.frame(sim)
    finally:
        camera.close()


@contextmanager
def writing(
    path: str | os.PathLike[str], width: int, height: int, fps: int
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write an H.264 video that every browser plays; the file appears when it is complete.

    Args:
        path: The mp4 file.
        width: Multiple of 16, pixels.
        height: Multiple of 16, pixels.
        fps: Pictures per second.

    Yields:
        What takes the next picture, uint8, (height, width, 3).
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    writer = imageio_ffmpeg.write_frames(
        str(temporary), (width, height), fps=fps, quality=7, macro_block_size=BLOCK
    )
    writer.send(None)  # start the encoder
    try:
        try:
            yield lambda frame: writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
