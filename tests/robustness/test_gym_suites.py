"""Suites of Gymnasium ids: the same plan, rows, resume and report as of our own tasks."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gym_worlds
import gymnasium
import numpy as np
import pytest
from command_line import call

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import EnvError, UnknownNameError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.params import nominal
from robo_maxent.report import html
from robo_maxent.report.rows import NOMINAL, StressEpisode
from robo_maxent.robustness import success_by_return, traced_rollout
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.episode_measures import outcome
from robo_maxent.robustness.runner import replay, run
from robo_maxent.robustness.stress_test import read, stress_test
from robo_maxent.robustness.suites import Suite, find
from robo_maxent.seeds import Purpose
from robo_maxent.types import Episode

Rows = list[StressEpisode]


def short(name: str, of: str, steps: int) -> str:
    """An id with episodes of at most so many steps."""
    gymnasium.registry.pop(f"test/{name}-v0", None)
    entry_point = gymnasium.spec(of).entry_point
    gymnasium.register(f"test/{name}-v0", entry_point=entry_point, max_episode_steps=steps)
    return f"test/{name}-v0"


CHEETAH = GymTask(short("ShortCheetah", "HalfCheetah-v5", 70))
PENDULUM = GymTask(short("ShortPendulum", "InvertedPendulum-v5", 60))
WEIGHTS = np.random.default_rng(0).normal(0.0, 0.3, (CHEETAH.policy_size, 6)).astype(np.float32)
SWEEP = {
    name: Share(2, 1, severities=(d.axis.severities[0], d.axis.severities[-1]))
    for name, d in disturbances(CHEETAH).items()
    if name != NOMINAL
}
EVERYTHING = Suite("everything", "", {NOMINAL: Share(18, 2, sampled=2), **SWEEP})
FEW = Suite(
    "few",
    "",
    {
        NOMINAL: Share(18, 4),
        "mass": Share(6, 2, severities=(1.0, 3.0)),
        "action_delay": Share(6, 2, severities=(0.0, 1.0, 3.0)),
    },
)


def run_on(obs: np.ndarray) -> np.ndarray:
    return np.tanh(obs @ WEIGHTS)


def run_on_noisily(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.tanh(obs @ WEIGHTS + 0.3 * noise)


def balance(obs: np.ndarray) -> np.ndarray:
    return np.clip(obs @ np.array([[0.1], [3.0], [0.3], [0.6]]), -1.0, 1.0)


RUNNER = PolicyUnderTest("runner", run_on, run_on_noisily)
BALANCE = PolicyUnderTest("balance", balance)


def undisturbed(task: GymTask, sims: np.ndarray) -> traced_rollout.Batch:
    params = nominal(task.perturbations, task.robot, len(sims))
    return traced_rollout.Batch(task, params, sims, 4, np.zeros(len(sims), np.int64))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gym") / "out"
    return run(EVERYTHING, CHEETAH, [RUNNER], out, seed=4).parent


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gym") / "out"
    stress_test(FEW, PENDULUM, [BALANCE], out, seed=4, clips=0)
    return out


def test_undisturbed_rows_are_those_of_a_plain_evaluation(directory: Path) -> None:
    rows = [r for r in read(directory)[0] if (r.axis, r.mode) == (NOMINAL, "mean")]
    plain = evaluate(run_on, CHEETAH, 18, 4, purpose=Purpose.STRESS_TEST)
    assert [(r.sim, r.length, r.reward) for r in rows] == [
        (e.sim, e.length, e.reward) for e in plain
    ]


def test_every_axis_has_its_episodes_and_any_row_runs_again_the_same(directory: Path) -> None:
    rows, described = read(directory)
    assert {row.axis for row in rows} == set(disturbances(CHEETAH))
    assert {"friction", "mass", "motor_strength", "gravity_tilt", "push", "combined"} < set(SWEEP)
    rewards: dict[tuple[Any, ...], float] = {}
    for row in rows:
        json.dumps(row.to_json(), allow_nan=False)
        rewards[row.policy, row.mode, row.axis, row.severity, row.sim] = row.reward
    fresh = GymTask("test/ShortCheetah-v0")
    for axis in SWEEP:
        worst = [r for r in rows if r.axis == axis and r.params and r.mode == "mean"]
        assert len(worst) == 2
        undisturbed = rewards["runner", "mean", NOMINAL, 0.0, 0]
        assert all(row.reward != undisturbed for row in worst)
        episode = replay(worst[-1], fresh, RUNNER)
        for name, value in asdict(episode).items():
            if name != "success":  # which a suite judges
                assert json.loads(json.dumps(value)) == worst[-1].to_json()[name], (axis, name)
    for mode in ("sampled", "baseline"):
        row = [r for r in rows if r.mode == mode][-1]
        again = replay(row, fresh, RUNNER if mode == "sampled" else None)
        assert (again.length, again.reward) == (row.length, row.reward)
    assert described["versions"]["gymnasium"]


def test_an_episode_is_the_same_alone_as_in_a_batch_of_several_parts() -> None:
    batch = undisturbed(CHEETAH, np.arange(20))
    assert [len(part.sims) for _, part in batch.parts()] == [16, 4]
    together, trace = traced_rollout.run(batch, RUNNER, "sampled")
    alone, _ = traced_rollout.run(undisturbed(CHEETAH, np.array([17])), RUNNER, "sampled")
    assert together[17] == alone[0]
    assert [episode.sim for episode in together] == list(range(20))
    assert trace.effort(3, 10).power is None
    assert trace.gait(3, 10) is None


def test_progress_goes_up_to_the_end_over_the_parts_of_a_batch() -> None:
    shown: list[tuple[int, int]] = []
    traced_rollout.run(
        undisturbed(PENDULUM, np.arange(20)),
        BALANCE,
        "mean",
        progress=lambda *done: shown.append(done),
    )
    done, total = zip(*shown, strict=True)
    assert list(done) == sorted(done)
    assert set(total) == {60} == {done[-1]}


def test_an_interrupted_suite_goes_on_and_ends_the_same(balanced: Path, tmp_path: Path) -> None:
    calls = []

    def impatient(obs: np.ndarray) -> np.ndarray:
        calls.append(0)
        if len(calls) == 160:  # in the second batch
            raise KeyboardInterrupt
        return balance(obs)

    with pytest.raises(KeyboardInterrupt):
        run(FEW, PENDULUM, [PolicyUnderTest("balance", impatient)], tmp_path, seed=4)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["00-mean-nominal-000.jsonl"]
    run(FEW, GymTask("test/ShortPendulum-v0"), [BALANCE], tmp_path, seed=4)
    assert (tmp_path / "episodes.jsonl").read_bytes() == (balanced / "episodes.jsonl").read_bytes()
    one, two = (json.loads((out / "suite.json").read_text()) for out in (tmp_path, balanced))
    assert one | {"date": ""} == two | {"date": ""}


# -- success -------------------------------------------------------------------


def test_without_success_a_policy_keeps_its_lead_over_random_actions(balanced: Path) -> None:
    rows, described = read(balanced)
    own = [r for r in rows if r.policy == "balance"]
    calm = [r.reward for r in own if r.axis == NOMINAL]
    random = evaluate(PENDULUM.baselines()["random"], PENDULUM, 16, 4, None, Purpose.STRESS_TEST)
    chance = np.mean([episode.reward for episode in random])
    least = chance + 0.8 * (np.mean(calm) - chance)
    assert described["return_needed"] == {"balance": {"mean": pytest.approx(least)}}
    assert {(r.reward >= least) for r in rows} == {True, False}
    for row in rows:
        assert row.success == (row.reward >= least)
        assert row.outcome == ("success" if row.success else "fell")
    assert all(r.success for r in own if not r.params)
    assert not any(r.success for r in own if r.severity == 3.0 and r.axis == "action_delay")
    page = (balanced / "report.html").read_text()
    assert "80 % of the lead that it has over random actions" in page
    assert f"{least:.4g}" in page
    assert "Not tested: friction" in page
    assert "Success: the return that is needed" in page
    assert "safe set" not in page


def test_neither_offset_nor_unit_of_a_reward_changes_what_is_needed() -> None:
    assert success_by_return.needed(900.0, 100.0) == 740.0
    assert success_by_return.needed(-150.0, -1200.0) == -360.0
    for offset, unit in ((1e3, 1.0), (-5.0, 7.0)):
        moved = success_by_return.needed(offset + unit * 30.0, offset + unit * 10.0)
        assert moved == pytest.approx(offset + unit * 26.0)


def test_a_policy_that_is_no_better_than_chance_succeeds_nowhere(tmp_path: Path) -> None:
    assert success_by_return.needed(5.0, 5.0) is None
    idle = PolicyUnderTest("idle", lambda obs: np.ones((len(obs), 1)))
    stress_test(FEW, PENDULUM, [idle], tmp_path, clips=0)
    rows, described = read(tmp_path)
    assert not any(row.success for row in rows)
    assert "idle none, it is no better" in described["success_means"]


def test_a_low_return_is_told_from_a_fall() -> None:
    episode = Episode("t", 0, 0, 0, 9, 1.0, None, False, False, {}, {})
    low = success_by_return.judged(episode, 2.0)
    assert low.success is False
    assert outcome(low, None, moves=False, by_return=True) == "low return"
    assert outcome(replace(low, terminated=True), None, moves=False, by_return=True) == "fell"
    assert outcome(low, None, moves=False) == "stuck"
    assert success_by_return.judged(episode, 1.0).success
    known = Episode("t", 0, 0, 0, 9, 1.0, True, True, False, {}, {})
    assert success_by_return.judged(known, 2.0).success


def test_an_id_that_says_success_is_judged_by_that_though_it_ends_with_it(tmp_path: Path) -> None:
    class Reached(gym_worlds.Seeded):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            obs, reward, _, ended, info = super().step(action)
            return obs, reward, ended and info["is_success"], ended, info

    task = GymTask(gym_worlds.register("Reached", Reached))
    suite = Suite("s", "", {NOMINAL: Share(20, 3), "packet_loss": Share(3, 1)})
    stress_test(suite, task, [PolicyUnderTest("p", lambda obs: obs[:, :1])], tmp_path, clips=0)
    rows, described = read(tmp_path)
    assert "success_means" not in described
    assert {row.success for row in rows} == {True, False}
    for row in rows:
        assert row.success == (row.reward / row.length > 0.5) == row.terminated
        assert row.outcome == ("success" if row.success else "stuck")
        assert row.survived


def test_an_id_that_says_success_only_where_it_is_true_is_judged_by_that(tmp_path: Path) -> None:
    task = GymTask("test/OnlyWhereTrue-v0")
    suite = Suite("s", "", {NOMINAL: Share(20, 3), "packet_loss": Share(3, 1)})
    stress_test(suite, task, [PolicyUnderTest("p", lambda obs: obs[:, :1])], tmp_path, clips=0)
    rows, described = read(tmp_path)
    assert "success_means" not in described
    assert {row.success for row in rows} == {True, False}
    assert [row.success for row in rows] == [row.reward / row.length > 0.5 for row in rows]


def unlucky(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 1))


@pytest.mark.parametrize("first", [True, False])
def test_who_never_succeeds_is_not_judged_by_return_beside_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """Of an id that says success only where it is true, one policy's episodes say nothing."""
    real = traced_rollout.run

    def without_luck(batch: Any, policy: PolicyUnderTest, *more: Any) -> Any:
        episodes, trace = real(batch, policy, *more)
        if policy.act is unlucky:
            episodes = [replace(each, success=None) for each in episodes]
        return episodes, trace

    monkeypatch.setattr(traced_rollout, "run", without_luck)
    never = PolicyUnderTest("never", unlucky)
    both = [never, PolicyUnderTest("p", lambda obs: obs[:, :1])]
    suite = Suite("s", "", {NOMINAL: Share(20, 3), "packet_loss": Share(3, 1)})
    stress_test(
        suite, GymTask("test/OnlyWhereTrue-v0"), both if first else both[::-1], tmp_path, clips=0
    )
    rows, described = read(tmp_path)
    assert not {"success_means", "return_needed", "random_return"} & described.keys()
    assert {row.success for row in rows if row.policy == "never"} == {False}
    assert {row.outcome for row in rows if row.policy == "never"} == {"stuck"}
    assert {row.success for row in rows if row.policy == "p"} == {True, False}


# -- bad input -----------------------------------------------------------------


def test_an_axis_that_an_id_lacks_says_why_and_what_there_is() -> None:
    task = GymTask("Pendulum-v1")
    with pytest.raises(UsageError, match=r"no axis mass: .* no MuJoCo model .* It has: nominal, "):
        find("quick").only(["mass"], task)
    with pytest.raises(UnknownNameError, match=r"'payload'.* Known: action_delay, "):
        find("quick").only(["payload"], task)
    with pytest.raises(UsageError, match=r"no axis push: its robot has no floating base"):
        find("quick").only(["push"], PENDULUM)
    with pytest.raises(UsageError, match=r"no axis friction: its robot has nothing that can touch"):
        find("quick").only(["friction"], PENDULUM)


def test_an_episode_that_does_not_end_is_an_error_that_says_how_to_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = GymTask("test/Endless-v0")
    monkeypatch.setattr(task, "episode_steps", 50)
    policy = PolicyUnderTest("p", lambda obs: np.zeros((len(obs), 1)))
    with pytest.raises(EnvError, match=r"did not end within 50 .* max_episode_steps"):
        run(Suite("s", "", {NOMINAL: Share(2, 0)}), task, [policy], tmp_path)


def test_a_suite_of_an_id_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "act.py").write_text("def act(obs):\n    return 0.1 * obs[:, :1]\n")
    arguments = (
        "evaluate",
        "act:act",
        "--task",
        "gym:test/Seeded-v0",
        "--out",
        str(tmp_path / "o"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        code, _, err = call(capsys, *arguments, "--suite", "quick", "--axes", "mass")
        assert code == 2
        assert "gym:test/Seeded-v0 has no axis mass: its robot has no MuJoCo model" in err
        quick = ("--suite", "quick", "--axes", "packet_loss", "--json")
        code, out, err = call(capsys, *arguments, *quick)
    assert code == 0, err
    assert Path(json.loads(out)["report"]).is_file()
    assert (
        "Failures could not be filmed: gym:test/Seeded-v0 draws no pictures"
        in (tmp_path / "o/report.html").read_text()
    )
    rows, described = read(tmp_path / "o")
    html.write(rows, described, tmp_path / "again.html")
