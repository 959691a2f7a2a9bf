"""Opens any MJCF or URDF file, and repairs what MuJoCo would refuse or lose.

Meshes are looked for where the file says, then by name around it. What the eye alone needed and
is gone is left out; inertias that no body can have are mended; those of a URDF keep the rotation
of their frames, and links without any weigh nothing. All that was done is said.
"""

import importlib.util
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.inertia import (
    LEAST_INERTIA,
    LEAST_MASS,
    UNSAID,
    diagonal,
    mend_inertias,
    rotation,
)
from robo_maxent.robots.proposal import Finding, few
from robo_maxent.sim.physics import mujoco

MESHES = (".stl", ".obj", ".msh")
"""Mesh file formats that MuJoCo reads."""
WEIGHTLESS = 1e-6
"""Moving bodies lighter than this count as massless, kg."""
SEARCHED = 20_000
"""Most files around a model that are searched for a mesh."""


@dataclass(frozen=True)
class ModelFile:
    """A model that compiles, without ground and textures, and the repairs that it took."""

    spec: mujoco.MjSpec
    compiled: mujoco.MjModel
    findings: tuple[Finding, ...]


def locate(name: str, folder: Path) -> Path:
    """Find the file that a name stands for.

    Args:
        name: A path, relative to ``folder`` or not, or PACKAGE:PATH, a file that an installed
            package brings.
        folder: Of the file that names it.

    Raises:
        RobotError: There is no such package or file.
    """
    package, colon, inside = name.partition(":")
    if colon and package.isidentifier() and len(package) > 1:
        try:
            found = importlib.util.find_spec(package)
        except ValueError:  # a module without a place, such as __main__
            found = None
        if found is None or found.origin is None:
            raise RobotError(
                f"{name} is a file of the package {package}, which is not installed: "
                f"pip install {package.replace('_', '-')}"
            )
        path = Path(found.origin).parent / inside
    else:
        path = folder / name
    if not path.is_file():
        raise RobotError(f"Robot file not found: {path}")
    return path


def open_model(path: Path) -> ModelFile:
    """Read and repair a model.

    Raises:
        RobotError: It is no MJCF or URDF, or says what nothing here can repair.
    """
    if path.suffix == ".xacro":
        raise RobotError(f"{path} is a xacro file: write a URDF with ROS' xacro tool first")
    findings: list[Finding] = []
    try:
        root = ET.parse(path).getroot()
        if root.tag == "robot":
            spec = _from_urdf(root, path, findings)
        else:
            spec = mujoco.MjSpec.from_file(str(path))
            _resolve_meshes(spec, path.parent, findings)
        _strip(spec)
        mend_inertias(spec, findings)
        compiled = _compiled(spec, findings)
    except (ValueError, OSError, ET.ParseError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RobotError(f"{path} is not a valid robot: {reason}") from error
    return ModelFile(spec, compiled, tuple(findings))


def _strip(spec: mujoco.MjSpec) -> None:
    """Delete ground, height fields and textures; name unnamed bodies and joints.

    The world that a task brings takes the place of the file's.
    """
    for number, body in enumerate(spec.bodies[1:], 1):
        body.name = body.name or f"body {number}"
    for number, joint in enumerate(spec.joints, 1):
        joint.name = joint.name or f"joint {number}"
    for geom in [g for g in spec.geoms if g.parent.name == "world"]:
        spec.delete(geom)
    for hfield in list(spec.hfields):
        spec.delete(hfield)
    for material in spec.materials:
        material.textures = [""] * len(material.textures)
    for texture in list(spec.textures):
        spec.delete(texture)
    for skin in list(spec.skins):
        spec.delete(skin)


def _compiled(spec: mujoco.MjSpec, findings: list[Finding]) -> mujoco.MjModel:
    """Compile the model, after giving a little mass to moving links that have none.

    Raises:
        ValueError: It does not compile all the same.
    """
    try:
        compiled = spec.compile()
    except ValueError as error:
        if "mjMINVAL" not in str(error):
            raise
    else:
        moving = (compiled.body_jntnum > 0) & (compiled.body_subtreemass < WEIGHTLESS)
        if not moving.any():
            return compiled
    spec.compiler.boundmass, spec.compiler.boundinertia = LEAST_MASS, LEAST_INERTIA
    compiled = spec.compile()
    light = np.flatnonzero(compiled.body_mass[1:] <= LEAST_MASS) + 1
    names = few([compiled.body(body).name for body in light.tolist()])
    findings.append(
        Finding(
            f"moving links without mass or inertia: {names}",
            f"each has at least {LEAST_MASS:g} kg and {LEAST_INERTIA:g} kg m²",
        )
    )
    return compiled


# Meshes.


def _resolve_meshes(spec: mujoco.MjSpec, folder: Path, findings: list[Finding]) -> None:
    """Make every mesh name an existing file; delete geoms whose meshes are missing."""
    home = folder / (spec.meshdir or "")
    missing: dict[str, str] = {}
    elsewhere: list[str] = []
    for mesh in list(spec.meshes):
        if not mesh.file:
            continue
        mesh.name = mesh.name or Path(mesh.file).stem
        found = mesh_file(mesh.file, home)
        if found is None:
            missing[mesh.name] = mesh.file
        else:
            if found != home / mesh.file:
                elsewhere.append(f"{mesh.file} at {found}")
            mesh.file = str(found.resolve())
    spec.meshdir = ""
    if elsewhere:
        findings.append(Finding(f"meshes that lie elsewhere: {few(elsewhere)}", "found there"))
    lost = [g for g in spec.geoms if g.meshname in missing]
    touching = [g.meshname for g in lost if g.contype or g.conaffinity]
    for geom in lost:
        spec.delete(geom)
    for mesh in [m for m in spec.meshes if m.name in missing]:
        spec.delete(mesh)
    if missing:
        findings.append(_left_out(list(missing.values()), touching))


def _left_out(files: list[str], touching: list[str]) -> Finding:
    if touching:
        return Finding(
            f"missing meshes: {few(files)}; {few(touching)} had contact",
            "left out; what had contact touches nothing now: put the files back if it should",
        )
    return Finding(f"missing meshes: {few(files)}", "left out: only the eye sees them")


def mesh_file(name: str, folder: Path) -> Path | None:
    """Find the file of a mesh, where its name says or around there; None if there is none.

    A mesh of a kind that MuJoCo does not read, such as COLLADA's, is looked for in one that it
    does.
    """
    inside = name.removeprefix("file://")
    if inside.startswith("package://"):
        inside = inside.removeprefix("package://").partition("/")[2]
    wanted = Path(inside)
    for near in (folder, *folder.absolute().parents[:3]):
        path = near / wanted
        if path.is_file() and path.suffix.lower() in MESHES:
            return path
    for root in (folder, folder.absolute().parent):
        by_name = {}
        for number, path in enumerate(root.rglob("*") if root.is_dir() else ()):
            if number > SEARCHED:
                break
            if path.suffix.lower() in MESHES and path.stem == wanted.stem:
                by_name.setdefault(path.suffix.lower() == wanted.suffix.lower(), path)
        if by_name:
            return by_name.get(True) or by_name[False]
    return None


# URDF.


def _from_urdf(root: ET.Element, path: Path, findings: list[Finding]) -> mujoco.MjSpec:
    """Load a URDF with every link as a body, and inertias in their own frames."""
    _resolve_urdf_meshes(root, path.parent, findings)
    for joint in root.iter("joint"):
        if joint.get("type") == "floating":  # what it hangs on is no part of the robot
            joint.set("type", "fixed")
    for extension in root.findall("mujoco"):
        root.remove(extension)
    compiler = ET.SubElement(ET.SubElement(root, "mujoco"), "compiler")
    for key in ("strippath", "fusestatic", "discardvisual"):
        compiler.set(key, "false")
    spec = mujoco.MjSpec.from_string(ET.tostring(root, encoding="unicode"))
    for mesh in spec.meshes:
        mesh.name = mesh.name or Path(mesh.file).stem
    rotated = [name for link in root.iter("link") for name in _with_inertia(spec, link)]
    if rotated:
        findings.append(
            Finding(
                f"inertias in frames that are rotated against their links: {few(rotated)}",
                "turned into the frames of the links",
            )
        )
    findings.extend(_without_inertial(spec))
    return spec


def _without_inertial(spec: mujoco.MjSpec) -> list[Finding]:
    """Take the mass from shapes of links that say none, unless no link says any.

    MuJoCo would give them the density of water. To a URDF they weigh nothing: it is common that the
    inertia of the trunk is in a link of its own, beside its shapes.
    """
    bare = [body for body in spec.bodies[1:] if not body.explicitinertial]
    shaped = [body for body in bare if any(geom.contype or geom.conaffinity for geom in body.geoms)]
    if not shaped:
        return []
    if len(bare) == len(spec.bodies) - 1:
        what = "no link says its mass"
        return [Finding(what, "that of their shapes, if they were of water; write the makers'")]
    for geom in [geom for body in bare for geom in body.geoms]:
        geom.mass = 0.0
    names = few([body.name for body in shaped])
    return [Finding(f"shapes of links that say no mass: {names}", "they weigh nothing")]


def _resolve_urdf_meshes(root: ET.Element, folder: Path, findings: list[Finding]) -> None:
    """Make every mesh name an existing file; remove those that are missing."""
    missing = {"visual": set[str](), "collision": set[str]()}
    for link in root.iter("link"):
        for part in [*link.findall("visual"), *link.findall("collision")]:
            mesh = part.find("geometry/mesh")
            if mesh is None:
                continue
            name = mesh.get("filename", "")
            found = mesh_file(name, folder)
            if found is None:
                link.remove(part)
                missing[part.tag].add(name)
            else:
                mesh.set("filename", str(found.resolve()))
    if lost := missing["visual"] | missing["collision"]:
        findings.append(_left_out(sorted(lost), sorted(missing["collision"])))


def _with_inertia(spec: mujoco.MjSpec, link: ET.Element) -> list[str]:
    """Write the inertia of a link as the URDF has it; return its name if its frame is rotated."""
    inertial, body = link.find("inertial"), spec.body(link.get("name", ""))
    if inertial is None or body is None:
        return []
    tensor, mass = inertial.find("inertia"), inertial.find("mass")
    if tensor is None or mass is None:
        return []
    origin = inertial.find("origin")
    place = np.array([float(x) for x in _attribute(origin, "xyz").split()])
    angles = np.array([float(x) for x in _attribute(origin, "rpy").split()])
    turn = rotation(*angles)
    names = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    xx, xy, xz, yy, yz, zz = (float(tensor.get(name, "0")) for name in names)
    moments = turn @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ turn.T
    kg = float(mass.get("value", "0"))
    body.mass, body.explicitinertial, body.ipos = kg, kg > 0.0, place
    body.inertia, body.iquat = diagonal(moments)
    body.fullinertia = UNSAID
    return [body.name] if np.any(angles) else []


def _attribute(origin: ET.Element | None, name: str) -> str:
    return "0 0 0" if origin is None else origin.get(name, "0 0 0")
