"""A Sphinx extension: what the reference says is read from the code as the site is built.

    ```{from-code} tasks
    ```

    ```{command} train
    ```

The first writes one of :data:`TABLES`, the second the help of a command as its parser
prints it. So neither can say anything that the code does not.
"""

import os
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import code_tables
import policy_tables
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from robo_maxent.cli import main

HELP_COLUMNS = 84
"""Characters of a line of help: what fits beside the navigation of the site."""

ROOT = Path(__file__).resolve().parents[1]
TABLES = code_tables.TABLES | policy_tables.TABLES
"""Tables by name; each is made when it is asked for."""


# -- Directives ----------------------------------------------------------------


class FromCode(SphinxDirective):
    """Write a table of :data:`TABLES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Build the table, and parse it as the page is."""
        name = directives.choice(self.arguments[0], tuple(TABLES))
        self.env.note_reread()  # the code may have changed, though the page has not
        return self.parse_text_to_nodes(TABLES[name]())


class Command(SphinxDirective):
    """Write the help of a command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Ask its parser."""
        self.env.note_reread()
        try:
            text = command_help(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.literal_block(text, text, language="text")]


def command_help(name: str) -> str:
    """What ``robo-maxent NAME --help`` prints, in lines of one length.

    Raises:
        ValueError: There is no such command.
    """
    os.environ["COLUMNS"] = str(HELP_COLUMNS)
    with redirect_stdout(StringIO()) as printed:
        try:
            main.main([name, "--help"])
        except SystemExit as stop:
            if stop.code:
                raise ValueError(f"there is no command robo-maxent {name}") from stop
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines())


# -- Files beside docs/, and docstrings -----------------------------------------

SITE_PAGES = {
    "assets/NOTICE.md": "reference/models",
    "CHANGELOG.md": "project/changes",
    "CONTRIBUTING.md": "project/contributing",
    "SECURITY.md": "project/security",
}
"""Markdown of the repository that lies outside of docs/ -> the page of the site that shows it.

On GitHub that page is a link to the file.
"""


def show_files(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put a file in the place of its page, and let links to such files lead to their pages."""
    for file, page in SITE_PAGES.items():
        if page == docname:
            source[0] = (ROOT / file).read_text().replace("](docs/", "](/")
            app.env.note_dependency(str(ROOT / file), docname=docname)
    for file, page in SITE_PAGES.items():
        source[0] = re.sub(rf"\]\((\.\./)*{re.escape(file)}", f"](/{page}.md", source[0])


def take_as_words(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading "None: there is none" of an attribute as its type.

    It does so in the first line only, so an empty comment is put there.
    """
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives."""
    app.add_directive("from-code", FromCode)
    app.add_directive("command", Command)
    app.connect("source-read", show_files)
    app.connect("autodoc-process-docstring", take_as_words, priority=400)  # before napoleon
    return {"version": "1", "parallel_read_safe": True}
