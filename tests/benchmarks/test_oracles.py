"""The benchmark of exact optima: its problems, and what it makes of what learners find."""

import json
import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from robo_maxent.learning.exact import boltzmann_gap
from robo_maxent.learning.sac import Sac

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def oracles(benchmark: Any) -> Any:
    return benchmark("oracles")


@pytest.fixture
def modes(benchmark: Any) -> Any:
    return benchmark("modes")


def test_the_figures_are_the_worst_over_heads_and_starts(
    oracles: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def errors(run: tuple[str, float, int], quick: bool) -> dict[str, float]:
        name, start, seed = run
        assert (quick, seed) == (True, 0)
        small = dict.fromkeys(oracles.ERRORS, 0.01)
        if (name, start) == ("mixture of 2", 1e-3):
            small["K"] = 0.2
        return small | ({"c": 0.3} if (name, start) == ("clamped", 1.0) else {})

    monkeypatch.setattr(oracles, "lqr_errors", errors)
    assert oracles.linear_system(True, map) == {
        "lqr_K_err": 0.2,
        "lqr_sigma_err": 0.01,
        "lqr_c_err": 0.3,
        "alpha_star_err": 0.01,
    }


def test_finite_processes_are_told_by_the_worst_of_them(
    oracles: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def errors(run: tuple[str, str, int], quick: bool) -> Any:
        name, process, seed = run
        worse = (process, seed) == ("tunnel and bridge", 2)
        return oracles.tabular.Errors(0.3 if name == "networks" else 0.1, 0.2 if worse else 0.05)

    monkeypatch.setattr(oracles, "tabular_errors", errors)
    assert oracles.finite_processes(False, map) == {
        "tabular_q_err": 0.1,
        "tabular_tv": 0.2,
        "tabular_network_q_err": 0.3,
        "tabular_network_tv": 0.2,
    }
    assert "tunnel and bridge, tables, seed 2: values 10.00 % of their" in capsys.readouterr().out


def test_modes_are_told_by_their_median_over_seeds(
    oracles: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = {2: [0.3, 0.01, 0.02], 1: [0.7, 0.9, 0.8]}
    monkeypatch.setattr(oracles, "_gap", lambda run, updates: gaps[run[0]][run[1]])
    assert oracles.bandit(False, map) == {"bandit_kl": 0.02, "bandit_kl_gaussian": 0.8}
    counts = {4: [[50, 50, 50, 48], [1, 0, 0, 0], [40] * 4], 1: [[0, 200, 0, 0]] * 3}
    monkeypatch.setattr(oracles, "_counts", lambda run, updates: np.array(counts[run[0]][run[1]]))
    figures = oracles.multigoal(False, map)
    assert figures["multigoal_mode_entropy"] == pytest.approx(1.0, abs=1e-3)
    assert figures["multigoal_mode_entropy_gaussian"] == 0.0
    assert figures["multigoal_reached"] == 1 / 200, "the worst of the mixture's runs"


def test_sections_are_chosen_by_name_and_unknown_ones_refused(
    oracles: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = {"a": lambda quick, each: {"x": 1.0}, "b": lambda quick, each: {"y": 1 / 3}}
    monkeypatch.setattr(sys, "argv", ["oracles.py", "--only", "b", "--quick", "--workers", "1"])
    oracles.main(sections, "what")
    told = json.loads(capsys.readouterr().out)
    assert (told.pop("y"), told.pop("seeds")) == (0.3333, [0])
    assert told.keys() == {"seconds"}
    with pytest.raises(SystemExit):
        oracles.arguments_of(sections, "what", ["--only", "c"])
    assert "unknown sections: c; known: a, b" in capsys.readouterr().err


def test_an_update_with_a_mixture_costs_more(
    oracles: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = oracles._seconds_of_updates(2)
    assert seconds["mixture of 4, torch"] > seconds["gaussian, torch"] > 0


def test_what_is_measured_of_a_learner_is_what_its_networks_say(benchmark: Any) -> None:
    lqr = benchmark("lqr")
    sac = Sac(1, 1, replace(lqr.CONFIG, components=2, initial_alpha=0.3), 0)
    measured = lqr.measure(sac)
    x = np.linspace(-lqr.REACH, lqr.REACH, 33)
    with torch.no_grad():
        obs = torch.from_numpy(x).float()[:, None].repeat_interleave(4000, 0)
        noise = torch.randn(len(obs), 1, generator=torch.Generator().manual_seed(0))
        action, log_prob = sac.actor.sample(obs, noise)
        value = sac.critics(obs, action).amin(0) - 0.3 * log_prob
    a, v = action.view(33, -1).double().numpy(), value.view(33, -1).double().numpy()
    assert measured.gain == pytest.approx(-a.mean(1) @ x / (x @ x), abs=0.01)
    assert measured.variance == pytest.approx(a.var(1).mean(), rel=0.01)
    offset = -(v.mean(1) + lqr.BEST.cost.item() * x**2).mean()
    assert measured.offset == pytest.approx(offset, abs=0.01)


def test_a_learner_at_the_optimum_has_no_error_and_another_a_relative_one(benchmark: Any) -> None:
    lqr = benchmark("lqr")
    best, alpha = lqr.BEST, lqr.ALPHA
    covariance = best.covariance(alpha).item()
    exact = lqr.Measured(best.gain.item(), covariance, best.offset(alpha), alpha)
    assert max(exact.errors().values()) < 1e-12
    off = replace(exact, gain=1.1 * exact.gain, alpha=0.5 * alpha).errors()
    assert off == pytest.approx({"K": 0.1, "sigma": 0.0, "c": 0.0, "alpha_star": 0.5})


def test_one_gaussian_on_a_mode_of_the_bandit_misses_log_two_and_both_miss_nothing(
    modes: Any,
) -> None:
    a = np.linspace(-1, 1, 4001)
    parts = -((a[:, None] - [0.5, -0.5]) ** 2) / (2 * 0.1**2) - math.log(0.1 * math.sqrt(2 * np.pi))
    q, cell = modes.bandit_reward(a), a[1] - a[0]
    assert boltzmann_gap(parts[:, 0], q, 1.0, cell) == pytest.approx(math.log(2), abs=1e-4)
    both = np.logaddexp(*parts.T) - math.log(2)
    assert boltzmann_gap(both, q, 1.0, cell) == pytest.approx(0.0, abs=1e-4)


def test_a_step_towards_a_goal_has_the_reward_worked_by_hand(modes: Any) -> None:
    x, action = np.array([[3.5, 0.0], [4.2, 0.1], [6.9, 6.9]]), np.array([[0.4, 0.3]] * 3)
    reward, successor, goal = modes.step(x, action)
    # 30 · 0.25 for the action, then the squared distance to (5, 0): 1.1² + 0.3² and 0.4² + 0.4²
    assert reward[:2] == pytest.approx([0.1 * (-7.5 - 1.3), 0.1 * (10 - 7.5 - 0.32)])
    np.testing.assert_allclose(successor, [[3.9, 0.3], [4.6, 0.4], [7.0, 7.0]])
    np.testing.assert_array_equal(goal, [-1, 0, -1])


def test_four_goals_turned_by_a_quarter_are_the_same_problem(modes: Any) -> None:
    rng = np.random.default_rng(0)
    x, action = rng.uniform(-6, 6, (300, 2)), rng.uniform(-1, 1, (300, 2))
    reward, successor, goal = modes.step(x, action)
    assert (goal >= 0).sum() > 5
    for quarters in (1, 2, 3):
        again = modes.step(modes._turned(x, quarters), modes._turned(action, quarters))
        np.testing.assert_allclose(again[0], reward)
        np.testing.assert_allclose(again[1], modes._turned(successor, quarters), atol=1e-12)
        np.testing.assert_array_equal(again[2] >= 0, goal >= 0)


def test_mode_entropy_is_one_for_an_even_choice_and_nought_for_one_goal(modes: Any) -> None:
    assert modes.mode_entropy(np.array([5, 5, 5, 5])) == pytest.approx(1.0)
    assert modes.mode_entropy(np.array([5, 5, 0, 0])) == pytest.approx(0.5)
    assert modes.mode_entropy(np.array([0, 9, 0, 0])) == 0.0
    assert modes.mode_entropy(np.zeros(4, int)) == 0.0
