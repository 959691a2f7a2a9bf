"""The arm grasps, lifts, holds, shakes and places by a script, before anything is learned on it."""

from dataclasses import dataclass

import mujoco
import numpy as np
import pytest
from mujoco.batch import Batch

from robo_maxent.assets import path as asset
from robo_maxent.sim.kinematics import Chain
from robo_maxent.sim.mjcf import DECORATION_GROUP
from robo_maxent.sim.robot import Robot, RobotSpec, load

FILE = asset("arm.xml")
JOINTS = [f"joint{number}" for number in range(1, 8)]
ARM = load(FILE)
SUBSTEPS = 10  # 40 ms
FASTEST = 0.03  # m of the target in a control step
LEASH = 0.06  # m from the hand to its target
OPEN, FINGER_STEP = 0.04, 0.02  # m
UP = np.array([0.0, 0.0, 1.0])
TOP = np.array([0.525, 0.0, 0.0])  # centre of the table's face, m
HALF_THICKNESS = 0.03  # m
GRAIN = 1e-4  # m: half size of the shape that an episode does not have
VELOCITY = mujoco.mjtStage.mjSTAGE_VEL


@dataclass
class Objects:
    """What N episodes grasp: cubes in the even rows, upright cylinders in the odd ones."""

    half: np.ndarray  # half size, m, (N,)
    mass: np.ndarray  # kg, (N,)
    friction: np.ndarray  # of the pads, (N,)
    at: np.ndarray  # m, (N, 2)
    goal: np.ndarray  # m, (N, 2)
    yaw: np.ndarray  # rad, (N,)


def objects(n: int, rng: np.random.Generator) -> Objects:
    low, high = [0.42, -0.15], [0.62, 0.15]
    return Objects(
        half=rng.uniform(0.015, 0.025, n),
        mass=rng.uniform(0.05, 0.25, n),
        friction=rng.uniform(0.6, 1.2, n),
        at=rng.uniform(low, high, (n, 2)),
        goal=rng.uniform(low, high, (n, 2)),
        yaw=rng.uniform(-0.25, 0.25, n),
    )


def write_objects(batch: Batch, model: mujoco.MjModel, things: Objects) -> None:
    """Sizes, masses and friction; the bounds of the shapes follow from set_const."""
    size, mass, inertia, friction = (
        batch.expand(name) for name in ("geom_size", "body_mass", "body_inertia", "geom_friction")
    )
    box, cylinder = model.geom("object_box").id, model.geom("object_cylinder").id
    body = model.body("object").id
    pads = [model.geom(name).id for name in ("pad_left", "pad_right")]
    is_box = np.arange(len(things.half)) % 2 == 0
    size[:, box] = np.where(is_box, things.half, GRAIN)[:, None]
    size[:, cylinder, :2] = np.where(is_box, GRAIN, things.half)[:, None]
    mass[:, body] = things.mass
    share = np.where(is_box[:, None], 2 / 3, [7 / 12, 7 / 12, 1 / 2])  # of mass times half size²
    inertia[:, body] = share * (things.mass * things.half**2)[:, None]
    friction[:, pads, 0] = things.friction[:, None]
    batch.set_const()


class Script:
    """N arms, moved by where their hands shall be."""

    def __init__(self, model: mujoco.MjModel, things: Objects) -> None:
        self.batch = Batch(model, len(things.half), 1)
        write_objects(self.batch, model, things)
        home = model.key("home")
        self.batch.reset(keyframe=home.id)
        self.chain = Chain(model, "grasp", JOINTS, home.qpos[:7])
        self.site = model.site("grasp").id
        self.qpos, self.ctrl = self.batch.bind("qpos"), self.batch.bind("ctrl")
        self.sites, self.axes = self.batch.bind("site_xpos"), self.batch.bind("site_xmat")
        self.commanded = np.tile(self.chain.home, (self.batch.nsim, 1))
        self.opening = np.full(self.batch.nsim, OPEN)
        self.target = self.hand.copy()

    @property
    def hand(self) -> np.ndarray:
        return self.sites[:, self.site]

    @property
    def object(self) -> np.ndarray:
        return self.qpos[:, 9:12]

    @property
    def grip(self) -> np.ndarray:
        """Where the object is in the frame of the hand, m, (N, 3)."""
        axes = self.axes[:, self.site].reshape(-1, 3, 3)
        return np.einsum("nij,ni->nj", axes, self.object - self.hand)

    def put(self, z: np.ndarray, things: Objects) -> None:
        """Let the objects fall from just above the table, and come to rest."""
        self.object[:] = np.column_stack([things.at, z])
        self.qpos[:, 12:16] = 0.0
        self.qpos[:, 12], self.qpos[:, 15] = np.cos(things.yaw / 2), np.sin(things.yaw / 2)
        self.batch.forward(stage=VELOCITY)
        self.go(self.target.copy(), 15)

    def go(self, goal: np.ndarray, steps: int, close: bool = False) -> None:
        for _ in range(steps):
            self.target += shortened(goal - self.target, FASTEST)
            self.target = self.hand + shortened(self.target - self.hand, LEASH)
            self.commanded = self.chain.step(self.commanded, self.target)
            finger = -FINGER_STEP if close else FINGER_STEP
            self.opening = np.clip(self.opening + finger, 0.0, OPEN)
            self.ctrl[:] = np.column_stack([self.commanded, self.opening])
            self.batch.step(nstep=SUBSTEPS, stage=VELOCITY)

    def grasp(self) -> np.ndarray:
        """Approach, grasp and lift; returns where the hand is told to stay."""
        at = self.object.copy()
        self.go(at + 0.10 * UP, 14)
        self.go(at, 14)
        self.go(at, 12, close=True)
        self.go(at + 0.15 * UP, 25, close=True)
        assert np.all(self.object[:, 2] - at[:, 2] > 0.12)
        return at + 0.15 * UP

    def slip(self, since: np.ndarray) -> float:
        return float(np.linalg.norm(self.grip - since, axis=1).max())

    def place(self, goal: np.ndarray) -> None:
        self.go(goal + 0.10 * UP, 16, close=True)
        self.go(goal + 0.004 * UP, 16, close=True)
        self.go(goal + 0.004 * UP, 6)
        self.go(goal + 0.12 * UP, 20)


def shortened(vectors: np.ndarray, longest: float) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.minimum(1.0, longest / np.maximum(length, 1e-9))


def tilt(
    batch: Batch, table: int, degrees: np.ndarray, towards: np.ndarray, rise: np.ndarray
) -> np.ndarray:
    """Tilt and raise the tables about the centre of their faces; returns normals, (N, 3)."""
    angle = np.radians(degrees)
    normal = np.stack([np.sin(angle) * np.cos(towards), np.sin(angle) * np.sin(towards)], axis=1)
    normal = np.column_stack([normal, np.cos(angle)])
    axis = np.column_stack([-np.sin(towards), np.cos(towards)])
    quaternion = [np.cos(angle / 2), *(np.sin(angle / 2) * axis.T), np.zeros_like(angle)]
    position, orientation = batch.expand("geom_pos"), batch.expand("geom_quat")
    position[:, table] = TOP + rise[:, None] * UP - HALF_THICKNESS * normal
    orientation[:, table] = np.stack(quaternion, axis=1)
    batch.set_const()
    return normal


def bumpy(model_file: str) -> mujoco.MjModel:
    """The table replaced by a height field of bumps, 1 cm from valley to top."""
    spec = mujoco.MjSpec.from_file(model_file)
    for geom in list(spec.geoms):
        if geom.group == DECORATION_GROUP:
            spec.delete(geom)
    x, y = np.meshgrid(np.linspace(0.25, 0.8, 56), np.linspace(-0.4, 0.4, 81))
    spec.add_hfield(
        name="bumps", nrow=81, ncol=56, size=(0.275, 0.4, 0.01, 0.03), userdata=(bump(x, y)).ravel()
    )
    table = spec.geom("table")
    table.type, table.hfieldname = mujoco.mjtGeom.mjGEOM_HFIELD, "bumps"
    table.pos = TOP
    return spec.compile()


def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height over the valleys, of 1."""
    return 0.5 + 0.5 * np.sin(2 * np.pi * x / 0.09) * np.sin(2 * np.pi * y / 0.11)


# -- the model -----------------------------------------------------------------


def test_the_compiled_arm_is_the_one_everything_was_measured_on() -> None:
    robot = Robot(ARM, RobotSpec(FILE, sites={"grasp": "grasp", "object": "object"}))
    links = [ARM.body(f"link{number}").mass[0] for number in range(1, 8)]
    summary = {
        "nq, nv, nu, na": (ARM.nq, ARM.nv, ARM.nu, ARM.na),
        "joints": list(robot.joints),
        "links": round(sum(links), 5),
        "mass": round(robot.mass, 5),
        "timestep": ARM.opt.timestep,
        "keyframes": [ARM.key(i).name for i in range(ARM.nkey)],
        "cameras": [ARM.camera(i).name for i in range(ARM.ncam)],
        "torques": ARM.actuator_forcerange[:, 1].tolist(),
        "solid": [ARM.geom(i).name for i in np.flatnonzero(ARM.geom_contype)],
    }
    assert summary == {
        "nq, nv, nu, na": (16, 15, 8, 0),
        "joints": [*JOINTS, "finger_left"],
        "links": 15.49481,  # 2.92747 + 2.93554 + 2.2449 + 2.6156 + 2.32712 + 1.81704 + 0.627143
        "mass": 16.35481,  # and hand .73, fingers .03, object .1
        "timestep": 0.004,
        "keyframes": ["home"],
        "cameras": ["side", "front", "top"],
        "torques": [87.0] * 4 + [12.0] * 3 + [30.0],
        "solid": [
            "floor",
            "table",
            "hand",
            "pad_left",
            "pad_right",
            "object_box",
            "object_cylinder",
        ],
    }


def test_decorations_change_nothing() -> None:
    last = []
    for model in (ARM, load(FILE, decorations=True)):
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, 0)
        for number in range(40):
            data.ctrl[:] = model.key("home").ctrl
            data.ctrl[1] += 0.02 * number
            mujoco.mj_step(model, data, SUBSTEPS)
        last.append(np.concatenate([data.qpos, data.qvel]))
    np.testing.assert_array_equal(*last)


def test_the_arm_rests_at_home() -> None:
    data = mujoco.MjData(ARM)
    mujoco.mj_resetDataKeyframe(ARM, data, 0)
    mujoco.mj_step(ARM, data, 500)
    np.testing.assert_allclose(data.qpos[:9], ARM.key("home").qpos[:9], atol=1e-3)
    assert data.body("object").xpos[2] == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize("sim", [0, 1])
def test_writing_size_mass_and_inertia_makes_the_object_that_compiling_them_would(sim: int) -> None:
    things = objects(2, np.random.default_rng(0))
    batch = Batch(ARM, 2, 1)
    write_objects(batch, ARM, things)
    spec = mujoco.MjSpec.from_file(str(FILE))
    for geom in list(spec.geoms):
        if geom.group == DECORATION_GROUP:
            spec.delete(geom)
    half, (on, off) = things.half[sim], ("box", "cylinder") if sim == 0 else ("cylinder", "box")
    for shape, size in ((on, half), (off, GRAIN)):
        spec.geom(f"object_{shape}").size = (size, size, size if shape == "box" else 0.0)
    body = spec.body("object")
    body.mass = things.mass[sim]
    body.inertia = batch.expand("body_inertia")[sim, ARM.body("object").id]
    for pad in ("pad_left", "pad_right"):
        spec.geom(pad).friction[0] = things.friction[sim]
    compiled = spec.compile()
    alone = Batch(compiled, 1, 1)
    for each in (batch, alone):
        each.reset(keyframe=0)
        each.bind("qpos")[:, 9:16] = [0.5, 0.0, 0.1, 0.8, 0.4, 0.2, 0.4]
        each.step(nstep=300)
    np.testing.assert_array_equal(batch.bind("qpos")[sim], alone.bind("qpos")[0])


# -- the motion ----------------------------------------------------------------


def test_the_hand_follows_3_cm_a_step_and_is_there_within_a_second() -> None:
    script = Script(ARM, objects(6, np.random.default_rng(0)))
    start, way = np.array([0.5, 0.0, 0.2]), np.concatenate([np.eye(3), -np.eye(3)])
    script.go(np.tile(start, (6, 1)), 10)
    behind = np.zeros((25, 6))
    for step, row in enumerate(behind):
        script.target = start + 0.03 * min(step + 1, 5) * way
        script.commanded = script.chain.step(script.commanded, script.target)
        script.ctrl[:, :7] = script.commanded
        script.batch.step(nstep=SUBSTEPS, stage=VELOCITY)
        row[:] = np.linalg.norm(script.target - script.hand, axis=1)
    assert behind[:5].max() < 0.065  # 80 ms of 0.75 m/s are 60 mm
    assert behind[9:].max() < 0.01  # 0.2 s after the target came to rest
    assert behind[-1].max() < 2e-3


def test_a_steady_lift_does_not_shake_the_hand_sideways() -> None:
    # A target that moves 25 times a second is a staircase. Stiff servos jerk at each stair, the
    # wrist before the shoulder, and the object walks out of the gripper.
    script = Script(ARM, objects(1, np.random.default_rng(0)))
    path = []
    for number in range(1, 16):
        target = np.array([[0.5, 0.0, 0.2 + 0.01 * number]])
        script.commanded = script.chain.step(script.commanded, target)
        script.ctrl[:, :7] = script.commanded
        for _ in range(SUBSTEPS):
            script.batch.step(nstep=1, stage=VELOCITY)
            path.append(script.hand[0].copy())
    acceleration = np.diff(path, n=2, axis=0)[5 * SUBSTEPS :] / ARM.opt.timestep**2
    assert np.abs(acceleration[:, 0]).max() < 8.0  # 20 with the wrist at 2,000 N·m/rad


def test_the_grip_is_15_newtons_a_pad() -> None:
    data = mujoco.MjData(ARM)
    mujoco.mj_resetDataKeyframe(ARM, data, 0)
    data.joint("object").qpos[:3] = [0.5, 0.0, 0.2]
    data.body("object").xfrc_applied[2] = 0.1 * 9.81  # it hovers
    data.ctrl[7] = 0.0
    mujoco.mj_step(ARM, data, 150)
    pushes: dict[str, float] = {"pad_left": 0.0, "pad_right": 0.0}
    for number in range(data.ncon):
        mujoco.mj_contactForce(ARM, data, number, force := np.zeros(6))
        for geom in data.contact[number].geom:
            if (name := ARM.geom(geom).name) in pushes:
                pushes[name] += force[0]
    assert pushes == {"pad_left": pytest.approx(15, abs=1), "pad_right": pytest.approx(15, abs=1)}


# -- the grasp -----------------------------------------------------------------


def test_a_script_grasps_lifts_holds_shakes_and_places_everything_on_tilted_tables() -> None:
    rng = np.random.default_rng(0)
    things = objects(16, rng)
    script = Script(ARM, things)
    rise = rng.uniform(-0.05, 0.05, 16)
    table = ARM.geom("table").id
    degrees, towards = rng.uniform(0.0, 10.0, 16), rng.uniform(-np.pi, np.pi, 16)
    normal = tilt(script.batch, table, degrees, towards, rise)

    def surface(xy: np.ndarray) -> np.ndarray:
        return rise - ((xy - TOP[:2]) * normal[:, :2]).sum(axis=1) / normal[:, 2]

    script.put(surface(things.at) + 1.25 * things.half, things)
    clearance = script.object[:, 2] - surface(script.object[:, :2])
    stay = script.grasp()

    held = script.grip
    script.go(stay, 250, close=True)
    assert script.slip(held) < 1e-3  # in 10 s

    held = script.grip
    for seconds in np.arange(50) * 0.04:
        phase = 2 * np.pi * np.array([2.0, 1.5, 1.5]) * seconds
        script.go(stay + 0.02 * np.sin(phase), 1, close=True)
    script.go(stay, 10, close=True)
    assert script.slip(held) < 1.5e-3

    goal = np.column_stack([things.goal, surface(things.goal) + clearance])
    script.place(goal)
    assert np.linalg.norm(script.object - goal, axis=1).max() < 0.02


def test_a_script_grasps_and_holds_on_a_table_of_bumps() -> None:
    model = bumpy(str(FILE))
    things = objects(8, np.random.default_rng(0))
    script = Script(model, things)
    script.put(0.012 + 1.1 * things.half, things)
    assert np.all(script.object[:, 2] < 0.012 + things.half)
    stay = script.grasp()
    held = script.grip
    script.go(stay, 250, close=True)
    assert script.slip(held) < 1e-3


def test_an_object_slides_down_a_tilted_table_as_the_friction_of_the_table_says() -> None:
    things = objects(4, np.random.default_rng(0))
    script = Script(ARM, things)
    table = ARM.geom("table").id
    tilt(script.batch, table, np.full(4, 10.0), np.zeros(4), np.zeros(4))
    script.batch.expand("geom_friction")[:2, table, 0] = 0.1  # tan 10° is 0.18
    script.put(0.04 + 1.25 * things.half, things)
    way = np.linalg.norm(script.object[:, :2] - things.at, axis=1)
    assert way[:2].min() > 0.05
    assert way[2:].max() < 0.02


def test_an_object_that_misses_the_table_ends_on_the_floor() -> None:
    data = mujoco.MjData(ARM)
    mujoco.mj_resetDataKeyframe(ARM, data, 0)
    data.joint("object").qpos[:3] = [0.95, 0.0, 0.1]
    mujoco.mj_step(ARM, data, 500)
    assert data.body("object").xpos[2] == pytest.approx(-0.38, abs=2e-3)
