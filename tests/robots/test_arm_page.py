from dataclasses import replace
from typing import Any

import pytest
from small_arms import proposed

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.own_robot import open_robot
from robo_maxent.robots.page import read_page, write_page


@pytest.fixture(scope="module")
def page() -> ArmPage:
    page = proposed("seven")[1].page
    assert isinstance(page, ArmPage)
    return page


def test_what_is_written_is_read_again(page: ArmPage) -> None:
    assert read_page(write_page(page), "a.toml") == page
    bare = replace(page, gripper=None)
    assert read_page(write_page(bare), "a.toml") == bare


def test_keys_that_mean_nothing_are_listed_with_those_that_do(page: ArmPage) -> None:
    text = (
        write_page(page).replace("[joints]", "[joints]\nstiffness = 3").replace("size =", "scale =")
    )
    with pytest.raises(RobotError) as raised:
        read_page(text, "a.toml")
    start = "a.toml: unknown keys: joints.stiffness, scale. Known: name, model, base, mount, turn, "
    assert str(raised.value).startswith(start)
    assert "followers" in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "arm"', 'kind = "leg"', "kind must be one of quadruped, arm, got 'leg'"),
        (
            'kind = "arm"',
            "",
            "kind is missing, but the other keys are those of an arm: begin the p",
        ),
        ('kind = "arm"', "colour = 1", "kind is missing, but the other keys are those of an arm"),
        ('kind = "arm"', 'kind = "quadruped"', 'kind is "quadruped", but the other keys are those'),
        (
            "friction = ",
            "friction = 1",
            "gripper.friction must be at least 0 and at most 5, got [1",
        ),
        ('base = "base"', "", "lacks 'base'"),
        ("turn = 0.0", 'turn = "left"', "turn of the page must be a number"),
        ("[hand]", "[hand]\nfoot = 1", "unknown keys: hand.foot"),
        ("positions = [0.0, 0.035]", "positions = [0.0, 0.0]", "must go one way"),
        ("openings = [0.0, 0.035]", "openings = [0.035, 0.0]", "must rise from 0 or more"),
        (
            "openings = [0.0, 0.035]",
            "openings = [0.0]",
            "must be as many, at least two; got 2 and 1",
        ),
        (
            "ratios = [1.0]",
            "ratios = []",
            "followers, ratios and offsets must be as many, got 1, 0, 1",
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(
    page: ArmPage, old: str, new: str, says: str
) -> None:
    text = write_page(page)
    assert old in text
    with pytest.raises(RobotError) as raised:
        read_page(text.replace(old, new), "a.toml")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 3.0}, "size must be within [0.35, 2.5], got 3.0"),
        ({"kp": (1.0,) * 6}, "joints.kp must have one number for each of joints.names, 7; got 6"),
        ({"torque": (0.0,) * 7}, "joints.torque must be above 0"),
        ({"armature": (1e9,) * 7}, "joints.armature must be at least 0 and at most 100, got [1"),
        ({"names": ("a",) * 7}, "a joint stands twice"),
        ({"names": ("a", "b")}, "joints.names must be 5 to 7 joints, got 2"),
        ({"ready": (float("nan"),) * 7}, "must be finite numbers"),
    ],
)
def test_numbers_that_no_arm_has_are_refused(
    page: ArmPage, changes: dict[str, object], says: str
) -> None:
    own = {name: value for name, value in changes.items() if name == "size"}
    joints = replace(page.joints, **{k: v for k, v in changes.items() if k != "size"})  # pyright: ignore[reportArgumentType]
    text = write_page(replace(page, joints=joints, **own)).replace("NaN", "nan")  # pyright: ignore[reportArgumentType]
    with pytest.raises(RobotError) as raised:
        read_page(text, "a.toml")
    assert says in str(raised.value)


def test_a_page_that_its_model_does_not_fit_is_refused(page: ArmPage) -> None:
    path, joints = proposed("seven")[0], page.joints
    swapped = (joints.names[1], joints.names[0], *joints.names[2:])
    beyond = (5.0, *joints.ready[1:])
    for changed, says in (
        (replace(page, base="foot"), "names a base that its model lacks: foot"),
        (
            replace(page, joints=replace(joints, names=swapped)),
            "in their order: link1_joint, link2",
        ),
        (
            replace(page, joints=replace(joints, ready=beyond)),
            "link1_joint goes from -2.9 to 2.9 rad",
        ),
    ):
        other = path.with_name("other.toml")
        other.write_text(write_page(changed))
        with pytest.raises(RobotError) as raised:
            open_robot(other)
        assert says in str(raised.value)


def test_an_arm_without_a_name_is_refused(page: ArmPage) -> None:
    with pytest.raises(RobotError, match=r"^a\.toml: name must not be empty$"):
        read_page(write_page(replace(page, name="")), "a.toml")


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ("", {"base": "world"}, "names a base that its model lacks: world. Bodies: base, link1"),
        ("", {"size": 2.5}, "z 0.18 m, and must be within 0.25 m of x 1.25, y 0.00, z 0.50 m"),
        ("", {"turn": 3.1416}, "the hand is at x -0.46"),
        ("", {"mount": (0.0, 0.0, -3.0)}, "z -2.82 m, and must be within 0.091 m of x 0.46"),
        ("joints", {"ready": (0.0, 1.8, 0.0, 0.6, 0.0, 0.1, 0.1)}, "is not ready: with joints."),
        (
            "joints",
            {"ready": (0.0, 0.7, 0.0, 1.77, 0.0, 0.97, 0.0)},
            "the hand points 0.3 rad away",
        ),
        ("hand", {"body": "left_finger"}, "must move with the last joint, link7_joint, as link7"),
        ("gripper", {"followers": (), "ratios": (), "offsets": ()}, "right_finger of seven is mo"),
        ("gripper", {"followers": ("left",)}, "must be different joints, and none of the arm's"),
        ("gripper", {"joint": "link7_joint"}, "must be different joints, and none of the arm's"),
        ("gripper", {"fingers": ("left_finger",) * 2}, "must be two bodies that hang on link7, e"),
        ("gripper", {"fingers": ("base", "link1")}, "got base, link1"),
        ("gripper", {"positions": (0.0, 3.0)}, "left goes from 0 to 0.035, and would from 0 to 3"),
        ("joints", {"kp": (1e12,) * 7}, "joints.kp of seven is 1e+12 for link1_joint, which moves"),
        ("joints", {"kp": (1e-6,) * 7}, "joints.kp of seven is 1e-06 for link1_joint, which moves"),
        ("joints", {"kd": (1e9,) * 7}, "joints.kd of seven is 1e+09 for link1_joint, which moves"),
        ("joints", {"torque": (1e9,) * 7}, "joints.torque of seven is 1e+09 for link1_joint"),
        ("joints", {"torque": (1e-3,) * 7}, "joints.torque of seven is 0.001 for link1_joint"),
        ("gripper", {"kp": 1e12}, "gripper.kp of seven is 1e+12 for left, which moves"),
        ("gripper", {"force": 1e12}, "gripper.force of seven is 1e+12 for left, which moves"),
        ("gripper", {"openings": (0.0, 9.0)}, "which is [0.0, 0.035] m at these gripper.positions"),
    ],
)
def test_a_page_with_which_an_arm_could_do_nothing_is_refused(
    page: ArmPage, part: str, changes: dict[str, Any], says: str
) -> None:
    inner: Any = getattr(page, part) if part else page
    changed = replace(inner, **changes)
    other = proposed("seven")[0].with_name("other.toml")
    other.write_text(write_page(replace(page, **{part: changed}) if part else changed))
    with pytest.raises(RobotError) as raised:
        open_robot(other)
    assert says in str(raised.value)


def test_a_hand_that_does_not_get_around_is_refused(page: ArmPage) -> None:
    path = proposed("seven")[0]
    narrow = path.with_name("narrow.urdf")
    turns = 'lower="-2.9" upper="2.9"'
    text = path.with_suffix(".urdf").read_text()
    assert turns in text
    narrow.write_text(text.replace(turns, 'lower="-0.1" upper="0.1"'))
    other = path.with_name("other.toml")
    other.write_text(write_page(replace(page, model=narrow.name)))
    with pytest.raises(RobotError, match=r"its hand reaches \d+ % of the places over a table of s"):
        open_robot(other)
