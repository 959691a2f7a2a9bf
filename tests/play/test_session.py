"""A session runs the episodes of a film, and does what it is told between two control steps."""

import inspect
from typing import Any

import numpy as np
import pytest
from small_policy import small_policy

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.play.session import ENDLESS, Session
from robo_maxent.seeds import Purpose
from robo_maxent.tasks import ROBOT_TASKS, make


def sway(obs: np.ndarray) -> np.ndarray:
    return np.full((len(obs), 12), 0.3 * np.sin(obs[:, 48:49] * 3.0))


def small(name: str, **options: Any) -> MujocoTask[Any, Any]:
    """A task; where it has terrain, with one kind, so that it is made at once."""
    if "kinds" in inspect.signature(ROBOT_TASKS[name]).parameters:
        options["kinds"] = ("flat",)
    return make(name, **options)


def hold(task: MujocoTask[Any, Any]) -> Session:
    """The standing pose, held."""
    return Session(task.baselines()["hold pose"], task, seed=1)


def advance(session: Session, steps: int) -> int:
    return sum(session.step() for _ in range(steps))


def standing() -> Session:
    """A robot that is told to stand, after a moment of it."""
    session = hold(make("quadruped-flat"))
    session.limit_time(False)
    session.set_command(np.zeros(3))
    advance(session, 20)
    return session


@pytest.mark.parametrize("name", ["quadruped-flat", "quadruped-rough", "arm-pick"])
def test_a_session_that_nobody_touches_runs_what_a_film_shows_bit_for_bit(name: str) -> None:
    task = small(name) if name == "quadruped-flat" else small(name, randomization="hard")
    policy = small_policy(task)
    session = Session(policy, task, seed=5)
    env = task.evaluation_env(1, 5, purpose=Purpose.FILM)
    obs, steps = env.reset(), 0
    while True:
        step = env.step(policy(obs[:, : task.policy_size]))
        obs, steps = step.obs, steps + 1
        assert session.step()
        np.testing.assert_array_equal(session.snapshot.qpos, env.snapshot(0).qpos)
        if step.episodes or steps == 120:
            break
    assert [session.ended] == (step.episodes or [None])


def test_an_episode_that_is_over_rests_until_the_next_begins() -> None:
    task = make("quadruped-flat")
    session = Session(lambda obs: np.ones((len(obs), 12)), task, seed=1)
    taken = advance(session, 400)
    assert session.ended is not None
    assert session.ended.terminated
    assert taken == session.ended.length < 400
    assert not session.step()
    session.reset()
    assert not session.is_over
    assert session.seconds == 0.0
    assert session.step()


def test_without_a_time_limit_an_episode_goes_on_and_with_it_ends() -> None:
    session = standing()
    assert session.task.episode_steps == ENDLESS
    session._env.episode.elapsed[:] = 999
    session.step()
    assert not session.is_over
    session.limit_time(True)
    session.step()
    assert session.ended is not None
    assert not session.ended.terminated


def test_a_command_is_in_force_at_once_and_in_later_episodes() -> None:
    session = hold(make("quadruped-flat"))
    advance(session, 20)
    session.set_command(np.array([5.0, 0.2, -0.3]))
    for _ in range(2):
        assert session.command == pytest.approx([1.0, 0.2, -0.3])  # kept within the limits
        at = session._obs[0, 9:12]
        assert at == pytest.approx([1.0, 0.2, -0.3])
        session.reset()
    advance(session, 450)  # longer than any command that is drawn
    assert session._env.episode.judged[0] == 450 - 50  # the first second is not
    session.set_command(np.array([0.05, 0.0, 0.0]))  # slower than any that is trained
    assert session.command == pytest.approx(np.zeros(3))


def test_a_push_gives_the_momentum_that_is_asked_for_in_its_direction() -> None:
    session, other = standing(), standing()
    session.push(np.pi / 2, 3.0)
    advance(session, 5)
    advance(other, 5)
    env = session._env
    assert env.effects.realized(0)["impulse"] == pytest.approx(3.0)
    base = session.robot.base_dof
    moved = env.batch.bind("qvel")[0, base : base + 3]
    still = other._env.batch.bind("qvel")[0, base : base + 3]
    orientation = env.state.base_orientation[0]
    heading = 2.0 * np.arctan2(orientation[3], orientation[0])
    left = np.array([-np.sin(heading), np.cos(heading), 0.0])
    gained = (moved - still) @ left
    assert 0.3 < gained * session.robot.mass / 3.0 < 1.1  # the feet push back meanwhile


def test_pushes_in_quick_succession_all_act_and_all_end() -> None:
    session = standing()
    for _ in range(7):  # more than an episode has room for
        session.push(0.0, 0.5)
        advance(session, 3)
    assert session._env.batch.bind("xfrc_applied")[0].any()
    advance(session, 5)
    assert not session._env.batch.bind("xfrc_applied")[0].any()
    assert session._env.effects.realized(0)["impulse"] == pytest.approx(7 * 0.5, rel=0.01)


def test_setting_something_else_ends_no_push_and_lets_none_go_on_for_ever() -> None:
    session, other = standing(), standing()
    for each in (session, other):
        each.push(0.0, 2.0)
        advance(each, 2)
    session.set_perturbation("friction", 0.8)  # its own: nothing may change
    session.set_perturbation("friction", None)
    friction = session._env.drawn(0)["foot_friction"][0]
    other._env.change(0, {"foot_friction": friction})
    for _ in range(10):
        advance(session, 1)
        advance(other, 1)
        np.testing.assert_array_equal(session.snapshot.qpos, other.snapshot.qpos)


def test_an_effect_acts_at_once_stays_on_and_goes() -> None:
    session = standing()
    own = session._env.effects._fields.read("body_mass", np.array([0])).sum()

    def mass() -> float:
        return float(session._env.effects._fields.read("body_mass", np.array([0])).sum() - own)

    session.set_perturbation("payload", 5.0)
    assert mass() == pytest.approx(5.0)
    session.set_perturbation("payload", 2.0)  # from the compiled value, not from the last one
    assert mass() == pytest.approx(2.0)
    session.reset()
    assert mass() == pytest.approx(2.0)
    assert session.differing["payload"] == 2.0
    session.set_perturbation("payload", None)
    assert mass() == 0.0
    session.reset()
    assert mass() == 0.0


def test_an_effect_that_goes_leaves_what_the_episode_drew() -> None:
    session = hold(make("quadruped-flat"))
    drawn = session.differing["foot_friction"]
    session.set_perturbation("friction", 0.2)
    assert session.differing["foot_friction"] == 0.2
    session.set_perturbation("friction", None)
    assert session.differing["foot_friction"] == drawn


def test_what_a_task_places_things_by_begins_another_episode() -> None:
    session = Session(lambda obs: np.zeros((len(obs), 4)), make("arm-pick"), seed=1)
    advance(session, 5)
    session.set_perturbation("object_size", 1.5)
    assert session.seconds == 0.0
    assert session.differing["object_size"] == [1.5]
    half = session.robot.object_half[0, 2]
    assert session._env.state.object_position[0, 0, 2] > half  # it lies on the table


@pytest.mark.parametrize("name", ["quadruped-rough", "arm-pick-rough", "quadruped-fork"])
def test_every_effect_can_be_set_in_mid_episode_and_nothing_becomes_unstable(name: str) -> None:
    task = small(name)
    session = Session(next(iter(task.baselines().values())), task, seed=3)
    for control in session.controls.values():
        severity = control.axis.severities[-1]
        if control.is_momentary:
            session.trigger(control.name, severity)
        else:
            session.set_perturbation(control.name, severity)
        advance(session, 4)
        if not control.is_momentary:
            session.set_perturbation(control.name, None)
        assert session.ended is None or not session.ended.diverged, control.name
        if session.is_over:
            session.reset()


def test_a_momentary_effect_happens_now_and_is_over() -> None:
    session = Session(lambda obs: np.zeros((len(obs), 4)), make("arm-push"), seed=1)
    advance(session, 10)
    before = session._env.state.object_velocity[0, 0].copy()
    session.trigger("knock", 2.0, "left")
    advance(session, 1)
    assert session._env.effects.realized(0)["knocked"] > 0.0
    assert np.linalg.norm(session._env.state.object_velocity[0, 0] - before) > 0.05
    session.reset()
    assert "knock_impulse" not in session.differing


def test_a_goal_is_seen_where_it_was_put() -> None:
    task = make("arm-push")
    session = Session(lambda obs: np.zeros((len(obs), 4)), task, seed=1)
    place = np.array([0.5, 0.1, 0.02])
    session.move_goal(place)
    assert session.goal == pytest.approx(place)
    advance(session, 3)
    seen = np.cumsum([size for _, size, _ in task.policy_parts])
    names = [part for part, _, _ in task.policy_parts]
    end = seen[names.index("goal")]
    assert session._obs[0, end - 3 : end] == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("kind", ["stairs_up", "flat"])
def test_the_next_episode_is_on_the_ground_that_is_chosen(kind: str) -> None:
    session = hold(make("quadruped-rough", kinds=("stairs_up", "slope_up")))
    session.set_perturbation("payload", 1.0)
    session.set_ground(kind, 7)
    assert session.ground == (kind, 7)
    assert session.seconds == 0.0
    assert session.differing["payload"] == 1.0  # what was set stays so
    assert advance(session, 5) == 5


@pytest.mark.parametrize("name", sorted(ROBOT_TASKS))
def test_every_task_of_a_robot_can_be_played(name: str) -> None:
    task = small(name)
    session = Session(next(iter(task.baselines().values())), task, seed=0)
    assert advance(session, 2) == 2
    assert session.controls
    if task.command_limits is None:
        with pytest.raises(UsageError, match="takes no commands"):
            session.set_command(np.zeros(3))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda s: s.set_perturbation("frction", 0.3), UnknownNameError, "Did you mean 'friction'"),
        (lambda s: s.set_perturbation("friction", 3.0), UsageError, r"within \[0.1, 1\], got 3"),
        (lambda s: s.set_perturbation("slip", 0.3), UsageError, "slip happens once: trigger"),
        (lambda s: s.trigger("friction", 0.3), UsageError, "friction lasts: set_perturbation"),
        (lambda s: s.set_perturbation("dead_joint", 1.0, "tail"), UnknownNameError, "FR_hip"),
        (lambda s: s.push(0.0, -1.0), UsageError, "impulse of at least 0"),
        (lambda s: s.push(0.0, 1e5), UsageError, r"push_impulse must be within \[-1000, 1000\]"),
        (lambda s: s.push(np.nan, 1.0), UsageError, "a push needs a direction"),
        (lambda s: s.push(0.0, np.inf), UsageError, "a push needs a direction"),
        (lambda s: s.push(0.0, 1.0, np.inf), UsageError, "a push needs a direction"),
        (lambda s: s.set_command(np.array([np.nan, 0, 0])), UsageError, "three finite numbers"),
        (lambda s: s.move_goal(np.zeros(3)), UsageError, "no goal that can be moved"),
        (lambda s: s.set_ground("stairs", 3), UsageError, "has one ground"),
    ],
)
def test_what_can_not_be_is_said_and_changes_nothing(
    ask: Any, error: type[Exception], message: str
) -> None:
    session, other = standing(), standing()
    with pytest.raises(error, match=message):
        ask(session)
    advance(session, 10)
    advance(other, 10)
    np.testing.assert_array_equal(session.snapshot.qpos, other.snapshot.qpos)


def test_unknown_ground_lists_what_there_is() -> None:
    session = hold(make("quadruped-rough", kinds=("stairs_up",)))
    with pytest.raises(UnknownNameError, match="stepping_stones"):
        session.set_ground("stepping-stone", 3)
    with pytest.raises(UsageError, match="level must be from 0 to 10"):
        session.set_ground("stairs_up", 11)
    assert session.step()
