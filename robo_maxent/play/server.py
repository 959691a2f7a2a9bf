"""A server of the live page, which browsers of this machine reach and no others."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from robo_maxent.errors import UsageError
from robo_maxent.versions import require_extra

HOST, PORT = "127.0.0.1", 8080


@contextmanager
def serving(host: str, port: int) -> Iterator[Any]:
    """Serve a page that is built on what this yields, a ``viser.ViserServer``.

    Args:
        host: Name or address of this machine by which it is reached.
        port: 0: any that is free.

    Raises:
        UsageError: viser is not installed, or the port is taken.
    """
    viser: Any = require_extra("viser", "viewer", "play")
    require_free(host, port)
    with redirect_stdout(StringIO()):  # it says where it is, whatever it was told
        server = viser.ViserServer(host=host, port=port, label="robo-maxent", verbose=False)
    try:
        yield server
    finally:
        with redirect_stdout(StringIO()):
            server.stop()


def require_free(host: str, port: int) -> None:
    """Check that nobody serves there: viser would silently take another port.

    Raises:
        UsageError: Somebody does, or this machine has no such address.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be in 0..65535, got {port}")
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:  # the latter of what no name can be
        raise _no_address(host) from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as error:
            raise UsageError(f"port {port} is the system's: give --port {PORT}") from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise _no_address(host) from error
            raise UsageError(
                f"port {port} of {host} can't be had ({error.strerror}). Where another page runs "
                f"there, end it or give this one --port {port + 1 if port < 65535 else PORT}"
            ) from error


def _no_address(host: str) -> UsageError:
    """What to say of a name or an address that no interface of this machine has."""
    return UsageError(
        f"--host {host!r} is no address or name of this machine: leave it out, and browsers of "
        "this machine reach the page; with --host 0.0.0.0 others do, too, without a password"
    )
