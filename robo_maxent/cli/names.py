"""Names of files, by the policies that they are about and by what was asked for."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from robo_maxent.errors import PolicyError

LATEST = "latest"
"""What names the newest run."""


def with_latest(args: Sequence[str]) -> list[str]:
    """A command line with the newest run of ``runs/`` in the place of the word "latest".

    Raises:
        PolicyError: There is no run yet.
    """
    if LATEST not in args[1:] or Path(LATEST).exists():
        return list(args)
    runs = [config.parent for config in Path("runs").glob("*/*/config.json")]
    if not runs:
        raise PolicyError(
            "there is no run in runs/ yet, so none is the latest: robo-maxent train "
            "quadruped-flat --minutes 5"
        )
    newest = str(max(runs, key=lambda run: (run / "config.json").stat().st_mtime))
    pairs = itertools.pairwise(args)
    return [
        *args[:1],
        *(newest if arg == LATEST and before != "--out" else arg for before, arg in pairs),
    ]


def labels(named: Sequence[str]) -> list[str]:
    """Make short names of several policies, which differ where the policies do."""
    deepest = max(len(Path(name).resolve().parts) for name in named)
    for folders in range(1, deepest - 1):
        found = [label(name, folders) for name in named]
        if len(set(found)) == len(found):
            return found
    return [label(name) for name in named]  # one policy twice


def label(named: str, folders: int = 1) -> str:
    """Make a short name for files about a policy.

    Args:
        named: Run directory, policy file, MODULE:FUNCTION, or name of a policy of the package. The
            last two lie in no folder, so they are called the same wherever they are evaluated.
        folders: Number of the folders above a policy that its name includes.
    """
    from robo_maxent.interop.external_policies import is_external, is_function
    from robo_maxent.training.pretrained import is_pretrained

    if is_function(named) or is_pretrained(named):
        return re.sub(r"\W", "-", named)
    path = Path(named).resolve()
    name = path.name if path.is_dir() else path.stem  # a directory may be called lr0.001
    name = re.sub(r"\W", "-", path.name) if is_external(named) else name
    return "-".join((*path.parent.parts[-folders:], name))


def variant(**said: object) -> str:
    """Make the end of the name of a file from the options of its evaluation or film.

    For example "-randomize-hard-level-3"; an option that is None was not given.
    """
    words = []
    for name, value in said.items():
        if value is not None:
            values = value if isinstance(value, tuple) else (value,)
            shown = "+".join(one.stem if isinstance(one, Path) else str(one) for one in values)
            words += [name, in_file_name(shown)]
    return "".join(f"-{word}" for word in words)


def in_file_name(words: str) -> str:
    """Replace in words what the name of a file may not have."""
    return re.sub(r"[^\w.+-]+", "-", words)


def own_directory(named: str) -> Path | None:
    """Find the directory where results about a policy go; None: it has none of its own.

    That is the policy's run; one that comes with the package has a place among the runs here.
    """
    from robo_maxent.training import pretrained

    if pretrained.is_pretrained(named):
        return Path("runs") / "pretrained" / pretrained.card(named).name
    return Path(named) if Path(named).is_dir() else None


def rows_path(named: str, variant: str = "") -> Path:
    """Path of the file with the episodes of a policy, JSON lines."""
    from robo_maxent.interop.external_policies import is_external

    path, name = Path(named), f"episodes{variant}.jsonl"
    if own := own_directory(named):
        return own / name
    if is_external(named):  # its ending stays: policy.onnx and policy.safetensors may be neighbours
        return path.with_name(f"{path.name.replace(':', '-')}.{name}")
    return path.with_suffix(f".{name}")


def onnx_path(named: str) -> Path:
    """Path of the ONNX file of a policy."""
    own = own_directory(named)
    return own / "policy.onnx" if own else Path(named).with_suffix(".onnx")
