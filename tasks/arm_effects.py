"""What may differ between episodes of the arm, and what does by default."""

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
)

# What may differ between episodes. Effects are applied in this order.
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
# What differs between episodes by default: the table and the object.
VARIED = {
    "table_tilt": (0.0, 0.1),  # rad, 6 degrees
    "table_height": (-0.04, 0.04),  # m
    "table_friction": (0.4, 0.8),
    "cylinders": 0.5,
    "object_size": (0.8, 1.2),
    "object_mass": (0.05, 0.2),  # kg
}
