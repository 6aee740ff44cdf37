"""`BaseAdapter`: a new instance for every request, unless another lifetime is chosen.

Holds as little as it can: the name lookups of every request go through this class. Dispatch and
lifecycle are the host's (`ftbridge.adapters.host`), which this module must never import.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self, cast

from ftbridge.adapters.context import CURRENT, SessionContext
from ftbridge.adapters.tracking import RequestTracker
from ftlocks import ThreadLocal

type Lifetime = Literal["request", "thread", "process"]

_NO_CONFIG: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a host gives the instances that it builds, before their `__init__` runs.

    `outlives_request`: the instance serves more than one request, so that a request's context
    cannot be an attribute of it. `storage` and `tracker` are shared by all instances of a host, so
    that they mean the same whatever the lifetime; None outside a host.
    """

    config: Mapping[str, object] = _NO_CONFIG
    outlives_request: bool = False
    storage: ThreadLocal[dict[str, Any]] | None = None
    tracker: RequestTracker | None = None


_NO_SURROUNDINGS: Final = Surroundings()

# In a context variable, so that `__init__` may read `self.config` already without having to take
# it as an argument.
SURROUNDINGS: Final[ContextVar[Surroundings]] = ContextVar(
    "ftbridge_surroundings", default=_NO_SURROUNDINGS
)


class BaseAdapter:
    """Tools that keep nothing on `self` between requests.

    For each request the host builds an instance, calls `set_session_context(context)`, then
    `initialize()` if there is one, the tool, and `cleanup()` if there is one: exactly once, after
    the tool has ended, however it ended. Both hooks may be sync or async.

    Instances are not shared, but several threads run instances of the same class at once, so
    module and class state is shared: declare `__thread_safe__ = True` when that is in order.

    `__lifetime__` chooses another life: with "thread" an instance belongs to a handler thread and
    serves the requests that this thread gets, one after the other; with "process" one instance
    serves all. Then `setup()` runs once after an instance is built, `teardown()` once at its end;
    of a thread's instance both run on that thread. Both may be sync or async.
    """

    __thread_safe__: ClassVar[bool] = False
    __lifetime__: ClassVar[Lifetime] = "request"

    #: What the operator configured, read-only. Set before `__init__` runs.
    config: Mapping[str, object]

    _session_context: SessionContext | None = None
    _ft_outlives_request: bool = False

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        surroundings = SURROUNDINGS.get()
        self.config = surroundings.config
        if surroundings.outlives_request:
            self._ft_outlives_request = True
        return self

    @property
    def session_context(self) -> SessionContext:
        """The current request's context; None outside a request."""
        if self._ft_outlives_request:
            return cast("SessionContext", CURRENT.get())
        # An attribute, since the instance is the request's alone: right on every thread.
        return cast("SessionContext", self._session_context)

    @session_context.setter
    def session_context(self, context: SessionContext | None) -> None:
        if self._ft_outlives_request:
            CURRENT.set(context)
        else:
            self._session_context = context

    def set_session_context(self, session_context: SessionContext) -> None:
        """Called by the host with the request's context, before `initialize()` and the tool."""
        self.session_context = session_context

    @property
    def session_id(self) -> str | None:
        """The current session's id, or None outside a request."""
        context: SessionContext | None = self.session_context
        return None if context is None else context.session_id
