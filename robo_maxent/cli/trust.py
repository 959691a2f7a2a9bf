"""No file names code to run: what would run some is named on the command line, too."""

from pathlib import Path
from shlex import quote

from robo_maxent.errors import UsageError


def require_said(name: str, said: str | None, source: str, how: str = "--task") -> None:
    """Refuse a task of a file that would import a module, unless the command line names it too.

    Args:
        name: The task, as the file has it.
        said: The task, as the command line has it.
        source: The file, for the message.
        how: What says it.

    Raises:
        UsageError: It was not said.
    """
    from robo_maxent.envs.gym_spec import module_of

    module = module_of(name)
    if module is not None and said != name:
        raise UsageError(
            f"{source} asks for the task {name}, which runs the code of the module {module}: if "
            f"you trust that, say {how} {quote(name)}"
        )


def data_file(label: str, file: str | None) -> str:
    """The file of a policy, as a stress test names it.

    Raises:
        UsageError: It is not there, or is code, or there was none.
    """
    from robo_maxent.interop.external_policies import runs_code

    if file is None:
        raise UsageError(f"the policy {label} was stressed from Python: say which with --policy")
    if runs_code(file):
        raise UsageError(
            f"the policy {label} is {file}, which runs code of its own: if you trust that, say "
            f"--policy {quote(file)}"
        )
    if not Path(file).exists():
        raise UsageError(f"the policy {label} was {file}, which is gone: say --policy FILE")
    return file
