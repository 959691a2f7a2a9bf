"""What a task of one's own does wrong is said as such, with its line; what we do, is not."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

from robo_maxent.envs import task_code
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.envs.task import Initial
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.perturbations.blocked import Blocked
from robo_maxent.perturbations.params import nominal
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.tasks.point_fork import PointFork

N = 2


def fails() -> np.ndarray:
    return np.zeros((3, 2)) + np.zeros((2, 2))


class Sound(PointFork):
    name = "sound"


class Blind(Sound):
    def observe(self, episode: Any, state: Any) -> np.ndarray:
        if episode.elapsed.any():
            fails()
        return super().observe(episode, state)


class Leaving(Sound):
    def reward_terms(self, episode: Any, state: Any, action: np.ndarray) -> dict[str, np.ndarray]:
        raise SystemExit(3)


class Refusing(Sound):
    def terminated(self, episode: Any, state: Any) -> np.ndarray:
        raise UsageError("not today")


class Lost(Sound):
    def position(self, episode: Any, state: Any) -> np.ndarray:
        raise KeyError("floor")


def stepped(task: Sound) -> MujocoVecEnv[Any, Any]:
    env = MujocoVecEnv(task, N, seed=0, threads=1)
    env.reset()
    env.step(np.zeros((N, task.action_size)))
    return env


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (
            Blind,
            r"^Blind\.observe raised ValueError: operands .* \(3,2\) \(2,2\)  ?\(FILE:25, calle",
        ),
        (Leaving, r"^Leaving\.reward_terms raised SystemExit: 3 \(FILE:41\)\.$"),
    ],
)
def test_an_exception_of_a_task_is_said_with_method_and_line(task: type[Sound], says: str) -> None:
    file = re.escape(str(Path(__file__).relative_to(Path.cwd())))
    with pytest.raises(EnvError, match=says.replace("FILE", file)) as raised:
        stepped(task())
    assert raised.value.__cause__ is not None


def test_what_a_task_says_itself_stays_as_it_is() -> None:
    with pytest.raises(UsageError, match=r"^not today$"):
        stepped(Refusing())


def test_what_a_stress_test_reads_is_said_too() -> None:
    task = Lost()
    env = task.trial_env(
        nominal(task.perturbations, task.robot, N), np.arange(N), seed=0, threads=1
    )
    env.reset()
    with pytest.raises(EnvError, match=r"^Lost\.position raised KeyError: 'floor'"):
        task.reading(env)


def test_an_exception_of_ours_stays_one() -> None:
    """Also where the task is someone else's, as long as no code of theirs is on the way."""

    env = stepped(Sound())
    env.batch = None  # type: ignore[assignment]  # as if we had forgotten it
    with pytest.raises(AttributeError):
        env.step(np.zeros((N, env.task.action_size)))


def returning(method: str, value: Any) -> type[Sound]:
    return type("Odd", (Sound,), {method: lambda self, *args: value})


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        (
            "terminated",
            np.zeros(N),
            "must return a bool for each of 2 simulations, and returned fl",
        ),
        ("truncated", np.zeros(3, bool), r"must return a bool for each.*bool of shape \(3,\)"),
        ("reward_terms", np.zeros(N), "must return a dict of named terms, and returned ndarray"),
        ("reward_terms", {"near": np.array(["a", "b"])}, "term near of sound must have a number"),
        ("reset", None, "reset of sound must return an Initial, and returned NoneType"),
        ("reset", Initial(np.zeros(5)), r"must say qpos of shape \(2,\), and says .* \(5,\)"),
        ("reset", Initial(np.array([0.0, np.nan])), "with NaN or infinity: qpos"),
        (
            "control",
            np.zeros(7),
            r"must return shape \(2, 2\), a number for each actuator, .* \(7,\)",
        ),
        ("observe", [0.0], r"observe gives shape \(1,\), its fields say \(2, \d+\)"),
        ("training_metrics", {"speed": "fast"}, "must return numbers: speed is 'fast'"),
    ],
)
def test_what_a_task_returns_is_checked(method: str, value: Any, says: str) -> None:
    with pytest.raises(EnvError, match=says):
        stepped(returning(method, value)()).metrics()


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        ("on_action", np.zeros((N, 1)), r"shape \(2, 2\), and returned ndarray of shape \(2, 1\)"),
        ("on_action", None, r"on_action of sensor_noise must .* returned NoneType of shape \(\)"),
        ("on_state", None, "must return a RobotState, and returned NoneType"),
        ("on_observation", np.zeros((N, 9)), "must change the observations in place, and return"),
    ],
)
def test_what_an_effect_returns_is_checked(method: str, value: Any, says: str) -> None:
    effect = type("Odd", (SensorNoise,), {method: lambda self, *args: value})()
    task = type("Windy", (Sound,), {"perturbations": (Blocked(), effect)})(randomization="hard")
    with pytest.raises(EnvError, match=says):
        stepped(task)


@pytest.mark.parametrize("value", [True, np.zeros(N, bool)])
def test_a_flag_may_be_that_of_all(value: Any) -> None:
    assert task_code.flags(Sound, "truncated", value, N) is not None


def test_numbers_of_numpy_are_plain_in_a_file() -> None:
    plain = task_code.numbers(Sound, "metrics", {"a": np.float32(0.5), "b": None, "c": np.int64(2)})
    assert plain == {"a": 0.5, "b": None, "c": 2.0}
    assert [type(value) for value in plain.values()] == [float, type(None), float]


OWN = """
from robo_maxent.tasks.point_fork import PointFork

class Tiring(PointFork):
    name, left = 'tiring', 30
    def after_step(self, episode, state, action):
        self.left -= 1
        if not self.left:
            raise RuntimeError('tired')
        super().after_step(episode, state, action)
"""


def test_a_training_is_saved_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("tiring_page.py").write_text(OWN)
    words = "--steps 800 --envs 8 --evaluation-episodes 1 --width 16 --threads 1 --out run"
    code, out, said = call(capsys, "train", "tiring_page:Tiring", *words.split())
    assert (code, out) == (1, "")
    assert "Traceback" not in said
    resume = "robo-maxent train tiring_page:Tiring --resume run --minutes 5"
    assert (
        "robo-maxent: Tiring.after_step raised RuntimeError: tired (tiring_page.py:9). All of its "
        "traceback is in run/traceback.txt. The run is saved at 232 steps: mend the environment, "
        f"then continue with {resume}"
    ) in said
    assert Path("run/traceback.txt").read_text().endswith("RuntimeError: tired\n")
    Path("tiring_page.py").write_text(OWN.replace("30", "-1"))
    monkeypatch.delitem(sys.modules, "tiring_page")
    code, _, said = call(capsys, *resume.split()[1:-2], "--steps", "16")
    assert code == 0, said
