"""Python functions that the embedded host exposes to tools.

Under Snakepit the host's own tools are Elixir functions, listed by ``GetExposedElixirTools`` and
called by ``ExecuteElixirTool``. Standing alone, the embedded host offers Python functions in
their place, so that an adapter which calls back into its host runs without Elixir.

Never imports the transport or the wire format.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast, overload

from ftbridge.adapters import docstrings
from ftbridge.adapters.arguments import ArgumentChecker
from ftbridge.adapters.errors import ToolArgumentError
from ftbridge.adapters.host_access import HostToolArgumentError, HostToolNotFoundError
from ftbridge.adapters.matching import ACCEPT_ANYTHING
from ftbridge.adapters.tools import ToolInfo, read_parameters

from .naming import check_metadata, check_name

MARK: Final = "__ftbridge_host_tool__"
"""Attribute that `host_tool` puts on a function: its `_Declaration`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declaration:
    name: str | None
    description: str | None
    metadata: Mapping[str, str]


@overload
def host_tool[F: Callable[..., Any]](function: F, /) -> F: ...
@overload
def host_tool[F: Callable[..., Any]](
    *,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Callable[[F], F]: ...
def host_tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Mark a function as a host tool, for `HostTools.register_marked` and ``--host-tools``.

    With or without parentheses; the arguments are those of `HostTools.register`. The function
    itself is unchanged.
    """
    declaration = _Declaration(
        name=name, description=description, metadata=MappingProxyType(dict(metadata or {}))
    )

    def mark(marked: Callable[..., Any]) -> Callable[..., Any]:
        setattr(marked, MARK, declaration)
        return marked

    return mark if function is None else mark(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTool:
    """One exposed function.

    Args:
        info: as it is published; the rules of the Elixir host's tool names apply to its name.
        function: called with the arguments by name, on the calling tool's thread or, when the
            call comes over the wire, on a handler thread: several at once.
        check: of the arguments, the same as for the adapter's tools.
    """

    info: ToolInfo
    function: Callable[..., object]
    check: ArgumentChecker = field(repr=False)

    @property
    def name(self) -> str:
        """As tools call it."""
        return self.info.name


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
            name: default: what `host_tool` says, else the function's own.
            description: default: what `host_tool` says, else the first line of its docstring.
            metadata: sent with its description.

        Raises:
            NameRuleError: the host would not take the name or the metadata.
            ValueError: the name is taken.
            TypeError: it is not a plain callable.
            InvalidToolError: an argument cannot be given by name.
        """
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function!r} is asynchronous; expose a function that runs it to its end"
            )
        declared = cast("_Declaration | None", getattr(function, MARK, None))
        if declared is not None:
            name = declared.name if name is None else name
            description = declared.description if description is None else description
            metadata = declared.metadata if metadata is None else metadata
        if name is None:
            name = str(getattr(function, "__name__", ""))
        check_name(name)
        check_metadata(name, metadata or {})
        info = _describe(function, name, description, metadata or {})
        tool = HostTool(info=info, function=function, check=ArgumentChecker(info))
        with self._lock:
            tools = self._tools
            if name in tools:
                raise ValueError(f"a host tool named {name!r} is already registered")
            self._tools = MappingProxyType({**tools, name: tool})
        return tool

    def register_marked(self, namespace: Mapping[str, object]) -> list[HostTool]:
        """Expose every function under `host_tool` among the values, such as of ``vars(module)``.

        Raises as `register`; what came before the refused one stays exposed.
        """
        marked = {id(found): found for found in namespace.values() if MARK in _own(found)}
        return [self.register(cast("Callable[..., object]", f)) for f in marked.values()]

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
            HostToolArgumentError: the arguments do not fit; names everything that is wrong.
            BaseException: whatever the function raises.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise HostToolNotFoundError(name, self._tools)
        try:
            checked = tool.check.check(dict(arguments))
        except ToolArgumentError as mismatch:
            # "Tool 'x': missing ..." becomes "host tool 'x': missing ...".
            text = str(mismatch)
            raise HostToolArgumentError(
                f"host {text[:1].lower()}{text[1:]}", tool_name=name
            ) from None
        return tool.function(**checked)


def _own(value: object) -> Mapping[str, object]:
    return getattr(value, "__dict__", {})


def _describe(
    function: Callable[..., object],
    name: str,
    description: str | None,
    metadata: Mapping[str, str],
) -> ToolInfo:
    docstring = inspect.getdoc(function)
    declared = inspect.signature(function).parameters.values()
    parameters, others = read_parameters(f"host tool {name!r}", declared, function, docstring)
    return ToolInfo(
        name=name,
        description=docstrings.summary(docstring) if description is None else description,
        parameters=parameters,
        takes_any=others is not None,
        others=others or ACCEPT_ANYTHING,
        metadata=MappingProxyType(dict(metadata)),
    )
