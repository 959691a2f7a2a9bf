"""Rows of a stress test -> those of each axis, by policy: what all numbers are counted from."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from robo_maxent.report.curves import Curve, Hit, curve, is_ordered
from robo_maxent.report.row_table import Selection
from robo_maxent.report.rows import (
    BROKEN,
    AxisLabel,
    Start,
    StressEpisode,
    is_disturbed,
    labels_of,
    nominal_severities,
    pair_key,
    severities_of,
    start_of,
    with_all_undisturbed,
)

Rows = list[StressEpisode]
Way = tuple[str, str]
"""Policy, and how it acts."""
Places: TypeAlias = "array[int]"
"""Of rows among all."""


@dataclass(frozen=True)
class AxisRows:
    """The rows of one axis."""

    label: AxisLabel
    severities: tuple[float, ...]
    """From mild to hard."""
    judged: dict[str, Rows]
    """Policy or baseline -> rows that it is judged by: of its mean action, where it was run so."""
    in_mode: dict[tuple[str, str], Rows]
    """Policy and mode -> rows."""
    refined: dict[str, Rows]
    """Policy -> rows at severities where only it was asked: they count for its curves alone."""

    def curve(self, policy: str, hit: Hit) -> Curve:
        """The curve of a policy or baseline, with its rounds where severities are in order."""
        rows, severities = self.judged[policy], self.severities
        more = self.refined.get(policy, [])
        if more and is_ordered(severities):
            less_is_worse = severities[-1] < severities[0]
            between = {row.severity for row in more}
            severities = tuple(sorted({*severities, *between}, reverse=less_is_worse))
            rows = [*rows, *more]
        return curve(rows, severities, hit, self.label.is_scale)

    @property
    def modes(self) -> set[str]:
        """Ways to act that it was run in."""
        return {mode for _, mode in self.in_mode}

    @property
    def nominal(self) -> tuple[float, ...]:
        """Severities at which nothing is different about any episode."""
        every = [row for rows in self.in_mode.values() for row in rows]
        nominal = nominal_severities(every)
        return tuple(severity for severity in self.severities if severity in nominal)


class RowIndex:
    """Where the rows of each axis are among all, and what one look at all of them tells.

    Rows are made for one axis at a time, and not kept.
    """

    def __init__(self, rows: Sequence[StressEpisode], with_rounds: bool) -> None:
        """Look at all rows, of which none is there twice.

        Args:
            rows: Of one stress test.
            with_rounds: Whether rows of rounds count as all others do: in a suite of limits a round
                asks for more of the same, and not for what one policy needs.
        """
        self._rows = rows
        self.policies: dict[str, bool] = {}
        """Those that are no baselines, as they come first -> whether their mean action was run."""
        self.baselines: set[str] = set()
        self.episodes = 0
        """That were run: an undisturbed one has as many rows as there are nominal severities."""
        self.broken: Counter[Way] = Counter()
        """Policy and mode -> episodes whose outcome says nothing of how hard they were."""
        self._of_axis: dict[str, dict[Way, Places]] = defaultdict(_places)
        self._of_rounds: dict[str, dict[Way, Places]] = defaultdict(_places)
        self._undisturbed: dict[Way, Places] = _places()
        self._keys: dict[Way, array[int]] = defaultdict(lambda: array("q"))  # since names are large
        known: dict[Way, set[Start]] = defaultdict(set)  # starts of undisturbed episodes
        for place, row in enumerate(rows):
            way = row.policy, row.mode
            if row.mode == "baseline":
                self.baselines.add(row.policy)
            else:
                self.policies[row.policy] = self.policies.get(row.policy) or row.mode == "mean"
            is_refined = row.round > 0 and not with_rounds
            (self._of_rounds if is_refined else self._of_axis)[row.axis][way].append(place)
            if not is_disturbed(row):
                if start_of(row) in known[way]:
                    continue
                known[way].add(start_of(row))
                self._undisturbed[way].append(place)
            self.episodes += 1
            self.broken[way] += row.outcome in BROKEN
            if not is_refined:
                self._keys[way].append(hash(pair_key(row)))

    def modes(self, policies: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
        """Policy or baseline -> the way to act that it is judged by."""
        modes = {policy: "mean" if self.policies[policy] else "sampled" for policy in policies}
        return modes | dict.fromkeys(baselines, "baseline")

    def unpaired(self, modes: Mapping[str, str]) -> int:
        """Episodes of further policies, as they are judged, that the first one was not run in."""
        first, *others = (way for way in modes.items() if way[1] != "baseline")
        missing = (~np.isin(self._keys[other], self._keys[first]) for other in others)
        return sum(int(each.sum()) for each in missing)

    def undisturbed(self, way: Way) -> Sequence[StressEpisode]:
        """The undisturbed episodes of a policy and a mode."""
        return Selection(self._rows, self._undisturbed.get(way, array("Q")))

    def __len__(self) -> int:
        """How many axes there are."""
        return len(self._of_axis)

    @property
    def in_both(self) -> int:
        """How many axes were run with mean and with sampled actions."""
        modes = ({mode for _, mode in ways} for ways in self._of_axis.values())
        return sum({"mean", "sampled"} <= each for each in modes)

    def labels(self, suite: Mapping[str, Any]) -> tuple[AxisLabel, ...]:
        """Those of all axes, in the order in which they are shown."""
        return tuple(labels_of(suite, self._of_axis).values())

    def rows_of(
        self, label: AxisLabel, suite: Mapping[str, Any], modes: Mapping[str, str]
    ) -> AxisRows:
        """The rows of an axis, made now."""
        name = label.name
        in_mode = {way: self._whole(way, places) for way, places in self._of_axis[name].items()}
        more = {
            policy: self._whole((policy, "mean"), places)
            for (policy, _), places in self._of_rounds[name].items()
        }
        judged = {way[0]: in_mode[way] for way in modes.items() if way in in_mode}
        unit = label.unit or next((row.unit for r in in_mode.values() for row in r if row.unit), "")
        severities = severities_of(name, (row for r in in_mode.values() for row in r), suite)
        return AxisRows(replace(label, unit=unit), severities, judged, in_mode, more)

    def _whole(self, way: Way, places: Places) -> Rows:
        """Rows of an axis, with all undisturbed episodes at its nominal severities."""
        rows = [self._rows[place] for place in places]
        return with_all_undisturbed(rows, self.undisturbed(way))


def _places() -> dict[Way, Places]:
    return defaultdict(lambda: array("Q"))
