"""Films a policy in a Gymnasium environment as an mp4, without a display."""

import os
from collections.abc import Callable

import numpy as np

from robo_maxent import opengl
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_trial_env import GymTrialEnv
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.evaluation.rollout import begin
from robo_maxent.rendering.backend import find_backend
from robo_maxent.rendering.video import BLOCK, Scene, VideoSettings, film
from robo_maxent.seeds import Purpose
from robo_maxent.types import Act, Episode


def choose_backend() -> str:
    """Choose an OpenGL backend for Gymnasium and dm_control, which read the environment variable.

    Call it before the environment is made for the first time.

    Returns:
        Why there is none, which matters only to environments that draw with OpenGL; else nothing.
    """
    try:
        os.environ[opengl.VARIABLE] = find_backend()
    except RenderingError as error:
        return str(error)
    return ""


def record(
    act: Act,
    task: GymTask,
    seed: int,
    path: str | os.PathLike[str],
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Record the first episode of a seed, as the environment itself draws it.

    Args:
        act: Policy.
        task: What to do.
        seed: Seed of the episode, which no training and no evaluation meets.
        path: An mp4 file, written at once when complete.
        seconds: Stop after this time; None: at the end of the episode.
        progress: Called with control steps done and control steps in all.

    Returns:
        The episode, or None if it was cut short.

    Raises:
        UsageError: The environment has no pictures, or ``seconds`` is not allowed.
        EnvError: The environment crashed, or returned NaN, infinity or no picture.
    """
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds must be > 0, got {seconds}")
    if "rgb_array" not in task.render_modes:
        known = ", ".join(task.render_modes) or "none"
        raise UsageError(f"{task.name} has no pictures to record; its render modes: {known}.")
    env = GymVecEnv(task, 1, seed, purpose=Purpose.FILM, render_mode=task.film_mode)
    begin(act, 1)
    try:
        return film_env(act, task, env, path, seconds, progress)
    finally:
        env.close()


def film_env(
    act: Act,
    task: GymTask,
    env: GymVecEnv | GymTrialEnv,
    path: str | os.PathLike[str],
    seconds: float | None,
    progress: Callable[[int, int], None] | None = None,
) -> Episode | None:
    """Film the first episode of the first simulation, which was made in ``task.film_mode``.

    Raises:
        EnvError: The environment crashed, or returned NaN, infinity or no picture.
    """
    scene = Scene(
        env,
        lambda: _padded(env.frame()),
        task.control_dt,
        task.episode_steps,
        lambda: [_padded(picture) for picture in env.pictures()],
    )
    fps = task.picture_rate or VideoSettings().rate(task.control_dt)
    return film(act, scene, path, seconds, fps, progress)


def _padded(frame: np.ndarray) -> np.ndarray:
    """Add black below and on the right, so that both sides are multiples of 16."""
    below, beside = -frame.shape[0] % BLOCK, -frame.shape[1] % BLOCK
    return np.pad(frame, ((0, below), (0, beside), (0, 0)))
