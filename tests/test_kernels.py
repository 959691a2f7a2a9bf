"""The compiled kernels against plain torch, and what happens without a compiler."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robo_maxent import kernels
from robo_maxent.networks import Actor, Critics, Ensemble, sample_action

needs_kernels = pytest.mark.skipif(
    kernels.library() is None, reason=f"plain torch is all there is here: {kernels.state()[1]}"
)

ROWS, INPUTS, FIXED = 77, 13, 5


def weighted_sum(out: Tensor) -> Tensor:
    """A loss whose slope is different at every element."""
    return (out * torch.sin(torch.arange(out.numel(), dtype=out.dtype)).view_as(out)).sum()


def slopes(net: Ensemble, x: Tensor, plain: bool) -> list[Tensor]:
    """Output, gradient by the free inputs, gradient by the parameters."""
    x = x.clone().requires_grad_()
    net.flat.grad = None
    out = net.plain(x) if plain else net.outputs(x)
    weighted_sum(out).backward()
    assert x.grad is not None
    assert net.flat.grad is not None
    return [out.detach(), x.grad[:, net.fixed :], net.flat.grad]


@needs_kernels
@pytest.mark.parametrize("width", [1, 7, 16, 100, 256])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_compiled_network_and_its_gradient_are_those_of_plain_torch(
    count: int, layer_norm: bool, width: int
) -> None:
    torch.manual_seed(0)
    net = Ensemble(count, INPUTS, width, 3, layer_norm, fixed=FIXED)
    x = 3.0 * torch.randn(ROWS, INPUTS) + 1.0
    exact = Ensemble(count, INPUTS, width, 3, layer_norm, fixed=FIXED).double()
    exact.load_state_dict(net.state_dict())
    truth = slopes(exact, x.double(), plain=True)
    for fused, plain, true in zip(slopes(net, x, False), slopes(net, x, True), truth, strict=True):
        scale = true.abs().max().item() + 1e-30
        error, own = ((got - true).abs().max().item() / scale for got in (fused, plain))
        assert error < max(4 * own, 3e-6)


@needs_kernels
def test_the_compiled_squash_is_the_pure_one_far_into_the_tails() -> None:
    actor = Actor(4, 19, 8, layer_norm=True)
    torch.manual_seed(0)
    raw = torch.cat([6.0 * torch.randn(ROWS, 38), torch.linspace(-60, 60, 38).expand(2, 38)])
    noise = 2.0 * torch.randn(ROWS + 2, 19)
    results = []
    for fused in (True, False):
        head = raw.clone().requires_grad_() if fused else raw.double().requires_grad_()
        if fused:
            kept = kernels.squash(head.detach(), noise, actor.log_std_range)
            action, log_prob = kept[0], kept[2]
            slope = kernels.squash_backward(
                (head.detach(), noise, *kept[:2]),
                torch.cos(torch.arange(action.numel())).view_as(action),
                torch.sin(torch.arange(float(len(head)))),
                actor.log_std_range,
            )
        else:
            mean, deviation = head.chunk(2, -1)
            low, high = actor.log_std_range
            log_std = low + 0.5 * (high - low) * (torch.tanh(deviation) + 1.0)
            action, log_prob = sample_action(mean, log_std, noise.double())
            loss = (action * torch.cos(torch.arange(action.numel())).view_as(action)).sum()
            (loss + (log_prob * torch.sin(torch.arange(float(len(head))))).sum()).backward()
            assert head.grad is not None
            slope = head.grad
        results.append([x.detach().double() for x in (action, log_prob, slope)])
    for fused, plain in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain, rtol=3e-6, atol=2e-5)


@needs_kernels
@pytest.mark.parametrize("layer_norm", [True, False])
def test_a_value_that_is_not_a_number_stays_visible(layer_norm: bool) -> None:
    critics = Critics(3, 2, 16, layer_norm)
    obs = torch.zeros(4, 3)
    obs[1, 0] = math.nan
    assert critics(obs, torch.zeros(4, 2)).isnan().any(0).tolist() == [False, True, False, False]


@needs_kernels
def test_the_number_of_threads_changes_no_bit_of_the_elementwise_work() -> None:
    torch.manual_seed(0)
    z, bias, slope = torch.randn(2, 333, 64), torch.randn(2, 1, 64), torch.randn(2, 333, 64)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            kept = kernels.activate(z.clone(), bias, layer_norm=True)
            moved, sums = slope.clone(), torch.zeros_like(bias)
            kernels.activate_backward(moved, kept, sums)
            results.append((kept.y, moved, sums))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@needs_kernels
def test_bf16_rounds_the_factors_of_matrix_products_and_nothing_else() -> None:
    torch.manual_seed(0)
    net = Ensemble(2, INPUTS, 32, 3, layer_norm=True)
    a, b = torch.randn(2, 8, INPUTS), torch.randn(2, INPUTS, 4)
    exact = net.product(a, b)
    net.precision = "bf16"
    rounded = net.product(a, b)
    by_hand = a.bfloat16().float() @ b.bfloat16().float()
    torch.testing.assert_close(rounded, by_hand, rtol=1e-4, atol=1e-5)  # AMX sums in another order
    assert 1e-4 < (rounded - exact).abs().max() < 0.1
    assert rounded.dtype == torch.float32


def state_with(tmp_path: Path, **environment: str) -> str:
    """What a fresh process says about its kernels."""
    code = "from robo_maxent import kernels; print(kernels.state()[0] is None, kernels.state()[1])"
    base = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "c")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=base | environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    return ran.stdout.strip()


def test_without_a_compiler_one_line_says_so(tmp_path: Path) -> None:
    nothing = tmp_path / "empty"
    nothing.mkdir()
    expected = "True no C compiler found: learning runs in plain torch, slower"
    assert state_with(tmp_path, PATH=str(nothing)) == expected


def test_a_compiler_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    said = state_with(tmp_path, CC=str(broken))
    assert said.startswith("True ")
    assert "failed (out of luck): learning runs in plain torch" in said


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    assert "switched off" in state_with(tmp_path, ROBO_MAXENT_KERNELS="off")


@needs_kernels
def test_they_are_compiled_once_and_kept(tmp_path: Path) -> None:
    assert state_with(tmp_path).startswith("False compiled by")
    (library,) = (tmp_path / "c" / "robo_maxent").iterdir()
    written = library.stat().st_mtime_ns
    assert state_with(tmp_path).startswith("False compiled by")
    assert library.stat().st_mtime_ns == written
