"""Diagnostics of temperature and critics: numbers of a learner, and alarms in words."""

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_maxent.learning.networks import Actor, Critics
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.support import Ends

MUCH = 0.5
"""Share above which an alarm is given: more than half."""
LACK = 0.5
"""nats an element of an action that entropy may lack: a run that is well lacks up to 0.15."""
AT_LIMIT = 0.99
"""Size of an action from which on it counts as saturated."""


@dataclass(frozen=True)
class Diagnostics:
    """Numbers about a learner on a batch of transitions."""

    entropy: float
    """Entropy of the policy, nats."""
    target_entropy: float
    """Entropy that the temperature should hold, nats."""
    entropy_share: float
    """Of the size of what a target value is made of, in [0, 1]: the mean of ``|α log π'|`` over
    that of ``|α log π'| + |Q'|``."""
    saturated: float
    """Share of the elements of sampled actions that are at a limit."""
    twin_gap: float
    """Mean difference of the two critics, over the standard deviation of their values."""
    action_size: int = 1
    """Elements of an action that the entropy is of; 1 of a discrete one."""
    discrete: bool = False
    """Whether an action is a number; one that is all but certain counts as at its limit."""
    endless: float = 0.0
    """What entropy alone is worth to an episode that never ends, over the mean size of a value:
    ``E[-α log π'] / (1 - γ) / E|Q'|``; 0 where targets leave entropy out."""
    terminated: float = 0.0
    """Share of the transitions of the batch after which an episode terminated."""
    fixed: bool = False
    """Whether the temperature stays as it is, so that no target holds the entropy."""
    ends: Ends | None = None
    """How the support of categorical critics fits; None: they are scalar."""

    def metrics(self) -> dict[str, float]:
        """By the names under which a run logs them."""
        names = ("entropy_share", "saturated", "twin_gap")
        return {f"diagnostics/{name}": getattr(self, name) for name in names}

    def alarms(self) -> dict[str, str]:
        """What is wrong -> why that is bad, and what to do; empty if all is well."""
        alarms = {name: words for name, (wrong, words) in self._rules().items() if wrong}
        return alarms if self.ends is None else alarms | self.ends.alarms()

    def plays_for_time(self) -> dict[str, str]:
        """What is wrong if no episode of an evaluation terminated, likewise.

        Episodes can terminate, and most of what values count is entropy still to come: so a policy
        may be paid for not ending them.
        """
        if not (self.terminated and self.endless > MUCH):
            return {}
        words = (
            "no episode of the evaluation terminated, and entropy still to come makes up "
            f"{100 * min(self.endless, 1.0):.0f} % of the values: the policy may be paid for not "
            "ending episodes. If it should end them, train anew with --no-entropy-in-target."
        )
        return {"plays_for_time": words}

    def _rules(self) -> dict[str, tuple[bool, str]]:
        lack = self.target_entropy - self.entropy
        setting = "--target-entropy-ratio" if self.discrete else "--target-entropy-per-action"
        setting = "--initial-alpha" if self.fixed else setting
        certain = "of the states leave one action all but certain: little is tried. Raise"
        switches = "of the actions are at their limits: the policy switches rather than steers. "
        switches += "Widen the action range, or raise"
        return {
            "entropy_share": (
                self.entropy_share > MUCH,
                f"{100 * self.entropy_share:.0f} % of the target values is entropy: rewards hardly "
                f"count. Lower {setting}, or scale rewards up.",
            ),
            "saturated": (
                self.saturated > MUCH,
                f"{100 * self.saturated:.0f} % {certain if self.discrete else switches} {setting}.",
            ),
            "entropy": (
                not self.fixed and lack > LACK * self.action_size,
                f"entropy is {lack:.1f} nats below its target, and the temperature has not caught "
                "up: exploration may have ended. Raise --initial-alpha or --alpha-learning-rate.",
            ),
            "twin_gap": (
                self.twin_gap > 1.0,
                "the critics differ by more than their values vary: they guess. Lower "
                "--learning-rate, or make fewer updates per step.",
            ),
        }


@torch.no_grad()
def diagnose(
    actor: Actor,
    critics: Critics,
    targets: Critics,
    batch: ReplayBatch,
    noise: Tensor,
    alpha: float,
    target_entropy: float,
    horizon: float,
) -> Diagnostics:
    """Look at a learner on a batch of transitions, with normalized observations.

    Args:
        actor: Policy.
        critics: Its critics.
        targets: Their slowly moving copy.
        batch: B transitions.
        noise: Standard normal draws, (B, A).
        alpha: Temperature.
        target_entropy: nats.
        horizon: Steps for which targets count entropy, ``1 / (1 - γ)``; 0: they leave it out.
    """
    action, log_prob = actor.sample(batch.next_obs, noise)
    bonus = (alpha * log_prob).abs().mean()
    value = targets(batch.next_obs, action).amin(0).abs().mean()
    first, second = critics(batch.obs, batch.action)[:2]
    spread = torch.cat([first, second]).std().clamp_min(1e-8)
    return Diagnostics(
        entropy=float(-log_prob.mean()),
        target_entropy=target_entropy,
        entropy_share=float(bonus / (bonus + value).clamp_min(1e-8)),
        saturated=float((action.abs() > AT_LIMIT).float().mean()),
        twin_gap=float((first - second).abs().mean() / spread),
        action_size=action.shape[-1],
        endless=float(-alpha * log_prob.mean() * horizon / value.clamp_min(1e-8)),
        terminated=float(batch.terminated.mean()),
    )
