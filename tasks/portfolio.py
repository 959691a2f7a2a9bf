"""A simulated market: divide wealth among five assets each quarter, so that it grows fastest.

Returns of a quarter are drawn from a finite list of scenarios, so every expectation is a sum, and
the log-optimal portfolio is known exactly. What is traded moves no price and costs nothing: the
portfolio that grows fastest in the long run maximizes the growth of each quarter alone (Breiman
1961, "Optimal gambling systems for favorable games").
"""

import itertools
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from PIL import Image, ImageDraw

from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.gym_trial import random_actions
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.types import Act

ASSETS = ("small stocks", "large stocks", "property", "bonds", "cash")
YEAR = 4  # quarters
QUARTERS = 40  # of an episode
EXPANSION, RECESSION = 0, 1  # the market's two states
DRIFT = np.array([[0.16, 0.12, 0.10, 0.03, 0.02], [-0.12, -0.08, -0.02, 0.03, 0.02]])  # a year
VOLATILITY = np.array([[0.40, 0.28, 0.22, 0.06, 0.01], [0.45, 0.30, 0.22, 0.12, 0.01]])  # a year
EQUAL = np.full(len(ASSETS), 1.0 / len(ASSETS))
CORRELATION = 0.2  # among the first three assets; the others are on their own
CHANGE = np.array([0.05, 0.15])  # chance that a state ends with a quarter: after 5 years, or 1.7
REACH = 3.0
"""Logit of action 1: an asset of action 1 gets 403 times what one of action -1 gets."""
ENOUGH = 0.5
"""Share of the optimum's expected lead over equal shares that is success; luck decides nothing."""

WIDTH, HEIGHT, LEFT, RIGHT = 480, 360, 40, 470  # pixels
COLOURS = ("#c1121f", "#f08c00", "#7b9e00", "#1971c2", "#868e96")  # of the assets
INK, FAINT = "#222222", "#9a9a9a"


@cache
def gross_returns() -> np.ndarray:
    """Value of 1 after a quarter, of each state, scenario and asset, (2, 32, 5).

    Scenarios are equally likely: each of five independent shocks is up or down by one standard
    deviation, which gives logarithms of returns the mean and covariance of a lognormal market.
    """
    shocks = np.array(list(itertools.product([-1.0, 1.0], repeat=len(ASSETS))))  # (32, 5)
    correlation = np.eye(len(ASSETS))
    correlation[:3, :3] += CORRELATION * (1.0 - np.eye(3))
    moves = shocks @ np.linalg.cholesky(correlation).T  # (32, 5)
    drift = (DRIFT - VOLATILITY**2 / 2.0) / YEAR  # of the logarithm
    made = np.exp(drift[:, None] + VOLATILITY[:, None] * moves / np.sqrt(YEAR))  # (2, 32, 5)
    made.flags.writeable = False
    return made


def weights(action: np.ndarray) -> np.ndarray:
    """Shares of the wealth, (..., 5), of actions in [-1, 1], (..., 5): their softmax.

    Action zero is the same share of each, more of an action is more of its asset, and no bound of
    the simplex hides a change of the action, as a projection onto it would. The price: no share is
    quite zero, and a constant added to all actions changes nothing.
    """
    grown = np.exp(REACH * np.asarray(action, np.float64))
    return grown / grown.sum(axis=-1, keepdims=True)


def action_of(portfolio: np.ndarray) -> np.ndarray:
    """The action with the shares of a portfolio, (..., 5), as nearly as actions reach."""
    logits = np.log(np.maximum(portfolio, np.finfo(np.float64).tiny))
    return np.clip(1.0 + (logits - logits.max(axis=-1, keepdims=True)) / REACH, -1.0, 1.0)


def growth(portfolio: np.ndarray, state: int) -> np.ndarray:
    """Expected logarithm of a quarter's return in a state, (...), of portfolios (..., 5)."""
    return np.log(portfolio @ gross_returns()[state].T).mean(axis=-1)


@cache
def log_optimal(state: int) -> np.ndarray:
    """The portfolio that grows fastest in a state, without debts, (5,).

    Each share is multiplied by the mean of its asset's return over the portfolio's, which lets the
    growth rise at every step; at the optimum no such mean is above 1 (Cover 1984, "An algorithm for
    maximizing expected log investment return").
    """
    returns = gross_returns()[state]  # (32, 5)
    portfolio, gain = EQUAL, np.full(len(ASSETS), np.inf)
    while gain.max() > 1.0 + 1e-9:
        gain = (returns / (returns @ portfolio)[:, None]).mean(axis=0)
        portfolio = portfolio * gain
    portfolio.flags.writeable = False
    return portfolio


def optimal_actions(obs: np.ndarray) -> np.ndarray:
    """Actions of the log-optimal portfolios of the states that are observed, (N, 5)."""
    best = np.array([action_of(log_optimal(state)) for state in (EXPANSION, RECESSION)])
    return best[np.where(obs[:, 0] > 0.0, EXPANSION, RECESSION)]


class Market(gymnasium.Env[np.ndarray, np.ndarray]):
    """Ten years of the market, for one investor.

    Observation: whether the economy expands (1) or is in recession (-1), which decides the returns
    of the coming quarter, and the logarithms of the last returns, which say nothing more; float32,
    (6,). Action: see :func:`weights`, (5,). Reward: logarithm of the portfolio's return, so that a
    return is the growth of the wealth. Success: the shares that were held should have grown by at
    least half of what the log-optimal ones should have grown more than equal ones.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (gym.make reads it)
        "render_modes": ["rgb_array"],
        "render_fps": 8,  # quarters: the time of a quarter wherever one is asked for in seconds
    }

    def __init__(self, render_mode: str | None = None) -> None:
        """Make a market that has not opened.

        Args:
            render_mode: None, or ``"rgb_array"`` for pictures of wealth and shares.
        """
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-1.0, 1.0, (1 + len(ASSETS),), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (len(ASSETS),), np.float32)
        self._open(EXPANSION)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Open in either state, as often as the market is in it."""
        super().reset(seed=seed)
        recession = CHANGE[EXPANSION] / CHANGE.sum()
        self._open(RECESSION if self.np_random.random() < recession else EXPANSION)
        return self._observation(np.zeros(len(ASSETS))), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the portfolio of an action for a quarter."""
        held, returns = weights(action), gross_returns()[self._state]
        portfolios = np.array([held, EQUAL, log_optimal(self._state)])
        growths = np.log(portfolios @ returns.T)  # (3, 32)
        scenario = self.np_random.integers(len(returns))
        self._wealth.append(self._wealth[-1] + growths[:, scenario])
        self._expected += growths.mean(axis=1)
        self._held.append(held)
        if self.np_random.random() < CHANGE[self._state]:
            self._state = 1 - self._state
        own, equal, best = self._expected.tolist()
        info = {"is_success": own - equal >= ENOUGH * (best - equal)}
        reward = float(growths[0, scenario])
        return self._observation(np.log(returns[scenario])), reward, False, False, info

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Wealth over the years and shares, uint8, (360, 480, 3); None without a render mode."""
        return draw(self._wealth, self._held) if self.render_mode == "rgb_array" else None

    def _open(self, state: int) -> None:
        self._state = state
        self._wealth = [np.zeros(3)]  # logarithms: own, of equal shares, of the optimum
        self._expected = np.zeros(3)  # of the last of them
        self._held: list[np.ndarray] = []

    def _observation(self, last: np.ndarray) -> np.ndarray:
        state = -1.0 if self._state == RECESSION else 1.0
        return np.array([state, *last], np.float32)


class Portfolio(NamedGymTask):
    """Let wealth grow."""

    name = "portfolio"
    summary = "divide wealth among five assets of a simulated market"
    preset = "arm"
    reward_range = (float(np.log(gross_returns().min())), float(np.log(gross_returns().max())))
    env_spec = EnvSpec(
        "robo_maxent/Portfolio-v0",
        entry_point="robo_maxent.tasks.portfolio:Market",
        max_episode_steps=QUARTERS,
    )

    def training_env(self, n: int, seed: int, threads: int, directory: Any) -> GymVecEnv:
        """N markets in this process: a quarter takes less time than its way from a worker."""
        return GymVecEnv(self, n, seed)

    def baselines(self) -> dict[str, Act]:
        """Equal shares, the log-optimal ones as nearly as actions reach, and random ones."""
        return {
            "equal shares": lambda obs: np.zeros((len(obs), self.action_size)),
            "log-optimal": optimal_actions,
            "random": random_actions(self.action_space),
        }


def draw(wealth: list[np.ndarray], held: list[np.ndarray]) -> np.ndarray:
    """A picture of an episode so far, uint8, (360, 480, 3).

    Args:
        wealth: Logarithms of three fortunes, after each quarter: own, equal shares, the optimum.
        held: Own shares in each quarter.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    _draw_wealth(pen, np.array(wealth), top=30, bottom=190)
    _draw_shares(pen, held, top=225, bottom=325)
    return np.asarray(image)


def _draw_wealth(pen: ImageDraw.ImageDraw, wealth: np.ndarray, top: int, bottom: int) -> None:
    """Wealth on a logarithmic scale, the better of half and a quarter to four times always seen."""
    low, high = min(wealth.min(), np.log(0.5)), max(wealth.max(), np.log(4.0))

    def height(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    for multiple in (0.25, 0.5, 1, 2, 4, 8, 16):
        if low <= np.log(multiple) <= high:
            y = height(np.log(multiple))
            pen.line([(LEFT, y), (RIGHT, y)], fill="#e4e4e4")
            pen.text((4, y - 6), f"x{multiple:g}", fill=INK)
    lines = (("optimum", 2, "#2b8a3e", 2), ("1/N", 1, FAINT, 2), ("policy", 0, "#c1121f", 3))
    for number, (name, column, colour, width) in enumerate(lines):
        points = [(_across(i), height(value)) for i, value in enumerate(wealth[:, column])]
        pen.text((LEFT + 100 * number, 8), f"{name} x{np.exp(wealth[-1, column]):.2f}", fill=colour)
        if len(points) > 1:
            pen.line(points, fill=colour, width=width, joint="curve")


def _draw_shares(pen: ImageDraw.ImageDraw, held: list[np.ndarray], top: int, bottom: int) -> None:
    """Own shares of each quarter, one bar each, and the names of the assets below."""
    pen.text((LEFT, top - 16), f"shares, year {len(held) / YEAR:g}", fill=INK)
    for quarter, shares in enumerate(held):
        edges = bottom - (bottom - top) * np.concatenate([[0.0], np.cumsum(shares)])
        for below, above, colour in zip(edges, edges[1:], COLOURS, strict=False):
            corners = [(_across(quarter), above), (_across(quarter + 1) - 1, max(below, above))]
            pen.rectangle(corners, fill=colour)
    for number, (name, colour) in enumerate(zip(ASSETS, COLOURS, strict=True)):
        pen.text((LEFT + 88 * number, bottom + 10), name, fill=colour)


def _across(quarter: int) -> float:
    """Where a quarter begins, pixels from the left."""
    return LEFT + (RIGHT - LEFT) * quarter / QUARTERS
