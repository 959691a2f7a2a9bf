"""The directory of a sweep is always of one plan, and one process has it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from robo_maxent.errors import UsageError
from robo_maxent.sweeps.directory import held

PLAN = {"kind": "sweep", "recipe": {"envs": 8}, "arms": [{"name": "gamma=0.9", "changes": {}}]}


def begin(directory: Path, seeds: int = 3, plan: Mapping[str, object] = PLAN) -> int:
    with held(directory, plan, ("seeds", seeds)) as before:
        return before


def test_the_same_command_continues_and_may_have_more_seeds(tmp_path: Path) -> None:
    assert [begin(tmp_path / "a", seeds) for seeds in (3, 3, 5)] == [0, 3, 3]
    with pytest.raises(UsageError, match="a has 5 seeds: give --seeds 5 or more"):
        begin(tmp_path / "a", 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": {"envs": 16}}, "its envs of recipe is 8, this one's is 16. Give another --out"),
        ({"kind": "tune"}, "its kind is 'sweep', this one's is 'tune'"),
        (
            {"arms": [{"name": "gamma=0.8", "changes": {}}]},
            "its arms have gamma=0.9 where this one's have gamma=0.8",
        ),
    ],
)
def test_another_command_is_refused_with_what_differs(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    begin(tmp_path)
    with pytest.raises(UsageError, match=f"was begun by another command: {message}"):
        begin(tmp_path, plan=PLAN | change)
    assert begin(tmp_path) == 3


def test_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    busy = pytest.raises(UsageError, match="another process works on")
    with held(tmp_path, PLAN, ("seeds", 1)), busy:
        begin(tmp_path)
    assert begin(tmp_path) == 1


def test_what_is_no_sweep_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(UsageError, match=r"holds thesis.tex, which is of no sweep"):
        begin(tmp_path)
    with pytest.raises(
        UsageError, match=r"Can't write to .*thesis.tex: .*another place, with --out"
    ):
        begin(tmp_path / "thesis.tex")


@pytest.mark.parametrize("text", ["{", "[]", '{"seeds": "many"}'])
def test_a_damaged_plan_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match=r"plan.json is damaged: give another --out"):
        begin(tmp_path)
