"""The command line: train, record, evaluate, replay, export, tasks, terrain, doctor, demo.

What people read goes to stderr, and results that are asked for to stdout; with ``--json`` stdout
holds exactly one JSON object. Torch and MuJoCo are imported by the commands that need them, so
that help and usage errors come at once.
"""

import itertools
import json
import sys
from typing import Annotated, Any, get_args

import tyro

from robo_maxent import __version__
from robo_maxent.cli import arguments
from robo_maxent.cli.demo import Demo
from robo_maxent.cli.evaluate import Evaluate
from robo_maxent.cli.export import Export
from robo_maxent.cli.info import Doctor, Tasks, Terrain
from robo_maxent.cli.record import Record, Replay
from robo_maxent.cli.train import Train
from robo_maxent.errors import RoboMaxentError
from robo_maxent.training.config import Preset, preset

EXIT_INTERRUPTED = 130
"""What a shell reports of a command ended by Ctrl-C."""


def _commands(args: list[str]) -> Any:
    """The commands; the options of train have the values of the chosen preset as defaults."""
    chosen = _chosen_preset(args)
    start = Train(preset=chosen, config=preset(chosen))
    train = Annotated[Train, tyro.conf.subcommand("train", default=start)]
    return train | Record | Evaluate | Replay | Export | Tasks | Terrain | Doctor | Demo


def _chosen_preset(args: list[str]) -> Preset:
    """Read ahead for ``--preset``, or the task whose own it is.

    What is no preset is left for the parser to refuse.
    """
    words = [word for arg in args for word in arg.split("=", 1)]
    asked = dict(itertools.pairwise(words)).get("--preset")
    presets: dict[str, Preset] = {name: name for name in get_args(Preset)}
    if asked in presets:
        return presets[asked]
    return presets[_preset_of_task(words)] if "train" in words else "default"


def _preset_of_task(words: list[str]) -> str:
    """The recipe of the first task among words."""
    from robo_maxent.envs.gym_spec import PREFIX
    from robo_maxent.tasks import TASKS

    for word in words:
        if word.startswith(PREFIX):
            try:
                return arguments.gym_task(word.removeprefix(PREFIX)).preset
            except RoboMaxentError:
                return "single"  # the command will say what is wrong with it
        if word in TASKS:
            return TASKS[word].preset
    return "default"


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 for a failure, 2 for a usage error."""
    args = sys.argv[1:] if args is None else args
    if args == ["--version"]:
        print(__version__)
        return
    as_json = "--json" in args
    try:
        command = tyro.cli(
            _commands(args),
            prog="robo-maxent",
            description="Soft Actor-Critic for robots in MuJoCo, on an ordinary machine.",
            args=args,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        result = command.run()
        code = EXIT_INTERRUPTED if result.get("interrupted") else 0
        code = 1 if result.get("ok") is False else code
    except RoboMaxentError as error:
        print(f"robo-maxent: {error}", file=sys.stderr)
        result, code = {"error": str(error)}, error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in ("robo_maxent.tasks", "robo_maxent.assets"):
            raise
        message = "this checkout shadows the installed package; run: pip install -e ."
        print(f"robo-maxent: {message}", file=sys.stderr)
        result, code = {"error": message}, 1
    except SystemExit as stop:  # tyro has printed the help, or what is wrong with the arguments
        if not stop.code or not as_json:
            raise
        result, code = {"error": "unusable arguments; stderr says which"}, 2
    except KeyboardInterrupt:
        print("robo-maxent: interrupted", file=sys.stderr)
        result, code = {"error": "interrupted"}, EXIT_INTERRUPTED
    if as_json:
        print(json.dumps(result))
    sys.exit(code)


if __name__ == "__main__":
    main()
