"""The live page: a session in a browser, in real time, with all that can be done to it.

Whatever a widget asks for is done between two control steps, in the thread that simulates.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.errors import RoboMaxentError
from robo_maxent.play.pace import Pace
from robo_maxent.play.panels import (
    DrivePanel,
    EffectPanel,
    GoalHandle,
    GroundPanel,
    PushPanel,
    Widgets,
)
from robo_maxent.play.recorder import Recorder
from robo_maxent.play.scene import Scene
from robo_maxent.play.session import Session
from robo_maxent.rendering.video import VideoSettings

FRAME = 1 / 30  # s between two pictures in the browser
STATUS = 0.25  # s between two lines of status
REST = 1.0  # s that an end is shown for, before the next episode begins
IDLE = 0.02  # s between two looks at what was asked for, while nothing moves
TOLD_SECONDS = 8.0  # that a notice is shown for
KEYS = "**space** pause · **N** one step · **R** next episode · **P** push"


class Page:
    """A session in a browser."""

    def __init__(self, server: Any, session: Session, next_film: Callable[[], Path]) -> None:
        """Build the page; who can be driven has no time limit, unless somebody wants it.

        Args:
            server: A ``viser.ViserServer``.
            session: What is shown.
            next_film: The next file to film into.
        """
        self._server, self.session, self._next_film = server, session, next_film
        self._recorder, self._scene = Recorder(session), Scene(server)
        self._pace = Pace(session.task.control_dt)
        self._over_since: float | None = None
        self._last_frame = self._last_status = -np.inf
        self._is_paused, self._follows = False, session.place is not None
        self.films: list[Path] = []
        """Those that were made."""
        session.limit_time(session.task.command_limits is None)
        self._middle = session.place
        self._scene.show(session.task, session.snapshot, self._middle)
        self._widgets = Widgets(server)
        server.gui.configure_theme(control_width="large", show_share_button=False)
        self._status = server.gui.add_markdown("")
        self._build_running()
        self._build_panels()
        self._tell()
        server.on_client_connect(self._aim)

    def run(self) -> None:
        """Simulate in real time until Ctrl-C, and finish a film that is being made."""
        try:
            while True:
                self.tick(time.monotonic())
                due = self._pace.next_step
                until = time.monotonic() + IDLE if due is None else due
                time.sleep(float(np.clip(until - time.monotonic(), 0.0, IDLE)))
        except KeyboardInterrupt:
            return
        finally:
            if (path := self._recorder.stop()) is not None:
                self.films.append(path)

    def tick(self, now: float) -> None:
        """Do what was asked for, simulate what is due, and show it.

        Args:
            now: A clock that does not jump, s.
        """
        for ask in self._widgets.asked():
            try:
                ask()
            except (RoboMaxentError, OSError) as error:
                self._notify("That did not work", str(error))
        self._advance(now)
        if now - self._last_frame >= FRAME:
            self._last_frame = now
            self._show()
        if now - self._last_status >= STATUS:
            self._last_status = now
            self._tell()

    def _advance(self, now: float) -> None:
        """Take the control steps that are due, or wait a while where an episode is over."""
        if self._is_paused or self.session.is_over:
            self._pace.rest()
        else:
            self._pace.took(now, sum(self._step() for _ in range(self._pace.due(now))))
        if not self.session.is_over:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        elif now - self._over_since >= REST and not self._is_paused:
            self.session.reset()

    def _step(self) -> bool:
        stepped = self.session.step()
        if stepped:
            try:
                self._recorder.after_step()
            except (RoboMaxentError, OSError) as error:
                self._film.label = "Record"
                self._notify("The film is lost", str(error))
        return stepped

    def _show(self) -> None:
        session = self.session
        if self._follows or session.seconds == 0.0:  # a fixed camera stands where it last was
            self._middle = session.place
        self._scene.show(session.task, session.snapshot, self._middle)
        if self._goal is not None:
            self._goal.show()

    # Widgets.

    def _build_running(self) -> None:
        """Time, camera and film."""
        gui, widgets = self._server.gui, self._widgets
        gui.add_markdown(KEYS)
        does = {"Pause": self._pause, "Step": self._one_step, "Next episode": self.session.reset}
        buttons = gui.add_button_group("Time", tuple(does))
        buttons.on_click(widgets.ask(lambda: does[buttons.value]()))
        self._limit = gui.add_checkbox("Time limit", initial_value=self.session.has_time_limit)
        self._limit.on_update(widgets.ask(lambda: self.session.limit_time(self._limit.value)))
        self._view = gui.add_dropdown("View", tuple(self._scene.cameras) or ("free",))
        self._view.on_update(widgets.ask(self._aim_all))
        if self._follows:
            follow = gui.add_checkbox("Camera follows", initial_value=True)
            follow.on_update(widgets.ask(lambda: setattr(self, "_follows", follow.value)))
        self._film = gui.add_button("Record", hint="An mp4 in videos/")
        self._film.on_click(widgets.ask(self._record))
        widgets.key("Pause, or go on", "space", self._pause)
        widgets.key("One control step", "N", self._one_step)
        widgets.key("Next episode", "R", self.session.reset)

    def _build_panels(self) -> None:
        """What can be done to the simulation."""
        session, widgets = self.session, self._widgets
        if session.task.command_limits is not None:
            DrivePanel(widgets, session)
        if session.pusher is not None:
            PushPanel(widgets, session)
        if session.kinds:
            GroundPanel(widgets, session)
        others = [each for each in session.controls.values() if each.effect is not session.pusher]
        for title, momentary in (("Happens once", True), ("Lasts", False)):
            controls = [each for each in others if each.is_momentary == momentary]
            if controls:
                with self._server.gui.add_folder(title):
                    for control in controls:
                        EffectPanel(widgets, session, control)
        has_goal = session.goal is not None
        self._goal = GoalHandle(widgets, session, self._give_time) if has_goal else None

    def _pause(self) -> None:
        self._is_paused = not self._is_paused

    def _one_step(self) -> None:
        self._is_paused = True
        self._step()

    def _give_time(self) -> None:
        """Leave time to reach a goal that somebody moved."""
        self._limit.value = False
        self.session.limit_time(False)

    def _record(self) -> None:
        if self._recorder.is_on:
            self._film.label = "Record"
            path = self._recorder.stop()
            assert path is not None
            self.films.append(path)
            self._notify("Recorded", str(path))
        else:
            self._recorder.start(self._next_film(), VideoSettings(camera=self._camera))
            self._film.label = "Stop recording"

    # What is told and shown.

    @property
    def _camera(self) -> str | None:
        """Of the robot file; None: it has none."""
        return self._view.value if self._scene.cameras else None

    def _aim(self, client: Any) -> None:
        """Let a browser look from where the chosen camera does."""
        view = self._scene.view(self._camera)
        with client.atomic():
            client.camera.position, client.camera.look_at = view.position, view.at
            client.camera.fov = view.fov

    def _aim_all(self) -> None:
        for client in self._server.get_clients().values():
            self._aim(client)

    def _tell(self) -> None:
        session, factor = self.session, self._pace.factor
        lines = [f"**{session.task.name}** · {session.seconds:.1f} s"]
        if self._is_paused:
            lines[0] += " · paused"
        elif factor is not None:
            lines[0] += f" · {factor:.2f} × real time"
        if session.ended is not None:
            lines.append(f"**{_outcome(session)}**")
        if (command := session.command) is not None:
            lines.append("command {:+.2f} {:+.2f} m/s, {:+.2f} rad/s".format(*command))
        if session.ground is not None:
            lines.append("ground {}, level {}".format(*session.ground))
        if self._recorder.is_on:
            lines.append("recording")
        self._status.content = "<br>\n".join(lines)

    def _notify(self, title: str, body: str) -> None:
        for client in self._server.get_clients().values():
            client.add_notification(title, body, auto_close_seconds=TOLD_SECONDS)


def _outcome(session: Session) -> str:
    """How the episode ended."""
    ended = session.ended
    assert ended is not None
    if ended.policy_error is not None:
        return ended.policy_error
    if ended.diverged:
        return "the simulation became unstable"
    seconds = f"{ended.length * session.task.control_dt:.1f} s"
    if ended.terminated:
        return f"failed after {seconds}"
    return f"{'success' if ended.success else 'no success'} after {seconds}"
