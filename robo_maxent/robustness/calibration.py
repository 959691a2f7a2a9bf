"""Calibration of a policy by its first undisturbed episodes: its safe set, or required return.

It is kept in the file of a stress test under these names, by policy and by how it acts:

    safe_set        a safe set as JSON; None: it did its task in no episode
    return_needed   the least return that counts as success, of a task that knows no success
    random_return   mean return of random actions there
    says_success    true, once the task said of an episode whether it succeeded

A task may say so only where it is true, and so nothing of a policy that never succeeds. Such a
policy is judged by its return only if nobody's episodes said anything (:func:`misjudged`).

All are known before any other episode is judged, so that it does not matter where and when those
are run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robo_maxent.evaluation.recovery import SafeSet, calibrate
from robo_maxent.evaluation.rollout import silence_fails
from robo_maxent.perturbations import params as episode_params
from robo_maxent.robustness import success_by_return, traced_rollout
from robo_maxent.robustness.baselines import baseline
from robo_maxent.robustness.traced_rollout import Batch, Trace
from robo_maxent.types import Episode

SAFE_SET, RETURN_NEEDED, RANDOM_RETURN = "safe_set", "return_needed", "random_return"
SAYS_SUCCESS = "says_success"
OF_RETURN = RETURN_NEEDED, RANDOM_RETURN, "success_means"
"""What is noted only where returns decide."""
Calibration = Mapping[str, Any]
Way = tuple[str, str]
"""Label of a policy, and how it acts."""


def calibrated(
    known: Calibration, way: Way, batch: Batch, episodes: Sequence[Episode], trace: Trace
) -> dict[str, Any]:
    """The calibration after a policy's undisturbed episodes, added to what was known before."""
    label, mode = way
    added: dict[str, Any] = {}
    if trace.deviation_names:
        undisturbed = trace.undisturbed(list(episodes), batch.task.control_dt)
        safe_set = calibrate(list(trace.deviation_names), undisturbed) if undisturbed else None
        added[SAFE_SET] = {label: {mode: safe_set and safe_set.to_json()}}
    if SAYS_SUCCESS in known or success_by_return.says_success(episodes):
        added[SAYS_SUCCESS] = True
    elif RETURN_NEEDED in known or not success_by_return.knows_success(episodes):
        random = known.get(RANDOM_RETURN)
        if random is None:
            random = success_by_return.mean_return(_random_episodes(batch))
        least = success_by_return.needed(success_by_return.mean_return(episodes), random)
        added |= {RANDOM_RETURN: random, RETURN_NEEDED: {label: {mode: least}}}
    return joined(known, added)


def joined(one: Calibration, other: Calibration, order: Sequence[Way] = ()) -> dict[str, Any]:
    """Merge two calibrations, in a fixed order."""
    both = {**one, **other}
    for name in (SAFE_SET, RETURN_NEEDED):
        if name not in both:
            continue
        values = {
            (label, mode): value
            for known in (one, other)
            for label, of_modes in known.get(name, {}).items()
            for mode, value in of_modes.items()
        }
        both[name] = {}
        for label, mode in sorted(values, key=lambda way: order.index(way) if way in order else 0):
            both[name].setdefault(label, {})[mode] = values[label, mode]
    return both


def explained(known: Calibration, task: str) -> str | None:
    """What success means, for the reader of a report; None: as the task defines it."""
    if not _by_return(known):
        return None
    shown = {
        label if mode == "mean" else f"{label}, sampled": value
        for label, of_label in known[RETURN_NEEDED].items()
        for mode, value in of_label.items()
    }
    return success_by_return.explained(task, known[RANDOM_RETURN], shown)


def judged(
    known: Calibration, way: Way, first: str, episodes: Sequence[Episode]
) -> tuple[list[Episode], bool]:
    """Judge the success of episodes; also says whether their return decided it."""
    if not _by_return(known):
        return silence_fails(episodes), False
    least = _of(known, RETURN_NEEDED, way, first)
    return [success_by_return.judged(episode, least) for episode in episodes], True


def misjudged(known: Calibration) -> set[Way]:
    """Who was judged by return, though the task says success: others' episodes told so since."""
    if SAYS_SUCCESS not in known:
        return set()
    needed = known.get(RETURN_NEEDED, {})
    return {(label, mode) for label, of_modes in needed.items() for mode in of_modes}


def safe_sets(known: Calibration, way: Way, first: str) -> tuple[SafeSet | None, SafeSet | None]:
    """Safe set of a policy, and that of the first policy; None if it has none."""
    saved = _of(known, SAFE_SET, way, first), _of(known, SAFE_SET, (first, "mean"), first)
    own, common = (None if each is None else SafeSet.from_json(each) for each in saved)
    return own, common


def _by_return(known: Calibration) -> bool:
    return RETURN_NEEDED in known and SAYS_SUCCESS not in known


def _of(known: Calibration, name: str, way: Way, first: str) -> Any:
    """Calibration of a policy; baselines have that of the first policy."""
    label, mode = (first, "mean") if way[1] == "baseline" else way
    return known.get(name, {}).get(label, {}).get(mode)


def _random_episodes(batch: Batch) -> list[Episode]:
    """Undisturbed episodes of random actions, the same for all policies."""
    task, n = batch.task, success_by_return.RANDOM_EPISODES
    params = episode_params.nominal(task.perturbations, task.robot, n)
    undisturbed = Batch(task, params, np.arange(n), batch.seed, np.zeros(n, np.int64))
    return traced_rollout.run(undisturbed, baseline(task, success_by_return.RANDOM), "baseline")[0]
