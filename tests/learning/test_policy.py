"""A policy file holds all that it needs to act, and refuses where it does not fit."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file

from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import PolicyError
from robo_maxent.learning.heads import HEADS, ClampedGaussian, SquashedGaussian
from robo_maxent.learning.mixture import Mixture
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.spaces import Layout
from robo_maxent.tasks import make

SCAN = (*layout_of(make("quadruped-flat")).observation, ("height scan", 9, "m"))


@pytest.fixture
def layout() -> Layout:
    return layout_of(make("quadruped-flat"))


@pytest.fixture(params=[True, False], ids=["layer_norm", "plain"])
def policy(layout: Layout, request: pytest.FixtureRequest) -> Policy:
    torch.manual_seed(0)
    head = SquashedGaussian(len(layout.joints))
    actor = Actor(layout.observation_size, head, width=16, layer_norm=request.param)
    normalizer = Normalizer(layout.observation_size)
    normalizer.update(3.0 * torch.randn(100, layout.observation_size) + 1.0)
    return Policy(layout, actor, normalizer)


def test_a_file_of_before_other_heads_is_one_of_the_first(
    tmp_path: Path, policy: Policy, layout: Layout
) -> None:
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    with safetensors.safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata()
    first = {"format", "layout", "layer_norm"}
    assert metadata.keys() == first | {"head", "log_std_range"}
    save_file(tensors, file, {name: metadata[name] for name in first})
    head = Policy.load(file).actor.head
    assert type(head) is SquashedGaussian
    assert head.log_std_range == (-5.0, 0.0)


def test_another_head_has_another_spread_and_the_same_mean(policy: Policy, layout: Layout) -> None:
    obs, noise = observations(layout), np.ones((5, len(layout.joints)))
    mean, spread = policy(obs), policy.sample(obs, noise)
    policy.actor.head = ClampedGaussian(len(layout.joints))
    np.testing.assert_array_equal(policy(obs), mean)
    assert (policy.sample(obs, noise) != spread).all()


def observations(layout: Layout) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, layout.observation_size)).astype(np.float32)


def test_a_saved_policy_acts_as_before(tmp_path: Path, policy: Policy, layout: Layout) -> None:
    policy.save(tmp_path / "policy.safetensors")
    loaded = Policy.load(tmp_path / "policy.safetensors")
    assert loaded.layout == layout
    obs = observations(layout)
    np.testing.assert_array_equal(policy(obs), loaded(obs))


@pytest.mark.parametrize("gaussian", HEADS.values())
@pytest.mark.parametrize("components", [None, 2, 5])
@pytest.mark.parametrize("span", [(-5.0, 0.0), (-9.0, 3.0), (-2.0, -1.9)])
def test_a_saved_policy_samples_with_the_spread_that_it_had(
    tmp_path: Path,
    layout: Layout,
    span: tuple[float, float],
    components: int | None,
    gaussian: type[SquashedGaussian],
) -> None:
    head = gaussian(len(layout.joints), span)
    if components is not None:
        head = Mixture(head, components)
    actor = Actor(layout.observation_size, head, 16, True)
    policy = Policy(layout, actor, Normalizer(layout.observation_size))
    policy.save(tmp_path / "policy.safetensors")
    loaded, obs = Policy.load(tmp_path / "policy.safetensors"), observations(layout)
    again = loaded.actor.head
    assert (type(again), again.name) == (type(head), head.name)
    assert again.settings == {**head.settings, "log_std_range": span}
    noise = np.random.default_rng(1).normal(size=(len(obs), len(layout.joints)))
    np.testing.assert_array_equal(policy(obs), loaded(obs))
    np.testing.assert_array_equal(policy.sample(obs, noise), loaded.sample(obs, noise))


def test_actions_are_the_tanh_of_the_mean_in_the_unit_box(policy: Policy, layout: Layout) -> None:
    obs = observations(layout)
    action = policy(obs)
    with torch.no_grad():
        raw = policy.actor(policy.normalizer(torch.from_numpy(obs)))
        mean, _ = SquashedGaussian(len(layout.joints)).gaussian(raw)
    np.testing.assert_allclose(action, np.tanh(mean.numpy()), rtol=1e-6)
    assert np.abs(policy(1e6 * obs)).max() <= 1.0


def test_each_row_acts_by_itself(policy: Policy, layout: Layout) -> None:
    obs = observations(layout)
    np.testing.assert_allclose(policy(obs)[2], policy(obs[2:3])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action_scale": (0.1,) * 12}, "action scale has 0.5, 1.0 where the task's has 0.1."),
        ({"action_scale": (0.5, 1.0) * 4}, "action scale has 12 elements, the task's has 8."),
        (
            {"joints": ("a", "b", "c", "d", "FR_hip")},
            "joints have FR_thigh, FR_calf, FL_hip and 8 more where the task's have a, b, c and 1 ",
        ),
        (
            {"observation": SCAN},
            "observation has nothing where the task's has height scan (9 in m).",
        ),
        ({"control_dt": 0.01}, "control dt is 0.02, the task's is 0.01."),
    ],
)
def test_a_task_that_differs_is_refused(
    policy: Policy, layout: Layout, change: dict[str, object], message: str
) -> None:
    policy.require(layout)
    policy.require(replace(layout, task="another name"))
    with pytest.raises(PolicyError, match=f"does not fit.*its {re.escape(message)}"):
        policy.require(replace(layout, **change))  # type: ignore[arg-type]


def test_another_order_is_refused(policy: Policy, layout: Layout) -> None:
    message = r"joints have another order: element 1 is FR_hip, the task's is RL_calf"
    with pytest.raises(PolicyError, match=message):
        policy.require(replace(layout, joints=layout.joints[::-1]))


def test_a_missing_or_damaged_file_is_reported(tmp_path: Path, policy: Policy) -> None:
    with pytest.raises(PolicyError, match="not found"):
        Policy.load(tmp_path / "none.safetensors")
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(PolicyError, match="damaged"):
        Policy.load(file)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(PolicyError, match="is not a policy of this version"):
        Policy.load(tmp_path / "other.safetensors")


def rewritten(file: Path, **metadata: str) -> dict[str, torch.Tensor]:
    """Change the metadata of a policy file, and give its tensors."""
    with safetensors.safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        save_file(tensors, file, opened.metadata() | metadata)
    return tensors


def test_the_same_policy_is_the_same_file(tmp_path: Path, policy: Policy) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(12)]
    for file in files:
        policy.save(file)
    assert len({file.read_bytes() for file in files}) == 1
    Policy.load(files[0]).save(files[1])
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "actor.1.weight",
            lambda tensor: tensor[:1],
            r"actor.1.weight must be torch.float32 (16, 16), got torch.float32 (1, 16)",
        ),
        ("actor.0.weight", lambda tensor: tensor.T.contiguous(), "actor.0.weight must be"),
        ("actor.2.weight", lambda tensor: tensor.T.contiguous(), "(16, 24), got torch.float32"),
        ("actor.2.bias", lambda tensor: tensor.to(torch.int32), "got torch.int32 (1, 24)"),
        ("actor.0.weight", lambda tensor: tensor[0, 0], "actor.0.weight must be"),
        ("normalizer.mean", lambda tensor: tensor[:1], "normalizer.mean must be"),
        ("normalizer.scale", None, "it lacks a tensor, or has one too many: normalizer.scale"),
        ("actor.3.bias", lambda _: torch.zeros(1), "has one too many: actor.3.bias"),
    ],
)
def test_weights_that_would_be_stretched_to_fit_are_refused(
    tmp_path: Path,
    policy: Policy,
    name: str,
    change: Callable[[torch.Tensor | None], torch.Tensor] | None,
    message: str,
) -> None:
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    tensors = rewritten(file)
    before = tensors.pop(name, None)
    if change is not None:
        tensors[name] = change(before)
    with safetensors.safe_open(file, framework="pt") as opened:
        save_file(tensors, file, opened.metadata())
    with pytest.raises(PolicyError, match=re.escape(message)) as refused:
        Policy.load(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"layout": "[]"}, "the layout must be an object, got []"),
        ({"layout": "{"}, "Expecting property name"),
        ({"layout": "[" * 100_000}, "maximum recursion depth exceeded"),
        ({"layout": '{"task": "t"}'}, "the layout lacks 'observation', 'joints'"),
        ({"layer_norm": "1"}, "layer_norm must be true or false, got 1"),
        ({"log_std_range": "[0]"}, "log_std_range must have 2 elements, got [0]"),
        ({"log_std_range": "[0, NaN]"}, "log_std_range must rise within [-20, 4], got 0.0, nan"),
        (
            {"head": "beta"},
            "its head is 'beta', known of continuous actions: 'squashed gaussian', 'squashed gauss",
        ),
        ({"head": "mixture of mixture of squashed gaussian"}, "its head is 'mixture of mixture of"),
        ({"head": "mixture of squashed gaussian"}, "it has no 'components'"),
        (
            {"head": "mixture of squashed gaussian", "components": "0"},
            "components must be within [1, 100], got 0",
        ),
        (
            {"head": "mixture of squashed gaussian", "components": "2.5"},
            "components must be a whole number, got 2.5",
        ),
        (
            {"head": "mixture of squashed gaussian", "components": "2"},
            "actor.2.bias must be torch.float32 (1, 50), got torch.float32 (1, 24)",
        ),
        ({"head": "categorical"}, "its head is 'categorical', known of continuous actions: "),
    ],
)
def test_metadata_of_other_content_are_refused(
    tmp_path: Path, policy: Policy, metadata: dict[str, str], message: str
) -> None:
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    rewritten(file, **metadata)
    with pytest.raises(PolicyError, match=re.escape(message)) as refused:
        Policy.load(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("observation", [["height", 1e300, "m"]], "must be a whole number, got 1e+300"),
        ("observation", [["height", 2**40, "m"]], "must have sizes from 1 on"),
        ("observation", [["height", 10**30, "m"]], "must be a whole number, got 10000000"),
        ("observation", [["height", 1]], "element 1 of observation of the layout must have 3"),
        ("joints", ["hip"], "must have a centre and a scale for each of its joints"),
        ("joints", "hips", "joints of the layout must be a list, got 'hips'"),
        ("action_scale", [float("nan")] * 12, "the layout's numbers must be finite"),
        ("control_dt", 10**400, "control_dt of the layout must be a number, got 1000000"),
        ("control_dt", True, "control_dt of the layout must be a number, got True"),
        ("task", None, "task of the layout must be text, got None"),
    ],
)
def test_a_layout_of_other_content_is_refused(
    layout: Layout, name: str, value: object, message: str
) -> None:
    assert Layout.from_json(layout.to_json()) == layout
    with pytest.raises(ValueError, match=re.escape(message)):
        Layout.from_json(json.dumps(json.loads(layout.to_json()) | {name: value}))


def test_a_failed_write_keeps_the_old_policy(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    before = file.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PolicyError, match="No space left on device"):
        policy.save(file)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_sampled_actions_are_the_mean_without_noise_and_spread_as_the_actor_says(
    policy: Policy, layout: Layout
) -> None:
    obs = observations(layout)
    mean = policy(obs)
    np.testing.assert_array_equal(policy.sample(obs, np.zeros_like(mean)), mean)
    noise = np.random.default_rng(1).normal(size=mean.shape)
    with torch.no_grad():
        raw = policy.actor(policy.normalizer(torch.from_numpy(obs)))
        _, log_std = SquashedGaussian(len(layout.joints)).gaussian(raw)
    expected = np.tanh(np.arctanh(mean.astype(float)) + np.exp(log_std.numpy()) * noise)
    np.testing.assert_allclose(policy.sample(obs, noise), expected, atol=1e-5)
    with pytest.raises(PolicyError, match="sees observations of shape"):
        policy.sample(obs[:, 1:], noise)
