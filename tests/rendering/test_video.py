"""A video can be decoded, shows something, and moves; without OpenGL the fix is printed."""

import errno
import gc
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import mujoco
import numpy as np
import pytest

from robo_maxent import opengl
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.perturbations.params import EpisodeParams, nominal
from robo_maxent.perturbations.pushes import RGBA
from robo_maxent.rendering import backend, video
from robo_maxent.sim.mjcf import DECORATION_GROUP
from robo_maxent.sim.robot import load
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import EFFECTS
from robo_maxent.types import Arrow, Snapshot

SMALL = video.VideoSettings(width=160, height=112)


def sway(obs: np.ndarray) -> np.ndarray:
    return np.full((len(obs), 12), 0.5 * np.sin(obs[:, 48:49] * 3.0))


def frames(path: Path) -> tuple[dict[str, object], np.ndarray]:
    return iio.immeta(path, plugin="FFMPEG"), iio.imread(path, plugin="FFMPEG")


def pushed(n: int) -> EpisodeParams:
    return nominal(EFFECTS, make("quadruped-flat").robot, n)


def shown(env: MujocoVecEnv[Any, Any], sim: int) -> list[Arrow]:
    """The arrows of pushes in a snapshot."""
    return [arrow for arrow in env.snapshot(sim).arrows if arrow.rgba == RGBA]


def test_a_recording_is_decodable_not_black_and_moves(tmp_path: Path) -> None:
    path = tmp_path / "new/walk.mp4"
    cut = video.record(sway, make("quadruped-flat"), 1, path, seconds=0.8, settings=SMALL)
    assert cut is None  # cut short: not an episode
    meta, shots = frames(path)
    assert meta["size"] == (160, 112)
    assert meta["fps"] == 25
    assert len(shots) == 20
    assert shots.std() > 10
    assert np.abs(shots[-1].astype(int) - shots[0]).mean() > 1
    assert [p.name for p in path.parent.iterdir()] == ["walk.mp4"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RuntimeError("No ffmpeg exe could be found.\nInstall it"), "No ffmpeg exe could be found"),
        (IndexError("list index out of range"), "it does not answer as ffmpeg does"),
        (OSError("[Errno 32] Broken pipe\n\nFFMPEG COMMAND"), "it ended before the film did"),
    ],
)
def test_an_ffmpeg_that_does_not_work_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(video.imageio, "get_writer", broken)
    message = (
        rf"^ffmpeg can't write .*walk\.mp4: {reason}\. Another .*IMAGEIO_FFMPEG_EXE names it\.$"
    )
    with pytest.raises(RenderingError, match=message), video.writing(tmp_path / "walk.mp4", 25):
        pass
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_in_a_line_and_ffmpeg_says_nothing_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_room(place: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    temporary = tmp_path / "walk.mp4"
    temporary.symlink_to("/dev/full")  # as a disk that became full after the first look
    monkeypatch.setattr(video, "atomic_path", nullcontext)
    monkeypatch.setattr(video, "require_place", lambda *_: None)
    monkeypatch.setattr(video, "require_room", no_room)
    noise = np.random.default_rng(0).integers(0, 255, (40, 160, 160, 3), np.uint8)
    message = r"^ffmpeg can't write .*walk\.mp4: No space left on device\. Make room, or choose"

    def film() -> None:
        with video.writing(temporary, 25) as write:
            for frame in noise:
                write(frame)

    with pytest.raises(RenderingError, match=message):
        film()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"....ftypisom half of a film"])
def test_a_film_that_ffmpeg_did_not_finish_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    class Killed:
        def __init__(self, path: Path, **_: object) -> None:
            path.write_bytes(data)

        def close(self) -> None: ...

    monkeypatch.setattr(video.imageio, "get_writer", Killed)
    (tmp_path / "walk.mp4").write_bytes(b"....ftypisom of before")
    film = tmp_path / "walk.mp4"
    with pytest.raises(RenderingError, match="stopped before the end"), video.writing(film, 25):
        pass
    assert (tmp_path / "walk.mp4").read_bytes() == b"....ftypisom of before"


def test_reading_a_film_on_a_busy_machine_fails_no_later_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = tmp_path / "walk.mp4"
    with video.writing(film, 25) as write:
        for _ in range(3):
            write(np.zeros((16, 16, 3), np.uint8))
    # so slow does ffmpeg end that imageio loses patience: it is killed, and never waited for
    monkeypatch.setattr(subprocess.Popen, "poll", lambda process: process.returncode)
    assert len(iio.imread(film, plugin="FFMPEG")) == 3
    gc.collect()  # which may happen in any test that comes later


def test_what_is_no_film_is_not_replaced_by_one(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("notes, not a film")
    for name, message in (("notes.mp4", "is not a film: it would be lost"), ("a.gif", r"\.mp4")):
        with pytest.raises(UsageError, match=message), video.writing(tmp_path / name, 25):
            pass
    assert (tmp_path / "notes.mp4").read_text() == "notes, not a film"


def test_the_robot_in_the_picture_is_decorated() -> None:
    env = MujocoVecEnv(make("quadruped-flat"), 2, 0)
    env.reset()
    camera = video.Camera(env.task, "tracking", 160, 112)
    picture = camera.frame(env.snapshot(1)).astype(int)
    camera.close()
    orange = (picture[..., 0] > 180) & (picture[..., 2] < 90)
    assert orange.sum() > 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (video.VideoSettings(width=100), "multiples of 16, got 100x480"),
        (video.VideoSettings(camera="top"), "unknown camera 'top'; the robot has: tracking, side"),
        (video.VideoSettings(fps=60), r"fps must be in 1\.\.50, got 60"),
    ],
)
def test_bad_settings_are_refused_and_leaves_no_file(
    tmp_path: Path, settings: video.VideoSettings, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        video.record(sway, make("quadruped-flat"), 1, tmp_path / "v.mp4", settings=settings)
    assert not list(tmp_path.iterdir())


OPENGL_WORDS = {
    "egll": "^MUJOCO_GL=egll names no OpenGL backend: unset it, or let it be one of egl, os",
    "Off": "^Pictures are switched off by MUJOCO_GL=Off: unset MUJOCO_GL.$",
    "on": r"\(egl: no library; osmesa: no library; glfw: no library\)",
    "OSMesa ": r"\(osmesa: no library\). Unset MUJOCO_GL=OSMesa , if",
    "glx": r"\(glfw: no library\)",
    "EGL": r"\(egl: no library\)",
}


def test_mujoco_gl_is_settled_as_dm_control_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, settled in {"EGL": "egl", "glx": "glfw", " Off": "off", "on": "on"}.items():
        monkeypatch.setenv("MUJOCO_GL", word)
        opengl.settle()
        assert os.environ["MUJOCO_GL"] == settled
    monkeypatch.delenv("MUJOCO_GL")
    opengl.settle()
    assert "MUJOCO_GL" not in os.environ


def test_without_opengl_the_fix_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    backend.find_backend.cache_clear()
    monkeypatch.setattr(backend, "works", lambda name: "no library")
    try:
        with pytest.raises(RenderingError, match=r"apt-get install -y libegl1"):
            backend.find_backend()
        for word, says in OPENGL_WORDS.items():
            monkeypatch.setenv("MUJOCO_GL", word)
            with pytest.raises(RenderingError, match=says):
                backend.find_backend()
        monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "9")
        with pytest.raises(RenderingError, match="Unset MUJOCO_GL=EGL MUJOCO_EGL_DEVICE_ID=9"):
            backend.find_backend()
    finally:
        backend.find_backend.cache_clear()


def test_a_backend_that_fails_is_found_out_in_a_subprocess() -> None:
    assert backend.works("no-such-backend") is not None


def arrows(camera: video.Camera, rgba: tuple[float, ...]) -> list[np.ndarray]:
    """Directions of the arrows of a colour in the last picture, world frame, (3,) each."""
    assert camera._renderer is not None
    scene = camera._renderer.scene
    kind = mujoco.mjtGeom.mjGEOM_ARROW
    drawn = [geom for geom in scene.geoms[: scene.ngeom] if geom.type == kind]
    return [geom.mat[:, 2].copy() for geom in drawn if np.allclose(geom.rgba, rgba)]


def test_a_push_is_an_arrow_in_the_picture_along_its_force() -> None:
    task = make("quadruped-flat")
    params = pushed(2)
    params["push_duration"][0, 0], params["push_impulse"][0, 0] = 0.1, [6.0, -8.0, 0.0]
    env = MujocoVecEnv(task, 2, 0, params=params)
    env.reset()
    camera = video.Camera(task, "tracking", 64, 64)
    try:
        camera.frame(env.snapshot(0))
        assert not arrows(camera, RGBA), "nothing was pushed yet"
        env.step(np.zeros((2, 12)))
        camera.frame(env.snapshot(0))
        (direction,) = arrows(camera, RGBA)
        force = env.batch.bind("xfrc_applied")[0, task.robot.base_body, :3]
        np.testing.assert_allclose(direction, force / np.linalg.norm(force), atol=1e-6)
        camera.frame(env.snapshot(1))
        assert not arrows(camera, RGBA), "the other robot was not pushed"
    finally:
        camera.close()


def test_a_short_push_is_shown_for_a_moment_longer_than_it_acts() -> None:
    task = make("quadruped-flat")
    params = pushed(1)
    params["push_begin"][0, 0], params["push_duration"][0, 0] = 0.2, 0.1
    params["push_impulse"][0, 0] = [5.0, 0.0, 0.0]
    env = MujocoVecEnv(task, 1, 0, params=params)
    env.reset()
    force = env.batch.bind("xfrc_applied")[0, task.robot.base_body, :3]
    acting, drawn = [], []
    for _ in range(40):
        env.step(np.zeros((1, 12)))
        acting.append(int(force.any()))
        drawn.append(len(shown(env, 0)))
    assert acting == [0] * 10 + [1] * 5 + [0] * 25
    assert drawn == [0] * 10 + [1] * 20 + [0] * 10  # of 0.02 s


def test_the_arrow_of_a_push_grows_with_its_force_within_limits() -> None:
    task = make("quadruped-flat")
    impulses = (0.5, 8.0, 12.0, 100.0)
    params = pushed(len(impulses))
    params["push_duration"][:, 0], params["push_impulse"][:, 0, 1] = 0.1, impulses
    env = MujocoVecEnv(task, len(impulses), 0, params=params)
    env.reset()
    assert not shown(env, 2), "nothing was pushed yet"
    env.step(np.zeros((len(impulses), 12)))
    lengths = [np.linalg.norm(shown(env, sim)[0].vector) for sim in range(len(impulses))]
    np.testing.assert_allclose(lengths, [0.25, 0.4, 0.6, 0.8])


def test_a_long_push_is_shown_to_its_end_and_a_new_episode_begins_without_it() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 35
    params = pushed(1)
    params["push_duration"][0, 0], params["push_impulse"][0, 0] = 1.0, [0.0, 5.0, 0.0]
    env = MujocoVecEnv(task, 1, 0, params=params)
    env.reset()
    seen = []
    for _ in range(45):
        env.step(np.zeros((1, 12)))
        seen.append(len(shown(env, 0)))
    assert seen == [1] * 34 + [0] * 11


# -- geoms that effects moved or resized ---------------------------------------


def altered() -> tuple[video.Camera, MujocoVecEnv[Any, Any]]:
    """An arm at a level table with a small box; at a tilted, raised one with a large cylinder."""
    task = make("arm-push")
    params = nominal(task.perturbations, task.robot, 2)
    params["table_tilt"][1], params["table_height"][1] = [0.2, -0.1], 0.1
    params["object_shape"][1], params["object_size"][1] = 1, 1.6
    env = MujocoVecEnv(task, 2, 0, threads=1, params=params)
    env.reset()
    return video.Camera(task, "side", 160, 112), env


def drawn(camera: video.Camera) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Place, orientation and size of the named geoms of the physics in the last picture."""
    model, data = camera._world.model, camera._world.data
    return {
        model.geom(i).name: (data.geom_xpos[i].copy(), data.geom_xmat[i].copy(), model.geom_size[i])
        for i in range(model.ngeom)
        if model.geom(i).name and model.geom_group[i] != DECORATION_GROUP
    }


def test_geoms_of_the_physics_come_in_the_same_order_with_and_without_decorations() -> None:
    for name in ("arm-push", "quadruped-flat"):
        path = make(name).robot_spec.model
        bare, full = load(path), load(path, decorations=True)
        physical = np.flatnonzero(full.geom_group != DECORATION_GROUP)
        assert bare.ngeom == len(physical) < full.ngeom
        for ours, theirs in enumerate(physical.tolist()):
            assert bare.geom(ours).name == full.geom(theirs).name
            np.testing.assert_array_equal(bare.geom_size[ours], full.geom_size[theirs])


def test_a_picture_shows_the_table_and_the_object_where_the_simulation_has_them() -> None:
    camera, env = altered()
    try:
        for sim in (0, 1, 0):
            camera.frame(env.snapshot(sim))
            model, data = env.batch.get_model(sim), env.batch.get_data(sim)
            mujoco.mj_forward(model, data)
            shown = drawn(camera)
            assert len(shown) >= 5
            for name, (place, turn, size) in shown.items():
                geom = model.geom(name).id
                np.testing.assert_allclose(place, data.geom_xpos[geom], atol=1e-9, err_msg=name)
                np.testing.assert_allclose(turn, data.geom_xmat[geom], atol=1e-9, err_msg=name)
                np.testing.assert_array_equal(size, model.geom_size[geom])
    finally:
        camera.close()


def test_pictures_of_altered_geoms_differ_and_leave_nothing_behind() -> None:
    camera, env = altered()
    try:
        level, tilted = (env.snapshot(sim) for sim in range(2))
        bare = Snapshot(level.qpos, level.mocap_pos, level.mocap_quat, 0, ())
        first, other, again, plain = (
            camera.frame(snapshot).astype(int) for snapshot in (bare, tilted, level, bare)
        )
        assert (np.abs(other - first).max(axis=2) > 20).mean() > 0.02
        np.testing.assert_array_equal(again, first)
        np.testing.assert_array_equal(plain, first)
    finally:
        camera.close()


def test_importing_the_package_needs_no_opengl() -> None:
    code = "from robo_maxent.tasks import make; make('quadruped-flat')"
    subprocess.run([sys.executable, "-c", code], check=True, env={"MUJOCO_GL": "disable"})
