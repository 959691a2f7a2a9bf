"""Abilities of the CPU."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

_OF_CPU = ("model name", "flags", "CPU implementer", "CPU variant", "CPU part", "Features")
"""Lines of ``/proc/cpuinfo`` that tell CPUs apart; ARM has the last four in place of the others."""

_rounds = False


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware tiles: no other is faster in torch."""
    return b"amx_bf16" in cpu()


def resolve(precision: str) -> str:
    """The precision, fp32 or bf16, that ``auto`` stands for in torch on this machine."""
    if precision != "auto":
        return precision
    return "bf16" if has_amx() else "fp32"


@contextmanager
def bf16_products() -> Iterator[None]:
    """Round the factors of torch's fp32 matrix products to bf16 where the CPU has AMX."""
    global _rounds
    matmul: Any = torch.backends.mkldnn.matmul  # pyright: ignore[reportAttributeAccessIssue]
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    _rounds = True
    try:
        yield
    finally:
        matmul.fp32_precision, _rounds = before, False


def rounds_products() -> bool:
    """Whether it is now within :func:`bf16_products`."""
    return _rounds


@cache
def cpu() -> bytes:
    """Name and instruction sets of the CPU: what ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor().encode()
    return "".join(line for line in lines if line.startswith(_OF_CPU)).encode()
