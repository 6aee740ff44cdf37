"""Python functions that the embedded host exposes to tools.

Under Snakepit the host's own tools are Elixir functions, listed by ``GetExposedElixirTools`` and
called by ``ExecuteElixirTool``. Standing alone, the embedded host offers Python functions in
their place, so that an adapter which calls back into its host runs without Elixir.

Never imports the transport or the wire format.
"""

from __future__ import annotations

import inspect
import threading
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .naming import check_metadata, check_name


class HostToolError(Exception):
    """A host tool could not be called."""


class HostToolNotFoundError(HostToolError):
    """No host tool has that name."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        offered = ", ".join(sorted(known)) if known else "none"
        super().__init__(f"no host tool is named {name!r}; exposed: {offered}")
        self.name = name


class HostToolArgumentError(HostToolError):
    """The arguments do not fit the function's signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTool:
    """One exposed function.

    Args:
        name: as tools call it; the rules of the Elixir host's tool names apply.
        function: called with the arguments by name, on the calling tool's thread or, when the
            call comes over the wire, on a handler thread: several at once.
        description: what it does, for the tools' authors.
        signature, hints: of the function; annotations that cannot be resolved are left out.
        metadata: sent with its description.
    """

    name: str
    function: Callable[..., object]
    description: str
    signature: inspect.Signature
    hints: Mapping[str, object]
    metadata: Mapping[str, str]


class HostTools:
    """Registry of the functions that tools may call. Safe to use from any thread.

    Reading takes no lock: the table is replaced as a whole by `register` and `remove`, and what
    the registering thread did before happens before any call that finds the tool.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tools: Mapping[str, HostTool] = MappingProxyType({})

    @property
    def tools(self) -> Mapping[str, HostTool]:
        """What is exposed now, by name, in order of registration; a snapshot."""
        return self._tools

    def register(
        self,
        function: Callable[..., object],
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> HostTool:
        """Expose a function.

        Args:
            function: a plain function or other callable; a coroutine function is refused.
            name: default: the function's own.
            description: default: the first line of its docstring.
            metadata: sent with its description.

        Raises:
            NameRuleError: the host would not take the name or the metadata.
            ValueError: the name is taken.
            TypeError: it is not a plain callable.
        """
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function!r} is asynchronous; expose a function that runs it to its end"
            )
        if name is None:
            name = str(getattr(function, "__name__", ""))
        check_name(name)
        kept = MappingProxyType(dict(metadata or {}))
        check_metadata(name, kept)
        if description is None:
            description = (inspect.getdoc(function) or "").partition("\n")[0]
        tool = HostTool(
            name=name,
            function=function,
            description=description,
            signature=inspect.signature(function),
            hints=_hints(function),
            metadata=kept,
        )
        with self._lock:
            tools = self._tools
            if name in tools:
                raise ValueError(f"a host tool named {name!r} is already registered")
            self._tools = MappingProxyType({**tools, name: tool})
        return tool

    def remove(self, name: str) -> bool:
        """Expose it no longer; False when there was none. Running calls go on."""
        with self._lock:
            tools = dict(self._tools)
            found = tools.pop(name, None)
            self._tools = MappingProxyType(tools)
        return found is not None

    def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Call a host tool.

        Raises:
            HostToolNotFoundError: there is none of that name.
            HostToolArgumentError: the arguments do not fit.
            BaseException: whatever the function raises.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise HostToolNotFoundError(name, self._tools)
        try:
            bound = tool.signature.bind(**arguments)
        except TypeError as mismatch:
            raise HostToolArgumentError(f"host tool {name}{tool.signature}: {mismatch}") from None
        return tool.function(*bound.args, **bound.kwargs)


def _hints(function: Callable[..., object]) -> Mapping[str, object]:
    try:
        return MappingProxyType(typing.get_type_hints(function, include_extras=True))
    except Exception:  # noqa: BLE001 - a name that only type checkers import, or worse
        return MappingProxyType({})
