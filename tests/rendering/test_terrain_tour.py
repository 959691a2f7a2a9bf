"""A tour films each stop on its own ground, and says where the robot fell."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from robo_maxent.errors import UsageError
from robo_maxent.rendering import terrain_tour
from robo_maxent.rendering.video import VideoSettings
from robo_maxent.tasks import make

SMALL = VideoSettings(width=160, height=128)


def stand(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 12))


def fall(obs: np.ndarray) -> np.ndarray:
    return np.tile([1.0, 1.0, 1.0, -1.0, -1.0, -1.0], (len(obs), 2))


def frames(path: Path) -> list[np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path))
    size = next(reader)["size"]
    return [np.frombuffer(frame, np.uint8).reshape(size[1], size[0], 3) for frame in reader]


def test_every_stop_has_its_seconds_its_ground_and_its_caption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terrain_tour, "SECONDS", 0.4)
    path = tmp_path / "tour.mp4"
    stops = (("flat", 0), ("stairs_up", 10))
    told = terrain_tour.tour(stand, make("quadruped-rough"), 0, path, stops, SMALL)
    assert told == [("flat", 0, False), ("stairs_up", 10, False)]
    shown = frames(path)
    assert len(shown) == 2 * 10
    plain, stairs = shown[9].astype(int), shown[19].astype(int)
    assert np.abs(plain - stairs)[:90].mean() > 5, "the second stop looks like the first"
    low = slice(-2 * terrain_tour.CAPTION_HEIGHT, None)
    assert (shown[0][low].min(axis=2) > 240).sum() > 50, "there is no white caption"


def test_a_fall_ends_a_stop_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terrain_tour, "SECONDS", 6.0)
    path = tmp_path / "tour.mp4"
    told = terrain_tour.tour(fall, make("quadruped-rough"), 0, path, (("flat", 0),), SMALL)
    assert told == [("flat", 0, True)]
    assert len(frames(path)) < 150


def test_a_task_without_terrain_has_no_tour(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quadruped-flat does not"):
        terrain_tour.tour(stand, make("quadruped-flat"), 0, tmp_path / "tour.mp4")
    assert not list(tmp_path.iterdir())
