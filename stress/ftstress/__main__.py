"""The command: ``python -m ftstress``. A command's module is imported when it is called.

A module offers `add_NAME(parser)`, which adds the command's arguments and sets ``execute``, a
function from the parsed arguments to the exit status.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

# Command -> module and one-line help.
_COMMANDS: Final = {
    "run": ("ftstress.run_command", "run a program and report its races"),
    "explore": ("ftstress.schedule_commands", "run a test under many schedules of its threads"),
    "replay": ("ftstress.schedule_commands", "run a test again under a saved schedule"),
    "litmus": ("ftstress.litmus_command", "count the outcomes of functions that run at once"),
    "suites": ("ftstress.suites_command", "run ready-made tests of ftlocks and ftbridge"),
    "objects": ("ftstress.objects_command", "check objects for linearizability"),
    "explain": ("ftstress.schedule_commands", "show a saved schedule as a table"),
    "samples": ("ftstress.samples_command", "mistakes to learn from, and what finds them"),
    "compare": ("ftstress.compare_command", "the same suite on this build and on its GIL twin"),
    "measure": ("ftstress.measure_command", "what `compare` runs on each of the builds"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="ftstress", description="Find what goes wrong in Python code that runs in threads."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if given[:1] == [name]:
            getattr(importlib.import_module(module), f"add_{name}")(command)
    options = parser.parse_args(given)
    status = options.execute(options)
    assert isinstance(status, int)
    return status


if __name__ == "__main__":
    sys.exit(main())
