"""The market: exact expectations, the optimum by its conditions, and every command on it."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from command_line import call
from scipy.optimize import minimize

from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import gym_registration
from robo_maxent.tasks import make
from robo_maxent.tasks.portfolio import (
    ASSETS,
    CHANGE,
    COLOURS,
    CORRELATION,
    DRIFT,
    EQUAL,
    EXPANSION,
    HEIGHT,
    QUARTERS,
    RECESSION,
    VOLATILITY,
    WIDTH,
    YEAR,
    Market,
    action_of,
    draw,
    gross_returns,
    growth,
    log_optimal,
    optimal_actions,
    weights,
)

TASK = make("portfolio")
both_states = pytest.mark.parametrize("state", [EXPANSION, RECESSION])


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = call(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def quarter(market: Market, action: np.ndarray) -> tuple[float, float, bool]:
    """State that was seen, reward, and success of one quarter."""
    seen = 1.0 if market._state == EXPANSION else -1.0
    _, reward, _, _, info = market.step(action)
    return seen, reward, info["is_success"]


@both_states
def test_returns_have_the_mean_and_covariance_that_are_declared(state: int) -> None:
    logs = np.log(gross_returns()[state])
    drift, volatility = DRIFT[state], VOLATILITY[state]
    np.testing.assert_allclose(YEAR * logs.mean(axis=0), drift - volatility**2 / 2.0)
    expected = np.eye(len(ASSETS))
    for pair in ((0, 1), (0, 2), (1, 2)):
        expected[pair] = expected[pair[::-1]] = CORRELATION
    covariance = YEAR * np.cov(logs.T, bias=True)
    np.testing.assert_allclose(covariance, expected * np.outer(volatility, volatility), atol=1e-12)


@both_states
def test_no_asset_would_make_the_optimum_grow_faster(state: int) -> None:
    returns, best = gross_returns()[state], log_optimal(state)
    gain = (returns / (returns @ best)[:, None]).mean(axis=0)
    assert best.sum() == pytest.approx(1.0)
    assert (gain <= 1.0 + 1e-8).all()
    np.testing.assert_allclose(gain[best > 1e-3], 1.0, atol=1e-6)


@both_states
def test_an_independent_solver_finds_the_same_optimum(state: int) -> None:
    found = minimize(
        lambda portfolio: -1e3 * growth(portfolio, state),
        EQUAL,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(ASSETS),
        constraints={"type": "eq", "fun": lambda portfolio: portfolio.sum() - 1.0},
        options={"ftol": 1e-12},
    )
    np.testing.assert_allclose(found.x, log_optimal(state), atol=2e-3)
    assert growth(log_optimal(state), state) >= growth(found.x, state) - 1e-12


def test_the_two_states_want_different_portfolios_and_neither_wants_equal_shares() -> None:
    expansion, recession = log_optimal(EXPANSION), log_optimal(RECESSION)
    assert expansion[:3].sum() > 0.99
    assert recession[3:].sum() > 0.99
    for state, best in enumerate((expansion, recession)):
        assert YEAR * (growth(best, state) - growth(EQUAL, state)) > 0.02


def test_shares_follow_the_actions() -> None:
    np.testing.assert_array_equal(weights(np.zeros((2, 5))), [EQUAL, EQUAL])
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.0, 1.0, (50, 5))
    shares = weights(actions)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_array_equal(np.argsort(shares), np.argsort(actions))
    np.testing.assert_allclose(weights(actions - 0.1), shares)


@both_states
def test_actions_reach_the_optimum_but_for_a_hair(state: int) -> None:
    reached = growth(weights(action_of(log_optimal(state))), state)
    assert YEAR * (growth(log_optimal(state), state) - reached) < 5e-4
    seen = np.array([[1.0 if state == EXPANSION else -1.0, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(optimal_actions(seen)[0], action_of(log_optimal(state)))
    inside = np.array([0.4, 0.3, 0.2, 0.05, 0.05])
    np.testing.assert_allclose(weights(action_of(inside)), inside)


def test_rewards_of_a_portfolio_are_the_growth_that_its_state_promises() -> None:
    market = Market()
    market.reset(seed=0)
    action = np.array([0.5, 0.2, -0.3, 0.0, 0.1])
    seen, rewards, _ = map(
        np.array, zip(*(quarter(market, action) for _ in range(8000)), strict=True)
    )
    for state, sign in ((EXPANSION, 1.0), (RECESSION, -1.0)):
        own = rewards[seen == sign]
        error = own.std() / np.sqrt(len(own))
        assert own.mean() == pytest.approx(growth(weights(action), state), abs=4 * error)
    changes = np.flatnonzero(np.diff(seen))
    for sign, chance in ((1.0, CHANGE[EXPANSION]), (-1.0, CHANGE[RECESSION])):
        share = (seen[changes] == sign).sum() / (seen == sign).sum()
        assert share == pytest.approx(chance, rel=0.2)


def test_a_return_is_the_growth_of_the_wealth() -> None:
    market, wealth, total = Market(), 1.0, 0.0
    market.reset(seed=3)
    action = np.array([0.1, 0.9, -0.5, 0.3, 0.0])
    for _ in range(QUARTERS):
        obs, reward, terminated, truncated, _ = market.step(action)
        wealth *= float(np.exp(obs[1:]) @ weights(action))
        total += reward
        assert not terminated
        assert not truncated
    assert total == pytest.approx(np.log(wealth), rel=1e-5)  # observations are float32


def test_the_same_seed_is_the_same_market_and_another_is_another() -> None:
    rows = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        market = Market()
        market.reset(seed=seed)
        rows[name] = np.array([market.step(np.zeros(5))[0] for _ in range(20)])
    np.testing.assert_array_equal(rows["first"], rows["again"])
    assert not np.array_equal(rows["first"], rows["other"])


def test_success_is_what_the_shares_promise_whatever_luck_brings() -> None:
    runs = {name: evaluate(act, TASK, 40, 3) for name, act in TASK.baselines().items()}
    assert all(episode.success for episode in runs["log-optimal"])
    assert not any(episode.success for episode in runs["equal shares"] + runs["random"])
    pairs = zip(runs["log-optimal"], runs["equal shares"], strict=True)
    assert any(best.reward < equal.reward for best, equal in pairs), "luck never mattered"


def test_a_picture_shows_the_shares_and_who_is_ahead() -> None:
    cash = [np.array([0.0, 0.0, 0.0, 0.0, 1.0])] * QUARTERS
    wealth = [np.zeros(3), *[np.array([0.1, 0.2, 0.3]) * i / QUARTERS for i in range(QUARTERS)]]
    picture = draw(wealth, cash)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    grey = [int(COLOURS[4][i : i + 2], 16) for i in (1, 3, 5)]
    bars = (picture[230:320] == grey).all(axis=2)
    assert bars.mean() > 0.7
    half = draw(wealth, cash[: QUARTERS // 2])
    assert (half[230:320] == grey).all(axis=2).mean() == pytest.approx(bars.mean() / 2, abs=0.01)
    market = Market(render_mode="rgb_array")
    market.reset(seed=0)
    before = market.render()
    market.step(np.zeros(5))
    after = market.render()
    assert before is not None
    assert after is not None
    assert (before != after).any()
    assert Market().render() is None


def test_markets_are_stepped_in_the_process_that_trains() -> None:
    env = TASK.training_env(3, 0, 1, "")
    assert type(env.env).__name__ == "SyncVectorEnv"
    assert env.reset().shape == (3, 6)
    env.close()


def test_gymnasium_makes_the_same_market() -> None:
    env = gymnasium.make(f"{gym_registration.__name__}:{TASK.env_spec.id}")
    assert TASK.env_spec.id == gym_registration.env_id(TASK.name)
    assert isinstance(env.unwrapped, Market)
    assert env.spec is not None
    assert env.spec.max_episode_steps == QUARTERS


def test_every_command_works_on_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(TASK, NamedGymTask)
    assert TASK.name in result(capsys, "tasks")["tasks"]
    budget = ["--steps", "640", "--envs", "16", "--threads", "1", "--width", "16"]
    result(capsys, "train", "portfolio", *budget, "--evaluation-episodes", "2", "--out", "run")
    assert result(capsys, "evaluate", "run", "--episodes", "3")["policies"][0]["mean_length"] == 40
    assert Path(result(capsys, "record", "run", "--seconds", "1")["video"]).is_file()
    axes = ("observation_delay", "sensor_noise", "action_noise")
    suite = ("--suite", "quick", "--clips", "1", "--axes", *axes)
    report = result(capsys, "evaluate", "run", *suite)
    assert Path(report["report"]).is_file()
    code, _, err = call(capsys, "train", "portfolio", "--steps", "9", "--terrain", "waves")
    assert code == 2
    assert "portfolio has no --terrain: of a task's options it has --action-repeat" in err
    code, _, err = call(capsys, "record", "run", "--camera", "side")
    assert code == 2
    assert "portfolio draws itself" in err
