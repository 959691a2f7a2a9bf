"""The contact sheet shows the heights that are there."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from robo_maxent.cli import main
from robo_maxent.errors import UsageError
from robo_maxent.rendering.terrain_sheet import (
    AZIMUTH,
    BLOCK,
    DOWNWARD,
    OF_GROUND,
    OF_TABLES,
    PIXELS,
    draw,
    picture,
    shade,
)
from robo_maxent.sim.table_surfaces import TABLE
from robo_maxent.sim.terrain import GROUND, KINDS

LINE = 2 * OF_GROUND.top / (PIXELS[0] - 1)  # m


def flat_at(height: float) -> np.ndarray:
    return np.full((161, 161), height)


def topmost(image: np.ndarray) -> np.ndarray:
    """First opaque line of the columns that have any, (W,)."""
    opaque = image[..., 3] > 0
    return opaque.argmax(axis=0)[opaque.any(axis=0)]


def test_ground_that_is_higher_is_higher_in_the_picture() -> None:
    low, high = topmost(picture(flat_at(-1.0))), topmost(picture(flat_at(1.0)))
    rise = (low - high) * LINE
    np.testing.assert_allclose(rise, 2.0 * np.cos(DOWNWARD), atol=LINE)


def test_the_picture_holds_the_highest_and_the_lowest_patch_whole() -> None:
    for kind in ("stairs_up", "stairs_down"):
        opaque = picture(GROUND.heights(kind, 1.0, np.random.default_rng(0)))[..., 3] > 0
        assert not opaque[0].any()
        assert not opaque[-1].any()
        assert opaque.any(axis=0).mean() > 0.99  # its width is that of the turned patch


def test_near_ground_hides_what_is_behind_it() -> None:
    """A wall 2 m high in front of the robot covers it, the same wall behind does not."""
    robot = []
    for place in (slice(50, 54), slice(107, 111)):
        patch = flat_at(0.0)
        patch[place] = 2.0
        robot.append((picture(patch)[..., :3] == BLOCK).all(axis=2).sum())
    assert robot[0] == 0
    assert robot[1] > 20


def test_slopes_are_darker_away_from_the_sun_and_brighter_towards_it() -> None:
    rise = np.tile(np.linspace(-4, 4, 161), (161, 1))  # eastward; the sun is in the west
    np.testing.assert_array_equal(shade(flat_at(2.0)), 1.0)
    away, towards = (
        [shade(sign * slope * rise).mean() for slope in (0.0, 0.05, 0.1, 0.2)] for sign in (-1, 1)
    )
    assert (np.diff(away) < 0).all()
    assert (np.diff(towards) > 0).all()


def test_the_command_writes_a_png_of_every_kind_and_prints_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "sheet.png"
    with pytest.raises(SystemExit) as stop:
        main.main(["terrain", "--out", str(path), "--json"])
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"sheet": str(path)}
    image = imread(path)
    assert image.shape[1] == 1500
    assert image.shape[0] > 150 * len(KINDS)
    assert image[..., :3].std() > 0.1


def test_the_sheet_of_tables_has_their_kinds_by_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main.main(["terrain", "--table"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == "tables.png\n"
    ground, table = (len(scene.catalogue.kinds) for scene in (OF_GROUND, OF_TABLES))
    assert imread(tmp_path / "tables.png").shape[0] > 150 * table
    assert table < ground


def test_a_table_is_whole_in_its_picture_with_an_object_on_it() -> None:
    image = picture(np.zeros(TABLE.samples), OF_TABLES)
    opaque = image[..., 3] > 0
    assert not opaque[[0, -1]].any()
    assert not opaque[:, [0, -1]].any()
    pixel = 2 * OF_TABLES.extent / (PIXELS[1] - 1)  # m
    table = 0.56 * np.cos(AZIMUTH) + 0.80 * np.sin(AZIMUTH)
    assert opaque.any(axis=0).sum() * pixel == pytest.approx(table, abs=2 * pixel)
    block = (image[..., :3] == BLOCK).all(axis=2) & opaque
    wide = 0.04 * (np.cos(AZIMUTH) + np.sin(AZIMUTH))
    assert block.any(axis=0).sum() * pixel == pytest.approx(wide, abs=0.01)


@pytest.mark.parametrize("name", ["sheet.pdf", "sheet", ""])
def test_what_is_no_png_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.png|is a directory"):
        draw(tmp_path / name)


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seed must be at least 0, got -1"):
        draw(tmp_path / "terrain.png", seed=-1)
