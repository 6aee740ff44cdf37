"""`BaseAdapter`: a new instance for every request.

Holds as little as it can: the name lookups of every request go through this class. Dispatch and
lifecycle are the host's (`ftbridge.adapters.host`), which this module must never import.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import ClassVar, Final, Self, cast

from ftbridge.adapters.context import SessionContext

_NO_CONFIG: Final[Mapping[str, object]] = MappingProxyType({})

# The configuration for instances being built: `__init__` may read `self.config` already, without
# having to take it as an argument.
BUILD_CONFIG: Final[ContextVar[Mapping[str, object]]] = ContextVar(
    "ftbridge_build_config", default=_NO_CONFIG
)


class BaseAdapter:
    """Tools that keep nothing on `self` between requests.

    For each request the host builds an instance, calls `set_session_context(context)`, then
    `initialize()` if there is one, the tool, and `cleanup()` if there is one: exactly once, after
    the tool has ended, however it ended. Both hooks may be sync or async.

    Instances are not shared, but several threads run instances of the same class at once, so
    module and class state is shared: declare `__thread_safe__ = True` when that is in order.
    """

    __thread_safe__: ClassVar[bool] = False

    #: What the operator configured, read-only. Set before `__init__` runs.
    config: Mapping[str, object]

    _session_context: SessionContext | None = None

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        self.config = BUILD_CONFIG.get()
        return self

    @property
    def session_context(self) -> SessionContext:
        """The current request's context; None until the host has set one."""
        return cast("SessionContext", self._session_context)

    @session_context.setter
    def session_context(self, context: SessionContext | None) -> None:
        self._session_context = context

    def set_session_context(self, session_context: SessionContext) -> None:
        """Called by the host with the request's context, before `initialize()` and the tool."""
        self.session_context = session_context

    @property
    def session_id(self) -> str | None:
        """The current session's id, or None outside a request."""
        context: SessionContext | None = self.session_context
        return None if context is None else context.session_id
