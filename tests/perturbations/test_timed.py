"""What happens in mid-episode on the table: a knock, a goal that moves, a hand that lets go."""

from typing import Any

import mujoco
import numpy as np
import pytest
from handled import (
    CLOSE,
    DT,
    EFFECT,
    HALF,
    PICK,
    ROBOT,
    START,
    A,
    environment,
    held,
    place,
    put,
    rest,
)

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.knock import sliding
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.perturbations.timed import DIRECTIONS

PLANT = Plant(ROBOT, DT)
NAMES = ("arm_pushed", "knock", "goal_moved", "gripper_lost", "grip_slips")
BEGIN = 4  # control steps


def given(n: int, *values: dict[str, Any]) -> EpisodeParams:
    """Nominal parameters, but for some of the first rows."""
    params = held(n)
    for row, changed in enumerate(values):
        params.change(row, changed)
    return params


def severe(name: str, severity: float, case: str = "any", seed: int = 0) -> dict[str, Any]:
    """An effect of a severity that begins at the fourth control step."""
    values = EFFECT[name].at(severity, case, np.random.default_rng(seed), PLANT)
    return values | {f"{name}_begin": BEGIN * DT}


def holding(params: EpisodeParams) -> MujocoVecEnv[Any, Any]:
    """Objects in the gripper, high above the table."""
    env = environment(params, PICK)
    episode, qpos = env.episode, env.batch.bind("qpos")
    starts, joints = PICK.starts
    start = int(np.argmax(starts[:, 2]))
    qpos[:, ROBOT.qpos_adr[:7]] = episode.joints[:] = joints[start]
    qpos[:, START : START + 7] = [*starts[start], 1.0, 0.0, 0.0, 0.0]
    qpos[:, ROBOT.qpos_adr[7] : ROBOT.qpos_adr[7] + 2] = HALF
    episode.target[:] = episode.hand[:] = starts[start]
    episode.opening[:] = 0.0
    env.batch.bind("qvel")[:] = 0.0
    env.batch.bind("ctrl")[:] = np.append(joints[start], 0.0)
    env.batch.forward()
    return env


def below(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """How far below the hand the objects are, m, (N,)."""
    return env.state.site_position["hand"][:, 2] - place(env)[:, 2]


# -- knock ---------------------------------------------------------------------


@pytest.mark.parametrize("severity", [1.0, 2.0])
def test_a_knock_of_severity_one_slides_an_object_by_5_cm_from_any_side(severity: float) -> None:
    env = environment(given(4, *(severe("knock", severity, case) for case in DIRECTIONS)))
    put(env, 0.525, 0.0)
    start = place(env)
    rest(env, BEGIN + 25)
    ways = severity**2 * 0.05 * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    np.testing.assert_allclose((place(env) - start)[:, :2], ways, atol=0.04 * severity**2 * 0.05)


@pytest.mark.parametrize("mass", [0.05, 0.4])
def test_a_knock_changes_the_momentum_by_its_impulse_at_once_and_once(mass: float) -> None:
    """In the air, where nothing else acts along the ground."""
    params = held(2, object_mass=mass)
    params.change(0, severe("knock", 1.7))
    impulse = params["knock_impulse"][0]
    env = environment(params)
    env.batch.bind("qpos")[:, START : START + 3] = [0.5, 0.0, 5.0]
    env.batch.bind("qvel")[:] = 0.0
    momenta = []
    for _ in range(12):
        rest(env, 1)
        momenta.append(mass * env.state.object_velocity[:, 0, :2])
    expected = np.zeros((12, 2))
    expected[BEGIN:] = impulse
    np.testing.assert_allclose(np.array(momenta)[:, 0], expected, atol=1e-9)
    assert not np.array(momenta)[:, 1].any()
    knocked = [env.effects.realized(sim)["knocked"] for sim in range(2)]
    assert knocked == [pytest.approx(1.7 * sliding(ROBOT)), 0.0]
    assert sliding(ROBOT) == pytest.approx(0.1 * np.sqrt(2 * 9.81 * 0.6 * 0.05))


def test_a_knock_is_shown_as_an_arrow_for_a_moment() -> None:
    env = environment(given(2, severe("knock", 1.0, "left")))
    shown = []
    for _ in range(20):
        rest(env, 1)
        arrows = env.snapshot(0).arrows
        shown.append(len(arrows))
        assert all(np.allclose(arrow.vector, [0.0, 0.12, 0.0]) for arrow in arrows)
        assert not env.snapshot(1).arrows
    assert shown == [0] * BEGIN + [1] * 10 + [0] * 6  # 0.4 s


# -- the arm -------------------------------------------------------------------


def test_a_pushed_arm_gives_way_until_its_motors_hold_the_push() -> None:
    """At rest the torques of the motors are those of the force, by the Jacobian of the hand."""
    force = np.array([[15.0, 0.0], [0.0, 15.0], [-10.0, 10.0], [0.0, 0.0]])
    params = held(4, arm_push=force)
    params["arm_pushed_begin"][:3], params["arm_pushed_seconds"][:3] = BEGIN * DT, 10.0
    env = environment(params)
    rest(env, 150)
    model, body = ROBOT.model, ROBOT.model.body("hand").id
    jacobian, torque = np.zeros((3, model.nv)), env.state.joint_torque[:, :7]
    for sim in range(4):
        data = env.batch.get_data(sim)
        mujoco.mj_forward(model, data)
        mujoco.mj_jac(model, data, jacobian, None, data.xipos[body], body)
        wanted = -jacobian[:2, ROBOT.dof_adr[:7]].T @ force[sim]
        np.testing.assert_allclose(torque[sim], wanted, atol=0.1)


@pytest.mark.parametrize(("size", "least", "most"), [(20.0, 0.01, 0.02), (80.0, 0.03, 0.07)])
def test_an_arm_gives_way_by_centimetres(size: float, least: float, most: float) -> None:
    """From four sides, for 0.2 s."""
    env = environment(given(4, *(severe("arm_pushed", size, case) for case in DIRECTIONS)), PICK)
    rest(env, BEGIN)
    before, way = env.state.site_position["hand"].copy(), np.zeros(4)
    for _ in range(10):
        rest(env, 1)
        moved = np.linalg.norm(env.state.site_position["hand"] - before, axis=1)
        way = np.maximum(way, moved)
    assert (way > least).all()
    assert (way < most).all()


def test_a_push_of_the_arm_lasts_its_time_and_is_shown_meanwhile() -> None:
    env = environment(given(2, severe("arm_pushed", 60.0, "left")))
    forces, shown = [], []
    for _ in range(14):
        rest(env, 1)
        forces.append(env.batch.bind("xfrc_applied")[:, ROBOT.model.body("hand").id].copy())
        arrows = env.snapshot(0).arrows
        shown.append(len(arrows))
        assert all(np.allclose(arrow.vector, [0.0, 0.24, 0.0]) for arrow in arrows)
        assert not env.snapshot(1).arrows
    expected = np.zeros((14, 2, 6))
    expected[BEGIN : BEGIN + 5, 0, 1] = 60.0
    np.testing.assert_allclose(forces, expected, atol=1e-12)
    assert shown == [0] * BEGIN + [1] * 5 + [0] * 5


# -- the goal ------------------------------------------------------------------


def test_a_goal_moves_once_along_the_table_towards_its_middle() -> None:
    n = 24
    rng = np.random.default_rng(0)
    params = held(n, table_tilt=rng.uniform(-0.15, 0.15, (n, 2)))
    for sim in range(n):
        params.change(sim, severe("goal_moved", 0.15, seed=sim))
    env = environment(params, PICK)
    before, middle = env.state.goal.copy(), ROBOT.model.geom_pos[ROBOT.table, :2]
    for step in range(8):
        assert np.array_equal(env.state.goal, before) == (step <= BEGIN)
        rest(env, 1)
    after = env.state.goal
    way = after - before
    np.testing.assert_allclose(np.linalg.norm(way[:, :2], axis=1), 0.15)
    off, was = np.abs(after[:, :2] - middle), np.abs(before[:, :2] - middle)
    assert (off <= np.maximum(was, np.abs(way[:, :2]))).all()
    for sim in range(n):  # as far above the table as before
        surface = PICK.surface(env.episode, sim)
        above = [goal[2] - surface.height(*goal[:2]) for goal in (before[sim], after[sim])]
        assert above[1] == pytest.approx(above[0])
        assert (np.abs(after[sim, :2] - middle) < ROBOT.model.geom_size[ROBOT.table, :2]).all()


# -- the hand ------------------------------------------------------------------


def test_what_a_gripper_without_force_holds_falls_and_what_others_hold_does_not() -> None:
    env = holding(given(3, severe("gripper_lost", 0.5)))
    fallen = []
    for _ in range(BEGIN + 12):
        env.step(np.tile(CLOSE, (3, 1)))
        fallen.append(below(env))
    fallen = np.array(fallen)
    assert np.abs(fallen[:BEGIN]).max() < 0.005
    assert np.abs(fallen[:, 1:]).max() < 0.005
    assert fallen[-1, 0] > 0.1


def test_a_grip_that_slips_lets_the_object_down() -> None:
    env = holding(given(3, severe("grip_slips", 0.5)))
    for _ in range(BEGIN + 10):
        env.step(np.tile(CLOSE, (3, 1)))
    assert below(env)[0] > 0.02
    assert np.abs(below(env)[1:]).max() < 0.005


@pytest.mark.parametrize(
    ("name", "field"), [("gripper_lost", "actuator_forcerange"), ("grip_slips", "geom_friction")]
)
def test_a_hand_has_everything_again_when_its_time_is_over(name: str, field: str) -> None:
    """The second row begins in the same episode, and the third has nothing."""
    params = given(3, severe(name, 0.2), severe(name, 0.2))
    params[f"{name}_begin"][1] += 2 * DT
    env = environment(params)
    values, compiled = env.batch.expand(field), getattr(ROBOT.model, field)
    differs = []
    for _ in range(14):
        rest(env, 1)
        differs.append([not np.array_equal(row, compiled) for row in values])
    on = np.zeros((14, 3), bool)
    on[BEGIN : BEGIN + 5, 0] = on[BEGIN + 2 : BEGIN + 7, 1] = True
    np.testing.assert_array_equal(differs, on)


def test_a_weak_gripper_is_as_weak_after_it_was_lost() -> None:
    env = environment(given(1, severe("gripper_lost", 0.08) | {"motor_strength": 0.5}))
    limits = []
    for _ in range(BEGIN + 6):
        rest(env, 1)
        limits.append(env.batch.expand("actuator_forcerange")[0, ROBOT.gripper, 1])
    assert limits == [15.0] * BEGIN + [0.0] * 2 + [15.0] * 4


def test_a_new_episode_does_not_go_on_without_its_hand() -> None:
    for name, field in (("gripper_lost", "actuator_forcerange"), ("grip_slips", "geom_friction")):
        env = environment(given(1, severe(name, 10.0)))
        rest(env, BEGIN + 2)
        compiled = getattr(ROBOT.model, field)
        assert not np.array_equal(env.batch.expand(field)[0], compiled)
        env.restart(np.array([0]))
        rest(env, BEGIN + 2)
        np.testing.assert_array_equal(env.batch.expand(field)[0], compiled)


# -- all of them ---------------------------------------------------------------


def acts(steps: int, n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1.0, 1.0, (steps, n, A))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [BEGIN - 1, BEGIN, BEGIN + 1, BEGIN + 2, BEGIN + 3, BEGIN + 5])
def test_an_episode_resumed_before_at_or_after_continues_bit_for_bit(name: str, at: int) -> None:
    params = given(2, severe(name, 0.1) | {"motor_strength": 0.7})
    actions = acts(16, 2)
    env = holding(params)
    for action in actions[:at]:
        env.step(action)
    restored = MujocoVecEnv(PICK, 2, 0, threads=1)
    restored.load_state_dict(env.state_dict())
    for action in actions[at:]:
        step, again = env.step(action), restored.step(action)
        assert env.batch.state.tobytes() == restored.batch.state.tobytes()
        np.testing.assert_array_equal(again.next_obs, step.next_obs)
        np.testing.assert_array_equal(again.reward, step.reward)
    for sim in range(2):
        assert restored.effects.realized(sim) == env.effects.realized(sim)


@pytest.mark.parametrize("name", NAMES)
def test_episodes_beside_one_with_an_effect_are_those_without_it(name: str) -> None:
    """And nothing differs before it begins."""
    off, on = holding(held(2)), holding(given(2, severe(name, 0.3)))
    for step, action in enumerate(acts(14, 2)):
        off.step(action)
        on.step(action)
        assert off.batch.state[1].tobytes() == on.batch.state[1].tobytes()
        same = off.batch.state[0].tobytes() == on.batch.state[0].tobytes()
        assert same == (step < BEGIN), step


@pytest.mark.parametrize("name", ["gripper_lost", "grip_slips", "occlusion"])
def test_what_is_missing_is_so_for_as_long_as_its_severity_says(name: str) -> None:
    (axis,) = EFFECT[name].axes(ROBOT)
    quick = axis.suites["quick"].severities
    assert quick is not None
    severities = sorted({*axis.severities, *quick})
    env = environment(given(len(severities), *(severe(name, each) for each in severities)))
    begin, end = env.effects.state_dict()[f"{name}.steps"].T
    np.testing.assert_allclose((end - begin) * DT, severities, atol=1e-12)
    assert axis.resolution == DT


@pytest.mark.parametrize("name", ["arm_pushed", "gripper_lost", "grip_slips", "occlusion"])
def test_what_is_changed_to_happen_no_more_ends_at_once(name: str) -> None:
    long = {f"{name}_begin": BEGIN * DT, f"{name}_seconds": 10.0}
    worst = {**severe(name, EFFECT[name].severities[-1]), **long}
    env = environment(given(2, worst, worst))
    rest(env, BEGIN + 2)

    def acts() -> list[bool]:
        force = env.batch.bind("xfrc_applied").any(axis=(1, 2))
        limits = env.batch.expand("actuator_forcerange")[:, ROBOT.gripper, 1] == 0.0
        friction = env.batch.expand("geom_friction")[:, ROBOT.pads, 0] < 0.1
        hidden = env.effects.state_dict()["occlusion.hidden"]
        return (force | limits | friction.any(axis=1) | hidden).tolist()

    assert acts() == [True, True]
    env.change(0, {f"{name}_seconds": 0.0})
    rest(env, 1)
    assert acts() == [False, True]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_where_nothing_happens(name: str) -> None:
    assert EFFECT[name].at(0.0, "any", np.random.default_rng(0), PLANT) == {}
    rng, ranges = np.random.default_rng(0), EFFECT[name].ranges
    assert not EFFECT[name].varies(ranges)
    assert all(EFFECT[name].sample(ranges, rng, ROBOT) == {} for _ in range(20))
    often = [EFFECT[name].sample({**ranges, name: 0.4}, rng, ROBOT) for _ in range(1000)]
    assert np.mean([bool(values) for values in often]) == pytest.approx(0.4, abs=0.08)
    env = environment(held(2))
    env.effects.activate([EFFECT[name]])
    env.reset()
    rest(env, 3)
    for sim in range(2):
        for field in ("actuator_forcerange", "geom_friction", "body_mass"):
            compiled = getattr(ROBOT.model, field)
            np.testing.assert_array_equal(getattr(env.batch.get_model(sim), field), compiled)
