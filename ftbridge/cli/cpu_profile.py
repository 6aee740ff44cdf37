"""`serve --profile-cpu`: where the CPU time of a served adapter goes, the server's own included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from ftbridge.cli.report_signal import report_file, written_when_asked
from ftbridge.cli.terminal import fail, note

DEFAULT_FILE: Final = "ftbridge-cpu.svg"


def read_file(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """The value of the option: a file that a CPU profile can be written to."""
    if value is None:
        return None
    from ftbridge.cpuprofile.formats import format_of

    return report_file(value, format_of)


@contextmanager
def profiled_cpu(path: Path | None, title: str) -> Iterator[None]:
    """Profile CPU time for the length of the block and write the report at its end.

    SIGUSR1 writes it at any time. Must be entered on the main thread.
    """
    if path is None:
        yield
        return
    from ftbridge.cpuprofile import CpuSampler

    sampler = CpuSampler(title=title)

    def write() -> None:
        profile = sampler.profile()
        try:
            profile.write(path)
        except OSError as error:
            note(f"Cannot write the CPU profile {path}: {error.strerror or error}")
            return
        functions = profile.functions()
        found = "no thread was seen at work"
        if functions and profile.sampled_ns:
            share = functions[0].self_ns / profile.sampled_ns
            found = f"{share:.0%} in {functions[0].function}"
        note(f"CPU profile: {path} ({found})")

    try:
        sampler.start()
    except RuntimeError as error:
        fail(f"--profile-cpu: {error}")
    try:
        with written_when_asked(write, "ftbridge-cpu-report"):
            yield
    finally:
        sampler.stop()
    write()
