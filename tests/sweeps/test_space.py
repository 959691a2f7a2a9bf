"""Where a search looks."""

from typing import get_args

import pytest

from robo_maxent.errors import UsageError
from robo_maxent.sweeps.space import CONTINUOUS, DISCRETE, Choice, Range, rounded, space_of
from robo_maxent.training.config import Preset, TrainConfig, preset

RECIPE = TrainConfig(steps=1000)


def test_ranges_are_of_the_type_of_their_setting() -> None:
    texts = ["sac.gamma=0.9..0.99", "sac.tau=1e-3..1e-1:log", "updates_per_step=2..16:log"]
    assert space_of([*texts, "sac.width=128,256", "symmetric=true,false"], RECIPE) == {
        "sac.gamma": Range(0.9, 0.99, is_log=False, is_whole=False),
        "sac.tau": Range(1e-3, 1e-1, is_log=True, is_whole=False),
        "updates_per_step": Range(2, 16, is_log=True, is_whole=True),
        "sac.width": Choice((128, 256)),
        "symmetric": Choice((True, False)),
    }
    assert space_of(["sac.learning_rate_held=10..20"], RECIPE)["sac.learning_rate_held"] == Range(
        10, 20, is_log=False, is_whole=True
    )


@pytest.mark.parametrize("name", get_args(Preset))
def test_the_usual_space_is_one_that_the_recipes_take(name: Preset) -> None:
    texts = DISCRETE if name == "discrete" else CONTINUOUS
    assert len(space_of(texts, preset(name))) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sac.gamma", "--range takes NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE"),
        ("sac.gama=0.9..0.99", "Did you mean 'sac.gamma'?"),
        ("sac.gamma=0.9..1.1", "--range sac.gamma=0.9..1.1: gamma must be in (0, 1], got 1.1"),
        ("sac.gamma=0.99..0.9", "--range sac.gamma=0.99..0.9 must rise"),
        ("sac.weight_decay=0..1:log", "must rise from above 0, for its logarithm is searched"),
        ("sac.gamma=0.9", "leaves nothing to choose"),
        ("updates_per_step=1..2.5", "updates_per_step must be a whole number, got 2.5"),
        ("precision=fp32..bf16", "precision is no number; give its values, as A,B"),
        ("seed=1..9", "the seed is no setting"),
        ("steps=100..900", "--range steps would find the longest training"),
        ("minutes=1..9", "give every trial the same, as --minutes. 'sweep --set minutes=...' comp"),
    ],
)
def test_a_wrong_range_is_refused_with_what_is_right(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        space_of([text], RECIPE)
    assert message in str(refused.value)


def test_a_value_that_is_tried_can_be_typed() -> None:
    values = (0.0012345678, 7, True, "fp32")
    assert [rounded(value) for value in values] == [0.001235, 7, True, "fp32"]
