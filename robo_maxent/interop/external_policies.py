"""Policies of others, through the same evaluation as those of this package.

    MODEL.zip         SAC, TD3 or PPO of Stable-Baselines3
    MODEL.onnx        ONNX
    MODEL.pt          TorchScript
    MODULE:FUNCTION   a Python function

Each becomes a ``types.Act``: observations as the task gives them, float32, (N, P), to actions
in [-1, 1] of the task's action map, (N, A). An object that a name of Python gives may have
``reset(simulations)``, see ``types.Remembering``. What a file says of its sizes is checked, and the
policy is tried on zeros, so that one which does not fit is refused before anything is simulated.
"""

import hashlib
import operator
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from robo_maxent.envs.interface import EnvFactory, layout_of
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.here import import_from_here
from robo_maxent.interop import sb3_policies
from robo_maxent.interop.onnx_export import ACTION, FORMAT
from robo_maxent.interop.policy_contract import (
    ExternalPolicy,
    contract,
    described,
    require_sizes,
)
from robo_maxent.spaces import Layout
from robo_maxent.training.pretrained import is_pretrained
from robo_maxent.types import Act
from robo_maxent.versions import require_extra

SUFFIXES = (".zip", ".onnx", ".pt")
STATISTICS = "statistics.pkl"
"""Name of what VecNormalize saved, where it travels with an archive."""

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class PolicyOfFile(ExternalPolicy):
    """Someone else's policy that was loaded from a file.

    It is pickled as the contents of its files and loaded anew from them, so that it can be sent to
    a machine that lacks the files.
    """

    def __init__(
        self, file: Path, act: Act, task: EnvFactory, normalize: str | None = None
    ) -> None:
        """Try the policy on zeros.

        Args:
            file: The file that it was loaded from.
            act: What the file's loader made of it.
            task: The task that it shall act on.
            normalize: Statistics that were loaded with it; see :func:`load`.

        Raises:
            PolicyError: The policy does not fit the task.
        """
        super().__init__(str(file), act, task)
        self._statistics = normalize if normalize in (None, sb3_policies.WITHOUT) else STATISTICS
        self._files = {file.name: file.read_bytes()}
        if normalize is not None and self._statistics == STATISTICS:
            self._files[STATISTICS] = Path(normalize).read_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        """The files."""
        return _reloaded, (self._files, self._task, self._statistics)


def _reloaded(files: dict[str, bytes], task: EnvFactory, normalize: str | None) -> ExternalPolicy:
    """A policy of files, the first its own, which need not be anywhere."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in files.items():
            Path(directory, name).write_bytes(data)
        statistics = str(Path(directory, STATISTICS)) if normalize == STATISTICS else normalize
        return load(str(Path(directory, next(iter(files)))), task, statistics)


def is_external(named: str) -> bool:
    """Whether a name is that of someone else's policy: its ending says so, or a colon."""
    if is_pretrained(named):
        return False
    return is_function(named) or (Path(named).suffix in SUFFIXES and not Path(named).is_dir())


def is_function(named: str) -> bool:
    """Whether a name is that of a Python function, MODULE:FUNCTION, not of a file nor of ours."""
    if is_pretrained(named):
        return False
    return _FUNCTION.fullmatch(named) is not None and not Path(named).exists()


def check_normalize(named: str, normalize: str | None) -> None:
    """Refuse statistics for a policy that takes none.

    Raises:
        UsageError: ``normalize`` was given, and the policy is no archive of Stable-Baselines3.
    """
    if normalize is not None and Path(named).suffix != ".zip":
        raise UsageError(
            f"--normalize is for archives of Stable-Baselines3 (.zip), which {named} is not"
        )


def require_trust(named: str, normalize: str | None, allow_pickle: bool) -> None:
    """Refuse pickles that were not allowed.

    Raises:
        UsageError: The policy is an archive of Stable-Baselines3, and pickles are not allowed.
    """
    if Path(named).suffix != ".zip" or allow_pickle or not is_external(named):
        return
    beside = "" if normalize in (None, sb3_policies.WITHOUT) else f" and {normalize}"
    raise UsageError(
        f"{named}{beside} may hold pickles, which run whatever code was put into them: if you "
        "trust where it is from, add --allow-pickle"
    )


def runs_code(named: str) -> bool:
    """Whether a policy can do more than compute; all but ONNX, for TorchScript may write files."""
    return is_external(named) and Path(named).suffix != ".onnx"


def content_hash(named: str) -> str | None:
    """SHA-256 of the file of a policy; of a function, of the files that it is written in.

    What those import or read is not in it. None: there is no such file, or no source.
    """
    if not is_function(named):
        return _digest([Path(named)]) if Path(named).is_file() else None
    modules = {named.partition(":")[0], getattr(_function(named), "__module__", None) or ""}
    files = {getattr(sys.modules.get(module), "__file__", None) for module in modules}
    return _digest(map(Path, sorted(file for file in files if file is not None)))


def task_of(named: str) -> str:
    """Read which task a policy was trained on; what ``export`` writes has its name inside.

    Raises:
        UsageError: The policy does not say which.
        PolicyError: There is no such file, or it is not what it claims to be.
    """
    if not is_function(named):
        _existing(named)
    if Path(named).suffix == ".onnx":
        layout = _layout(Path(named), _session(Path(named)))
        if layout is not None:
            return layout.task
    raise UsageError(
        f"{named} does not say which task it is for: add --task NAME. 'robo-maxent tasks' lists "
        "them."
    )


def load(named: str, task: EnvFactory, normalize: str | None = None) -> ExternalPolicy:
    """Load someone else's policy, to act on a task.

    Loading a .zip or importing a function runs code that comes with it.

    Args:
        named: A file, whose ending tells its kind, or MODULE:FUNCTION, which is also looked for in
            the current directory.
        task: The task that it shall act on.
        normalize: For a .zip that was trained with VecNormalize, the file that holds its
            statistics, or "none" to do without; None where no statistics lie beside the policy.

    Raises:
        UsageError: An extra is not installed, or ``normalize`` is missing or not for this policy.
        PolicyError: There is no such policy, it is not what it claims to be, or it does not fit the
            task.
    """
    file = Path(named)
    check_normalize(named, normalize)
    if is_function(named):
        return ExternalPolicy(named, _function(named), task)
    _existing(named)
    if file.suffix == ".zip":
        return PolicyOfFile(file, sb3_policies.load(file, task, normalize), task, normalize)
    if file.suffix == ".onnx":
        return PolicyOfFile(file, _onnx(file, task), task)
    if file.suffix == ".pt":
        return PolicyOfFile(file, _torchscript(file), task)
    raise UsageError(f"{named} is of no known kind: {', '.join(SUFFIXES)} or MODULE:FUNCTION")


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _existing(named: str) -> Path:
    file = Path(named)
    if not file.is_file():
        raise PolicyError(f"Policy file not found: {file}")
    return file


def _function(named: str) -> Act:
    """A function by its name; modules of the current directory come first, as with ``python``."""
    module, _, name = named.partition(":")
    try:
        function: Any = operator.attrgetter(name)(import_from_here(module))
    except (Exception, SystemExit) as error:  # someone else's code
        raise PolicyError(f"{named} can't be imported: {described(error)}") from error
    if isinstance(function, type) or not callable(function):
        what = "class" if isinstance(function, type) else type(function).__name__
        raise PolicyError(
            f"{named} is a {what}: name a function of observations (N, P) that returns actions "
            "(N, A)."
        )
    return cast(Act, function)


def _torchscript(file: Path) -> Act:
    try:
        with warnings.catch_warnings():  # it is superseded, but these files are what people have
            warnings.filterwarnings("ignore", ".*torch.jit.load", DeprecationWarning)
            module: Any = torch.jit.load(str(file), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise PolicyError(
            f"{file} is damaged or not TorchScript: {str(error).splitlines()[0]}. Write it with "
            f"torch.jit.script(network).save({file.name!r}): a state dict has no network in it."
        ) from error
    module.eval()

    def act(obs: np.ndarray) -> np.ndarray:
        try:
            with torch.no_grad():
                returned = module(torch.from_numpy(obs))
        except RuntimeError as error:  # which quotes the source first
            last = str(error).strip().splitlines()[-1]
            raise RuntimeError(last.removeprefix("RuntimeError: ")) from error
        if not isinstance(returned, torch.Tensor):
            raise TypeError(f"it returned a {type(returned).__name__}, not one tensor")
        return returned.numpy()

    return act


def _session(file: Path) -> Any:
    runtime = require_extra("onnxruntime", "onnx", str(file))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # sums in the same order on every machine
    options.log_severity_level = 4  # what is wrong is raised, too
    try:
        return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no other base
        raise PolicyError(f"{file} is damaged or not an ONNX model: {described(error)}") from error


def _layout(file: Path, session: Any) -> Layout | None:
    """The layout in the metadata of a file that ``export`` wrote; None: another program wrote it.

    Raises:
        PolicyError: The metadata say no layout.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    if metadata.get("format") != FORMAT:
        return None
    try:
        return Layout.from_json(metadata.get("layout", "null"))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{file} can't be read: {error}. Export it again.") from error


def _onnx(file: Path, task: EnvFactory) -> Act:
    session = _session(file)
    layout = _layout(file, session)
    if layout is not None:
        layout.require(layout_of(task))
    inputs = {i.name: (i.type, i.shape) for i in session.get_inputs()}
    (kind, shape), *more = inputs.values()
    if more or kind not in _FLOATS or len(shape) != 2:
        raise PolicyError(
            f"{file} takes {inputs}, but a policy here sees one array of floats, (batch, P): no "
            f"memory, no pictures. {contract(task)}"
        )
    batch, sees = shape  # numbers, or names of what may vary
    if isinstance(batch, int) and batch != 1:
        raise PolicyError(
            f"{file} takes {batch} observations at a time: export it with a batch axis that is "
            "dynamic, or 1."
        )
    outputs = {o.name: o.shape for o in session.get_outputs()}
    chosen = [name for name in outputs if name in (ACTION, f"{ACTION}s")] or list(outputs)
    if len(chosen) > 1:
        raise PolicyError(
            f"{file} has the outputs {', '.join(outputs)}: call that of the action {ACTION!r}."
        )
    require_sizes(file, task, sees, (outputs[chosen[0]] or [None])[-1])

    (name,), dtype = inputs, _FLOATS[kind]
    if batch == 1:
        return lambda obs: np.concatenate(
            [session.run(chosen, {name: row[None].astype(dtype)})[0] for row in obs]
        )
    return lambda obs: session.run(chosen, {name: obs.astype(dtype)})[0]
