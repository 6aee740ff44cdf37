"""`@tool` and `@thread_safe_method`: what an author writes above a method.

Both leave the function itself in place and attach a declaration, so that a decorated method costs
what a plain one does. Must never inspect signatures: that happens once, when a host loads the
class, where an error can name the adapter.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, Final, cast, overload

from ftbridge.adapters.errors import InvalidToolError

if TYPE_CHECKING:
    from ftbridge.adapters.threaded import ThreadSafeAdapter

METADATA_ATTRIBUTE: Final = "_tool_metadata"
THREAD_SAFE_ATTRIBUTE: Final = "_thread_safe_method"


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


@overload
def thread_safe_method[F: Callable[..., object]](function: F, /) -> F: ...
@overload
def thread_safe_method[F: Callable[..., object]](
    *, exclusive: bool | str = False
) -> Callable[[F], F]: ...
def thread_safe_method(
    function: Callable[..., object] | None = None, /, *, exclusive: bool | str = False
) -> object:
    """Declare that a method may run on several threads at once, on one shared instance.

    By itself this is a declaration: it adds no lock and no cost. `exclusive=True` really locks:
    one thread at a time is inside, under `acquire_lock()`; `exclusive="name"` does so under
    `acquire_lock("name")`. Goes above or below `@tool`.
    """
    if function is None:
        return functools.partial(_declare_safe, exclusive=exclusive)
    return _declare_safe(function, exclusive)


def _declare_safe(function: Callable[..., object], exclusive: bool | str) -> Callable[..., object]:
    if exclusive:
        if (
            inspect.iscoroutinefunction(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise InvalidToolError(
                f"{function.__qualname__} is a generator or async function: exclusive= would hold "
                "a thread's lock while it is suspended. Take acquire_lock() inside, around the "
                "statements that need it"
            )
        function = _exclusive(
            cast("Callable[Concatenate[ThreadSafeAdapter, ...], object]", function),
            exclusive if isinstance(exclusive, str) else None,
        )
    setattr(function, THREAD_SAFE_ATTRIBUTE, True)
    return function


def _exclusive(
    function: "Callable[Concatenate[ThreadSafeAdapter, ...], object]", lock_name: str | None
) -> Callable[..., object]:
    @functools.wraps(function)
    def locked(self: "ThreadSafeAdapter", /, *args: object, **kwargs: object) -> object:
        with self.acquire_lock(lock_name):
            return function(self, *args, **kwargs)

    return locked
