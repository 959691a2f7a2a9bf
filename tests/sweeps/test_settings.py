"""What is changed of a recipe: every setting can be, and what is wrong is said before a run."""

from dataclasses import fields

import pytest

from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.sweeps.settings import changed, grid, kinds, one_at_a_time, value_of, words
from robo_maxent.training.config import TrainConfig

RECIPE = TrainConfig(steps=1000, seed=4)


def test_every_setting_that_train_has_can_be_changed_but_the_seed() -> None:
    own = {field.name for field in fields(TrainConfig)} - {"seed", "sac"}
    assert kinds().keys() == own | {f"sac.{field.name}" for field in fields(SacConfig)}
    for name in kinds():
        owner = RECIPE.sac if name.startswith("sac.") else RECIPE
        value = getattr(owner, name.removeprefix("sac."))
        assert value_of(name, str(value), "--set") == value
        assert changed(RECIPE, {name: value}) == RECIPE


def test_several_settings_make_a_grid_of_all_combinations() -> None:
    arms = grid(RECIPE, ["sac.gamma=0.95,0.97", "envs=8,16"])
    assert [arm.name for arm in arms] == [
        "gamma=0.95,envs=8",
        "gamma=0.95,envs=16",
        "gamma=0.97,envs=8",
        "gamma=0.97,envs=16",
    ]
    assert [(arm.config.sac.gamma, arm.config.envs) for arm in arms] == [
        (0.95, 8),
        (0.95, 16),
        (0.97, 8),
        (0.97, 16),
    ]
    assert all(arm.config.seed == 4 for arm in arms)


def test_without_a_setting_there_is_the_recipe_alone() -> None:
    (arm,) = grid(RECIPE, [])
    assert (arm.name, arm.config) == ("recipe", RECIPE)


def test_arms_stand_beside_the_recipe_as_it_is() -> None:
    recipe, both = one_at_a_time(RECIPE, ["envs=64 sac.gamma=0.9"])
    assert recipe.config == RECIPE
    assert (both.config.envs, both.config.sac.gamma) == (64, 0.9)
    assert words(both.changes) == "envs=64 sac.gamma=0.9"


def test_values_in_brackets_words_and_nothing_are_values() -> None:
    texts = ["sac.log_std_range=(-5,0),[-4, 1]", "symmetric=true,False", "precision=fp32"]
    arms = grid(RECIPE, [*texts, "sac.learning_rate_held=none"])
    assert [arm.config.sac.log_std_range for arm in arms[::2]] == [(-5.0, 0.0), (-4.0, 1.0)]
    assert [arm.config.symmetric for arm in arms] == [True, False, True, False]
    assert {(arm.config.precision, arm.config.sac.learning_rate_held) for arm in arms} == {
        ("fp32", None)
    }
    again = one_at_a_time(RECIPE, [words(arms[0].changes)])[1]
    assert again.config == arms[0].config


def test_a_name_too_long_for_a_directory_is_a_number() -> None:
    arms = one_at_a_time(RECIPE, [" ".join(f"sac.{f}=0.0123" for f in LONG)])
    assert [arm.name for arm in arms] == ["recipe", "arm-1"]


LONG = ("weight_decay", "alpha_learning_rate", "actor_average", "initial_alpha", "learning_rate")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["sac.gama=0.9"], "Unknown setting 'sac.gama'. Did you mean 'sac.gamma'?"),
        (["gamma=0.9"], "Did you mean 'sac.gamma'?"),
        (["sac.learning-rate=1"], "Did you mean 'sac.learning_rate'?"),
        (["sac.gamma"], "--set takes a setting with values, as --set sac.gamma=0.95,0.97; got"),
        (["sac.gamma=0.9,"], "--set takes a setting with values"),
        (["sac.gamma=0.9,1.5"], "--set sac.gamma=1.5: gamma must be in (0, 1], got 1.5"),
        (["sac.gamma=high"], "--set sac.gamma=high: sac.gamma must be a number, got 'high'"),
        (["envs=8.5"], "--set envs=8.5: envs must be a whole number, got 8.5"),
        (["precision=fp16"], "precision must be one of auto, fp32, bf16, got 'fp16'"),
        (["sac.gamma=0.9,0.90"], "--set has gamma=0.9 twice"),
        (["sac.gamma=0.9", "sac.gamma=0.8"], "--set sac.gamma is given twice"),
        (["seed=1,2"], "the seed is no setting: --seeds says how many there are"),
        (["minutes=1,2"], "--set minutes gives each run its budget, and so does --steps 1000: lea"),
        (["steps=5,6"], "--set steps gives each run its budget, and so does --steps 1000: leave"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_right(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        grid(RECIPE, texts)
    assert message in str(refused.value)


def test_budgets_are_compared_unless_they_end_after_the_same_steps() -> None:
    recipe = TrainConfig(envs=128)
    arms = grid(recipe, ["steps=128,129"])
    assert [arm.config.steps for arm in arms] == [128, 129]
    with pytest.raises(UsageError, match="steps=5 and steps=6 are the same training, for 128"):
        grid(recipe, ["steps=5,6"])
    assert len(grid(recipe, ["steps=5,6", "envs=1"])) == 2
    assert [arm.config.minutes for arm in grid(recipe, ["minutes=1,2"])] == [1.0, 2.0]
    longer = one_at_a_time(TrainConfig(steps=1000), ["steps=2000"])
    assert [arm.config.steps for arm in longer] == [1000, 2000]
