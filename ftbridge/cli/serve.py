"""`ftbridge serve`: options in, a running server out.

Assembling and serving is `ftbridge.bridge.BridgeServer`'s; what is here reads options, prints what
runs, and turns failures to start into one clear line.  Never imports rich: a worker under a host
starts through this module.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, cast

import click

from ftbridge.adapters.errors import AdapterError, AdapterLoadError
from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.lifetimes import LIFETIMES
from ftbridge.adapters.loader import load_adapter
from ftbridge.bridge.host_link_remote import RemoteHostLink
from ftbridge.bridge.host_tools_loader import load_host_tools
from ftbridge.bridge.server import DEFAULT_GRACE_SECONDS, BridgeServer
from ftbridge.cli import cpu_profile
from ftbridge.cli.arguments import DEFAULT_ADDRESS, optional_address, reachable
from ftbridge.cli.arguments import address as read_address
from ftbridge.cli.config import read_config
from ftbridge.cli.interpreter import interpreter_line
from ftbridge.cli.lock_options import lock_options
from ftbridge.cli.lock_profile import LockProfile, profile_options, profiled_locks
from ftbridge.cli.metrics import exposed, read_metrics
from ftbridge.cli.options import wire_options
from ftbridge.cli.signals import hearing, serve_until_signal
from ftbridge.cli.terminal import fail
from ftbridge.guard import GilEnabledError, GilGuard
from ftbridge.metrics import CallMeter
from ftbridge.rpc import Address, ServerOptions, TransportName
from ftbridge.rpc.method import DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_QUEUE_LIMIT, MIB
from ftbridge.rpc.pool import default_threads

if TYPE_CHECKING:
    from ftbridge.adapters.base import BaseAdapter, Lifetime
    from ftbridge.bridge.deadlocks import LockCare
    from ftbridge.wire.policy import WirePolicy

EXAMPLE_ADAPTER: Final = "ftbridge.examples:StdlibAdapter"

_LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LEVELS: Final = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--adapter",
    metavar="SPEC",
    default=EXAMPLE_ADAPTER,
    show_default=True,
    help="The adapter class, pkg.mod:Class or pkg.mod.Class; also found from here.",
)
@click.option(
    "--listen",
    callback=read_address,
    metavar="HOST:PORT",
    default=DEFAULT_ADDRESS,
    show_default=True,
    help="Where to listen; port 0 takes a free one, unix:PATH a Unix socket.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads that run tools. Default: usable cores + 4.",
)
@click.option(
    "--transport",
    type=click.Choice(["auto", "native", "grpcio"]),
    default="auto",
    show_default=True,
    help="auto is native; grpcio has to be installed.",
)
@click.option("--allow-gil", is_flag=True, help="Serve even when something switches the GIL on.")
@click.option(
    "--serialize", is_flag=True, help="One call at a time, for adapters that are not thread-safe."
)
@click.option(
    "--lifetime",
    type=click.Choice(LIFETIMES),
    help="An instance for each request, for each thread, or one for the process. Default: the "
    "adapter's own choice.",
)
@click.option(
    "--config",
    callback=read_config,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML or JSON file: `self.config` of the adapter, read-only.",
)
@click.option(
    "--host-tools",
    metavar="SPEC",
    help="Functions that tools may call back: pkg.mod for those under @host_tool, pkg.mod:NAME "
    "for a HostTools or a dict.",
)
@click.option(
    "--elixir-address",
    callback=optional_address,
    metavar="HOST:PORT",
    help="The BridgeServer of a host elsewhere, in place of the embedded one.",
)
@click.option(
    "--queue",
    "queue_limit",
    type=click.IntRange(min=1),
    default=DEFAULT_QUEUE_LIMIT,
    show_default=True,
    help="Calls that may wait for a thread; beyond it they are refused at once.",
)
@click.option(
    "--max-message",
    type=click.IntRange(min=1),
    metavar="MIB",
    default=DEFAULT_MAX_MESSAGE_BYTES // MIB,
    show_default=True,
    help="Longest message in MiB, both ways.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=DEFAULT_GRACE_SECONDS,
    show_default=True,
    help="When stopping, time for running calls to finish.",
)
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the port here once serving; removed at the end.",
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS),
    default="warning",
    show_default=True,
    help="To stderr.",
)
@lock_options
@wire_options
@click.option(
    "--metrics",
    callback=read_metrics,
    metavar="[HOST:]PORT",
    help="Figures for Prometheus at http://HOST:PORT/metrics; without HOST, for this machine only.",
)
@profile_options
@click.option(
    "--profile-cpu",
    "cpu_report",
    callback=cpu_profile.read_file,
    is_flag=False,
    flag_value=cpu_profile.DEFAULT_FILE,
    metavar="[FILE]",
    help="Report where CPU time goes, written like --profile-locks' (.svg, a flame graph, "
    f".speedscope.json, .collapsed, .json, .txt). Default: {cpu_profile.DEFAULT_FILE}.",
)
@click.option("--self-check", is_flag=True, help="Call a tool through the socket after starting.")
def serve(
    adapter: str,
    listen: Address,
    threads: int | None,
    transport: str,
    allow_gil: bool,
    serialize: bool,
    lifetime: Lifetime | None,
    config: Mapping[str, object],
    host_tools: str | None,
    elixir_address: Address | None,
    queue_limit: int,
    max_message: int,
    grace: float,
    port_file: Path | None,
    log_level: str,
    metrics: tuple[str, int] | None,
    lock_profile: LockProfile | None,
    cpu_report: Path | None,
    self_check: bool,
    policy: WirePolicy,
    lock_care: LockCare,
) -> None:
    """Serve an adapter's tools over gRPC until SIGTERM or Ctrl-C.

    The first signal lets running calls finish for the time of grace, a second one cancels them.
    """
    if host_tools is not None and elixir_address is not None:
        raise click.UsageError(
            "--host-tools is for the embedded host; a host at --elixir-address has its own"
        )
    logging.basicConfig(level=log_level.upper(), format=_LOG_FORMAT)
    options = ServerOptions(
        threads=threads or default_threads(),
        queue_limit=queue_limit,
        max_receive_bytes=max_message * MIB,
        max_send_bytes=max_message * MIB,
    )
    guard = GilGuard(allow_gil=allow_gil)
    # Until the command has ended, so that the report has what happens while stopping.
    calls = click.get_current_context().with_resource(
        profiled_locks(lock_profile, f"ftbridge serve {adapter}")
    )
    click.get_current_context().with_resource(
        cpu_profile.profiled_cpu(cpu_report, f"ftbridge serve {adapter}")
    )
    with _clear_failures(adapter, listen):
        guard.check_start()
        with guard.loading():  # round the server too: stock grpcio switches the GIL on
            adapter_class = _load(adapter)
            host = AdapterHost(adapter_class, lifetime=lifetime, serialize=serialize, config=config)
            meter = None if metrics is None and calls is None else CallMeter(host.tools)
            if calls is not None:
                calls.meter = meter
            server = BridgeServer(
                host,
                listen=str(listen),
                options=options,
                transport=cast("TransportName", transport),
                guard=guard,
                policy=policy,
                host_tools=None if host_tools is None else load_host_tools(host_tools),
                link=None if elixir_address is None else RemoteHostLink(str(elixir_address)),
                lock_care=lock_care,
                meter=meter,
            )
        port = server.start()
    bound = reachable(listen, port)
    with (
        hearing() as inbox,
        _written(port_file, port),
        contextlib.ExitStack() as until_the_end,
    ):
        try:
            scraped = until_the_end.enter_context(exposed(server, meter, metrics))
            _announce(server, guard, adapter_class, listen, port, options, transport)
            if scraped is not None:
                click.echo(f"Metrics: http://{scraped}/metrics")
            if self_check:
                from ftbridge.cli.selfcheck import self_check as check

                check(bound, adapter_class, server.host)
            click.echo("Ctrl-C stops the server.")
        except BaseException:
            server.stop(0.0)
            raise
        serve_until_signal(server, grace=grace, inbox=inbox)


def _load(spec: str) -> type[BaseAdapter]:
    # As `python -m` does: an adapter in the current directory is found; also from inside its
    # package, which then lies below the first folder that is none (pytest's rule for test files).
    # Not with -P, or PYTHONSAFEPATH, which ask for just that not to happen.
    folder = Path.cwd()
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    here = str(folder)
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)
    return load_adapter(spec)


@contextmanager
def _clear_failures(adapter: str, listen: Address) -> Iterator[None]:
    """End the command with what is wrong and the way out, where the block cannot start."""
    try:
        yield
    except GilEnabledError as error:
        if error.__cause__ is not None:
            click.echo(str(error.__cause__), err=True)
        fail(f"adapter {adapter}: {error}")
    except AdapterLoadError as error:
        if error.__cause__ is not None:
            _print_traceback(error.__cause__)
        fail(str(error))
    except AdapterError as error:
        fail(f"adapter {adapter}: {error}")
    except Exception as error:  # noqa: BLE001  the adapter's own code may raise anything
        modules = _modules(error.__traceback__)
        if isinstance(error, OSError) and any(name.startswith("ftbridge.rpc") for name in modules):
            fail(_bind_failure(error, listen))
        if isinstance(error, (ValueError, RuntimeError)) and _is_ours(modules[-1]):
            fail(str(error))  # a refusal with its own way out
        _print_traceback(error)
        fail(f"adapter {adapter} cannot be started: {type(error).__name__}: {error}")


def _modules(trace: TracebackType | None) -> list[str]:
    """The modules of a traceback's frames, innermost last."""
    found = []
    while trace is not None:
        found.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    return found


def _print_traceback(error: BaseException) -> None:
    """What the adapter's own code raised, without the frames that led to it."""
    import traceback

    trace = error.__traceback__
    while trace is not None and _is_ours(_modules(trace)[0]):
        trace = trace.tb_next
    if trace is not None:
        lines = traceback.format_exception(type(error), error, trace)
        click.echo("".join(lines), nl=False, err=True)


def _is_ours(module: str) -> bool:
    if module.startswith("ftbridge.examples"):
        return False
    return module.startswith(("ftbridge.", "importlib"))


def _bind_failure(error: OSError, listen: Address) -> str:
    """Why nothing can listen at that address, and what to do."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno == errno.EADDRINUSE:
        way_out = (
            "another process has it (`ftbridge doctor` says whether it is an ftbridge server); "
            "take a free port with --listen 127.0.0.1:0"
        )
    elif error.errno == errno.EACCES:
        way_out = "take a port above 1023, such as --listen 127.0.0.1:50051"
    else:
        way_out = "name an address of this machine, such as --listen 127.0.0.1:50051"
    return f"cannot listen on {listen}: {reason}; {way_out}"


def _announce(
    server: BridgeServer,
    guard: GilGuard,
    adapter_class: type[BaseAdapter],
    listen: Address,
    port: int,
    options: ServerOptions,
    transport: str,
) -> None:
    from ftbridge.rpc import parse_address

    place = listen
    if listen.port != port:
        place = parse_address(str(listen).rpartition(":")[0] + f":{port}")
    tools = len(server.host.tools)
    click.echo(f"Serving {adapter_class.__qualname__} ({tools} tools) on {place}")
    click.echo(f"Interpreter: {interpreter_line()} ({sys.executable})")
    click.echo(f"GIL: {guard.describe()}")
    name = "grpcio" if transport == "grpcio" else "native"
    click.echo(f"Threads: {options.threads} run tools ({name} transport)")
    if guard.trip is not None:  # with --allow-gil only: without it nothing would be serving
        click.secho(f"WARNING: {guard.trip.headline()}", fg="red", bold=True, err=True)


@contextmanager
def _written(port_file: Path | None, port: int) -> Iterator[None]:
    """Have the port in the file while serving: written whole, then renamed into place."""
    if port_file is None:
        yield
        return
    partial = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    try:
        partial.write_text(f"{port}\n")
        partial.replace(port_file)
    except OSError as error:
        fail(f"cannot write --port-file {port_file}: {error.strerror or error}")
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            port_file.unlink()
