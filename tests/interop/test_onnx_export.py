"""An ONNX file of a policy acts as the policy does, and says what it sees and moves."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_policy import small_policy

from robo_maxent.cli import main
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.interop import onnx_export
from robo_maxent.learning.heads import HEADS, Head, SquashedGaussian
from robo_maxent.learning.mixture import Mixture
from robo_maxent.learning.networks import Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.spaces import Layout
from robo_maxent.tasks import make

pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return small_policy(make("quadruped-flat"))


def written(policy: Policy, tmp_path: Path) -> Any:
    onnx_export.write(policy, tmp_path / "policy.onnx", np.random.default_rng(0))
    return onnxruntime.InferenceSession(tmp_path / "policy.onnx")


def observations(policy: Policy, count: int) -> np.ndarray:
    shape = (count, policy.layout.observation_size)
    return (5.0 * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def mixture(action_size: int) -> Mixture:
    return Mixture(SquashedGaussian(action_size), 3)


@pytest.mark.parametrize("make_head", [*HEADS.values(), mixture])
@pytest.mark.parametrize("layer_norm", [True, False], ids=["layer_norm", "plain"])
def test_raw_observations_give_the_actions_of_the_policy(
    tmp_path: Path, layer_norm: bool, make_head: Callable[[int], Head]
) -> None:
    policy = small_policy(make("quadruped-flat"), layer_norm, make_head)
    session = written(policy, tmp_path)
    obs = np.concatenate([observations(policy, 100), 1e6 * observations(policy, 1)])
    (action,) = session.run(["action"], {"observation": obs})
    np.testing.assert_allclose(action, policy(obs), atol=1e-5)
    assert action.dtype == np.float32
    assert action.std() > 0.1, "the actions are too small to say anything"


def test_another_component_is_the_most_probable_at_other_observations() -> None:
    policy = small_policy(make("quadruped-flat"), make_head=mixture)
    seen = policy.normalizer(torch.from_numpy(observations(policy, 100)))
    with torch.no_grad():
        assert len(policy.actor(seen)[:, -3:].argmax(1).unique()) == 3


@pytest.mark.parametrize("count", [1, 7])
def test_any_number_of_observations_is_taken(tmp_path: Path, policy: Policy, count: int) -> None:
    obs = observations(policy, count)
    (action,) = written(policy, tmp_path).run(["action"], {"observation": obs})
    np.testing.assert_allclose(action, policy(obs), atol=1e-5)


def test_joint_targets_are_where_the_action_map_puts_the_action(
    tmp_path: Path, policy: Policy
) -> None:
    obs, task = observations(policy, 20), make("quadruped-flat")
    action, target = written(policy, tmp_path).run(None, {"observation": obs})
    space = task.action_space
    np.testing.assert_allclose(target, space.centre + space.scale * action, atol=1e-6)


def test_the_metadata_say_what_the_policy_sees_and_moves(tmp_path: Path, policy: Policy) -> None:
    metadata = written(policy, tmp_path).get_modelmeta().custom_metadata_map
    assert metadata["format"] == "robo_maxent onnx 1"
    assert Layout.from_json(metadata["layout"]) == policy.layout
    task, read = make("quadruped-flat"), json.loads(metadata["layout"])
    assert read["joints"] == list(task.action_space.names)
    assert read["control_dt"] == task.control_dt
    assert [tuple(part) for part in read["observation"]] == list(task.policy_parts)


def test_a_policy_of_a_gymnasium_id_is_written_too(tmp_path: Path) -> None:
    policy = small_policy(GymTask("Pendulum-v1"))
    obs = observations(policy, 20)
    action, target = written(policy, tmp_path).run(None, {"observation": obs})
    np.testing.assert_allclose(action, policy(obs), atol=1e-5)
    np.testing.assert_allclose(target, 2.0 * action, rtol=1e-6)


def test_a_policy_that_does_not_normalize_sees_observations_of_any_size(tmp_path: Path) -> None:
    policy = small_policy(GymTask("Pendulum-v1"))
    policy.normalizer = Normalizer(policy.layout.observation_size)
    obs = 40.0 * observations(policy, 20)
    action, _ = written(policy, tmp_path).run(None, {"observation": obs})
    np.testing.assert_allclose(action, policy(obs), atol=1e-5)
    clipped = policy(obs.clip(-10.0, 10.0))
    assert np.abs(action - clipped).max() > 1e-3


def test_the_difference_is_that_of_the_worst_action(tmp_path: Path, policy: Policy) -> None:
    path, rng = tmp_path / "policy.onnx", np.random.default_rng
    differs = onnx_export.write(policy, path, rng(0))
    assert 0.0 < differs < 1e-5
    assert onnx_export.difference(policy, path, rng(0)) == differs
    other = small_policy(make("quadruped-flat"))
    other.actor.layers()[-1][1].add_(0.01)
    assert 1e-3 < onnx_export.difference(other, path, rng(0)) < 1e-2 * 1.01


@pytest.mark.parametrize(
    ("largest", "message"), [(0.5, "by up to 0.5"), (float("nan"), "by up to nan")]
)
def test_a_file_that_acts_differently_is_not_kept(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, largest: float, message: str
) -> None:
    path = tmp_path / "policy.onnx"
    before = b"\x08\x0a\x12\x0brobo_maxent, as written before"
    path.write_bytes(before)
    monkeypatch.setattr(onnx_export, "difference", lambda *_: largest)
    with pytest.raises(PolicyError, match=f"policy.onnx was not written: .* {message}"):
        onnx_export.write(policy, path, np.random.default_rng(0))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path, policy: Policy) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"Can't write .*policy\.onnx: Not a directory"):
        onnx_export.write(policy, tmp_path / "file" / "policy.onnx", np.random.default_rng(0))


def test_an_export_of_before_is_replaced_and_the_network_of_another_is_not(
    tmp_path: Path, policy: Policy
) -> None:
    path, rng = tmp_path / "policy.onnx", np.random.default_rng(0)
    onnx_export.write(policy, path, rng)
    onnx_export.write(policy, path, rng)
    path.write_bytes(b"\x08\x0a\x12\x07pytorch")
    with pytest.raises(UsageError, match=r"policy\.onnx is there and is not an exported policy"):
        onnx_export.write(policy, path, rng)


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    fix = rf"needs {module}: pip install 'robo-maxent\[onnx\]'"
    with pytest.raises(UsageError, match=fix):
        onnx_export.write(policy, tmp_path / "policy.onnx", np.random.default_rng(0))
    assert not list(tmp_path.iterdir())


def test_the_command_writes_beside_the_policy_or_where_it_is_told(
    tmp_path: Path, policy: Policy, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "walker.safetensors"
    policy.save(file)
    for words, expected in ([], "walker.onnx"), (["--out", f"{tmp_path}/a/b.onnx"], "a/b.onnx"):
        with pytest.raises(SystemExit) as stop:
            main.main(["export", str(file), *words, "--json"])
        assert stop.value.code == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["onnx"] == str(tmp_path / expected)
        assert printed["difference"] < 1e-5
        assert (tmp_path / expected).is_file()
    with pytest.raises(SystemExit):
        main.main(["export", str(file)])
    assert "largest difference in 1,000 random observations: " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main.main(["export", str(tmp_path / "walker.onnx")])
    assert "walker.onnx is no policy file of this package" in capsys.readouterr().err
