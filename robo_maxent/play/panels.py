"""Folders of widgets of the live page, each for one kind of thing that can be done to a session."""

import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from robo_maxent.perturbations.pushes import DIRECTIONS
from robo_maxent.play.controls import Control
from robo_maxent.play.session import Session

SLIDER_STEPS = 50
KEY_STEPS = 5  # presses of a key from a standstill to the largest command
CAPTURES = 3.0  # capture impulses, of the hardest push offered
HARDEST = 25.0  # N·s, the same where there is no such measure: 250 N on a hand, for 0.1 s
GOAL_SCALE = 0.12  # m, of the handle on a goal
DRIVE_KEYS = "**I K** ahead, back · **J L** turn · **U O** sideways · **X** stand"
DRIVING = (
    ("I", 0, 1, "Faster ahead"),
    ("K", 0, -1, "Slower, or back"),
    ("U", 1, 1, "To the left"),
    ("O", 1, -1, "To the right"),
    ("J", 2, 1, "Turn left"),
    ("L", 2, -1, "Turn right"),
)
"""Key, element of the command, which way, and what the list of keys says."""


class Widgets:
    """What panels are built with; what widgets ask for waits until somebody does it."""

    def __init__(self, server: Any) -> None:
        """Build on a ``viser.ViserServer``."""
        self.gui, self.scene = server.gui, server.scene
        self._asked: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def ask(self, what: Callable[[], object]) -> Callable[[Any], None]:
        """What a widget calls, in a thread of the server."""
        return lambda event: self._asked.put(what)

    def asked(self) -> list[Callable[[], object]]:
        """What was asked for since the last time."""
        taken = []
        with suppress(queue.Empty):
            while True:
                taken.append(self._asked.get_nowait())
        return taken

    def key(self, label: str, key: str, what: Callable[[], object]) -> None:
        """Let a key of the keyboard ask for something."""
        self.gui.add_command(label, hotkey=key).on_trigger(self.ask(what))

    def slider(self, label: str, limits: tuple[float, float], step: float, first: float) -> Any:
        """A slider; it takes the value nearest to ``first`` that it can have."""
        low, high = map(float, limits)
        value = float(np.clip(first, low, high))
        return self.gui.add_slider(label, min=low, max=high, step=step, initial_value=value)


class DrivePanel:
    """The command, by sliders and keys."""

    def __init__(self, widgets: Widgets, session: Session) -> None:
        """Build it, for a task that takes commands."""
        limits = session.task.command_limits
        assert limits is not None
        self._session, (self._low, self._high) = session, limits
        names = ("ahead, m/s", "left, m/s", "turn, rad/s")
        with widgets.gui.add_folder("Drive"):
            widgets.gui.add_markdown(DRIVE_KEYS)
            self._sliders = [
                widgets.slider(name, (low, high), 0.01, 0.0)
                for name, low, high in zip(names, *limits, strict=True)
            ]
        for slider in self._sliders:
            slider.on_update(widgets.ask(self._command))
        for key, element, sign, label in DRIVING:
            widgets.key(label, key, lambda element=element, sign=sign: self._faster(element, sign))
        widgets.key("Stand", "X", self._stand)

    def _command(self) -> None:
        self._session.set_command(np.array([slider.value for slider in self._sliders]))

    def _faster(self, element: int, sign: int) -> None:
        slider, low, high = self._sliders[element], self._low[element], self._high[element]
        slider.value = float(np.clip(slider.value + sign * high / KEY_STEPS, low, high))
        self._command()

    def _stand(self) -> None:
        for slider in self._sliders:
            slider.value = 0.0
        self._command()


class PushPanel:
    """A push of the robot: where to, how hard, and the button."""

    def __init__(self, widgets: Widgets, session: Session) -> None:
        """Build it, for a robot that can be pushed."""
        self._session, capture = session, session.capture_impulse
        most = CAPTURES * capture.towards(np.pi / 2) if capture else HARDEST
        with widgets.gui.add_folder("Push"):
            self._direction = widgets.gui.add_dropdown(
                "Direction", tuple(DIRECTIONS), initial_value="left"
            )
            self._impulse = widgets.slider(
                "Impulse, N·s", (0.0, round(most, 1)), 0.1, round(most / CAPTURES, 1)
            )
            self._measure = widgets.gui.add_markdown("", visible=capture is not None)
            button = widgets.gui.add_button("Push", hint="Key P")
        button.on_click(widgets.ask(self._push))
        for widget in (self._direction, self._impulse):
            widget.on_update(widgets.ask(self._tell))
        widgets.key("Push", "P", self._push)
        self._tell()

    @property
    def _towards(self) -> float:
        return float(np.deg2rad(DIRECTIONS[self._direction.value]))

    def _push(self) -> None:
        self._session.push(self._towards, self._impulse.value)

    def _tell(self) -> None:
        if (capture := self._session.capture_impulse) is not None:
            times = self._impulse.value / capture.towards(self._towards)
            self._measure.content = f"{times:.2f} capture impulses, in 0.1 s"


class GroundPanel:
    """Kind and level of the ground, or of the table."""

    def __init__(self, widgets: Widgets, session: Session) -> None:
        """Build it, for a task that has several."""
        assert session.ground is not None
        kind, level = session.ground
        most = session.task.pool.levels - 1
        with widgets.gui.add_folder("Ground"):
            kinds = widgets.gui.add_dropdown("Kind", session.kinds, initial_value=kind)
            levels = widgets.slider("Level", (0, most), 1.0, level)
            button = widgets.gui.add_button("Begin there")
        button.on_click(widgets.ask(lambda: session.set_ground(kinds.value, int(levels.value))))


class EffectPanel:
    """One effect: a button or a switch, and how hard, and to what."""

    def __init__(self, widgets: Widgets, session: Session, control: Control) -> None:
        """Build it; what says how much of a lasting effect is hidden while that is off."""
        self._session, self._control, axis = session, control, control.axis
        self._main: Any = (
            widgets.gui.add_button(axis.title, hint=axis.summary)
            if control.is_momentary
            else widgets.gui.add_checkbox(axis.title, initial_value=False, hint=axis.summary)
        )
        self._case: Any = widgets.gui.add_dropdown("·  which", axis.cases) if axis.cases else None
        self._severity: Any = None
        if axis.is_scale:
            low, high = control.limits
            step = axis.resolution or (high - low) / SLIDER_STEPS
            first = axis.severities[-1] if axis.reference is None else axis.reference
            self._severity = widgets.slider(f"·  {axis.unit or 'value'}", (low, high), step, first)
        self._details = [each for each in (self._case, self._severity) if each is not None]
        self._show_details()
        if control.is_momentary:
            self._main.on_click(widgets.ask(self._happen))
            return
        self._main.on_update(widgets.ask(self._set))
        for widget in self._details:
            widget.on_update(widgets.ask(self._set))

    @property
    def _chosen(self) -> tuple[float, str]:
        """Severity and case."""
        worst = self._control.axis.severities[-1]
        severity = worst if self._severity is None else float(self._severity.value)
        return severity, "" if self._case is None else str(self._case.value)

    def _happen(self) -> None:
        self._session.trigger(self._control.name, *self._chosen)

    def _set(self) -> None:
        self._show_details()
        severity, case = self._chosen
        self._session.set_perturbation(
            self._control.name, severity if self._main.value else None, case
        )

    def _show_details(self) -> None:
        for widget in self._details:
            widget.visible = self._control.is_momentary or bool(self._main.value)


class GoalHandle:
    """A handle on the goal, to drag it."""

    def __init__(self, widgets: Widgets, session: Session, moved: Callable[[], None]) -> None:
        """Build it, for a task that has a goal; call ``moved`` when somebody moved it."""
        self._session, self._moved = session, moved
        self._shown = self._goal
        self._handle = widgets.scene.add_transform_controls(
            "/goal", scale=GOAL_SCALE, disable_rotations=True, position=self._shown
        )
        self._handle.on_update(widgets.ask(self._move))

    @property
    def _goal(self) -> np.ndarray:
        goal = self._session.goal
        assert goal is not None
        return goal

    def show(self) -> None:
        """Be where the goal is, if that moved by itself: nobody's hand is moved back."""
        goal = self._goal
        if (goal != self._shown).any():
            self._handle.position = self._shown = goal

    def _move(self) -> None:
        self._session.move_goal(np.array(self._handle.position))
        self._shown = self._goal
        self._moved()
