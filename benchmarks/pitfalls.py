"""What is often said of maximum-entropy reinforcement learning, or got wrong in it, measured.

*noise*: "it is just noise on the policy". One step, state s in [-1, 1], reward -R(s) a² with
R(s) = 10^(1 + s): the best policy has the variance α / (2 R(s)), so that log σ falls with log R at
a slope of -1/2, where noise that is added has 0. *backup*: what the usual mistakes in the soft
backup do to a learner on a linear system with quadratic costs (lqr.py), whose optimum is known:
gain K, and the offset c by which the soft value lies below -P x². Exact values of the mistakes
follow from the closed forms; a time limit of T steps that is stored as termination is taken for a
discount of γ (1 - 1 / T), which is nearly so.

Seeds are 0, 1 and 2, quickly only 0; intervals are at 95 %, across them. Others have commands of
their own, see docs/maxent.md.

    python benchmarks/pitfalls.py [--quick] [--only noise,backup] [--workers 2]
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import lqr
import numpy as np
import torch
from oracles import Each, Section, main, seeds_of

from robo_maxent.evaluation.across_runs import interquartile_mean
from robo_maxent.learning import native
from robo_maxent.learning import sac as sac_module
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac, soft_target

# -- not just noise ----------------------------------------------------------------------

NOISE_ALPHA = 0.2
"""At which σ is between 0.03 and 0.32."""
NOISE_CONFIG = SacConfig(
    width=64,
    batch_size=128,
    learning_rate=5e-3,
    learning_rate_held=None,  # :func:`slope` has a schedule of its own
    weight_decay=0.0,
    normalize=False,
    actor_every=1,
    initial_alpha=NOISE_ALPHA,
    alpha_learning_rate=0.0,
)


def slope(seed: int, updates: int) -> float:
    """Slope of the learnt log σ over log R, -1/2 in the best policy."""
    torch.set_num_threads(1)
    sac, rng = Sac(1, 1, NOISE_CONFIG, seed), np.random.default_rng(seed)
    buffer = ReplayBuffer(50_000, 1, 1)
    s, a = rng.uniform(-1, 1, (2, buffer.capacity, 1))
    ends, sims = np.ones(len(s), bool), np.zeros(len(s), int)
    buffer.add(s, a, -(10.0 ** (1.0 + s) * a**2)[:, 0], s, ends, sims, ends)
    for update in range(updates):
        for name in ("actor", "critics"):
            falling = min(1.0, 2.0 - 2.0 * update / updates)
            sac.optimizers[name].rate = NOISE_CONFIG.learning_rate * falling
        sac.update(buffer.sample(rng, NOISE_CONFIG.batch_size))
    states = np.linspace(-0.9, 0.9, 19)
    with torch.no_grad():
        obs = torch.from_numpy(states).float()[:, None].repeat_interleave(4000, 0)
        draws = torch.randn(len(obs), 1, generator=torch.Generator().manual_seed(0))
        action = sac.actor.sample(obs, draws)[0].view(len(states), -1).double().numpy()
    return float(np.polyfit(math.log(10.0) * (1.0 + states), np.log(action.std(1)), 1)[0])


def noise(quick: bool, each: Each) -> dict[str, float]:
    """How the spread of the policy follows the state."""
    seeds = seeds_of(quick)
    slopes = np.array(list(each(partial(slope, updates=1500 if quick else 4000), seeds)))
    shown = interquartile_mean(slopes, np.random.default_rng(0))
    print(f"log σ over log R: slope {shown}; best -0.5, of added noise 0")
    return {"noise_slope": float(slopes.mean())}


# -- the backup --------------------------------------------------------------------------

SMALL = {
    "width": 64,
    "batch_size": 128,
    "learning_rate": 1e-2,
    "alpha_learning_rate": 3e-2,
    "initial_alpha": lqr.ALPHA,
}
BackupOf = Callable[..., torch.Tensor]
BACKUPS: dict[str, tuple[BackupOf, bool]] = {
    "none": (soft_target, False),
    "entropy missing": (lambda r, t, q, p, a, g: soft_target(r, t, q, 0 * p, a, g), False),
    "entropy with the wrong sign": (lambda r, t, q, p, a, g: soft_target(r, t, q, -p, a, g), False),
    "time limit stored as termination": (soft_target, True),
    "discount 0.95 for 0.9": (lambda r, t, q, p, a, g: soft_target(r, t, q, p, a, 0.95), False),
}
"""Mistake -> backup, and whether the time limit is stored as termination."""


def exact_mistake(name: str) -> tuple[float, float]:
    """Gain and offset at which a learner with a mistake ends, its temperature being automatic.

    The offset is that of Q - α log π, so the entropy of the first action is in it in any case.
    """
    gamma = {
        "time limit stored as termination": lqr.SYSTEM.gamma * (1.0 - 1.0 / lqr.TIME_LIMIT),
        "discount 0.95 for 0.9": 0.95,
    }.get(name, lqr.SYSTEM.gamma)
    best = replace(lqr.SYSTEM, gamma=gamma).solve()
    alpha = best.temperature(lqr.ENTROPY)
    counted = {"entropy missing": 0.0, "entropy with the wrong sign": -1.0}.get(name, 1.0)
    first, later = alpha * lqr.ENTROPY, alpha * lqr.ENTROPY * gamma / (1.0 - gamma)
    return best.gain.item(), best.plain_offset(alpha) - first - counted * later


def mistaken(run: tuple[str, int], updates: int) -> tuple[float, float]:
    """Gain and offset that a learner with a mistake ends at."""
    name, seed = run
    backup, time_limit_is_terminal = BACKUPS[name]
    torch.set_num_threads(1)
    config = replace(lqr.CONFIG, **SMALL)
    with (
        patch.object(sac_module, "soft_target", backup),
        patch.object(native, "library", lambda: None),  # whose update is another function
    ):
        sac = Sac(1, 1, config, seed)
        episodes = lqr.Episodes(np.random.default_rng(seed), time_limit_is_terminal)
        for _ in range(100):
            episodes.step(sac)
        held = np.ones(updates // 2)
        found = lqr.learn(sac, episodes, np.concatenate([held, np.linspace(1.0, 0.0, len(held))]))
    return found.gain, found.offset


def backup(quick: bool, each: Each) -> dict[str, float]:
    """What each mistake does to the gain, and to the value."""
    seeds = seeds_of(quick)
    runs = [(name, seed) for name in BACKUPS for seed in seeds]
    ended = list(each(partial(mistaken, updates=1500 if quick else 3000), runs))
    found = dict(zip(runs, ended, strict=True))
    print(
        f"{'mistake':<34}{'gain K: exact':>14}{'learnt':>30}{'offset c: exact':>17}{'learnt':>30}"
    )
    figures = {}
    for name in BACKUPS:
        gain, offset = exact_mistake(name)
        own = np.array([found[name, seed] for seed in seeds])  # (seeds, 2)
        gains, offsets = (interquartile_mean(column, _rng()) for column in own.T)
        shown = [f"{a.value:.3f}" + _ends(a.interval) for a in (gains, offsets)]
        print(f"{name:<34}{gain:>14.3f}{shown[0]:>30}{offset:>17.3f}{shown[1]:>30}")
        key = name.split()[0] if name == "none" else name.replace(" ", "_")
        figures[f"backup_c_{key}"], figures[f"backup_c_exact_{key}"] = offsets.value, offset
    return figures


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


# -- the command line --------------------------------------------------------------------

SECTIONS: dict[str, Section] = {"noise": noise, "backup": backup}
"""Name -> section."""

if __name__ == "__main__":
    main(SECTIONS, "Pitfalls of maximum entropy, measured.")
