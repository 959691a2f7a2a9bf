"""Files of right syntax and wrong content are accepted, or refused in a line; nothing else."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from hand_rows import declared, row
from small_policy import small_policy

from robo_maxent.cli.arguments import saved_options
from robo_maxent.errors import PolicyError, RoboMaxentError
from robo_maxent.from_json import typed
from robo_maxent.report import html
from robo_maxent.report.rows import Grip, Push
from robo_maxent.robustness import stress_test
from robo_maxent.robustness.plan import batch_of
from robo_maxent.robustness.store import Store
from robo_maxent.spaces import Layout
from robo_maxent.tasks import make
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import read_config, resumed

FLAT = make("quadruped-flat")
WRONG = [None, True, 0, -1, 1e308, float("nan"), 10**30, "", "x", [], [1], {}, {"a": 1}, [[]]]


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


LAYOUT = json.loads(small_policy(FLAT).layout.to_json())
CONFIG = as_json({"task": "quadruped-flat", **FLAT.options, "train": asdict(TrainConfig())})
ROW = as_json(
    row(
        "push",
        1.0,
        params={"payload": 1.0},
        pushes=(Push(1.0, 2.0, 0.1, None, True, 0.3, 0.3),),
        grip=Grip(1.0, True, None, 0.5),
        command=(1.0, 0.0, 0.0),
        places={"cube": (0.0, 1.0)},
    ).to_json()
)
SUITE = as_json(
    {"format": 3, "task": "quadruped-flat", "task_options": {}, "seed": 1, "versions": {"a": "1"}}
    | {"policies": [{"label": "walker", "file": "run", "sha256": None}], "notes": ["a"]}
    | {"capture_impulse": {"lateral": 1.0, "longitudinal": 1.0, "mass": 3.0}}
    | declared(push=[0.0, 1.0])
)


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value of JSON."""
    yield before
    keys = range(len(value)) if isinstance(value, list) else value
    for key in keys if isinstance(value, dict | list) else ():
        yield from places(value[key], (*before, key))


def changed(value: Any, count: int) -> Iterator[Any]:
    """The value with one part of it gone, or something else."""
    rng, everywhere = random.Random(0), list(places(value))[1:]
    for _ in range(count):
        other = inner = copy.deepcopy(value)
        *outer, last = rng.choice(everywhere)
        for key in outer:
            inner = inner[key]
        if rng.random() < 0.2:
            del inner[last]
        else:
            inner[last] = rng.choice(WRONG)
        yield other


def read_layout(saved: Any) -> None:
    try:
        Layout.from_json(json.dumps(saved)).require(small_policy(FLAT).layout)
    except ValueError as error:  # who reads the file says which it is
        raise PolicyError(str(error)) from error


def read_run(saved: Any) -> None:
    Path("config.json").write_text(json.dumps(saved))
    resumed(Path(), TrainConfig(steps=1))
    options = saved_options(read_config(Path()))
    if options.get("randomization") != CONFIG["randomization"]:
        FLAT.ranges(options.get("randomization", "none"))


def read_stress_test(suite: Any, saved: Any) -> None:
    Path("suite.json").write_text(json.dumps(suite))
    Path("episodes.jsonl").write_text(json.dumps(saved) + "\n")
    rows, description = stress_test.read(".")
    batch_of(rows[0], FLAT)
    if saved == ROW:
        html.write(rows, description, "report.html", {}, "")


def go_on(saved: Any) -> None:
    Store("store", SUITE, ["a"], {}).close()
    path = Path("store/suite.json")
    whole = path.read_text()
    path.write_text(json.dumps({**saved, "plan": json.loads(whole)["plan"]}))
    try:
        Store("store", SUITE, ["a"], {}).close()
    finally:
        path.write_text(whole)


@pytest.mark.parametrize(
    ("value", "count", "read"),
    [
        (LAYOUT, 150, read_layout),
        (CONFIG, 100, read_run),
        (ROW, 150, lambda saved: read_stress_test(SUITE, saved)),
        (SUITE, 80, lambda saved: read_stress_test(saved, ROW)),
        (SUITE, 60, go_on),
    ],
    ids=["layout", "config", "row", "suite", "continued suite"],
)
def test_content_is_accepted_or_refused_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: Any,
    count: int,
    read: Callable[[Any], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    read(value)
    refused = []
    for other in changed(value, count):
        try:
            read(other)
        except RoboMaxentError as error:
            refused.append(str(error))
    assert len(refused) > count / 3
    assert [text for text in refused if "\n" in text or len(text) > 600] == []


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 1
    share: float | None = None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (float, 3, 3.0),
        (Part, {"name": "a", "more": 1}, Part("a")),
        (tuple[Part, ...], [{"name": "a", "share": 1}], (Part("a", 1, 1.0),)),
        (tuple[float, str], [1, "m"], (1.0, "m")),
        (dict[str, float | None], {"a": None, "b": 2}, {"a": None, "b": 2.0}),
        (int | str | None, "x", "x"),
    ],
)
def test_json_becomes_what_a_type_asks_for(kind: Any, value: Any, expected: Any) -> None:
    assert typed(kind, value, "it") == expected


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, True, "it must be a whole number, got True"),
        (float, 2**63, "it must be a number, got 9223372036854775808"),
        (Part, {"size": 1}, "it lacks 'name'"),
        (Part, {"name": "a", "share": "x"}, "share of it must be a number, got 'x'"),
        (tuple[Part, ...], [{"name": 1}], "name of element 1 of it must be text, got 1"),
        (tuple[float, str], [1], r"it must have 2 elements, got \[1\]"),
        (dict[str, float], {"a": None}, "'a' of it must be a number, got None"),
        (tuple[float, ...], "x" * 1000, "it must be a list, got 'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
    ],
)
def test_what_a_type_does_not_allow_is_named(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        typed(kind, value, "it")
