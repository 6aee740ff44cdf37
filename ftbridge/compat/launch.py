"""What a Snakepit host says when it starts a worker: arguments and environment, read once.

Both of the host's servers are started with arguments of their own; anything else ends with status
2, as theirs do. A launcher of a shared server reads them too, so this module imports nothing of
ftbridge and nothing heavy.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex

TYPE_CHECKING = False  # `typing` and `dataclasses` cost a launcher 4 MB, a third of its size
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

READY_FILE_VARIABLE: Final = "SNAKEPIT_READY_FILE"
HEARTBEAT_VARIABLE: Final = "SNAKEPIT_HEARTBEAT_CONFIG"
PROCESS_GROUP_VARIABLE: Final = "SNAKEPIT_PROCESS_GROUP"
ADDRESS_VARIABLES: Final = ("SNAKEPIT_GRPC_ADDRESS", "SNAKEPIT_ELIXIR_ADDRESS")

DEFAULT_GRACE: Final = 4.0
"""Seconds; the host sends SIGKILL 6 s after SIGTERM."""

EXTRA_VARIABLE: Final = "FTBRIDGE_WORKER_ARGS"
"""More arguments, as a shell would split them. The host's thread profile takes the arguments of a
pool in pairs, so that a lone flag among them would shift all that follow; here it cannot."""


class _Values:
    """Named values, compared and shown as such."""

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - self.__annotations__.keys()
        missing = [
            n for n in self.__annotations__ if n not in values and not hasattr(type(self), n)
        ]
        if unknown or missing:
            raise TypeError(f"unknown: {sorted(unknown)}, missing: {missing}")
        vars(self).update(values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(other) == repr(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__annotations__)
        return f"{type(self).__name__}({shown})"


class HeartbeatSettings(_Values):
    """How the host and the worker watch each other; times in milliseconds, the host's defaults."""

    enabled: bool = True
    interval_ms: int = 2000
    timeout_ms: int = 10_000
    max_missed_heartbeats: int = 3
    initial_delay_ms: int = 0
    dependent: bool = True

    def updated(self, values: Mapping[str, Any]) -> HeartbeatSettings:
        """With those of the values that are known and of the right type; the rest is ignored.

        Names may be in snake_case or camelCase, as the incumbent reads them.
        """
        found: dict[str, Any] = {}
        for name in self.__annotations__:
            first, *rest = name.split("_")
            camel = first + "".join(part.capitalize() for part in rest)
            value = values.get(name, values.get(camel))
            kind = type(getattr(self, name))
            # An interval of 0 would be a busy loop; a delay may be 0.
            lowest = 0 if name == "initial_delay_ms" else 1
            if type(value) is kind and (kind is bool or value >= lowest):
                found[name] = value
        return HeartbeatSettings(**{**vars(self), **found})


class Launch(_Values):
    """One start of a worker.

    Attributes:
        threaded: started as the host's thread profile does.
        adapter: the adapter's name; empty only with `health_check`.
        port: to listen on; 0 takes a free one.
        elixir_address: of the host's BridgeServer; empty to stand alone.
        threads: that run tools; 0 for the server's own choice.
        run_id: ties the process to one run of the host; its clean-up looks for it.
        ready_file: where the host waits for the port; empty when nobody waits.
        process_group: the host signals the process group that it expects this process to lead.
        lifetime: of adapter instances; empty for the adapter's own choice.
        config: a file for the adapter's `self.config`; empty for none.
        snakepit_values: encode scalars as the incumbent does, where the two differ.
        allow_pickle: unpickle parameters that are marked so.
        grace: seconds for running calls to finish after SIGTERM.
        shared: attach to one server for all launches with the same arguments.
        arguments: all of them, those from the environment included.
    """

    threaded: bool
    adapter: str
    port: int
    elixir_address: str
    threads: int
    run_id: str
    instance_name: str
    instance_token: str
    heartbeat: HeartbeatSettings
    ready_file: str
    process_group: bool
    health_check: bool
    shared: bool
    serialize: bool
    allow_gil: bool
    lifetime: str
    config: str
    snakepit_values: bool
    allow_pickle: bool
    grace: float
    arguments: tuple[str, ...]


def parse(
    arguments: Sequence[str], *, threaded: bool, environment: Mapping[str, str] = os.environ
) -> Launch:
    """Read a launch.

    Args:
        arguments: without the script's name.
        threaded: whether the thread profile's server is meant.

    Raises:
        SystemExit: 2, with usage and reason on stderr, for arguments that the host's own server
            would not take either; 0 for ``--help``.
    """
    given = (*arguments, *shlex.split(environment.get(EXTRA_VARIABLE, "")))
    parser = _parser(threaded=threaded)
    found = parser.parse_args(given)
    heartbeat: Mapping[str, Any] = {}
    if threaded:
        threads, health_check = found.threads or found.max_workers, False
    else:
        threads, health_check = found.threads, found.health_check
        heartbeat = _heartbeats(found)
        if not found.adapter and not health_check:
            parser.error("the following arguments are required: --adapter")
    address = found.elixir_address or next(
        (environment[name] for name in ADDRESS_VARIABLES if environment.get(name)), ""
    )
    return Launch(
        threaded=threaded,
        adapter=found.adapter or "",
        port=found.port,
        elixir_address=address,
        threads=threads,
        run_id=found.snakepit_run_id,
        instance_name=found.snakepit_instance_name,
        instance_token=found.snakepit_instance_token,
        # The environment wins: the host never passes the arguments.
        heartbeat=HeartbeatSettings()
        .updated(heartbeat)
        .updated(_document(environment.get(HEARTBEAT_VARIABLE, ""))),
        ready_file=environment.get(READY_FILE_VARIABLE, ""),
        process_group=_is_on(environment.get(PROCESS_GROUP_VARIABLE, "")),
        health_check=health_check,
        shared=found.shared,
        serialize=found.serialize,
        allow_gil=found.allow_gil,
        lifetime=found.lifetime,
        config=found.config,
        snakepit_values=found.compat == "snakepit",
        allow_pickle=found.allow_pickle,
        grace=found.grace,
        arguments=given,
    )


def lead_process_group(launch: Launch) -> None:
    """Lead a group and session of one's own, where the host asks for it.

    On Linux it has seen to that already: then there is nothing to do, and no error.
    """
    if launch.process_group:
        try:
            os.setsid()
        except OSError:
            pass


def _parser(*, threaded: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grpc_server_threaded.py" if threaded else "grpc_server.py",
        description="An ftbridge worker under a Snakepit host; takes the arguments that the host "
        "gives to its own server, and a few more.",
    )
    add = parser.add_argument
    add("--adapter", required=threaded, metavar="SPEC", help="package.module.Class")
    add("--port", type=_port, default=0, help="0, the default, takes a free one")
    add("--elixir-address", metavar="HOST:PORT", help="of the host's BridgeServer")
    add("--snakepit-run-id", default="", help="which run of the host this belongs to")
    add("--snakepit-instance-name", default="", help="which instance of the host")
    add("--snakepit-instance-token", default="", help="and its token")
    if threaded:
        add("--max-workers", type=_positive, default=10, help="threads that run tools")
        add("--thread-safety-check", action="store_true", help="taken and without effect: adapters "
            "that do not declare themselves thread-safe are always refused")  # fmt: skip
    else:
        add("--heartbeat-enabled", type=_is_on, metavar="BOOL", nargs="?", const=True)
        for name in ("interval-ms", "timeout-ms", "max-missed", "initial-delay-ms"):
            add(f"--heartbeat-{name}", type=int, metavar="N")
        add("--heartbeat-dependent", dest="dependent", action="store_const", const=True)
        add("--heartbeat-independent", dest="dependent", action="store_const", const=False)
        add("--health-check", action="store_true", help="import the adapter and exit")
    ours = parser.add_argument_group("ftbridge's own")
    ours.add_argument("--threads", type=_positive, default=0, help="threads that run tools")
    ours.add_argument(
        "--shared", action="store_true", help="one server for all launches with these arguments"
    )
    ours.add_argument("--serialize", action="store_true", help="one tool at a time")
    ours.add_argument(
        "--lifetime",
        choices=("request", "thread", "process"),
        default="",
        help="of adapter instances; the adapter's own choice otherwise",
    )
    ours.add_argument("--config", default="", metavar="FILE", help="TOML or JSON: `self.config`")
    ours.add_argument(
        "--compat",
        choices=("snakepit",),
        help="scalars as Snakepit's own workers encode them: integers as floats, None as text",
    )
    ours.add_argument("--allow-pickle", action="store_true", help="every caller may run any code")
    ours.add_argument(
        "--grace",
        type=_seconds,
        default=DEFAULT_GRACE,
        metavar="SECONDS",
        help="for running calls to finish when stopping (default %(default)g)",
    )
    ours.add_argument("--allow-gil", action="store_true", help="serve with the GIL on, too")
    return parser


def _heartbeats(found: argparse.Namespace) -> Mapping[str, Any]:
    return {
        "enabled": found.heartbeat_enabled,
        "interval_ms": found.heartbeat_interval_ms,
        "timeout_ms": found.heartbeat_timeout_ms,
        "max_missed_heartbeats": found.heartbeat_max_missed,
        "initial_delay_ms": found.heartbeat_initial_delay_ms,
        "dependent": found.dependent,
    }


def _document(text: str) -> Mapping[str, Any]:
    """The environment's JSON object; an unreadable one counts as empty, and the defaults apply."""
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_on(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time in seconds")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 65535")
    return number
