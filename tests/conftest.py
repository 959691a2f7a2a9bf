"""Fixtures that several test files share."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks are fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@contextmanager
def imported_scripts() -> Iterator[Callable[[str], ModuleType]]:
    """Import scripts as they find their neighbours when they run, and forget them afterwards."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:

        def load(name: str) -> ModuleType:
            patch.syspath_prepend(str(BENCHMARKS))
            return importlib.import_module(name)

        yield load
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def benchmark() -> Iterator[Callable[[str], ModuleType]]:
    """Import a script, anew for each test."""
    with imported_scripts() as load:
        yield load


@pytest.fixture(scope="module")
def benchmark_of_module() -> Iterator[Callable[[str], ModuleType]]:
    """Import a script, the same one for all tests of a file."""
    with imported_scripts() as load:
        yield load
