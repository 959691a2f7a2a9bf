"""The experiment on maximum entropy and robustness: what is compared, and with what."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_rows import row
from scipy.stats import mannwhitneyu

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.sac import Sac
from robo_maxent.robustness.axes import disturbances
from robo_maxent.tasks import make, quadruped

pytestmark = pytest.mark.usefixtures("one_thread")
AXES = disturbances(make("quadruped-flat"))


def rows_at(axis: str, shares: dict[float, list[bool]]) -> list[Any]:
    return [row(axis, severity, success) for severity, own in shares.items() for success in own]


# -- areas and comparisons -----------------------------------------------------


def test_the_area_is_that_under_straight_lines_over_the_axis_scaled_to_one(
    benchmark: Any,
) -> None:
    figures = benchmark("maxent_figures")
    yes, no = [True], [False]
    nominal = rows_at("nominal", {0.0: yes + yes + no + yes})
    pushes = rows_at("push", {0.0: yes, 1.0: yes + no, 2.0: no}) + nominal
    # All undisturbed episodes count: (0.75 + 0.5) / 4 + 0.5 / 4, not 0.5 as with the single one.
    assert figures.area(pushes, AXES["push"].axis) == 0.4375
    # From 1 to 0.4 all succeed, which is two thirds of the way; then it falls to nothing.
    grip = rows_at("friction", {0.1: no, 1.0: yes, 0.4: yes})
    assert figures.area(pushes + grip, AXES["friction"].axis) == pytest.approx(2 / 3 + 1 / 6)
    assert figures.area(pushes, AXES["nominal"].axis) == 0.75


def scores(module: Any, arm: str, areas: list[list[float]], nominal: float, failed: int) -> Any:
    walked = [module.Training(100_000 * (1 + i), 0.97, True, 30.0) for i in range(len(areas))]
    fell = [module.Training(400_000, 0.5, False, 60.0)] * failed
    both = {mode: np.array(areas) for mode in module.MODES}
    return module.Scores(arm, walked + fell, {m: np.full(len(areas), nominal) for m in both}, both)


def test_arms_are_compared_with_the_first_run_by_run(benchmark: Any) -> None:
    figures = benchmark("maxent_figures")
    found = figures.verdict(
        [
            scores(figures, "sac", [[0.5, 0.7], [0.6, 0.8], [0.7, 0.9]], 0.96, failed=0),
            scores(figures, "zero", [[0.4, 0.9], [0.5, 1.0], [0.9, 0.3]], 0.90, failed=2),
            scores(figures, "ppo", [], 0.0, failed=5),
        ],
        ["push", "friction"],
    )
    first, other = found["sac"]["mean"], found["zero"]["mean"]
    assert first["area"]["push"]["value"] == pytest.approx(0.6)
    assert first["area"]["all"]["value"] == pytest.approx(0.7)
    assert "beats_first" not in first
    # By hand: 0.4 beats none of 0.5, 0.6, 0.7; 0.5 ties with one; 0.9 beats all three.
    assert other["beats_first"]["push"]["value"] == pytest.approx(3.5 / 9, abs=1e-4)
    low, high = other["beats_first"]["push"]["interval"]
    assert low < 0.5 < high
    assert other["matched"] is False, "0.90 is not within 5 points of 0.96"
    assert (found["zero"]["reached"], found["zero"]["runs"]) == (3, 5)
    assert found["zero"]["steps"] == 200_000, "of the runs that walked"
    assert found["ppo"]["mean"] is None
    lines = figures.table(found, ["push", "friction"], "mean")
    assert "0.90*" in lines[2]
    assert "0.96*" not in lines[1]
    assert lines[3].endswith("not compared")
    json.dumps(found)


@pytest.mark.parametrize("runs", [(3, 5), (5, 5), (10, 10)])
def test_p_values_are_those_of_the_exact_mann_whitney_test(
    benchmark: Any, runs: tuple[int, int]
) -> None:
    figures = benchmark("maxent_figures")
    rng = np.random.default_rng(0)
    for shift in (-1.5, 0.0, 0.0, 1.0):
        one, other = rng.normal(shift, 1.0, runs[0]), rng.normal(size=runs[1])
        exact: Any = mannwhitneyu(one, other, method="exact")
        chance = exact.statistic / (runs[0] * runs[1])
        assert figures.p_value(chance, *runs) == pytest.approx(exact.pvalue)
    assert figures.p_value(0.5, *runs) == 1.0


def test_an_axis_counts_only_if_every_arm_without_entropy_loses_on_it(benchmark: Any) -> None:
    figures = benchmark("maxent_figures")
    assert figures.both_lose([0.01, 0.03], [0.1, 0.2]) == 0.03
    assert figures.both_lose([0.01, 0.03], [0.1, 0.8]) == 1.0  # the second one wins
    rng, high = np.random.default_rng(0), [0.8, 0.8]
    arms = {
        "sac": high + 0.05 * rng.random((6, 2)),
        "zero": np.array([0.5, 0.5]) + 0.05 * rng.random((6, 2)),
        "zero-noise": np.array([0.5, 0.9]) + 0.05 * rng.random((6, 2)),
    }
    found = figures.verdict(
        [scores(figures, arm, each.tolist(), 0.96, failed=0) for arm, each in arms.items()],
        ["push", "friction"],
    )
    smallest = 2 / 924  # of 12 runs, 6 of each: none wins a pair, or all do
    assert found["zero"]["mean"]["p_adjusted"]["push"] == pytest.approx(2 * smallest, abs=1e-4)
    bought = figures.entropy_bought(found, ["push", "friction"], "mean")
    assert bought == {"push": pytest.approx(2 * smallest, abs=1e-4), "friction": 1.0}
    lines = figures.differences(found, ["push", "friction"], "mean")
    assert lines[1].split() == ["zero", "0.00", "(0.004)", "0.00", "(0.004)"]
    assert lines[3].split() == ["all", "without", "entropy", "0.004", "1.000"]
    del found["zero-noise"]
    assert figures.entropy_bought(found, ["push"], "mean") == {}


def test_axes_that_are_not_given_count_among_the_comparisons(benchmark: Any) -> None:
    figures = benchmark("maxent_figures")
    assert figures.adjusted({"delay": 0.01, "combined": 0.02}, 6) == {
        "delay": 0.06,
        "combined": 0.1,
    }


def test_what_the_page_prints_does_not_survive_the_correction(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["maxent_robustness.py", "--published"])
    benchmark("maxent_robustness").main()
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [
        "mean",
        "zero,",
        "zero-noise",
        "action_delay",
        "0.14,",
        "0.18",
        "0.0147",
        "0.088",
    ] in told
    assert ["mean", "zero,", "zero-noise", "combined", "0.09,", "0.20", "0.0232", "0.116"] in told


# -- arms ----------------------------------------------------------------------


def test_arms_differ_from_the_first_in_what_they_say_only(benchmark: Any) -> None:
    arms = benchmark("arms").ENTROPY
    usual = SacConfig()
    learners = {n: Sac(4, 2, replace(usual, **a.changes), 0) for n, a in arms.items()}
    assert not arms["sac"].changes
    assert not arms["sac-randomized"].changes
    assert learners["fixed-0.1"].alpha == pytest.approx(10 * learners["fixed-0.01"].alpha)
    assert all("alpha_learning_rate" in arms[n].changes for n in ("fixed-0.1", "zero"))
    log_prob, value = 30.0, 50.0  # of twelve joints on this task, about
    assert learners["zero"].alpha * log_prob < 0.5 * np.finfo(np.float32).eps * value
    # The noise of the arm without entropy: an entropy of -1/2 per action, before the tanh.
    low, high = learners["zero-noise"].config.log_std_range
    middle = 0.5 * (low + high)
    assert 0.5 * np.log(2 * np.pi * np.e) + middle == pytest.approx(-0.5, abs=0.01)
    assert {arm.randomization for arm in arms.values()} == {"none", "default"}


def test_arms_of_risk_meet_the_same_pushes_and_differ_in_one_thing_each(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = benchmark("arms")
    tasks = []
    monkeypatch.setattr(module, "_learn_ours", lambda arm, task, *_: tasks.append(task))
    for arm in module.RISK.values():
        module.learn(arm, 0, lambda steps, policy: True, tmp_path)
    hardest = {task.randomization.ranges["push_impulse"] for task in tasks}
    assert hardest == {(0.0, 12.7)}
    assert [task.termination_cost for task in tasks] == [0.0, 0.0, 0.0, 0.0, 40.0]
    changes = [dict(arm.changes) for arm in module.RISK.values()]
    scalar, critic = {}, {"critic": "categorical"}
    assert changes == [scalar, critic, critic | {"risk": 0.5}, critic | {"risk": 0.25}, critic]


def test_survival_counts_an_episode_that_failed_without_a_fall(benchmark: Any) -> None:
    figures, axis = benchmark("maxent_figures"), AXES["friction"].axis
    lost = [replace(each, success=False) for each in rows_at("friction", {0.1: [True, False]})]
    walked = rows_at("friction", {1.0: [True]})
    assert [each.survived for each in lost] == [True, False]
    assert figures.area(walked + lost, axis) == 0.5
    assert figures.area(walked + lost, axis, "survival") == 0.75


@pytest.mark.parametrize("name", ["td3", "ppo"])
def test_sampled_actions_of_peers_are_the_mean_and_noise_of_the_right_size(
    benchmark: Any,
    tmp_path: Path,
    name: str,
) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    arms, peers = benchmark("arms"), benchmark("peers")
    arms.learn(arms.ARMS[name], 0, lambda steps, policy: True, tmp_path)
    task = arms.nominal_task()
    policy = arms.policy_of(name, task, tmp_path)
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(6, task.policy_size)).astype(np.float32)
    noise = np.full((6, task.action_size), 0.3)
    mean = policy.act(obs)
    np.testing.assert_allclose(policy.sample(obs, 0.0 * noise), mean, atol=1e-6)
    size = peers.TD3_NOISE if name == "td3" else peers.PPO_NOISE
    expected = np.clip(mean + 0.3 * size, -1.0, 1.0)
    np.testing.assert_allclose(policy.sample(obs, noise), expected, atol=0.02)


# -- training to equal success -------------------------------------------------


def test_a_run_ends_at_the_first_look_that_is_good_enough_or_at_its_limit(
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = benchmark("maxent_robustness")
    seen: list[float] = []
    monkeypatch.setattr(module.Judge, "_success", lambda self, act: seen.pop(0))

    def ended_at(
        budget: int, limit: int, *successes: float, goal: float | None = 0.95
    ) -> tuple[int, bool, int]:
        seen[:] = successes
        judge = module.Judge(None, module.Settings(limit, goal, 64), budget)
        steps = next(n for n in range(0, 10**7, 10_000) if judge.over(n, lambda: None))
        assert judge.last.steps == steps
        return steps, judge.last.reached, len(seen)

    assert ended_at(1, 400_000, 0.2, 0.95, 1.0) == (150_000, True, 1)
    assert ended_at(1, 220_000, 0.2, 0.9, 0.9, 0.94) == (220_000, False, 0)
    assert ended_at(10, 400_000, 0.2, 0.96) == (1_500_000, True, 0)
    assert ended_at(1, 30_000, 0.1) == (30_000, False, 0)
    assert ended_at(2, 400_000, 0.3, goal=None) == (800_000, True, 0)


def test_a_finished_run_is_not_trained_again_and_other_settings_are_refused(
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    module = benchmark("maxent_robustness")
    settings, calls = module.Settings(1000, 0.0, 4), []

    def learn(arm: Any, seed: int, over: Any, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        calls.append(seed)
        assert over(1000, lambda: None)

    monkeypatch.setattr(module, "learn", learn)
    monkeypatch.setattr(module.Judge, "_success", lambda self, act: 0.5)
    first = module.trained("sac", 3, settings, tmp_path / "run")
    assert module.trained("sac", 3, settings, tmp_path / "run") == first
    assert calls == [3]
    with pytest.raises(SystemExit, match="change --out"):
        module.trained("sac", 3, replace(settings, steps=2000), tmp_path / "run")


def test_episodes_of_a_severity_are_shared_out_among_the_cases_of_an_axis(
    benchmark: Any,
) -> None:
    module = benchmark("maxent_robustness")
    task = benchmark("arms").nominal_task()
    suite = module.suite_of(task, module.SEVERITIES, 32)
    for mode in module.MODES:
        conditions = suite.conditions(task, mode)
        counts: dict[str, dict[float, int]] = {}
        for condition in conditions:
            own = counts.setdefault(condition.axis, {})
            own[condition.severity] = own.get(condition.severity, 0) + condition.episodes
        hardest = {axis: list(own.values())[-1] for axis, own in counts.items()}
        assert set(hardest) == {"nominal", *module.SEVERITIES}
        assert all(24 <= count <= 64 for count in hardest.values()), hardest
    assert not suite.conditions(task, "baseline")
    hard = module.suite_of(task, ["push"], 32, (0.0, 4.0))
    pushes = [each for each in hard.conditions(task, "mean") if each.axis == "push"]
    assert {each.severity for each in pushes} == {0.0, 4.0}


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--arms", "sac,ddpg"], "unknown arms: ddpg; known: sac, fixed-0.01"),
        (["--seeds", "0,x"], "--seeds must be numbers, got 0,x"),
        (["--axes", "push,wind"], "wind"),
        (["--goal", "1.5"], "--goal within [0, 1]"),
        (["--axes", "push", "--severities", "0,x"], "could not convert string to float: 'x'"),
    ],
)
def test_wrong_options_are_named_with_the_right_ones(
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    text: str,
) -> None:
    module = benchmark("maxent_robustness")
    with pytest.raises(SystemExit):
        module.arguments_of(argv)
    assert text in capsys.readouterr().err


def test_quick_runs_everything_and_continues_from_what_is_there(
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    module = benchmark("maxent_robustness")
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 20)
    monkeypatch.setattr(quadruped.QuadrupedFlat, "episode_steps", 40)
    monkeypatch.setattr(sys, "argv", ["maxent_robustness.py", "--quick", "--out", str(tmp_path)])
    module.main()
    first = capsys.readouterr().out
    told = json.loads(first.splitlines()[-1])
    assert list(told["arms"]) == ["sac", "actor-only"]
    assert told["arms"]["actor-only"]["mean"]["beats_first"]["friction"]["interval"] is None
    assert told["arms"]["actor-only"]["mean"]["p_adjusted"]["friction"] == 1.0  # of one run each
    assert told["entropy_bought_p"] == {"mean": {}, "sampled": {}}
    assert {p.name for p in (tmp_path / "sac" / "seed0").iterdir()} >= {
        "policy.safetensors",
        "training.json",
        "stress-2-friction",
    }
    monkeypatch.setattr(module, "learn", lambda *_: pytest.fail("trained again"))
    module.main()
    assert capsys.readouterr().out == first
