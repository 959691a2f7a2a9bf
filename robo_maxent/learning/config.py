"""How to learn: frozen, checked at the door, free of torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from robo_maxent.errors import UsageError
from robo_maxent.from_json import LARGEST, typed

LogStdBound = Literal["tanh", "clamp"]
"""How a log standard deviation is kept in its range."""

CriticKind = Literal["scalar", "categorical"]
"""What a critic gives for an action: its mean value, or how returns are distributed."""

ATOMS = 51
"""Atoms of a categorical critic, unless another number is asked for."""

LEAST_RISK = 1e-3
"""Share of returns: of a smaller one, probabilities in float32 know too little."""

FARTHEST_RETURN = 1e9
"""Of a support: squares of gradients of values beyond do not fit in float32."""
FINEST_STEP = 1e-5
"""Between atoms, relative to the largest of them: in float32, closer ones become the same."""

HIGHEST_ENTROPY = math.log(2.0)
"""nats: of an action that is uniform in [-1, 1]."""

TO_FINAL = 100_000
"""Updates in which a target entropy goes to its last value, unless another number is asked for."""

_RANGES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("width",), lambda x: 1 <= x <= 10_000, "within [1, 10,000]"),
    (("batch_size",), lambda x: 1 <= x <= 1_000_000, "within [1, 1,000,000]"),
    (("components",), lambda x: 1 <= x <= 100, "within [1, 100]"),
    (("critic",), lambda x: x in get_args(CriticKind), " or ".join(get_args(CriticKind))),
    (("atoms",), lambda x: 2 <= x <= 1000, "within [2, 1,000]"),
    (
        ("risk",),
        lambda x: LEAST_RISK <= x <= 1,
        f"within [{LEAST_RISK:g}, 1]: the worst share of returns that counts",
    ),
    (("actor_every",), lambda x: x >= 1, "at least 1"),
    (("learning_rate", "initial_alpha"), lambda x: 0 < x < math.inf, "> 0 and finite"),
    (("weight_decay", "alpha_learning_rate"), lambda x: 0 <= x < math.inf, ">= 0 and finite"),
    (("gamma", "tau", "actor_average"), lambda x: 0 < x <= 1, "in (0, 1]"),
    (
        ("target_entropy_per_action", "target_entropy_final"),
        lambda x: x is None or -100.0 <= x < HIGHEST_ENTROPY,
        f"within [-100, {HIGHEST_ENTROPY:.3f}) nats, log 2 being that of a uniform action",
    ),
    (("target_entropy_updates",), lambda x: x >= 1, "at least 1"),
    (
        ("target_entropy_ratio",),
        lambda x: 0 <= x < 1,
        "within [0, 1): it is a share of log A nats, the entropy of A actions that are equally "
        "likely, and no finite temperature reaches that",
    ),
    (("log_std_bound",), lambda x: x in get_args(LogStdBound), " or ".join(get_args(LogStdBound))),
    (("learning_rate_held",), lambda x: x is None or x >= 1, "at least 1 or None"),
)
"""Settings, what is allowed of them, and how to say that; NaN is allowed nowhere."""


@dataclass(frozen=True)
class SacConfig:
    """How to learn. The defaults suit many simulations on two cores."""

    width: int = 128
    """Units in each hidden layer."""
    layer_norm: bool = True
    """SiLU of normalized hidden layers, stable at high learning rates; False: plain ReLU."""
    normalize: bool = True
    """Normalize observations by their running mean and deviation; False: networks see them as they
    are."""
    batch_size: int = 256
    """Transitions in an update."""
    learning_rate: float = 2e-3
    """Step size of Adam for actor and critics."""
    learning_rate_held: int | None = 100_000
    """Updates after which the learning rate falls, as one over the number of updates; more than
    there will be, or in Python None: never. Needs no budget, so that a run can be continued."""
    weight_decay: float = 1e-3
    """Decoupled weight decay of actor and critics."""
    gamma: float = 0.97
    """Discount per control step."""
    tau: float = 0.02
    """Share of the critics that moves into their targets at each update."""
    actor_every: int = 2
    """Critic updates per update of actor and temperature."""
    actor_average: float = 0.01
    """Share of the actor that moves into its average at each of its updates. The average is the
    policy that is evaluated and kept; 1: the actor itself."""
    initial_alpha: float = 0.01
    """Temperature at the start."""
    alpha_learning_rate: float = 1e-3
    """Step size of Adam for log alpha; 0: the temperature stays as it is at the start."""
    entropy_in_target: bool = True
    """Whether the critics count the entropy that follows; False: only the actor seeks entropy, now
    and not later (Yu, Zhang and Xu 2022, arXiv 2201.12434: "SACLite")."""
    target_entropy_per_action: float = -0.5
    """Entropy that the temperature holds, nats per action dimension of [-1, 1]^A."""
    target_entropy_final: float | None = None
    """What that becomes, linearly over ``target_entropy_updates``; by default it stays."""
    target_entropy_updates: int = TO_FINAL
    """Updates until it has."""
    target_entropy_ratio: float = 0.5
    """The same of discrete actions, as a share of log A nats, which is that of A actions equally
    likely; published is 0.98, at which a policy is all but random (see ``discrete_sac.py``)."""
    log_std_range: tuple[float, float] = (-5.0, 0.0)
    """Log standard deviation before the tanh; at 0 the policy covers the action range."""
    log_std_bound: LogStdBound = "tanh"
    """How it is kept there: by a tanh of its own, which has a slope everywhere; clamp: cut off at
    the ends, beyond which it learns nothing, as published."""
    components: int = 1
    """Gaussians of which the policy is a mixture, so that it can keep several ways of acting; each
    more costs an evaluation of the critics. From 2 on updates run in torch, not in C."""
    critic: CriticKind = "scalar"
    """What critics learn of returns: scalar: their mean; categorical: their distribution over
    ``atoms``, for a quarter more time (see ``categorical_critic.py``)."""
    atoms: int = ATOMS
    """Values that a categorical critic gives probabilities to."""
    support: tuple[float, float] | None = None
    """The lowest and the highest of them; by default what the task's rewards and gamma allow. They
    are discounted returns: a reward of r at every step is worth r / (1 - gamma)."""
    risk: float = 1.0
    """Share of the returns, the worst ones, whose mean the actor maximizes (CVaR), by a categorical
    critic; 1: all of them."""
    calm_start: bool = True
    """The actor's last layer starts near zero, so that the first policy is calm; False: as large as
    the others."""

    def __post_init__(self) -> None:
        """Check the values at the door."""
        take_plain(self)
        for names, is_allowed, allowed in _RANGES:
            for name in names:
                if not is_allowed(getattr(self, name)):
                    raise UsageError(f"{name} must be {allowed}, got {getattr(self, name)}")
        if self.target_entropy_final is None and self.target_entropy_updates != TO_FINAL:
            raise UsageError(
                f"target_entropy_updates {self.target_entropy_updates} means nothing without "
                "target_entropy_final, which the entropy would go to"
            )
        low, high = self.log_std_range
        if not -20 <= low < high <= 4:
            raise UsageError(f"log_std_range must rise within [-20, 4], got {low}, {high}")
        self._require_critic()
        require_storable(self)

    def _require_critic(self) -> None:
        if self.support is not None:
            low, high = self.support
            if not -math.inf < low < high < math.inf:
                raise UsageError(
                    f"support must be two finite numbers that rise, such as -10 90, got {low}, "
                    f"{high}"
                )
            largest = max(-low, high)
            if largest > FARTHEST_RETURN:
                raise UsageError(
                    f"support must lie within ±{FARTHEST_RETURN:g}, got {low}, {high}: larger "
                    "values can't be learnt in 32 bits, so scale the rewards down"
                )
            if high - low < FINEST_STEP * max(largest * (self.atoms - 1), 1.0):
                raise UsageError(
                    f"support {low}, {high} is too narrow for {self.atoms} atoms, which 32 bits "
                    "can't tell apart there: give a wider one"
                )
        if self.critic == "categorical":
            return
        for name, usual in (("atoms", ATOMS), ("support", None), ("risk", 1.0)):
            if getattr(self, name) != usual:
                raise UsageError(
                    f"{name} {getattr(self, name)} means nothing with a scalar critic, which knows "
                    "the mean of returns only: ask for critic categorical as well"
                )


def take_plain(config: Any) -> None:
    """Make the numbers of a new configuration plain, as a file that a run keeps can have them.

    NumPy's become Python's, and a whole float an integer where the field has such, as in 1e6.

    Raises:
        UsageError: A value is of another type than its field.
    """
    hints = _hints(type(config))
    for each in fields(config):
        kind, value = hints[each.name], _plain(getattr(config, each.name), hints[each.name])
        object.__setattr__(config, each.name, value)
        if is_dataclass(kind) or get_origin(kind) is Literal:  # those are checked by their values
            continue
        if isinstance(value, int) and abs(value) >= LARGEST:  # see `require_storable`
            continue
        try:
            typed(kind, value, each.name)
        except ValueError as error:
            raise UsageError(str(error)) from error


def require_storable(config: Any) -> None:
    """Check what has no bound of its own: files that a run keeps have integers of 64 bits.

    Raises:
        UsageError: A value is too large.
    """
    for each in fields(config):
        value = getattr(config, each.name)
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise UsageError(f"{each.name} must be below 2**63 in size, got {value}")


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    """Field of a configuration -> its type."""
    return get_type_hints(kind)


def _plain(value: Any, kind: Any) -> Any:
    """A value with Python's numbers in the place of NumPy's, integers where the type has them."""
    if isinstance(value, list | tuple):
        return tuple(_plain(each, float) for each in value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    return int(number) if number.is_integer() and int in (kind, *get_args(kind)) else number
