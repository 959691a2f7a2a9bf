"""Which routine of ``products.c`` multiplies matrices: measured once on a machine, and kept.

Which is the fastest depends on the CPU: on one of AMD's Zen 4 torch's own is slower than ours, and
bf16 twice as fast as fp32; an Intel CPU of the same instruction sets may have it the other way.
"""

import ctypes
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

ROUTINES = ("torch", "fp32", "bf16")
"""What ``products.c`` calls TORCH, FP32 and BF16, in that order."""
SIZE = 256
"""Rows, columns and terms of the products that are timed: a hidden layer's at a usual batch."""
SECONDS = 0.1
"""For all timings together; a disturbed one does no harm, because the shortest counts."""
LEAST_GAIN = {"fp32": 1.05, "bf16": 1.5}
"""How many times as fast a routine must be to be preferred: ours over torch's, and bf16 over both.

bf16 rounds, so it has to be worth it: at 1.5 an update takes a third less time at best.
"""

Rates = dict[str, float]
"""Billions of operations per second on one core, by the routines that a CPU has."""


class CGemm(ctypes.Structure):
    """``Gemm`` of ``products.h``."""

    _fields_ = (
        ("sgemm", ctypes.c_void_p),
        ("routine", ctypes.c_long),
        ("scratch", ctypes.c_void_p),
        ("each", ctypes.c_long),
    )


def declare(library: ctypes.CDLL) -> None:
    """Give the functions of ``products.c`` their types."""
    gemm, pointer, number = ctypes.POINTER(CGemm), ctypes.c_void_p, ctypes.c_int
    library.has_routine.argtypes = [ctypes.c_long]
    library.product_scratch.argtypes = [ctypes.c_long, ctypes.c_long]
    library.product_scratch.restype = ctypes.c_long
    strided = [gemm, pointer, number, pointer, pointer, number, number, number]
    for function in (library.product, library.product_left):
        function.argtypes, function.restype = strided, None
    library.product_right.argtypes = [gemm, *[pointer] * 3, *[number] * 3]
    library.product_right.restype = None


class Products:
    """Calls the three products of ``products.c``, on one thread, with one routine."""

    def __init__(self, library: ctypes.CDLL, sgemm: int, routine: str, largest: int) -> None:
        """Reserve memory for matrices with at most so many rows and columns.

        Args:
            library: That of :func:`native.library`.
            sgemm: Address of torch's.
            routine: One of :data:`ROUTINES`.
            largest: The most rows or columns.
        """
        each = library.product_scratch(largest, largest)
        self._library, self._scratch = library, torch.empty(each)
        number = ROUTINES.index(routine)
        self._gemm = CGemm(sgemm, number, self._scratch.data_ptr(), each)

    def plain(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Out (m, n) becomes a (m, k) b (k, n); rows of a may be strided."""
        m, k, n = *a.shape, b.shape[1]
        self._library.product(self._gemm, _at(a), a.stride(0), _at(b), _at(out), m, k, n)

    def right(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Out (m, n) becomes a (m, k) b (n, k)'."""
        m, k, n = *a.shape, b.shape[0]
        self._library.product_right(self._gemm, _at(a), _at(b), _at(out), m, k, n)

    def left(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Out (m, n) becomes a (k, m)' b (k, n); rows of a may be strided."""
        k, m, n = *a.shape, b.shape[1]
        self._library.product_left(self._gemm, _at(a), a.stride(0), _at(b), _at(out), m, k, n)


def available(library: ctypes.CDLL) -> list[str]:
    """The routines that this CPU has."""
    return [name for number, name in enumerate(ROUTINES) if library.has_routine(number)]


def choose(rates: Rates, precision: str) -> str:
    """The routine for a precision; that for ``auto`` is ``bf16`` only if it is worth rounding."""
    ours = rates.get("fp32", 0.0)
    best = "fp32" if ours >= LEAST_GAIN["fp32"] * rates["torch"] else "torch"
    gains = rates.get("bf16", 0.0) >= LEAST_GAIN["bf16"] * rates[best]
    return "bf16" if precision == "bf16" or (precision == "auto" and gains) else best


def kept(library: ctypes.CDLL, sgemm: int, path: Path) -> Rates:
    """The rates of this machine: from a file if they are there, else measured, and put there.

    Processes that start together measure once, and so all choose the same.
    """
    with FileLock(path.with_suffix(".lock")):
        rates = _read(path, available(library))
        if rates is None:
            rates = measure(library, sgemm)
            written = path.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps({"torch_version": torch.__version__, "rates": rates}))
            os.replace(written, path)
    return rates


def measure(library: ctypes.CDLL, sgemm: int) -> Rates:
    """Time the three forms of product with each routine in turn, on one thread."""
    generator = torch.Generator().manual_seed(0)
    a, b, out = (torch.randn(SIZE, SIZE, generator=generator) for _ in range(3))
    calls: dict[str, list[Callable[[], None]]] = {}
    for name in available(library):
        products = Products(library, sgemm, name, SIZE)
        forms = products.plain, products.right, products.left
        calls[name] = [partial(form, a, b, out) for form in forms]
    shortest = {name: [float("inf")] * 3 for name in calls}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for forms in calls.values():  # the first use of each is slower
            for form in forms:
                form()
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            for name, forms in calls.items():
                for i, form in enumerate(forms):
                    start = time.perf_counter()
                    form()
                    shortest[name][i] = min(shortest[name][i], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    operations = 3 * 2 * SIZE**3
    return {name: round(operations / sum(times) / 1e9, 1) for name, times in shortest.items()}


def _read(path: Path, routines: list[str]) -> Rates | None:
    """Rates that were kept, or None: there are none, or they are of another torch."""
    try:
        saved = json.loads(path.read_text())
        rates = {name: float(saved["rates"][name]) for name in routines}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rates if saved.get("torch_version") == torch.__version__ else None


def _at(tensor: Tensor) -> int:
    assert tensor.dtype == torch.float32
    assert tensor.stride(1) == 1 or tensor.shape[1] == 1
    return tensor.data_ptr()
