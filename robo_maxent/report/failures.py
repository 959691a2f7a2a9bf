"""Chooses failed episodes that are worth watching, from any number of rows."""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from robo_maxent.report.rows import StressEpisode, belongs, identity, met, ordered

SHOWN = 12
"""Most failures in a report, unless more are filmed."""


class Failures:
    """Candidates of failed episodes to watch: the first few of each condition.

    Those of the mean action are, but for rows of a refinement. It holds as many of a million rows
    as of ten thousand.
    """

    def __init__(
        self, rows: Iterable[StressEpisode] = (), most: int = SHOWN, with_rounds: bool = False
    ) -> None:
        """Look at some rows.

        Args:
            rows: The first of them.
            most: How many will be chosen.
            with_rounds: Whether rows of rounds count too, as in a suite that has limits.
        """
        self._most, self._with_rounds = most, with_rounds
        self._kept: dict[tuple[str, str], dict[tuple[float, str], list[StressEpisode]]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._severities: dict[str, dict[float, None]] = defaultdict(dict)
        for row in rows:
            self.add(row)

    def add(self, row: StressEpisode) -> None:
        """Look at another row."""
        if row.round and not self._with_rounds:
            return
        self._severities[row.axis].setdefault(row.severity)
        if row.mode != "mean" or met(row) or not belongs(row):
            return
        key = row.axis, row.policy
        self._counts[key] += 1
        kept = self._kept.setdefault(key, {}).setdefault((row.severity, row.case), [])
        insort(kept, row, key=identity)
        del kept[self._most :]

    def choose(self, suite: Mapping[str, Any]) -> list[StressEpisode]:
        """Choose from them: first from the axes that fail most, the mildest disturbances.

        Axes take turns, and so do cases of an axis (directions, joints, kinds) and policies.

        Args:
            suite: What was run, which has the order of severities.
        """
        queues = {
            (axis, policy): _by_turns(kept, ordered(axis, self._severities[axis], suite))
            for (axis, policy), kept in self._kept.items()
        }
        keys = sorted(queues, key=lambda key: (-self._counts[key], *key))
        turns = range(max(map(len, queues.values()), default=0))
        by_turns = (queues[key][turn] for turn in turns for key in keys if turn < len(queues[key]))
        return list(islice(by_turns, self._most))


def _by_turns(
    kept: Mapping[tuple[float, str], Sequence[StressEpisode]], severities: Sequence[float]
) -> list[StressEpisode]:
    """Failures of one axis from mild to hard, taking turns between cases and severities."""
    rank = {severity: place for place, severity in enumerate(severities)}
    turns = [
        (turn, rank[severity], identity(row), row)
        for (severity, _), of_condition in kept.items()
        for turn, row in enumerate(of_condition)
    ]
    return [row for *_, row in sorted(turns, key=lambda turn: turn[:3])]
