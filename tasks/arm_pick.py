"""Pick an object up from a table that differs in each episode, and bring it to a goal.

Half of the goals are in the air. In training some episodes begin with the object in the gripper or
below it, since it would hardly ever get there by chance (Andrychowicz et al. 2017 begin half of
theirs so). The reward is dense and nothing is relabelled: most goals that are achieved by chance
are objects that lay still.
"""

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.tasks.arm import ArmTask, Handling
from robo_maxent.tasks.arm_goals import BRING, apart
from robo_maxent.tasks.tabletop import CLEARANCE

AIR_SHARE = 0.5  # of the goals
AIR = (0.06, 0.25)  # m above where the object would lie: lower than that, lying would do
HELD_SHARE, NEAR_SHARE = 0.3, 0.2  # of the episodes in training
NEAR = (0.02, 0.08)  # m of the hand above the top of the object, where it begins over it
HELD_WITHIN = 0.03  # m of the hand: an object is held
HELD_WIDTH = 1.5  # times its half-width, that the fingers may be apart: one may be turned
HELD_ABOVE = (0.05, 0.30)  # m above the table

# The script.
APPROACH = 0.07  # m above the object that it comes from
ALIGNED = 0.012  # m beside the object: nearer, and it goes down to it
CENTRED = 0.006  # m from the object: nearer, and it closes the gripper
SLOW = 0.05  # m/s: the hand must be slower for that
SLIPPED = 0.03  # m from a closed gripper: an object farther away is not in it


class ArmPick(ArmTask):
    """Bring the object to the goal, on the table or in the air."""

    name = "arm-pick"
    summary = "an arm picks objects up from uneven tables and brings them to goals, half in the air"
    needs_gripper = True
    goal = BRING

    def holding(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """Whether the object is between fingers about as far apart as it is wide, bool, (N,)."""
        away = apart(state.object_position[:, 0], state.site_position["hand"])
        half = self.robot.object_half[0, 1] * episode.params["object_size"][:, 0]
        return (away < HELD_WITHIN) & (self.opening(state) < HELD_WIDTH * half)

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the object on the table; in training, at times into the gripper or below it."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        goal = surface.lying(rng.uniform(*self.objects), above, 0.0)[0]
        lifted, in_air = rng.uniform(*AIR), rng.random() < AIR_SHARE
        goal[2] += lifted * in_air
        chance, facing = rng.random(), rng.uniform(-np.pi, np.pi)
        if self.assisted and chance < HELD_SHARE:
            start = self.hand_above(surface, HELD_ABOVE, rng)
            pose = self.starts[0][start], np.array([1.0, 0.0, 0.0, 0.0])
            return self.begin(episode, sim, surface, start, pose, goal, opening=above)
        if self.assisted and chance < HELD_SHARE + NEAR_SHARE:
            top = 2.0 * above
            start = self.hand_above(surface, (top + NEAR[0], top + NEAR[1]), rng)
            place = self.starts[0][start][:2] + rng.uniform(-0.02, 0.02, 2)
        else:
            start = self.hand_above(surface, CLEARANCE, rng)
            place = rng.uniform(*self.objects)
        pose = surface.lying(place, above, facing)
        return self.begin(episode, sim, surface, start, pose, goal)

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Go over the object, down to it, close the gripper, and bring it to the goal, (N, 4).

        It needs no memory: what it does next follows from where things are.
        """
        see = self.seen(obs)
        to_object, half = see["object from hand"], self.half_heights(see)
        aside = np.sqrt((to_object[:, :2] ** 2).sum(axis=1))
        off = np.maximum(aside, np.abs(to_object[:, 2]))
        target = see["target of the gripper opening"][:, 0]
        speed = np.sqrt((see["hand velocity"] ** 2).sum(axis=1))
        grips = (off < CENTRED) & (speed < SLOW) | (target < self.widest - 1e-3) & (off < SLIPPED)
        holds = grips & (see["gripper opening"][:, 0] < 1.5 * half + 0.002) & (target < 0.6 * half)
        over = to_object + np.where(aside < ALIGNED, 0.0, APPROACH)[:, None] * [0.0, 0.0, 1.0]
        way = np.where(holds[:, None], see["goal"] - see["object as seen"], over)
        return self.steered(see, way, np.where(grips, -1.0, 1.0))
