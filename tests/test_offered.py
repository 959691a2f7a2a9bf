"""What a script gets from the package itself."""

import pytest

import robo_maxent
from robo_maxent import tasks
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop.gym_registration import register
from robo_maxent.rendering.video import record
from robo_maxent.robustness.stress_test import stress_test
from robo_maxent.training.train import train


def test_the_package_offers_its_functions() -> None:
    offered = {name: getattr(robo_maxent, name) for name in robo_maxent.__all__}
    assert offered == {
        "evaluate": evaluate,
        "make_task": tasks.make,
        "record": record,
        "register": register,
        "stress_test": stress_test,
        "train": train,
    }


def test_what_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'robo_maxent' has no attribute 'trian'"):
        _ = robo_maxent.trian
