import numpy as np

from robo_maxent.sim.fingers import Fingers
from robo_maxent.sim.physics import mujoco

HAND = """<mujoco><worldbody>
<body><joint name="a" type="slide" range="0 0.04" ref="0.01"/><geom size="0.01"/></body>
<body><joint name="b" type="slide" range="-1 1" ref="0.02"/><geom size="0.01"/></body></worldbody>
<equality><joint joint1="b" joint2="a" polycoef="0.003 -2 0 0 0"/></equality></mujoco>"""


def test_an_opening_becomes_a_position_and_is_read_back() -> None:
    model = mujoco.MjModel.from_xml_string(HAND)
    table = ((0.8, 0.0), (0.4, 0.01), (0.1, 0.05))  # closed at the largest angle, and not straight
    fingers = Fingers(model, model.joint("a").id, table)
    openings = np.array([0.0, 0.005, 0.01, 0.03, 0.05])
    np.testing.assert_allclose(fingers.position(openings), [0.8, 0.6, 0.4, 0.25, 0.1])
    np.testing.assert_allclose(fingers.opening(fingers.position(openings)), openings)
    assert fingers.widest == 0.05
    plain = Fingers(model, model.joint("a").id, ())
    assert plain.position(openings) is openings
    assert plain.widest == 0.04


def test_what_follows_is_put_where_the_constraint_holds_it() -> None:
    model = mujoco.MjModel.from_xml_string(HAND)
    Fingers(model, model.joint("a").id, ()).place(qpos := model.qpos0.copy(), 0.03)
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.efc_pos[: data.ne], 0.0, atol=1e-12)
    np.testing.assert_allclose(qpos, [0.03, 0.02 + 0.003 - 2.0 * 0.02])
