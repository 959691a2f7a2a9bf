"""MJCF in memory with the files that it reads, with or without decorations."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.physics import mujoco

DECORATION_GROUP = 2
"""Geom group of decorations: parts that are only drawn, without mass and contact."""


class ModelSource(Protocol):
    """Protocol of what produces the model of a robot in its world."""

    def spec(self, decorations: bool) -> mujoco.MjSpec:
        """The model, with or without decorations.

        Raises:
            ValueError: It is not valid.
        """
        ...


@dataclass(frozen=True, eq=False)
class Mjcf:
    """MJCF with the files that it reads, all in memory."""

    text: str
    includes: Mapping[str, bytes] = field(default_factory=dict)
    """Included XML files, by the name that the MJCF has for them."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Meshes and textures, by their path below the compiler's directories."""

    def spec(self, decorations: bool = True) -> mujoco.MjSpec:
        """The model.

        Raises:
            ValueError: It is not valid.
        """
        include, assets = dict(self.includes), dict(self.files)
        spec = mujoco.MjSpec.from_string(self.text, include=include, assets=assets)
        if not decorations:
            undecorate(spec)
        return spec

    @classmethod
    def from_file(cls, path: Path) -> "Mjcf":
        """Read an MJCF file and all files that it names; missing ones are left to the compiler.

        Raises:
            RobotError: It can't be read.
        """
        try:
            text, includes = path.read_text(), {}
            _read_includes(text, path.parent, includes)
            spec = mujoco.MjSpec.from_string(text, include=includes)
        except (OSError, UnicodeDecodeError) as error:
            raise RobotError(f"{path} can't be read: {error}") from error
        except (ValueError, ET.ParseError) as error:
            reason = " ".join(str(error).split())
            raise RobotError(f"{path} is not a valid robot: {reason}") from error
        named = [str(Path(spec.meshdir) / mesh.file) for mesh in spec.meshes if mesh.file]
        pictures = [Path(spec.texturedir) / each.file for each in spec.textures if each.file]
        named += [str(picture) for picture in pictures]
        found = {name: path.parent / name for name in named}
        return cls(text, includes, {n: f.read_bytes() for n, f in found.items() if f.is_file()})


def _read_includes(text: str, folder: Path, into: dict[str, bytes]) -> None:
    """Read the XML files that MJCF includes, recursively."""
    for element in ET.fromstring(text).iter("include"):
        name = element.get("file", "")
        path = folder / name
        if name not in into and path.is_file():
            into[name] = path.read_bytes()
            _read_includes(into[name].decode(), folder, into)


def undecorate(spec: mujoco.MjSpec) -> None:
    """Delete the geoms that are decorations.

    Raises:
        ValueError: Something of the physics would go with them.
    """
    whole = spec.copy().compile()
    fix = f"geoms of group {DECORATION_GROUP} are for the eye only: put it in another group"
    for geom in [geom for geom in spec.geoms if geom.group == DECORATION_GROUP]:
        if geom.contype or geom.conaffinity:
            raise ValueError(
                f"the geom {geom.name!r} of body {geom.parent.name!r} has contact, but {fix}, or "
                'give it contype="0" conaffinity="0"'
            )
        spec.delete(geom)
    try:
        bare = spec.copy().compile()
    except ValueError as error:
        raise ValueError(f"it needs one of its decorations ({error}), but {fix}") from error
    for body in range(whole.nbody):
        weights = [(model.body_mass[body], model.body_inertia[body]) for model in (whole, bare)]
        if not all(np.allclose(*values) for values in zip(*weights, strict=True)):
            raise ValueError(
                f'a geom of body {whole.body(body).name!r} has mass, but {fix}, or give it mass="0"'
            )
