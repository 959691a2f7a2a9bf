"""A MuJoCo world in a viser scene: a mesh for each geom, posed with its body."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.rendering.world import DecoratedWorld
from robo_maxent.sim.physics import mujoco
from robo_maxent.types import Arrow, Snapshot
from robo_maxent.versions import require_extra

SHOWN_GROUPS = 3
"""Geom groups that MuJoCo shows unless it is told otherwise: 0, 1 and 2."""
ROOT = "/world"
TILE = 0.5  # m, of a ground without end
TILES_WIDE = 200
TILE_RGB, LINE_RGB, SECTION_RGB = (158, 168, 174), (178, 187, 192), (205, 212, 216)
BACK = 1.4
"""How much farther away a browser looks from: widgets cover a third of it."""
FREE = np.array([-0.9, -1.2, 0.7])
"""From the middle to a camera where there is none, in extents of the model."""
NO_RGBA = (0.5, 0.5, 0.5, 1.0)
"""Of a geom that says no colour."""
HEAD = 2.2, 3.0  # radius and length of an arrow's head, in radii of its shaft

Mesh = tuple[np.ndarray, np.ndarray]
"""Vertices, m, (V, 3), and faces, int, (F, 3)."""


@dataclass(frozen=True)
class View:
    """Where a camera is and what it looks at, scene frame, m, (3,) each."""

    position: np.ndarray
    at: np.ndarray
    fov: float
    """From the top of the picture to its bottom, rad."""


class Scene:
    """What a browser sees of a simulation."""

    world: DecoratedWorld
    """What is shown, from the first time on."""

    def __init__(self, server: Any) -> None:
        """Draw nothing yet; ``server`` is a ``viser.ViserServer``."""
        self._scene = server.scene
        self._scene.set_up_direction("+z")
        self._root = self._scene.add_frame(ROOT, show_axes=False)
        self._task: MujocoTask[Any, Any] | None = None
        self._arrows: list[Any] = []

    def show(
        self, task: MujocoTask[Any, Any], snapshot: Snapshot, middle: np.ndarray | None
    ) -> None:
        """Show a simulation as it is.

        Args:
            task: What is simulated.
            snapshot: Of it.
            middle: What the camera turns around, world frame, m, (3,); None: the origin.
        """
        if task is not self._task:
            self._task, self.world = task, DecoratedWorld(task)
        if self.world.show(snapshot):
            self._build()
        self._reshape()
        self._pose(middle)
        self._point(snapshot.arrows)

    def view(self, camera: str | None) -> View:
        """What a camera of the robot file sees now.

        Args:
            camera: Its name; None: the first, or MuJoCo's own where there is none.
        """
        model, data = self.world.model, self.world.data
        names = self.cameras
        if not names:
            centre, fov = np.array(model.stat.center), float(model.vis.global_.fovy)
            return View(centre + FREE * model.stat.extent, centre, np.deg2rad(fov))
        number = model.camera(camera or names[0]).id
        position, axes = data.cam_xpos[number], data.cam_xmat[number].reshape(3, 3)
        at = position - np.linalg.norm(self._middle - position) * axes[:, 2]
        shift, position = np.array(self._root.position), at + BACK * (position - at)
        return View(position + shift, at + shift, np.deg2rad(float(model.cam_fovy[number])))

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras of the robot file."""
        model = self.world.model
        return [model.camera(number).name for number in range(model.ncam)]

    @property
    def _middle(self) -> np.ndarray:
        """Of what can be looked at: the first body that moves, or of the world, m, (3,)."""
        model, data = self.world.model, self.world.data
        moving = np.flatnonzero(model.body_dofnum == 6)
        return data.xpos[moving[0]] if len(moving) else np.array(model.stat.center)

    def _build(self) -> None:
        """Draw all geoms anew."""
        self._scene.remove_by_name(ROOT)
        self._root = self._scene.add_frame(ROOT, show_axes=False)
        model, self._arrows, self._tiles = self.world.model, [], None
        shown = [
            geom
            for geom in range(model.ngeom)
            if model.geom_group[geom] < SHOWN_GROUPS and _rgba(model, geom)[3] > 0.0
        ]
        bodies = {int(model.geom_bodyid[geom]) for geom in shown}
        self._bodies = {
            body: self._scene.add_frame(f"{ROOT}/{body}", show_axes=False) for body in bodies
        }
        self._geoms = {geom: self._add(geom) for geom in shown}
        self._sizes = model.geom_size.copy()

    def _add(self, geom: int) -> Any:
        """Draw a geom in the frame of its body."""
        model = self.world.model
        name = f"{ROOT}/{model.geom_bodyid[geom]}/{geom}"
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
            self._origin = model.geom_pos[geom].copy()
            self._tiles = self._scene.add_grid(
                name,
                position=self._origin,
                width=TILE * TILES_WIDE,
                height=TILE * TILES_WIDE,
                cell_size=TILE,
                section_size=2 * TILE,
                cell_color=LINE_RGB,
                section_color=SECTION_RGB,
                plane_color=TILE_RGB,
                plane_opacity=1.0,
                fade_distance=25.0,
            )
            return self._tiles
        (vertices, faces), is_round = _mesh(model, geom)
        red, green, blue, alpha = _rgba(model, geom)
        return self._scene.add_mesh_simple(
            name,
            vertices,
            faces,
            color=(round(255 * red), round(255 * green), round(255 * blue)),
            opacity=None if alpha >= 1.0 else float(alpha),
            flat_shading=not is_round,
            side="double",
        )

    def _reshape(self) -> None:
        """Let geoms have the size and place that effects gave them."""
        model = self.world.model
        for geom in np.flatnonzero((model.geom_size != self._sizes).any(axis=1)).tolist():
            if geom in self._geoms:
                self._geoms[geom] = self._add(geom)  # in the place of the one of that name
        self._sizes[:] = model.geom_size
        for geom, handle in self._geoms.items():
            if handle is not self._tiles:
                _move(handle, model.geom_pos[geom], model.geom_quat[geom])

    def _pose(self, middle: np.ndarray | None) -> None:
        data = self.world.data
        for body, frame in self._bodies.items():
            _move(frame, data.xpos[body], data.xquat[body])
        at = np.zeros(3) if middle is None else np.array([*middle[:2], 0.0])
        self._root.position = -at
        if self._tiles is not None:  # the ground goes along, by whole tiles: so nobody sees it
            x, y, _ = np.round(self._middle / (2 * TILE)) * (2 * TILE)
            _move(self._tiles, self._origin + np.array([x, y, 0.0]), self._tiles.wxyz)

    def _point(self, arrows: Sequence[Arrow]) -> None:
        """Draw arrows in the place of those before."""
        for number in range(len(self._arrows), len(arrows)):
            handle = self._scene.add_arrows(
                f"{ROOT}/arrow{number}", np.zeros((1, 2, 3)), np.zeros((1, 3), np.uint8)
            )
            self._arrows.append(handle)
        for handle, arrow in zip_longest(self._arrows, arrows):
            handle.visible = arrow is not None
            if arrow is not None:
                _draw(handle, arrow)


def _draw(handle: Any, arrow: Arrow) -> None:
    """Let something that is an arrow be this one."""
    wide, long = HEAD
    handle.points = np.array([[arrow.start, arrow.start + arrow.vector]], np.float32)
    colors = (255 * np.array([arrow.rgba[:3]])).astype(np.uint8)
    radii = (arrow.radius, wide * arrow.radius, long * arrow.radius)
    if (handle.colors != colors).any():
        handle.colors = colors
    if handle.shaft_radius != radii[0]:
        handle.shaft_radius, handle.head_radius, handle.head_length = radii


def _move(handle: Any, position: np.ndarray, quaternion: np.ndarray) -> None:
    """Put something where it is, unless it is there: what does not move is not sent."""
    if (handle.position != position).any():
        handle.position = position
    if (handle.wxyz != quaternion).any():
        handle.wxyz = quaternion


def _rgba(model: mujoco.MjModel, geom: int) -> np.ndarray:
    """Colour of a geom, (4,): that of its material, unless it has one of its own.

    Of a texture it is the mean.
    """
    own, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    if material < 0 or (own != NO_RGBA).any():
        return own
    texture = int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture < 0:
        return model.mat_rgba[material]
    first, channels = model.tex_adr[texture], int(model.tex_nchannel[texture])
    size = model.tex_height[texture] * model.tex_width[texture] * channels
    pixels = model.tex_data[first : first + size].reshape(-1, channels)
    mean = np.append(pixels[:, :3].mean(axis=0) / 255.0, 1.0)
    return model.mat_rgba[material] * mean


def _mesh(model: mujoco.MjModel, geom: int) -> tuple[Mesh, bool]:
    """The surface of a geom in its own frame, and whether it is round."""
    create: Any = require_extra("trimesh.creation", "viewer", "play")
    size, kind, data = model.geom_size[geom], int(model.geom_type[geom]), model.geom_dataid[geom]
    if kind == mujoco.mjtGeom.mjGEOM_HFIELD:
        return _hills(model, int(data)), False
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        return _part(model, int(data)), False
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return _surface(create.box(extents=2 * size)), False
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return _surface(create.cylinder(radius=size[0], height=2 * size[1], sections=24)), False
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return _surface(create.capsule(radius=size[0], height=2 * size[1], count=(12, 16))), True
    ball = create.icosphere(subdivisions=2)
    ball.apply_scale(size if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID else size[[0, 0, 0]])
    return _surface(ball), True


def _surface(solid: Any) -> Mesh:
    return solid.vertices, solid.faces


def _part(model: mujoco.MjModel, mesh: int) -> Mesh:
    """A mesh of the model."""
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return model.mesh_vert[first : first + count], model.mesh_face[face : face + faces]


def _hills(model: mujoco.MjModel, field: int) -> Mesh:
    """The top of a height field, on the triangles that MuJoCo collides with."""
    rows, columns = int(model.hfield_nrow[field]), int(model.hfield_ncol[field])
    wide, deep, high, _ = model.hfield_size[field]
    first = model.hfield_adr[field]
    heights = high * model.hfield_data[first : first + rows * columns]
    y, x = np.meshgrid(
        np.linspace(-deep, deep, rows), np.linspace(-wide, wide, columns), indexing="ij"
    )
    near = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    corners = near, near + 1, near + columns + 1, near + columns
    faces = [np.stack([corners[i] for i in side], axis=1) for side in ((0, 1, 2), (0, 2, 3))]
    return np.stack([x.ravel(), y.ravel(), heights], axis=1), np.concatenate(faces)
