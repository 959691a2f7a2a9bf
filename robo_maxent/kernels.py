"""The elementwise work of an update in C: one pass over memory where torch takes one per operation.

``kernels.c`` is compiled for this very CPU on first use, in about a second, and kept in the
user's cache. Without a C compiler everything runs in torch: the same numbers to rounding, slower.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.c")
FLAGS = [
    *("-O3", "-march=native", "-shared", "-fPIC", "-ffp-contract=fast"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
]
SIGNATURES = {
    "norm_silu": "ppppnnn",
    "norm_silu_backward": "ppppnnn",
    "relu": "ppnnn",
    "relu_backward": "pppnnn",
    "squash": "ppffpppnn",
    "squash_backward": "ppppppffpnn",
}
"""Arguments of the functions of ``kernels.c``: p pointer to float32, f float, n long."""
OFF = "ROBO_MAXENT_KERNELS"
"""Environment variable: ``off`` runs everything in torch."""


def compiler() -> list[str] | None:
    """Command of the C compiler, or None: ``$CC``, else the first of cc, gcc and clang."""
    names = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    return next((name for name in names if name and shutil.which(name[0])), None)


@cache
def state() -> tuple[ctypes.CDLL | None, str]:
    """The compiled library, or None, and one line that says which and why."""
    if os.environ.get(OFF) == "off":
        return None, f"switched off by {OFF}=off: learning runs in plain torch, slower"
    command = compiler()
    if command is None:
        return None, "no C compiler found: learning runs in plain torch, slower"
    try:
        path = _compiled(command)
        return _loaded(path), f"compiled by {command[0]}, kept in {path.parent}"
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        reason = detail.strip().splitlines()[-1]
        return None, f"{command[0]} failed ({reason}): learning runs in plain torch, slower"


def library() -> ctypes.CDLL | None:
    """The compiled library, or None."""
    return state()[0]


def _loaded(path: Path) -> ctypes.CDLL:
    """The library with the types of its functions' arguments."""
    loaded = ctypes.CDLL(str(path))
    kinds = {"p": ctypes.c_void_p, "f": ctypes.c_float, "n": ctypes.c_long}
    for name, arguments in SIGNATURES.items():
        getattr(loaded, name).argtypes = [kinds[kind] for kind in arguments]
    return loaded


def _compiled(command: list[str]) -> Path:
    """Path of the library for this source, compiler and CPU; compiled unless it is there."""
    version = _output([*command, "--version"])
    seen = [SOURCE.read_bytes(), version.encode(), _cpu(), " ".join(FLAGS).encode()]
    key = hashlib.sha256(b"\0".join(seen)).hexdigest()[:16]
    path = _cache_directory() / f"kernels-{key}.so"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        made = Path(work) / path.name
        call = [*command, *FLAGS, str(SOURCE), "-o", str(made), "-lm"]
        try:
            _output([*call, "-fopenmp"])
        except subprocess.CalledProcessError:  # Apple's clang comes without OpenMP
            _output(call)
        os.replace(made, path)
    return path


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware tiles; other bf16 is no faster."""
    return b"amx_bf16" in _cpu()


def resolve(precision: str) -> str:
    """The precision, fp32 or bf16, that ``auto`` stands for on this machine."""
    if precision != "auto":
        return precision
    return "bf16" if has_amx() else "fp32"


@cache
def _cpu() -> bytes:
    """Name and instruction sets of the CPU: what ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor().encode()
    return "".join(line for line in lines if line.startswith(("model name", "flags"))).encode()


def _cache_directory() -> Path:
    """A directory to keep the library in: the user's cache, or a temporary one."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home) / "robo_maxent"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="robo_maxent-"))


def usable(tensor: Tensor) -> bool:
    """Whether the library is there and takes this tensor: float32 on the CPU."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and library() is not None


@dataclass(frozen=True)
class Activated:
    """A hidden layer's output, and what its gradient needs."""

    y: Tensor
    """Output, (E, B, W)."""
    z: Tensor
    """Normalized input of the SiLU, or the output of the ReLU, (E, B, W)."""
    scale: Tensor | None
    """1 / deviation of each row, (E, B); None for ReLU."""


def activate(z: Tensor, bias: Tensor, layer_norm: bool) -> Activated:
    """SiLU of the layer norm of z + bias, or ReLU of z + bias; overwrites z, (E, B, W).

    Args:
        z: (E, B, W).
        bias: (E, 1, W).
        layer_norm: Which of the two.
    """
    if not layer_norm:
        _call("relu", z, bias, *z.shape)
        return Activated(z, z, None)
    y, scale = torch.empty_like(z), z.new_empty(z.shape[:2])
    _call("norm_silu", z, bias, y, scale, *z.shape)
    return Activated(y, z, scale)


def activate_backward(slope: Tensor, kept: Activated, bias_slope: Tensor) -> None:
    """Turn the slope at the output, (E, B, W), into that at z + bias, in place.

    Args:
        slope: Gradient by the output; overwritten.
        kept: What :func:`activate` returned.
        bias_slope: Zeros, (E, 1, W); becomes the gradient by the bias.
    """
    if kept.scale is None:
        _call("relu_backward", slope, kept.z, bias_slope, *slope.shape)
    else:
        _call("norm_silu_backward", slope, kept.z, kept.scale, bias_slope, *slope.shape)


def squash(
    raw: Tensor, noise: Tensor, log_std_range: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Action (B, A), standard deviation (B, A), log-probability (B,) of raw outputs (B, 2 A)."""
    action, spread = torch.empty_like(noise), torch.empty_like(noise)
    log_prob = noise.new_empty(len(noise))
    _call("squash", raw, noise, *log_std_range, action, spread, log_prob, *noise.shape)
    return action, spread, log_prob


def squash_backward(
    kept: tuple[Tensor, ...],
    action_slope: Tensor,
    log_prob_slope: Tensor,
    log_std_range: tuple[float, float],
) -> Tensor:
    """Gradient by raw outputs, (B, 2 A), from those by action (B, A) and log-probability (B,)."""
    raw_slope = torch.empty_like(kept[0])
    slopes = action_slope.contiguous(), log_prob_slope.contiguous()
    _call("squash_backward", *kept, *slopes, *log_std_range, raw_slope, *action_slope.shape)
    return raw_slope


def _call(name: str, *values: Tensor | float) -> None:
    """Call a function of the library; tensors become addresses."""
    function = getattr(library(), name)
    if function(*[_address(value) if isinstance(value, Tensor) else value for value in values]):
        raise MemoryError(f"no memory for the sums of {name}")


def _address(tensor: Tensor) -> int:
    assert tensor.is_contiguous()
    assert tensor.dtype == torch.float32
    return tensor.data_ptr()
