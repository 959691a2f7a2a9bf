"""Push an object across a table that differs in each episode; the gripper may be used, too.

The reward is dense and nothing is relabelled. A cost for each step away from the goal, with
potential-based shaping and four fifths relabelled, was tried and learnt more slowly.
"""

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.tasks.arm import ArmTask, Handling
from robo_maxent.tasks.arm_goals import BRING
from robo_maxent.tasks.tabletop import CLEARANCE

LEAST_WAY = 0.08  # m from the object to the goal
BESIDE_SHARE = 0.5  # of the episodes in training, which begin with the hand beside the object
BESIDE = (0.005, 0.04)  # m between the two then
BESIDE_ABOVE = (0.025, 0.06)  # m above the table: the tips are lower, and to the side
HAND_HALF = (0.009, 0.016)  # m, of the hand along x and y; the latter beside the opening, if any

# The script.
APPROACH = 0.07  # m above the table that it goes behind the object at
BEHIND = 0.03  # m from the side of the object to the hand behind it
ALIGNED = 0.012  # m beside the line through object and goal: nearer, and it goes down
PACE = 0.5  # share of the way that is left, by which it leads the hand
PUSHED = (0.012, 0.06)  # m, limits of that: less moves no object, more is not allowed
MISSED = 0.02  # m beside that line: farther, and it comes again from above
ARRIVED = 0.04  # m to the goal: nearer, and it stops


class ArmPush(ArmTask):
    """Bring the object to the goal, which is on the table."""

    name = "arm-push"
    summary = "an arm pushes an object across an uneven table to a goal"
    goal = BRING

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the object and the goal on the table, apart from each other."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        place, start = rng.uniform(*self.objects), self.hand_above(surface, CLEARANCE, rng)
        if self.assisted and rng.random() < BESIDE_SHARE:
            start = self.hand_above(surface, BESIDE_ABOVE, rng)
            hand = self.starts[0][start][:2]
            ahead = (place - hand) / np.linalg.norm(place - hand)
            half = np.array([HAND_HALF[0], self.widest + HAND_HALF[1]])
            between = np.abs(ahead) @ half + np.sqrt(2.0) * above + rng.uniform(*BESIDE)
            place = hand + between * ahead
        target = rng.uniform(*self.objects)
        while np.linalg.norm(target - place) < LEAST_WAY:
            target = rng.uniform(*self.objects)
        goal = surface.lying(target, above, 0.0)[0]
        pose = surface.lying(place, above, rng.uniform(-np.pi, np.pi))
        return self.begin(episode, sim, surface, start, pose, goal)

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Push the object to the goal from behind, with the gripper closed, (N, 4)."""
        see = self.seen(obs)
        from_object = -see["object from hand"]
        to_goal = (see["goal"] - see["object as seen"])[:, :2]
        left = np.sqrt((to_goal**2).sum(axis=1))
        ahead = to_goal / np.maximum(left, 1e-6)[:, None]
        along = (from_object[:, :2] * ahead).sum(axis=1)
        across = from_object[:, :2] - along[:, None] * ahead
        aside = np.sqrt((across**2).sum(axis=1))
        behind = -(self.half_heights(see) + BEHIND)
        is_behind = (aside < ALIGNED) & (along < behind + ALIGNED)
        low = np.abs(from_object[:, 2]) < ALIGNED
        pushes = (aside < MISSED) & (along < 0.0) & low
        forward = np.where(pushes, np.clip(PACE * left, *PUSHED), behind - along)
        level = np.where(is_behind | pushes, 0.0, APPROACH) - from_object[:, 2]
        level_way = forward[:, None] * ahead - across
        way = np.column_stack([level_way, level]) * (left > ARRIVED)[:, None]
        return self.steered(see, way, -np.ones(len(obs)))
