"""Soft Actor-Critic for legged robots and manipulation in MuJoCo, on an ordinary machine.

What a script needs is offered here, and loaded when it is asked for: :func:`make_task`,
:func:`train`, :func:`evaluate`, :func:`record` and :func:`stress_test`; and :func:`register`, for a
task of one's own. The packages follow the data: ``sim``, ``perturbations``, ``envs`` and ``tasks``
simulate, ``learning`` and ``training`` learn, ``evaluation``, ``robustness`` and ``report`` say how
well, ``rendering`` shows it, ``interop`` speaks with other libraries, and ``cli`` is the command
line.

Letters in shape comments: ``N`` simulations, ``B`` batch, ``A`` actions, ``O`` observation size,
``E`` critics in the ensemble. SI units throughout; angles in radians.

Nothing heavy is imported here. But where Gymnasium is loaded already, the tasks are registered with
it, and that loads MuJoCo.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robo_maxent.evaluation.rollout import evaluate
    from robo_maxent.interop.gym_registration import register
    from robo_maxent.rendering.video import record
    from robo_maxent.robustness.stress_test import stress_test
    from robo_maxent.tasks import make as make_task
    from robo_maxent.training.train import train

__version__ = "0.1.0"
__all__ = ["evaluate", "make_task", "record", "register", "stress_test", "train"]

_OFFERED = {
    "evaluate": ("robo_maxent.evaluation.rollout", "evaluate"),
    "make_task": ("robo_maxent.tasks", "make"),
    "record": ("robo_maxent.rendering.video", "record"),
    "register": ("robo_maxent.interop.gym_registration", "register"),
    "stress_test": ("robo_maxent.robustness.stress_test", "stress_test"),
    "train": ("robo_maxent.training.train", "train"),
}


def __getattr__(name: str) -> Any:
    """Load what is offered here when it is first asked for."""
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _OFFERED[name]
    return getattr(import_module(module), attribute)


if "gymnasium" in sys.modules:
    import robo_maxent.interop.gym_registration  # noqa: F401
