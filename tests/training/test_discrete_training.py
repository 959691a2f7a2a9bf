"""Discrete actions by the command line: trained, resumed, evaluated, stressed, exported, filmed."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import pytest
from command_line import call
from gymnasium import spaces
from small_policy import small_policy

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import external_policies, onnx_export
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.policy import Policy
from robo_maxent.robustness import stress_test
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.runner import replay
from robo_maxent.training.agents import agent_of
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

CHOICE = f"gym:{gym_worlds.register('Choice', gym_worlds.Choice)}"
SMALL = replace(
    preset("discrete"),
    random_steps=60,
    evaluate_every=10_000,
    evaluation_episodes=4,
    threads=1,
    sac=replace(preset("discrete").sac, width=16, batch_size=32),
)


@pytest.fixture(scope="module")
def task() -> GymTask:
    return GymTask(CHOICE.removeprefix("gym:"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, task: GymTask) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "choice"
    train(task, replace(SMALL, steps=500), directory)
    return directory


def test_it_learns_what_pays_and_its_policy_file_acts(trained: Path, task: GymTask) -> None:
    policy = Policy.load(trained / "policy.safetensors")
    rows = evaluate(policy, task, 40)
    assert np.mean([row.reward for row in rows]) > 5.0  # random choice has 1.5
    obs = np.array([[6.0, 0.0, 0.0], [7.0, 0.0, 0.0]], np.float32)
    assert policy(obs).tolist() == [1, 2]
    assert policy(obs).dtype == np.int64
    noise = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    drawn = policy.sample(np.repeat(obs[:1], 3000, axis=0), noise)
    logits = policy.logits(obs[:1])[0]
    probs = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    np.testing.assert_allclose(shares, probs, atol=0.04)


class Waiting(gym_worlds.World):
    """Action 1 ends an episode and is worth 1; action 0 costs a tenth of it."""

    def __init__(self) -> None:
        super().__init__(spaces.Box(-1.0, 1.0, (1,), np.float32), spaces.Discrete(2))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return self.observe(), (-0.1, 1.0)[action], bool(action), self.t == 20, {}


@pytest.mark.parametrize("paid", [True, False])
def test_a_run_says_when_its_policy_is_paid_for_not_ending_episodes(
    tmp_path: Path, paid: bool
) -> None:
    gym_id, said = gym_worlds.register("Waiting", Waiting), list[str]()
    sac = replace(SMALL.sac, initial_alpha=1.0, alpha_learning_rate=0.0, entropy_in_target=paid)
    config = replace(SMALL, steps=400, evaluate_every=200, sac=sac)
    train(GymTask(gym_id), config, tmp_path, show=lambda status: said.append(status.message))
    alarms = [line for line in said if "--no-entropy-in-target" in line]
    assert len(alarms) == paid
    final = next(line for line in reversed(said) if line.startswith("evaluation at 400 steps"))
    assert final.endswith("return -2.000 [-2.000, -2.000]" if paid else "1.000 [1.000, 1.000]")


def test_a_transition_is_stored_with_the_number_of_its_action(task: GymTask) -> None:
    trainer = Trainer(task, replace(SMALL, steps=60), Path("unused"))
    for _ in range(40):
        trainer.step()
    batch = trainer.learner.replay.sample(np.random.default_rng(0), 200)
    trainer.close()
    assert batch.action.shape == (200, 1)
    assert set(batch.action.unique().tolist()) == {0.0, 1.0, 2.0}
    assert (batch.next_obs[:, 1] == batch.action[:, 0] + 5.0).all()
    assert (batch.terminated == (batch.action[:, 0] == 0.0)).all()  # truncation is not in it


def test_one_seed_is_one_run_and_another_is_another(tmp_path: Path, task: GymTask) -> None:
    weights = []
    for number, seed in enumerate((3, 3, 4)):
        run = train(task, replace(SMALL, steps=120, seed=seed), tmp_path / str(number))
        weights.append(run.policy.actor.flat)
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_a_run_continues_from_its_checkpoint_bit_for_bit(tmp_path: Path, task: GymTask) -> None:
    train(task, replace(SMALL, steps=100), tmp_path / "run")
    weights = []
    for _ in range(2):
        trainer = Trainer(task, replace(SMALL, steps=100), tmp_path / "run")
        trainer.restore()
        agent, replay = trainer.learner.agent, trainer.learner.replay
        assert isinstance(agent, DiscreteSac)
        assert (agent.updates, len(replay)) == (40, 100)
        for _ in range(20):
            trainer.step()
        weights.append((agent.critics.flat.detach().clone(), agent.alpha))
        trainer.close()
    assert weights[0][0].equal(weights[1][0])
    assert weights[0][1] == weights[1][1]


def test_the_command_line_from_training_to_a_stress_test(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--steps", "90", "--random-steps", "30", "--width", "16", "--threads", "1"]
    code, out, _ = call(capsys, "train", CHOICE, *words, "--out", "run", "--json")
    assert (code, json.loads(out)["steps"]) == (0, 90)
    config = json.loads(Path("run/config.json").read_text())
    assert config["train"]["sac"]["target_entropy_ratio"] == 0.5
    assert config["train"]["symmetric"] is False
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    logged = next(row for row in rows if "train/target_entropy" in row)
    assert logged["train/target_entropy"] == pytest.approx(0.5 * np.log(3))
    code, out, _ = call(capsys, "train", "--resume", "run", "--steps", "10", "--json")
    assert (code, json.loads(out)["steps"]) == (0, 100)
    code, out, _ = call(capsys, "evaluate", "run", "--episodes", "5", "--json")
    assert code == 0
    assert 0.0 <= json.loads(out)["policies"][0]["mean_reward"] <= 6.0

    suite = ["--suite", "quick", "--clips", "0", "--out", "stress"]
    axes = ["--axes", "action_delay", "packet_loss", "sensor_noise"]
    code, _, said = call(capsys, "evaluate", "run", *suite, *axes)
    assert code == 0
    assert "has discrete actions, which are no amounts" in said
    stressed = [json.loads(line) for line in Path("stress/episodes.jsonl").read_text().splitlines()]
    assert {row["axis"] for row in stressed} >= {"action_delay", "packet_loss", "sensor_noise"}
    assert {row["policy"] for row in stressed} >= {"always 5", "random"}
    rows, _ = stress_test.read(Path("stress"))
    policy, task = Policy.load("run/policy.safetensors"), GymTask(CHOICE.removeprefix("gym:"))
    own, modes = PolicyUnderTest("run", policy, policy.sample), set()
    for row in rows[::9]:
        is_own = row.policy not in task.baselines()
        episode = replay(row, task, own if is_own else None)
        assert (episode.length, episode.reward) == (row.length, row.reward)
        modes.add(("run" if is_own else row.policy, row.mode))
    assert {("run", "mean"), ("run", "sampled")} <= modes
    assert {policy for policy, _ in modes} == {"run", "always 5", "random"}


def test_a_policy_file_of_a_gaussian_for_discrete_actions_is_refused(
    tmp_path: Path, trained: Path
) -> None:
    policy, file = Policy.load(trained / "policy.safetensors"), tmp_path / "policy.safetensors"
    policy.actor.head = SquashedGaussian(3)
    policy.save(file)
    message = "its head is 'squashed gaussian', of discrete actions it is 'categorical'"
    with pytest.raises(PolicyError, match=message):
        Policy.load(file)
    policy.layout = replace(policy.layout, action_scale=(1.0,))
    policy.save(file)
    with pytest.raises(PolicyError, match="a centre and a scale for each of its joints, or none"):
        Policy.load(file)


# -- export --------------------------------------------------------------------


def test_an_exported_file_gives_the_action_and_the_logits(
    tmp_path: Path, trained: Path, task: GymTask
) -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    policy, file = Policy.load(trained / "policy.safetensors"), tmp_path / "policy.onnx"
    assert onnx_export.write(policy, file, np.random.default_rng(0)) < 1e-5
    obs = np.random.default_rng(1).normal(6.0, 2.0, (50, 3)).astype(np.float32)
    action, logits = runtime.InferenceSession(file).run(None, {"observation": obs})
    assert (action.dtype, action.shape) == (np.int64, (50,))
    np.testing.assert_array_equal(action, policy(obs))
    assert len(set(action.tolist())) > 1
    np.testing.assert_allclose(logits, policy.logits(obs), atol=1e-4)
    read = external_policies.load(str(file), task)
    np.testing.assert_array_equal(read(obs), action)
    assert external_policies.task_of(str(file)) == CHOICE

    other = Policy.load(trained / "policy.safetensors")
    other.actor.layers()[-1][1][..., 0].add_(0.01)
    assert 1e-5 < onnx_export.difference(other, file, np.random.default_rng(0)) <= 1.0
    other.actor.layers()[-1][0].neg_()
    assert onnx_export.difference(other, file, np.random.default_rng(0)) == 1.0


def test_the_command_names_the_outputs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    code, out, _ = call(capsys, "export", str(trained), "--out", str(tmp_path / "a.onnx"))
    assert code == 0
    assert "observation -> action, logits" in out
    assert "largest difference of a probability" in out


def test_a_continuous_policy_has_no_logits(task: GymTask) -> None:
    with pytest.raises(PolicyError, match="'gym:Pendulum-v1', has no logits"):
        small_policy(GymTask("Pendulum-v1")).logits(np.zeros((1, 3), np.float32))


@pytest.mark.skipif(find_spec("pygame") is None, reason="the extra box2d is not installed")
def test_a_film_of_a_discrete_policy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--steps", "12", "--random-steps", "4", "--width", "16", "--out", "run"]
    assert call(capsys, "train", "gym:CartPole-v1", *words, "--evaluation-episodes", "1")[0] == 0
    code, out, _ = call(capsys, "record", "run", "--seconds", "0.2", "--json")
    assert code == 0
    assert Path(json.loads(out)["video"]).stat().st_size > 1000


@pytest.mark.skipif(find_spec("Box2D") is None, reason="the extra box2d is not installed")
@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")  # of SWIG, fatal as an error
def test_the_lander_can_be_learnt_on(tmp_path: Path) -> None:
    task = GymTask("LunarLander-v3")
    assert task.action_space.size == 4
    run = train(task, replace(SMALL, steps=80), tmp_path / "run")
    assert run.updates == 20


# -- bad input -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target-entropy-ratio", "1.2"], "target_entropy_ratio must be within [0, 1)"),
        (
            ["--target-entropy-per-action", "-1"],
            "target_entropy_per_action (here -1.0) means nothing: their entropy is held by "
            "target_entropy_ratio, a share of log A nats",
        ),
        (["--log-std-range", "-4", "0"], "log_std_range (here (-4.0, 0.0)) means nothing: leave"),
        (["--target-entropy-final", "-1"], "target_entropy_final (here -1.0) means nothing: their"),
        (["--components", "4"], "components (here 4) means nothing: leave it out"),
        (["--log-std-bound", "clamp"], "log_std_bound (here clamp) means nothing: leave it out"),
        (["--symmetric"], "discrete actions, which declare no mirror image: leave symmetric out"),
        (["--preset", "classic"], "discrete actions, for which target_entropy_per_action"),
    ],
)
def test_settings_of_continuous_actions_are_refused(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, said = call(capsys, "train", CHOICE, "--steps", "10", *words)
    assert (code, out) == (2, "")
    assert message in said.replace("\n", " ")
    assert not list(tmp_path.rglob("config.json"))


def test_a_ratio_means_nothing_for_continuous_actions(tmp_path: Path) -> None:
    config = TrainConfig(steps=1, sac=SacConfig(target_entropy_ratio=0.98), symmetric=False)
    message = r"continuous actions, for which target_entropy_ratio \(here 0.98\) means nothing"
    with pytest.raises(UsageError, match=message):
        Trainer(GymTask("Pendulum-v1"), config, tmp_path)


def test_the_learner_follows_from_the_actions(task: GymTask) -> None:
    assert isinstance(agent_of(task, SMALL, 0, 1), DiscreteSac)
    pendulum = agent_of(GymTask("Pendulum-v1"), preset("single"), 0, 1)
    assert not isinstance(pendulum, DiscreteSac)


def test_an_archive_of_another_library_is_refused_unread(tmp_path: Path, task: GymTask) -> None:
    (tmp_path / "model.zip").write_bytes(b"no archive at all")
    with pytest.raises(PolicyError, match=r"can't act on discrete actions.*shape \(N,\), from 0"):
        external_policies.load(str(tmp_path / "model.zip"), task)
