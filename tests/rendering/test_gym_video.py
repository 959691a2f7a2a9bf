"""A Gymnasium environment on film: its own pictures, of any size, or the reason why not."""

from pathlib import Path
from typing import Any

import gym_worlds
import imageio_ffmpeg
import numpy as np
import pytest

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import EnvError, RenderingError, UsageError
from robo_maxent.rendering.gym_video import record

PICTURE = np.full((50, 70, 3), 255, np.uint8)


class Drawn(gym_worlds.Counter):
    """Draws a white picture of odd sides, or fails to."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self, render_mode: str | None = None, fails: bool = False, drawn: Any = PICTURE
    ) -> None:
        super().__init__()
        self.render_mode, self.fails, self.drawn = render_mode, fails, drawn

    def render(self) -> Any:
        if self.fails:
            raise ImportError("pygame is not installed")
        return self.drawn


class Filmed(gym_worlds.Counter):
    """Draws four pictures a step of a second, each brighter than the last, or no list of them."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "rgb_array_list"], "render_fps": 4}
    dt = 1.0

    def __init__(self, render_mode: str | None = None, fails: bool = False) -> None:
        super().__init__()
        self.render_mode, self.fails, self.since = render_mode, fails, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.since = 1
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.since = 4
        return super().step(action)

    def render(self) -> Any:
        last = 10 * 4 * self.t
        shades = range(last - 10 * (self.since - 1), last + 1, 10)
        pictures = [np.full((32, 48, 3), shade, np.uint8) for shade in shades]
        return np.stack(pictures) if self.fails else pictures


def stay(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 1))


def test_an_episode_is_filmed_at_the_pace_of_its_environment(tmp_path: Path) -> None:
    task = GymTask(gym_worlds.register("Drawn", Drawn))
    episode = record(stay, task, 2, tmp_path / "film.mp4")
    assert episode is not None
    assert (episode.length, episode.seed) == (5, 2)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    meta = next(reader)
    assert (meta["size"], meta["fps"]) == ((80, 64), 20)
    frames = [np.frombuffer(frame, np.uint8).reshape(64, 80, 3) for frame in reader]
    assert len(frames) == 5
    assert frames[0][:48, :64].min() > 200
    assert frames[0][56:].max() < 60
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_all_pictures_of_a_step_are_shown_and_the_last_is_of_the_end(tmp_path: Path) -> None:
    task = GymTask(gym_worlds.register("Filmed", Filmed))
    assert (task.control_dt, task.picture_rate) == (1.0, 4)
    assert GymTask(gym_worlds.register("Drawn", Drawn)).picture_rate is None
    record(stay, task, 2, tmp_path / "film.mp4")
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    assert next(reader)["fps"] == 4
    shades = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    assert len(shades) == 1 + 4 * 5
    np.testing.assert_allclose(shades, 10.0 * np.arange(21), atol=3.0)
    record(stay, task, 2, tmp_path / "film.mp4", seconds=2.0)
    assert len(list(imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4")))[1:]) == 1 + 4 + 3
    broken = GymTask(gym_worlds.register("Filmed", Filmed, fails=True))
    with pytest.raises(EnvError, match=r"returned ndarray from render\(\), where a list of"):
        record(stay, broken, 2, tmp_path / "broken.mp4")


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (
            np.full((50, 70, 3), 0.5),
            r"draws float64 of shape \(50, 70, 3\); allowed is an array of",
        ),
        (PICTURE[..., 0], r"draws uint8 of shape \(50, 70\)"),
        (PICTURE.transpose(2, 0, 1), r"draws uint8 of shape \(3, 50, 70\)"),
        (PICTURE[:0], r"draws uint8 of shape \(0, 70, 3\)"),
        ([PICTURE], "gave no picture to record but list"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, drawn: Any, says: str) -> None:
    task = GymTask(gym_worlds.register("Drawn", Drawn, drawn=drawn))
    with pytest.raises(EnvError, match=says):
        record(stay, task, 2, tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def test_a_moment_is_one_picture_and_transparency_is_left_out(tmp_path: Path) -> None:
    transparent = np.dstack([PICTURE, PICTURE[..., :1]])
    task = GymTask(gym_worlds.register("Drawn", Drawn, drawn=transparent))
    assert record(stay, task, 2, tmp_path / "film.mp4", seconds=0.001) is None
    frames = list(imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4")))[1:]
    assert len(frames) == 1
    record(stay, task, 2, tmp_path / "film.mp4", seconds=float("inf"))


def test_an_encoder_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    task = GymTask(gym_worlds.register("Drawn", Drawn))
    with pytest.raises(RenderingError, match=r"ffmpeg can't write .*film.mp4: [^\n]+$"):
        record(stay, task, 2, tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def test_an_environment_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures to record; its render modes: none"):
        record(stay, GymTask("test/Counter-v0"), 2, tmp_path / "film.mp4")
    broken = GymTask(gym_worlds.register("Drawn", Drawn, fails=True))
    with pytest.raises(EnvError, match="can't draw itself: ImportError: pygame is not"):
        record(stay, broken, 2, tmp_path / "film.mp4")
    with pytest.raises(UsageError, match="seconds must be > 0"):
        record(stay, broken, 2, tmp_path / "film.mp4", seconds=0.0)
    with pytest.raises(UsageError, match=r"film.gif can.t be a film: its name must end in .mp4"):
        record(stay, broken, 2, tmp_path / "film.gif")
    assert not list(tmp_path.iterdir())
