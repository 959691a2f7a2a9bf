"""Rows of a stress test -> those of each axis, by policy: what all numbers are counted from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robo_maxent.report.curves import Curve, Hit, curve, is_ordered
from robo_maxent.report.rows import (
    AxisLabel,
    StressEpisode,
    is_disturbed,
    labels_of,
    nominal_severities,
    severities_of,
    with_all_undisturbed,
)

Rows = list[StressEpisode]


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


def modes_of(
    rows: Sequence[StressEpisode], policies: Sequence[str], baselines: Sequence[str]
) -> dict[str, str]:
    """Policy or baseline -> the way to act that it is judged by."""
    of_mean = {row.policy for row in rows if row.mode == "mean"}
    modes = {policy: "mean" if policy in of_mean else "sampled" for policy in policies}
    return modes | dict.fromkeys(baselines, "baseline")


def undisturbed_of(episodes: Iterable[StressEpisode]) -> dict[tuple[str, str], Rows]:
    """Policy and mode -> its undisturbed episodes."""
    undisturbed: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in episodes:
        if not is_disturbed(row):
            undisturbed[row.policy, row.mode].append(row)
    return undisturbed


def rows_by_axis(
    rows: Sequence[StressEpisode],
    suite: Mapping[str, Any],
    modes: Mapping[str, str],
    undisturbed: Mapping[tuple[str, str], Rows],
) -> dict[str, AxisRows]:
    """The rows of each axis, in the order in which axes are shown."""
    grouped: dict[str, dict[tuple[str, str], Rows]] = defaultdict(lambda: defaultdict(list))
    refined: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.round:
            refined[row.axis][row.policy].append(row)
        else:
            grouped[row.axis][row.policy, row.mode].append(row)
    by_axis = {}
    for name, label in labels_of(suite, grouped).items():
        in_mode = {
            key: with_all_undisturbed(own, undisturbed.get(key, []))
            for key, own in grouped[name].items()
        }
        more = {
            policy: with_all_undisturbed(own, undisturbed.get((policy, "mean"), []))
            for policy, own in refined[name].items()
        }
        judged = {key[0]: in_mode[key] for key in modes.items() if key in in_mode}
        unit = label.unit or next((row.unit for r in in_mode.values() for row in r if row.unit), "")
        severities = severities_of(name, (row for r in in_mode.values() for row in r), suite)
        by_axis[name] = AxisRows(replace(label, unit=unit), severities, judged, in_mode, more)
    return by_axis
