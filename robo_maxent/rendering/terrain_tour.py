"""A film of one robot over several kinds of ground, one after the other, rising in level."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.envs.task import Task
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import Act, Guard, seeing
from robo_maxent.rendering.video import Camera, Look, writing

STOPS = (
    ("rough", 2),
    ("slope_up", 3),
    ("waves", 4),
    ("obstacles", 4),
    ("stairs_up", 5),
    ("stairs_down", 6),
)
"""Kinds of terrain and levels."""

SECONDS = 6.0  # at each stop
MOST_SEEDS = 500  # that are tried for an episode that goes ahead
CAPTION_HEIGHT = 22  # pixels


def tour(
    act: Act,
    task: Task[Any],
    seed: int,
    path: str | os.PathLike[str],
    stops: Sequence[tuple[str, int]] = STOPS,
    look: Look | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, int, bool]]:
    """Film a policy for a few seconds on each kind of ground, on patches it was not trained on.

    The episode at a stop is the first, from ``seed`` on, whose first command leads away from the
    flat platform. Episodes in which the robot falls are not replaced.

    Args:
        act: Policy.
        task: A task that walks on terrain.
        seed: Where to look for episodes from.
        path: An mp4 file, written at once when complete.
        stops: Kind of terrain and level, one after the other.
        look: Camera and size.
        progress: Called with control steps done and control steps in all.

    Returns:
        Kind, level, and whether the robot fell there, for each stop.

    Raises:
        UsageError: The task has no terrain, or does not walk on it.
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    look = look or Look()
    if task.pool is None or not hasattr(task, "goes_ahead"):
        raise UsageError(f"a tour is for tasks that walk on terrain; {task.name} does not")
    act, steps = Guard(seeing(act, task.policy_size)), round(SECONDS / task.control_dt)
    fallen = []
    with writing(path, look.width, look.height, look.fps) as write:
        for number, (kind, level) in enumerate(stops):
            env, obs = _begin(task, kind, level, seed)
            camera = Camera(env, look.camera, look.width, look.height)
            caption = f"{kind.replace('_', ' ')}, level {level} of {task.pool.levels - 1}"
            fell, shown = False, 0
            try:
                for count in range(steps):
                    if count * task.control_dt * look.fps >= shown:
                        write(_captioned(camera.frame(), caption))
                        shown += 1
                    step = env.step(act(obs))
                    obs, fell = step.obs, fell or bool(step.terminated[0])
                    if progress:
                        progress(number * steps + count + 1, len(stops) * steps)
                    if step.episodes:
                        break
            finally:
                camera.close()
            fallen.append((kind, level, fell))
    return fallen


def _begin(task: Any, kind: str, level: int, seed: int) -> tuple[VecEnv[Any], np.ndarray]:
    """An episode on a kind of ground, at its beginning."""
    pool = type(task.pool)((kind,), task.pool.levels, task.pool.variants, task.pool.seed)
    there = task.on(pool)
    there.level = level
    env = there.evaluation_env(1, seed)
    for number in range(seed, seed + MOST_SEEDS):
        env.seed = number
        obs = env.reset()
        if there.goes_ahead(env.memory, 0):
            return env, obs
    raise UsageError(f"none of {MOST_SEEDS} episodes goes ahead")


def _captioned(frame: np.ndarray, caption: str) -> np.ndarray:
    """The picture with a line of words on it."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(CAPTION_HEIGHT)
    where = (CAPTION_HEIGHT, frame.shape[0] - 2 * CAPTION_HEIGHT)
    draw.text(where, caption, font=font, fill="white", stroke_width=2, stroke_fill="black")
    return np.asarray(image)
