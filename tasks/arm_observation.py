"""What policies of the arm see, and what only their critics see in training.

The order of the fields is that of the numbers in an observation, which ``ArmTask.observe`` fills.
"""

from robo_maxent.spaces import Field, columns

# Reflection in the vertical plane ahead of the arm: a vector keeps x and z. The first two axes of
# an object are six numbers; the second axis points the other way in a mirror.
POLAR, AXES = (1, -1, 1), (1, -1, 1, -1, 1, -1)
CAMERA = 0.003  # m, half-width of the noise of a position that a camera measures

GRIPPER = (
    Field("gripper opening", "m", 1, (1,)),
    Field("target of the gripper opening", "m", 1, (1,)),
)
HAND = (
    Field("hand", "m", 3, POLAR),
    Field("hand velocity", "m/s", 3, POLAR),
    Field("lead of the target of the hand", "m", 3, POLAR),
    *GRIPPER,
)
OBJECT = (
    Field("object as seen", "m", 3, POLAR, noise=CAMERA),
    Field("object from hand", "m", 3, POLAR, noise=CAMERA),
    Field("axes of the object", "1", 6, AXES, noise=0.02),
    Field("velocity of the object", "m/s", 3, POLAR, noise=0.02),
    Field("size of the object", "of its own", 1, (1,)),
)
GOAL = (Field("goal", "m", 3, POLAR), Field("way to the goal", "m", 3, POLAR, noise=CAMERA))

SEEN = HAND + OBJECT + GOAL
"""What a policy sees."""
TRUTH = (
    Field("object", "m", 3, POLAR, privileged=True),
    Field("mass of the object", "kg", 1, (1,), privileged=True),
    Field("slope of the table", "rad", 2, (-1, 1), privileged=True),
    Field("height of the table", "m", 1, (1,), privileged=True),
    Field("friction of the table", "1", 1, (1,), privileged=True),
)
"""What only a simulator knows."""

COLUMNS = columns(SEEN + TRUTH)
"""Name of a field -> its columns in an observation of an arm that has a gripper."""
