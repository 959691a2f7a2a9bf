"""What pyproject.toml says is what is there: a forgotten line works here and fails in the wheel."""

import ast
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from robo_maxent import versions

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]  # package -> folder


def files_of(folder: Path) -> set[Path]:
    """Files of a package folder and of the folders in it, its subpackages aside."""
    found = {path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")}
    for inner in folder.glob("[!._]*/"):
        found |= set() if (inner / "__init__.py").exists() else files_of(inner)
    return found


def pins() -> dict[str, Version]:
    """Package -> pinned version, from constraints.txt."""
    text = (ROOT / "constraints.txt").read_text()
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    found = {}
    for line in filter(None, lines):
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line)
        assert match, f"not an exact pin: {line!r}"
        name = canonicalize_name(match[1])
        assert name not in found, f"pinned twice: {name}"
        found[name] = Version(match[2])
    return found


def requirements() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [Requirement(r) for r in chain(PROJECT["project"]["dependencies"], *extras)]


def test_every_folder_with_an_init_is_a_listed_package() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for top in set(FOLDERS.values())
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert folders == set(FOLDERS.values())
    assert set(SETUPTOOLS["packages"]) == set(FOLDERS)


def test_no_other_top_level_folder_is_importable_by_accident() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {"robo_maxent", "tasks", "assets"}


@pytest.mark.parametrize("package", FOLDERS)
def test_every_data_file_is_shipped_and_every_pattern_ships_something(package: str) -> None:
    folder = ROOT / FOLDERS[package]
    data = {path for path in files_of(folder) if path.suffix != ".py"}
    patterns = SETUPTOOLS["package-data"].get(package, [])
    shipped = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    assert data <= shipped, f"not shipped: {sorted(p.name for p in data - shipped)}"
    for pattern in patterns:
        assert any(folder.glob(pattern)), f"nothing matches {pattern}"


def test_type_checkers_see_the_mapped_packages() -> None:
    stubs = ROOT / PROJECT["tool"]["pyright"]["stubPath"]
    for package, folder in FOLDERS.items():
        if not folder.startswith("robo_maxent"):
            link = stubs / package.replace(".", "/")
            assert link.resolve() == ROOT / folder


def test_the_license_files_are_there_and_ship() -> None:
    for name in PROJECT["project"]["license-files"]:
        assert len((ROOT / name).read_text()) > 1000
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_command_has_a_main() -> None:
    for target in PROJECT["project"]["scripts"].values():
        module, function = target.split(":")
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_every_direct_dependency_is_pinned_within_its_range() -> None:
    pinned = pins()
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"constraints.txt does not pin {name}"
        assert pinned[name] in requirement.specifier, f"{name}: {pinned[name]} not in range"


def test_the_tested_set_is_the_pinned_one() -> None:
    pinned = pins()
    for package, version in versions.TESTED.items():
        assert str(pinned[canonicalize_name(package)]) == version


@pytest.mark.parametrize("name", ["constraints.txt", "Makefile", ".ci/run"])
def test_no_file_names_a_registry_or_a_place_on_one_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"index-url|find-links|https?://|/root/|/home/", text)
