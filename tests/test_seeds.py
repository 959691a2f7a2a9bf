"""What is trained on is never what is evaluated, stress-tested or filmed, whatever the seeds."""

import json
from dataclasses import asdict
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import gym_worlds  # noqa: F401 (registers what it has)
import numpy as np
import pytest

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import evaluate, write_rows
from robo_maxent.learning.config import SacConfig
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.counter_rng import episode_key
from robo_maxent.rendering.video import VideoSettings, record
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import find
from robo_maxent.robustness.traced_rollout import Batch
from robo_maxent.seeds import Purpose, environment_seed, episode_rng, named_rng, patch_rng
from robo_maxent.sim.terrain import KINDS
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.tasks import ROBOT_TASKS, make
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.train import train

N = 40
SEED = 0
"""The seed of a training that nobody chose, and the likeliest to meet others by mistake."""
SEEDS = (0, 1, 2, 2**32, 2**32 + 1, 2**64, 2**128 + 1)
"""Some of one word of 32 bits, and of several, whose first words are those of others."""
PAIRS = tuple(combinations(Purpose, 2))


# -- seeds of any kind of number ------------------------------------------------------


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_a_seed_of_numpy_is_the_seed(kind: Any, tmp_path: Path) -> None:
    task = make("quadruped-flat")
    task.episode_steps = 5
    pendulum = GymTask("test/Counter-v0")
    for of, size in ((task, 12), (pendulum, pendulum.action_space.size)):
        still = partial(_still, size=size)
        rows = evaluate(still, of, kind(2), kind(3))
        assert rows == evaluate(still, of, 2, 3)
        write_rows(rows, tmp_path / "rows.jsonl")
    config = TrainConfig(steps=kind(8), envs=kind(4), seed=kind(3))
    assert json.dumps(asdict(config)) == json.dumps(asdict(TrainConfig(steps=8, envs=4, seed=3)))
    suite = find("nominal")
    still = PolicyUnderTest("still", partial(_still, size=12))
    path = run(suite, task, [still], tmp_path / "suite", kind(3))
    assert json.loads(path.with_name("suite.json").read_text())["seed"] == 3


def _still(obs: np.ndarray, size: int) -> np.ndarray:
    return np.zeros((len(obs), size))


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        (0.5, "seed must be a whole number, got 0.5"),
        (-1, "at least 0, got -1"),
        (2**63, r"seed must be below 2\*\*63, got 9223372036854775808"),
    ],
)
def test_what_is_no_seed_is_refused(seed: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        evaluate(partial(_still, size=12), make("quadruped-flat"), 1, seed)


# -- the tree -----------------------------------------------------------------------


def words(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(2**63, size=2).tolist())


def test_every_branch_of_the_tree_is_another_generator() -> None:
    seen = [
        words(rng)
        for purpose in Purpose
        for seed in SEEDS
        for number in range(4)
        for other in range(4)
        for rng in (
            episode_rng(purpose, seed, number, other),
            named_rng(purpose, seed, number, other, "payload"),
            named_rng(purpose, seed, number, other, "friction"),
            patch_rng(purpose, seed, "waves", number, other),
            patch_rng(purpose, seed, "gaps", number, other),
        )
    ]
    assert len(set(seen)) == len(seen)


def test_the_same_branch_is_the_same_generator() -> None:
    for purpose in Purpose:
        assert words(episode_rng(purpose, 3, 1, 2)) == words(episode_rng(purpose, 3, 1, 2))
        names = [words(named_rng(purpose, 3, 1, 2, "payload")) for _ in range(2)]
        assert names[0] == names[1]


# -- environments of others -----------------------------------------------------------


def environment_seeds(purpose: Purpose, episodes: int, seed: int = SEED) -> set[int]:
    """Seeds of the first episodes of ten simulations."""
    return {environment_seed(purpose, seed, i % 10, i // 10) for i in range(episodes)}


def test_environments_of_others_never_meet_a_seed_for_two_purposes() -> None:
    many = {purpose: environment_seeds(purpose, 10_000) for purpose in Purpose}
    few = {purpose: environment_seeds(purpose, 1_000) for purpose in Purpose}
    for one, other in PAIRS:
        assert not many[one] & few[other], (one, other)
        assert not few[one] & many[other], (one, other)
    # Within a purpose, so few of 29 bits meet almost never.
    assert all(len(seeds) > 10_000 - 5 for seeds in many.values())
    assert all(0 <= seed < 2**32 for seeds in many.values() for seed in seeds)


def test_long_seeds_repeat_no_episode_of_others() -> None:
    episodes = [environment_seeds(Purpose.EVALUATION, 200, seed) for seed in SEEDS]
    assert len(set().union(*episodes)) == sum(map(len, episodes))
    sims, first = np.arange(50), np.zeros(50, np.int64)
    keys = [episode_key(Purpose.EVALUATION, seed, sims, first) for seed in SEEDS]
    assert len(np.unique(keys)) == 50 * len(SEEDS)


def test_seeds_of_environments_follow_from_purpose_and_seed() -> None:
    for purpose in Purpose:
        seeds = environment_seeds(purpose, 500)
        assert environment_seeds(purpose, 500) == seeds
        assert not environment_seeds(purpose, 500, seed=1) & seeds


def gym_starts(task: GymTask, purpose: Purpose, seed: int) -> np.ndarray:
    """What the first two episodes of each simulation draw from their seeds, (2 n,)."""
    env = GymVecEnv(task, 8, seed, purpose=purpose)
    first = env.reset()[:, 0]
    steps = [env.step(np.zeros((8, 1))) for _ in range(3)]
    env.close()
    return np.concatenate([first, steps[-1].obs[:, 0]])


def test_episodes_of_a_gymnasium_id_have_nothing_in_common_for_two_purposes() -> None:
    task = GymTask("test/Seeded-v0")
    starts = {purpose: gym_starts(task, purpose, SEED) for purpose in Purpose}
    for one, other in PAIRS:
        assert not np.intersect1d(starts[one], starts[other]).size, (one, other)
    np.testing.assert_array_equal(gym_starts(task, Purpose.FILM, SEED), starts[Purpose.FILM])
    assert not np.intersect1d(gym_starts(task, Purpose.FILM, 1), starts[Purpose.FILM]).size


# -- terrain --------------------------------------------------------------------------

RANDOM = [name for name, kind in KINDS.items() if kind.random]


def hardest(kind: str, purpose: Purpose, seed: int = SEED) -> np.ndarray:
    """Heights of two variants of the hardest patch of a kind, m, (2, S, S)."""
    return TerrainPool((kind,), levels=2, variants=2, seed=seed, purpose=purpose).heights[2:]


def test_random_terrain_differs_for_every_two_purposes() -> None:
    for kind in RANDOM:
        patches = {purpose: hardest(kind, purpose) for purpose in Purpose}
        np.testing.assert_array_equal(hardest(kind, Purpose.FILM), patches[Purpose.FILM])
        for one, other in PAIRS:
            for patch in patches[one]:
                assert not any(np.array_equal(patch, each) for each in patches[other]), kind
        assert not np.array_equal(hardest(kind, Purpose.FILM, seed=1), patches[Purpose.FILM])


@pytest.mark.parametrize("name", ["quadruped-rough", "quadruped-getup"])
def test_a_policy_is_judged_and_filmed_on_patches_that_no_training_has(name: str) -> None:
    trained = make(name, kinds=("waves",))
    assert trained.terrain is not None
    known = {patch.tobytes() for patch in trained.terrain.heights}
    for purpose in (Purpose.VALIDATION, Purpose.EVALUATION, Purpose.FILM):
        unseen = trained.unseen(trained.terrain.seed, purpose).terrain
        assert unseen is not None
        bumpy = [patch for patch in unseen.heights if patch.any()]  # level 0 may be flat
        assert bumpy
        assert not known & {patch.tobytes() for patch in bumpy}


# -- episodes of our tasks ------------------------------------------------------------


DRAWING = [
    name for name in ROBOT_TASKS if not name.endswith("-fork") and not name.startswith("dm-")
]
"""Tasks whose episodes differ in more than where they begin."""


@pytest.fixture(scope="module", params=DRAWING)
def task(request: pytest.FixtureRequest) -> Any:
    return make(request.param)


def begun(task: Any, purpose: Purpose, seed: int, directory: Path) -> MujocoVecEnv[Any, Any]:
    """N simulations as whoever has the purpose makes them, at their beginning."""
    if purpose is Purpose.TRAINING:
        env = task.training_env(N, seed, 1, directory)
    elif purpose is Purpose.STRESS_TEST:
        trial, patches = task.trial(), np.zeros(N, np.int64)
        nominal = episode_params.nominal(trial.perturbations, trial.robot, N)
        env = Batch(trial, nominal, np.arange(N), seed, patches).env()
    else:
        env = task.evaluation_env(N, seed, purpose=purpose)
    env.reset()
    return env


def draws(env: MujocoVecEnv[Any, Any]) -> dict[str, np.ndarray]:
    """Numbers that N episodes drew from ranges, by name, (numbers,); constants are left out."""
    robot = env.task.robot
    joints = env.batch.bind("qpos")[:, robot.qpos_adr]
    inside = (joints > robot.joint_range[:, 0]) & (joints < robot.joint_range[:, 1])
    drawn = {"joint position": joints[inside]}
    if robot.spec.objects:  # whose hands begin in places of one list: the objects tell
        places = {"object": env.state.object_position[:, 0, :2], "goal": env.state.goal[:, :2]}
        drawn = {name: place.ravel().copy() for name, place in places.items()}
    tracking = env.task.tracking(env.episode, env.state)
    if tracking is not None:
        drawn["command"] = tracking.command[tracking.command != 0.0]
    nominal = episode_params.nominal(env.task.perturbations, robot, env.n)
    for name, values in env.params.items():
        varied = values[values != nominal[name]]
        if values.dtype.kind == "f" and len(np.unique(varied)) > 1:
            drawn[name] = varied
    return {name: numbers for name, numbers in drawn.items() if numbers.size}


def test_episodes_of_two_purposes_have_nothing_in_common(task: Any, tmp_path: Path) -> None:
    drawn = {purpose: draws(begun(task, purpose, SEED, tmp_path)) for purpose in Purpose}
    for one, other in PAIRS:
        for name in drawn[one].keys() & drawn[other].keys():
            assert not np.intersect1d(drawn[one][name], drawn[other][name]).size, (one, other, name)
    assert drawn[Purpose.STRESS_TEST].keys() <= {"joint position", "command", "object", "goal"}
    assert len(drawn[Purpose.TRAINING]) >= 3, "hardly anything was drawn: the test saw nothing"
    assert drawn[Purpose.TRAINING].keys() == drawn[Purpose.EVALUATION].keys()


def test_purpose_and_seed_say_what_an_episode_is(task: Any, tmp_path: Path) -> None:
    for purpose in (Purpose.TRAINING, Purpose.STRESS_TEST, Purpose.FILM):
        first, again, other = (
            draws(begun(task, purpose, seed, tmp_path)) for seed in (SEED, SEED, SEED + 1)
        )
        assert first.keys() == again.keys() == other.keys()
        for name, numbers in first.items():
            np.testing.assert_array_equal(again[name], numbers)
            assert not np.intersect1d(other[name], numbers).size, (purpose, name)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2, 3, 4)], ids=str)
def test_noise_of_two_purposes_or_seeds_has_nothing_in_common(seeds: tuple[int, ...]) -> None:
    sims, episodes = (part.ravel() for part in np.meshgrid(np.arange(200), np.arange(20)))
    keys = [episode_key(purpose, seed, sims, episodes) for purpose in Purpose for seed in seeds]
    assert len(np.unique(keys)) == np.size(keys)
    np.testing.assert_array_equal(episode_key(Purpose(0), seeds[0], sims, episodes), keys[0])


# -- from end to end ------------------------------------------------------------------


Starts = dict[Purpose, set[bytes]]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Every state in which an episode begins while a test runs, by what its simulations are for."""
    seen: Starts = {purpose: set() for purpose in Purpose}
    begin = MujocoVecEnv._begin

    def noting(env: MujocoVecEnv[Any, Any], ids: np.ndarray) -> None:
        begin(env, ids)
        seen[env.purpose] |= {row.tobytes() for row in env.batch.bind("qpos")[ids]}

    monkeypatch.setattr(MujocoVecEnv, "_begin", noting)
    return seen


def stand(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 12))


def test_a_run_and_all_that_judges_it_with_its_seed_share_no_start(
    starts: Starts, tmp_path: Path
) -> None:
    task = make("quadruped-flat")
    task.episode_steps = 20
    config = TrainConfig(
        steps=400,
        envs=8,
        seed=SEED,
        random_steps=16,
        replay_capacity=1000,
        evaluate_every=200,
        evaluation_episodes=10,
        threads=1,
        sac=SacConfig(width=16, batch_size=16),
    )
    train(task, config, tmp_path / "run")
    evaluate(stand, task, episodes=50, seed=SEED)
    settings = VideoSettings(width=64, height=64, fps=10)
    record(stand, task, SEED, tmp_path / "film.mp4", settings=settings)
    begun(task, Purpose.STRESS_TEST, SEED, tmp_path)
    assert all(len(states) > 0 for states in starts.values())
    for one, other in PAIRS:
        assert not starts[one] & starts[other], (one, other)
