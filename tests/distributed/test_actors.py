"""Actors on Ray: they send what a collector here would, get weights, die, and are replaced."""

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_maxent.distributed.actors import RayActors
from robo_maxent.distributed.cluster import Cluster, connected
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.tasks import make
from robo_maxent.training import actor as actor_module
from robo_maxent.training.actor_trainer import ActorTrainer
from robo_maxent.training.collector import Collector, Transitions
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import read_config, resumed
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

pytest.importorskip("ray", reason="Ray is not installed: pip install 'robo-maxent[ray]'")

MEMORY = 100 << 20
"""Bytes of the object store of a node."""
SOON = 120.0
"""Longest wait for what takes a few seconds, s."""
ENVS, SEED, RANDOM = 4, 3, 5
FORK = make("point-fork")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a node with two CPUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster as RayCluster

        head = {"num_cpus": 2, "object_store_memory": MEMORY, "include_dashboard": False}
        nodes = RayCluster(initialize_head=True, head_node_args=head)
    yield str(nodes.address)
    nodes.shutdown()


@pytest.fixture(scope="module")
def cluster(address: str) -> Iterator[Cluster]:
    with connected(address) as ray:
        yield ray


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 100 * ENVS,
        "seed": SEED,
        "envs": ENVS,
        "updates_per_step": 0,
        "random_steps": RANDOM,
        "symmetric": False,
        "replay_capacity": 100_000,
        "evaluation_episodes": 1,
        "threads": 1,
        "sac": SacConfig(width=16, batch_size=16),
    }
    return TrainConfig(**(defaults | changes))


def collected_here(directory: Path, control_steps: int) -> list[Transitions]:
    """What a collector in this process gives, with the first actor's seeds."""
    key = actor_module.SEEDS, 0, 0
    noise, action = np.random.SeedSequence(SEED, spawn_key=key).spawn(2)
    agent: Any = Trainer(FORK, config(), directory).learner.agent
    agent.generator.manual_seed(int(noise.generate_state(1)[0]))
    env = FORK.training_env(ENVS, SEED, 1, directory)
    collector = Collector(env, RANDOM, np.random.default_rng(action))
    return [collector.step(collector.act(agent.explore))[1] for _ in range(control_steps)]


def pid_of(cluster: Cluster, actors: RayActors) -> int:
    """The process of the first actor."""
    asked = actors._handles[0].__ray_call__.remote(lambda actor: os.getpid())
    return cluster.ray.get(asked, timeout=SOON)


def step_until(trainer: ActorTrainer, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline
        trainer.step()


def test_an_actor_sends_what_a_collector_here_would_is_replaced_if_killed_and_gets_weights(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    actors = RayActors(cluster, 2, told.append)
    trainer = ActorTrainer(FORK, config(random_steps=2 * RANDOM), tmp_path, actors)
    trainer.begin()
    sent: dict[int, list[Transitions]] = {0: [], ENVS: []}
    monkeypatch.setattr(trainer.learner, "store", lambda part: sent[part.sim[0]].append(part))
    stored = sent[0]
    step_until(trainer, lambda: min(map(len, sent.values())) > RANDOM + 20)
    assert not np.array_equal(stored[0].obs, sent[ENVS][0].obs)
    os.kill(pid_of(cluster, actors), signal.SIGKILL)
    step_until(trainer, lambda: bool(told))
    before = len(stored)
    step_until(trainer, lambda: len(stored) > before)
    agent: Any = trainer.learner.agent
    agent.actor.layers()[-1][1][..., :2] += 50.0  # the mean of an action, before the tanh
    agent.updates = 1  # as if that had been learnt
    assert not (stored[-1].action == 1.0).all()
    step_until(trainer, lambda: bool((stored[-1].action == 1.0).all()))
    trainer.close()
    here = collected_here(tmp_path, before)
    for one, other in zip(stored[:before], here, strict=True):
        for field in fields(Transitions):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert len(told) == 1
    assert told[0].startswith("actor 0 died and is replaced: ")
    assert trainer.metrics()["actors/replaced"] == 1.0
    last, first = stored[before - 1], stored[before]
    np.testing.assert_array_equal(last.next_obs[~last.ended], first.obs[~last.ended])


def test_what_nodes_can_not_do_is_said_at_the_door(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"3 actors need 3 CPUs, and .* has 2: say --actors 2 or"):
        RayActors(cluster, 3)
    (tmp_path / "only_here.py").write_text(
        "from gymnasium.envs.classic_control import PendulumEnv\n"
        "import gymnasium\n"
        "gymnasium.register('OnlyHere-v0', 'only_here:PendulumEnv', max_episode_steps=50)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    task = GymTask("only_here:OnlyHere-v0")
    with pytest.raises(
        EnvError, match=r"can't be made: .*No module named 'only_here'.* on each machine that"
    ):
        train(task, config(), tmp_path / "run", actors=RayActors(cluster, 1))
    assert not (tmp_path / "run").exists()


def test_ctrl_c_leaves_a_run_that_one_process_continues(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "robo_maxent.cli.main", "train", "point-fork"]
    command += ["--actors", "1", "--on", address, "--minutes", "5", "--out", str(tmp_path / "run")]
    command += ["--envs", "4", "--random-steps", "2", "--threads", "1", "--width", "16"]
    command += ["--evaluation-episodes", "1", "--replay-capacity", "10000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline, metrics = time.monotonic() + SOON, tmp_path / "run/metrics.jsonl"
    try:
        while not (metrics.exists() and "train/n_updates" in metrics.read_text()):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=SOON)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "stopping: a checkpoint is written after this step" in said
    assert re.search(
        r"Continue: robo-maxent train --resume \S*run .*--actors 1 --on " + address, said
    )
    assert read_config(tmp_path / "run")["deterministic"] is False
    left = resumed(tmp_path / "run", TrainConfig(steps=8))
    run = train(FORK, left, tmp_path / "run", resume=True)
    assert run.updates > 0
    assert not run.interrupted
