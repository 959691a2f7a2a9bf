"""Chosen numbers give an effect what random ones would, if the same were chosen."""

from typing import Any

import numpy as np
import pytest

from robo_maxent.errors import UsageError
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.chosen import ELSEWHERE, ChosenNumbers
from robo_maxent.tasks import make

TASKS: list[Any] = [make("quadruped-flat"), make("arm-pick")]
EFFECTS = [
    pytest.param(task, effect, id=f"{task.name}-{effect.name}")
    for task in TASKS
    for effect in task.perturbations
    if effect.severities and effect.is_scale and effect.name != "gains"  # which draws choices
]


@pytest.mark.parametrize(("task", "effect"), EFFECTS)
def test_an_effect_draws_of_the_quantiles_what_it_draws_of_the_generator(
    task: Any, effect: Any
) -> None:
    """A generator draws uniform numbers from the same quantiles, one after the other."""
    plant, worst = Plant(task.robot, task.control_dt), effect.severities[-1]
    quantiles = np.random.default_rng(7).random(50)
    chosen = effect.at(worst, "any", ChosenNumbers(quantiles), plant)
    drawn = effect.at(worst, "any", np.random.default_rng(7), plant)
    assert chosen.keys() == drawn.keys()
    for name, value in drawn.items():
        np.testing.assert_allclose(chosen[name], value, rtol=1e-12)


def test_choices_are_equally_wide_parts() -> None:
    signs = ChosenNumbers([0.0, 0.49, 0.51, 1.0]).choice([-1.0, 1.0], 4)
    assert signs.tolist() == [-1.0, -1.0, 1.0, 1.0]
    with pytest.raises(UsageError, match="with replacement and equal chances"):
        ChosenNumbers([0.1]).choice([1, 2], p=[0.1, 0.9])


def test_it_says_of_each_number_whether_its_range_is_a_turn() -> None:
    numbers = ChosenNumbers([0.25, 0.5])
    assert numbers.uniform(-np.pi, np.pi) == pytest.approx(-np.pi / 2)
    assert numbers.uniform(2.0, 4.0) == pytest.approx(3.0)
    angles = numbers.uniform(0.0, [1.0, 2.0 * np.pi])
    np.testing.assert_allclose(angles, ELSEWHERE * np.array([1.0, 2.0 * np.pi]))
    assert numbers.circular == [True, False, False, True]


def test_an_effect_that_draws_otherwise_is_named() -> None:
    numbers = ChosenNumbers([0.5])
    numbers.uniform(0.0, 1.0)
    numbers.require_untouched("gusts")
    numbers.normal()
    with pytest.raises(UsageError, match="the effect gusts draws something else than uniform"):
        numbers.require_untouched("gusts")
