"""ONNX files, of this package and of others, act as they did where they were made."""

import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_policy import small_policy

from robo_maxent.cli import main
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import external_policies, onnx_export
from robo_maxent.learning.policy import Policy
from robo_maxent.tasks import make

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def task() -> EnvFactory:
    task = make("quadruped-flat")
    task.episode_steps = 50
    return task


@pytest.fixture(scope="module")
def policy(task: EnvFactory) -> Policy:
    return small_policy(task)


@pytest.fixture
def exported(tmp_path: Path, policy: Policy) -> Path:
    onnx_export.write(policy, tmp_path / "policy.onnx", np.random.default_rng(0))
    return tmp_path / "policy.onnx"


def resized(value: Any, axis: int, size: int | str) -> None:
    """Declare another size of an input or output."""
    dim = value.type.tensor_type.shape.dim[axis]
    dim.ClearField("value")
    setattr(dim, "dim_param" if isinstance(size, str) else "dim_value", size)


def test_what_was_exported_gives_the_rows_of_the_policy(
    exported: Path, policy: Policy, task: EnvFactory
) -> None:
    rows = evaluate(external_policies.load(str(exported), task), task, episodes=4, seed=3)
    expected = evaluate(policy, task, episodes=4, seed=3)
    assert [row.length for row in rows] == [row.length for row in expected]
    assert [row.params for row in rows] == [row.params for row in expected]
    np.testing.assert_allclose([r.reward for r in rows], [r.reward for r in expected], rtol=1e-2)


def test_a_policy_travels_with_its_file(exported: Path, task: EnvFactory) -> None:
    policy = external_policies.load(str(exported), task)
    sent = pickle.dumps(policy)
    exported.unlink()
    obs = np.random.default_rng(0).normal(size=(5, task.policy_size)).astype(np.float32)
    there = pickle.loads(sent)
    np.testing.assert_array_equal(there(obs), policy(obs))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(there))(obs), policy(obs))
    assert there.answers == policy.answers


def test_what_was_exported_knows_its_task_and_refuses_another_layout(
    tmp_path: Path, exported: Path, policy: Policy, task: EnvFactory
) -> None:
    assert external_policies.task_of(str(exported)) == "quadruped-flat"
    joints = policy.layout.joints
    other = Policy(
        replace(policy.layout, joints=(joints[1], joints[0], *joints[2:])),
        policy.actor,
        policy.normalizer,
    )
    onnx_export.write(other, tmp_path / "swapped.onnx", np.random.default_rng(0))
    with pytest.raises(PolicyError, match="does not fit 'quadruped-flat': its joints have another"):
        external_policies.load(str(tmp_path / "swapped.onnx"), task)


def test_a_damaged_layout_is_refused(exported: Path, task: EnvFactory) -> None:
    model = onnx.load(exported)
    next(entry for entry in model.metadata_props if entry.key == "layout").value = '{"task": 3}'
    exported.write_bytes(model.SerializeToString())
    for read in (external_policies.task_of, lambda named: external_policies.load(named, task)):
        with pytest.raises(PolicyError, match=r"policy.onnx can't be read: the layout lacks 'obs"):
            read(str(exported))


def test_evaluate_needs_no_task_for_what_was_exported(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main(["evaluate", str(exported), "--episodes", "2", "--json"])
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out)["policies"][0]["task"] == "quadruped-flat"


def changed(policy: Policy, path: Path, change: Callable[[Any], None]) -> str:
    """A file of somebody else: that of the policy, without its metadata, and changed."""
    model = onnx_export.build(policy)
    del model.metadata_props[:]
    change(model)
    path.write_bytes(model.SerializeToString())
    return str(path)


def one_at_a_time(model: Any) -> None:
    for value in (*model.graph.input, *model.graph.output):
        resized(value, 0, 1)


def in_double(model: Any) -> None:
    graph, double = model.graph, onnx.TensorProto.DOUBLE
    graph.input[0].type.tensor_type.elem_type = double
    cast = onnx.helper.make_node("Cast", ["observation"], ["observed"], to=onnx.TensorProto.FLOAT)
    graph.node[0].input[0] = "observed"
    graph.node.insert(0, cast)


def unnamed(model: Any) -> None:
    del model.graph.output[1:]
    model.graph.output[0].name = "mu"
    for node in model.graph.node:
        node.input[:] = ["mu" if name == "action" else name for name in node.input]
        node.output[:] = ["mu" if name == "action" else name for name in node.output]


@pytest.mark.parametrize("change", [lambda _: None, one_at_a_time, in_double, unnamed])
def test_a_file_of_another_make_acts_the_same(
    tmp_path: Path, policy: Policy, task: EnvFactory, change: Callable[[Any], None]
) -> None:
    named = changed(policy, tmp_path / "other.onnx", change)
    obs = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    np.testing.assert_allclose(external_policies.load(named, task)(obs), policy(obs), atol=1e-5)
    with pytest.raises(UsageError, match=r"other\.onnx does not say which task it is for"):
        external_policies.task_of(named)


def with_memory(model: Any) -> None:
    state = onnx.helper.make_tensor_value_info("h_in", onnx.TensorProto.FLOAT, ["batch", 4])
    model.graph.input.append(state)


def two_outputs(model: Any) -> None:
    for value, name in zip(model.graph.output, ("scaled", "mean"), strict=True):
        value.name = name
    resized(model.graph.output[0], 1, 50)


def of_pictures(model: Any) -> None:
    del model.graph.node[:], model.graph.output[1:], model.graph.initializer[:]
    model.graph.input[0].type.tensor_type.shape.dim.add().dim_value = 3
    model.graph.node.append(onnx.helper.make_node("Identity", ["observation"], ["action"]))
    model.graph.output[0].CopyFrom(model.graph.input[0])
    model.graph.output[0].name = "action"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_memory, r"takes \{'observation': .*'h_in': .* no memory, no pictures"),
        (of_pictures, r"takes \{'observation': .* no memory, no pictures.*quadruped-flat gives"),
        (two_outputs, "has the outputs scaled, mean: call that of the action 'action'"),
        (lambda m: resized(m.graph.input[0], 0, 8), "takes 8 observations at a time: export"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, policy: Policy, task: EnvFactory, change: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        external_policies.load(changed(policy, tmp_path / "other.onnx", change), task)


def test_other_sizes_are_refused_with_those_of_the_task(
    tmp_path: Path, policy: Policy, task: EnvFactory
) -> None:
    smaller = small_policy(GymTask("Pendulum-v1"))
    assert smaller.layout.observation_size == 3
    named = changed(smaller, tmp_path / "pendulum.onnx", lambda _: None)
    with pytest.raises(PolicyError, match=r"pendulum\.onnx sees 3 elements.*shape .N, 50., float"):
        external_policies.load(named, task)

    def fewer(model: Any) -> None:
        del model.graph.node[-2:], model.graph.output[1:]
        for constant in model.graph.initializer:
            if constant.name.startswith("mean."):
                array = onnx.numpy_helper.to_array(constant)[:, :8]
                constant.CopyFrom(onnx.numpy_helper.from_array(array.copy(), constant.name))
        resized(model.graph.output[0], 1, 8)

    with pytest.raises(
        PolicyError, match=r"8.onnx returns 8 elements.*takes actions of shape .N, 12"
    ):
        external_policies.load(changed(policy, tmp_path / "8.onnx", fewer), task)


def test_a_damaged_file_is_named(tmp_path: Path, exported: Path, task: EnvFactory) -> None:
    exported.write_bytes(exported.read_bytes()[:500])
    (tmp_path / "text.onnx").write_text("no model")
    for file in (exported, tmp_path / "text.onnx"):
        with pytest.raises(PolicyError, match=f"{file.name} is damaged or not an ONNX model: "):
            external_policies.load(str(file), task)


def test_a_missing_extra_is_named_with_its_command(
    exported: Path, task: EnvFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    fix = r"policy.onnx needs onnxruntime: pip install 'robo-maxent\[onnx\]'"
    with pytest.raises(UsageError, match=fix):
        external_policies.load(str(exported), task)
