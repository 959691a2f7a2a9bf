"""Finished runs -> what each arm reaches, and which arms can be told from the first one."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robo_maxent.evaluation.across_runs import (
    AcrossRuns,
    interquartile_mean,
    least_runs,
    probability_of_improvement,
    rank_test,
)
from robo_maxent.evaluation.paired import holm
from robo_maxent.report.formatting import SIGNIFICANT, chance
from robo_maxent.sweeps.runner import Standing
from robo_maxent.sweeps.settings import Arm


@dataclass(frozen=True)
class Comparison:
    """How an arm compares with the first one."""

    improvement: AcrossRuns
    """Chance that a run of the arm scores higher than one of the first."""
    p_value: float
    """That they score alike, adjusted for all comparisons (Holm)."""

    @property
    def verdict(self) -> str:
        """What the comparison says: better, worse, or could not tell."""
        if self.p_value >= SIGNIFICANT:
            return "could not tell"
        return "better" if self.improvement.value > 0.5 else "worse"


@dataclass(frozen=True)
class ArmSummary:
    """What the runs of an arm reached."""

    name: str
    finished: int
    asked: int
    """Runs that there are to be."""
    failed: int
    success: AcrossRuns | None
    """Interquartile mean over the runs; None: no run is finished, or the task has no success."""
    mean_return: AcrossRuns | None
    comparison: Comparison | None
    """None: it is the first, or not all runs of both are finished."""


@dataclass(frozen=True)
class Summary:
    """What a sweep says of its arms."""

    by: str
    """What arms are compared by: "success" or "return"."""
    arms: tuple[ArmSummary, ...]

    @property
    def best(self) -> ArmSummary | None:
        """The arm that reached most, which need not be better; None: no run is finished."""
        scores = {arm.name: self._score(arm) for arm in self.arms}
        reached = [arm for arm in self.arms if scores[arm.name] is not None]
        return max(reached, key=lambda arm: scores[arm.name] or 0.0, default=None)

    def _score(self, arm: ArmSummary) -> float | None:
        score = arm.success if self.by == "success" else arm.mean_return
        return None if score is None else score.value


def summarize(
    arms: Sequence[Arm], standings: Mapping[str, Sequence[Standing]], asked: int
) -> Summary:
    """Statistics over the runs of each arm, and comparisons with the first arm.

    Runs are compared by success where the task says it of any, else by return, each a mean over the
    same fresh episodes. A task may say success only where it is true, so a run of which it says
    nothing has none. An arm of which a run failed, or is not finished, is not compared: the runs
    that are left out may be the bad ones.

    Args:
        arms: All arms; the others are compared with the first.
        standings: Name of an arm -> where its runs are, as far as they were begun.
        asked: Number of runs that each arm is to have.
    """
    results = {
        arm.name: [s.result for s in standings.get(arm.name, ()) if s.result] for arm in arms
    }
    knows = any(r.success is not None for each in results.values() for r in each)
    by = "success" if knows else "return"
    successes = {
        name: [r.success or 0.0 for r in each] if knows else [] for name, each in results.items()
    }
    returns = {name: [r.mean_return for r in each] for name, each in results.items()}
    scores = {
        name: np.array(each, float) for name, each in (successes if knows else returns).items()
    }
    compared = _compared(scores, asked)
    return Summary(
        by,
        tuple(
            ArmSummary(
                arm.name,
                len(results[arm.name]),
                asked,
                sum(standing.state == "failed" for standing in standings.get(arm.name, ())),
                _middle(successes[arm.name], (0.0, 1.0)),
                _middle(returns[arm.name]),
                compared.get(arm.name),
            )
            for arm in arms
        ),
    )


def _compared(scores: Mapping[str, np.ndarray], asked: int) -> dict[str, Comparison]:
    """Comparisons with the first, of those that have all their runs."""
    reference, *others = [name for name, runs in scores.items() if len(runs) == asked] or [""]
    if reference != next(iter(scores)) or not others:
        return {}
    p_values = [rank_test(scores[name], scores[reference]) for name in others]
    pending = len(scores) - 1 - len(others)  # comparisons that are still to come count too
    adjusted = holm(np.array([*p_values, *[1.0] * pending]))
    return {
        name: Comparison(probability_of_improvement(scores[name], scores[reference]), float(p))
        for name, p in zip(others, adjusted, strict=False)
    }


def _middle(
    values: Sequence[float], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> AcrossRuns | None:
    if not values:
        return None
    return interquartile_mean(np.array(values), np.random.default_rng(0), bounds)


def too_few(arms: int, runs: int) -> str | None:
    """Warn of a sweep whose runs are too few to tell any arm from the first; None: they can."""
    if arms < 2 or runs >= least_runs(arms - 1):
        return None
    return (
        f"{runs} runs of each can tell no setting from the first, however they score: that takes "
        f"--seeds {least_runs(arms - 1)} or more"
    )


def lines(summary: Summary) -> list[str]:
    """Lay out a table for people: interquartile means over runs, with 95 % intervals."""
    width = max(len("setting"), *(len(arm.name) for arm in summary.arms))
    has_success = any(arm.success is not None for arm in summary.arms)
    compares = any(arm.comparison is not None for arm in summary.arms)
    head = f"{'setting':<{width}}{'runs':>7}"
    head += f"{'success, %':>24}" if has_success else ""
    head += f"{'return':>26}"
    head += f"  {'beats the first':<20} by {summary.by}" if compares else ""
    return [head, *(_line(arm, width, has_success) for arm in summary.arms)]


def _line(arm: ArmSummary, width: int, has_success: bool) -> str:
    text = f"{arm.name:<{width}}{f'{arm.finished}/{arm.asked}':>7}"
    text += f"{_shown(arm.success, 100.0):>24}" if has_success else ""
    text += f"{_shown(arm.mean_return):>26}"
    if arm.comparison is not None:
        p = f"p {chance(arm.comparison.p_value)}"
        text += f"  {_shown(arm.comparison.improvement):<20} {arm.comparison.verdict} ({p})"
    elif arm.failed:
        text += f"  {arm.failed} failed: not compared"
    return text


def _shown(across: AcrossRuns | None, times: float = 1.0) -> str:
    if across is None:
        return "-"
    value = f"{times * across.value:.3g}"
    if across.interval is None:
        return value
    low, high = across.interval
    return f"{value} [{times * low:.3g}, {times * high:.3g}]"


def rows(arms: Sequence[Arm], standings: Mapping[str, Sequence[Standing]]) -> list[dict[str, Any]]:
    """List the runs for tables of others: arm, settings, seed, and what each reached."""
    return [
        {
            "setting": arm.name,
            **{name: str(value) for name, value in arm.changes.items()},
            "seed": standing.order.config.seed,
            "state": standing.state,
            **(asdict(standing.result) if standing.result else {}),
            "error": standing.error,
            "run": str(standing.order.directory),
        }
        for arm in arms
        for standing in standings.get(arm.name, ())
    ]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV; a cell is empty where a row lacks the column."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(summary: Summary) -> dict[str, Any]:
    """The figures of a summary for scripts, as a JSON object."""
    arms = []
    for arm in summary.arms:
        known = asdict(arm)
        if arm.comparison is not None:
            known["comparison"]["verdict"] = arm.comparison.verdict
        arms.append(known)
    return {"by": summary.by, "arms": arms}
