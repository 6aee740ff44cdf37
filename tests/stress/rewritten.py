"""Loads instrumented code for the tests of ftstress, and tells what it did."""

import sys
import textwrap

from ftstress import events, importing
from ftstress.detection import detecting


class Recorder(events.Sink):
    """Every access as (kind, type of the object, field, line)."""

    def __init__(self):
        self.seen = []

    def access(self, kind, target, field, site):
        name = events.KIND_NAMES[kind]
        self.seen.append((name, type(target).__name__, field, site.line))


def write(folder, source, name="code"):
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(source).lstrip("\n"), "utf-8")
    return path


def load(folder, source, name="code"):
    """A module of the source, rewritten."""
    return importing.load_file(write(folder, source, name), name)


def recorded(function, *arguments):
    """What the call told of, and what it gave."""
    recorder = Recorder()
    events.subscribe(recorder)
    try:
        result = function(*arguments)
    finally:
        events.unsubscribe(recorder)
    return recorder.seen, result


def races_of(folder, source, name="code"):
    """The races of the source's ``main()``, module loaded while the detector listens."""
    with detecting() as detector:
        load(folder, source, name).main()
    return detector.races()


def forget(*names):
    for name in names:
        sys.modules.pop(name, None)
