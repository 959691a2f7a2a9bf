"""The commands that there are, and what arguments ask of them.

Torch and MuJoCo are imported by the commands that need them, as they run, so that help and usage
errors come at once.
"""

import io
import itertools
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args

import tyro

from robo_maxent.cli import arguments
from robo_maxent.cli.arguments import Json, Result
from robo_maxent.cli.certify import Certify
from robo_maxent.cli.demo import Demo
from robo_maxent.cli.evaluate import Evaluate
from robo_maxent.cli.export import Export
from robo_maxent.cli.info import Doctor, Tasks, Terrain
from robo_maxent.cli.names import with_latest
from robo_maxent.cli.optional_values import REGISTRY
from robo_maxent.cli.play import Play
from robo_maxent.cli.record import Record, Replay
from robo_maxent.cli.robot import Robot
from robo_maxent.cli.sweep import Sweep
from robo_maxent.cli.sweep_temperature import SweepTemperature
from robo_maxent.cli.train import Train
from robo_maxent.cli.tune import Tune
from robo_maxent.cli.worst_case import WorstCase
from robo_maxent.errors import RoboMaxentError, UnknownNameError, UsageError
from robo_maxent.training.config import Preset, TrainConfig, preset

CONFIG = (tyro.conf.DisallowNone,)
"""How tyro reads dataclasses: what is left out is None, nobody writes it."""
TRAINING = {"train": Train, "sweep": Sweep, "tune": Tune}
"""Commands whose options have the values of a preset."""


@dataclass(frozen=True)
class Completion:
    """Print what a shell needs to complete commands and options; save it where the shell looks."""

    shell: tyro.conf.Positional[Literal["bash", "zsh"]]
    """The shell."""
    as_json: Json = False

    def run(self) -> Result:
        """Print the script."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "script"
            with redirect_stdout(io.StringIO()), suppress(SystemExit):  # tyro says what it wrote
                parsed(["--tyro-write-completion", self.shell, str(path)])
            script = path.read_text()
        if not self.as_json:
            print(script)
        return {"script": script}


def parsed(args: list[str]) -> Any:
    """The command that arguments ask for.

    Raises:
        SystemExit: They are unusable, or ask for help; it was printed.
    """
    return tyro.cli(
        _commands(args),
        prog="robo-maxent",
        description="Soft Actor-Critic for robots in MuJoCo, on an ordinary machine. For a run, "
        "'latest' is the newest in runs/.",
        args=with_latest(args),
        config=CONFIG,
        registry=REGISTRY,
    )


def command_names() -> list[str]:
    """The first words that there are: ``train``, ``sweep-temperature``, ..."""
    classes = (get_args(each)[0] if get_args(each) else each for each in get_args(_commands([])))
    return [re.sub(r"(?<=[a-z])(?=[A-Z])", "-", each.__name__).lower() for each in classes]


def _commands(args: list[str]) -> Any:
    """The commands; the options of those that train have the values of the chosen preset."""
    chosen = _chosen_preset(args)
    recipe = _given_recipe(args) or preset(chosen)
    trained: list[Any] = [
        Annotated[command, tyro.conf.subcommand(name, default=_begun(command, chosen, recipe))]
        for name, command in TRAINING.items()
    ]
    others = [
        SweepTemperature,
        Record,
        Play,
        Evaluate,
        Certify,
        WorstCase,
        Replay,
        Export,
        Robot,
        Tasks,
        Terrain,
        Doctor,
        Completion,
        Demo,
    ]
    return Union[*trained, *others]


def _begun(command: Any, chosen: Preset, recipe: TrainConfig) -> Any:
    """A command that trains, with the values of a recipe; what it can't do without is missing."""
    task = {} if command is Train else {"task": tyro.MISSING}
    return command(**task, preset=chosen, config=recipe)


def _given_recipe(args: list[str]) -> TrainConfig | None:
    """Read ahead for ``train --config``: the recipe of a run, less its budget if another is given.

    Raises:
        UsageError: There is no such run, it does not fit this version, or there is a preset, too.
    """
    words = _words(args)
    file = dict(itertools.pairwise(words)).get("--config")
    if args[:1] != ["train"] or file is None:
        return None
    if "--preset" in words:
        raise UsageError("--config has a recipe already: leave out --preset")
    from robo_maxent.cli.progress import say
    from robo_maxent.training.run_directory import read_recipe

    recipe, lacking = read_recipe(Path(file))
    if lacking:
        say(f"  {file} does not say {', '.join(lacking)}: these are as usual")
    given = {"--minutes", "--steps"} & set(words)
    return replace(recipe, minutes=None, steps=None) if given else recipe


def _words(args: list[str]) -> list[str]:
    """Arguments, with a value after ``=`` as a word of its own."""
    return [word for arg in args for word in arg.split("=", 1)]


def _chosen_preset(args: list[str]) -> Preset:
    """Read ahead for ``--preset``, or the task whose own it is.

    What is no preset is left for the parser to refuse.
    """
    asked = dict(itertools.pairwise(_words(args))).get("--preset")
    presets: dict[str, Preset] = {name: name for name in get_args(Preset)}
    if asked in presets:
        return presets[asked]
    command = TRAINING.get(args[0]) if args else None
    own = _preset_of_task(command, args[1:]) if command else "default"
    if own not in presets:
        raise UnknownNameError("preset of the task,", own, presets)
    return presets[own]


def _preset_of_task(command: Any, args: list[str]) -> str:
    """The recipe of the task that arguments of a command that trains name."""
    try:
        with redirect_stderr(io.StringIO()):  # some values are refused aloud even so
            said = tyro.cli(
                command,
                args=[arg for arg in args if arg not in ("-h", "--help")],
                config=CONFIG,
                registry=REGISTRY,
                console_outputs=False,
            )
    except SystemExit:  # the command will say what is wrong with its arguments
        return "default"
    if said.task is None:
        return "default"
    try:
        kind = arguments.class_of(said.task)
        return (kind or arguments.make(said.task, said.options.given)).preset
    except RoboMaxentError:
        return "default"  # the command will say what is wrong with it
