"""The products of ``products.c`` against torch's, and how one of its routines is chosen."""

import ctypes
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from robo_maxent.learning import hardware, native, products
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.products import Products
from robo_maxent.learning.sac import Sac

compiled = native.library()
if compiled is None:
    pytest.skip(f"torch is all there is here: {native.state()[1]}", allow_module_level=True)
library: ctypes.CDLL = compiled

ROUTINES = products.available(library)
SENTINEL = 12345.0
sizes = st.integers(1, 80)


def with_end(count: int) -> Tensor:
    """So many numbers that are not yet written, and some that must not be."""
    numbers = torch.full((count + 64,), math.nan)
    numbers[count:] = SENTINEL
    return numbers


def routine(name: str, largest: int) -> tuple[Products, Tensor]:
    """A routine, and its scratch memory, whose end must stay."""
    made = Products(library, native._gemm(), name, largest)
    scratch = with_end(int(made._gemm.each))
    made._gemm.scratch = scratch.data_ptr()
    return made, scratch


def factors(routine: str, vector: bool, *tensors: Tensor) -> list[Tensor]:
    """In float64, rounded where the routine rounds them."""
    rounds = routine == "bf16" and not vector
    return [(x.bfloat16() if rounds else x).double() for x in tensors]


@pytest.mark.parametrize("name", ROUTINES)
@settings(max_examples=60, deadline=None)
@given(m=sizes, k=sizes, n=sizes, gap=st.integers(0, 3), seed=st.integers(0, 99))
@example(m=256, k=256, n=256, gap=0, seed=0)
@example(m=7, k=1301, n=65, gap=1, seed=0)  # sums that are put down in between
@example(m=64, k=60, n=101, gap=0, seed=0)
def test_all_forms_are_the_products_of_torch(
    name: str, m: int, k: int, n: int, gap: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def matrix(rows: int, columns: int, gap: int = 0) -> Tensor:
        return torch.randn(rows, columns + gap, generator=generator)[:, :columns]

    made, scratch = routine(name, max(m, k, n))
    cases: list[tuple[Callable[[Tensor, Tensor, Tensor], None], Tensor, Tensor, bool]] = [
        (made.plain, matrix(m, k, gap), matrix(k, n), n == 1),
        (made.right, matrix(m, k), matrix(n, k), k == 1),
        (made.left, matrix(k, m, gap), matrix(k, n), n == 1),
    ]
    for form, a, b, vector in cases:
        out = with_end(m * n)
        form(a, b, out[: m * n].view(m, n))
        x, y = factors(name, vector, a.mT if form == made.left else a, b)
        y = y.mT if form == made.right else y
        room = 1e-6 * (x.abs() @ y.abs()) + 1e-30  # of rounding, in sums of such terms
        assert ((out[: m * n].view(m, n) - x @ y).abs() <= room).all(), form.__name__
        assert (out[m * n :] == SENTINEL).all(), form.__name__
    assert (scratch[-64:] == SENTINEL).all()


@pytest.mark.parametrize("name", ROUTINES)
@pytest.mark.parametrize("n", [1, 7, 65])
def test_a_product_of_no_rows_is_zero(name: str, n: int) -> None:
    made, _ = routine(name, 80)
    out = with_end(9 * n)
    made.left(torch.empty(0, 9), torch.empty(0, n), out[: 9 * n].view(9, n))
    assert (out[: 9 * n] == 0.0).all()
    assert (out[9 * n :] == SENTINEL).all()


@pytest.mark.parametrize("name", ROUTINES)
def test_what_is_not_a_number_stays_visible(name: str) -> None:
    made, _ = routine(name, 32)
    a, b, out = torch.ones(32, 32), torch.ones(32, 32), torch.empty(32, 32)
    a[3, 5] = math.nan
    a[4, 5] = math.inf
    for form in (made.plain, made.right, made.left):
        form(a.mT.contiguous() if form == made.left else a, b, out)
        assert out[3].isnan().all()
        assert out[4].isposinf().all()
        assert (out[[0, 1, 2, 5]] == 32.0).all()


# -- which of them -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "fp32", "auto"),
    [
        ({"torch": 100.0}, "torch", "torch"),
        ({"torch": 100.0, "fp32": 104.0}, "torch", "torch"),  # so small a gain may be noise
        ({"torch": 100.0, "fp32": 120.0}, "fp32", "fp32"),
        ({"torch": 100.0, "fp32": 120.0, "bf16": 170.0}, "fp32", "fp32"),  # not worth rounding
        ({"torch": 100.0, "fp32": 120.0, "bf16": 190.0}, "fp32", "bf16"),
        ({"torch": 130.0, "fp32": 120.0, "bf16": 190.0}, "torch", "torch"),
        ({"torch": 90.0, "fp32": 80.0, "bf16": 190.0}, "torch", "bf16"),
    ],
)
def test_the_fastest_is_chosen_and_rounding_must_be_worth_it(
    rates: products.Rates, fp32: str, auto: str
) -> None:
    assert products.choose(rates, "fp32") == fp32
    assert products.choose(rates, "auto") == auto
    if "bf16" in rates:
        assert products.choose(rates, "bf16") == "bf16"


def test_rates_are_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, measured = tmp_path / "update.json", []
    monkeypatch.setattr(
        products,
        "measure",
        lambda library, sgemm: measured.append(sgemm) or dict.fromkeys(ROUTINES, 1.0),
    )

    def rates() -> products.Rates:
        return products.kept(library, 7, path)

    assert rates() == rates() == dict.fromkeys(ROUTINES, 1.0)
    assert measured == [7]
    written = path.read_text()
    for spoilt in ("", "[]", "{}", '{"rates": {"torch": "x"}}', written.replace("torch_v", "v")):
        path.write_text(spoilt)
        assert rates() == dict.fromkeys(ROUTINES, 1.0)
        assert path.read_text() == written
    path.write_text(json.dumps(json.loads(written) | {"torch_version": "2.0"}))
    assert rates() == dict.fromkeys(ROUTINES, 1.0)
    assert len(measured) == 7


def test_a_measurement_times_every_routine_and_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    rates = products.measure(library, native._gemm())
    assert list(rates) == ROUTINES
    assert all(0.1 < rate < 1e5 for rate in rates.values())
    assert torch.get_num_threads() == before


def test_a_cpu_without_bf16_rounds_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "available", lambda library: ["torch"])
    monkeypatch.setattr(native, "rates", lambda: {"torch": 100.0})
    assert native.precision_of("auto", known=True) == ("fp32", True)
    assert native.precision_of("bf16", known=True) == ("bf16", False)
    learner = Sac(7, 3, SacConfig(width=8), 0, "bf16")
    assert learner.precision == learner.actor.precision == "bf16"
    assert learner.metrics()["train/compiled"] == 0.0
    obs = np.random.default_rng(0).standard_normal((20, 7)).astype(np.float32)
    plain = Sac(7, 3, SacConfig(width=8), 0, "fp32")
    np.testing.assert_array_equal(learner.explore(obs), plain.explore(obs))  # whoever acts does not


@pytest.mark.usefixtures("fresh_cpu")
def test_cpus_of_arm_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled for one must not be run by another that has the same home."""
    graviton = "processor: 0\nFeatures: fp asimd sve\nCPU implementer: 0x41\nCPU part: 0xd40\n"
    found = set()
    for text in (graviton, graviton.replace("0xd40", "0xd0c"), graviton.replace(" sve", "")):
        monkeypatch.setattr(hardware.Path, "read_text", lambda path, text=text: text)
        hardware.cpu.cache_clear()
        found.add(hardware.cpu())
    assert len(found) == 3


@pytest.fixture
def fresh_cpu() -> Iterator[None]:
    yield
    hardware.cpu.cache_clear()


def test_networks_that_c_does_not_know_are_not_rounded_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "rates", lambda: {"torch": 1.0, "fp32": 1.0, "bf16": 9.0})
    monkeypatch.setattr("robo_maxent.learning.hardware.has_amx", lambda: False)
    assert native.precision_of("auto", known=True) == ("bf16", "bf16" in ROUTINES)
    assert native.precision_of("auto", known=False) == ("fp32", False)
