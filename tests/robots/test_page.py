from dataclasses import replace
from pathlib import Path

import pytest

from robo_maxent.errors import RobotError
from robo_maxent.robots.page import page_file, read_page, write_page
from robo_maxent.robots.quadruped_page import LEGS, Feet, Joints, Leg, QuadrupedPage

PAGE = QuadrupedPage(
    name='a "small" one',
    model="small.xml",
    base="torso",
    height=0.2689,
    feet=Feet(0.02, 0.6),
    joints=Joints((15.9, 15.9, 35.8), (1.0, 1.0, 2.3), (20.0,) * 3, (0.5, 1.0, 0.9), (-1, 1, 1)),
    legs={
        leg: Leg(
            tuple(f"{leg}_{part}" for part in ("abduct", "swing", "knee")),
            (0.0, 0.9, -1.8),
            f"{leg}_shank",
            (0.0, 0.0, -0.2),
        )
        for leg in LEGS
    },
)
TEXT = write_page(PAGE)


def test_what_is_written_is_read_again() -> None:
    assert read_page(TEXT, "a.toml") == PAGE
    unlike = replace(PAGE, joints=replace(PAGE.joints, mirror=()))
    assert read_page(write_page(unlike), "a.toml") == unlike


def test_keys_that_mean_nothing_are_listed_with_those_that_do() -> None:
    text = TEXT.replace("kp =", "stiffness =").replace("[legs.FR]", "[legs.FR]\nfeet = 1")
    text = "colour = 'red'\n" + text + "\n[legs.middle]\n"
    with pytest.raises(RobotError) as raised:
        read_page(text, "a.toml")
    assert str(raised.value).startswith(
        "a.toml: unknown keys: colour, joints.stiffness, legs.FR.feet, legs.middle. Known: name, "
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[legs.RL]", "[legs.FR.more]", "unknown keys: legs.FR.more"),
        ('base = "torso"', "", "lacks 'base'"),
        ("height = 0.2689", "height = 0.0", "height must be above 0, got [0.0]"),
        ("height = 0.2689", 'height = "high"', "height of the page must be a number, got 'high'"),
        ("kp = [15.9, 15.9, 35.8]", "kp = [15.9, 15.9]", "joints.kd must have one number for"),
        ("kd = [1.0, 1.0, 2.3]", "kd = [1.0, 1.0, -2.3]", "joints.kd must be at least 0, got"),
        ("torque = [20.0", "torque = [nan", "joints.torque must be above 0"),
        ("mirror = [-1, 1", "mirror = [-2, 1", "joints.mirror must be 1 or -1 each"),
        ('"FL_abduct"', '"FR_abduct"', "a joint stands in two legs"),
        ('"FL_abduct", ', "", "legs.FL must have 3 joints and as many angles to stand"),
        ("stand = [0.0, 0.9, -1.8]", "stand = [inf, 0.9, -1.8]", "must be finite numbers"),
        ("height = 0.2689", "height = ", "Invalid value"),
        (
            "friction = 0.6",
            "friction = 60.0",
            "feet.friction must be at least 0 and at most 5",
        ),
        ("action = [0.5", "action = [50.0", "joints.action must be above 0 and at most 6.28, got"),
        (
            'name = "',
            'kind = "arm"\nname = "',
            'kind is "arm", but the other keys are those of a q',
        ),
    ],
)
def test_a_page_that_says_no_quadruped_is_refused(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(RobotError) as raised:
        read_page(TEXT.replace(old, new), "a.toml")
    assert says in str(raised.value)
    assert str(raised.value).startswith("a.toml: ")


def test_a_page_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "robots").mkdir()
    (tmp_path / "robots" / "small.toml").write_text(TEXT)
    (tmp_path / "other.toml").write_text(TEXT)
    assert page_file("small", tmp_path) == tmp_path / "robots" / "small.toml"
    assert page_file(Path("some/where.xml"), tmp_path) == Path("some/where.xml")
    with pytest.raises(RobotError) as raised:
        page_file("smal", tmp_path)
    assert "No robot 'smal': there is no smal.toml here or in robots/." in str(raised.value)
    assert "Did you mean small?" in str(raised.value)


def test_a_robot_that_is_not_found_lists_no_more_than_names_like_its_own(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"dog{number}.toml").write_text(TEXT)
    with pytest.raises(RobotError) as raised:
        page_file("dogg", tmp_path)
    assert str(raised.value).count("dog") <= 5
    assert "List what there is: ls *.toml robots/*.toml." in str(raised.value)
    with pytest.raises(RobotError) as raised:
        page_file("nosuch", tmp_path)
    assert "dog" not in str(raised.value)
