"""The page does to a session what its widgets say, and shows what there is."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from robo_maxent.errors import RenderingError
from robo_maxent.play import recorder
from robo_maxent.play.page import REST, Page
from robo_maxent.play.panels import PushPanel
from robo_maxent.play.server import HOST, serving
from robo_maxent.play.session import Session
from robo_maxent.rendering.video import VideoSettings
from robo_maxent.tasks import make

pytestmark = pytest.mark.skipif(find_spec("viser") is None, reason="needs the extra viewer: viser")

DT = 0.02


@contextmanager
def shown(name: str, folder: Path, **options: Any) -> Iterator[Page]:
    task = make(name, **options)
    policy = task.baselines().get("hold pose") or next(iter(task.baselines().values()))
    with serving(HOST, 0) as server:
        yield Page(server, Session(policy, task, seed=1), lambda: folder / "film.mp4")


@pytest.fixture(scope="module")
def walking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with shown("quadruped-flat", tmp_path_factory.mktemp("films")) as page:
        yield page


def widget(page: Page, label: str) -> Any:
    """The widget of a label."""
    handles = page._server.gui._gui_input_handle_from_uuid.values()
    found = [each for each in handles if getattr(each, "label", None) == label]
    assert len(found) == 1, label
    return found[0]


def press(page: Page, label: str) -> None:
    """Ask for what a button does, as a click would."""
    widget(page, label)._impl.update_cb[0](None)


def hit(page: Page, key: str) -> None:
    """Ask for what a key does."""
    commands = page._server.gui._command_handle_from_uuid.values()
    command = next(each for each in commands if each.hotkey == key)
    command._impl.trigger_cb[0](None)


def settle(page: Page, is_so: Callable[[], bool]) -> None:
    """Tick, with time standing still, until what was asked for in another thread has come."""
    until = time.monotonic() + 5.0
    while not is_so() and time.monotonic() < until:
        page.tick(0.0)
        time.sleep(0.01)
    assert is_so()


def test_it_simulates_as_much_time_as_goes_by_and_says_how_fast(walking: Page) -> None:
    hit(walking, "R")
    walking.tick(10.0)
    before = walking.session.seconds
    for step in range(1, 101):
        walking.tick(10.0 + step * DT)
    assert walking.session.seconds - before == pytest.approx(2.0, abs=0.05)
    assert "1.00 × real time" in walking._status.content


def test_keys_and_sliders_command_the_robot(walking: Page) -> None:
    session = walking.session
    for _ in range(3):
        hit(walking, "I")
    hit(walking, "L")
    walking.tick(0.0)
    assert session.command == pytest.approx([0.6, 0.0, -0.2])
    assert widget(walking, "ahead, m/s").value == pytest.approx(0.6)
    widget(walking, "left, m/s").value = 0.3
    settle(walking, lambda: session.command is not None and session.command[1] == 0.3)
    for _ in range(30):
        hit(walking, "I")
    walking.tick(0.0)
    assert session.command == pytest.approx([1.0, 0.3, -0.2])
    hit(walking, "X")
    walking.tick(0.0)
    assert session.command == pytest.approx(np.zeros(3))


def test_the_push_button_pushes_as_hard_as_it_says(walking: Page) -> None:
    session, panel = walking.session, PushPanel(walking._widgets, walking.session)
    panel._direction.value, panel._impulse.value = "ahead", 4.0
    capture = session.capture_impulse
    assert capture is not None
    times = f"{4.0 / capture.towards(0.0):.2f} capture impulses, in 0.1 s"
    settle(walking, lambda: panel._measure.content == times)
    panel._push()
    assert [4.0, 0.0, 0.0] in session._env.params["push_impulse"][0].tolist()


def test_a_switch_holds_an_effect_its_slider_sets_it_and_off_is_off(walking: Page) -> None:
    session, switch = walking.session, widget(walking, "Payload")
    slider = widget(walking, "·  kg")
    assert not slider.visible
    switch.value = True
    settle(walking, lambda: session.differing.get("payload") == 3.0)
    assert slider.visible
    slider.value = 5.04
    settle(walking, lambda: session.differing.get("payload") == pytest.approx(5.04))
    switch.value = False
    settle(walking, lambda: "payload" not in session.differing)
    assert not slider.visible


def test_paused_nothing_moves_but_single_steps(walking: Page) -> None:
    hit(walking, "R")
    hit(walking, "space")
    walking.tick(20.0)
    for step in range(10):
        walking.tick(20.1 + step)
    assert walking.session.seconds == 0.0
    assert "paused" in walking._status.content
    hit(walking, "N")
    hit(walking, "N")
    walking.tick(31.0)
    assert walking.session.seconds == pytest.approx(2 * DT)
    hit(walking, "space")
    walking.tick(31.1)
    walking.tick(31.2)
    assert walking.session.seconds > 3 * DT


def test_after_an_end_the_outcome_is_shown_for_a_while_then_the_next_episode_begins(
    walking: Page,
) -> None:
    session = walking.session
    hit(walking, "R")
    walking.tick(40.0)
    session._env.batch.bind("qpos")[0, 2] = 0.05  # it lies
    walking.tick(40.02)
    assert session.is_over
    walking.tick(40.5)
    assert "failed after 0.0" in walking._status.content
    assert session.is_over
    walking.tick(40.6 + REST)
    assert not session.is_over


def test_what_can_not_be_is_told_and_the_page_goes_on(
    walking: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(walking, "_notify", lambda title, body: told.append(body))
    walking._widgets.ask(lambda: walking.session.push(0.0, 1e6))(None)
    walking.tick(0.0)
    assert len(told) == 1
    assert "push_impulse must be within" in told[0]


def test_a_film_shows_what_happened_in_simulated_time(
    walking: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = VideoSettings(width=64, height=48)
    monkeypatch.setattr("robo_maxent.play.page.VideoSettings", lambda camera: small)
    try:
        recorder.Camera(walking.session.task, None, 64, 48)
    except RenderingError as error:
        pytest.skip(str(error))
    hit(walking, "R")
    walking.tick(60.0)
    press(walking, "Record")
    walking.tick(60.02)
    assert walking._recorder.is_on
    for step in range(2, 42):
        walking.tick(60.0 + step * DT)
    press(walking, "Stop recording")
    walking.tick(61.0)
    [path] = walking.films
    frames = iio.imread(path, plugin="FFMPEG")
    assert 18 <= len(frames) <= 23  # 0.8 s at 25 Hz
    assert frames.std() > 10


def test_a_robot_in_the_page_is_where_the_simulation_has_it(walking: Page) -> None:
    hit(walking, "R")
    for step in range(30):
        walking.tick(70.0 + step * DT)
    walking.tick(71.0)
    scene, session = walking._scene, walking.session
    body = session.robot.base_body
    frame = scene._bodies[body]
    place = session.place
    assert place is not None
    assert frame.position == pytest.approx(place, abs=1e-9)
    assert np.asarray(scene._root.position) == pytest.approx([-place[0], -place[1], 0.0])
    assert len(scene._geoms) == int((scene.world.model.geom_group < 3).sum())


def test_a_fixed_camera_stays_where_it_is_while_the_robot_goes_on(walking: Page) -> None:
    session, follow = walking.session, widget(walking, "Camera follows")
    session.reset()
    walking._show()
    follow.value = False
    settle(walking, lambda: not walking._follows)
    stands = np.array(walking._scene._root.position)
    base = session.robot.base_qpos
    session._env.batch.bind("qpos")[0, base] += 0.5
    session.step()
    walking._show()
    assert walking._scene._root.position == pytest.approx(stands)
    follow.value = True
    settle(walking, lambda: walking._follows)
    walking._show()
    assert walking._scene._root.position[0] == pytest.approx(stands[0] - 0.5, abs=0.05)


def test_arrows_are_those_of_the_moment(walking: Page) -> None:
    session, scene = walking.session, walking._scene
    session.reset()
    session.push(0.0, 3.0)
    session.step()
    walking._show()
    arrows = session.snapshot.arrows
    drawn = [each for each in scene._arrows if each.visible]
    assert len(drawn) == len(arrows) >= 1
    for handle, arrow in zip(drawn, arrows, strict=True):
        assert handle.points[0, 1] - handle.points[0, 0] == pytest.approx(arrow.vector, abs=1e-6)
        assert handle.shaft_radius == arrow.radius
    for _ in range(50):
        session.step()
    walking._show()
    now = [each for each in scene._arrows if each.visible]
    assert len(now) == len(session.snapshot.arrows) < len(arrows)


def test_an_arm_has_a_goal_to_drag_and_the_shape_that_its_object_has(tmp_path: Path) -> None:
    with shown("arm-push", tmp_path) as page:
        session = page.session
        assert session.has_time_limit
        assert page._goal is not None
        handle = page._goal._handle
        handle.position = (0.5, 0.05, 0.02)
        page._goal._move()
        assert session.goal == pytest.approx([0.5, 0.05, 0.02])
        assert not session.has_time_limit  # there is time to get there
        session.reset()
        page._show()
        assert handle.position == pytest.approx(session.goal)
        session.set_perturbation("object_size", 1.6)
        page._show()
        sizes = page._scene.world.model.geom_size
        np.testing.assert_array_equal(page._scene._sizes, sizes)


def test_rough_ground_is_drawn_where_feet_meet_it(tmp_path: Path) -> None:
    with shown("quadruped-rough", tmp_path, kinds=("stairs_up",)) as page:
        widget(page, "Kind").value = "stepping_stones"
        widget(page, "Level").value = 6.0
        press(page, "Begin there")
        page.tick(0.0)
        session, scene = page.session, page._scene
        assert session.ground == ("stepping_stones", 6)
        page._show()
        model = scene.world.model
        ground = model.geom("ground").id
        points = np.asarray(scene._geoms[ground].vertices) + model.geom_pos[ground]
        x, y = points[::97, 0][None], points[::97, 1][None]
        patch = session._env.episode.patch[:1]
        heights = session.task.pool.height(patch, x.astype(float), y.astype(float))
        np.testing.assert_allclose(points[::97, 2], heights[0], atol=1e-3)


def test_ctrl_c_ends_it_in_good_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shown("quadruped-flat", tmp_path) as page:
        ticks = iter(range(3))

        def tick(now: float) -> None:
            if next(ticks, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(page, "tick", tick)
        page.run()
    assert not [each for each in threading.enumerate() if each.name.startswith("viser")]
