"""How many threads simulate changes the time that a stress test takes, and nothing it leaves."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_policy import small_policy

from robo_maxent.cli.arguments import TaskOptions
from robo_maxent.cli.policies import policies_under_test
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import PolicyError
from robo_maxent.perturbations.base import Share
from robo_maxent.robustness import plan, traced_rollout
from robo_maxent.robustness.baselines import PolicyUnderTest, baselines
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import Refinement, Suite
from robo_maxent.robustness.worker_threads import Shown, WorkerThreads, all_done
from robo_maxent.tasks import make, quadruped

FORK: Any = make("point-fork")
ROUGH: Any = make("quadruped-rough")
SUITE = Suite(
    "small",
    "",
    {
        "nominal": Share(24, 8, sampled=8),
        "sensor_noise": Share(6, 3, severities=(0.0, 4.0)),
        "action_delay": Share(4, 3),
    },
    refinement=Refinement(rounds=1, episodes=6),
)
SHARDS = 8
UNEVEN = Suite(
    "uneven",
    "",
    {
        "nominal": Share(6, 0),
        "terrain": Share(1, 0, severities=(0.0, 10.0)),
        "payload": Share(6, 0, severities=(0.0, 7.0)),
    },
)
WEIGHTS = np.random.default_rng(0).normal(0.0, 0.15, (ROUGH.policy_size, 12)).astype(np.float32)


def centring(obs: np.ndarray) -> np.ndarray:
    """Goes round the nearer side."""
    aside = np.where(np.abs(obs[:, 0]) < 0.5, 0.65 * np.sign(obs[:, 1] + 1e-3), 0.0)
    return np.stack([0.5 * np.ones(len(obs)), 2.0 * (aside - obs[:, 1])], 1).clip(-1, 1)


def swaying(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return (centring(obs) + 0.2 * noise).clip(-1, 1)


PUCK = PolicyUnderTest("puck", centring, swaying, thread_safe=True)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BLOCK", 10)
    monkeypatch.setattr(traced_rollout, "LEAST_PART", 2)


def files(directory: Path) -> dict[str, bytes]:
    """Everything that an evaluation leaves, but for when it began."""
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    described = json.loads(found["suite.json"])
    del described["date"]
    return found | {"suite.json": json.dumps(described).encode()}


@pytest.fixture(scope="module")
def one_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("one") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK", 10)
        run(SUITE, FORK, [replace(PUCK, thread_safe=False)], out, threads=1)
    assert len(list((out / "rows").iterdir())) == SHARDS
    return files(out)


def simulating() -> list[str]:
    """Threads that still do."""
    return [each.name for each in threading.enumerate() if each.name.startswith("simulating")]


def test_shards_run_at_the_same_time_leave_the_same_bytes(
    one_at_a_time: dict[str, bytes], tmp_path: Path
) -> None:
    at_once, most, busy = 0, 0, threading.Lock()

    def seen(obs: np.ndarray) -> np.ndarray:
        nonlocal at_once, most
        with busy:
            at_once += 1
            most = max(most, at_once)
        time.sleep(1e-4)
        with busy:
            at_once -= 1
        return centring(obs)

    shown: list[tuple[int, int]] = []
    out, watched = tmp_path / "out", replace(PUCK, act=seen)
    run(SUITE, FORK, [watched], out, threads=3, progress=lambda *count: shown.append(count))
    assert files(out) == one_at_a_time
    assert most >= 3
    assert shown == sorted(shown)
    assert len({count for count, _ in shown}) >= SHARDS
    assert shown[-1][0] == shown[-1][1]
    assert not simulating()


def test_robots_on_terrain_start_the_same_in_any_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 20)
    policy = PolicyUnderTest("wobble", lambda obs: np.tanh(obs @ WEIGHTS), thread_safe=True)
    for threads in (1, 2):
        run(UNEVEN, ROUGH, [policy], tmp_path / str(threads), threads=threads)
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_what_diverges_is_dumped_under_the_same_name_whatever_it_ran_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = MujocoVecEnv._step_physics

    def with_blasts(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
        hit = (env._sims % 4 == 1) & (env.episode.elapsed == 3)
        env.batch.bind("qvel")[hit] = 1e12
        return step(env)

    monkeypatch.setattr(MujocoVecEnv, "_step_physics", with_blasts)
    for threads in (1, 2):
        run(SUITE, FORK, [PUCK], tmp_path / str(threads), threads=threads)
    one, two = (files(tmp_path / str(threads)) for threads in (1, 2))
    # What is restored is blasted already, so that it diverges again where it rests.
    dumps = [name for name in one if name.startswith("diverged") and "episode0" in name]
    rows = [json.loads(line) for line in one["episodes.jsonl"].splitlines()]
    diverged = {
        (row["policy"], row["mode"], row["sim"], str(row["params"]))
        for row in rows
        if row["diverged"]
    }
    assert len(dumps) == len(diverged) > 15
    assert one.keys() == two.keys()
    assert one["episodes.jsonl"] == two["episodes.jsonl"]


class Memory:
    """Remembers the rows that it is asked about."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def reset(self, simulations: np.ndarray) -> None:
        self.steps = np.zeros(len(simulations))

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        self.threads.add(threading.current_thread().name)
        self.steps = self.steps + 1
        return centring(obs) * np.cos(0.1 * self.steps)[:, None]


def test_a_policy_with_a_memory_is_asked_about_one_shard_at_a_time(tmp_path: Path) -> None:
    memory, suite = Memory(), replace(SUITE, refinement=Refinement()).only([], FORK)
    both = [PolicyUnderTest("memory", memory), PUCK]
    one, two = (run(suite, FORK, both, tmp_path / str(n), threads=n) for n in (1, 2))
    assert memory.threads == {threading.main_thread().name}
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("shards", [1, 6])
def test_ctrl_c_ends_all_threads_and_keeps_what_was_finished(
    one_at_a_time: dict[str, bytes], tmp_path: Path, shards: int
) -> None:
    out = tmp_path / "out"

    def interrupted(done: int, total: int) -> None:
        if len(list((out / "rows").iterdir())) >= shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(SUITE, FORK, [PUCK], out, threads=2, progress=interrupted)
    assert not simulating()
    kept = files(out)
    assert sum(name.startswith("rows/") for name in kept) >= shards
    assert "episodes.jsonl" not in kept
    assert all(one_at_a_time[name] == data for name, data in kept.items() if "rows/" in name)
    run(SUITE, FORK, [PUCK], out, threads=2)
    assert files(out) == one_at_a_time


def test_an_error_in_one_thread_ends_the_others(tmp_path: Path) -> None:
    calls = 0

    def fails(obs: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 200:
            raise PolicyError("it can't go on")
        return centring(obs)

    with pytest.raises(PolicyError, match="it can't go on"):
        run(SUITE, FORK, [replace(PUCK, act=fails)], tmp_path, threads=2)
    assert not simulating()


def record(counts: list[tuple[int, int]], *count: int) -> None:
    counts.append((count[0], count[1]))


def test_only_what_computes_and_nothing_else_is_asked_by_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hand.py").write_text("import numpy as np\ndef act(obs): return np.zeros((len(obs), 2))")
    small_policy(FORK).save("own.safetensors")
    files = ["own.safetensors", "hand:act"]
    tested, task = policies_under_test(files, "point-fork", TaskOptions(), None, False)
    assert [policy.thread_safe for policy in tested] == [True, False]
    assert task.thread_safe
    assert all(policy.thread_safe for policy in baselines(FORK))
    assert not PolicyUnderTest("unknown", centring).thread_safe
    assert not GymTask("CartPole-v1").thread_safe


def test_results_come_in_the_order_of_the_works_and_progress_only_grows() -> None:
    def work(number: int) -> Callable[[Shown], int]:
        def done(shown: Shown) -> int:
            for count in range(10):
                shown(count, 10)
                time.sleep(0.002 * (5 - number))
            return number

        return done

    for threads in (1, 3):
        counts: list[tuple[int, int]] = []
        results = all_done([work(n) for n in range(5)], threads, partial(record, counts))
        shown = [count / steps for count, steps in counts]
        assert results == [0, 1, 2, 3, 4]
        assert shown == sorted(shown)
        assert 0.85 < shown[-1] <= 1.0


def test_work_that_nobody_waits_for_stops_at_its_next_step() -> None:
    with WorkerThreads(2) as workers:
        endless = workers.begin(lambda shown: [shown(1, 2) for _ in iter(int, 1)])
        waiting = [workers.begin(lambda shown: shown(1, 1)) for _ in range(3)]
        while not waiting[-1].done():
            workers.wait(waiting)
        assert workers.shares == pytest.approx(0.5)
    assert endless.done()
    assert not simulating()
