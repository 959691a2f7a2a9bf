"""All effects at once: what is nominal changes nothing, and laws that hold with everything on."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from perturbed import (
    EFFECT,
    NOMINAL,
    PARAMETERS,
    ROBOT,
    TASK,
    A,
    actions,
    batch_of,
    drawn,
    environment,
    everything,
    flailing,
    held,
    ranges,
    run,
    written,
)

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.params import EpisodeParams, owner
from robo_maxent.spaces import mirror
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import EFFECTS
from robo_maxent.types import Step

# -- nominal -------------------------------------------------------------------

# They say nothing alone: no impulse, no duration, no other friction.
NOTHING_ALONE = ("push_begin", "push_duration", "slip_begin", "slip_friction", "slip_duration")


def extreme() -> EpisodeParams:
    """Two episodes in which every parameter is far from nominal."""
    params = drawn(ranges("hard"), 2)
    params["locked_joint"][1, 3] = params["dead_joint"][1, 7] = True
    for name in ("slip_duration", "packet_loss", "sensor_noise"):
        params[name][1] = 0.5
    params["slip_begin"][1] = params["push_begin"][1, 0] = 0.3
    params["action_delay"][1] = 2
    assert params.differing(NOMINAL) == set(PARAMETERS)
    return params


@pytest.mark.parametrize("name", [*PARAMETERS, "all"])
def test_a_parameter_at_its_nominal_value_changes_not_one_bit(name: str) -> None:
    params, others = held(2), extreme()
    for parameter in PARAMETERS if name == "all" else [name]:
        params[parameter][1] = others[parameter][1]
    off, on = environment(held(2)), environment(params)
    differs = False
    for action in actions(100, 2):
        left, right = off.step(action), on.step(action)
        assert off.batch.state[0].tobytes() == on.batch.state[0].tobytes()
        assert left.next_obs[0].tobytes() == right.next_obs[0].tobytes()
        assert left.reward[0] == right.reward[0]
        differs |= not np.array_equal(left.next_obs[1], right.next_obs[1])
    assert differs == (name not in NOTHING_ALONE)


FIELDS = (
    "body_mass",
    "body_inertia",
    "body_iquat",
    "actuator_gainprm",
    "actuator_biasprm",
    "actuator_forcerange",
    "dof_damping",
    "dof_armature",
    "jnt_stiffness",
    "opt.gravity",
    "body_invweight0",
    "actuator_acc0",
)


def test_values_are_applied_from_the_compiled_ones_however_often() -> None:
    params = held(
        3, payload=2.0, kp_scale=1.5, com_offset=0.02, gravity_tilt=0.1, no_load_speed=9.0
    )
    params["locked_joint"][:, 4] = True
    params["motor_strength"][:] = 0.7
    effects = written(ROBOT, params, " ".join(EFFECT))
    batch, ids, key = batch_of(effects), np.arange(3), np.zeros(3, np.uint64)
    first = {name: batch.expand(name).copy() for name in FIELDS}
    for _ in range(3):
        effects.begin(ids, key)
    for name in FIELDS:
        np.testing.assert_array_equal(batch.expand(name), first[name], name)
    params.copy_rows(held(3), ids)
    effects.begin(ids, key)
    for name in FIELDS:
        holder: Any = ROBOT.model.opt if name.startswith("opt.") else ROBOT.model
        compiled = getattr(holder, name.removeprefix("opt."))
        assert not np.array_equal(first[name][1], compiled), name
        np.testing.assert_array_equal(batch.expand(name)[1], compiled, name)


# -- laws of the whole ---------------------------------------------------------


def assert_same(left: Step, right: Step, rows: Any = slice(None)) -> None:
    for name in ("obs", "next_obs", "reward", "terminated", "truncated", "diverged"):
        np.testing.assert_array_equal(getattr(left, name)[rows], getattr(right, name), name)


def test_with_everything_on_one_simulation_equals_its_row_of_many() -> None:
    acts = flailing(120, 32)
    many = run(MujocoVecEnv(everything(60), 32, seed=5), acts)
    for sim in (0, 21):
        env = MujocoVecEnv(everything(60), 1, seed=5, first_sim=sim)
        alone = run(env, acts[:, sim : sim + 1])
        for left, right in zip(many, alone, strict=True):
            assert_same(left, right, slice(sim, sim + 1))
            assert [e for e in left.episodes if e.sim == sim] == right.episodes
        assert sum(len(step.episodes) for step in alone) >= 2


def test_with_everything_on_the_thread_count_changes_nothing() -> None:
    acts = flailing(80, 16)
    one, two = (
        run(MujocoVecEnv(everything(60), 16, seed=0, threads=threads), acts) for threads in (1, 2)
    )
    for left, right in zip(one, two, strict=True):
        assert_same(left, right)
        assert left.episodes == right.episodes


@pytest.mark.parametrize("at", [13, 40, 71])
def test_with_everything_on_a_restored_environment_continues_bit_for_bit(at: int) -> None:
    acts = 0.3 * flailing(120, 12)
    env = MujocoVecEnv(everything(60), 12, seed=2)
    obs = run(env, acts[:at])[-1].obs
    saved = env.state_dict()
    expected = [env.step(action) for action in acts[at:]]
    restored = MujocoVecEnv(everything(60), 12, seed=2)
    np.testing.assert_array_equal(restored.load_state_dict(saved), obs)
    for action, step in zip(acts[at:], expected, strict=True):
        again = restored.step(action)
        assert_same(again, step)
        assert again.episodes == step.episodes
    realized = [e.realized for step in expected for e in step.episodes]
    assert any(r["impulse"] > 0 for r in realized)
    assert any(r["lowest_foot_friction"] < r["foot_friction"] for r in realized)


def test_given_parameters_survive_a_restart_of_the_program() -> None:
    acts, params = actions(30, 2), held(2, payload=3.0, sensor_noise=1.0, action_delay=2)
    env = MujocoVecEnv(TASK, 2, seed=2, params=params)
    run(env, acts[:10])
    saved = env.state_dict()
    restored = MujocoVecEnv(TASK, 2, seed=2)  # which knows nothing of them
    restored.load_state_dict(saved)
    for action in acts[10:]:
        assert_same(restored.step(action), env.step(action))


def test_another_seed_given_before_a_reset_names_the_noise_too() -> None:
    env, other = (MujocoVecEnv(everything(60), 3, seed=seed) for seed in (0, 9))
    before = env.reset()
    env.seed = 9
    np.testing.assert_array_equal(env.reset(), other.reset())
    assert not np.array_equal(before, env.reset())


# -- which episodes they are of ------------------------------------------------


def test_other_parameters_leave_commands_start_and_noise_as_they_are() -> None:
    one = MujocoVecEnv(TASK, 4, seed=6, params=held(4, sensor_noise=1.0))
    values = {"sensor_noise": 1.0, "payload": 2.0, "kp_scale": 1.2}
    other = MujocoVecEnv(TASK, 4, seed=6, params=held(4, **values))
    varied = MujocoVecEnv(make("quadruped-flat", randomization="default"), 4, seed=6)
    np.testing.assert_array_equal(one.reset(), other.reset())
    varied.reset()
    for env in (other, varied):
        np.testing.assert_array_equal(env.batch.bind("qpos"), one.batch.bind("qpos"))
        for field in fields(one.episode):
            left, right = getattr(env.episode, field.name), getattr(one.episode, field.name)
            np.testing.assert_array_equal(left, right, field.name)
    assert not one.params["payload"].any()
    assert varied.params["payload"].any()


def test_given_parameters_are_those_of_the_first_episodes_and_of_no_other() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 3
    params = held(2, payload=[1.0, 2.0], foot_friction=0.33)
    env = MujocoVecEnv(task, 2, seed=0, params=params)
    rows = [e for step in run(env, np.zeros((6, 2, A))) for e in step.episodes]
    assert [e.params for e in rows[:2]] == [
        {"foot_friction": 0.33, "payload": 1.0},
        {"foot_friction": 0.33, "payload": 2.0},
    ]
    assert [e.realized["total_mass"] for e in rows] == pytest.approx(
        [13.743448, 14.743448, 12.743448, 12.743448]
    )
    assert [set(e.params) for e in rows[2:]] == [{"foot_friction"}] * 2
    assert [e.realized["foot_friction"] for e in rows] == [e.params["foot_friction"] for e in rows]
    env.reset()
    np.testing.assert_array_equal(env.params["payload"], [1.0, 2.0])
    np.testing.assert_array_equal(params["payload"], [1.0, 2.0])


def test_ranges_that_change_in_the_middle_hold_for_the_episodes_that_begin_then() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 2
    env, owners = MujocoVecEnv(task, 2, seed=0), owner(EFFECTS, ROBOT)
    env.reset()
    for given, mass in ((ranges("default"), True), (ranges(), False), (ranges(slip=1.0), False)):
        task.randomization = given
        env.step(np.zeros((2, A)))
        env.step(np.zeros((2, A)))
        differing = {owners[name] for name in env.params.differing(NOMINAL)}
        assert differing == set(given.varied)
        masses = env.batch.expand("body_mass").sum(axis=1)
        assert (np.abs(masses - 12.743448) > 1e-3).all() == mass


# -- reflection ----------------------------------------------------------------

SWAP = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
SIGN = np.tile([-1.0, 1.0, 1.0], 4)


def mirrored(params: EpisodeParams) -> EpisodeParams:
    """The same seen in a mirror that stands in the xz plane."""
    image = params.rows(np.arange(len(params["payload"])))
    image["com_offset"][:, 1] *= -1
    for name in ("motor_strength", "locked_joint", "dead_joint"):
        image[name][:] = params[name][:, SWAP]
    image["encoder_bias"][:] = params["encoder_bias"][:, SWAP] * SIGN
    image["gravity_tilt"][:, 0] *= -1  # an axial vector
    image["push_impulse"][..., 1] *= -1
    return image


def place_in_mirror(left: MujocoVecEnv[Any, Any], right: MujocoVecEnv[Any, Any]) -> None:
    """Put the robots of one environment where those of another are seen in the mirror."""
    qpos, qvel = left.batch.bind("qpos"), left.batch.bind("qvel")
    base = np.concatenate([qpos[:, :3] * [1, -1, 1], qpos[:, 3:7] * [1, -1, 1, -1]], axis=1)
    right.batch.bind("qpos")[:] = np.concatenate([base, qpos[:, 7:][:, SWAP] * SIGN], axis=1)
    right.batch.bind("qvel")[:] = np.concatenate(
        [qvel[:, :3] * [1, -1, 1], qvel[:, 3:6] * [-1, 1, -1], qvel[:, 6:][:, SWAP] * SIGN], axis=1
    )
    right.batch.forward()


def test_mirrored_parameters_in_a_mirrored_state_give_the_mirrored_episode() -> None:
    n = 8
    env = MujocoVecEnv(everything(60), n, seed=3)
    env.reset()
    params = env.params.rows(np.arange(n))
    params["sensor_noise"][:] = 0.0
    params["push_begin"][:, 0] = 0.04
    left, right = (
        MujocoVecEnv(TASK, n, seed=3, params=given) for given in (params, mirrored(params))
    )
    left.reset()
    right.reset()
    place_in_mirror(left, right)
    flip, turn = mirror(TASK.observation), mirror(TASK.action)
    assert flip is not None
    assert turn is not None
    shown = [*range(9), *range(12, 48)]  # the command and the clock are not mirrored here
    for action in actions(10, n, 0.5):
        a, b = left.step(action), right.step(turn(action))
        expected = flip(a.next_obs)
        error = np.abs(b.next_obs - expected) / (1 + np.abs(expected))
        assert error[:, shown].max() < 1e-4
    assert all(left.effects.realized(sim)["impulse"] > 0.0 for sim in range(n))
