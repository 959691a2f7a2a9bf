"""The compiled update against the one in torch, and what happens without a compiler."""

import copy
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_maxent.learning import hardware, native, products
from robo_maxent.learning.config import LogStdBound, SacConfig
from robo_maxent.learning.networks import Ensemble
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac
from robo_maxent.spaces import Layout
from robo_maxent.training.config import Preset, preset

needs_compiler = pytest.mark.skipif(
    native.library() is None, reason=f"torch is all there is here: {native.state()[1]}"
)

needs_bf16 = pytest.mark.skipif(
    native.precision_of("bf16", known=True) != ("bf16", True),
    reason="bf16 products are not those of the compiled update here",
)

OBS = 7


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """More than two share the rows of a critic."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def some_transitions(count: int, actions: int, seed: int) -> ReplayBatch:
    """As the replay gives them: columns of one array of rows."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 2 * OBS + actions + 2, generator=generator)
    obs, action, reward, next_obs, ended = rows.split([OBS, actions, 1, OBS, 1], dim=1)
    action.tanh_()
    ended.copy_(ended > 1.0)
    obs[::7, 0] = next_obs[::7, 0] = 40.0  # beyond where normalized observations are clipped
    return ReplayBatch(2.0 * obs + 1.0, action, reward[:, 0], next_obs, ended[:, 0])


def in_torch(sac: Sac) -> Sac:
    """The same learner without the compiled update."""
    sac._compiled = None
    sac.actor.precision = sac.critics.precision = sac.targets.precision = sac.precision
    return sac


def flat_state(sac: Sac) -> dict[str, Tensor]:
    """Everything that learns."""
    state = {name: getattr(sac, name).flat for name in ("actor", "average", "critics", "targets")}
    for name, optimizer in sac.optimizers.items():
        state |= {f"{name} {part}": value for part, value in optimizer.state_dict().items()}
    return {name: value.detach() for name, value in state.items()} | {"alpha": sac.log_alpha}


def compare(
    config: SacConfig, actions: int, calls: int = 3, batches: int = 3, seen: int = OBS
) -> None:
    """Learn with both; everything that learns must agree to rounding. The actor sees ``seen``.

    Adam divides a gradient by its own size, and so the rounding of one that is nearly zero: where
    parameters are, there is no finer scale than the learning rate.
    """
    one = Sac(OBS, actions, config, 0, policy_size=seen)
    other = in_torch(Sac(OBS, actions, config, 0, policy_size=seen))
    for call in range(calls):
        transitions = some_transitions(batches * config.batch_size, actions, seed=call)
        fresh = transitions.obs.contiguous().numpy()
        for sac in (one, other):
            sac.observe(fresh)
        said, expected = one.update(transitions), other.update(transitions)
        assert said.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(said[name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert one.updates == other.updates == calls * batches
    pairs = flat_state(other)
    for name, value in flat_state(one).items():
        atol = 1e-5 if " " in name else 0.05 * config.learning_rate
        torch.testing.assert_close(value, pairs[name], rtol=1e-3, atol=atol, msg=name)


@needs_compiler
@pytest.mark.parametrize("name", ["default", "single", "classic"])
def test_the_compiled_update_is_the_one_in_torch(name: Preset, threads: int) -> None:
    compare(replace(preset(name).sac, width=40, batch_size=33), actions=3)


CATEGORICAL = {"critic": "categorical", "atoms": 21, "support": (-6.0, 9.0)}


@needs_compiler
@pytest.mark.parametrize(("name", "risk"), [("default", 1.0), ("single", 0.25), ("classic", 0.25)])
def test_it_is_so_for_categorical_critics(name: Preset, risk: float, threads: int) -> None:
    config = replace(preset(name).sac, width=40, batch_size=33, **CATEGORICAL)
    compare(replace(config, risk=risk), actions=3)


@needs_compiler
@pytest.mark.parametrize(("atoms", "width"), [(2, 1), (17, 16), (101, 128)])
def test_it_is_so_for_any_number_of_atoms(atoms: int, width: int) -> None:
    config = SacConfig(width=width, batch_size=5, actor_every=1)
    compare(replace(config, **(CATEGORICAL | {"atoms": atoms})), actions=2, calls=2)


@needs_compiler
@pytest.mark.parametrize("name", ["default", "single", "classic"])
@pytest.mark.parametrize("seen", [1, 4, OBS - 1])
def test_it_is_so_for_an_actor_that_sees_less(name: Preset, seen: int, threads: int) -> None:
    compare(replace(preset(name).sac, width=40, batch_size=33), actions=3, seen=seen)


@needs_compiler
@pytest.mark.parametrize("routine", ["torch", "fp32"])
@pytest.mark.parametrize("name", ["default", "classic"])
def test_it_is_so_by_either_product_in_fp32(
    routine: str, name: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if routine not in native.rates():
        pytest.skip("this CPU has no AVX-512")
    monkeypatch.setattr(products, "choose", lambda rates, precision: routine)
    compare(replace(preset(name).sac, width=72, batch_size=65), actions=3)


@needs_compiler
@pytest.mark.parametrize("actions", [1, 17])
@pytest.mark.parametrize("width", [1, 7, 128])
def test_it_is_so_for_any_size_of_that_actor(actions: int, width: int) -> None:
    compare(SacConfig(width=width, batch_size=5, actor_every=1), actions, calls=2, seen=3)


@needs_compiler
@pytest.mark.parametrize("actions", [1, 16, 17, 40])
@pytest.mark.parametrize("width", [1, 7, 128])
def test_it_is_so_for_any_size(actions: int, width: int) -> None:
    compare(SacConfig(width=width, batch_size=5, actor_every=1), actions, calls=2)


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 1e-2},
        {"weight_decay": 0.3},
        {"gamma": 0.5},
        {"tau": 0.5},
        {"actor_every": 3},
        {"actor_average": 0.5},
        {"initial_alpha": 0.7},
        {"alpha_learning_rate": 0.1},
        {"alpha_learning_rate": 0.0},
        {"entropy_in_target": False},
        {"target_entropy_per_action": -3.0},
        {"target_entropy_final": 0.6, "target_entropy_updates": 3},
        {"log_std_range": (-9.0, 3.0)},
        {"log_std_bound": "clamp"},
        {"calm_start": False},
        {"normalize": False},
        CATEGORICAL,
        CATEGORICAL | {"support": (-1.0, 1.0), "entropy_in_target": False},
        CATEGORICAL | {"risk": 0.5},
    ],
)
def test_every_setting_reaches_it(change: dict[str, Any]) -> None:
    config = SacConfig(width=16, batch_size=32, actor_every=1)
    compare(replace(config, **change), actions=3)
    base, changed = Sac(OBS, 3, config, 0), Sac(OBS, 3, replace(config, **change), 0)
    for sac in (base, changed):
        sac.observe(some_transitions(64, 3, 0).obs.contiguous().numpy())
        for call in range(3):
            sac.update(some_transitions(96, 3, call))
    assert any(not torch.equal(flat_state(base)[k], v) for k, v in flat_state(changed).items())


@needs_compiler
@pytest.mark.parametrize("actions", [1, 3, 17])
def test_it_cuts_deviations_off_as_torch_does(actions: int) -> None:
    config = SacConfig(width=16, batch_size=64, actor_every=1, calm_start=False)
    config = replace(config, log_std_bound="clamp", log_std_range=(-0.1, 0.1))
    raw = Sac(OBS, actions, config, 0).actor(some_transitions(64, actions, 0).obs)[:, actions:]
    assert min((raw < -0.1).sum(), (raw > 0.1).sum(), (raw.abs() < 0.1).sum()) > 0
    compare(config, actions)


@needs_compiler
def test_it_continues_from_a_loaded_state_and_at_another_learning_rate() -> None:
    config = SacConfig(width=16, batch_size=32, learning_rate_held=None)
    one, other = Sac(OBS, 3, config, 0), in_torch(Sac(OBS, 3, config, 1))
    one.update(some_transitions(96, 3, 0))
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    one.load_state_dict(copy.deepcopy(one.state_dict()))
    for sac in (one, other):
        sac.optimizers["critics"].rate = 1e-2
        sac.update(some_transitions(96, 3, 1))
    pairs = flat_state(other)
    for name, value in flat_state(one).items():
        torch.testing.assert_close(value, pairs[name], rtol=1e-3, atol=1e-5, msg=name)


@needs_compiler
@pytest.mark.parametrize("name", ["default", "classic"])
@pytest.mark.parametrize("critic", [{}, CATEGORICAL, CATEGORICAL | {"risk": 0.5}])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_value_that_is_not_a_number_stays_visible(
    name: Preset, critic: dict[str, Any], compiled: bool
) -> None:
    config = replace(preset(name).sac, width=16, batch_size=8, actor_every=1, **critic)
    sac = Sac(OBS, 3, config, 0) if compiled else in_torch(Sac(OBS, 3, config, 0))
    transitions = some_transitions(8, 3, 0)
    transitions.next_obs[1, 0] = math.nan
    assert sac.update(transitions)["critic_loss"].isnan()


@needs_compiler
@pytest.mark.parametrize("bound", ["tanh", "clamp"])
def test_a_deviation_that_is_not_a_number_stays_visible(bound: LogStdBound) -> None:
    config = SacConfig(width=16, batch_size=8, actor_every=1, log_std_bound=bound)
    sac = Sac(OBS, 3, config, 0)
    sac.actor.layers()[-1][1][0, 0, 4] = math.nan  # the bias of one
    metrics = sac.update(some_transitions(8, 3, 0))
    assert all(metrics[name].isnan() for name in ("critic_loss", "actor_loss", "entropy"))


@needs_compiler
@pytest.mark.parametrize("critic", [{}, CATEGORICAL])
@pytest.mark.parametrize("routine", ["torch", "fp32", "bf16"])
def test_shares_of_no_rows_add_nothing(
    routine: str, critic: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with more threads than a batch has rows."""
    if routine not in native.rates():
        pytest.skip("this CPU has no such instructions")
    monkeypatch.setattr(products, "choose", lambda rates, precision: routine)
    states = []
    for shares in (2, 16):
        sac = Sac(OBS, 3, SacConfig(width=16, batch_size=2, actor_every=1, **critic), 0)
        sac.shares = shares
        assert sac._compiled is not None
        sac._compiled._scratch = torch.full((100_000,), math.nan)
        for call in range(2):
            sac.update(some_transitions(4, 3, call))
        states.append(flat_state(sac))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-5, msg=name)


@needs_compiler
def test_the_same_seed_gives_the_same_bits(threads: int) -> None:
    states = []
    for _ in range(2):
        sac = Sac(OBS, 3, SacConfig(width=64, batch_size=64), 0)
        for call in range(3):
            sac.update(some_transitions(256, 3, call))
        states.append(flat_state(sac))
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@needs_compiler
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize(
    ("shares", "critic"), [(1, {}), (2, {}), (3, {}), (8, {}), (3, CATEGORICAL)]
)
def test_how_many_threads_help_changes_not_one_bit(
    shares: int, critic: dict[str, Any], precision: str
) -> None:
    states = []
    for crew in ([1], [2], [2, 1], [5]):
        config = SacConfig(width=64, batch_size=61, **critic)
        sac = Sac(OBS, 3, config, 0, precision, shares=shares)
        asked = cycle(crew)
        for call in range(3):
            sac.update(some_transitions(4 * 61, 3, call), partial(next, asked))
        states.append(flat_state(sac))
    for other in states[1:]:
        assert all(torch.equal(value, other[name]) for name, value in states[0].items())


def test_bf16_rounds_the_factors_of_matrix_products_and_nothing_else() -> None:
    torch.manual_seed(0)
    net = Ensemble(2, OBS, 32, 3, layer_norm=True)
    a, b = torch.randn(2, 8, OBS), torch.randn(2, OBS, 4)
    exact = net.product(a, b)
    net.precision = "bf16"
    with hardware.bf16_products():
        rounded = net.product(a, b)
    by_hand = a.bfloat16().float() @ b.bfloat16().float()
    torch.testing.assert_close(rounded, by_hand, rtol=1e-4, atol=1e-5)  # AMX sums in another order
    assert 1e-4 < (rounded - exact).abs().max() < 0.1
    assert rounded.dtype == torch.float32


class RoundedProduct(torch.autograd.Function):
    """What the compiled update does in bf16: all factors are rounded, those of slopes too.

    Products with a vector are not rounded.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """(E, m, k) and (E, k, n) -> (E, m, n)."""
        ctx.save_for_backward(a, b)
        return rounded(a, b, b.shape[2] == 1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Slopes at a and b."""
        a, b = ctx.saved_tensors
        vector = b.shape[2] == 1
        return rounded(slope, b.mT, vector), rounded(a.mT, slope, vector)


def rounded(a: Tensor, b: Tensor, vector: bool) -> Tensor:
    return torch.bmm(a, b) if vector else torch.bmm(a.bfloat16().float(), b.bfloat16().float())


@needs_bf16
@pytest.mark.parametrize("name", ["default", "single", "classic"])
@pytest.mark.parametrize("seen", [4, OBS])
def test_gradients_in_bf16_are_those_of_rounded_factors(
    name: Preset, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(preset(name).sac, width=64, batch_size=64, actor_every=1)
    sacs = [Sac(OBS, 3, config, 0, kind, seen) for kind in ("bf16", "fp32", "fp32")]
    monkeypatch.setattr(Ensemble, "product", lambda net, a, b: RoundedProduct.apply(a, b))
    in_torch(sacs[1])
    for sac in sacs:
        sac.update(some_transitions(64, 3, 0))
    by_c, by_torch, exact = (
        {part: value for part, value in flat_state(sac).items() if part.endswith("first")}
        for sac in sacs
    )
    assert len(by_c) == 3
    for part, gradient in by_torch.items():
        # Sums in another order fall on the other side of a rounding now and then, and no more.
        room, size = 0.1 * (gradient - exact[part]).norm() + 1e-7, gradient.norm()
        assert (by_c[part] - gradient).norm() <= room, part
        assert room < 0.02 * size, part


@pytest.mark.parametrize("how", ["as it is", "in torch"])
def test_learning_in_bf16_follows_fp32_closely(how: str) -> None:
    config = SacConfig(width=32, batch_size=64, actor_every=1)
    fp32, bf16 = Sac(OBS, 3, config, 0), Sac(OBS, 3, config, 0, precision="bf16")
    if how == "in torch":
        in_torch(bf16)
    start = fp32.critics.flat.detach().clone()
    for call in range(5):
        for sac in (fp32, bf16):
            sac.update(some_transitions(64, 3, call))
    moved = (fp32.critics.flat - start).norm()
    apart = (fp32.critics.flat - bf16.critics.flat).norm()
    assert 0 < apart < 0.2 * moved


@needs_bf16
def test_a_policy_that_learns_in_bf16_acts_in_fp32() -> None:
    config = SacConfig(width=32, batch_size=64)
    obs = some_transitions(16, 3, 0).obs.contiguous().numpy()
    fp32, bf16 = Sac(OBS, 3, config, 0), Sac(OBS, 3, config, 0, precision="bf16")
    assert (fp32.explore(obs) == bf16.explore(obs)).all()


def test_a_policy_that_learns_in_bf16_is_judged_as_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "library", lambda: None)  # so that torch rounds
    sac = Sac(OBS, 3, SacConfig(width=32, batch_size=64), 0, precision="bf16")
    parts = (("sensors", OBS, ""),)
    layout = Layout("task", parts, ("a", "b", "c"), (0.0,) * 3, (1.0,) * 3, control_dt=0.02)
    policy = sac.policy(layout)
    policy.save(tmp_path / "policy.safetensors")
    obs = some_transitions(16, 3, 0).obs.contiguous().numpy()
    assert (Policy.load(tmp_path / "policy.safetensors")(obs) == policy(obs)).all()


def state_with(tmp_path: Path, **environment: str) -> str:
    """What a fresh process says about the compiled update."""
    code = "from robo_maxent.learning import native as c; print(c.state()[0] is None, c.state()[1])"
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
    expected = "True no C compiler found: learning runs in torch, slower"
    assert state_with(tmp_path, PATH=str(nothing)) == expected


def test_a_compiler_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    said = state_with(tmp_path, CC=str(broken))
    assert said.startswith("True ")
    assert "(out of luck): learning runs in torch" in said


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    assert "switched off" in state_with(tmp_path, ROBO_MAXENT_COMPILED="off")


def test_without_a_home_they_are_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert native._cache_directory().parent == tmp_path


def test_a_library_and_rates_of_another_cpu_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(command: list[str]) -> str:
        if "-o" in command:
            Path(command[command.index("-o") + 1]).touch()
        return "a compiler"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native, "_output", write)
    here = native._compiled(["cc"])
    assert native._compiled(["cc"]) == here
    monkeypatch.setattr(hardware, "cpu", lambda: b"another")
    elsewhere = native._compiled(["cc"])
    assert elsewhere.stem != here.stem  # which names the file of the rates too
    assert {here, elsewhere} == set((tmp_path / "robo_maxent").iterdir())


@needs_compiler
def test_they_are_compiled_once_and_kept(tmp_path: Path) -> None:
    assert state_with(tmp_path).startswith("False compiled by")
    (library,) = (tmp_path / "c" / "robo_maxent").glob("*.so")
    written = library.stat().st_mtime_ns
    assert state_with(tmp_path).startswith("False compiled by")
    assert library.stat().st_mtime_ns == written
