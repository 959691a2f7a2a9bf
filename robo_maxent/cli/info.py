"""``robo-maxent tasks``, ``terrain`` and ``doctor``: what there is, and whether it works here."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from robo_maxent.cli.arguments import Json, Result, Switch
from robo_maxent.errors import PolicyError, UsageError

ANY_GYM = (
    "any Gymnasium id with Box or Discrete actions: gym:HalfCheetah-v5, gym:dm_control/dog-run-v0"
)
ANY_CLASS = "a class in a file of yours: my_module:MyTask; a package can give it a name"


OF_PACKAGES = "Of installed packages"
OF_GYMNASIUM = "Of Gymnasium"
OF_YOURS = "Your own"
TRAINED = "Trained already"
NAME_WIDTH = 20
"""Characters that the names of a list have at least."""


@dataclass(frozen=True)
class Tasks:
    """List what can be trained, with one line each, and what is trained already."""

    as_json: Json = False

    def run(self) -> Result:
        """Print the tasks, in a terminal grouped by what they are about."""
        from robo_maxent.tasks import FAMILIES

        groups = {
            title: {task.name: task.summary for task in family}
            for title, family in FAMILIES.items()
        }
        groups[OF_PACKAGES] = _installed()
        lines = {name: line for each in groups.values() for name, line in each.items()}
        groups |= {OF_GYMNASIUM: {"gym:ID": ANY_GYM}, OF_YOURS: {"MODULE:CLASS": ANY_CLASS}}
        policies = _pretrained()
        groups[TRAINED] = {name: line for name, (_, line) in policies.items()}
        if not self.as_json:
            for title, group in groups.items():
                if group and sys.stdout.isatty():
                    print(title)
                width = max([NAME_WIDTH, *map(len, group)])
                for name, line in group.items():
                    print(f"{'  ' if sys.stdout.isatty() else ''}{name:{width}} {line}")
        return {"tasks": lines, "pretrained": {name: task for name, (task, _) in policies.items()}}


def _pretrained() -> dict[str, tuple[str | None, str]]:
    """Policies that come with the package, with task and line; one that is damaged hides no other.

    Of such a one the task is None.
    """
    from robo_maxent.training import pretrained

    policies: dict[str, tuple[str | None, str]] = {}
    for name in pretrained.names():
        try:
            card = pretrained.card(name)
            line = f"{card.task}: {card.nominal.success} fresh episodes succeed"
            policies[f"{pretrained.PREFIX}{name}"] = card.task, line
        except PolicyError as error:
            policies[f"{pretrained.PREFIX}{name}"] = None, f"can't be used: {error}"
    return policies


def _installed() -> dict[str, str]:
    """Tasks that installed packages bring, by name; one that is broken hides no other."""
    from robo_maxent.envs.own_tasks import installed
    from robo_maxent.tasks import find

    lines = {}
    for name in sorted(installed()):
        try:
            lines[name] = find(name).summary
        except UsageError as error:
            lines[name] = f"can't be used: {error}"
    return lines


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
        """Draw the sheet, and print where it is."""
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
        """Print a line for each check; the result is ``ok`` if none failed."""
        from robo_maxent.cli.doctor import examine

        checks = examine()
        if not self.as_json:
            for check in checks:
                print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:12} {check.found}")
                if check.fix:
                    print(f"      {'':12} -> {check.fix}")
        return {"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]}
