"""``robo-maxent completion``: what a shell needs to complete commands and options."""

import tempfile
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from robo_maxent.cli.arguments import Json, Result


@dataclass(frozen=True)
class Completion:
    """Print what a shell needs to complete commands and options; save it where the shell looks."""

    shell: Positional[Literal["bash", "zsh"]]
    """The shell."""
    as_json: Json = False

    def run(self) -> Result:
        """Print the script."""
        from robo_maxent.cli.main import parsed

        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "script"
            with redirect_stdout(StringIO()), suppress(SystemExit):  # tyro says what it wrote
                parsed(["--tyro-write-completion", self.shell, str(path)])
            script = path.read_text()
        if not self.as_json:
            print(script)
        return {"script": script}
