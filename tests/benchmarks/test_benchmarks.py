"""The benchmarks: what the peers are given, and what is said of runs that did not finish."""

import argparse
import json
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from hand_rows import row
from torch.utils.flop_counter import FlopCounterMode

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac
from robo_maxent.perturbations.base import Share
from robo_maxent.robustness.suites import Suite
from robo_maxent.sim.terrain import HELD_OUT
from robo_maxent.tasks import make, quadruped
from robo_maxent.tasks.rough import TERRAIN
from robo_maxent.training.config import preset
from robo_maxent.types import Episode

# -- the peers' environment ----------------------------------------------------


def test_the_peers_see_true_successors_resets_and_truncation(benchmark: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    task = make("quadruped-flat")
    task.episode_steps = 60
    n = 4
    adapted, plain = (
        benchmark("peers").PeerEnv(MujocoVecEnv(task, n, seed=3)),
        MujocoVecEnv(task, n, seed=3),
    )
    np.testing.assert_array_equal(adapted.reset(), plain.reset())
    rng = np.random.default_rng(0)
    size = np.array([0.0, 0.0, 1.0, 1.0])[:, None]  # two stand, two are thrown over
    held = np.zeros((n, task.action_size), np.float32)
    seen = {True: 0, False: 0}
    for count in range(130):
        if count % 5 == 0:
            held = (size * rng.choice([-1.0, 1.0], held.shape)).astype(np.float32)
        obs, reward, done, infos = adapted.step(held)
        step = plain.step(held)
        np.testing.assert_array_equal(obs, step.obs)
        np.testing.assert_array_equal(reward, step.reward)
        np.testing.assert_array_equal(done, step.terminated | step.truncated)
        lengths = {episode.sim: episode.length for episode in step.episodes}
        for sim in range(n):
            if not done[sim]:
                assert infos[sim] == {}
                continue
            truncated = bool(step.truncated[sim])
            seen[truncated] += 1
            np.testing.assert_array_equal(infos[sim]["terminal_observation"], step.next_obs[sim])
            assert not np.array_equal(infos[sim]["terminal_observation"], obs[sim])
            assert infos[sim]["TimeLimit.truncated"] is truncated
            assert infos[sim]["episode"]["l"] == lengths[sim]
    assert seen[True] >= 4, "nobody stood until the time limit"
    assert seen[False] >= 1, "nobody fell"


def test_a_truncated_step_bootstraps_from_the_true_successor_in_the_peers_replay(
    benchmark: Any,
) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    task = make("quadruped-flat")
    task.episode_steps = 10
    peers = benchmark("peers")
    peer = peers.sb3_sac(task, seed=0)
    peer.learn(lambda steps: steps >= 12 * peers.OURS.envs)
    replay = peer.model.replay_buffer
    obs, following = replay.observations, replay.next_observations  # (steps, N, O), as we made them
    at_limit = 9
    assert replay.timeouts[at_limit].all()
    np.testing.assert_array_equal(following[at_limit - 1], obs[at_limit])
    assert not (following[at_limit] == obs[at_limit + 1]).all(axis=-1).any()


def test_the_arm_with_our_values_has_those_of_the_default_preset(benchmark: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    peers, config = benchmark("peers"), preset("default")
    sac, task = config.sac, make("quadruped-flat")
    peer = peers.PEERS["sb3-sac/ours"](task, 0)
    model = peer.model
    assert model.n_envs == config.envs
    assert (model.gradient_steps, model.train_freq.frequency) == (config.updates_per_step, 1)
    assert (model.batch_size, model.gamma, model.tau) == (sac.batch_size, sac.gamma, sac.tau)
    assert model.learning_rate == sac.learning_rate
    assert model.target_entropy == sac.target_entropy_per_action * task.action_size
    assert model.log_ent_coef.exp().item() == pytest.approx(sac.initial_alpha)
    assert model.policy.net_arch == [sac.width, sac.width]
    assert model.critic.optimizer.defaults["weight_decay"] == sac.weight_decay
    random = config.random_steps * config.envs
    peer.learn(lambda steps: steps > random + 2 * config.envs)
    assert peer.updates == 2 * config.updates_per_step, "critic updates as ours"


def test_updates_of_ppo_are_counted_in_minibatches(benchmark: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    peers = benchmark("peers")
    recipe = replace(peers.ADAPTED, envs=8, steps=4, minibatches=2, epochs=3)
    peer = peers.ppo(make("quadruped-flat"), 0, recipe)
    steps = []
    counted = peer.model.policy.optimizer.step
    peer.model.policy.optimizer.step = lambda *a, **k: (steps.append(1), counted(*a, **k))[1]
    peer.learn(lambda done: done > 2 * 8 * 4)
    assert peer.updates == len(steps) == 2 * 3 * 2


@pytest.mark.parametrize(
    ("per_step", "delay", "at_a_time", "every"), [(8, 2, 8, 1), (32, 8, 32, 1), (2, 4, 4, 2)]
)
def test_updates_come_in_multiples_of_the_policy_delay(
    benchmark: Any, per_step: int, delay: int, at_a_time: int, every: int
) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    updates = benchmark("peers")._updates(per_step, delay)
    assert updates == {"gradient_steps": at_a_time, "train_freq": every}


# -- time to walk --------------------------------------------------------------


def result(walk: Any, arm: str, seconds: float, seed: int = 0, success: float = 0.5) -> Any:
    """How a run went; negative seconds: censored."""
    censored = seconds < 0
    return walk.Result(arm, seed, abs(seconds), censored, 10, 80, success if censored else 0.95)


def test_the_fastest_arm_of_each_contestant_is_kept_and_the_others_do_not_count(
    benchmark: Any,
) -> None:
    walk = benchmark("time_to_walk")
    first = [
        result(walk, "ours", 30.0),
        result(walk, "ppo/isaaclab", -300.0, success=0.2),
        result(walk, "ppo/playground", -300.5, success=0.4),
        result(walk, "sbx-sac/ours", 90.0),
        result(walk, "sbx-sac/swept", 170.0),
    ]
    arms = walk.kept(first)
    assert arms == ["ours", "ppo/playground", "sbx-sac/ours"]
    later = [result(walk, arm, s, 1) for arm, s in zip(arms, (50.0, -300.0, 190.0), strict=True)]
    verdict = walk.verdict([*first, *later])
    assert (verdict["best_peer"], verdict["best_peer_s"], verdict["ratio"]) == (
        "sbx-sac/ours",
        140.0,
        3.5,
    )
    assert len(verdict["runs"]) == 8
    lines = walk.table([*first, *later])
    assert [line.split()[:2] for line in lines[1:]] == [
        ["ours", "2"],
        ["ppo/isaaclab", "1"],
        ["ppo/playground", "2"],
        ["sbx-sac/ours", "2"],
        ["sbx-sac/swept", "1"],
    ]
    assert "updates then" in lines[0]
    assert lines[1].split()[-2] == "80"


def test_a_censored_run_is_longer_than_any_other(benchmark: Any) -> None:
    walk = benchmark("time_to_walk")

    def runs(*seconds: float) -> list[Any]:
        return [result(walk, "ours", s, seed) for seed, s in enumerate(seconds)]

    assert walk.median(runs(120, -90, 80)) == walk.Median(120, censored=False)
    assert walk.median(runs(-90, 120, -90)) == walk.Median(90, censored=True)
    assert walk.median(runs(100, 50)) == walk.Median(75, censored=False)
    assert walk.median(runs(100, -90)).censored
    assert str(walk.median(runs(-900))) == "> 900"


@pytest.mark.parametrize(
    ("ours", "ppo", "sac", "ratio", "kind", "best"),
    [
        (100, 400, 300, 3.0, "exact", "sac"),
        (100, -900, 300, 3.0, "exact", "sac"),
        (100, -900, -905, 9.0, "at least", "ppo"),
        (-900, 300, 400, 0.33, "at most", "ppo"),
        (-900, -900, -901, None, "unknown", "ppo"),
    ],
)
def test_the_ratio_says_when_it_is_only_a_bound(
    benchmark: Any, ours: float, ppo: float, sac: float, ratio: float, kind: str, best: str
) -> None:
    walk = benchmark("time_to_walk")
    times = {"ours": ours, "ppo": ppo, "sac": sac}
    results = [result(walk, name, s) for name, s in times.items()]
    verdict = walk.verdict(results)
    assert (verdict["ratio"], verdict["ratio_is"], verdict["best_peer"]) == (ratio, kind, best)
    assert verdict["ours_censored"] is (ours < 0)
    assert verdict["best_peer_censored"] is (times[best] < 0)
    assert [run["seconds"] for run in verdict["runs"]] == [abs(s) for s in times.values()]
    assert ("> 900" in walk.table(results)[1]) is (ours < 0)


def test_without_peers_there_is_no_ratio(benchmark: Any) -> None:
    walk = benchmark("time_to_walk")
    verdict = walk.verdict([result(walk, "ours", 100.0)])
    assert verdict["ours_s"] == 100.0
    assert (verdict["best_peer"], verdict["ratio"], verdict["ratio_is"]) == (None, None, "unknown")


def test_the_clock_stands_still_while_the_judge_looks(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = benchmark("time_to_walk")
    now, shares = [1000.0], [0.2, 0.95]
    monkeypatch.setattr(walk.time, "time", lambda: now[0])

    def look(self: Any, seconds: float, steps: int, updates: int, policy: Any) -> Any:
        now[0] += 7.0
        return walk.Look(seconds, steps, updates, shares.pop(0), 0.0)

    monkeypatch.setattr(walk.Judge, "_look", look)
    judge = walk.Judge(None, spawned=990.0, spacing=20.0, limit=500.0)
    assert judge.clock() == 10.0
    assert not judge.over(1, 8, lambda: None)
    assert len(shares) == 2, "looked too early"
    now[0] += 15.0
    assert not judge.over(2, 8, lambda: None)
    assert judge.clock() == 25.0
    now[0] += 14.0
    assert not judge.over(3, 8, lambda: None)
    assert len(shares) == 1, "39 s is before the next look at 40 s"
    now[0] += 1.0
    assert judge.over(4, 8, lambda: None)


def test_nobody_is_looked_at_before_the_first_update(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = benchmark("time_to_walk")
    monkeypatch.setattr(walk.time, "time", lambda: 1000.0)
    monkeypatch.setattr(walk.Judge, "_look", lambda *_: walk.Look(30.0, 2, 1, 0.2, 0.0))
    judge = walk.Judge(None, spawned=970.0, spacing=5.0, limit=20.0)
    assert not judge.over(1, 0, lambda: pytest.fail("it has not learnt"))
    assert judge.over(2, 1, lambda: None), "it is past the limit"


def test_contestants_are_checked_at_the_door(benchmark: Any) -> None:
    walk = benchmark("time_to_walk")
    assert walk.chosen("sbx-crossq, ours,ours") == ["sbx-crossq", "ours"]
    assert walk.chosen("ppo/adapted,ppo") == ["ppo/adapted", "ppo/isaaclab", "ppo/playground"]
    with pytest.raises(argparse.ArgumentTypeError, match=r"unknown contestants: dqn; known: ours"):
        walk.chosen("ours,dqn")
    assert walk.arguments_of(["--quick"]).seeds == 1
    with pytest.raises(SystemExit):
        walk.arguments_of(["--limit", "0"])


def test_every_peer_that_can_be_named_has_a_recipe(benchmark: Any) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra bench is not installed")
    assert ["ours", *benchmark("peers").PEERS] == benchmark("time_to_walk").ARMS


# -- the learner and the extra -------------------------------------------------


def test_learner_ratios_pair_the_rounds_and_stand_for_batch_256(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = benchmark("learner")
    monkeypatch.setattr(learner.native, "precision_of", lambda asked, known: ("bf16", True))
    rates = {
        "ours_fp32": [200.0, 20.0, 300.0],  # the second round was disturbed, for everyone
        "ours_bf16": [400.0, 40.0, 600.0],
        "ours_torch": [160.0, 16.0, 240.0],
        "sb3": [100.0, 10.0, 100.0],
        "sbx": [200.0, 20.0, 200.0],
        "peak_fp32": [80.0, 8.0, 80.0],  # products of 2 * 1024**3 operations a second
        "peak_bf16": [160.0, 16.0, 160.0],
    }
    measured = {name: learner.Measured(1.0, rounds) for name, rounds in rates.items()}
    result = learner.figures(256, measured)
    assert (result["vs_sb3"], result["vs_sbx"], result["fp32_vs_sb3"]) == (4.0, 2.0, 2.0)
    assert result["sb3_256"] == 100.0
    assert result["vs_torch"] == 2.5
    share = learner.operations(256) / 2**31 * 2.5
    assert result["peak_share"] == result["fp32_peak_share"] == round(share, 2)
    assert "vs_sb3" not in learner.figures(512, measured)


def test_the_operations_of_an_update_are_those_that_torch_counts(benchmark: Any) -> None:
    learner, batch = benchmark("learner"), 6
    sac = Sac(learner.OBS, learner.ACTIONS, preset("classic").sac, 0)
    sac.config = replace(sac.config, batch_size=batch)
    sac._compiled = None
    transitions = ReplayBatch(
        torch.randn(batch, learner.OBS),
        torch.randn(batch, learner.ACTIONS).tanh(),
        torch.randn(batch),
        torch.randn(batch, learner.OBS),
        torch.zeros(batch),
    )
    with FlopCounterMode(display=False) as counter:
        sac.update(transitions)
    # torch also goes back to the observations, and through both critics in the actor's update.
    width, obs, actions = sac.config.width, learner.OBS, learner.ACTIONS
    other_critic = width * width + width + actions * width
    to_obs = 2 * obs * width
    spared = 2 * batch * (other_critic + to_obs)
    assert counter.get_total_flops() == learner.operations(batch) + spared


def test_our_learner_is_a_contestant_that_learns(benchmark: Any) -> None:
    learner = benchmark("learner")
    update = learner.CONTESTANTS["ours_fp32"](8)
    assert all(learner._rate(update, 1e-3, clock) > 0.0 for clock in learner.CLOCKS.values())


def test_a_missing_peer_is_named_with_the_way_to_get_it(benchmark: Any) -> None:
    missing = benchmark("extra").missing_peers
    assert missing(["json"]) is None
    assert missing(["json", "no_such_module"]) == (
        "not installed: no_such_module. The peers are an extra: pip install 'robo-maxent[bench]'"
    )


# -- rough ground --------------------------------------------------------------


def test_the_headline_of_rough_ground_is_a_median_over_seeds_of_means_over_kinds(
    benchmark: Any,
) -> None:
    rough = benchmark("rough")

    def result(variant: str, seed: int, level: float, trained: float, held_out: float) -> Any:
        shares = dict.fromkeys(TERRAIN, trained) | dict.fromkeys(HELD_OUT, held_out)
        shares |= {"slope_up": trained + 0.1, "stairs_up": trained + 0.2}
        success = {kind: {"4": share} for kind, share in shares.items()}
        fell = {"4": 0.25 - seed / 10}
        return rough.Result(variant, seed, 30.0, 1_000_000, level, {}, success, fell, 1.0)

    results = [
        result("scan", 0, 6.0, 0.7, 0.8),
        result("scan", 1, 7.0, 0.5, 0.9),
        result("scan", 2, 5.0, 0.6, 0.1),
        result("blind", 0, 4.0, 0.1, 0.1),
    ]
    assert rough.verdict(results) == {
        "mean_level": 6.0,
        "success_level4": 0.63,
        "success_edges4": 0.65,
        "success_heldout4": 0.8,
        "mean_level_blind": 4.0,
    }
    table = rough.table(results)
    assert [line.split()[:4] for line in table[1:]] == [
        ["scan", "3", "1.00", "6.00"],
        ["blind", "1", "1.00", "4.00"],
    ]
    assert "nan" in table[1], "level 0 was not run and must not look as if"
    assert table[1].endswith("15 %"), "the median share that fell"


def test_a_critic_without_the_truth_sees_what_the_policy_sees(benchmark: Any) -> None:
    task: Any = make("quadruped-rough-scan")
    size = task.policy_size
    plain = MujocoVecEnv(task, 3, seed=0).reset()
    honest = benchmark("rough")._without_truth(make("quadruped-rough-scan"))
    assert honest.observation_size == honest.policy_size == size
    np.testing.assert_array_equal(MujocoVecEnv(honest, 3, seed=0).reset(), plain[:, :size])


def test_ground_of_an_evaluation_is_unlike_that_of_training(benchmark: Any) -> None:
    rough = benchmark("rough")
    for variant in rough.VARIANTS.values():
        made: Any = make(variant.task, **variant.options)
        unseen = made.unseen(rough.EVALUATION_SEED).pool
        assert (unseen.seed, unseen.purpose) != (made.pool.seed, made.pool.purpose)


# -- robustness suites ---------------------------------------------------------


def test_the_time_of_the_full_suite_is_extrapolated_from_its_number_of_episodes(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stress = benchmark("stress")
    small = Suite("small", "", {"nominal": Share(6, 2, sampled=2), "payload": Share(1, 1)})
    large = Suite("large", "", {"nominal": Share(60, 20, sampled=20), "payload": Share(10, 10)})
    monkeypatch.setattr(stress, "find", {"quick": small, "full": large}.__getitem__)
    monkeypatch.setattr(stress, "PAIRED", Suite("paired", "", {"nominal": Share(8, 0)}))
    monkeypatch.setattr(stress, "SIMULATIONS", 8)
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 20)
    monkeypatch.setattr(sys, "argv", ["stress.py", "--quick", "--pairs", "2"])
    stress.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["quick_suite_episodes"], told["full_suite_episodes"]) == (27, 270)
    assert told["full_suite_s_is"] == "extrapolated"
    expected = 270 / told["episodes_per_s"]
    assert told["full_suite_s"] == pytest.approx(expected, rel=0.01, abs=0.06)  # rounded to 0.1 s
    assert told["stress_over_task_least"] <= told["stress_over_task"]
    assert told["stress_over_task"] <= told["stress_over_task_most"]


def test_a_stress_test_is_compared_with_the_bare_task_before_and_after_it(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stress = benchmark("stress")
    bare, tested = iter([100.0, 300.0, 100.0]), iter([100.0, 150.0])
    monkeypatch.setattr(stress, "bare_rate", lambda task, threads: next(bare))
    monkeypatch.setattr(stress, "stress_rate", lambda task, policy, threads: next(tested))
    assert stress.compared(None, None, 0, 2) == {
        "task_steps_per_s": 100,
        "stress_steps_per_s": 125,
        "stress_over_task": 0.625,
        "stress_over_task_least": 0.5,
        "stress_over_task_most": 0.75,
    }


# -- what a hand recovers from -------------------------------------------------


def test_differences_of_recovery_have_p_values_for_all_of_them(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recovery = benchmark("recovery")
    monkeypatch.setattr(recovery, "CONDITIONS", (("nominal", 0.0), ("knock", 3.0)))
    rows = [
        row(axis, severity, success=sim < hits, sim=sim, policy=way)
        for axis, severity, way, hits in (
            ("nominal", 0.0, "with", 8),
            ("nominal", 0.0, "without", 7),
            ("knock", 3.0, "with", 8),
            ("knock", 3.0, "without", 1),
        )
        for sim in range(8)
    ]
    figures = recovery.report(rows)
    # By hand: seven pairs of one way, of 2^7, two-sided, are 1/64; of two comparisons, twice that.
    assert figures["knock_3_p"] == pytest.approx(2 / 64, abs=1e-4)
    assert figures["nominal_0_p"] == 1.0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in told if "0.031" in line] == [["knock", "3", "with"]]


# -- replays -------------------------------------------------------------------


def test_a_row_that_runs_again_differs_in_what_changed_and_in_nothing_else(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replays = benchmark("replays")
    stressed = row(places={"object": (0.5, -0.1)})
    episode = Episode(**{part.name: getattr(stressed, part.name) for part in fields(Episode)})
    monkeypatch.setattr(replays, "policy_of_row", lambda *_: (None, None))
    for again, differing in ((episode, []), (replace(episode, reward=10.5), ["reward"])):
        monkeypatch.setattr(replays.runner, "replay", lambda *_, again=again: again)
        assert replays.differences(stressed, {}, {}) == differing
