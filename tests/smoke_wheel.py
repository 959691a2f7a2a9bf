"""The installed wheel, away from the checkout: make an environment, step, render, act.

.ci/run calls it with the path of the checkout, from an empty directory; pytest does not collect it.
"""

import sys
from importlib import metadata
from pathlib import Path

import gymnasium
import numpy as np
import torch

from robo_maxent import __version__
from robo_maxent.envs.interface import layout_of
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.learning import native
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.rendering import video
from robo_maxent.tasks import make
from robo_maxent.training import pretrained

N = 4


def main(checkout: Path) -> None:
    for name in ("robo_maxent", "robo_maxent.tasks", "robo_maxent.assets"):
        place = Path(str(sys.modules[name].__file__)).resolve()
        assert not place.is_relative_to(checkout.resolve()), f"{place} is not the wheel's"
    assert metadata.version("robo-maxent") == __version__
    assert (Path(video.__file__).parents[1] / "py.typed").is_file()
    assert all(source.is_file() for source in native.SOURCES)
    assert (native.library() is None) == (native.compiler() is None), native.state()[1]

    task = make("quadruped-flat")
    env = MujocoVecEnv(task, N, seed=0)
    obs = env.reset()

    torch.manual_seed(0)
    layout = layout_of(task)
    head = SquashedGaussian(task.action_size)
    actor = Actor(layout.observation_size, head, width=32, layer_norm=True)
    Policy(layout, actor, Normalizer(layout.observation_size)).save("policy.safetensors")
    act = Policy.load("policy.safetensors")
    act.require(layout)
    assert pretrained.names()
    for name in pretrained.names():
        trained = pretrained.load(name)
        trained.require(layout_of(make(trained.layout.task)))

    for _ in range(10):
        obs = env.step(act(obs)).obs
    assert obs.shape == (N, task.observation_size)
    assert np.isfinite(obs).all()

    named = gymnasium.make("robo_maxent:robo_maxent/QuadrupedFlat-v0")
    assert named.reset(seed=0)[0] in named.observation_space

    frame = video.Camera(task, "tracking", 320, 240).frame(env.snapshot(0))
    assert frame.dtype == np.uint8
    assert frame.shape[2] == 3
    assert frame.std() > 10, "the picture is blank"
    print(f"The wheel works: {N} simulations stepped, a {frame.shape[1]}x{frame.shape[0]} picture.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
