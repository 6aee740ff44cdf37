"""The id that ties a tool's events, log lines and outgoing calls to the request it serves.

It is the current request's unless code sets another one. Both live in context variables, so that
tools on many threads never see each other's. Must never import more than the request's context.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Final

from ftbridge.adapters.context import CURRENT

CORRELATION_HEADER: Final = "x-snakepit-correlation-id"
"""Call metadata under which the Elixir host and its workers pass the id on."""

NO_ID: Final = "-"
"""What a log line shows outside any request."""

_PREFIX: Final = "sp-"
_ID_BYTES: Final = 12  # 24 hexadecimal digits, the form of the host's own ids

_SET: Final[ContextVar[str | None]] = ContextVar("ftbridge_correlation_id", default=None)


def get_correlation_id() -> str | None:
    """The id set here, else the current request's, else None."""
    own = _SET.get()
    if own is not None:
        return own
    session = CURRENT.get()
    return None if session is None else session.correlation_id or None


def set_correlation_id(correlation_id: str | None) -> Token[str | None]:
    """Use this id from now on in this context; None: the request's own again.

    Returns a token for `reset_correlation_id`.
    """
    return _SET.set(correlation_id)


def reset_correlation_id(token: Token[str | None] | None = None) -> None:
    """Undo the `set_correlation_id` that gave the token; without one, any.

    A token of another context (a generator that was closed elsewhere) changes nothing.
    """
    if token is None:
        _SET.set(None)
        return
    try:
        _SET.reset(token)
    except ValueError:
        pass


def new_correlation_id() -> str:
    """A fresh id of 96 random bits, in the host's form. Sets nothing."""
    return _PREFIX + secrets.token_hex(_ID_BYTES)


def outgoing_metadata(initial: Iterable[tuple[str, str]] | None = None) -> list[tuple[str, str]]:
    """`initial` and the current id, as call metadata for another gRPC service.

    An id that `initial` names itself stays; without any, a new one is made.
    """
    metadata = list(initial or ())
    if not any(key.lower() == CORRELATION_HEADER for key, _ in metadata):
        metadata.append((CORRELATION_HEADER, get_correlation_id() or new_correlation_id()))
    return metadata


class _CorrelationFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = get_correlation_id() or NO_ID
        return True


def correlation_filter() -> logging.Filter:
    """A filter that lets every record pass and gives it ``correlation_id`` for the format.

    Add it to a handler, since a logger's filters do not see the records of its children:
    ``handler.addFilter(correlation_filter())``, ``"%(correlation_id)s %(message)s"``.
    """
    return _CorrelationFilter()
