"""``sweep`` and ``tune``: from a command to statistics, and again from where they were."""

import errno
import itertools
import json
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pytest
import small_robots
from command_line import call
from inline_workers import Do, InlineWorkers

from robo_maxent.cli import commands, tune
from robo_maxent.errors import UsageError
from robo_maxent.sweeps import runner
from robo_maxent.sweeps.run import Ended, Order, Progress, Result
from robo_maxent.sweeps.runner import Runner, Standing

BUDGET = ["--steps", "1000", "--jobs", "1"]
Begun = list[str]


def scored(order: Order, report: Callable[[Progress], None]) -> Ended:
    """A run that takes no time, and is better the larger its discount is."""
    config = order.config
    result = Result(1000, 1.0, None, 100 * config.sac.gamma + 0.01 * (config.seed % 10), 1)
    order.directory.mkdir(parents=True, exist_ok=True)
    row = {"time/total_timesteps": 1000, "eval/mean_reward": result.mean_return}
    (order.directory / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (order.directory / "result.json").write_text(json.dumps(asdict(result)))
    report(Progress(1.0, 1000, 1000, None, result.mean_return))
    return Ended(result)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Do], Begun]:
    """Have runs done by a function; the names of those that are begun."""
    monkeypatch.chdir(tmp_path)

    def have(do: Do) -> Begun:
        workers = InlineWorkers(do)
        monkeypatch.setattr(runner, "Processes", lambda: workers)
        return workers.begun

    return have


def test_results_that_find_no_room_cost_no_run(
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Do], Begun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path, runs: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    names = begun(scored)
    command = ["sweep", "quadruped-flat", "--seeds", "1", "--jobs", "1", "--set", "steps=128,256"]
    monkeypatch.setattr("sys.argv", ["robo-maxent", *command])
    with monkeypatch.context() as patched:
        patched.setattr("robo_maxent.sweeps.curves.draw", full)
        code, _, err = call(capsys, *command)
    assert (code, len(names)) == (1, 2)
    assert "up to 256 steps each" in err
    assert f"Once there is room for the results: robo-maxent {shlex.join(command)}" in err
    assert "No space left on device: runs/quadruped-flat/sweep-steps/curves.png" in err
    assert call(capsys, *command)[0] == 0
    assert len(names) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quadrupe-flat", *BUDGET], "Did you mean 'quadruped-flat'"),
        (["quadruped-flat"], "give each run a budget: --minutes or --steps"),
        (["quadruped-flat", *BUDGET, "--set", "sac.gama=1"], "Did you mean 'sac.gamma'?"),
        (["quadruped-flat", *BUDGET, "--set", "sac.gamma=0.9,2"], "gamma must be in (0, 1], got 2"),
        (["quadruped-flat", *BUDGET, "--seeds", "0"], "seeds must be in 1..10,000, got 0"),
        (["quadruped-flat", *BUDGET, "--seeds", "9" * 20], "seeds must be in 1..10,000, got 999"),
        (["quadruped-flat", *BUDGET, "--jobs", "-1"], "jobs must be at least 0, got -1"),
        (["quadruped-flat", *BUDGET, "--episodes", "0"], "episodes must be at least 1, got 0"),
        (["quadruped-flat", *BUDGET, "--set", "envs=8", "--arm", "envs=4"], "not both"),
        (
            ["quadruped-flat", *BUDGET, "--set", "sac.target_entropy_ratio=0.1"],
            "quadruped-flat has continuous actions, for which target_entropy_ratio",
        ),
        (["quadruped-flat", *BUDGET, "--set", "relabelled=0.5"], "has no goals that could be"),
    ],
)
def test_what_every_run_would_refuse_is_refused_before_any_begins(
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Do], Begun],
    arguments: list[str],
    message: str,
) -> None:
    names = begun(scored)
    code, out, err = call(capsys, "sweep", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not names
    assert not Path("runs").exists()


def test_a_sweep_compares_its_settings_and_is_not_done_twice(
    capsys: pytest.CaptureFixture[str], begun: Callable[[Do], Begun]
) -> None:
    names = begun(scored)
    command = ["sweep", "quadruped-flat", *BUDGET, "--set", "sac.gamma=0.9,0.95,0.8", "--json"]
    code, out, err = call(capsys, *command)
    assert code == 0
    assert names[:4] == ["gamma=0.9/seed-0", "gamma=0.95/seed-0", "gamma=0.8/seed-0", names[3]]
    assert len(names) == 15
    assert "3 settings x 5 seeds: 15 runs of quadruped-flat. 1,000 steps each, 1 at a time" in err
    result = json.loads(out)
    directory = Path("runs/quadruped-flat/sweep-gamma")
    assert result["sweep"] == str(directory)
    verdicts = [arm["comparison"] and arm["comparison"]["verdict"] for arm in result["arms"]]
    assert verdicts == [None, "better", "worse"]
    assert json.loads((directory / "results.json").read_text())["arms"] == result["arms"]
    assert len((directory / "results.csv").read_text().splitlines()) == 16
    assert (directory / "curves.png").is_file()
    assert f"Next: robo-maxent evaluate {directory}/gamma=0.95/seed-0 --suite quick" in err
    names.clear()
    code, out, err = call(capsys, *command[:-1], "--seeds", "6")
    assert names == ["gamma=0.9/seed-5", "gamma=0.95/seed-5", "gamma=0.8/seed-5"]
    assert "of which 15 are finished" in err
    assert "who adds seeds until there is a difference finds one too often" in err
    assert "better (p" in out


def test_a_sweep_of_another_plan_is_refused_with_what_differs(
    capsys: pytest.CaptureFixture[str], begun: Callable[[Do], Begun]
) -> None:
    begun(scored)
    command = ["sweep", "quadruped-flat", "--jobs", "1", "--seeds", "1"]
    assert call(capsys, *command, "--steps", "1000")[0] == 0
    code, _, err = call(capsys, *command, "--steps", "2000")
    assert code == 2
    assert "its steps of recipe is 1000, this one's is 2000" in err


def test_an_interrupted_sweep_says_how_to_continue(
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Do], Begun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(lambda order, report: scored(order, report) if order.config.seed else Ended())
    command = [
        "sweep",
        "quadruped-flat",
        *BUDGET,
        "--seeds",
        "2",
        "--arm",
        "envs=8 precision=fp32",
    ]
    monkeypatch.setattr("sys.argv", ["robo-maxent", *command])
    code, _, err = call(capsys, *command)
    assert code == 130
    assert f"Continue: robo-maxent {shlex.join(command)}" in err


def test_a_failed_run_is_named_with_its_reason_and_the_others_are_kept(
    capsys: pytest.CaptureFixture[str], begun: Callable[[Do], Begun]
) -> None:
    begun(
        lambda order, report: (
            scored(order, report)
            if order.config.seed
            else Ended(error="The learner diverged at 9 steps")
        )
    )
    code, out, err = call(capsys, "sweep", "quadruped-flat", *BUDGET, "--seeds", "4")
    assert code == 1
    assert "recipe/seed-0 failed: The learner diverged at 9 steps" in err
    assert "1 of 4 runs failed. What is finished is kept. Continue:" in err
    assert "3/4" in out


def test_the_options_of_a_sweep_start_from_the_preset_of_its_task(
    capsys: pytest.CaptureFixture[str], begun: Callable[[Do], Begun]
) -> None:
    begun(scored)
    assert call(capsys, "sweep", "arm-reach", *BUDGET, "--seeds", "1", "--gamma", "0.9")[0] == 0
    plan = json.loads(Path("runs/arm-reach/sweep-seeds/plan.json").read_text())
    assert (plan["recipe"]["envs"], plan["recipe"]["sac"]["gamma"]) == (64, 0.9)


def test_a_search_names_its_best_and_the_command_that_checks_it_on_other_seeds(
    capsys: pytest.CaptureFixture[str],
    begun: Callable[[Do], Begun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("optuna")
    seeds: list[int] = []

    def noted(order: Order, report: Callable[[Progress], None]) -> Ended:
        seeds.append(order.config.seed)
        return scored(order, report)

    names = begun(noted)
    command = ["tune", "quadruped-flat", *BUDGET, "--envs", "8", "--trials", "3"]
    command += ["--range", "sac.gamma=0.9..0.99", "--evaluate-every", "100", "--json"]
    monkeypatch.setattr("sys.argv", ["robo-maxent", *command])
    code, out, err = call(capsys, *command)
    assert code == 0
    result = json.loads(out)
    assert len(names) == len(result["trials"]) == 3
    best = max(result["trials"], key=lambda trial: trial["mean_return"])
    assert result["best"] == best
    assert min(seeds) >= tune.FIRST_SEED
    assert "the best of 3 single runs is partly luck" in err
    check = shlex.split(result["check"])
    assert check[:7] == ["robo-maxent", "sweep", "quadruped-flat", *BUDGET]
    assert "--range" not in check
    begun(scored)
    code, out, err = call(capsys, *check[1:], "--json")
    assert code == 0
    checked = json.loads(out)
    assert checked["arms"][0]["name"] == "recipe"
    assert checked["runs"][-1]["sac.gamma"] == str(best["changes"]["sac.gamma"])
    names = begun(scored)
    assert call(capsys, *command, "--trials", "4")[0] == 0
    assert names == ["trial-0003"]


def test_a_search_without_evaluations_is_refused(
    capsys: pytest.CaptureFixture[str], begun: Callable[[Do], Begun]
) -> None:
    names = begun(scored)
    code, _, err = call(
        capsys, "tune", "quadruped-flat", *BUDGET, "--evaluation-episodes", "0", "--trials", "2"
    )
    assert code == 2
    assert "give --evaluation-episodes" in err
    assert not names


@pytest.mark.parametrize("command", ["sweep", "tune"])
def test_a_robot_of_ones_own_is_kept_and_may_move(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    orders: list[Order] = []

    def run(runner: Runner, given: Iterable[Order]) -> dict[str, Standing]:
        orders.extend(itertools.islice(given, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "run", run)
    for place in ("there", "elsewhere"):
        page = small_robots.write_page(Path(place))
        words = [command, "quadruped-flat", "--robot", str(page), "--steps", "64", "--out", "many"]
        with pytest.raises(KeyboardInterrupt):
            commands.parsed(words).run()
        shutil.rmtree(place)
        plan = next(Path("many").glob("*.json")).read_text()
        assert json.loads(plan)["options"]["robot_file"] == "robot.zip"
    tasks = [order.make_task() for order in orders]
    assert tasks[0].options == tasks[1].options
    assert tasks[0].options["robot_file"] == str(Path("many/robot.zip").resolve())
    heavier = small_robots.write_page(Path("heavier"))
    model = heavier.with_name("small.xml")
    model.write_text(model.read_text().replace('mass="6"', 'mass="7"'))
    with pytest.raises(UsageError, match="was begun by another command: its robot of content"):
        commands.parsed([*words[:3], str(heavier), *words[4:]]).run()
