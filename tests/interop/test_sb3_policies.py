"""Archives of Stable-Baselines3 act as they do there, and only what acting needs is unpickled."""

import importlib
import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from robo_maxent.cli import main
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import external_policies, sb3_policies
from robo_maxent.tasks import make

WALK = "robo_maxent:robo_maxent/QuadrupedFlat-v0"


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("stable_baselines3", reason="the extra sb3 is not installed")


@pytest.fixture
def task() -> EnvFactory:
    task = make("quadruped-flat")
    task.episode_steps = 50
    return task


def small() -> dict[str, Any]:
    """Arguments of a small model; the library writes into what it is given."""
    return {"policy_kwargs": {"net_arch": [8]}, "device": "cpu", "seed": 5}


def archive(path: Path, **data: Any) -> str:
    """What looks like an archive, without weights."""
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("data", json.dumps(data))
    return str(path)


def refusal(named: str, task: EnvFactory, normalize: str | None = None) -> str:
    with pytest.raises((PolicyError, UsageError)) as refused:
        external_policies.load(named, task, normalize)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- with the library ----------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["SAC", "TD3", "PPO", "DDPG"])
def test_an_archive_gives_the_rows_of_its_model(
    library: Any, tmp_path: Path, task: EnvFactory, algorithm: str
) -> None:
    model = getattr(library, algorithm)("MlpPolicy", gymnasium.make(WALK), **small())
    model.save(tmp_path / "model.zip")
    act = external_policies.load(str(tmp_path / "model.zip"), task)

    def predict(obs: np.ndarray) -> np.ndarray:
        return model.predict(obs, deterministic=True)[0]

    obs = 10.0 * np.random.default_rng(0).normal(size=(5, task.policy_size)).astype(np.float32)
    np.testing.assert_array_equal(act(obs), predict(obs))
    assert act(obs).std() > 1e-3, "the actions are too small to say anything"
    rows = evaluate(act, task, episodes=3, seed=4)
    assert rows == evaluate(predict, task, episodes=3, seed=4)


def test_another_range_of_actions_is_mapped_to_that_of_the_task(
    library: Any, tmp_path: Path, task: EnvFactory
) -> None:
    pendulum = GymTask("Pendulum-v1")
    model = library.SAC("MlpPolicy", "Pendulum-v1", **small())
    model.save(tmp_path / "model.zip")
    act = external_policies.load(str(tmp_path / "model.zip"), pendulum)
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    torque = model.predict(obs, deterministic=True)[0]  # N·m, in [-2, 2]
    np.testing.assert_allclose(2.0 * act(obs), torque, rtol=1e-6)
    np.testing.assert_allclose(act(obs), model.policy.scale_action(torque), rtol=1e-5)


class Fake(gymnasium.Env[Any, Any]):
    """Has spaces and nothing else."""

    def __init__(self, sees: spaces.Space[Any], acts: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = sees, acts


def box(size: int, high: float = 1.0) -> spaces.Box:
    return spaces.Box(-high, high, (size,), np.float32)


@pytest.mark.parametrize(
    ("sees", "acts", "message"),
    [
        (box(45), box(12), "model.zip sees 45 elements of an observation. quadruped-flat gives"),
        (box(50), box(8), "model.zip returns 8 elements of an action. quadruped-flat gives"),
        (box(50), box(12, 3.0), "which is neither [-1, 1] nor what quadruped-flat makes of that"),
        (spaces.Box(-1, 1, (5, 10)), box(12), "The observation_space of "),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    library: Any,
    tmp_path: Path,
    task: EnvFactory,
    sees: spaces.Space[Any],
    acts: spaces.Space[Any],
    message: str,
) -> None:
    library.PPO("MlpPolicy", Fake(sees, acts), **small()).save(tmp_path / "model.zip")
    assert message in refusal(str(tmp_path / "model.zip"), task)


def test_discrete_actions_are_refused(library: Any, tmp_path: Path, task: EnvFactory) -> None:
    env = Fake(box(50), spaces.Discrete(3))
    library.PPO("MlpPolicy", env, **small()).save(tmp_path / "model.zip")
    assert "model.zip is Discrete(3)" in refusal(str(tmp_path / "model.zip"), task)


def test_an_algorithm_that_is_not_read_is_refused(
    library: Any, tmp_path: Path, task: EnvFactory
) -> None:
    library.A2C("MlpPolicy", gymnasium.make(WALK), **small()).save(tmp_path / "model.zip")
    refused = refusal(str(tmp_path / "model.zip"), task)
    assert "of another algorithm; SAC, TD3, PPO of Stable-Baselines3 can be read" in refused
    assert "MODULE:FUNCTION" in refused


class Exploding:
    """Notices being unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _explode, ()


def _explode() -> None:
    raise AssertionError("unpickled")


def test_what_acting_does_not_need_is_not_unpickled(
    library: Any, tmp_path: Path, task: EnvFactory
) -> None:
    model = library.SAC("MlpPolicy", gymnasium.make(WALK), **small())
    model.extra = Exploding()
    model.save(tmp_path / "model.zip")
    np.random.seed(77)  # noqa: NPY002 (not the seed of the model)
    external_policies.load(str(tmp_path / "model.zip"), task)
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(77)  # noqa: NPY002
    assert np.random.random() == drawn, "loading a model seeded a global generator"  # noqa: NPY002
    model.policy_kwargs = {"net_arch": [8], "extra": Exploding()}
    model.save(tmp_path / "model.zip")
    refused = refusal(str(tmp_path / "model.zip"), task)
    assert "model.zip can't be loaded as SAC: AssertionError: unpickled" in refused


def statistics(library: Any, path: Path, size: int, **kwargs: Any) -> Any:
    """Statistics of VecNormalize that are not the identity, as it saves them."""
    env = library.common.vec_env.DummyVecEnv([lambda: Fake(box(size), box(12))])
    normalize = library.common.vec_env.VecNormalize(env, **kwargs)
    if normalize.norm_obs:
        normalize.obs_rms.mean[:], normalize.obs_rms.var[:] = 0.5, 4.0
    normalize.save(str(path))
    return normalize


@pytest.mark.parametrize("norm_obs", [True, False])
def test_statistics_of_the_training_are_applied(
    library: Any, tmp_path: Path, task: EnvFactory, norm_obs: bool
) -> None:
    path = tmp_path / "statistics.pkl"
    normalize = statistics(library, path, 50, norm_obs=norm_obs, clip_obs=2.0)
    model = library.SAC("MlpPolicy", gymnasium.make(WALK), **small())
    model.save(tmp_path / "model.zip")
    obs = 10.0 * np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    seen = np.clip((obs - 0.5) / 2.0, -2.0, 2.0) if norm_obs else obs
    np.testing.assert_allclose(normalize.normalize_obs(obs), seen, rtol=1e-5)
    act = external_policies.load(str(tmp_path / "model.zip"), task, str(path))
    np.testing.assert_allclose(act(obs), model.predict(seen, deterministic=True)[0], atol=1e-5)


def test_statistics_that_are_not_are_refused(
    library: Any, tmp_path: Path, task: EnvFactory
) -> None:
    library.SAC("MlpPolicy", gymnasium.make(WALK), **small()).save(tmp_path / "model.zip")
    path, model = tmp_path / "statistics.pkl", str(tmp_path / "model.zip")
    path.write_text("no pickle")
    assert "statistics.pkl can't be unpickled: " in refusal(model, task, str(path))
    path.write_bytes(pickle.dumps({"mean": 0.0}))
    assert "statistics.pkl holds dict, expected VecNormalize" in refusal(model, task, str(path))
    statistics(library, path, 45)
    refused = refusal(model, task, str(path))
    assert "observations of shape (45,), the task's have shape (50,)" in refused


def test_an_extractor_of_the_current_directory_is_found(
    library: Any, tmp_path: Path, task: EnvFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("own_extractor.py").write_text(
        "from stable_baselines3.common.torch_layers import FlattenExtractor\n"
        "class Own(FlattenExtractor):\n"
        "    pass\n"
    )
    with monkeypatch.context() as there:
        there.syspath_prepend(tmp_path)
        own = importlib.import_module("own_extractor").Own
    arguments = small()
    arguments["policy_kwargs"]["features_extractor_class"] = own
    library.PPO("MlpPolicy", gymnasium.make(WALK), **arguments).save("model.zip")
    monkeypatch.delitem(sys.modules, "own_extractor")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path)])
    external_policies.load("model.zip", task)
    assert "own_extractor" in sys.modules


def test_evaluate_takes_pickles_that_are_allowed(
    library: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.PPO("MlpPolicy", "Pendulum-v1", **small()).save(tmp_path / "model.zip")
    words = [str(tmp_path / "model.zip"), "--task", "gym:Pendulum-v1", "--episodes", "2", "--json"]
    with pytest.raises(SystemExit) as stop:
        main.main(["evaluate", *words, "--allow-pickle"])
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out)["policies"][0]["task"] == "gym:Pendulum-v1"


# -- without it ----------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "vecnormalize.pkl",
        "vec_normalize.pkl",
        "rl_model_vecnormalize_500_steps.pkl",  # of CheckpointCallback
        "Walker2d-v5/vecnormalize.pkl",  # of rl-zoo
    ],
)
def test_statistics_beside_an_archive_have_to_be_named(
    tmp_path: Path, task: EnvFactory, place: str
) -> None:
    beside = tmp_path / place
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(pickle.dumps(Exploding()))
    (tmp_path / "replay_buffer.pkl").touch()
    named = archive(tmp_path / "model.zip", target_entropy=-1.0)
    refused = refusal(named, task)
    assert f"{beside} lies beside model.zip: " in refused
    assert f"Say --normalize {beside}, if you trust it: it is a pickle" in refused
    assert "Or say --normalize none" in refused
    assert "Statistics file not found: nowhere.pkl" in refusal(named, task, "nowhere.pkl")
    assert "vecnormalize" not in refusal(named, task, "none")


def test_pickles_are_loaded_only_when_they_are_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive(Path("model.zip"), target_entropy=-1.0)
    for command in ("evaluate", "record"):
        for more in ([], ["--normalize", "stats.pkl"]):
            words = [command, "model.zip", "--task", "quadruped-flat", *more]
            with pytest.raises(SystemExit) as stop:
                main.main(words)
            assert stop.value.code == 2
            said = capsys.readouterr().err
            files = "model.zip and stats.pkl" if more else "model.zip"
            assert f"{files} may hold pickles, which run whatever code was put into them" in said
            assert "if you trust where it is from, add --allow-pickle" in said
            assert said.count("\n") == 1


@pytest.mark.parametrize("package", ["sb3_contrib", "sbx"])
def test_archives_that_only_look_the_same_are_refused(
    tmp_path: Path, task: EnvFactory, package: str
) -> None:
    module = {"__module__": f"{package}.tqc.policies"}
    named = archive(tmp_path / "model.zip", target_entropy=-1.0, policy_class=module)
    assert f"model.zip is of {package}; SAC, TD3, PPO" in refusal(named, task)


@pytest.mark.parametrize(
    "broken",
    [
        lambda path: path.write_text("no archive"),
        lambda path: zipfile.ZipFile(path, "w").close(),
        lambda path: path.write_bytes(zipped("data", "{")),
        lambda path: path.write_bytes(zipped("data", "[]")),
    ],
)
def test_what_is_no_archive_is_named(
    tmp_path: Path, task: EnvFactory, broken: Callable[[Path], Any]
) -> None:
    broken(tmp_path / "model.zip")
    refused = refusal(str(tmp_path / "model.zip"), task)
    assert "model.zip is not an archive of Stable-Baselines3: " in refused


def zipped(name: str, text: str) -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr(name, text)
    return buffer.getvalue()


def test_a_missing_extra_is_named_with_its_command(
    tmp_path: Path, task: EnvFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    named = archive(tmp_path / "model.zip", clip_range=0.2)
    assert "model.zip needs stable_baselines3: pip install 'robo-maxent[sb3]'" in refusal(
        named, task
    )


@pytest.mark.parametrize("algorithm", ["SAC", "TD3", "PPO"])
def test_the_algorithm_is_read_from_its_own_setting(tmp_path: Path, algorithm: str) -> None:
    setting = sb3_policies.ALGORITHMS[algorithm]
    assert sb3_policies._algorithm(tmp_path, {"gamma": 0.99, setting: 0.1}) == algorithm
