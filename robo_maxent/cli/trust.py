"""No file names code to run: what would run some is named on the command line, too."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from robo_maxent.errors import UsageError


def require_said(
    saved: Mapping[str, Any], said: str | None, source: str, how: str = "--task"
) -> None:
    """Refuse a task of a file that would import a module, unless the command line names one.

    Args:
        saved: What the file says: ``task``, and ``class`` where that is not of this package.
        said: The task that the command line names; None: it names none.
        source: The file, for the message.
        how: The option, or the command, that would name it, for the message.

    Raises:
        UsageError: The file's task would import a module, and the command line does not name it.
    """
    from robo_maxent.envs.gym_spec import PREFIX, module_of
    from robo_maxent.envs.own_tasks import saved_code
    from robo_maxent.tasks import is_known

    name = saved["task"]
    is_code = module_of(name) is not None or not (name.startswith(PREFIX) or is_known(name))
    if said is not None or not is_code:
        return
    code = saved_code(saved)
    if code is None:
        raise UsageError(
            f"{source} asks for the task {name}, which is not of this package: if it is yours, "
            f"say {how} MODULE:CLASS, where its code is"
        )
    module = code.removeprefix(PREFIX).rpartition(":")[0]
    raise UsageError(
        f"{source} asks for the task {name}, which runs the code of the module {module}: if "
        f"you trust that, say {how} {quote(code)}"
    )


def data_file(label: str, file: str | None) -> str:
    """Check that a policy of a stress test is a file that can be loaded without running code.

    Args:
        label: What the stress test calls the policy, for the message.
        file: The file that it names; None: it names none.

    Returns:
        The file.

    Raises:
        UsageError: There was no file, it is gone, or it is code.
    """
    from robo_maxent.interop.external_policies import runs_code
    from robo_maxent.training.pretrained import is_pretrained

    if file is None:
        raise UsageError(f"the policy {label} was stressed from Python: say which with --policy")
    if runs_code(file):
        raise UsageError(
            f"the policy {label} is {file}, which runs code of its own: if you trust that, say "
            f"--policy {quote(file)}"
        )
    if not is_pretrained(file) and not Path(file).exists():
        raise UsageError(f"the policy {label} was {file}, which is gone: say --policy FILE")
    return file
