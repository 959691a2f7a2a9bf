"""A video can be decoded, shows something, and moves; without OpenGL the fix is printed."""

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from robo_maxent import video
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.tasks import make
from robo_maxent.vec_env import VecEnv

SMALL = video.Look(width=160, height=112)


def sway(obs: np.ndarray) -> np.ndarray:
    return np.full((len(obs), 12), 0.5 * np.sin(obs[:, 48:49] * 3.0))


def frames(path: Path) -> tuple[dict[str, object], np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    width, height = meta["size"]
    shots = [np.frombuffer(raw, np.uint8).reshape(height, width, 3) for raw in reader]
    return meta, np.array(shots)


def test_a_recording_is_decodable_not_black_and_moves(tmp_path: Path) -> None:
    path = tmp_path / "new/walk.mp4"
    cut = video.record(sway, make("quadruped-flat"), 1, path, seconds=0.8, look=SMALL)
    assert cut is None  # cut short: not an episode
    meta, shots = frames(path)
    assert meta["size"] == (160, 112)
    assert meta["fps"] == 25
    assert len(shots) == 20
    assert shots.std() > 10
    assert np.abs(shots[-1].astype(int) - shots[0]).mean() > 1
    assert [p.name for p in path.parent.iterdir()] == ["walk.mp4"]


def test_the_robot_in_the_picture_is_decorated() -> None:
    env = VecEnv(make("quadruped-flat"), 2, 0)
    env.reset()
    picture = video.render_frame(env, 1, SMALL).astype(int)
    orange = (picture[..., 0] > 180) & (picture[..., 2] < 90)
    assert orange.sum() > 5


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (video.Look(width=100), "multiples of 16, got 100x480"),
        (video.Look(camera="top"), "unknown camera 'top'; the robot has: tracking, side"),
        (video.Look(fps=60), r"fps must be in 1\.\.50, got 60"),
    ],
)
def test_a_bad_look_is_refused_and_leaves_no_file(
    tmp_path: Path, look: video.Look, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        video.record(sway, make("quadruped-flat"), 1, tmp_path / "v.mp4", look=look)
    assert not list(tmp_path.iterdir())


def test_without_opengl_the_fix_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    video.find_backend.cache_clear()
    monkeypatch.setattr(video, "works", lambda backend: "no library")
    try:
        with pytest.raises(RenderingError, match=r"apt-get install -y libegl1"):
            video.find_backend()
        monkeypatch.setenv("MUJOCO_GL", "osmesa")
        with pytest.raises(RenderingError, match="tried MUJOCO_GL=osmesa"):
            video.find_backend()
    finally:
        video.find_backend.cache_clear()


def test_a_backend_that_fails_is_found_out_in_a_subprocess() -> None:
    assert video.works("no-such-backend") is not None


def test_importing_the_package_needs_no_opengl() -> None:
    code = "from robo_maxent.tasks import make; make('quadruped-flat')"
    subprocess.run([sys.executable, "-c", code], check=True, env={"MUJOCO_GL": "disable"})
