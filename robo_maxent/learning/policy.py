"""A policy with everything it needs to act, in one file without pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import save

from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.files import write_atomically
from robo_maxent.from_json import typed
from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.config import LogStdBound, SacConfig
from robo_maxent.learning.heads import HEADS, Head, SquashedGaussian
from robo_maxent.learning.mixture import PREFIX, head_of
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.spaces import Layout

FORMAT = "robo_maxent policy 2"

DEFAULT_RANGE = "[-5.0, 0.0]"
"""Range of the log standard deviation, in files that do not say it."""
PARTS = ("weight", "bias")
"""What a layer consists of in the file: weight (in, out), bias (1, out)."""
_FIRST = "actor.0.bias"
"""The tensor that tells the width of the network."""


class Policy:
    """Observations in, actions out: those of a trained actor without noise.

    They are the mean; of a mixture, that of the most probable component; of discrete actions, the
    likeliest.
    """

    def __init__(self, layout: Layout, actor: Actor, normalizer: Normalizer) -> None:
        """Join an actor, its normalizer and the layout they were trained on."""
        self.layout = layout
        self.actor = actor
        self.normalizer = normalizer

    @torch.no_grad()
    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions without noise: (N, P) to float32, (N, A), or of discrete ones int64, (N,).

        Raises:
            PolicyError: The observations are of another size.
        """
        return self.actor.mode(self._normalized(obs)).numpy()

    @torch.no_grad()
    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Actions as in training, drawn from the distribution of the head.

        Args:
            obs: Observations, (N, P).
            noise: Standard normal numbers, (N, A).

        Returns:
            Float32, (N, A), or of discrete actions int64, (N,).

        Raises:
            PolicyError: The observations are of another size.
        """
        draws = torch.from_numpy(np.ascontiguousarray(noise, np.float32))
        return self.actor.sample(self._normalized(obs), draws)[0].numpy()

    @torch.no_grad()
    def raw(self, obs: np.ndarray) -> torch.Tensor:
        """What the network says of observations (N, P), for its head to read, (N, outputs).

        Raises:
            PolicyError: The observations are of another size.
        """
        return self.actor(self._normalized(obs))

    @torch.no_grad()
    def logits(self, obs: np.ndarray) -> np.ndarray:
        """Of discrete actions, the score of each before the softmax, float32, (N, A).

        Raises:
            PolicyError: The actions are continuous, or the observations are of another size.
        """
        if not self.layout.is_discrete:
            raise PolicyError(f"This policy, trained on {self.layout.task!r}, has no logits.")
        return self.raw(obs).numpy()

    def _normalized(self, obs: np.ndarray) -> torch.Tensor:
        size = self.layout.observation_size
        if np.ndim(obs) != 2 or np.shape(obs)[1] != size:
            raise PolicyError(
                f"This policy, trained on {self.layout.task!r}, sees observations of shape "
                f"(N, {size}), got {np.shape(obs)}. Privileged elements, which only critics see, "
                "stand last: pass obs[:, :task.policy_size]."
            )
        return self.normalizer(torch.from_numpy(np.ascontiguousarray(obs, np.float32)))

    def require(self, layout: Layout) -> None:
        """Check that the policy fits a task.

        Raises:
            PolicyError: It does not; the message names the first difference.
        """
        self.layout.require(layout)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, atomically.

        Raises:
            PolicyError: It can't be written; what was there before is intact.
        """
        metadata = {"format": FORMAT, "layout": self.layout.to_json()}
        metadata["layer_norm"] = json.dumps(self.actor.layer_norm)
        metadata["head"] = self.actor.head.name
        metadata |= {name: json.dumps(value) for name, value in self.actor.head.settings.items()}
        tensors = _tensors(self.actor, self.normalizer)
        data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata)
        try:
            write_atomically(path, _with_sorted_header(data))
        except OSError as error:
            raise PolicyError(f"Can't write {path}: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Policy":
        """Read a policy file.

        Raises:
            PolicyError: The file is missing, damaged, or not a policy of this package.
        """
        file = Path(path)
        if not file.is_file():
            raise PolicyError(f"Policy file not found: {file}")
        try:
            with safetensors.safe_open(file, framework="pt") as opened:
                metadata = opened.metadata() or {}
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError) as error:
            raise PolicyError(f"{file} is damaged or not a safetensors file: {error}") from error
        if metadata.get("format") != FORMAT:
            raise PolicyError(
                f"{file} is not a policy of this version: its format is "
                f"{metadata.get('format')!r}, expected {FORMAT!r}."
            )
        try:
            layout = Layout.from_json(metadata["layout"])
            head = _head(metadata, layout)
            layer_norm = typed(bool, json.loads(metadata["layer_norm"]), "layer_norm")
            actor, normalizer = _filled(layout.observation_size, head, layer_norm, tensors)
        except (KeyError, ValueError, RecursionError, UsageError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise PolicyError(f"{file} is not a policy of this version: {what}.") from error
        return cls(layout, actor, normalizer)


def _filled(
    obs_size: int, head: Head, layer_norm: bool, tensors: Mapping[str, torch.Tensor]
) -> tuple[Actor, Normalizer]:
    """The actor and the normalizer whose tensors these are.

    Raises:
        ValueError: They are of other names, shapes or types.
    """
    first = tensors.get(_FIRST)
    width = first.shape[1] if first is not None and first.ndim == 2 and len(first) else 1
    with torch.device("meta"):  # which takes no memory, whatever a file asks for
        expected = _tensors(Actor(obs_size, head, width, layer_norm), Normalizer(obs_size))
    if differing := sorted(expected.keys() ^ tensors.keys()):
        raise ValueError(f"it lacks a tensor, or has one too many: {differing[0]}")
    for name, tensor in tensors.items():
        asked = expected[name].dtype, tuple(expected[name].shape)
        if (found := (tensor.dtype, tuple(tensor.shape))) != asked:
            raise ValueError(f"{name} must be {asked[0]} {asked[1]}, got {found[0]} {found[1]}")
    actor, normalizer = Actor(obs_size, head, width, layer_norm), Normalizer(obs_size)
    for name, value in _tensors(actor, normalizer).items():
        value.copy_(tensors[name])
    return actor, normalizer


def _tensors(actor: Actor, normalizer: Normalizer) -> dict[str, torch.Tensor]:
    """What a policy file holds, by name; writing into it changes the networks."""
    layers = {
        f"actor.{i}.{name}": value[0]
        for i, layer in enumerate(actor.layers())
        for name, value in zip(PARTS, layer, strict=True)
    }
    return layers | {f"normalizer.{k}": v for k, v in normalizer.state_dict().items()}


def _head(metadata: Mapping[str, str], layout: Layout) -> Head:
    """The head that a policy file asks for.

    Raises:
        KeyError: It is a mixture, and the metadata don't say of how many.
        ValueError: There is no such head for these actions, or the metadata say no pair of numbers.
        UsageError: The pair is no range, or the mixture is of too many.
    """
    name, action_size = metadata.get("head", SquashedGaussian.name), len(layout.joints)
    if layout.is_discrete:
        if name != Categorical.name:
            raise ValueError(
                f"its head is {name!r}, of discrete actions it is {Categorical.name!r}"
            )
        return Categorical(action_size)
    bounds: dict[str, LogStdBound] = {head.name: bound for bound, head in HEADS.items()}
    if name.removeprefix(PREFIX) not in bounds:
        known = ", ".join(map(repr, bounds))
        raise ValueError(
            f"its head is {name!r}, known of continuous actions: {known}, and mixtures of either"
        )
    saved = json.loads(metadata.get("log_std_range", DEFAULT_RANGE))
    low, high = typed(tuple[float, float], saved, "log_std_range")
    is_mixture = name.startswith(PREFIX)
    components = json.loads(metadata["components"]) if is_mixture else 1
    settings = SacConfig(  # which refuses what is out of range
        log_std_range=(low, high),
        log_std_bound=bounds[name.removeprefix(PREFIX)],
        components=typed(int, components, "components"),
    )
    return head_of(settings, action_size)


def _with_sorted_header(data: bytes) -> bytes:
    """The same safetensors file for the same policy: the library's metadata have any order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)  # so that the tensors stay aligned
    return len(header).to_bytes(8, "little") + header + data[end:]
