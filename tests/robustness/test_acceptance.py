"""Limits: read from a file, judged after each round, and tried until they are decided."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from hand_rows import many, row

from robo_maxent.errors import UsageError
from robo_maxent.perturbations.friction import FootFriction
from robo_maxent.report.limits import HOLDS, MISSED, UNCERTAIN, Limit, accepted, judged
from robo_maxent.robustness import acceptance
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.plan import planned
from robo_maxent.robustness.suites import MOST
from robo_maxent.tasks import make

PUSH = Limit("push", 1.0, 0.9)
TASK = make("quadruped-flat")


def of_round(number: int, hits: int, count: int, **more: Any) -> list[Any]:
    """Rows of a round of pushes."""
    return many(hits, count, **({"axis": "push", "severity": 1.0, "round": number} | more))


@pytest.mark.parametrize(
    ("hits", "verdict"), [(64, HOLDS), (60, UNCERTAIN), (40, MISSED), (0, MISSED)]
)
def test_a_limit_is_judged_by_its_episodes(hits: int, verdict: str) -> None:
    each = judged(PUSH, of_round(1, hits, 64))
    assert (each.verdict, each.hits, each.count) == (verdict, hits, 64)
    assert each.holds is (each.shown > 0.9)


def test_the_first_look_that_shows_something_decides() -> None:
    rows = of_round(2, 0, 64) + of_round(1, 64, 64)
    assert judged(PUSH, rows).verdict == HOLDS
    assert judged(PUSH, of_round(1, 57, 64) + of_round(2, 64, 64)).count == 128


def test_what_counts_is_the_mean_action_at_the_condition() -> None:
    others = [
        *of_round(1, 0, 64, mode="sampled"),
        *of_round(1, 0, 64, severity=2.0),
        *of_round(1, 0, 64, axis="friction"),
    ]
    assert judged(PUSH, [*others, *of_round(1, 64, 64)]).hits == 64
    assert judged(PUSH, others).verdict == UNCERTAIN
    assert str(judged(PUSH, [])).startswith("not shown: not run, at least 0.0 % shown")


def test_what_is_counted_is_success_or_survival() -> None:
    rows = [row("push", 1.0, False, survived=True, sim=sim, round=1) for sim in range(64)]
    assert judged(PUSH, rows).verdict == MISSED
    assert judged(Limit("push", 1.0, 0.9, "survived"), rows).verdict == HOLDS


def test_a_round_that_was_not_of_all_cases_alike_does_not_count_for_all() -> None:
    both = of_round(1, 20, 20, case="a") + of_round(1, 20, 20, case="b")
    rows = both + of_round(2, 0, 60, case="a")
    assert judged(Limit("push", 1.0, 0.95), rows).count == 40
    assert judged(Limit("push", 1.0, 0.95, case="a"), rows).count == 80


def test_all_limits_have_to_be_shown() -> None:
    good, bad = judged(PUSH, of_round(1, 64, 64)), judged(PUSH, of_round(1, 0, 64))
    open_ = judged(PUSH, of_round(1, 60, 64))
    assert accepted([good]) == "Accepted: the limit is shown to hold."
    assert accepted([good, good]) == "Accepted: all 2 limits are shown to hold."
    assert accepted([good, bad, open_]) == (
        "Not accepted: of 3 limits, 1 shown not to hold and 1 not shown either way."
    )


def suite(tmp_path: Path, text: str, task: Any = TASK) -> Any:
    """The suite of a file of limits."""
    path = tmp_path / "limits.toml"
    path.write_text(text)
    return acceptance.read(path, task)


ONE = '[[limit]]\naxis = "{axis}"\nseverity = {severity}\nshare = {share}\n'


def one(axis: str = "push", severity: float = 1.0, share: float = 0.9, more: str = "") -> str:
    return ONE.format(axis=axis, severity=severity, share=share) + more


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no limit|lacks 'limit'"),
        ("limit = 3", r"needs tables of the name \[\[limit\]\]"),
        ("[[limit", "is not TOML"),
        ("confidense = 0.9\n" + one(), "Did you mean 'confidence'"),
        (one(more="shares = 1"), "Did you mean 'share'"),
        ('[[limit]]\naxis = "push"', "lacks 'severity', 'share'"),
        (one(axis="pusch"), "Did you mean 'push'"),
        (one(axis="arm_push"), "limit 1: Unknown axis of quadruped-flat 'arm_push'"),
        (one(severity=-1), "severity of push must be 0 to"),
        (one(severity="nan"), "severity of push must be 0 to"),  # type: ignore[arg-type]
        (one(severity=0), "nothing is different at severity 0 of push: give the axis nominal"),
        (one("friction", 0.8), "nothing is different at severity 0.8 of friction"),
        (one("action_delay", 1.5), "must be a multiple of 1"),
        (one(share=1), "share must be above 0 and below 1, got 1; no number of episodes"),
        (one(share=0.9, more="confidence = 1"), "confidence must be above 0 and below 1"),
        (one(more='outcome = "fell"'), "must be one of success, survived"),
        (one(more='case = "lefd"'), "Did you mean 'left'"),
        ("episodes = 63\n" + one(), "episodes must be 64 to 100,000"),
        (one() + one(share=0.8), "limits 1 and 2 are of the same axis"),
        (one(share=0.999), "takes 3,787 episodes to show even if all go well"),
        ("episodes = 5000\n" + one("nominal", 0, 0.999), "undisturbed episodes are 1,000 at most"),
    ],
)
def test_what_is_no_limit_is_refused_at_the_door(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        suite(tmp_path, text)


def test_a_limit_is_a_multiple_of_the_step_of_its_axis_however_it_is_rounded(
    tmp_path: Path,
) -> None:
    file, arm = tmp_path / "limits.toml", make("arm-pick")
    file.write_text(one("gripper_lost", 0.28))  # of which 0.28 % 0.04 is 0.04
    (limit,) = acceptance.read(file, arm).limits
    assert limit.severity == 0.28
    file.write_text(one("gripper_lost", 0.3))
    with pytest.raises(UsageError, match=r"must be a multiple of 0\.04, got 0\.3"):
        acceptance.read(file, arm)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't read .*: No such file"):
        acceptance.read(tmp_path / "limits.toml", TASK)


@pytest.mark.parametrize("name", ["quadruped-flat", "quadruped-rough", "arm-push", "point-fork"])
def test_the_template_is_a_file_of_limits(tmp_path: Path, name: str) -> None:
    task = make(name)
    read = suite(tmp_path, acceptance.template(task), task)
    assert read.limits[0].axis == "nominal"
    assert len(read.limits) > 1


def test_the_template_asks_for_no_severity_at_which_nothing_is_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = float(TASK.robot.model.geom_friction[TASK.robot.foot_geoms[0], 0])
    monkeypatch.setattr(FootFriction, "reference", own)
    read = suite(tmp_path, acceptance.template(TASK), TASK)
    assert [limit.severity for limit in read.limits if limit.axis == "friction"] == [0.1]


def test_rounds_go_on_with_new_starts_until_a_limit_is_decided(tmp_path: Path) -> None:
    read = suite(tmp_path, "episodes = 200\n" + one("payload", 3) + one("friction", 0.3))
    first = acceptance.next_conditions(read, TASK, [], 1)
    assert {(c.axis, c.severity, c.episodes) for c in first} == {
        ("payload", 3.0, 128),
        ("friction", 0.3, 128),
    }
    rows = weighed(1, 115, 128) + many(128, 128, axis="friction", severity=0.3, round=1)
    (second,) = acceptance.next_conditions(read, TASK, rows, 2)
    assert (second.axis, second.round) == ("payload", 2)
    assert second.first == first[0].first + 128
    assert second.episodes == 200 - 128
    rows += weighed(2, 65, 72)
    assert acceptance.next_conditions(read, TASK, rows, 3) == []


def weighed(number: int, hits: int, count: int) -> list[Any]:
    """Rows of a round of payloads."""
    return of_round(number, hits, count, axis="payload", severity=3.0)


def test_starts_are_new_also_after_the_thousandth(tmp_path: Path) -> None:
    read = suite(tmp_path, "episodes = 5000\n" + one("payload", 3))
    (first,) = acceptance.next_conditions(read, TASK, [], 1)
    (to_the_end,) = acceptance.next_conditions(read, TASK, weighed(1, 900, MOST - 6), 2)
    assert to_the_end.episodes == 6
    (beyond,) = acceptance.next_conditions(read, TASK, weighed(1, 900, MOST), 2)
    assert beyond.first % MOST == 0
    assert beyond.first != first.first


def test_cases_are_asked_alike_as_long_as_a_limit_is_of_all(tmp_path: Path) -> None:
    names = acceptance.disturbances(TASK)["dead_joint"].axis.cases
    limits = one("dead_joint", 1, 0.5) + one("dead_joint", 1, 0.6, f'case = "{names[0]}"\n')
    read = suite(tmp_path, limits)
    asked = acceptance.next_conditions(read, TASK, [], 1)
    assert [c.case for c in asked] == list(names)
    assert len({c.episodes for c in asked}) == 1
    rows = [
        each
        for name in names
        for each in of_round(1, 13 if name == names[0] else 20, 20, axis="dead_joint", case=name)
    ]
    (more,) = acceptance.next_conditions(read, TASK, rows, 2)
    assert more.case == names[0]


def test_a_limit_of_one_case_has_all_its_episodes_after_one_of_all_cases(tmp_path: Path) -> None:
    """Neither is ever decided; while both are open, the one case is asked as seldom as others."""
    name, *_ = acceptance.disturbances(TASK)["dead_joint"].axis.cases
    limits = one("dead_joint", 1, 0.5) + one("dead_joint", 1, 0.5, f'case = "{name}"\n')
    limits += one("payload", 3, 0.5) + one("friction", 0.3, 0.5)  # so that rounds are small
    read = suite(tmp_path, "episodes = 256\n" + limits)
    rows: list[Any] = []
    for number in range(1, read.refinement.rounds + 1):
        for asked in acceptance.next_conditions(read, TASK, rows, number):
            rows += [
                row(
                    asked.axis,
                    asked.severity,
                    bool(sim % 2),
                    sim=sim,
                    case=asked.case,
                    round=number,
                )
                for sim in range(asked.first, asked.first + asked.episodes)
            ]
    judgements = [judged(limit, rows) for limit in read.limits]
    assert {each.verdict for each in judgements} == {UNCERTAIN}
    assert min(each.count for each in judgements) >= 256


def test_limits_are_of_one_policy() -> None:
    """The episodes of two would be judged as if they were of one."""
    policies = [PolicyUnderTest(name, lambda obs: obs[:, :12]) for name in ("one", "other")]
    suite = acceptance.suite_of([PUSH], 64, TASK)
    with pytest.raises(UsageError, match="limits are of one policy, got one, other"):
        planned(suite, TASK, policies, 1)
    assert planned(suite, TASK, policies[:1], 1)


LIMITS = """
episodes = 8
[[limit]]
axis = "nominal"
severity = 0
share = 0.1

[[limit]]
axis = "friction"
severity = 0.5
share = 0.1
outcome = "survived"
"""


def test_certify_says_whether_all_limits_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(acceptance, "CALIBRATION", 8)
    for size in ("ROUND", "BATCH"):
        monkeypatch.setattr(acceptance, size, 8)
    budget = ["--steps", "8", "--envs", "4", "--random-steps", "1", "--evaluation-episodes", "2"]
    code, _, said = call(capsys, "train", "point-fork", *budget, "--out", "run")
    assert code == 0, said
    code, out, said = call(capsys, "certify", "run", "--template")
    assert code == 0, said
    Path("all.toml").write_text(out)
    assert acceptance.read(Path("all.toml"), make("point-fork")).limits

    Path("lab.toml").write_text(LIMITS.replace("friction", "sensor_noise"))
    words = ["certify", "run", "--limits", "lab.toml", "--clips", "0"]
    code, out, said = call(capsys, *words, "--json")
    told = json.loads(out)
    assert code == (0 if told["ok"] else 1), said
    assert told["ok"] is all(each["verdict"] == HOLDS for each in told["limits"])
    assert [each["limit"]["axis"] for each in told["limits"]] == ["nominal", "sensor_noise"]
    page = Path(told["report"]).read_text()
    assert told["report"] == "run/certify-lab/report.html"
    assert '<section id="limits">' in page
    code, out, said = call(capsys, *words)  # nothing is run again
    assert out.splitlines()[-1].startswith(("Accepted", "Not accepted"))
    assert "run/certify-lab/report.html" in said

    code, _, said = call(capsys, "certify", "run")
    assert code == 2
    assert "robo-maxent certify run --template > limits.toml" in said
    code, _, said = call(capsys, "certify", "run", "--template", "--out", "limits.toml")
    assert (code, "leave out --limits and --out; to keep it, write >" in said) == (2, True)
