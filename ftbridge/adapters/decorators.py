"""`@tool` and `@thread_safe_method`: what an author writes above a method.

Both leave the function itself in place and attach a declaration, so that a decorated method costs
what a plain one does; only a declaration of locks wraps it. Must never inspect signatures: that
happens once, when a host loads the class, where an error can name the adapter.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, Final, cast, overload

from ftbridge.adapters.context import CURRENT
from ftbridge.adapters.errors import InvalidToolError, LockTimeoutError

if TYPE_CHECKING:
    from ftbridge.adapters.threaded import ThreadSafeAdapter

METADATA_ATTRIBUTE: Final = "_tool_metadata"
THREAD_SAFE_ATTRIBUTE: Final = "_thread_safe_method"
LOCKING_ATTRIBUTE: Final = "_ft_locking"  # it takes locks of its adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolMetadata:
    """What `@tool` was told. An empty description means: take the docstring's."""

    description: str = ""
    supports_streaming: bool = False
    required_variables: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@overload
def tool[F: Callable[..., object]](function: F, /) -> F: ...
@overload
def tool[F: Callable[..., object]](
    description: str = "",
    supports_streaming: bool = False,
    required_variables: Sequence[str] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Callable[[F], F]: ...
def tool(
    description: Callable[..., object] | str = "",
    supports_streaming: bool = False,
    required_variables: Sequence[str] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
) -> object:
    """Declare a method as a tool that callers may run; works with and without parentheses.

    `description` falls back to the docstring. `supports_streaming` lets the tool be called as a
    stream (a generator function always can). `required_variables` names what must be set in the
    request's metadata, the session's or the environment before the tool runs. `metadata` is
    published with the tool.
    """
    if not isinstance(description, str):
        if not callable(description):
            raise InvalidToolError(
                f"@tool takes a description, got {description!r}; write @tool(description='...')"
            )
        return _attach(description, ToolMetadata())
    if isinstance(required_variables, str):
        raise InvalidToolError(
            f"required_variables must be a list of names, got the string {required_variables!r}; "
            f"write required_variables=[{required_variables!r}]"
        )
    return functools.partial(
        _attach,
        declaration=ToolMetadata(
            description=description,
            supports_streaming=bool(supports_streaming),
            required_variables=tuple(required_variables or ()),
            metadata=tuple((metadata or {}).items()),
        ),
    )


def _attach[F](function: F, declaration: ToolMetadata) -> F:
    setattr(function, METADATA_ATTRIBUTE, declaration)
    return function


type LockNames = str | Sequence[str]


@overload
def thread_safe_method[F: Callable[..., object]](function: F, /) -> F: ...
@overload
def thread_safe_method[F: Callable[..., object]](
    *, exclusive: bool | LockNames = False, reads: LockNames = (), writes: LockNames = ()
) -> Callable[[F], F]: ...
def thread_safe_method(
    function: Callable[..., object] | None = None,
    /,
    *,
    exclusive: bool | LockNames = False,
    reads: LockNames = (),
    writes: LockNames = (),
) -> object:
    """Declare that a method may run on several threads at once, on one shared instance.

    By itself this is a declaration: it adds no lock and no cost. With declarations it really
    locks, for the length of the method:

    `exclusive=True` holds `acquire_lock()`, so that one thread at a time is inside; `writes="name"`
    (or several names, and `exclusive="name"`, which means the same) holds `acquire_lock("name")`;
    `reads="name"` holds `acquire_read_lock("name")`, together with other readers. All locks of a
    method are taken in the order of their names, so two methods cannot wait for each other; a
    method that calls another one has to see to that itself.

    A call that waits for a lock when its deadline passes ends with `ToolDeadlineError`. Goes above
    or below `@tool`.
    """
    plan: dict[str | None, bool] = {}
    for names, write in ((reads, False), (writes, True), (exclusive, True)):
        for name in _lock_names(names):
            plan[name] = plan.get(name, False) or write
    if function is None:
        return functools.partial(_declare_safe, plan=plan)
    return _declare_safe(function, plan)


def _lock_names(names: bool | LockNames) -> Sequence[str | None]:
    if isinstance(names, bool):
        return (None,) if names else ()
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str) or not name:
            raise InvalidToolError(
                f"{name!r} is no name of a lock: write exclusive=True for the adapter's own lock, "
                "or a text such as writes='ledger'"
            )
    return found


def _declare_safe(
    function: Callable[..., object], plan: Mapping[str | None, bool]
) -> Callable[..., object]:
    if plan:
        if (
            inspect.iscoroutinefunction(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise InvalidToolError(
                f"{function.__qualname__} is a generator or async function: exclusive=, reads= and "
                "writes= would hold a thread's lock while it is suspended. Take acquire_lock() "
                "inside, around the statements that need it"
            )
        function = _locking(
            cast("Callable[Concatenate[ThreadSafeAdapter, ...], object]", function), plan
        )
    setattr(function, THREAD_SAFE_ATTRIBUTE, True)
    return function


def _locking(
    function: "Callable[Concatenate[ThreadSafeAdapter, ...], object]",
    plan: Mapping[str | None, bool],
) -> Callable[..., object]:
    # One order for all methods: the adapter's own lock, then the others by name.
    ordered = sorted(plan.items(), key=lambda item: item[0] or "")

    @functools.wraps(function)
    def locked(self: "ThreadSafeAdapter", /, *args: object, **kwargs: object) -> object:
        context = CURRENT.get()
        with ExitStack() as held:
            for name, write in ordered:
                timeout = None if context is None else context.time_remaining()
                if write or name is None:
                    side = self.acquire_lock(name, timeout=timeout)
                else:
                    side = self.acquire_read_lock(name, timeout=timeout)
                try:
                    held.enter_context(side)
                except LockTimeoutError:
                    if context is not None:
                        context.raise_if_cancelled()
                    raise
            return function(self, *args, **kwargs)

    setattr(locked, LOCKING_ATTRIBUTE, True)
    return locked
