"""Soft Actor-Critic for legged robots and manipulation in MuJoCo, on an ordinary machine.

The modules follow the data, each importing only from those before it:

    assets -> robot -> task -> vec_env            numpy: the physics side
    replay -> networks -> sac -> policy           torch: the learning side
    checkpoint -> evaluate -> stats -> video      what a run leaves, and how good it is
    trainer -> train -> cli                       the loop, and the command line

Letters in shape comments: ``N`` simulations, ``B`` batch, ``A`` actions, ``O`` observation size,
``E`` critics in the ensemble. SI units throughout; angles in radians.

Nothing heavy is imported here: ``from robo_maxent import tasks`` loads no torch,
``from robo_maxent import sac`` loads no mujoco. But where Gymnasium is loaded already, the tasks
are registered with it, and that does load mujoco.
"""

import sys

__version__ = "0.1.0"

if "gymnasium" in sys.modules:
    import robo_maxent.interop.gym_registration  # noqa: F401
