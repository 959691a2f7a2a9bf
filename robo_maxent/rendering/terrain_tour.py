"""Films one robot on several kinds of ground, one after the other, at rising levels."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import CheckedPolicy, begin, policy_view
from robo_maxent.rendering.video import Camera, VideoSettings, writing
from robo_maxent.seeds import Purpose
from robo_maxent.types import Act

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
    task: MujocoTask[Any, Any],
    seed: int,
    path: str | os.PathLike[str],
    stops: Sequence[tuple[str, int]] = STOPS,
    settings: VideoSettings | None = None,
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
        settings: Camera and size.
        progress: Called with control steps done and control steps in all.

    Returns:
        Kind, level, and whether the robot fell there, for each stop.

    Raises:
        UsageError: The task has no terrain, or does not walk on it.
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    settings = settings or VideoSettings()
    if task.terrain is None or not task.tours:
        raise UsageError(f"a tour is for tasks that walk on terrain; {task.name} does not")
    checked = CheckedPolicy(policy_view(act, task.policy_size), task.action_space)
    steps, levels = round(SECONDS / task.control_dt), task.terrain.levels
    fallen = []
    rate = settings.rate(task.control_dt)
    with writing(path, rate) as write:
        for number, (kind, level) in enumerate(stops):
            env, obs = _begin(task, kind, level, seed)
            begin(act, 1)
            camera = Camera(env.task, settings.camera, settings.width, settings.height)
            caption = f"{kind.replace('_', ' ')}, level {level} of {levels - 1}"
            fell, shown = False, 0
            try:
                for count in range(steps):
                    if count * task.control_dt * rate >= shown:
                        write(_captioned(camera.frame(env.snapshot(0)), caption))
                        shown += 1
                    step = env.step(checked(obs))
                    obs, fell = step.obs, fell or bool(step.terminated[0])
                    if progress:
                        progress(number * steps + count + 1, len(stops) * steps)
                    if step.episodes:
                        break
            finally:
                camera.close()
            fallen.append((kind, level, fell))
    return fallen


def _begin(
    task: MujocoTask[Any, Any], kind: str, level: int, seed: int
) -> tuple[MujocoVecEnv[Any, Any], np.ndarray]:
    """An episode on a kind of ground, at its beginning."""
    there = type(task)(**(task.options | {"kinds": [kind], "level": level}))
    env = there.evaluation_env(1, seed, purpose=Purpose.FILM)
    for number in range(seed, seed + MOST_SEEDS):
        env.seed = number
        obs = env.reset()
        if there.goes_ahead(env.episode, 0):
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
