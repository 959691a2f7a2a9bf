"""``robo-maxent tasks``, ``terrain`` and ``doctor``: what there is, and whether it works here."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robo_maxent.cli.arguments import Json, Result, Switch

if TYPE_CHECKING:
    pass

ANY_GYM = (
    "any Gymnasium id with Box or Discrete actions: gym:HalfCheetah-v5, gym:dm_control/dog-run-v0"
)


@dataclass(frozen=True)
class Tasks:
    """List what can be trained, with one line each."""

    as_json: Json = False

    def run(self) -> Result:
        """List the tasks."""
        from robo_maxent.tasks import TASKS

        lines = {name: task.summary for name, task in TASKS.items()}
        if not self.as_json:
            for name, summary in lines.items():
                print(f"{name:20} {summary}")
            print(f"{'gym:ID':20} {ANY_GYM}")
        return {"tasks": lines}


@dataclass(frozen=True)
class Terrain:
    """Draw every kind of terrain, from easy to hard, on one sheet."""

    table: Switch = False
    """The kinds of table of arm-pick-rough, rather than those of the ground."""
    out: Path | None = None
    """The PNG file; by default terrain.png, or tables.png."""
    seed: int = 0
    """Seed of the patches."""
    as_json: Json = False

    def run(self) -> Result:
        """Draw, and print where the sheet is."""
        from robo_maxent.rendering.terrain_sheet import OF_GROUND, OF_TABLES, draw

        path = self.out or Path("tables.png" if self.table else "terrain.png")
        draw(path, self.seed, OF_TABLES if self.table else OF_GROUND)
        if not self.as_json:
            print(path)
        return {"sheet": str(path)}


@dataclass(frozen=True)
class Doctor:
    """Check whether everything works here, and print the exact fix for what fails."""

    as_json: Json = False

    def run(self) -> Result:
        """Print one line per check."""
        from robo_maxent.cli.doctor import examine

        checks = examine()
        if not self.as_json:
            for check in checks:
                print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:12} {check.found}")
                if check.fix:
                    print(f"      {'':12} -> {check.fix}")
        return {"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]}
