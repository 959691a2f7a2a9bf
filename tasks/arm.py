"""What the tasks of the arm have in common: the hand, the table, the objects, what is seen.

The hand points down. An action moves a target for it, which is integrated rather than measured, by
up to 3 cm along each axis, and opens or closes the gripper, if there is one; joint targets follow
by inverse kinematics. Each task has a page of its own for its goals, its reward and its starts.

Where things are is said for the shipped arm; for another, places and heights go with the size that
its page gives. What is a matter of objects and accuracy stays as it is: tolerance, steps, noise.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.errors import RobotError
from robo_maxent.perturbations.actuators import DeadJoint, LockedJoint, MotorStrength
from robo_maxent.perturbations.arm_pushed import ArmPushed
from robo_maxent.perturbations.camera import CameraDelay, Occlusion
from robo_maxent.perturbations.channel import ActionDelay, PacketLoss
from robo_maxent.perturbations.goals import GoalMoved
from robo_maxent.perturbations.gripper import GripperLost, GripSlips
from robo_maxent.perturbations.knock import Knock
from robo_maxent.perturbations.objects import ObjectMass, ObjectShape, ObjectSize
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.perturbations.table import (
    SlipperyPatches,
    TableFriction,
    TableHeight,
    TableTilt,
    rotation,
)
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.page import Page, wrong_kind
from robo_maxent.sim.hand_space import FULL, STARTS
from robo_maxent.sim.kinematics import Chain
from robo_maxent.sim.robot import ManipulationState, RobotSpec
from robo_maxent.sim.rotations import axes, product, turned
from robo_maxent.spaces import Box, Field, columns
from robo_maxent.types import Act

ARM = RobotSpec(
    path("arm.xml"),
    sites={"hand": "grasp"},
    objects=("object",),
    table="table",
    goal="goal",
    gripper="gripper",
    hand="hand",
    pads=("pad_left", "pad_right"),
)

# What may differ between episodes, in the order in which it is written.
EFFECTS = (
    TableTilt(),
    TableHeight(),
    TableFriction(),
    SlipperyPatches(),
    ObjectShape(),
    ObjectSize(),
    ObjectMass(),
    MotorStrength(),
    DeadJoint(),
    LockedJoint(),
    SensorNoise(),
    CameraDelay(),
    Occlusion(),
    PacketLoss(),
    ActionDelay(),
    ArmPushed(),
    Knock(),
    GoalMoved(),
    GripperLost(),
    GripSlips(),
)
# What differs unless asked for more or less: the surface and the object.
VARIED = {
    "table_tilt": (0.0, 0.1),  # rad, 6 degrees
    "table_height": (-0.04, 0.04),  # m
    "table_friction": (0.4, 0.8),
    "cylinders": 0.5,
    "object_size": (0.8, 1.2),
    "object_mass": (0.05, 0.2),  # kg
}

# Control: 25 Hz.
SUBSTEPS = 10  # of 4 ms
STEP = 0.03  # m that the target of the hand moves in a control step, at most, along each axis
LEASH = 0.06  # m that the target may be ahead of the hand
OPENING_STEP = 0.02  # m that each finger may move in a control step
WORKSPACE = np.array([[0.28, -0.36, -0.12], [0.78, 0.36, 0.45]])  # m, of the target

# Where episodes begin and end, world frame, m.
OBJECTS = np.array([[0.40, -0.20], [0.62, 0.20]])
START_COUNT = 1024
CLEARANCE = (0.10, 0.35)  # m of the hand above the table, where it begins apart from the object
NEAR = (0.02, 0.08)  # m of the hand above the top of the object, where it begins over it
FALLEN = 0.12  # m below the table: the object is lost

APPROACH = 0.07  # m above the object that a script comes from
ALIGNED = 0.012  # m beside the object, where a script goes down to it
CENTRED = 0.006  # m from the object, where it closes the gripper
SLOW = 0.05  # m/s of the hand meanwhile
SLIPPED = 0.03  # m: what is farther from a closed gripper is not in it
TOLERANCE = 0.05  # m: nearer is success
SLOPE = 5.0  # 1/m, of the rewards for nearness
DEVIATIONS = {"distance": "m"}  # from the goal

# Reflection in the plane ahead: vectors keep x and z; of the axes of a body, the second one turns.
POLAR, AXES = (1, -1, 1), (1, -1, 1, -1, 1, -1)
CAMERA = 0.003  # m, half-width of the noise of a position that a camera sees
GRIPPER = (
    Field("gripper opening", "m", 1, (1,)),
    Field("target of the gripper opening", "m", 1, (1,)),
)
OPENING = Field("opening of the gripper", "2 cm", 1, (1,))
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
RELATIVE = ("way to the goal",)
SEEN = HAND + OBJECT + GOAL
TRUTH = (
    Field("object", "m", 3, POLAR, privileged=True),
    Field("mass of the object", "kg", 1, (1,), privileged=True),
    Field("slope of the table", "rad", 2, (-1, 1), privileged=True),
    Field("height of the table", "m", 1, (1,), privileged=True),
    Field("friction of the table", "1", 1, (1,), privileged=True),
)
"""What only a simulator knows."""


@dataclass
class Handling(EpisodeState):
    """Running episodes of the arm."""

    target: np.ndarray
    """Target of the hand, world frame, m, (N, 3)."""
    joints: np.ndarray
    """Joint targets, rad, (N, J)."""
    opening: np.ndarray
    """Target of each finger, m from the middle, (N,); 0 without a gripper."""
    hand: np.ndarray
    """Where the hand was at the last observation, world frame, m, (N, 3)."""
    object: np.ndarray
    """The same of the object, (N, 3)."""
    distance: np.ndarray
    """From what should be at the goal to it, m, (N,)."""
    object_place: np.ndarray
    """Where the object was when the episode began, world frame, m, (N, 2)."""
    goal_place: np.ndarray
    """The same of the goal, (N, 2)."""
    goal_above: np.ndarray
    """Height of the goal above the table when the episode began, m, (N,)."""
    hand_velocity: np.ndarray
    """Of the hand in the last control step, world frame, m/s, (N, 3)."""


@dataclass(frozen=True)
class Surface:
    """The top of the table in one episode."""

    middle: np.ndarray
    """World frame, m, (3,)."""
    orientation: np.ndarray
    """Unit quaternion w x y z, (1, 4)."""

    @property
    def normal(self) -> np.ndarray:
        """Away from the table, unit vector, (3,)."""
        return turned(self.orientation, np.array([[0.0, 0.0, 1.0]]))[0]

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the top, world frame, m, of the shape of x and y."""
        a, b, c = self.normal
        return self.middle[2] - (a * (x - self.middle[0]) + b * (y - self.middle[1])) / c


class ArmTask(MujocoTask[Handling, ManipulationState]):
    """A hand, a table and an object, or none."""

    robot_spec = ARM
    perturbations = EFFECTS
    default_randomization = VARIED
    observation = SEEN + TRUTH
    action = (Field("motion of the hand", "3 cm", 3, POLAR), OPENING)
    substeps = SUBSTEPS
    episode_steps = 50
    reward_range = (0.0, 1.0)
    preset = "arm"
    deviation_units = DEVIATIONS
    assisted = False
    """Episodes may begin in the middle of the task, as they do in training."""
    needs_gripper = False
    """Nothing can be done here without one."""
    size = 1.0
    """Of places and heights, over those of the shipped arm."""

    def fit(self, page: Page) -> None:
        """Take the arm of a page: its size, and its gripper, or none."""
        if not isinstance(page, ArmPage):
            raise wrong_kind(page, self.name)
        self.size, self.action_of = page.size, f" of {page.name}"
        if page.gripper is not None:
            return
        if self.needs_gripper:
            raise RobotError(
                f"{page.name} has no gripper, and {self.name} needs one. It can do arm-reach, "
                "arm-reach-joints and arm-push"
            )
        self.perturbations = tuple(
            each for each in self.perturbations if "gripper" not in each.needs
        )
        self.observation = tuple(part for part in self.observation if part not in GRIPPER)
        self.action = tuple(part for part in self.action if part != OPENING)
        assert self.goal is not None
        reward: Any = self.goal.reward  # of all tasks of arms it takes where fields stand
        self.goal = replace(self.goal, reward=partial(reward, at=self.columns))

    action_of = ""
    """What is said behind the names of actions: whose they are, if not of the shipped arm."""

    @property
    def action_space(self) -> Box:
        """Motion of the target of the hand, m, and of the fingers, m."""
        return self._space(("hand x", "hand y", "hand z"), [STEP, STEP, STEP])

    def _space(self, names: Sequence[str], scale: list[float]) -> Box:
        """These actions, and that of the gripper."""
        if self.robot.fingers is not None:
            names, scale = (*names, "gripper"), [*scale, OPENING_STEP]
        own = tuple(name + self.action_of for name in names)
        return Box(own, np.zeros(len(scale)), np.array(scale))

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Name of a field of the observation -> where it stands."""
        return columns(self.observation)

    @property
    def joint_count(self) -> int:
        """Joints of the arm, J, which come before that of the gripper."""
        return len(self.robot.joints) - (self.robot.fingers is not None)

    @cached_property
    def home(self) -> np.ndarray:
        """Angles of the arm in the home pose, rad, (J,)."""
        return self.robot.home_pose[: self.joint_count]

    @cached_property
    def chain(self) -> Chain:
        """From the base to the hand."""
        robot, count = self.robot, self.joint_count
        end = robot.model, robot.spec.sites["hand"], robot.joints[:count], self.home
        whole = Chain(*end)
        return whole if count >= FULL else Chain(*end, upright=whole.home_rotation[2])

    @cached_property
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the hand that episodes begin in, m, (M, 3), and the joints, rad, (M, J)."""
        wanted = np.random.default_rng(0).uniform(*self.size * STARTS, size=(START_COUNT, 3))
        home = np.tile(self.home, (START_COUNT, 1))
        joints = self.chain.solve(home, wanted, steps=40)
        reached = self.chain.pose(joints)[0]
        return reached, joints

    @cached_property
    def objects(self) -> np.ndarray:
        """Corners of where objects and goals are put, world x and y, m, (2, 2)."""
        return self.size * OBJECTS

    @property
    def widest(self) -> float:
        """Of the opening of a finger, m from the middle; 0 without a gripper."""
        fingers = self.robot.fingers
        return 0.0 if fingers is None else fingers.widest

    def opening(self, state: ManipulationState) -> np.ndarray:
        """Of a finger, m from the middle, (N,); 0 without a gripper."""
        fingers = self.robot.fingers
        position = state.joint_position[:, -1]
        return np.zeros(len(position)) if fingers is None else fingers.opening(position)

    def in_training(self) -> Self:
        """The same task, begun in its middle at times."""
        other = copy.copy(self)
        other.assisted = True
        return other

    def episode_state(self, n: int) -> Handling:
        """N episodes that have not begun."""
        vectors = ("target", "hand", "object", "hand_velocity")
        own = {name: np.zeros((n, 3)) for name in vectors}
        own |= {name: np.zeros(n) for name in ("opening", "distance", "goal_above")}
        own |= {name: np.zeros((n, 2)) for name in ("object_place", "goal_place")}
        own["joints"] = np.zeros((n, self.joint_count))
        return Handling.blank(n, self.action_size, **own)

    def control(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> np.ndarray:
        """Move the targets of hand and gripper, and the joints after them."""
        hand = state.site_position["hand"]
        target = np.clip(episode.target + STEP * action[:, :3], *self.size * WORKSPACE)
        episode.target[:] = hand + np.clip(target - hand, -LEASH, LEASH)
        episode.joints[:] = self.chain.step(episode.joints, episode.target)
        return self._with_fingers(episode, action)

    def _with_fingers(self, episode: Handling, action: np.ndarray) -> np.ndarray:
        """Move the target of the gripper by the last action: controls of all actuators, (N, A)."""
        fingers = self.robot.fingers
        if fingers is None:
            return episode.joints.copy()
        opening = episode.opening + OPENING_STEP * action[:, -1]
        episode.opening[:] = np.clip(opening, 0.0, self.widest)
        return np.concatenate([episode.joints, fingers.position(episode.opening)[:, None]], axis=1)

    def observe(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """The hand, the object, the goal, and for critics what only a simulator knows."""
        hand, thing = state.site_position["hand"], state.object_position[:, 0]
        parts = [
            hand,  # 3
            episode.hand_velocity,  # 3
            episode.target - hand,  # 3
            *self._gripper_parts(episode, state),  # 1, 1, or nothing
            thing,  # 3
            thing - hand,  # 3
            axes(state.object_orientation[:, 0]),  # 6
            state.object_velocity[:, 0],  # 3
            episode.params["object_size"],  # 1
            state.goal,  # 3
            state.goal - self.achieved(state),  # 3
            episode.object,  # 3
            episode.params["object_mass"],  # 1
            *self.table_parts(episode, state),  # 4
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _gripper_parts(self, episode: Handling, state: ManipulationState) -> list[np.ndarray]:
        if self.robot.fingers is None:
            return []
        return [self.opening(state)[:, None], episode.opening[:, None]]

    def table_parts(self, episode: Handling, state: ManipulationState) -> list[np.ndarray]:
        """What only a simulator knows of the tables, (N, ...) each."""
        params = episode.params
        return [
            params["table_tilt"],  # 2
            params["table_height"][:, None],  # 1
            params["table_friction"][:, None],  # 1
        ]

    def reward_terms(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The hand near the object, the object near the goal, and at it."""
        return bring_terms(state.site_position["hand"], state.object_position[:, 0], state.goal)

    def terminated(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """The object fell off the table."""
        lowest = episode.params["table_height"] - FALLEN
        return state.object_position[:, 0, 2] < lowest

    def after_step(self, episode: Handling, state: ManipulationState, action: np.ndarray) -> None:
        """Remember where things are."""
        super().after_step(episode, state, action)
        hand = state.site_position["hand"]
        episode.hand_velocity[:] = (hand - episode.hand) / self.control_dt
        episode.hand[:] = hand
        episode.object[:] = state.object_position[:, 0]
        episode.distance[:] = self.distance(state)

    def distance(self, state: ManipulationState) -> np.ndarray:
        """From what should be at the goal to it, m, (N,)."""
        return apart(self.achieved(state), state.goal)

    def achieved(self, state: ManipulationState) -> np.ndarray:
        """Where that is which should be at the goal, the object unless overridden, m, (N, 3)."""
        return state.object_position[:, 0]

    def success(self, episode: Handling, sim: int) -> bool:
        """The object is at the goal at the last step."""
        return bool(episode.distance[sim] < TOLERANCE)

    def metrics(self, episode: Handling, sim: int) -> dict[str, float | None]:
        """Distance at the end, m, whether it is half the tolerance, height of the goal, m."""
        distance = float(episode.distance[sim])
        return {
            "distance": distance,
            "within_half": float(distance < TOLERANCE / 2),
            "goal_above": float(episode.goal_above[sim]),
        }

    def places(self, episode: Handling, sim: int) -> dict[str, tuple[float, float]]:
        """Of the object and of the goal."""
        both = {"object": episode.object_place[sim], "goal": episode.goal_place[sim]}
        return {name: (float(x), float(y)) for name, (x, y) in both.items()}

    def deviations(self, episode: Handling, state: ManipulationState) -> dict[str, np.ndarray]:
        """How far from the goal."""
        return {"distance": self.distance(state)}

    def baselines(self) -> dict[str, Act]:
        """Action 0, and a script that sees what the policy sees."""
        return super().baselines() | {"script": self.script}

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Actions of a script that needs no memory, (N, 4); unless overridden, it picks and brings.

        Above the object it goes down, at its height it closes, and what it holds it brings.
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

    def seen(self, obs: np.ndarray) -> dict[str, np.ndarray]:
        """What a policy sees, by the name of the field, (N, ...)."""
        seen = [part.name for part in self.observation if not part.privileged]
        return {name: obs[:, self.columns[name]] for name in seen}

    def half_heights(self, see: dict[str, np.ndarray]) -> np.ndarray:
        """From the middle of the objects to the surface that they lie on, m, (N,)."""
        return self.robot.object_half[0, 2] * see["size of the object"][:, 0]

    def surface(self, episode: Handling, sim: int) -> Surface:
        """The top of the table in an episode whose parameters are set."""
        model, table, params = self.robot.model, self.robot.table, episode.params
        middle = model.geom_pos[table].copy()
        middle[2] += model.geom_size[table, 2] + params["table_height"][sim]
        return Surface(middle, rotation(params["table_tilt"][sim : sim + 1]))

    def half_height(self, episode: Handling, sim: int) -> float:
        """From the middle of the object to the surface that it lies on, m."""
        return float(self.robot.object_half[0, 2] * episode.params["object_size"][sim, 0])

    def lying(
        self, surface: Surface, place: np.ndarray, above: float, facing: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pose of an object on the table: position, (3,), and orientation, (4,).

        Args:
            surface: Of the table.
            place: World x and y, m.
            above: From the surface to its middle, along the normal, m.
            facing: Turn about the normal, rad.
        """
        on = np.append(place, surface.height(place[0], place[1]))
        turn = np.array([[np.cos(facing / 2.0), 0.0, 0.0, np.sin(facing / 2.0)]])
        return on + above * surface.normal, product(surface.orientation, turn)[0]

    def hand_above(
        self, surface: Surface, between: tuple[float, float], rng: np.random.Generator
    ) -> int:
        """One of the starts of the hand, so far above the table, m, or nearest to that."""
        x, y, z = self.starts[0].T
        above = z - surface.height(x, y)
        outside = np.maximum(np.maximum(between[0] - above, above - between[1]), 0.0)
        return int(rng.choice(np.flatnonzero(outside == outside.min())))

    def begin(
        self,
        episode: Handling,
        sim: int,
        surface: Surface,
        start: int,
        pose: tuple[np.ndarray, np.ndarray],
        goal: np.ndarray,
        opening: float | None = None,
    ) -> Initial:
        """Begin an episode with the hand in one of the starts.

        Args:
            episode: All of them.
            sim: Which.
            surface: Of its table.
            start: Of the hand.
            pose: Of the object.
            goal: World frame, m, (3,).
            opening: Of the fingers, around an object that they hold, m; None: they are open.
        """
        hand, joints = self.starts[0][start], self.starts[1][start]
        fingers = self.widest if opening is None else opening
        episode.target[sim] = episode.hand[sim] = hand
        episode.hand_velocity[sim] = 0.0
        episode.joints[sim] = joints
        episode.opening[sim] = fingers if opening is None else 0.0
        episode.object[sim] = pose[0]
        episode.object_place[sim], episode.goal_place[sim] = pose[0][:2], goal[:2]
        episode.distance[sim] = np.inf
        episode.goal_above[sim] = goal[2] - surface.height(goal[0], goal[1])
        robot, qpos, ctrl = self.robot, self.robot.home_qpos.copy(), joints
        qpos[robot.qpos_adr[: len(joints)]] = joints
        if robot.fingers is not None:
            robot.fingers.place(qpos, fingers)
            ctrl = np.append(joints, robot.fingers.position(episode.opening[sim]))
        qpos[robot.object_qpos[0] :][:7] = np.concatenate(pose)
        return Initial(qpos, ctrl=ctrl, mocap_pos=goal[None])

    def steered(self, see: dict[str, np.ndarray], way: np.ndarray, grip: np.ndarray) -> np.ndarray:
        """Actions, (N, A), that lead the hand by a way, m, (N, 3), and the fingers, (N,)."""
        move = (way - see["lead of the target of the hand"]) / STEP
        parts = [move] if self.robot.fingers is None else [move, grip]
        return np.clip(np.column_stack(parts), -1.0, 1.0).astype(np.float32)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances, m, (N,), of points, (N, 3)."""
    return np.sqrt(((one - other) ** 2).sum(axis=1))


def met(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Whether positions, (B, 3), are as near to each other as success demands, bool, (B,)."""
    return apart(achieved, desired) < TOLERANCE


COLUMNS = columns(ArmTask.observation)
"""Name of a field of the observation of an arm with a gripper -> where it stands."""


def bring_terms(hand: np.ndarray, thing: np.ndarray, goal: np.ndarray) -> dict[str, np.ndarray]:
    """Terms of a reward for bringing an object to its goal, (N,) each, of positions, m, (N, 3)."""
    distance = apart(thing, goal)
    return {
        "reach": 0.2 * (1.0 - np.tanh(SLOPE * apart(hand, thing))),
        "bring": 0.5 * (1.0 - np.tanh(SLOPE * distance)),
        "at_goal": 0.3 * (distance < TOLERANCE),
    }


def bring_reward(
    obs: np.ndarray, action: np.ndarray, after: np.ndarray, at: Mapping[str, slice] = COLUMNS
) -> np.ndarray:
    """Their sum, of observations: those after the step, (B, O), to (B,)."""
    terms = bring_terms(*(after[:, at[name]] for name in ("hand", "object", "goal")))
    return sum(terms.values(), np.zeros(len(after)))
