"""Who has a C lock, whether that thread still runs, and the complaint about one that has it not.

Must never take a lock: these are asked about locks that are held.
"""

import re
import sys
import threading
from typing import Any, Final

from ftlocks._records import LockInfo
from ftlocks.errors import LockMisuseError
from ftlocks.statistics import owner_is_known, owner_named

# The C lock tells its owner by its repr alone.
_C_OWNER: Final = re.compile(r" owner=(\d+) ")


def c_owner(raw: Any) -> int:
    """Who holds a C `RLock`, by ident; 0 for nobody, and for any other lock."""
    found = _C_OWNER.search(repr(raw))
    return int(found[1]) if found else 0


def misuse(info: LockInfo, raw: Any, verb: str) -> LockMisuseError:
    """The complaint about a thread that does what only the holder may do, or anybody while held."""
    owner = owner_named(c_owner(raw))  # a `Lock` that is held can be released
    return LockMisuseError(
        f"thread {threading.current_thread().name!r} {verb} {info.kind} {info.label!r}, which "
        + ("nobody holds" if owner is None else f"thread {owner} holds")
    )


def runs(ident: int) -> bool:
    """Whether a thread of this ident exists, also one that `threading` did not start."""
    # The second question stops all threads for a moment; it is asked where one waits anyway.
    return owner_is_known(ident) or ident in sys._current_frames()


def is_alive(thread: threading.Thread) -> bool:
    """Whether it still runs; a thread that `threading` did not start tells it by an exception."""
    try:
        return thread.is_alive()
    except RuntimeError:
        return False
