"""A suite gives every policy the same episodes; an episode depends on nothing but its own row."""

import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_rows import row as row_by_hand
from samples import episode

from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.pushes import Pushes
from robo_maxent.report.rows import StressEpisode, as_lines, distinct
from robo_maxent.robustness import plan, refinement, runner, traced_rollout
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest, baselines
from robo_maxent.robustness.plan import batch_of, planned
from robo_maxent.robustness.runner import replay, run
from robo_maxent.robustness.store import Store
from robo_maxent.robustness.suites import CASES, SUITES, Refinement, Suite, find
from robo_maxent.tasks import getup, make, quadruped
from robo_maxent.types import Episode

Rows = list[StressEpisode]
ZERO, HOLD = "zero action", "hold pose"

FLAT: Any = make("quadruped-flat")
A, P = FLAT.action_size, FLAT.policy_size
WEIGHTS = np.random.default_rng(0).normal(0.0, 0.15, (P, A)).astype(np.float32)

SEED = 4
SMALL = Suite(
    "small",
    "",
    {
        "nominal": Share(24, 24, sampled=6),
        "push": Share(2, 1, severities=(0.0, 1.0, 2.0)),
        "timing": Share(3, 2, severities=(0.0, 1.5)),
        "friction": Share(4, 2, severities=(1.0, 0.1)),
        "payload": Share(4, 2, severities=(0.0, 7.0)),
        "locked_joint": Share(1, 1),
        "sensor_noise": Share(4, 2, sampled=3, severities=(0.0, 4.0)),
        "packet_loss": Share(4, 2, severities=(0.0, 0.4)),
        "gravity_tilt": Share(4, 2, severities=(0.0, 0.3)),
        "combined": Share(4, 2, severities=(0.0, 1.0)),
    },
)
TINY = Suite(
    "tiny",
    "",
    {
        "nominal": Share(6, 3, sampled=4),
        "payload": Share(4, 2, severities=(0.0, 7.0)),
        "sensor_noise": Share(4, 2, sampled=2, severities=(0.0, 4.0)),
        "friction": Share(4, 2, severities=(1.0, 0.1)),
    },
)


def wobble(obs: np.ndarray) -> np.ndarray:
    """Falls now and then; a product of matrices, as in a network."""
    return np.tanh(obs @ WEIGHTS)


def wobble_more(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.tanh(obs @ WEIGHTS + 0.3 * noise)


WOBBLE = PolicyUnderTest("wobble", wobble, wobble_more)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of two seconds, for what does not depend on how they go."""
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 100)


def read(path: Path) -> Rows:
    return [StressEpisode.from_json(json.loads(line)) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(SMALL, FLAT, [WOBBLE], tmp_path_factory.mktemp("small") / "out", seed=SEED).parent


@pytest.fixture(scope="module")
def rows(directory: Path) -> Rows:
    return read(directory / "episodes.jsonl")


def of(rows: Rows, policy: str, mode: str = "mean") -> Rows:
    return [row for row in rows if row.policy == policy and row.mode == mode]


def condition(row: StressEpisode) -> tuple[Any, ...]:
    return row.axis, row.severity, row.case, row.seed, row.sim, row.index


def key(row: StressEpisode) -> str:
    return str((row.policy, row.mode, *condition(row)))


# -- what is run ---------------------------------------------------------------


def test_every_condition_has_its_episodes_and_no_more(rows: Rows, directory: Path) -> None:
    described = json.loads((directory / "suite.json").read_text())
    asked = {(c["axis"], c["severity"], c["case"]): c["episodes"] for c in described["conditions"]}
    own = of(rows, "wobble")
    taken: dict[int, set[tuple[str, str]]] = {}
    for key, count in asked.items():
        sims = [row.sim for row in own if condition(row)[:3] == key]
        assert sims == list(range(sims[0], sims[0] + count))
        for sim in sims if sims[0] else ():
            taken.setdefault(sim, set()).add((key[0], key[2]))
    assert len(taken) == 60
    assert {len(users) for users in taken.values()} == {1}  # an axis and a case, at all severities
    assert len(own) == sum(asked.values())
    assert {row.mode for row in rows} == {"mean", "sampled", "baseline"}


def test_a_row_says_everything_that_statistics_and_reports_read(rows: Rows) -> None:
    told = {field.name for field in fields(StressEpisode)}
    assert told > {field.name for field in fields(Episode)}
    for row in rows:
        assert row.to_json().keys() == told
        assert (row.outcome == "success") == row.success
        json.dumps(row.to_json(), allow_nan=False)


def test_rows_of_two_policies_pair(rows: Rows) -> None:
    paired = {condition(row): row for row in of(rows, "wobble")}
    for label in (ZERO, HOLD):
        others = of(rows, label, "baseline")
        assert others
        for row in others:
            mate = paired[condition(row)]
            for name in ("params", "command", "terrain", "level", "task", "unit"):
                assert getattr(row, name) == getattr(mate, name)


def test_the_same_simulation_has_the_same_command_at_every_severity(rows: Rows) -> None:
    commands: dict[int, set[str]] = {}
    for row in rows:
        commands.setdefault(row.sim, set()).add(str(row.command))
    assert {len(own) for own in commands.values()} == {1}
    assert len({str(own) for own in commands.values()}) > len(commands) // 2


def test_severity_changes_the_episode_and_nominal_is_the_same_on_every_axis(rows: Rows) -> None:
    own = {condition(row): row for row in of(rows, "wobble")}
    nominal = own["nominal", 0.0, "", SEED, 1, 0]
    for axis in ("payload", "gravity_tilt"):
        assert own[axis, 0.0, "", SEED, 1, 0].reward == nominal.reward
    nudged, shoved = (
        {row.sim: row for row in of(rows, "wobble") if (row.axis, row.severity) == which}
        for which in (("push", 1.0), ("push", 2.0))
    )
    assert nudged.keys() == shoved.keys()
    assert all(nudged[sim].params != shoved[sim].params for sim in nudged)
    # Not all: some fall before they are pushed.
    assert any(nudged[sim].reward != shoved[sim].reward for sim in nudged)


def test_an_episode_that_conditions_share_is_run_once_and_equals_its_own_run(rows: Rows) -> None:
    (works,) = [w for w in planned(SMALL, FLAT, [WOBBLE], SEED) if w.mode == "mean"]
    conditions = works.episodes(np.arange(len(works))).conditions
    assert len(works) < sum(map(len, conditions)) - 20
    shared = next(row for row in of(rows, "wobble") if condition(row)[:2] == ("push", 0.0))
    assert replay(shared, FLAT, WOBBLE).reward == shared.reward


def test_as_many_episodes_are_counted_as_were_run(rows: Rows) -> None:
    run = sum(map(len, planned(SMALL, FLAT, [WOBBLE], SEED)))
    assert len(distinct(rows)) == run < len(rows)


def test_commands_do_not_change_within_an_episode(rows: Rows) -> None:
    task: Any = batch_of(rows[0], FLAT).task
    episode = task.episode_state(200)
    kinds = set()
    for sim in range(200):
        task.reset(episode, sim, np.random.default_rng(sim))
        assert (episode.commands[sim] == episode.command[sim]).all()
        assert episode.begins[sim, 1] >= task.episode_steps
        ahead, left, turning = episode.command[sim].tolist()
        kinds.add((np.sign(ahead), np.sign(left), np.sign(turning)))
    mixture = {(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (0, 0, 0)}
    assert mixture | {(1, 0, 1), (1, 0, -1)} == kinds


def test_the_statue_succeeds_where_it_was_told_to_stand_only(rows: Rows) -> None:
    statue = of(rows, ZERO, "baseline")
    walking = [row for row in statue if any(row.command or ())]
    standing = [row for row in statue if not any(row.command or ())]
    assert len(walking) > 30
    assert not any(row.success for row in walking)
    assert {row.outcome for row in walking} <= {"stuck", "fell"}
    assert any(row.success for row in standing)


def test_delivered_impulse_is_that_of_the_pushes(rows: Rows) -> None:
    pushed = [row for row in rows if row.pushes and row.survived]
    assert len(pushed) > 20
    for row in pushed:
        total = sum(push.impulse for push in row.pushes)
        assert row.realized["impulse"] == pytest.approx(total, rel=1e-6)
        assert len(row.pushes) == (2 if row.case in ("repeated", "pair") else 1)


def test_realized_friction_is_that_of_the_axis(rows: Rows) -> None:
    slippery = [row for row in rows if row.axis == "friction"]
    assert {(row.severity, row.realized["foot_friction"]) for row in slippery} == {
        (1.0, 1.0),
        (0.1, 0.1),
    }


def test_baselines_are_judged_by_the_safe_set_of_the_first_policy(directory: Path) -> None:
    described = json.loads((directory / "suite.json").read_text())
    assert list(described["safe_set"]) == ["wobble"]
    assert set(described["safe_set"]["wobble"]) == {"mean", "sampled"}


def test_to_hold_the_pose_is_to_sag_less_than_action_zero() -> None:
    assert [policy.label for policy in baselines(FLAT)] == [ZERO, HOLD]
    suite = Suite("s", "", {"nominal": Share(4, 4)})
    height = {}
    for own in planned(suite, FLAT, [WOBBLE], 1):
        batch = plan.Stages(FLAT, 1).batch(own.episodes(np.arange(4)))
        episodes, trace = traced_rollout.run(batch, own.policy, own.mode)
        assert own.mode != "baseline" or not any(episode.terminated for episode in episodes)
        height[own.policy.label] = trace.deviations[:, 300:, 1].mean()
    assert height[HOLD] < 0.03 < 0.06 < height[ZERO]


# -- a row depends on itself only ----------------------------------------------


def test_any_row_can_be_run_again_bit_for_bit(rows: Rows) -> None:
    rng = np.random.default_rng(1)
    several = [rows[int(i)] for i in rng.choice(len(rows), 10, replace=False)]
    own = of(rows, "wobble")
    several += [[row for row in own if row.axis == axis][-1] for axis in SMALL.shares or ()]
    several += of(rows, "wobble", "sampled")[-2:]
    ends = set()
    for row in several:
        episode = replay(row, FLAT, WOBBLE if row.mode != "baseline" else None)
        for name, value in asdict(episode).items():
            assert json.loads(json.dumps(value)) == row.to_json()[name], name
        ends.add(row.outcome)
    assert len(ends) >= 2


def test_a_network_gives_the_same_rows_in_any_batch_on_any_threads(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    layout = layout_of(FLAT)
    actor, normalizer = Actor(P, SquashedGaussian(A), 256, layer_norm=True), Normalizer(P)
    for layer in actor.layers():
        layer[0].copy_(0.1 * torch.randn(layer[0].shape, generator=generator))
    policy = Policy(layout, actor, normalizer)
    network = PolicyUnderTest("network", policy, policy.sample)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        rows = read(run(TINY, FLAT, [network], tmp_path / "a"))
        torch.set_num_threads(1)
        monkeypatch.setattr(plan, "BLOCK", 7)
        parts = read(run(TINY, FLAT, [network], tmp_path / "b"))
    finally:
        torch.set_num_threads(before)
    assert sorted(rows, key=key) == sorted(parts, key=key)
    sampled = of(rows, "network", "sampled")
    for row in (rows[3], sampled[-1], sampled[1]):
        assert replay(row, FLAT, network).reward == row.reward


def test_neither_batches_nor_threads_change_a_row(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(run(TINY, FLAT, [WOBBLE], tmp_path / "a", threads=2))
    monkeypatch.setattr(plan, "BLOCK", 5)
    parts = read(run(TINY, FLAT, [WOBBLE], tmp_path / "b", threads=1))
    assert sorted(whole, key=key) == sorted(parts, key=key)
    assert len(whole) == len(parts) > 40


def test_other_policies_beside_it_change_nothing(short: None, tmp_path: Path) -> None:
    alone = read(run(TINY, FLAT, [WOBBLE], tmp_path / "a"))
    other = PolicyUnderTest("other", lambda obs: np.ones((len(obs), A)))
    both = read(run(TINY, FLAT, [WOBBLE, other], tmp_path / "b"))
    assert of(both, "wobble") == of(alone, "wobble")
    assert of(both, ZERO, "baseline") == of(alone, ZERO, "baseline")
    assert len(of(both, "other")) == len(of(alone, "wobble"))
    assert not of(both, "other", "sampled")


def test_a_policy_is_asked_about_the_same_number_of_observations_each_time() -> None:
    asked = []

    def act(obs: np.ndarray) -> np.ndarray:
        asked.append(len(obs))
        return obs[:, :2]

    obs = np.random.default_rng(0).random((600, 5))
    np.testing.assert_array_equal(traced_rollout.in_blocks(act, 256)(obs), obs[:, :2])
    np.testing.assert_array_equal(traced_rollout.in_blocks(act, 256)(obs[:1]), obs[:1, :2])
    assert asked == [256] * 4


def test_another_seed_gives_other_episodes(short: None, tmp_path: Path) -> None:
    one, two = (read(run(TINY, FLAT, [WOBBLE], tmp_path / str(s), seed=s)) for s in (1, 2))
    assert [row.reward for row in one] != [row.reward for row in two]
    assert [row.sim for row in one] == [row.sim for row in two]


def test_sampled_actions_are_others_and_the_same_each_time(rows: Rows) -> None:
    means = {condition(row): row for row in of(rows, "wobble")}
    sampled = of(rows, "wobble", "sampled")
    assert sampled
    assert all(row.energy != means[condition(row)].energy for row in sampled)


# -- faults of a policy --------------------------------------------------------


def test_a_policy_that_returns_nan_fails_those_episodes_only(short: None, tmp_path: Path) -> None:
    marked = Suite("s", "", {"nominal": Share(8, 2)})
    healthy = read(run(marked, FLAT, [WOBBLE], tmp_path / "a"))
    calls = []

    def ill(obs: np.ndarray) -> np.ndarray:
        action = wobble(obs).copy()
        calls.append(0)
        if len(calls) == 10:
            action[3] = np.nan
        if len(calls) == 12:
            action[[3, 5], 0] = np.inf
        return action

    sick = read(run(marked, FLAT, [PolicyUnderTest("wobble", ill)], tmp_path / "b"))
    sick, healthy = of(sick, "wobble"), of(healthy, "wobble")
    assert [row.policy_error for row in sick if row.policy_error] == [
        "policy returned NaN at step 10",
        "policy returned infinity at step 12",
    ]
    for row, mate in zip(sick, healthy, strict=True):
        if row.sim in (3, 5):
            assert (row.outcome, row.success, row.survived) == ("policy error", False, False)
        else:
            assert replace(row, tracking_after=None) == replace(mate, tracking_after=None)


def test_a_safe_set_is_of_the_episodes_in_which_the_policy_did_its_task() -> None:
    """One that hardly moves never falls, and would be safe wherever it is."""
    trace = traced_rollout.Trace(FLAT, 5)
    trace.deviations[:] = np.arange(5.0)[:, None, None]
    idle = episode(length=100, success=False)
    walked = replace(idle, success=True)
    fell = replace(idle, terminated=True)
    wrong = replace(walked, policy_error="NaN in step 3")
    parts = trace.undisturbed([walked, idle, fell, wrong, walked], FLAT.control_dt)
    assert [(set(part.ravel()), len(part)) for part in parts] == [({0.0}, 50), ({4.0}, 50)]
    unknown = [replace(own, success=None) for own in (walked, idle, fell, wrong, walked)]
    assert len(trace.undisturbed(unknown, FLAT.control_dt)) == 3


def test_a_policy_that_always_falls_has_no_safe_set_and_recovers_from_nothing(
    tmp_path: Path,
) -> None:
    def flail(obs: np.ndarray) -> np.ndarray:
        return np.sign(np.sin(37.0 * obs[:, 12:24]))

    suite = Suite("s", "", {"nominal": Share(4, 0), "timing": Share(4, 0, severities=(0.0, 1.0))})
    rows = read(run(suite, FLAT, [PolicyUnderTest("flail", flail)], tmp_path))
    assert {row.outcome for row in rows} == {"fell"}
    described = json.loads((tmp_path / "suite.json").read_text())
    assert described["safe_set"] == {"flail": {"mean": None}}
    assert not any(push.recovered for row in rows for push in row.pushes)
    assert not any(row.recovered for row in rows)


class Clock:
    """Acts by its own time, in each row of what it sees."""

    def reset(self, simulations: np.ndarray) -> None:
        self.steps = np.zeros(len(simulations))

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        self.steps = self.steps + 1
        return np.sin(0.3 * self.steps)[:, None] + np.zeros((len(obs), A))


def test_a_policy_with_a_clock_is_replayed_from_its_beginning(short: None, tmp_path: Path) -> None:
    clock = PolicyUnderTest("clock", Clock())
    suite = Suite("s", "", {"nominal": Share(3, 0)})
    rows = read(run(suite, FLAT, [clock], tmp_path))
    again = replay(rows[2], FLAT, clock)
    assert (again.length, again.reward) == (rows[2].length, rows[2].reward)
    later = PolicyUnderTest("clock", clock.act.__call__)  # which hides its reset
    assert replay(rows[2], FLAT, later).reward != rows[2].reward


# -- stopping and going on -----------------------------------------------------


def files(directory: Path) -> dict[str, bytes]:
    """Everything in a directory, but for when its evaluation began."""
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    described = json.loads(found["suite.json"])
    assert datetime.fromisoformat(described.pop("date")).tzinfo == UTC
    return found | {"suite.json": json.dumps(described).encode()}


def test_an_evaluation_keeps_the_date_when_it_began_and_nothing_depends_on_it(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, later = "2026-11-23T04:05:06+00:00", "2027-01-01T00:00:00+00:00"

    def at(date: str, out: Path) -> tuple[Rows, dict[str, Any]]:
        monkeypatch.setattr(runner, "_now", lambda: date)
        rows = read(run(TINY, FLAT, [WOBBLE], out))
        return rows, json.loads((out / "suite.json").read_text())

    rows, described = at(first, tmp_path / "a")
    again, resumed = at(later, tmp_path / "a")
    others, other = at(later, tmp_path / "b")
    assert (described["date"], resumed["date"], other["date"]) == (first, first, later)
    assert rows == again == others
    assert not any(first in str(row) for row in rows)
    assert described == other | {"date": first}


def test_the_date_is_that_of_the_clock_in_seconds() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    told = runner._now()
    assert before <= datetime.fromisoformat(told) <= datetime.now(UTC)
    assert len(told) == len("2026-11-23T04:05:06+00:00")


def test_an_interrupted_suite_goes_on_and_ends_byte_for_byte_the_same(
    short: None, tmp_path: Path
) -> None:
    run(TINY, FLAT, [WOBBLE], tmp_path / "whole")
    calls = []

    def impatient(obs: np.ndarray) -> np.ndarray:
        calls.append(0)
        if len(calls) == 150:  # within the second batch of its mean action
            raise KeyboardInterrupt
        return wobble(obs)

    with pytest.raises(KeyboardInterrupt):
        run(TINY, FLAT, [PolicyUnderTest("wobble", impatient, wobble_more)], tmp_path / "parts")
    done = sorted(path.name for path in (tmp_path / "parts/rows").iterdir())
    assert done == ["00-mean-nominal-000.jsonl", "01-sampled-nominal-000.jsonl"]
    assert not (tmp_path / "parts/episodes.jsonl").exists()
    (tmp_path / "parts/rows/.writing-4194304-00-mean-plane-000.jsonl").write_text('{"half')
    run(TINY, FLAT, [WOBBLE], tmp_path / "parts")
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


KILLED = """
import os, signal, sys
sys.path[:0] = {tests!r}
import test_runner as t
t.quadruped.TRIAL_STEPS = 100
calls = []
def act(obs):
    calls.append(0)
    if len(calls) == 150:
        os.kill(os.getpid(), signal.SIGKILL)
    return t.wobble(obs)
t.run(t.TINY, t.FLAT, [t.PolicyUnderTest("wobble", act, t.wobble_more)], {out!r})
"""


def test_a_killed_suite_goes_on_too(short: None, tmp_path: Path) -> None:
    out = str(tmp_path / "parts")
    code = KILLED.format(
        tests=[str(Path(__file__).parent), str(Path(__file__).parents[1])], out=out
    )
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL
    run(TINY, FLAT, [WOBBLE], out)
    run(TINY, FLAT, [WOBBLE], tmp_path / "whole")
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_what_was_found_by_halving_is_in_the_rows_and_runs_again(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that would carry 3 kg; without the last rounds it ends byte for byte the same."""
    monkeypatch.setattr(refinement, "met", lambda row: row.severity < 3.0)
    payload = {name: TINY.shares[name] for name in ("nominal", "payload")} if TINY.shares else {}
    suite = replace(TINY, shares=payload, refinement=Refinement(rounds=3, episodes=2))
    path = run(suite, FLAT, [WOBBLE], tmp_path)
    rows = read(path)
    rounds = [(row.round, row.severity) for row in rows if row.round]
    assert rounds == [(1, 3.5), (1, 3.5), (2, 1.75), (2, 1.75), (3, 2.62), (3, 2.62)]
    assert {row.mode for row in rows if row.round} == {"mean"}
    assert len({row.sim for row in rows if row.axis == "payload" and row.severity}) == 4 + 3 * 2
    last = next(row for row in rows if row.round == 3)
    assert replay(last, FLAT, WOBBLE).reward == last.reward
    before = files(tmp_path)
    for name in (path, *(tmp_path / "rows").glob("*round[23]*")):
        name.unlink()
    run(suite, FLAT, [WOBBLE], tmp_path)
    assert files(tmp_path) == before
    third = tmp_path / "rows" / "00-mean-round3-plane-000.jsonl"
    another = third.with_name("00-mean-round4-plane-000.jsonl")
    another.write_bytes(third.read_bytes())
    with pytest.raises(UsageError, match=r"round4-plane-000\.jsonl is of no round of this"):
        run(suite, FLAT, [WOBBLE], tmp_path)
    another.unlink()
    assert files(tmp_path) == before
    (tmp_path / "rows" / "00-mean-other-000.jsonl").touch()
    with pytest.raises(UsageError, match="was not written by this evaluation"):
        run(suite, FLAT, [WOBBLE], tmp_path)


def test_what_is_finished_is_not_run_again(short: None, tmp_path: Path) -> None:
    path = run(TINY, FLAT, [WOBBLE], tmp_path)
    before = path.read_bytes()
    path.unlink()
    shown: list[tuple[int, int]] = []

    def never(obs: np.ndarray) -> np.ndarray:
        raise AssertionError("asked again")

    again = PolicyUnderTest("wobble", never, lambda obs, noise: never(obs))
    run(TINY, FLAT, [again], tmp_path, progress=lambda *done: shown.append(done))
    assert path.read_bytes() == before
    assert not shown


def test_progress_is_shown_up_to_the_end(short: None, tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    run(TINY, FLAT, [WOBBLE], tmp_path, progress=lambda *done: shown.append(done))
    done, total = zip(*shown, strict=True)
    assert list(done) == sorted(done)
    assert set(total) == {done[-1]}


def test_a_directory_belongs_to_one_evaluation(short: None, tmp_path: Path) -> None:
    run(TINY, FLAT, [WOBBLE], tmp_path)
    with pytest.raises(UsageError, match="another evaluation: its seed is 1, this one's is 2"):
        run(TINY, FLAT, [WOBBLE], tmp_path, seed=2)
    message = "its policies have wobble where this one's have another. Give another directory"
    with pytest.raises(UsageError, match=message):
        run(TINY, FLAT, [PolicyUnderTest("another", wobble)], tmp_path)


PLAN = {
    "task": "quadruped-flat",
    "seed": 1,
    "versions": {"mujoco": "3.17.0", "torch": "2.8.0"},
    "content": {"robot": "0" * 64},
    "policies": [{"label": "walker", "file": "runs/walker", "sha256": "a" * 64}],
    "axes": [{"name": "nominal"}, {"name": "push", "unit": "N"}],
    "conditions": [{"axis": "push", "severity": 1.0, "case": "left", "episodes": 5}],
}


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"task": "arm-push"}, "its task is 'quadruped-flat', this one's is 'arm-push'"),
        (
            {"versions": {"mujoco": "3.17.0", "torch": "2.9.1"}},
            "its torch of versions is '2.8.0', this one's is '2.9.1'",
        ),
        ({"content": {"robot": "1" * 64}}, "its robot of content is '000000000000...00000"),
        (
            {"content": {}},
            "its robot of content is '000000000000...0000000000000', this one's is 'a",
        ),
        (
            {"policies": [{"label": "walker", "file": "runs/walker", "sha256": "b" * 64}]},
            "its sha256 of policies walker is 'aaaaaaaaaaaa...aaaaaaaaaaaaa', this one's is 'bbbb",
        ),
        (
            {"axes": [{"name": name} for name in ("nominal", "a", "b", "c", "d")]},
            "its axes have push where this one's have a, b, c and 1 more",
        ),
        (
            {"conditions": [{"axis": "push", "severity": 1.0, "case": "left", "episodes": 6}]},
            "its episodes of conditions push/1.0/left is 5, this one's is 6",
        ),
    ],
)
def test_the_difference_from_another_evaluation_is_told_in_a_line(
    tmp_path: Path, change: dict[str, Any], difference: str
) -> None:
    Store(tmp_path, PLAN, ["a"], {}).close()
    with pytest.raises(UsageError, match=re.escape(f"another evaluation: {difference}")) as refused:
        Store(tmp_path, PLAN | change, ["a"], {})
    assert len(str(refused.value)) < 400


def test_an_evaluation_goes_on_wherever_its_policies_lie(tmp_path: Path) -> None:
    store = Store(tmp_path, PLAN, ["a"], {})
    store.write("a", 1, as_lines([row_by_hand()]))
    store.close()
    moved = [{"label": "walker", "file": "/home/me/runs/walker/", "sha256": "a" * 64}]
    again = Store(tmp_path, PLAN | {"policies": moved}, ["a"], {})
    assert again.has("a")
    assert again.description["policies"] == moved
    again.close()


def test_what_was_edited_in_the_file_of_an_evaluation_is_found(tmp_path: Path) -> None:
    Store(tmp_path, PLAN, ["a"], {}).close()
    path = tmp_path / "suite.json"
    whole = path.read_text()
    path.write_text(whole.replace("quadruped-flat", "arm-push"))
    with pytest.raises(UsageError, match="its task is 'arm-push', this one's is 'quadruped-flat'"):
        Store(tmp_path, PLAN, ["a"], {})
    path.write_text(json.dumps(json.loads(whole) | {"plan": "0"}))
    with pytest.raises(UsageError, match="holds another evaluation: another version began it"):
        Store(tmp_path, PLAN, ["a"], {})
    for damage in ("[]", "3", "[" * 100_000, "{"):
        path.write_text(damage)
        with pytest.raises(UsageError, match=r"suite\.json is damaged"):
            Store(tmp_path, PLAN, ["a"], {})


def test_a_robot_of_ones_own_is_known_by_what_is_in_its_file(tmp_path: Path) -> None:
    from robo_maxent.assets import path

    own = tmp_path / "own.xml"
    own.write_text(path("quadruped.xml").read_text())
    first, again = (make("quadruped-flat", robot_file=own).content for _ in range(2))
    own.write_text(own.read_text().replace('mass="5.204"', 'mass="6.5"'))
    assert first == again != make("quadruped-flat", robot_file=own).content
    assert runner._decisive(TINY, make("quadruped-flat", robot_file=own), [WOBBLE], 1)["content"]
    assert FLAT.content == {}


def test_two_evaluations_do_not_run_in_one_directory(tmp_path: Path) -> None:
    first = Store(tmp_path, {"seed": 1}, ["a"], {})
    with pytest.raises(UsageError, match="another evaluation is running"):
        Store(tmp_path, {"seed": 1}, ["a"], {})
    first.close()
    Store(tmp_path, {"seed": 1}, ["a"], {}).close()


def test_a_damaged_or_foreign_shard_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path, {"seed": 1}, ["a", "b"], {})
    store.write("a", 2, as_lines([row_by_hand(), row_by_hand("push")]))
    assert store.has("a")
    assert not store.has("b")
    path = tmp_path / "rows/a.jsonl"
    whole = path.read_text()
    flipped = whole.replace('"reward": 1', '"reward": 9', 1)
    assert flipped != whole
    for damage in (whole[:-4], "", "[]\n", whole.splitlines()[0] + "\n", flipped):
        path.write_text(damage)
        with pytest.raises(UsageError, match=r"a\.jsonl is damaged: delete it"):
            store.has("a")
    path.write_text(whole)
    store.close()

    other = Store(tmp_path / "other", {"seed": 2}, ["a"], {})
    (tmp_path / "other/rows/a.jsonl").write_text(whole)
    with pytest.raises(UsageError, match="belongs to another evaluation"):
        other.has("a")
    other.close()

    (tmp_path / "rows/notes.jsonl").write_text("{}")
    with pytest.raises(UsageError, match=r"notes\.jsonl was not written by this evaluation"):
        Store(tmp_path, {"seed": 1}, ["a", "b"], {})
    (tmp_path / "suite.json").write_text("{")
    with pytest.raises(UsageError, match=r"suite\.json is damaged"):
        Store(tmp_path, {"seed": 1}, ["a", "b"], {})


def test_an_evaluation_begins_in_a_directory_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "episodes.jsonl").write_text("of a run")
    with pytest.raises(UsageError, match=r"episodes\.jsonl was not written by an evaluation: give"):
        Store(tmp_path, {"seed": 1}, ["a"], {})
    with pytest.raises(
        UsageError, match=r"Can't write to .*episodes\.jsonl: File exists\. Mend that"
    ):
        Store(tmp_path / "episodes.jsonl", {"seed": 1}, ["a"], {})
    assert [path.name for path in tmp_path.iterdir()] == ["episodes.jsonl"]


# -- other tasks ---------------------------------------------------------------


def test_terrain_is_new_ground_of_every_kind_and_all_else_a_plane(
    short: None, tmp_path: Path
) -> None:
    task = make("quadruped-rough")
    policy = PolicyUnderTest("still", lambda obs: np.zeros((len(obs), A)))
    suite = Suite(
        "s",
        "",
        {
            "nominal": Share(4, 2),
            "payload": Share(2, 1, severities=(0.0, 3.0)),
            "terrain": Share(2, 1, severities=(0.0, 10.0)),
            "terrain_heldout": Share(2, 1, severities=(0.0, 10.0)),
        },
    )
    rows = of(read(run(suite, task, [policy], tmp_path)), "still")
    for row in rows:
        if row.axis.startswith("terrain"):
            assert (row.terrain, row.level) == (row.case, row.severity)
            assert row.command is not None
            assert row.command[2] == 0.0
            assert row.command[:2] != (0.0, 0.0)
        else:
            assert (row.terrain, row.level) == ("flat", 0)
    held_out = {row.case for row in rows if row.axis == "terrain_heldout"}
    assert held_out == {"waves", "blocks", "fractal"}
    assert not held_out & {row.case for row in rows if row.axis == "terrain"}
    for row in rows[:1] + rows[-1:] + [r for r in rows if r.case in ("rough", "stairs_up")]:
        episode = replay(row, task, policy)
        assert (episode.reward, episode.length) == (row.reward, row.length)
        assert (episode.terrain, episode.level) == (row.terrain, row.level)


def test_nobody_leaves_the_plane() -> None:
    task = make("quadruped-rough").trial()
    env = task.at(np.zeros(2, np.int64)).evaluation_env(2, seed=0)
    env.reset()
    env.batch.bind("qpos")[0, 0] = 100.0
    step = env.step(np.zeros((2, A)))
    assert not step.truncated.any()
    assert not step.terminated.any()


def test_getting_up_is_judged_by_the_time_it_takes(tmp_path: Path) -> None:
    task = make("quadruped-getup")
    suite = Suite("s", "", {"nominal": Share(12, 12), "payload": Share(2, 1)})
    rows = read(
        run(suite, task, [PolicyUnderTest("still", lambda o: np.zeros((len(o), A)))], tmp_path)
    )
    assert {row.outcome for row in rows} <= {"success", "stuck"}
    for row in rows:
        rose = row.metrics["rise_time"]
        assert (rose is not None) == row.success
        assert row.length == getup.RISE_STEPS + getup.HOLD_STEPS
        assert row.tracking_before is None
        assert (row.pushes, row.recovered, row.command) == ((), None, None)


# -- the suites ----------------------------------------------------------------


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_every_axis_of_a_task_or_only_the_nominal_one(name: str) -> None:
    task = make("quadruped-rough")
    found = {c.axis for c in find(name).conditions(task, "mean")}
    assert found == ({"nominal"} if name == "nominal" else set(disturbances(task)))
    everywhere = {c.axis for c in find(name).conditions(task, "baseline")}
    assert everywhere == found  # baselines are on every axis


def test_the_full_suite_is_about_ten_thousand_episodes() -> None:
    """Of which halving may add some 2,000."""
    count = sum(map(len, planned(find("full"), FLAT, [WOBBLE], 1)))
    assert 7_000 < count < 9_000


def test_wrong_names_list_the_right_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"suite 'ful'\. Did you mean 'full'"):
        find("ful")
    with pytest.raises(UsageError, match="has no axis terrain"):
        find("full").only(["terrain"], FLAT)
    with pytest.raises(UnknownNameError, match="axis of suite nominal 'push'"):
        find("nominal").only(["push"], FLAT)
    assert list(find("full").only(["push"], FLAT).axes(FLAT)) == ["nominal", "push"]


def test_an_axis_of_too_many_cases_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def having(n: int) -> None:
        (push,) = (a for a in Pushes().axes(FLAT.robot) if a.name == "push")
        axis = replace(push, cases=tuple(map(str, range(n))))
        monkeypatch.setattr(Pushes, "axes", lambda self, robot: (axis,))

    having(CASES)
    own = {c.first for c in SMALL.conditions(FLAT, "mean") if c.axis == "push"}
    others = {c.first for c in SMALL.conditions(FLAT, "mean") if c.axis != "push"}
    assert len(own) == CASES + 1
    assert own & others == {0}  # the simulations of undisturbed episodes alone
    having(CASES + 1)
    with pytest.raises(UsageError, match="axis push has more than the 100 cases"):
        SMALL.conditions(FLAT, "mean")


def test_what_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no policy to evaluate"):
        run(TINY, FLAT, [], tmp_path)
    with pytest.raises(UsageError, match="labels must differ, got wobble, wobble, zero action"):
        run(TINY, FLAT, [WOBBLE, WOBBLE], tmp_path)
    with pytest.raises(UsageError, match="needs episodes of the axis nominal"):
        Suite("s", "", {"push": Share(3, 1)})
    row = row_by_hand(policy="wobble", mode="sampled")
    with pytest.raises(UsageError, match="its policy is needed"):
        replay(row, FLAT)
    with pytest.raises(UsageError, match="can't be sampled"):
        replay(row, FLAT, PolicyUnderTest("wobble", wobble))
