"""Films a policy as an mp4, without a display."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from robo_maxent.envs.interface import VecEnv
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.envs.robot_task import RobotTask
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.evaluation.rollout import CheckedPolicy, begin, policy_view
from robo_maxent.files import FileKind, atomic_path, require_place, require_room
from robo_maxent.rendering.backend import find_backend
from robo_maxent.rendering.world import DecoratedWorld
from robo_maxent.seeds import Purpose
from robo_maxent.sim.physics import mujoco
from robo_maxent.types import Act, Arrow, Episode, Snapshot

FILM = FileKind("a film", rb"....ftyp", ".mp4")
BLOCK = 16
"""Video codecs want frame sides that are a multiple of this, pixels."""
QUALITY = 7  # of 10
PRESET = "veryfast"
"""Of libx264: half the time of its usual one, for files that are 4 % larger."""
BROKEN_PIPE = os.strerror(errno.EPIPE)
"""What imageio quotes, as text, where ffmpeg ended early."""
LOG_LEVEL = "fatal"
"""What ffmpeg itself says on stderr: why it does not begin, and nothing of a full disk."""
FREE_CAMERA = -1
"""MuJoCo's number of the camera that looks at the whole model, of a robot file that has none."""


class Camera:
    """Draws snapshots of a task's simulations, decorations included."""

    def __init__(
        self, task: RobotTask[Any, Any], camera: str | None, width: int, height: int
    ) -> None:
        """Look for an OpenGL backend; a renderer is opened for the first picture.

        Args:
            task: What is simulated.
            camera: Camera of the robot file; None: its first.
            width: Multiple of 16, pixels.
            height: Multiple of 16, pixels.

        Raises:
            UsageError: A size is not a multiple of 16, or the camera does not exist.
            RenderingError: No OpenGL backend works.
        """
        if width % BLOCK or height % BLOCK or min(width, height) < BLOCK:
            raise UsageError(f"width and height must be multiples of {BLOCK}, got {width}x{height}")
        find_backend()
        model = task.robot.model
        names = [model.camera(i).name for i in range(model.ncam)]
        if camera is not None and camera not in names:
            known = ", ".join(names) or "none"
            raise UsageError(f"unknown camera {camera!r}; the robot has: {known}")
        chosen = camera or (names[0] if names else FREE_CAMERA)
        self._world, self._camera, self._size = DecoratedWorld(task), chosen, (height, width)
        self._renderer: mujoco.Renderer | None = None

    def frame(self, snapshot: Snapshot) -> np.ndarray:
        """Picture of a simulation, uint8, (height, width, 3)."""
        if self._world.show(snapshot):
            self.close()  # a renderer has one model: all patches would fill a GPU
        renderer = self._renderer or mujoco.Renderer(self._world.model, *self._size)
        self._renderer = renderer
        renderer.update_scene(self._world.data, self._camera)
        for arrow in snapshot.arrows:
            _draw(renderer.scene, arrow)
        return renderer.render().copy()

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None


FPS = 25
"""Pictures per second, unless others are asked for."""


@dataclass(frozen=True)
class VideoSettings:
    """How a video looks."""

    camera: str | None = None
    """Camera of the robot file, such as side; None: its first."""
    width: int = 640
    """Pixels, a multiple of 16."""
    height: int = 480
    """Pixels, a multiple of 16."""
    fps: int | None = None
    """Pictures per second; the video runs in real time. None: 25, or one a control step."""

    def rate(self, control_dt: float) -> int:
        """Pictures per second, of a task that is controlled every ``control_dt`` s.

        Raises:
            UsageError: More are asked for than there are control steps.
        """
        most = max(round(1 / control_dt), 1)
        if self.fps is None:
            return min(FPS, most)
        if not 1 <= self.fps <= most:
            raise UsageError(f"fps must be in 1..{most}, got {self.fps}")
        return self.fps


def record(
    act: Act,
    task: MujocoTask[Any, Any],
    seed: int,
    path: str | os.PathLike[str],
    seconds: float | None = None,
    settings: VideoSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Record the first episode of a seed; the last pictures show how it ended.

    Args:
        act: Policy.
        task: What to do.
        seed: Seed of the episode, which no training and no evaluation meets.
        path: An mp4 file, written at once when complete.
        seconds: Stop after this time; None: at the end of the episode.
        settings: Camera and size.
        progress: Called with control steps done and control steps in all.

    Returns:
        The episode, or None if it was cut short.

    Raises:
        UsageError: A value of ``settings`` or ``seconds`` is not allowed.
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    settings = settings or VideoSettings()
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds must be > 0, got {seconds}")
    settings.rate(task.control_dt)
    begin(act, 1)
    env = task.evaluation_env(1, seed, purpose=Purpose.FILM)
    return film_env(policy_view(act, task.policy_size), env, path, seconds, settings, progress)


def film_env(
    act: Act,
    env: MujocoVecEnv[Any, Any],
    path: str | os.PathLike[str],
    seconds: float | None,
    settings: VideoSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Film the first episode of the first simulation, acting on whole observations.

    Raises:
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    task = env.task
    camera = Camera(task, settings.camera, settings.width, settings.height)
    scene = Scene(env, lambda: camera.frame(env.snapshot(0)), task.control_dt, task.episode_steps)
    try:
        rate = settings.rate(task.control_dt)
        return film(act, scene, path, seconds, rate, progress)
    finally:
        camera.close()


@dataclass(frozen=True)
class Scene:
    """What is filmed."""

    env: VecEnv
    """One simulation; it is reset first."""
    frame: Callable[[], np.ndarray]
    """Picture of it now, uint8, (height, width, 3), the sides multiples of 16."""
    control_dt: float
    """Time between two actions, s."""
    steps: int
    """Control steps that no episode exceeds."""
    pictures: Callable[[], Sequence[np.ndarray]] = tuple
    """Those of the last step, where more than one is drawn of it, the last being of its end."""


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
        steps = max(round(min(seconds / dt, steps)), 1)
    obs = scene.env.reset()
    checked, ended = CheckedPolicy(act, scene.env.action_space), None
    shown = 0
    with writing(path, fps) as write:
        for count in range(steps):
            if count * dt * fps >= shown:
                write(scene.frame())
                shown += 1
            step = scene.env.step(checked(obs))
            obs = step.obs
            if progress:
                progress(count + 1, steps)
            pictures = scene.pictures()  # the next round shows the last, unless there is none
            for picture in pictures if step.episodes else pictures[:-1]:
                write(picture)
            if step.episodes:
                ended = checked.judge(0, step.episodes[0])
                break
    return ended


@contextmanager
def writing(path: str | os.PathLike[str], fps: int) -> Iterator[Callable[[np.ndarray], None]]:
    """Write an H.264 video that every browser plays; the file appears when it is complete.

    Args:
        path: The mp4 file.
        fps: Pictures per second.

    Yields:
        What takes the next picture, uint8, (height, width, 3), the sides multiples of 16.

    Raises:
        UsageError: The file can't be written, or is there and is no film.
        RenderingError: ffmpeg fails.
    """
    require_place(path, FILM)
    with atomic_path(path) as temporary:
        with _of_ffmpeg(path):
            writer = imageio.get_writer(
                temporary,
                format="FFMPEG",
                mode="I",
                fps=fps,
                quality=QUALITY,
                macro_block_size=BLOCK,
                ffmpeg_log_level=LOG_LEVEL,
                output_params=["-preset", PRESET],
            )

        def write(frame: np.ndarray) -> None:
            with _of_ffmpeg(path):
                writer.append_data(np.ascontiguousarray(frame))

        try:
            yield write
        finally:
            with _of_ffmpeg(path):
                writer.close()
        with _of_ffmpeg(path):
            if b"moov" not in temporary.read_bytes():  # the table of pictures, written last
                raise OSError("it stopped before the end")


@contextmanager
def _of_ffmpeg(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say which film was not written: imageio tells in many ways of an ffmpeg that does not work.

    Raises:
        RenderingError: It does not.
    """
    try:
        yield
    except (OSError, RuntimeError, IndexError) as error:
        raise RenderingError(f"ffmpeg can't write {path}: {_why(error, Path(path))}.") from error


def _why(error: Exception, path: Path) -> str:
    """Why ffmpeg did not write a film, and what to do."""
    try:
        require_room(path.resolve().parent)
    except OSError as no_room:
        return f"{no_room.strerror}. Make room, or choose another place"
    if isinstance(error, IndexError):
        reason = "it does not answer as ffmpeg does"
    elif BROKEN_PIPE in str(error):
        reason = "it ended before the film did"
    else:
        reason = str(error).partition("\n")[0].rstrip(".")
    return (
        f"{reason}. Another ffmpeg is used where the environment variable IMAGEIO_FFMPEG_EXE "
        "names it"
    )


def _draw(scene: Any, arrow: Arrow) -> None:
    geom = scene.geoms[scene.ngeom]
    kind = mujoco.mjtGeom.mjGEOM_ARROW
    nowhere, rgba = np.zeros(3), np.array(arrow.rgba, np.float32)
    mujoco.mjv_initGeom(geom, kind, nowhere, nowhere, np.eye(3).ravel(), rgba)
    mujoco.mjv_connector(geom, kind, arrow.radius, arrow.start, arrow.start + arrow.vector)
    scene.ngeom += 1
