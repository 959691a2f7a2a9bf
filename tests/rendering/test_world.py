"""What the eye sees is where the simulation has it."""

import pytest

from robo_maxent.rendering.world import DecoratedWorld
from robo_maxent.tasks import make


@pytest.mark.parametrize("name", ["point-fork", "quadruped-fork"])
def test_the_lid_of_a_closed_way_is_drawn_and_the_next_snapshot_has_it_open(name: str) -> None:
    task = make(name)
    env, world = task.evaluation_env(2, 0), DecoratedWorld(task)
    env.reset()
    env.change(1, {"blocked": 1})
    left, right = task.robot.lids
    world.show(env.snapshot(1))
    assert world.data.xpos[left, 2] == 0.0
    assert world.data.xpos[right, 2] < 0.0
    world.show(env.snapshot(0))
    assert (world.data.xpos[[left, right], 2] < 0.0).all()
