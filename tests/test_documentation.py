"""What README and docs tell people to type works: tutorials run in order, other commands parse.

A training of minutes, 200 episodes and a stress test of a thousand are too much for a test. What
stands in for them is all in this file: :data:`SHORTER` are other words in a command,
:data:`SHORTER_CODE` in a block of Python, and :func:`brief_suites` makes suites small.
"""

import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from robo_maxent.cli import commands as cli
from robo_maxent.cli import main
from robo_maxent.perturbations.base import Axis, Share
from robo_maxent.robustness import suites
from robo_maxent.robustness.suites import Refinement, Suite
from robo_maxent.tasks import quadruped, registered

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])

FIRST = "tutorials/first-walk.md"
AFTER_FIRST = (
    "tutorials/read-a-report.md",
    "tutorials/certify-a-policy.md",
    "tutorials/your-own-task.md",
    "tutorials/your-own-robot.md",
    "tutorials/your-own-perturbation.md",
    "how-to/deploy-onnx.md",
    "how-to/accept-in-ci.md",
)
"""Pages that are run from top to bottom, each where the first one was run already."""

SHORTER = {
    r"--minutes \S+|--steps \d+": "--steps 3200",
    r" train (?!--resume)": " train --evaluation-episodes 2 --threads 1 ",
    r"--episodes \d+": "--episodes 2",
    r"--seconds \d+": "--seconds 0.1",
    r"--suite \w+|--limits \S+": r"\g<0> --clips 0",
}
"""In a command: what people type -> what is run here."""
SHORTER_CODE = {
    r"(minutes|steps)=[\d_]+": "steps=3200, evaluation_episodes=2, threads=1",
    r"episodes=\d+": "episodes=2",
    r"seconds=\d+": "seconds=0.1",
    r'(stress_test\(.*"runs/[^"]*")\)': r"\1, clips=0)",
}
"""The same in a block of Python."""
MOST = Share(episodes=2, baseline=1, sampled=1)
"""Of a condition, in a suite that is run here."""
EPISODE_STEPS = 60
"""Of an episode of a quadruped."""
NOT_RUN = {"robo-maxent doctor"}
"""What takes long and leaves nothing that follows could need; ``tests/cli`` runs it."""
REFUSED = {"accept.py", "--limits"}
"""Words of commands that exit with 1 here: who has learnt for seconds keeps no limit."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code of a page."""

    page: str
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that a reader is told to save it as, which stands in its first line."""
        named = re.match(r"# (\w+\.\w+)\n", self.text)
        return named[1] if named else None

    @property
    def lines(self) -> list[str]:
        """Of a shell, without comments, those that end with a backslash joined with the next."""
        lines = (line.strip() for line in self.text.replace("\\\n", " ").splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    fences = (token for token in MarkdownIt().parse(page.read_text()) if token.type == "fence")
    name = page.relative_to(ROOT).as_posix()
    return [Block(name, fence.info.strip(), fence.content) for fence in fences]


def in_text(page: Path) -> list[str]:
    """Commands in the running text of a page."""
    tokens = MarkdownIt().parse(page.read_text())
    inside = (child for token in tokens for child in token.children or ())
    return [child.content for child in inside if child.type == "code_inline"]


def arguments_of(line: str) -> list[str] | None:
    """What follows the name of our command in a line; None: it is another command."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # for its environment
        words = words[1:]
    if not words or Path(words[0]).name != "robo-maxent" or len(words) == 1:
        return None
    end = next((i for i, word in enumerate(words) if word in (">", "|")), len(words))
    return words[1:end]


def commands() -> dict[str, str]:
    """Every command of README and docs, and the page that it stands on."""
    found = {}
    for page in PAGES:
        typed = [line for block in blocks(page) if block.language == "bash" for line in block.lines]
        for line in (*typed, *in_text(page)):
            if line.startswith(("robo-maxent ", ".venv/bin/robo-maxent ")):
                found.setdefault(line, page.relative_to(ROOT).as_posix())
    return found


def test_the_parser_takes_every_command_of_readme_and_docs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "_chosen_preset", lambda args: "default")  # which makes environments
    monkeypatch.setattr(cli, "_given_recipe", lambda args: None)  # which reads a run
    refused = []
    for line, page in commands().items():
        words = arguments_of(re.sub(r"--seed [A-Z]+", "--seed 1", line))  # a word for any number
        if words is None or len(words) == 1 or "--help" in words:
            continue  # of a command, only its name is mentioned
        try:
            cli.parsed(words)
        except SystemExit:
            refused.append(f"{page}: {line}")
    assert not refused
    assert len(commands()) > 50


def test_a_command_that_has_an_unknown_option_is_found() -> None:
    with pytest.raises(SystemExit):
        cli.parsed(["record", "RUN", "--sideways"])


# -- Pages that are run --------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def brief_suites() -> Iterator[None]:
    """Short episodes; suites of few of them, at the mildest and hardest severity, not halved."""
    usual = Suite.share

    def share(suite: Suite, axis: Axis) -> Share | None:
        whole = usual(suite, axis)
        if suite.name not in suites.SUITES:
            return whole
        ends = tuple(dict.fromkeys((axis.severities[0], axis.severities[-1])))
        return whole and replace(MOST, severities=ends)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Suite, "share", share)
        for name, suite in suites.SUITES.items():
            patch.setitem(suites.SUITES, name, replace(suite, refinement=Refinement()))
        patch.setattr(quadruped, "TRIAL_STEPS", EPISODE_STEPS)
        patch.setattr(quadruped.QuadrupedWalk, "episode_steps", EPISODE_STEPS)
        yield


def shorter(text: str, replacements: dict[str, str]) -> str:
    for pattern, replacement in replacements.items():
        text = re.sub(pattern, replacement, text)
    return text


@contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Work in a directory, whose modules are forgotten afterwards."""
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.syspath_prepend(directory)
        patch.setattr(sys, "dont_write_bytecode", True)
        yield
    registered.clear()
    for name in set(sys.modules) - known:
        if str(directory) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def type_in(line: str) -> None:
    """Run a line of a shell in this process."""
    words = shlex.split(shorter(line, SHORTER), comments=True)
    command, to = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
    code = 0
    with redirect_stdout(StringIO()) as printed:
        try:
            if command[0] == "python":
                runpy.run_path(command[1], run_name="__main__")
            else:
                assert command[0] == "robo-maxent", f"not ours, and not run: {line}"
                main.main(command[1:])
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert code == (0 if REFUSED.isdisjoint(command) else 1), line
    if to is not None:
        Path(to).write_text(printed.getvalue())


def follow(page: str, directory: Path) -> None:
    """Do what a page says, in a directory."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    with inside(directory):
        for block in blocks(DOCS / page):
            if block.language == "bash":
                for line in block.lines:
                    if line not in NOT_RUN:
                        type_in(line)
            elif block.file is not None:
                Path(block.file).write_text(block.text)
            elif block.language == "python":
                exec(compile(shorter(block.text, SHORTER_CODE), block.page, "exec"), scope)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first tutorial leaves."""
    directory = tmp_path_factory.mktemp("walked")
    follow(FIRST, directory)
    return directory


def test_the_first_tutorial_leaves_what_it_says(walked: Path) -> None:
    for name in ("policy.safetensors", "training.png", "checkpoint", "metrics.jsonl"):
        assert (walked / "runs/first-walk" / name).exists()
    assert (walked / "videos/first-walk.mp4").stat().st_size > 1000
    assert (walked / "runs/second-walk/policy.safetensors").exists()


@pytest.mark.parametrize("page", AFTER_FIRST)
def test_a_page_works_as_it_stands_after_the_first(page: str, walked: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(walked, here)
    follow(page, here)


def test_every_page_of_the_site_that_teaches_is_run() -> None:
    tutorials = {f"tutorials/{path.name}" for path in (DOCS / "tutorials").glob("*.md")}
    assert tutorials <= {FIRST, *AFTER_FIRST}


def test_every_command_has_its_help_in_the_reference() -> None:
    page = (DOCS / "reference" / "cli.md").read_text()
    for name in cli.command_names():
        assert f"```{{command}} {name}\n" in page


def test_everything_that_is_replaced_here_stands_in_a_page() -> None:
    texts = [block.text for page in (FIRST, *AFTER_FIRST) for block in blocks(DOCS / page)]
    for pattern in (*SHORTER, *SHORTER_CODE):
        assert any(re.search(pattern, text) for text in texts), pattern
