"""driving.py: what is counted of drives, by hand, and that everything runs."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_policy import small_policy

from robo_maxent.learning.categorical import Categorical
from robo_maxent.tasks.intersection import FASTER, NAME, SLOWER, Crossing, Intersection

pytest.importorskip("highway_env", reason="the extra driving is not installed")
pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = {"initial_vehicle_count": 1, "spawn_probability": 0.0, "duration": 2}


def short() -> Intersection:
    return Intersection(env_args={"config": SHORT})


class ShortCrossing(Crossing):
    """Two seconds among few."""

    def __init__(self, render_mode: str | None = None, config: Any = None) -> None:
        super().__init__(render_mode, {**SHORT, **(config or {})})


def test_a_drive_is_what_its_actions_make_of_it(benchmark: Any) -> None:
    driving, rng = benchmark("driving"), np.random.default_rng(0)
    world = ShortCrossing()
    fast, slow = (
        driving.drive(driving.BASELINES[f"always {how}"], world, 7, rng)
        for how in ("faster", "slower")
    )
    assert (fast.outcome, fast.mode) == ("timed out", "timed out 2")
    assert len(fast.way) == 3
    assert fast.way[-1] == pytest.approx(18.0, abs=2.0)  # two seconds at 9 m/s
    assert slow.way[-1] < fast.way[-1] - 3.0
    assert fast.reward > slow.reward
    assert fast.action_entropy == 0.0
    world.reset(seed=7)
    assert fast.reward == sum(world.step(FASTER)[1] for _ in range(2))
    guess = driving.drive(driving.BASELINES["random"], world, 7, rng)
    assert guess.action_entropy == pytest.approx(math.log(3.0))


def test_outcomes_are_counted_and_ways_have_an_entropy(benchmark: Any) -> None:
    driving = benchmark("driving")

    def drive(outcome: str, seconds: int, reward: float) -> Any:
        return driving.Drive(outcome, reward, np.zeros(seconds + 1), 0.5)

    own = [drive("arrived", 9, 9.0), drive("arrived", 11, 7.0)]
    own += [drive("crashed", 9, 1.0), drive("timed out", 13, 3.0)]
    rates = driving.rates(own)
    assert rates == {"arrived": 0.5, "crashed": 0.25, "timed out": 0.25, "return": 5.0}
    found = driving.of_episodes(own)
    assert found["arrived"]["interval"] == pytest.approx([0.15, 0.85], abs=0.005)  # Wilson's
    same, two = [own[0], own[0]], [own[0], own[1]]
    assert driving.spread([same])["mode_entropy"] == 0.0
    assert driving.spread([same, two])["mode_entropy"] == pytest.approx(math.log(2.0) / 2)
    assert driving.spread([own])["mode_entropy"] == pytest.approx(math.log(4.0))
    assert driving.spread([own])["action_entropy"] == pytest.approx(0.5)
    seeds = driving.of_seeds([{"arrived": 0.5}, {"arrived": 0.7}])
    assert seeds["arrived"]["mean"] == pytest.approx(0.6)
    assert seeds["arrived"]["interval"] == pytest.approx([0.6 - 1.2706, 0.6 + 1.2706], abs=1e-3)
    assert driving.of_seeds([{"arrived": 0.5}])["arrived"]["interval"] is None


def test_what_is_drawn_is_the_softmax_and_what_is_likely_its_largest(benchmark: Any) -> None:
    driving, policy = benchmark("driving"), small_policy(short(), make_head=Categorical)
    obs = np.random.default_rng(0).uniform(-1.0, 1.0, 105).astype(np.float32)
    logits = policy.logits(obs[None])[0]
    chances = driving.drawn(policy)(obs)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[2] / chances[0] == pytest.approx(math.exp(logits[2] - logits[0]), rel=1e-5)
    assert driving.most_likely(policy)(obs).tolist() == np.eye(3)[logits.argmax()].tolist()
    assert driving.always(SLOWER)(obs).tolist() == [1.0, 0.0, 0.0]


def test_a_fixed_temperature_stays_and_a_policy_that_is_kept_is_taken(
    benchmark: Any, tmp_path: Path
) -> None:
    driving, task = benchmark("driving"), short()
    sac = driving.config_of("0.3", 1, 4_000).sac
    assert (sac.initial_alpha, sac.alpha_learning_rate) == (0.3, 0.0)
    assert driving.config_of(driving.AUTOMATIC, 1, 4_000).sac.alpha_learning_rate > 0.0
    first = driving.trained(task, "0.3", 1, 32, tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == "0.3-seed1-32.safetensors"
    written = file.stat().st_mtime_ns
    again = driving.trained(task, "0.3", 1, 32, tmp_path)
    assert first.actor.flat.equal(again.actor.flat)
    assert file.stat().st_mtime_ns == written


def test_everything_runs_and_the_last_line_is_json(
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    driving, picture = benchmark("driving"), tmp_path / "drives.png"
    policy = small_policy(short(), make_head=Categorical)
    monkeypatch.setattr(driving, "Crossing", ShortCrossing)
    monkeypatch.setattr(driving, "trained", lambda *_: policy)
    monkeypatch.setattr(sys, "argv", ["driving.py", "--quick", "--picture", str(picture)])
    driving.main()
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert set(figures["baselines"]) >= {"always slower", "always faster, 15 Hz", "random"}
    assert list(figures["arms"]) == ["0.3", "automatic"]
    assert figures["baselines"]["always slower"]["timed out"]["mean"] == 1.0
    assert figures["arms"]["automatic"]["drawn"]["arrived"]["interval"] is None
    assert policy.layout.task == NAME
    assert sum(line.startswith(("0.3", "automatic")) for line in lines) == 6
