"""Ray: started here, or a cluster that runs already. Nothing outside this package imports it.

    with cluster.connected("ray://head:10001") as ray:
        for order, result in tasks.completed(ray, function, orders):
            ...

Every node must compute as this machine does, so one with other versions is refused: rows of two
versions would be told apart by nobody.
"""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_maxent import machine
from robo_maxent.errors import IncompatibleVersionsError, RoboMaxentError, UsageError
from robo_maxent.versions import require_extra

HERE = "ray"
"""In the place of an address: start Ray on this machine, and end it afterwards."""
ANSWER_SECONDS = 10.0
"""How long an address may take to answer at all."""
NODE_SECONDS = 60.0
"""How long a node may take to say what it has installed."""
OBJECT_STORE = 256 << 20
"""Bytes of shared memory for what travels; Ray's own choice is 30 % of the memory. A task takes
some MB, one with its terrain 73, and the rows of a shard less than one."""
PACKAGES = ("robo-maxent", "mujoco", "numpy", "torch")
"""Those that must be the same everywhere, beside Python."""

FOLDERS = ("robo_maxent", "robo_maxent.tasks", "robo_maxent.assets")
"""Packages that their source is compared of, the one that has the others first: a checkout has
those beside it, an installation in it."""
SOURCES = (".py", ".c", ".h", ".xml")
"""What their files end in that decide a result."""

_ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})")


class LostError(RoboMaxentError):
    """Ray, or every node that could go on, is lost; what was finished before is kept."""


@dataclass(frozen=True)
class Cluster:
    """A connection to Ray, and the nodes behind it."""

    ray: Any
    """The module."""
    where: str
    """For people: "this machine", or the address."""

    @property
    def nodes(self) -> dict[str, str]:
        """Id -> address of each node that is alive and has a CPU to offer."""
        return {
            node["NodeID"]: node["NodeManagerAddress"]
            for node in self.ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
        }

    @property
    def cpus(self) -> int:
        """Number of CPUs of all nodes together, busy or not; 0: there is no node just now."""
        return sum(self._cpus)

    @property
    def cpus_of_a_node(self) -> int:
        """Number of CPUs of the node with most of them: what needs more is never begun."""
        return max(self._cpus, default=0)

    @property
    def _cpus(self) -> list[int]:
        alive = (node for node in self.ray.nodes() if node["Alive"])
        return [int(node["Resources"].get("CPU", 0)) for node in alive]

    @contextmanager
    def reached(self) -> Iterator[None]:
        """A context for calls of Ray, which may be gone meanwhile.

        Raises:
            LostError: Ray can't be reached any more.
        """
        exceptions = self.ray.exceptions
        try:
            yield
        except exceptions.RayTaskError:  # what a task raised, though it be a ConnectionError too
            raise
        except (
            ConnectionError,
            exceptions.RaySystemError,
            exceptions.RayActorError,  # that of a queue; what becomes of others is looked at
        ) as error:
            raise LostError(
                f"{self.where} can't be reached any more ({_in_a_line(error)})"
            ) from error

    def let_go(self, end: Callable[[], object]) -> None:
        """Call ``end`` to end something that runs on Ray, unless Ray is out of reach."""
        if self.ray.is_initialized():
            with suppress(LostError), self.reached():
                end()


@contextmanager
def connected(on: str) -> Iterator[Cluster]:
    """Connect to Ray, and disconnect afterwards; what was started here is ended then.

    A program that is connected already stays so, and its connection is used.

    Args:
        on: "ray" starts Ray on this machine. "ray://HOST:PORT" is a cluster that this machine is
            no part of, "HOST:PORT" or "auto" that of which it is a node.

    Raises:
        UsageError: Ray is not installed, or ``on`` is no address.
        RoboMaxentError: Nobody answers there, or what answers lets nobody join.
        IncompatibleVersionsError: A node has another Python, package or MuJoCo.
    """
    check_address(on)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or each start is reported
    # A cluster that is gone would be looked for, without end, by whatever is asked of it next.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # and warned about
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own use of what is deprecated
        ray = require_extra("ray", "ray", f"--on {on}")
    if ray.is_initialized():
        yield Cluster(ray, on)
        return
    try:
        # A thread of Ray's prints what becomes of nodes, with their logs, to our standard output,
        # which is that of --json; there is no option against it.
        ray._private.worker._worker_logs_enabled = False
        _join(ray, on)
        cluster = Cluster(ray, "this machine" if on == HERE else on)
        require_same_versions(cluster)
        yield cluster
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True


def check_address(on: str) -> None:
    """Check, before work begins, where the user wants to compute.

    Raises:
        UsageError: ``on`` is none of what :func:`connected` takes.
    """
    found = _ADDRESS.fullmatch(on)
    if on not in (HERE, "auto") and (found is None or not 0 < int(found["port"]) < 1 << 16):
        raise UsageError(
            f"--on takes {HERE} (start Ray on this machine), ray://HOST:PORT (a cluster; its port "
            "is usually 10001), or HOST:PORT on a machine that is a node of it (usually 6379); got "
            f"{on!r}"
        )


def require_same_versions(cluster: Cluster) -> None:
    """Check that all nodes compute as this machine does.

    Raises:
        IncompatibleVersionsError: A node has other versions; the message names both.
        RoboMaxentError: A node does not say what it has.
    """
    describe = describer(PACKAGES)
    ray, ours = cluster.ray, describe()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node, address in cluster.nodes.items():
        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        task = ray.remote(num_cpus=0, max_retries=1, scheduling_strategy=there)(describe)
        asked[address] = task.remote()
    for address, answer in asked.items():
        try:
            theirs = ray.get(answer, timeout=NODE_SECONDS)
        except ray.exceptions.RayError as error:
            raise RoboMaxentError(
                f"node {address} does not say which versions it has: {_in_a_line(error)}"
            ) from error
        if text := difference(ours, theirs):
            raise IncompatibleVersionsError(
                f"node {address} would compute otherwise than this machine: {text}. Install the "
                "same versions on both."
            )


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Say in words what differs between our versions and those of a node; "" for nothing."""
    return "; ".join(
        f"{name} {version} here, {theirs.get(name, 'none')} there"
        for name, version in ours.items()
        if theirs.get(name) != version
    )


def describer(packages: tuple[str, ...]) -> Callable[[], dict[str, str]]:
    """Make a function that says which versions of packages are installed where it is called.

    It is made here, rather than imported, so that it travels whole: a node need not have this
    package to say that it has not.
    """

    def describe() -> dict[str, str]:
        versions = {"Python": platform.python_version()}
        for package in packages:
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                versions[package] = "none"
        sources: dict[str, bytes] = {}  # where a file is in the package -> what it says
        for package in FOLDERS if importlib.util.find_spec(FOLDERS[0]) else ():
            spec = importlib.util.find_spec(package)
            for folder in (spec.submodule_search_locations or ()) if spec else ():
                for path in Path(folder).rglob("*"):
                    if path.suffix in SOURCES:
                        place = package.split(".") + list(path.relative_to(folder).parts)
                        sources["/".join(place)] = path.read_bytes()
        digest = hashlib.sha256()
        for place, text in sorted(sources.items()):
            digest.update(place.encode() + b"\0" + text)
        # Two checkouts may have the same number.
        versions["robo-maxent"] += f" (source {digest.hexdigest()[:8]})"
        return versions

    return describe


def _join(ray: Any, on: str) -> None:
    """Start Ray, or join a cluster.

    Raises:
        RoboMaxentError: That is not possible; the message says why.
    """
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    if on == HERE:
        arguments = {
            "address": "local",
            "num_cpus": machine.threads(),
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
        }
    else:
        _require_answer(on)
        arguments = {"address": on}
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(**arguments, **quiet)
    except Exception as error:  # Ray raises plain ones, too
        text = _in_a_line(error)
        if "ersion" in text and "ython" in text:  # of Ray or Python, which Ray itself compares
            raise IncompatibleVersionsError(f"{on} has other versions: {text}") from error
        raise RoboMaxentError(f"Ray can't be used on {on}: {text}") from error


def _require_answer(on: str) -> None:
    """Check that Ray listens at an address: where it does not, Ray itself ends the program.

    Raises:
        RoboMaxentError: Nobody does, or something else.
    """
    found = _ADDRESS.fullmatch(on)
    if found is None:  # "auto"
        return
    place = found["host"].strip("[]"), int(found["port"])
    try:
        socket.create_connection(place, timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise RoboMaxentError(
            f"nobody answers at {on} ({error.strerror or error}). Start Ray there with 'ray start "
            f"--head', open its port, or use this machine alone: --on {HERE}"
        ) from error
    if os.environ.get("RAY_USE_TLS") == "1":  # then it answers nobody without a certificate
        return
    grpc = require_extra("grpc", "ray", f"--on {on}")
    with grpc.insecure_channel(f"{found['host']}:{found['port']}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise RoboMaxentError(
                f"what answers at {on} is not Ray: its port is ray://HOST:10001 from elsewhere, "
                "and HOST:6379 on one of its nodes"
            ) from error


def _in_a_line(error: BaseException) -> str:
    """What an error says; of a traceback in it, which Ray sends along, only the last line."""
    before, traceback, after = str(error).partition("Traceback (most recent call last)")
    text = f"{before} {after.strip().splitlines()[-1]}" if traceback and after.strip() else before
    return " ".join(text.split())[:400] or type(error).__name__
