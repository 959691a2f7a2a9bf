"""Policies of Stable-Baselines3: archives of SAC, TD3 and PPO, with statistics of VecNormalize.

An archive holds JSON, where what JSON has not is a pickle in base64, and the weights. Of the
pickles only those are loaded that the network is made of.
"""

import importlib
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from gymnasium import spaces

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.here import look_here
from robo_maxent.interop.policy_contract import contract, described, require_sizes
from robo_maxent.spaces import Box
from robo_maxent.types import Act
from robo_maxent.versions import require_extra

WITHOUT = "none"
"""What stands in place of a file of statistics where there shall be none."""
STATISTICS = re.compile(r"vec_?normalize.*\.pkl", re.IGNORECASE)
"""What such a file is called: by its callbacks ``NAME_vecnormalize_STEPS_steps.pkl``, by people
``vec_normalize.pkl``; rl-zoo puts ``vecnormalize.pkl`` into a directory beside the archive."""

ALGORITHMS = {"SAC": "target_entropy", "TD3": "target_policy_noise", "PPO": "clip_range"}
"""Algorithm -> a setting that only its archives have, and those of its kin, which act the same."""
RELATED = ("sb3_contrib", "sbx")
"""Packages whose archives look the same, and are not."""

_NETWORK = ("policy_class", "policy_kwargs", "observation_space", "action_space")
_UNUSED: dict[str, Any] = {
    "buffer_size": 1,  # else the whole replay is allocated
    "seed": None,  # else torch and numpy are seeded with it
    "learning_rate": 0.0,
    "train_freq": 1,
    "clip_range": 0.2,
}
"""Settings of the training that acting does not need, by values that building the model accepts."""


def load(file: Path, task: EnvFactory, normalize: str | None) -> Act:
    """Load an archive: its deterministic actions, mapped from its action space to [-1, 1].

    Args:
        file: The archive that ``model.save`` wrote.
        task: The task that it shall act on.
        normalize: The file that ``VecNormalize.save`` wrote, or "none" to do without; None: no
            such file lies beside the archive.

    Raises:
        UsageError: The extra sb3 is not installed, or ``normalize`` has to be said.
        PolicyError: A file is missing or not what it claims to be, or does not fit the task.
    """
    own = task.action_space
    if not isinstance(own, Box):
        raise PolicyError(
            f"{file} can't act on discrete actions, which archives are not read for: give the "
            f"policy as a function, MODULE:FUNCTION, or as ONNX. {contract(task)}"
        )
    data = _read(file)
    algorithm = _algorithm(file, data)
    statistics = _statistics(file, normalize)
    library = require_extra("stable_baselines3", "sb3", str(file))
    pickles = [name for name, value in data.items() if ":serialized:" in _keys(value)]
    unused = {name: None for name in pickles if name not in _NETWORK} | _UNUSED
    look_here()  # its feature extractor may be defined in the current directory
    try:
        model = getattr(library, algorithm).load(file, device="cpu", custom_objects=unused)
    except Exception as error:  # whatever the pickles of an archive do
        raise PolicyError(f"{file} can't be loaded as {algorithm}: {described(error)}") from error
    _require_spaces(file, model, task)
    centre, scale = _range(file, model.action_space, own, task)
    normal = _normalizer(statistics, task.policy_size) if statistics else None

    def act(obs: np.ndarray) -> np.ndarray:
        seen = obs if normal is None else normal(obs)
        action, _ = model.predict(seen, deterministic=True)
        return (action - centre) / scale

    return act


def _read(file: Path) -> dict[str, Any]:
    """The JSON of an archive; nothing is unpickled."""
    try:
        with zipfile.ZipFile(file) as archive:
            data = json.loads(archive.read("data"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PolicyError(f"{file} is not an archive of Stable-Baselines3: {error}") from error
    if not isinstance(data, dict):
        raise PolicyError(f"{file} is not an archive of Stable-Baselines3: its data is no object")
    return data


def _keys(value: Any) -> Any:
    return value if isinstance(value, dict) else ()


def _algorithm(file: Path, data: dict[str, Any]) -> str:
    """The algorithm that wrote an archive, by the settings in it."""
    policy = data.get("policy_class")
    package = str(policy.get("__module__", "")).split(".")[0] if isinstance(policy, dict) else ""
    algorithms = [name for name, setting in ALGORITHMS.items() if setting in data]
    if package in RELATED or len(algorithms) != 1:
        what = f"of {package}" if package in RELATED else "of another algorithm"
        raise PolicyError(
            f"{file} is {what}; {', '.join(ALGORITHMS)} of Stable-Baselines3 can be read. Give any "
            "other policy as a function, MODULE:FUNCTION, of observations (N, P) that returns "
            "actions (N, A)."
        )
    return algorithms[0]


def _statistics(file: Path, normalize: str | None) -> Path | None:
    """The file of VecNormalize to use, None: no such thing."""
    pickles = (*file.parent.glob("*.pkl"), *file.parent.glob("*/*.pkl"))
    beside = sorted(str(path) for path in pickles if STATISTICS.search(path.name))
    if normalize is None and beside:
        raise UsageError(
            f"{', '.join(beside[:3])} lies beside {file.name}: a policy trained with VecNormalize "
            f"can act only on what that normalizes. Say --normalize {quote(beside[0])}, if you "
            f"trust it: it is a pickle, and loading one runs whatever code is in it. Or say "
            f"--normalize {WITHOUT}."
        )
    if normalize is None or normalize == WITHOUT:
        return None
    if not Path(normalize).is_file():
        raise PolicyError(f"Statistics file not found: {normalize}")
    return Path(normalize)


def _normalizer(file: Path, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Normalization of observations, (N, P) to (N, P), as VecNormalize saved it."""
    library: Any = importlib.import_module("stable_baselines3.common.vec_env")
    try:
        saved = pickle.loads(file.read_bytes())
    except Exception as error:  # whatever a pickle does
        raise PolicyError(f"{file} can't be unpickled: {described(error)}") from error
    if not isinstance(saved, library.VecNormalize):
        raise PolicyError(f"{file} holds {type(saved).__name__}, expected VecNormalize.")
    if not saved.norm_obs:
        return lambda obs: obs
    shape = np.shape(getattr(saved.obs_rms, "mean", 0.0))  # a dict of them has none
    if shape != (size,):
        raise PolicyError(
            f"{file} normalizes observations of shape {shape}, the task's have shape {(size,)}."
        )
    return saved.normalize_obs


def _require_spaces(file: Path, model: Any, task: EnvFactory) -> None:
    for what in ("observation_space", "action_space"):
        space = getattr(model, what)
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise PolicyError(f"The {what} of {file} is {space}. {contract(task)}")
    sees, acts = model.observation_space.shape[0], model.action_space.shape[0]
    require_sizes(file, task, sees, acts)


def _range(file: Path, space: spaces.Box, own: Box, task: EnvFactory) -> tuple[Any, Any]:
    """Centre and half-width of an action space that is [-1, 1] or what the task maps that to."""
    centre, scale = own.centre, own.scale
    if np.all(space.low == -1.0) and np.all(space.high == 1.0):
        return 0.0, 1.0
    if np.allclose(space.low, centre - scale) and np.allclose(space.high, centre + scale):
        return centre, scale
    raise PolicyError(
        f"{file} acts in {space}, which is neither [-1, 1] nor what {task.name} makes of that: "
        f"{(centre - scale).tolist()} to {(centre + scale).tolist()}."
    )
