"""What the tasks of the arm share: the robot, its control, its observation, and how episodes begin.

The hand points down. An action moves the target of the hand by up to 3 cm along each axis, and
opens or closes the gripper, if there is one; joint targets follow by inverse kinematics. The target
moves from where it was, not from where the hand is. Each task has a page of its own, which says
where episodes begin, what the goal is and what is rewarded.

Numbers are those of the shipped arm. For another arm, places and heights go with the size that its
page gives; tolerance, steps and noise stay as they are.
"""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.errors import RobotError
from robo_maxent.perturbations.table import rotation
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.page import Page, wrong_kind
from robo_maxent.sim.hand_space import FULL, STARTS
from robo_maxent.sim.kinematics import Chain
from robo_maxent.sim.robot import ManipulationState, RobotSpec
from robo_maxent.sim.rotations import axes
from robo_maxent.spaces import Box, Field, columns
from robo_maxent.tasks.arm_effects import EFFECTS, VARIED
from robo_maxent.tasks.arm_goals import TOLERANCE, apart, bring_terms
from robo_maxent.tasks.arm_observation import GRIPPER, POLAR, SEEN, TRUTH
from robo_maxent.tasks.tabletop import FALLEN, OBJECTS, Surface
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

# Control: 25 Hz.
SUBSTEPS = 10  # of 4 ms
STEP = 0.03  # m that the target of the hand moves in a control step, at most, along each axis
LEASH = 0.06  # m that the target may be ahead of the hand
OPENING_STEP = 0.02  # m that each finger may move in a control step
WORKSPACE = np.array([[0.28, -0.36, -0.12], [0.78, 0.36, 0.45]])  # m, of the target

START_COUNT = 1024  # poses of the arm, in one of which each episode begins
DEVIATIONS = {"distance": "m"}  # to the goal

MOTION = Field("motion of the hand", "3 cm", 3, POLAR)
OPENING = Field("opening of the gripper", "2 cm", 1, (1,))


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
    """Position of the hand at the last observation, world frame, m, (N, 3)."""
    object: np.ndarray
    """Position of the object at the last observation, world frame, m, (N, 3)."""
    distance: np.ndarray
    """Distance to the goal of what should be there, m, (N,)."""
    object_place: np.ndarray
    """Where the object was when the episode began, world x and y, m, (N, 2)."""
    goal_place: np.ndarray
    """Where the goal was when the episode began, world x and y, m, (N, 2)."""
    goal_above: np.ndarray
    """Height of the goal above the table when the episode began, m, (N,)."""
    hand_velocity: np.ndarray
    """Velocity of the hand over the last control step, world frame, m/s, (N, 3)."""


class ArmTask(MujocoTask[Handling, ManipulationState]):
    """A task of an arm over a table with an object on it."""

    robot_spec = ARM
    perturbations = EFFECTS
    default_randomization = VARIED
    observation = SEEN + TRUTH
    action = (MOTION, OPENING)
    substeps = SUBSTEPS
    episode_steps = 50
    reward_range = (0.0, 1.0)
    preset = "arm"
    deviation_units = DEVIATIONS
    assisted = False
    """Whether some episodes begin in the middle of the task, as they do in training."""
    needs_gripper = False
    """Whether arms without a gripper are refused."""
    size = 1.0
    """Size of the arm over that of the shipped one; places and heights are multiplied by it."""
    action_of = ""
    """Ending of the names of actions, which says whose they are if not the shipped arm's."""

    def fit(self, page: Page) -> None:
        """Take the arm of a page; without a gripper, all fields and effects of one go."""
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
        reward: Any = self.goal.reward  # those of arms take the columns of fields
        self.goal = replace(self.goal, reward=partial(reward, at=self.columns))

    @property
    def action_space(self) -> Box:
        """Motion of the target of the hand, m, and of the fingers, m."""
        return self._space(("hand x", "hand y", "hand z"), [STEP, STEP, STEP])

    def _space(self, names: Sequence[str], scale: list[float]) -> Box:
        """Action space of these names and scales, to which the gripper's are added."""
        if self.robot.fingers is not None:
            names, scale = (*names, "gripper"), [*scale, OPENING_STEP]
        names = tuple(name + self.action_of for name in names)
        return Box(names, np.zeros(len(scale)), np.array(scale))

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Name of a field -> its columns in the observation."""
        return columns(self.observation)

    @property
    def joint_count(self) -> int:
        """Number of joints of the arm, J; the gripper's come after them."""
        return len(self.robot.joints) - (self.robot.fingers is not None)

    @cached_property
    def home(self) -> np.ndarray:
        """Angles of the arm in the home pose, rad, (J,)."""
        return self.robot.home_pose[: self.joint_count]

    @cached_property
    def chain(self) -> Chain:
        """Kinematics from the base to the hand; with fewer than six joints its heading is free."""
        robot, count = self.robot, self.joint_count
        end = robot.model, robot.spec.sites["hand"], robot.joints[:count], self.home
        whole = Chain(*end)
        return whole if count >= FULL else Chain(*end, upright=whole.home_rotation[2])

    @cached_property
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the hand may begin: its positions, m, (M, 3), and joint angles, rad, (M, J)."""
        wanted = np.random.default_rng(0).uniform(*self.size * STARTS, size=(START_COUNT, 3))
        home = np.tile(self.home, (START_COUNT, 1))
        joints = self.chain.solve(home, wanted, steps=40)
        reached = self.chain.pose(joints)[0]
        return reached, joints

    @cached_property
    def objects(self) -> np.ndarray:
        """Corners of where objects and goals are put, for this arm, world x and y, m, (2, 2)."""
        return self.size * OBJECTS

    @property
    def widest(self) -> float:
        """How far a finger opens, m from the middle; 0 without a gripper."""
        fingers = self.robot.fingers
        return 0.0 if fingers is None else fingers.widest

    def opening(self, state: ManipulationState) -> np.ndarray:
        """How far each gripper is open now, m from the middle to a finger, (N,); 0 without one."""
        fingers = self.robot.fingers
        position = state.joint_position[:, -1]
        return np.zeros(len(position)) if fingers is None else fingers.opening(position)

    def in_training(self) -> Self:
        """The same task, with some episodes that begin in the middle of it."""
        other = copy.copy(self)
        other.assisted = True
        return other

    def episode_state(self, n: int) -> Handling:
        """State of N episodes that have not begun."""
        vectors = ("target", "hand", "object", "hand_velocity")
        blank = {name: np.zeros((n, 3)) for name in vectors}
        blank |= {name: np.zeros(n) for name in ("opening", "distance", "goal_above")}
        blank |= {name: np.zeros((n, 2)) for name in ("object_place", "goal_place")}
        blank["joints"] = np.zeros((n, self.joint_count))
        return Handling.blank(n, self.action_size, **blank)

    def control(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> np.ndarray:
        """Move the targets of hand and gripper by the action; the joints follow the hand's."""
        hand = state.site_position["hand"]
        target = np.clip(episode.target + STEP * action[:, :3], *self.size * WORKSPACE)
        episode.target[:] = hand + np.clip(target - hand, -LEASH, LEASH)
        episode.joints[:] = self.chain.step(episode.joints, episode.target)
        return self.with_fingers(episode, action)

    def with_fingers(self, episode: Handling, action: np.ndarray) -> np.ndarray:
        """Controls of all actuators, (N, A): the last action moves the target of the gripper."""
        fingers = self.robot.fingers
        if fingers is None:
            return episode.joints.copy()
        opening = episode.opening + OPENING_STEP * action[:, -1]
        episode.opening[:] = np.clip(opening, 0.0, self.widest)
        return np.concatenate([episode.joints, fingers.position(episode.opening)[:, None]], axis=1)

    def observe(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """Fill the fields of ``SEEN`` and, for critics, of ``TRUTH``."""
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
        """What critics see of the tables, (N, ...) each."""
        params = episode.params
        return [
            params["table_tilt"],  # 2
            params["table_height"][:, None],  # 1
            params["table_friction"][:, None],  # 1
        ]

    def reward_terms(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Bring the object to the goal, unless a page overrides it."""
        return bring_terms(state.site_position["hand"], state.object_position[:, 0], state.goal)

    def terminated(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """An episode ends when the object fell off the table."""
        lowest = episode.params["table_height"] - FALLEN
        return state.object_position[:, 0, 2] < lowest

    def after_step(self, episode: Handling, state: ManipulationState, action: np.ndarray) -> None:
        """Remember where hand and object are, and how far the goal is."""
        super().after_step(episode, state, action)
        hand = state.site_position["hand"]
        episode.hand_velocity[:] = (hand - episode.hand) / self.control_dt
        episode.hand[:] = hand
        episode.object[:] = state.object_position[:, 0]
        episode.distance[:] = self.distance(state)

    def distance(self, state: ManipulationState) -> np.ndarray:
        """Distance to the goal of what should be there, m, (N,)."""
        return apart(self.achieved(state), state.goal)

    def achieved(self, state: ManipulationState) -> np.ndarray:
        """Position, m, (N, 3), of what should be at the goal: the object, unless overridden."""
        return state.object_position[:, 0]

    def success(self, episode: Handling, sim: int) -> bool:
        """At the last step, what should be at the goal is there."""
        return bool(episode.distance[sim] < TOLERANCE)

    def metrics(self, episode: Handling, sim: int) -> dict[str, float | None]:
        """Final distance, m; whether it is below half the tolerance; height of the goal, m."""
        distance = float(episode.distance[sim])
        return {
            "distance": distance,
            "within_half": float(distance < TOLERANCE / 2),
            "goal_above": float(episode.goal_above[sim]),
        }

    def places(self, episode: Handling, sim: int) -> dict[str, tuple[float, float]]:
        """Where the object and the goal were at the beginning, world x and y, m."""
        both = {"object": episode.object_place[sim], "goal": episode.goal_place[sim]}
        return {name: (float(x), float(y)) for name, (x, y) in both.items()}

    def deviations(self, episode: Handling, state: ManipulationState) -> dict[str, np.ndarray]:
        """Distance to the goal, m."""
        return {"distance": self.distance(state)}

    def baselines(self) -> dict[str, Act]:
        """Action 0, and a script that sees what a policy sees."""
        return super().baselines() | {"script": self.script}

    @abstractmethod
    def script(self, obs: np.ndarray) -> np.ndarray:
        """Actions, (N, A), of a script that does the task from observations alone."""

    def seen(self, obs: np.ndarray) -> dict[str, np.ndarray]:
        """Name of a field -> its numbers in observations, (N, ...), of what a policy sees."""
        names = [part.name for part in self.observation if not part.privileged]
        return {name: obs[:, self.columns[name]] for name in names}

    def half_heights(self, see: dict[str, np.ndarray]) -> np.ndarray:
        """Half-heights of the objects, m, (N,), of what is seen."""
        return self.robot.object_half[0, 2] * see["size of the object"][:, 0]

    def steered(self, see: dict[str, np.ndarray], way: np.ndarray, grip: np.ndarray) -> np.ndarray:
        """Actions, (N, A), that move the hand a way, m, (N, 3), and the fingers by grip, (N,)."""
        move = (way - see["lead of the target of the hand"]) / STEP
        parts = [move] if self.robot.fingers is None else [move, grip]
        return np.clip(np.column_stack(parts), -1.0, 1.0).astype(np.float32)

    def surface(self, episode: Handling, sim: int) -> Surface:
        """The top of the table in an episode whose parameters are set."""
        model, table, params = self.robot.model, self.robot.table, episode.params
        middle = model.geom_pos[table].copy()
        middle[2] += model.geom_size[table, 2] + params["table_height"][sim]
        return Surface(middle, rotation(params["table_tilt"][sim : sim + 1]))

    def half_height(self, episode: Handling, sim: int) -> float:
        """Half-height of the object in an episode, m."""
        return float(self.robot.object_half[0, 2] * episode.params["object_size"][sim, 0])

    def hand_above(
        self, surface: Surface, between: tuple[float, float], rng: np.random.Generator
    ) -> int:
        """One of ``starts``, at random, of those so far above the table, m, or nearest to that."""
        x, y, z = self.starts[0].T
        above = z - surface.highest.height(x, y)
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
        """Begin an episode with the arm in one of ``starts``.

        Args:
            episode: State of all episodes, of which that of ``sim`` is written.
            sim: Number of the simulation.
            surface: Top of its table.
            start: Number of the start.
            pose: Position, world frame, m, and quaternion of the object.
            goal: World frame, m, (3,).
            opening: Of the fingers around an object that they hold, m; None: they are open.
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
