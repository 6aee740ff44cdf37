"""What instrumented code tells, and who listens: the one interface between code and detectors.

Code that `ftstress.instrument()` rewrote tells of each access to something that threads can share;
the replaced primitives of `ftstress.sync` tell of everything that orders two threads. A `Sink`
(race detector, controlled scheduler, recorder) is registered for the process with `subscribe()`;
there may be several. With none, an event costs a method call and a look at one global.

**Accesses** are told on the accessing thread, immediately *before* they happen, as
`access(kind, target, field, site)`:

====================  ==========================  ==============================================
``site.space``        ``target``                  ``field``
====================  ==========================  ==============================================
`ATTRIBUTE`           the object that has it      its name; for a class attribute the class
`GLOBAL`              the module's dictionary     the name
`CELL`                stands for the scope whose  the name of the closure variable
                      call made the cell
`ITEM`                list, dict, set, deque,     index or key; None: not known, or the whole
                      bytearray, array
`ITEM`                a generator                 None; advancing it is a WRITE
====================  ==========================  ==============================================

``x.n += 1`` is a READ and, after the right-hand side was worked out, a WRITE. Kinds beyond READ and
WRITE tell containers' methods apart: each is atomic in CPython, so that two `append()` are no race,
while `append()` beside an iteration is one.

**Order** is told as messages over channels, which may be any object: what a thread did before
`send(channel)` happens before what another does after its `receive(channel)`. `send` is told
before the operation in question, `receive` after it; `asks` is told before an operation that looks
at a channel without a lock. A lock is a channel that one thread
`holds`; `wants` is told before it blocks for it. Threads tell `starts` (on the parent), `begins`
and `ends` (on their own), `joined` (on whoever saw the end).

A scheduler switches threads in `access` and `asks`; one that puts its own models in place of
`threading`'s tells `holds`, `lets_go`, `send` and `receive` for them, and a race detector can
listen at the same time. What a sink raises reaches the program that is under test.

Must never import anything of this package.
"""

from _thread import allocate_lock
from typing import Any, Final

# Kinds of access.
READ: Final = 0  # of one field or item
WRITE: Final = 1  # of one field or item, or its deletion
UPDATE: Final = 2  # `setdefault`: atomic, in any order the same result
SCAN: Final = 3  # reads the whole container: iteration, len(), truth, copying
GROW: Final = 4  # `append`, `add`, `extend`
TAKE: Final = 5  # `pop`, `popleft`, `discard`, `remove`
RESHAPE: Final = 6  # changes the whole: `sort`, `clear`, `insert`, slices
KIND_NAMES: Final = ("read", "write", "update", "scan", "grow", "take", "reshape")

# Spaces of fields: the same name or number in two spaces is two variables.
ATTRIBUTE: Final = "attribute"
GLOBAL: Final = "global"
CELL: Final = "closure"
ITEM: Final = "item"


class Place:
    """Where in a source file an access is: everything about it that is known beforehand.

    Args:
        filename: as in the code object.
        line: from 1; `column`: in characters from 0.
        function: qualified name of the function, ``<module>`` outside of any.
        text: the source of the expression, shortened to one line.
        name: attribute, global or closure variable; method, for a container's.
        checks: whether the value decides something (a condition, a comparison) or goes to a local
            name that then does, as the first look of double-checked locking.
    """

    __slots__ = (
        "__weakref__",
        "checks",
        "column",
        "filename",
        "function",
        "line",
        "name",
        "space",
        "text",
    )

    def __init__(
        self,
        space: str,
        name: str,
        filename: str,
        line: int,
        column: int = 0,
        function: str = "<module>",
        text: str = "",
        checks: bool = False,
    ) -> None:
        self.space = space
        self.name = name
        self.filename = filename
        self.line = line
        self.column = column
        self.function = function
        self.text = text
        self.checks = checks

    @property
    def where(self) -> tuple[str, int]:
        """File and line."""
        return (self.filename, self.line)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text or self.name!r} {self.filename}:{self.line}>"


class Sink:
    """Hears of everything; override what is of interest. Called on the thread in question.

    With `stepwise`, each item that a loop asks of a container or generator is an access of its own
    (SCAN, or WRITE of a generator); otherwise only the beginning of the loop is.
    """

    stepwise = False

    def access(self, kind: int, target: Any, field: Any, site: Place) -> None:
        """An access is about to happen."""

    def wants(self, lock: Any) -> None:
        """The thread is about to take a lock, and will wait for it without a limit."""

    def holds(self, lock: Any, shared: bool) -> None:
        """It has taken it (outermost, where it is reentrant); `shared` with other readers."""

    def lets_go(self, lock: Any, shared: bool) -> None:
        """It is about to release it."""

    def send(self, channel: Any, what: str) -> None:
        """What the thread did up to now happens before each later `receive` of the channel."""

    def receive(self, channel: Any, what: str) -> None:
        """Everything sent to the channel before has happened. `what` names it in reports."""

    def asks(self, channel: Any, what: str) -> None:
        """The thread is about to look at a channel, or to change it, without a lock."""

    def alters(self, channel: Any) -> None:
        """The thread changes what others look at without a lock, and tells them nothing by it."""

    def starts(self, thread: Any) -> None:
        """The thread is about to start another: a `threading.Thread`, or a stand-in for one."""

    def begins(self, thread: Any) -> None:
        """This thread runs, before anything of its own."""

    def ends(self, thread: Any) -> None:
        """This thread has run."""

    def joined(self, thread: Any) -> None:
        """The thread has seen the end of another: `join()`, or `is_alive()` that was false."""


_METHODS: Final = tuple(name for name, value in vars(Sink).items() if callable(value))
_lock: Final = allocate_lock()
_sinks: tuple[Sink, ...] = ()


class _Table:
    """The functions to call, one for each event; None where nobody listens."""

    access: Any = None
    wants: Any = None
    holds: Any = None
    lets_go: Any = None
    send: Any = None
    receive: Any = None
    asks: Any = None
    alters: Any = None
    starts: Any = None
    begins: Any = None
    ends: Any = None
    joined: Any = None
    stepwise = False


tell: Final = _Table()  # e.g. ``if tell.send is not None: tell.send(channel, "queue")``


def _both(functions: tuple[Any, ...]) -> Any:
    def each(*arguments: Any) -> None:
        for function in functions:
            function(*arguments)

    return each


def _connect() -> None:
    tell.stepwise = any(sink.stepwise for sink in _sinks)
    for name in _METHODS:
        wanted = tuple(
            getattr(sink, name)
            for sink in _sinks
            if getattr(type(sink), name) is not getattr(Sink, name)
        )
        if not wanted:
            function = None
        elif len(wanted) == 1:
            function = wanted[0]
        else:
            function = _both(wanted)
        setattr(tell, name, function)


def subscribe(sink: Sink) -> None:
    """Tell `sink` of all events from now on, after those that listen already."""
    global _sinks
    with _lock:
        if sink in _sinks:
            raise ValueError(f"{sink!r} is subscribed already")
        _sinks = (*_sinks, sink)
        _connect()


def unsubscribe(sink: Sink) -> None:
    """Stop telling it. A thread that is in the middle of an event may finish it."""
    global _sinks
    with _lock:
        _sinks = tuple(other for other in _sinks if other is not sink)
        _connect()
