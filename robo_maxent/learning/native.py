"""A whole SAC update as one C function, ``sac_update.c``, compiled for this very CPU on first use.

That takes a few seconds, and the result is kept in the user's cache. Matrix products are torch's
own or those of ``products.c``, see ``products.py``. Without a C compiler, or with another torch,
updates run in torch: the same numbers to rounding, slower.
"""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from robo_maxent.learning import hardware, products
from robo_maxent.learning.adamw import AdamW
from robo_maxent.learning.categorical_critic import CategoricalCritics
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.networks import Actor, Critics, Ensemble, Normalizer
from robo_maxent.learning.replay_buffer import ReplayBatch

SOURCE = Path(__file__).with_name("sac_update.c")
SOURCES = [
    SOURCE.with_name(name)
    for name in ("sac_update.c", "categorical_critic.h", "products.c", "products.h")
]
FLAGS = [
    *("-O3", "-march=native", "-shared", "-fPIC", "-ffp-contract=fast"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
]
WIDEST = 4096
"""Units of a hidden layer: ``sac_update.c`` takes exponentials of up to its root, below e^87."""
OFF = "ROBO_MAXENT_COMPILED"
"""Environment variable: ``off`` runs everything in torch."""


def compiler() -> list[str] | None:
    """Command of the C compiler, or None: ``$CC``, else the first of cc, gcc and clang."""
    names = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    return next((name for name in names if name and shutil.which(name[0])), None)


METRICS = ("critic_loss", "value", "actor_loss", "entropy", "ent_coef_loss")
"""What an update reports; all but the first two only if the actor was updated."""
ENDS = ("low_end", "high_end")
"""What it reports of categorical critics beside."""


# The structures of sac_update.c, with a C before their names there.


def _fields(layout: dict[str, Any]) -> list[tuple[str, Any]]:
    """Fields of a structure from names and their kind: p pointer, n long, f float, or a type."""
    kinds = {"p": ctypes.c_void_p, "n": ctypes.c_long, "f": ctypes.c_float}
    return [
        (name, kinds.get(kind, kind)) for names, kind in layout.items() for name in names.split()
    ]


class CShape(ctypes.Structure):
    """Sizes of an ensemble."""

    _fields_ = _fields({"count inputs width outputs layer_norm": "n"})


class CGroup(ctypes.Structure):
    """Parameters and what moves with them."""

    _fields_ = _fields(
        {"value first second step average": "p", "size": "n", "rate decay share": "f"}
    )


class CLearner(ctypes.Structure):
    """Where everything that learns lies, and how it learns."""

    _fields_ = _fields(
        {
            "actor critics": CShape,
            "actor_group critic_group alpha_group": CGroup,
            "obs actions batch shares threads entropy_in_target clamped": "n",
            "gamma target_entropy low high limit lowest highest risk": "f",
            "gemm shift scale scratch": "p",
        }
    )


class CBatch(ctypes.Structure):
    """Where a batch of transitions lies."""

    _fields_ = _fields(
        {
            "obs action reward next_obs terminated": "p",
            "row": ctypes.c_long * 5,
            "noise actor_noise": "p",
        }
    )


class CMetrics(ctypes.Structure):
    """What an update reports."""

    _fields_ = _fields({" ".join(METRICS + ENDS): "f"})


@cache
def state() -> tuple[ctypes.CDLL | None, str]:
    """The compiled library, or None, and one line that says which and why."""
    if os.environ.get(OFF) == "off":
        return None, f"switched off by {OFF}=off: learning runs in torch, slower"
    command = compiler()
    if command is None:
        return None, "no C compiler found: learning runs in torch, slower"
    try:
        _gemm()
        path = _compiled(command)
        opened = _loaded(path)
        products.kept(opened, _gemm(), _rates_file(opened))
        return opened, f"compiled by {command[0]}, kept in {path.parent}"
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        reason = (detail.strip() or str(error)).splitlines()[-1]
        return None, f"nothing compiled by {command[0]} ({reason}): learning runs in torch, slower"


def library() -> ctypes.CDLL | None:
    """The compiled library, or None."""
    return state()[0]


def _loaded(path: Path) -> ctypes.CDLL:
    """The library with the types of its functions."""
    opened = ctypes.CDLL(str(path))
    opened.scratch_size.argtypes = [ctypes.POINTER(CLearner)]
    opened.scratch_size.restype = ctypes.c_long
    opened.update.argtypes = [ctypes.POINTER(kind) for kind in (CLearner, CBatch, CMetrics)]
    opened.dismiss.restype = None
    products.declare(opened)
    return opened


@cache
def rates() -> products.Rates:
    """How fast each routine of the compiled library multiplies matrices on this machine."""
    compiled = library()
    assert compiled is not None
    return products.kept(compiled, _gemm(), _rates_file(compiled))


def _rates_file(compiled: ctypes.CDLL) -> Path:
    """Beside the library, and so of its CPU and compiler."""
    return Path(compiled._name).with_suffix(".json")


def precision_of(asked: str, known: bool) -> tuple[str, bool]:
    """The precision that learning has, fp32 or bf16, and whether the compiled update does it.

    Args:
        asked: fp32, bf16 or auto, which is the faster one.
        known: Whether the compiled update knows the networks.
    """
    compiled = library() if known else None
    if compiled is None or (hardware.has_amx() and asked != "fp32"):  # torch knows AMX
        precision = hardware.resolve(asked)
        return precision, compiled is not None and precision == "fp32"
    if asked == "auto":
        asked = "bf16" if products.choose(rates(), asked) == "bf16" else "fp32"
    return asked, asked == "fp32" or "bf16" in products.available(compiled)


@cache
def _gemm() -> int:
    """Address of the matrix product that torch itself uses, of BLAS's interface.

    Raises:
        OSError: This build of torch does not offer it.
    """
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        function = ctypes.CDLL(str(path)).sgemm_
    except AttributeError as error:
        raise OSError(f"{path.name} offers no sgemm_") from error
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _compiled(command: list[str]) -> Path:
    """Path of the library for this source, compiler and CPU; compiled unless it is there."""
    version = _output([*command, "--version"])
    inputs = [*(source.read_bytes() for source in SOURCES), version.encode(), hardware.cpu()]
    inputs.append(" ".join(FLAGS).encode())
    key = hashlib.sha256(b"\0".join(inputs)).hexdigest()[:16]
    path = _cache_directory() / f"update-{key}.so"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        compiled = Path(work) / path.name
        sources = [str(source) for source in SOURCES if source.suffix == ".c"]
        call = [*command, *FLAGS, *sources, "-o", str(compiled), "-lm"]
        try:
            _output([*call, "-fopenmp"])
        except subprocess.CalledProcessError:  # Apple's clang comes without OpenMP
            _output(call)
        os.replace(compiled, path)
    return path


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cache_directory() -> Path:
    """A directory to keep the library in: the user's cache, or a temporary one."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        directory = Path(home) / "robo_maxent"
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    except (OSError, RuntimeError):  # there is no home, or nothing can be written there
        pass
    return Path(tempfile.mkdtemp(prefix="robo_maxent-"))


def address(tensor: Tensor) -> int:
    """Address of a contiguous float32 tensor on the CPU."""
    assert tensor.is_contiguous()
    assert tensor.dtype == torch.float32
    assert tensor.device.type == "cpu"
    return tensor.data_ptr()


class Learning(Protocol):
    """What the update reads and changes of ``sac.Sac``."""

    config: SacConfig
    precision: str
    actor: Actor
    average: Actor
    critics: Critics
    targets: Critics
    normalizer: Normalizer
    optimizers: dict[str, AdamW]
    updates: int
    shares: int

    @property
    def target_entropy(self) -> float:
        """Entropy that the temperature holds now, nats."""
        ...

    def actor_is_due(self) -> bool:
        """Whether the update just counted is one of actor and temperature too."""
        ...


class Update:
    """Calls the compiled update of a learner, on the very tensors that the one in torch changes."""

    def __init__(self, obs_size: int, action_size: int, sac: Learning) -> None:
        """Prepare for the learner, which sees O numbers and acts with A."""
        compiled = library()
        assert compiled is not None
        self._library, self._sac = compiled, sac
        self._sizes = obs_size, action_size
        self._scratch = torch.empty(0)
        routine = products.choose(rates(), sac.precision)
        self._products = products.CGemm(_gemm(), products.ROUTINES.index(routine))

    def __call__(
        self, batch: ReplayBatch, noise: Tensor, count: int, crew: Callable[[], int] | None = None
    ) -> dict[str, Tensor]:
        """Learn from ``count`` batches; arguments and result as those of ``Sac.update``.

        Args:
            batch: Transitions of all of them, observations not normalized; rows may be strided.
            noise: For the critics' updates, then for the actor's, (2 count batch_size, A).
            count: K.
            crew: How many threads may work on the next update, if more than those of torch.
        """
        sac, size, torch_threads = self._sac, self._sac.config.batch_size, torch.get_num_threads()
        learner, columns = self._learner(), [batch.obs, batch.action, batch.reward]
        columns += [batch.next_obs, batch.terminated]
        of_update, latest, most_threads = CMetrics(), dict[str, float](), torch_threads
        draws = noise.chunk(2 * count)
        of_critics = METRICS[:2] + (ENDS if learner.critics.outputs > 1 else ())
        for k in range(count):
            sac.updates += 1
            due = sac.actor_is_due()
            learner.target_entropy = sac.target_entropy
            learner.threads = max(torch_threads, crew()) if crew else torch_threads
            most_threads = max(most_threads, learner.threads)
            of_batch = CBatch(
                *(_row(x, k * size) for x in columns),
                (ctypes.c_long * 5)(*(x.stride(0) for x in columns)),
                address(draws[k]),
                address(draws[count + k]) if due else None,
            )
            if self._library.update(learner, of_batch, of_update):
                raise MemoryError("no memory for an update")
            for name in (*of_critics, *METRICS[2:]) if due else of_critics:
                latest[name] = getattr(of_update, name)
        if most_threads > torch_threads:
            self._library.dismiss()
        return {name: torch.tensor(value) for name, value in latest.items()}

    def _learner(self) -> CLearner:
        """Where everything lies, and the step sizes; calls add what changes between updates."""
        sac, (obs_size, action_size) = self._sac, self._sizes
        log_std_range = sac.actor.head.compiled_range
        assert log_std_range is not None
        lowest, highest = _ends(sac.critics)
        learner = CLearner(
            actor=_shape(sac.actor),
            critics=_shape(sac.critics),
            actor_group=_group(sac.optimizers["actor"], sac.average.flat, sac.config.actor_average),
            critic_group=_group(sac.optimizers["critics"], sac.targets.flat, sac.config.tau),
            alpha_group=_group(sac.optimizers["alpha"], None, 0.0),
            obs=obs_size,
            actions=action_size,
            batch=sac.config.batch_size,
            shares=sac.shares,
            entropy_in_target=sac.config.entropy_in_target,
            clamped=sac.actor.head.clamped,
            gamma=sac.config.gamma,
            low=log_std_range[0],
            high=log_std_range[1],
            limit=sac.normalizer.limit.item(),
            lowest=lowest,
            highest=highest,
            risk=sac.config.risk,
            gemm=ctypes.addressof(self._products),
            shift=address(sac.normalizer.shift),
            scale=address(sac.normalizer.scale),
        )
        needed = self._library.scratch_size(learner)
        if self._scratch.numel() < needed:
            self._scratch = torch.empty(needed)
        learner.scratch = address(self._scratch)
        return learner


def _shape(net: Ensemble) -> CShape:
    count, inputs, width = net.shapes[0]
    return CShape(count, inputs, width, net.shapes[-1][-1], net.layer_norm)


def _ends(critics: Critics) -> tuple[float, float]:
    """The support of categorical critics."""
    if not isinstance(critics, CategoricalCritics):
        return 0.0, 0.0
    return float(critics.atoms[0]), float(critics.atoms[-1])


def _group(optimizer: AdamW, average: Tensor | None, share: float) -> CGroup:
    return CGroup(
        address(optimizer.parameter),
        address(optimizer.first),
        address(optimizer.second),
        address(optimizer.steps),
        address(average) if average is not None else None,
        optimizer.parameter.numel(),
        optimizer.rate,
        optimizer.decay,
        share,
    )


def _row(tensor: Tensor, row: int) -> int:
    """Address of a row whose elements lie side by side."""
    assert tensor.dtype == torch.float32
    assert tensor.dim() == 1 or tensor.stride(1) == 1
    return tensor.data_ptr() + 4 * row * tensor.stride(0)
