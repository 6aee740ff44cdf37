"""`python -m ftbridge.cpuprofile.program`: runs a program under the sampler, without an edit to it.

What `ftbridge profile --cpu` starts; the profile goes to a file as JSON when the interpreter ends,
after the program's threads have, or when SIGTERM ends it. Must never change the program's exit
status.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from ftbridge.cpuprofile.sampler import DEPTH, RATE, CpuSampler
from ftlocks.profiler.formats import write_whole
from ftlocks.profiler.programs import load_program


def main() -> int:
    """Run the program; 2 is for one that cannot be loaded."""
    options = _options()
    try:
        sampler = CpuSampler(
            rate=options.rate,
            depth=options.depth,
            title=" ".join([*(["-m"] if options.module else []), *options.program]),
        )
        code, module = load_program(options.program[0], module=options.module)
    except (ValueError, OSError, ImportError, SyntaxError) as error:
        print(f"error: cannot run {options.program[0]}: {error}", file=sys.stderr)
        return 2
    sys.argv = [module.__file__ or options.program[0], *options.program[1:]]
    _arrange_report(sampler, options.report)
    sampler.start()
    if options.duration:
        # Ends the profile, then the program as Ctrl-C would.
        timer = threading.Timer(options.duration, _interrupt, (sampler,))
        timer.name = "ftbridge-cpu-duration"
        timer.daemon = True
        timer.start()
    sys.modules["__main__"] = module
    exec(code, module.__dict__)
    return 0


def _interrupt(sampler: CpuSampler) -> None:
    sampler.stop()
    os.kill(os.getpid(), signal.SIGINT)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ftbridge.cpuprofile.program")
    parser.add_argument("--report", type=Path, required=True, help="where the JSON goes")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--depth", type=int, default=DEPTH)
    parser.add_argument("--duration", type=float, default=0.0)
    parser.add_argument("-m", dest="module", action="store_true")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.program:
        parser.error("say which program to run")
    return options


def _arrange_report(sampler: CpuSampler, path: Path) -> None:
    """Have the report written at the end: registered first, so run last of all."""
    process = os.getpid()

    def write() -> None:
        if os.getpid() != process:
            return  # a child of a fork, whose report this is not
        sampler.stop()
        write_whole(path, json.dumps(sampler.profile().as_dict()).encode())

    def terminated(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == process:
            write()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    atexit.register(write)
    signal.signal(signal.SIGTERM, terminated)


if __name__ == "__main__":
    sys.exit(main())
