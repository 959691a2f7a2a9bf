"""A policy as ONNX: one file that acts on a robot without this package, and without torch.

The graph is written by hand: some fifteen standard operators with readable names. That needs only
the package onnx, where torch's exporter would need onnxscript too.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from robo_maxent import __version__
from robo_maxent.errors import PolicyError
from robo_maxent.files import FileKind, atomic_path, require_place
from robo_maxent.learning.heads import Head
from robo_maxent.learning.mixture import Mixture
from robo_maxent.learning.policy import Policy
from robo_maxent.versions import require_extra

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

FORMAT = "robo_maxent onnx 1"
OPSET = 17
"""The first with LayerNormalization."""
IR_VERSION = 8
"""The one of the same release, ONNX 1.12: runtimes since 2022 read the file."""

OBSERVATION, ACTION, TARGET, LOGITS = "observation", "action", "joint_target", "logits"
"""Names of the input and of the outputs."""

CHECKED = 1000
"""Observations that a written file is compared on."""
SPREAD = 3.0
"""Their spread, in standard deviations of what the normalizer saw: some of them are clipped."""
EXPORTED = FileKind("an exported policy", rb"\x08.\x12\x0brobo_maxent")
TOLERANCE = 1e-5
"""Largest difference allowed to an action, which is in [-1, 1], or to a probability."""


def write(policy: Policy, path: str | os.PathLike[str], rng: np.random.Generator) -> float:
    """Write an ONNX file, atomically, and compare what onnxruntime makes of it with the policy.

    Its input ``observation``, float32, (batch, P), is what the task gives, not normalized. Its
    outputs are ``action`` in [-1, 1], (batch, A), and where the task's action map puts that,
    ``joint_target``, rad, (batch, A); for a ``gym:`` id it is the action of the environment.

    Where actions are discrete its outputs are ``action``, int64, (batch,), which is what whoever
    acts needs: a number from 0 on, in the order of ``joints`` of the layout; and ``logits``,
    (batch, A), for whoever asks how close a choice was, or draws an action by their softmax.

    Its metadata have ``format``, and as one JSON object, ``layout``, the fields of
    ``spaces.Layout``.

    Args:
        policy: The policy to write.
        path: The .onnx file.
        rng: Draws the observations on which both are compared.

    Returns:
        The largest difference between two actions; of discrete ones see :func:`difference`.

    Raises:
        UsageError: The extra onnx is not installed, the file can't be written, or there is a file
            that is no policy of this package.
        PolicyError: The file could not be written after all, or acts differently; what was there
            before is kept.
    """
    require_place(path, EXPORTED)
    model = build(policy)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
            largest = difference(policy, temporary, rng)
            if not largest <= TOLERANCE:  # NaN is no match either
                raise PolicyError(
                    f"{path} was not written: in onnxruntime the policy acts differently, by up to "
                    f"{largest:.2g}; allowed is {TOLERANCE:g}."
                )
    except OSError as error:
        raise PolicyError(f"Can't write {path}: {error}") from error
    return largest


def difference(policy: Policy, file: Path, rng: np.random.Generator) -> float:
    """Measure the largest difference between the actions of a policy and of an ONNX file of it.

    Where actions are discrete it is that between their probabilities, and 1 if the file takes an
    action that is less likely than the policy's by more than the tolerance.

    Args:
        policy: The policy.
        file: The ONNX file.
        rng: Draws the observations on which both are compared.

    Raises:
        UsageError: The extra onnx is not installed.
    """
    runtime = require_extra("onnxruntime", "onnx", "checking an ONNX file")
    normalizer = policy.normalizer
    noise = rng.standard_normal((CHECKED, policy.layout.observation_size))  # (1000, P)
    obs = normalizer.shift.numpy() + SPREAD * noise / normalizer.scale.numpy()
    obs = obs.astype(np.float32)
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    if not policy.layout.is_discrete:
        (action,) = session.run([ACTION], {OBSERVATION: obs})
        return float(np.abs(action - policy(obs)).max())
    action, logits = session.run([ACTION, LOGITS], {OBSERVATION: obs})
    theirs, ours = (softmax(each, axis=1) for each in (logits, policy.logits(obs)))  # (1000, A)
    missed = ours.max(axis=1) - ours[np.arange(CHECKED), action] > 2 * TOLERANCE
    return 1.0 if missed.any() else float(np.abs(theirs - ours).max())


def build(policy: Policy) -> "ModelProto":
    """Build the ONNX model of a policy's action without noise, or of the likeliest, and check it.

    Raises:
        UsageError: The extra onnx is not installed.
    """
    onnx = require_extra("onnx", "onnx", "writing an ONNX file")
    model = onnx.helper.make_model(
        _graph(policy),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="robo_maxent",
        producer_version=__version__,
    )
    layout = {"format": FORMAT, "layout": policy.layout.to_json()}
    onnx.helper.set_model_props(model, layout)
    onnx.checker.check_model(model, full_check=True)
    return model


def _graph(policy: Policy) -> "GraphProto":
    layout, normalizer, actor = policy.layout, policy.normalizer, policy.actor
    count = len(layout.joints)
    nodes = _Nodes()
    x = nodes.add("Sub", "shifted", OBSERVATION, shift=normalizer.shift.numpy())
    x = nodes.add("Mul", "scaled", x, scale=normalizer.scale.numpy())
    limit = normalizer.limit.numpy()
    x = nodes.add("Clip", "normalized", x, low=-limit, high=limit)
    *hidden, last = [(weight[0].numpy(), bias[0].numpy()) for weight, bias in actor.layers()]
    for i, (weight, bias) in enumerate(hidden, start=1):
        x = nodes.add("Gemm", f"linear{i}", x, weight=weight, bias=bias)  # (batch, width)
        if actor.layer_norm:
            x = nodes.add("LayerNormalization", f"norm{i}", x, gain=np.ones(weight.shape[1]))
            x = nodes.add("Mul", f"silu{i}", x, nodes.add("Sigmoid", f"sigmoid{i}", x))
        else:
            x = nodes.add("Relu", f"relu{i}", x)
    if layout.is_discrete:
        x = nodes.add("Gemm", LOGITS, x, weight=last[0], bias=last[1])  # (batch, A)
        nodes.choose(ACTION, x)
        return nodes.graph(
            layout.observation_size, f"Likeliest action on {layout.task}", {LOGITS: count}, ACTION
        )
    x = nodes.add("Tanh", ACTION, _mean(nodes, actor.head, x, *last))
    x = nodes.add("Mul", "offset", x, scale=np.array(layout.action_scale))
    nodes.add("Add", TARGET, x, centre=np.array(layout.action_centre))
    gives = {ACTION: count, TARGET: count}
    return nodes.graph(layout.observation_size, f"Action without noise on {layout.task}", gives)


def _mean(nodes: "_Nodes", head: Head, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """The mean before the tanh, (batch, A); of a mixture, that of the most probable component."""
    if not isinstance(head, Mixture):  # what follows the means is of the standard deviation
        means = slice(head.action_size)
        return nodes.add("Gemm", "mean", x, weight=weight[:, means], bias=bias[:, means])
    means, logits = slice(head.components * head.action_size), slice(-head.components, None)
    every = nodes.add("Gemm", "means", x, weight=weight[:, means], bias=bias[:, means])
    shape = np.array([-1, head.components, head.action_size], np.int64)
    every = nodes.add("Reshape", "by_component", every, shape=shape)  # (batch, K, A)
    x = nodes.add("Gemm", "logits", x, weight=weight[:, logits], bias=bias[:, logits])
    chosen = nodes.add("ArgMax", "component", x, axis=1)  # (batch, 1)
    return nodes.add("GatherND", "mean", every, chosen, batch_dims=1)


class _Nodes:
    """Nodes of a graph, in order, and the constants that they take."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def add(self, operator: str, name: str, *inputs: str, **constants: np.ndarray | int) -> str:
        """Apply an operator to named inputs, then to arrays; its output has its name.

        Args:
            operator: Name of the operator in the standard.
            name: Name of the node and of its output.
            inputs: Names of outputs that it takes.
            constants: Arrays are further inputs, whole numbers are attributes.
        """
        from onnx import helper, numpy_helper

        arrays = {key: value for key, value in constants.items() if not isinstance(value, int)}
        attributes = {key: value for key, value in constants.items() if isinstance(value, int)}
        for key, value in arrays.items():
            kind = value.dtype if value.dtype == np.int64 else np.float32
            tensor = numpy_helper.from_array(np.array(value, kind), f"{name}.{key}")
            self._constants.append(tensor)
        names = [*inputs, *(f"{name}.{key}" for key in arrays)]
        node = helper.make_node(operator, names, [name], name=name)
        node.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
        self._nodes.append(node)
        return name

    def choose(self, name: str, scores: str) -> None:
        """Number of the largest score, int64, (batch,); of equal ones the first."""
        from onnx import helper

        node = helper.make_node("ArgMax", [scores], [name], name=name, axis=1, keepdims=0)
        self._nodes.append(node)

    def graph(
        self, sees: int, what: str, gives: Mapping[str, int], chooses: str | None = None
    ) -> "GraphProto":
        """All of it: an input of ``sees`` numbers, outputs of so many, and of a whole number."""
        from onnx import TensorProto, helper

        def batch(name: str, size: int) -> "ValueInfoProto":
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

        outputs = [batch(name, size) for name, size in gives.items()]
        if chooses is not None:
            number = helper.make_tensor_value_info(chooses, TensorProto.INT64, ["batch"])
            outputs.insert(0, number)
        return helper.make_graph(
            self._nodes,
            "policy",
            inputs=[batch(OBSERVATION, sees)],
            outputs=outputs,
            initializer=self._constants,
            doc_string=what,
        )
