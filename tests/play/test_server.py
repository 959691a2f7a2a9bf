"""A page is served to this machine alone, on the port that was asked for, or not at all."""

import socket

import psutil
import pytest

from robo_maxent import versions
from robo_maxent.errors import UsageError
from robo_maxent.play.server import HOST, require_free, serving


def test_a_port_that_is_taken_is_said_with_what_to_give_instead() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        message = rf"^port {port} of 127.0.0.1 can't be had .* give this one --port {port + 1}$"
        with pytest.raises(UsageError, match=message):
            require_free(HOST, port)


def test_a_port_that_is_free_stays_free() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
    require_free(HOST, port)
    require_free(HOST, port)


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        (HOST, 70000, "--port must be in 0..65535, got 70000"),
        (HOST, -1, "--port must be in 0..65535, got -1"),
        ("no.such.host.invalid", 8080, "'no.such.host.invalid' is no address or name of this"),
        ("no..host", 8080, "'no..host' is no address .*: leave it out, and browsers of this"),
        ("", 8080, "'' is no address or name of this machine: leave it out"),
        ("192.0.2.1", 8080, "'192.0.2.1' is no address .*; with --host 0.0.0.0 others do, too"),
    ],
)
def test_where_nobody_can_serve_is_refused(host: str, port: int, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        require_free(host, port)
    assert "Errno" not in str(refused.value)


def test_without_the_extra_the_command_that_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda name: None)
    fix = r"play needs viser: pip install 'robo-maxent\[viewer\]'"
    with pytest.raises(UsageError, match=fix), serving(HOST, 0):
        pass


@pytest.mark.skipif(
    versions.importlib.util.find_spec("viser") is None, reason="needs the extra viewer: viser"
)
def test_only_this_machine_reaches_it_and_it_says_nothing_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(HOST, 0) as server:
        assert server.get_host() == HOST
        [listening] = [
            each.laddr
            for each in psutil.Process().net_connections("tcp")
            if each.status == "LISTEN" and each.laddr.port == server.get_port()
        ]
        assert listening.ip == HOST
    assert capsys.readouterr().out == ""
