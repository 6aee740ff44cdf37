"""A race, and the words in which it is told.

Must never import the detector.
"""

import linecache
import re
from typing import Any, Final, Literal, NamedTuple

from ftstress.events import (
    ATTRIBUTE,
    CELL,
    GLOBAL,
    GROW,
    ITEM,
    READ,
    RESHAPE,
    SCAN,
    TAKE,
    UPDATE,
    WRITE,
    Place,
)
from ftstress.frames import Frame, Stack, lines_of

_BENIGN: Final = re.compile(r"#\s*ftstress:\s*benign\((?P<reason>[^)]*)\)")
_VERBS: Final = {
    READ: "reads",
    WRITE: "writes",
    UPDATE: "changes",
    SCAN: "goes over",
    GROW: "adds to",
    TAKE: "takes from",
    RESHAPE: "rearranges",
}


class Side(NamedTuple):
    """One of the two accesses."""

    kind: int
    site: Place
    stack: Stack
    thread: str
    tid: int
    origin: Stack
    parent: str
    held: tuple[str, ...]

    @property
    def verb(self) -> str:
        """What it does, as in "reads"."""
        return _VERBS[self.kind]

    @property
    def frames(self) -> list[Frame]:
        """File, line and function of each frame, innermost first; the first is the access."""
        frames = lines_of(self.stack)
        innermost = (*self.site.where, self.site.function)
        return [innermost, *frames[1:]]


class Race:
    """Two accesses that nothing orders. `kind` is that of `ftstress.findings`.

    Args:
        owner: name of the type of the object; `field`: the attribute, name, index or key; None for
            a container as a whole.
        first: the one that was seen first; `second` is the one at which the race was found.
        heard: by what the second thread had last heard of the first: what, sent and received.
        check: the unlocked look that would make this double-checked locking, if it turns out so.
    """

    kind: Literal["data-race", "atomicity"] = "data-race"

    def __init__(
        self,
        *,
        owner: str,
        field: Any,
        first: Side,
        second: Side,
        heard: tuple[str, Stack, Stack] | None,
        check: Place | None,
    ) -> None:
        self.owner = owner
        self.field = field
        self.first = first
        self.second = second
        self.heard = heard
        self.check = check
        self.count = 1

    @property
    def variable(self) -> str:
        """What they meet at, in words."""
        space = self.second.site.space
        if space == GLOBAL:
            return f"global variable {self.field!r}"
        if space == CELL:
            return f"closure variable {self.field!r}"
        if space == ATTRIBUTE:
            return f"attribute {self.field!r} of a {self.owner}"
        if self.field is None:
            return f"a {self.owner} as a whole"
        if self.owner == "generator":
            return "a generator"
        return f"item {self.field!r} of a {self.owner}"

    @property
    def benign(self) -> str | None:
        """The reason given by ``# ftstress: benign(reason)`` on either line; None without."""
        for side in (self.first, self.second):
            line = linecache.getline(*side.site.where)
            found = _BENIGN.search(line)
            if found is not None and found["reason"].strip():
                return found["reason"].strip()
        return None

    @property
    def why(self) -> str:
        """Why it is a race."""
        locks = set(self.first.held), set(self.second.held)
        if not any(locks):
            held = "no lock is held on either side"
        elif not all(locks):
            held = "a lock is held on one side only"
        else:
            held = "the locks that are held are not the same one"
        return (
            f"Nothing orders these two accesses, at least one of which changes {self.variable}: "
            f"{held}, and no message, start or end of a thread lies between them. They can come in "
            "either order, or with the steps of one between those of the other."
        )

    @property
    def advice(self) -> str:
        """What usually mends it."""
        kinds = {self.first.kind, self.second.kind}
        if self.owner == "generator":
            return (
                "Let one thread advance the generator and hand out what it yields through a "
                "queue.Queue, or hold one lock around each next()."
            )
        if SCAN in kinds:
            return (
                "Whoever goes over it needs the lock that its writers hold; copy it under that "
                "lock and go over the copy where the work is long. A check (len, truth, `in`) and "
                "what depends on it belong under one hold of the lock."
            )
        if self.second.site.space == ITEM:
            return (
                "Hold one lock over the check and the change, or use one atomic step: "
                "dict.setdefault(), or ftlocks.ConcurrentDict.get_or_create()/update_with()."
            )
        if self.first.site.where == self.second.site.where and WRITE in kinds:
            return (
                "Hold one lock over reading and writing it (`x += 1` is both), or count with "
                "ftlocks.AtomicInt or ShardedCounter."
            )
        return (
            "Hold the same lock on both sides, or hand the value over through something that "
            "orders: an Event that is set after the write and waited for before the read, a "
            "queue, a Future; ftlocks.Once or Lazy for what is made once."
        )

    def text(self) -> str:
        """The report."""
        texts = dict.fromkeys(side.site.text for side in (self.first, self.second))
        times = f" ({self.count} times)" if self.count > 1 else ""
        lines = [f"RACE on {self.variable}{times}: {'  |  '.join(texts)}"]
        for title, side in (("One thread", self.first), ("Another", self.second)):
            lines += _side_lines(f"{title}, {side.thread!r}, {side.verb} it", side)
        lines += ["", f"  Last order between the two threads: {self.last_order}"]
        lines += [
            "",
            *_wrapped("Why it is a race", self.why),
            *_wrapped("Usual remedy", self.advice),
        ]
        return "\n".join(lines)

    @property
    def last_order(self) -> str:
        """The last message between the two threads, or that there was none."""
        if self.heard is None:
            return f"none; {self.second.thread!r} has heard nothing from {self.first.thread!r}."
        what, sent, received = self.heard
        places = [
            f"{word} at {frames[0][0]}:{frames[0][1]}"
            for word, frames in (("sent", lines_of(sent)), ("received", lines_of(received)))
            if frames
        ]
        return f"{what}, {', '.join(places)}; the first access came after that was sent."


class Violation(Race):
    """A read and a write of one thread that belong together, and a write that fits in between.

    Args:
        writer: the other thread's write. `first` is the read, `second` the write that relies on it.
    """

    kind = "atomicity"

    def __init__(self, *, owner: str, field: Any, first: Side, second: Side, writer: Side) -> None:
        super().__init__(
            owner=owner, field=field, first=first, second=second, heard=None, check=None
        )
        self.writer = writer

    @property
    def _interferes(self) -> str:
        return "come to the same look" if self.writer.kind in (READ, SCAN) else "change it"

    @property
    def why(self) -> str:
        return (
            f"Each access holds a lock, so that there is no data race; but the lock is let go "
            f"between looking at {self.variable} and changing it, and {self.writer.thread!r}, "
            f"which nothing else orders, can {self._interferes} in between. What was seen is then "
            "stale, and the change undoes the other one or rests on a check that holds no longer."
        )

    @property
    def advice(self) -> str:
        return (
            "Hold the lock from the look to the change, or look again under the second hold before "
            "changing anything; or use one atomic step: dict.setdefault(), "
            "ftlocks.ConcurrentDict.update_with(), ftlocks.AtomicInt.add()."
        )

    @property
    def last_order(self) -> str:
        return "only that lock, which either may take first."

    def text(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        lines = [
            f"NOT ATOMIC: {self.variable}{times}: {self.first.site.text}  ...  "
            f"{self.second.site.text}"
        ]
        for title, side in (
            (f"{self.first.thread!r} {self.first.verb} it under a lock", self.first),
            ("and, after letting the lock go, changes it", self.second),
            (f"In between {self.writer.thread!r} can {self._interferes}", self.writer),
        ):
            lines += _side_lines(title, side)
        lines += [
            "",
            *_wrapped("Why it is wrong", self.why),
            *_wrapped("Usual remedy", self.advice),
        ]
        return "\n".join(lines)


def _side_lines(title: str, side: Side) -> list[str]:
    lines = ["", f"  {title}:"]
    for index, frame in enumerate(side.frames):
        lines += _frame_lines(frame, index == 0)
    lines.append(f"    locks held: {', '.join(side.held) if side.held else 'none'}")
    started = lines_of(side.origin)
    if started:
        filename, line, function = started[0]
        lines.append(f"    thread started by {side.parent!r} at {filename}:{line} in {function}")
    else:
        lines.append("    thread not started by the program")
    return lines


def _frame_lines(frame: Frame, first: bool) -> list[str]:
    filename, line, function = frame
    found = [f"    {filename}:{line} in {function}"]
    source = linecache.getline(filename, line).strip()
    if source:
        found.append(f"    {'>>' if first else '  '}    {source}")
    return found


def _wrapped(title: str, text: str, width: int = 92) -> list[str]:
    lines, current = [], f"  {title}:"
    for word in text.split():
        if len(current) + 1 + len(word) > width:
            lines.append(current)
            current = f"    {word}"
        else:
            current += f" {word}"
    return [*lines, current]
