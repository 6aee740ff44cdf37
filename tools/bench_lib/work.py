"""The work of the tools that every contender serves: the same functions, whatever the server.

Must never import a transport or anything else outside the standard library: a server under test
imports it, and nothing but the server may differ between contenders.
"""

import sys
import threading
from collections.abc import Iterator


def spin(iterations: int) -> int:
    """A pure-Python loop of ``iterations`` steps; the same answer for the same number."""
    # Every number of this line is below 257, which CPython keeps for good: 3.13t counts the
    # references to any other constant, and threads that count on one object slow each other. A
    # benchmark of servers is no place to measure that.
    value = 1
    for _ in range(iterations):
        value = (value * 167 + 13) % 251
    return value


def echo(text: str, count: int) -> dict[str, object]:
    """The smallest real tool: two arguments in, a JSON object out."""
    return {"text": text, "count": count}


def echo_bytes(data: bytes) -> bytes:
    """What came in, as it came."""
    return data


def count(to: int) -> Iterator[dict[str, int]]:
    """A stream of so many small objects."""
    for number in range(to):
        yield {"number": number}


def burn(iterations: int) -> dict[str, int]:
    """CPU-bound work; says what it computed and on which thread."""
    return {"value": spin(iterations), "thread": threading.get_ident()}


def about() -> dict[str, object]:
    """What the server runs on, by its own word."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "gil": gil_enabled(),
    }


def gil_enabled() -> bool:
    """Whether this process runs with the GIL."""
    return sys._is_gil_enabled()
