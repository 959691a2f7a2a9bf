"""Success by return, for tasks without success: a policy must keep most of its lead over chance.

The lead is the mean return of its own undisturbed episodes less that of random actions. Neither
what is added to a reward nor what it is multiplied by changes who succeeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from robo_maxent.types import Episode

SHARE = 0.8
"""Share of its lead over random actions that a policy must keep."""
RANDOM = "random"
"""Baseline whose return counts as chance."""
RANDOM_EPISODES = 16


def says_success(episodes: Sequence[Episode]) -> bool:
    """Whether a task says of any finished episode whether it succeeded."""
    return any(e.success is not None for e in episodes if not e.diverged)


def knows_success(episodes: Sequence[Episode]) -> bool:
    """Whether a task says so, or has no finished episode of which it could."""
    return says_success(episodes) or all(e.diverged for e in episodes)


def mean_return(episodes: Sequence[Episode]) -> float:
    """Mean return of episodes."""
    return float(np.mean([episode.reward for episode in episodes]))


def needed(own: float, random: float) -> float | None:
    """Return that counts as success; None if the policy is no better than chance."""
    return random + SHARE * (own - random) if own > random else None


def judged(episode: Episode, least: float | None) -> Episode:
    """Judge an episode without success by its return."""
    if episode.success is not None:
        return episode
    well = least is not None and episode.reward >= least
    return replace(episode, success=well and episode.policy_error is None)


def explained(task: str, random: float, least: Mapping[str, float | None]) -> str:
    """What success means, for the reader of a report; ``least`` has the return of each policy."""
    each = ", ".join(
        f"{label} {'none, it is no better' if value is None else f'{value:.4g}'}"
        for label, value in least.items()
    )
    return (
        f"{task} says no success, so it is judged by return: a policy succeeds where it keeps "
        f"{100 * SHARE:.0f} % of the lead that it has over random actions (mean return "
        f"{random:.4g}) when undisturbed. Least return: {each}. Baselines are judged by that of "
        "the first policy."
    )
