"""Groups the rows of a stress test by axis and policy."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robo_maxent.report.curves import Curve, Hit, curve, is_ordered
from robo_maxent.report.row_table import RowGroup, RowTable, joined, joint_starts
from robo_maxent.report.rows import (
    BROKEN,
    AxisLabel,
    StressEpisode,
    is_disturbed,
    labels_of,
    nominal_severities,
    ordered,
)

Way = tuple[str, str]
"""Policy, and how it acts."""


@dataclass(frozen=True)
class AxisRows:
    """The rows of one axis."""

    label: AxisLabel
    severities: tuple[float, ...]
    """From mild to hard."""
    judged: dict[str, RowGroup]
    """Policy or baseline -> rows by which it is judged: of its mean action, if that was run."""
    in_mode: dict[Way, RowGroup]
    """Policy and mode -> rows."""
    refined: dict[str, RowGroup]
    """Policy -> rows of its refinement, which count only for its curves."""

    def curve(self, policy: str, hit: Hit) -> Curve:
        """Curve of a policy or baseline, with its refinement if severities are ordered."""
        rows, severities = self.judged[policy], self.severities
        more = self.refined.get(policy)
        if more and is_ordered(severities):
            less_is_worse = severities[-1] < severities[0]
            between = {kind.severity for kind, _ in more.present()}
            severities = tuple(sorted({*severities, *between}, reverse=less_is_worse))
            rows = joined([rows, more])
        return curve(rows, severities, hit, self.label.is_scale)

    @property
    def modes(self) -> set[str]:
        """Modes in which it was run."""
        return {mode for _, mode in self.in_mode}

    @property
    def nominal(self) -> tuple[float, ...]:
        """Severities at which no episode is disturbed."""
        every = (kind for rows in self.in_mode.values() for kind, _ in rows.present())
        nominal = nominal_severities(every)
        return tuple(severity for severity in self.severities if severity in nominal)


class RowIndex:
    """Which rows of a table each axis has, and what one look at all of them tells."""

    def __init__(self, table: RowTable, with_rounds: bool) -> None:
        """Look at all rows, of which none is there twice.

        Args:
            table: Of one stress test.
            with_rounds: Whether rows of rounds count as all others do: in a suite of limits a round
                asks for more of the same, and not for what one policy needs.
        """
        rows = table.all()
        self.policies: dict[str, bool] = {}
        """Those that are no baselines, as they come first -> whether their mean action was run."""
        self.baselines: set[str] = set()
        for kind, _ in rows.present():
            if kind.mode == "baseline":
                self.baselines.add(kind.policy)
            else:
                self.policies[kind.policy] = self.policies.get(kind.policy) or kind.mode == "mean"

        def is_refined(kind: StressEpisode) -> bool:
            return kind.round > 0 and not with_rounds

        self._of_axis = _by_axis(rows.only(lambda kind: not is_refined(kind)))
        self._of_rounds = _by_axis(rows.only(is_refined))
        self._undisturbed: dict[Way, RowGroup] = {}
        self._run: dict[Way, RowGroup] = {}  # episodes, those of rounds left out
        self.episodes = 0
        """Number of episodes: an undisturbed one has a row for each nominal severity."""
        self.broken: Counter[Way] = Counter()
        """Policy and mode -> number of episodes whose outcome does not count."""
        for way in dict.fromkeys(_way(kind) for kind, _ in rows.present()):
            own = rows.only(lambda kind, way=way: _way(kind) == way).compact()
            undisturbed = _distinct(own.only(lambda kind: not is_disturbed(kind)))
            run = joined([own.only(is_disturbed), undisturbed])
            self._undisturbed[way] = undisturbed
            self._run[way] = run.only(lambda kind: not is_refined(kind))
            self.episodes += len(run)
            self.broken[way] = int(run.each(lambda kind: kind.outcome in BROKEN).sum())

    def modes(self, policies: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
        """Policy or baseline -> the mode by which it is judged."""
        modes = {policy: "mean" if self.policies[policy] else "sampled" for policy in policies}
        return modes | dict.fromkeys(baselines, "baseline")

    def unpaired(self, modes: Mapping[str, str]) -> int:
        """Number of further policies' episodes that the first one was not run in."""
        first, *others = (self._run[way] for way in modes.items() if way[1] != "baseline")
        missing = 0
        for other in others:
            ours, theirs = joint_starts([first, other], _condition)
            missing += int((~np.isin(theirs, ours)).sum())
        return missing

    def undisturbed(self, way: Way) -> RowGroup:
        """Undisturbed episodes of a policy and a mode."""
        return self._undisturbed[way]

    def __len__(self) -> int:
        """Number of axes."""
        return len(self._of_axis)

    @property
    def in_both(self) -> int:
        """Number of axes that were run with mean and with sampled actions."""
        modes = ({mode for _, mode in ways} for ways in self._of_axis.values())
        return sum({"mean", "sampled"} <= each for each in modes)

    def labels(self, suite: Mapping[str, Any]) -> tuple[AxisLabel, ...]:
        """Labels of all axes, in the order in which they are shown."""
        return tuple(labels_of(suite, self._of_axis).values())

    def rows_of(
        self, label: AxisLabel, suite: Mapping[str, Any], modes: Mapping[str, str]
    ) -> AxisRows:
        """The rows of an axis."""
        name = label.name
        in_mode = {way: self._whole(way, rows) for way, rows in self._of_axis[name].items()}
        of_rounds = self._of_rounds.get(name, {})
        more = {way[0]: self._whole((way[0], "mean"), rows) for way, rows in of_rounds.items()}
        judged = {way[0]: in_mode[way] for way in modes.items() if way in in_mode}
        kinds = [kind for rows in in_mode.values() for kind, _ in rows.present()]
        unit = label.unit or next((kind.unit for kind in kinds if kind.unit), "")
        severities = ordered(name, (kind.severity for kind in kinds), suite)
        return AxisRows(replace(label, unit=unit), severities, judged, in_mode, more)

    def _whole(self, way: Way, rows: RowGroup) -> RowGroup:
        """Rows of an axis, with all undisturbed episodes of the policy at its nominal severities.

        A suite lists few of them there, but all are of one condition.
        """
        like: dict[float, StressEpisode] = {}  # the first row of each severity
        for kind, _ in rows.present():
            like.setdefault(kind.severity, kind)
        nominal = nominal_severities(kind for kind, _ in rows.present())
        undisturbed = self._undisturbed.get(way)
        listed = [
            undisturbed.changed(lambda kind, one=one: _at(kind, one))
            for severity, one in like.items()
            if severity in nominal and undisturbed is not None
        ]
        return joined([*listed, rows.only(lambda kind: kind.severity not in nominal)]).compact()


def _way(kind: StressEpisode) -> Way:
    return kind.policy, kind.mode


def _condition(kind: StressEpisode) -> tuple[str, float, str]:
    return kind.axis, kind.severity, kind.case


def _at(kind: StressEpisode, one: StressEpisode) -> StressEpisode:
    """An undisturbed episode where another stands."""
    return replace(kind, axis=one.axis, severity=one.severity, case=one.case, unit=one.unit)


def _by_axis(rows: RowGroup) -> dict[str, dict[Way, RowGroup]]:
    """The rows of each axis, policy and mode, in the order in which they come first."""
    keys = dict.fromkeys((kind.axis, _way(kind)) for kind, _ in rows.present())
    number = {key: place for place, key in enumerate(keys)}
    of_row = rows.each(lambda kind: number.get((kind.axis, _way(kind)), -1))
    groups: dict[str, dict[Way, RowGroup]] = {}
    for (axis, way), place in number.items():
        groups.setdefault(axis, {})[way] = rows.where(of_row == place).compact()
    return groups


def _distinct(rows: RowGroup) -> RowGroup:
    """The first row of each start."""
    return rows.where(np.unique(rows.starts(), return_index=True)[1])
