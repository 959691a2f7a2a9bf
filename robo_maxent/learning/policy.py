"""A policy with everything it needs to act, in one file without pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import save

from robo_maxent.errors import PolicyError
from robo_maxent.files import write_atomically
from robo_maxent.learning.heads import Head, SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.spaces import Layout

FORMAT = "robo_maxent policy 2"

DEFAULT_RANGE = "[-5.0, 0.0]"
"""Range of the log standard deviation, in files that do not say it."""
PARTS = ("weight", "bias")
"""What a layer consists of in the file: weight (in, out), bias (1, out)."""


class Policy:
    """Observations in, actions out: the mean action of a trained actor."""

    def __init__(self, layout: Layout, actor: Actor, normalizer: Normalizer) -> None:
        """Join an actor, its normalizer and the layout they were trained on."""
        self.layout = layout
        self.actor = actor
        self.normalizer = normalizer

    @torch.no_grad()
    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions without noise, float32, (N, P) to (N, A).

        Raises:
            PolicyError: The observations are of another size.
        """
        return self.actor.mode(self._normalized(obs)).numpy()

    @torch.no_grad()
    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Actions as in training, drawn from the distribution of the head, float32, (N, A).

        Args:
            obs: Observations, (N, P).
            noise: Standard normal numbers, (N, A).

        Raises:
            PolicyError: The observations are of another size.
        """
        draws = torch.from_numpy(np.ascontiguousarray(noise, np.float32))
        return self.actor.sample(self._normalized(obs), draws)[0].numpy()

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
        tensors = {
            f"actor.{i}.{name}": value[0]
            for i, layer in enumerate(self.actor.layers())
            for name, value in zip(PARTS, layer, strict=True)
        }
        tensors |= {f"normalizer.{k}": v for k, v in self.normalizer.state_dict().items()}
        metadata = {"format": FORMAT, "layout": self.layout.to_json()}
        metadata["layer_norm"] = json.dumps(self.actor.layer_norm)
        metadata["head"] = self.actor.head.name
        metadata |= {name: json.dumps(value) for name, value in self.actor.head.settings.items()}
        data = save({k: v.contiguous() for k, v in tensors.items()}, metadata)
        try:
            write_atomically(path, data)
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
        layout = Layout.from_json(metadata["layout"])
        head = _head(file, metadata, len(layout.joints))
        return cls._build(layout, head, json.loads(metadata["layer_norm"]), tensors)

    @classmethod
    def _build(
        cls, layout: Layout, head: Head, layer_norm: bool, tensors: dict[str, torch.Tensor]
    ) -> "Policy":
        width = tensors["actor.0.weight"].shape[1]
        actor = Actor(layout.observation_size, head, width, layer_norm)
        for i, layer in enumerate(actor.layers()):
            for name, value in zip(PARTS, layer, strict=True):
                value.copy_(tensors[f"actor.{i}.{name}"])
        normalizer = Normalizer(layout.observation_size)
        start = "normalizer."
        normalizer.load_state_dict(
            {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        )
        return cls(layout, actor, normalizer)


def _head(file: Path, metadata: Mapping[str, str], action_size: int) -> Head:
    """The head that a policy file asks for."""
    name = metadata.get("head", SquashedGaussian.name)
    if name != SquashedGaussian.name:
        raise PolicyError(
            f"{file} is not a policy of this version: its head is {name!r}, known is "
            f"{SquashedGaussian.name!r}."
        )
    low, high = json.loads(metadata.get("log_std_range", DEFAULT_RANGE))
    return SquashedGaussian(action_size, (low, high))
