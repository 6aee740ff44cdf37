"""Runs an adapter's tools: instances, lifecycle, arguments, async code, streams.

Everything about a tool that can be known beforehand is worked out once, when the host is made, so
that a call is a table look-up, one pass over its arguments and the tool. Must never import the
wire or the transport: the bridge stands on this, not the other way round.
"""

import difflib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextvars import copy_context
from types import GeneratorType, MappingProxyType
from typing import TYPE_CHECKING, Final

from ftbridge.adapters.base import BaseAdapter, Lifetime
from ftbridge.adapters.chunks import StreamChunk, to_chunk
from ftbridge.adapters.context import CURRENT, SessionContext
from ftbridge.adapters.errors import (
    StreamingToolError,
    ThreadSafetyError,
    ToolExitError,
    ToolNotFoundError,
)
from ftbridge.adapters.gate import Gate
from ftbridge.adapters.life import AdapterLife
from ftbridge.adapters.prepared import PreparedTool
from ftbridge.adapters.tools import ToolInfo, collect_tools

if TYPE_CHECKING:
    pass

_log = logging.getLogger("ftbridge.adapters")

_EXITS: Final = (SystemExit, KeyboardInterrupt)

_END: Final = object()


class AdapterHost:
    """One adapter class, served.

    A `BaseAdapter` gets a new instance for each request; a `ThreadSafeAdapter` has one for the
    process, made by `open`; `__lifetime__` or ``lifetime`` choose otherwise. Every method may be
    called from any thread; what `open` did happens before every call after it.

    Args:
        lifetime: "request", "thread" or "process", the life of an instance; None leaves it to the
            class.
        serialize: run one call at a time, first come, first served; the way to serve an adapter
            that is not safe for threads.
        config: the operator's configuration, `self.config` of every instance: copied, and
            read-only however deep.

    Raises:
        ThreadSafetyError: the class does not declare ``__thread_safe__ = True``, and ``serialize``
            is false.
        InvalidToolError: a declaration that cannot be served.
    """

    def __init__(
        self,
        adapter_class: type[BaseAdapter],
        *,
        lifetime: Lifetime | None = None,
        serialize: bool = False,
        config: Mapping[str, object] | None = None,
    ) -> None:
        name = adapter_class.__qualname__
        if not serialize and not getattr(adapter_class, "__thread_safe__", False):
            raise ThreadSafetyError(
                f"{name} does not declare that its tools may run on several threads at once. "
                f"If they may, write `__thread_safe__ = True` in class {name}; if not, serve it "
                "with --serialize, which runs one call at a time"
            )
        self.adapter_class = adapter_class
        self._tools = {
            tool: PreparedTool(definition)
            for tool, definition in collect_tools(adapter_class).items()
        }
        self.tools: Mapping[str, ToolInfo] = MappingProxyType(
            {tool: entry.info for tool, entry in self._tools.items()}
        )
        self._life = AdapterLife(adapter_class, lifetime=lifetime, config=config or {})
        self._gate = Gate() if serialize else None
        self._execute_tool = getattr(adapter_class, "execute_tool", None)
        self._by_keyword = self._execute_tool is not None and _takes_keywords(self._execute_tool)
        self._initialize = getattr(adapter_class, "initialize", None)
        self._cleanup = getattr(adapter_class, "cleanup", None)
        # The default of a long-lived instance only sets the context variable that is set anyway.
        self._sets_context = not self._life.outlives_request or (
            adapter_class.set_session_context is not BaseAdapter.set_session_context
        )
        # One instance for the process and nothing of the author's around its tools: the commonest
        # case, and the only one in which a call is short enough to notice what is around it.
        self._direct = (
            self._life.lifetime == "process"
            and not serialize
            and not self._sets_context
            and self._execute_tool is self._initialize is self._cleanup is None
        )

    @property
    def serialized(self) -> bool:
        """Whether calls run one at a time."""
        return self._gate is not None

    # --- the process's life ---------------------------------------------------------------------

    @property
    def lifetime(self) -> Lifetime:
        """How long an instance lives."""
        return self._life.lifetime

    def open(self) -> None:
        """Make the process's instance, where there is one, and run its ``setup()``; once.

        Raises what the adapter's ``__init__`` or ``setup`` raises; the host then stays closed.
        """
        self._life.open()

    def close(self) -> None:
        """Run the ``teardown()`` of what still lives and close the event loops; once."""
        self._life.close()

    def leave_thread(self) -> None:
        """Say that this thread will run no more tools; whoever owns handler threads calls it.

        Tears down the thread's instance, where it has one, and closes its event loop. Errors of
        ``teardown`` are logged: there is nobody to tell.
        """
        self._life.leave_thread()

    # --- calls ----------------------------------------------------------------------------------

    def call(self, tool_name: str, arguments: dict[str, object], context: SessionContext) -> object:
        """Run a tool and return what it returns.

        Raises:
            ToolNotFoundError, ToolArgumentError, MissingVariablesError, StreamingToolError: before
                anything of the adapter has run.
            ToolExitError: the tool tried to end the process.
            ToolCancelledError: an async tool was cancelled, or ran into its deadline.
            HostClosedError: not open.
            Exception: whatever the tool or a hook of its raised.
        """
        tool = self._tools[tool_name] if tool_name in self._tools else self._missing(tool_name)
        if tool is not None:
            if tool.only_streams and self._execute_tool is None:
                raise StreamingToolError(tool_name)
            if tool.required:
                tool.check_required(context)
            arguments = tool.check(arguments)
            if self._direct:
                return copy_context().run(self._call_direct, tool, arguments, context)
        # In a context of its own: what a tool sets there must not be seen by the next request
        # that this thread serves, which may be another session's.
        gate = self._gate
        if gate is None:
            return copy_context().run(self._call, tool, tool_name, arguments, context)
        gate.enter(context)
        try:
            return copy_context().run(self._call, tool, tool_name, arguments, context)
        finally:
            gate.leave()

    def stream(
        self, tool_name: str, arguments: dict[str, object], context: SessionContext
    ) -> Iterator[StreamChunk]:
        """Run a tool and yield its chunks; a plain result is one chunk.

        Errors are `call`'s, raised by the first ``next``. Closing the generator closes the tool's
        and then runs ``cleanup``. It belongs to the thread that iterates over it.
        """
        tool = self._tools[tool_name] if tool_name in self._tools else self._missing(tool_name)
        if tool is not None:
            if tool.required:
                tool.check_required(context)
            arguments = tool.check(arguments)
        gate = self._gate
        if gate is None:
            yield from self._stream(tool, tool_name, arguments, context)
            return
        gate.enter(context)
        try:
            yield from self._stream(tool, tool_name, arguments, context)
        finally:
            gate.leave()

    def _missing(self, tool_name: str) -> PreparedTool | None:
        """There is no such tool: leave it to the adapter's own ``execute_tool``, or raise.

        It never gets to see a private name: many a one is a bare ``getattr``.
        """
        if self._execute_tool is None or tool_name.startswith("_"):
            near = difflib.get_close_matches(tool_name, self._tools, n=1)
            offer = f"; did you mean {near[0]!r}?" if near else ""
            raise ToolNotFoundError(tool_name, f"There is no tool {tool_name!r}{offer}")
        return None

    def _call(
        self,
        tool: PreparedTool | None,
        tool_name: str,
        arguments: dict[str, object],
        context: SessionContext,
    ) -> object:
        CURRENT.set(context)
        try:
            instance = self._life.obtain()
            try:
                self._enter(instance, context)
                result = self._invoke(tool, tool_name, instance, arguments, context)
                if result.__class__ not in _PLAIN:
                    result = self._finish(tool_name, result, context)
            except BaseException as error:
                self._leave_failed(instance, context, error)
                raise
            self._leave(instance, context)
            return result
        except _EXITS as exc:
            raise ToolExitError(tool_name, exc) from exc

    def _call_direct(
        self, tool: PreparedTool, arguments: dict[str, object], context: SessionContext
    ) -> object:
        """`_call` where there are no hooks (see ``_direct``)."""
        CURRENT.set(context)
        life = self._life
        instance = life.obtain()
        try:
            result = tool.function(instance, **arguments)
            if result.__class__ not in _PLAIN:
                result = self._finish(tool.info.name, result, context)
            return result
        except _EXITS as exc:
            raise ToolExitError(tool.info.name, exc) from exc
        finally:
            life.release(instance)

    def _stream(
        self,
        tool: PreparedTool | None,
        tool_name: str,
        arguments: dict[str, object],
        context: SessionContext,
    ) -> Iterator[StreamChunk]:
        # One context for the whole stream, entered anew for each item: between two items the
        # thread is its caller's, who may run another stream.
        run = copy_context().run
        run(CURRENT.set, context)
        items: Iterator[object] | None = None
        try:
            instance = run(self._life.obtain)
            try:
                run(self._enter, instance, context)
                items = run(self._items, tool, tool_name, instance, arguments, context)
                while (item := run(next, items, _END)) is not _END:
                    yield to_chunk(item)
            except BaseException as error:
                try:
                    run(_close, items)
                finally:
                    run(self._leave_failed, instance, context, error)
                raise
            try:
                run(_close, items)
            finally:
                run(self._leave, instance, context)
        except _EXITS as exc:
            raise ToolExitError(tool_name, exc) from exc

    def _enter(self, instance: BaseAdapter, context: SessionContext) -> None:
        """Tell the instance about its request."""
        if self._sets_context:
            instance.set_session_context(context)
        if self._initialize is not None:
            self._life.settle(self._initialize(instance), context)

    def _leave(self, instance: BaseAdapter, context: SessionContext) -> None:
        try:
            if self._cleanup is not None:
                self._life.settle(self._cleanup(instance), context)
        finally:
            self._life.release(instance)

    def _leave_failed(
        self, instance: BaseAdapter, context: SessionContext, error: BaseException
    ) -> None:
        """Clean up after `error`, which stays what the caller hears of."""
        try:
            self._leave(instance, context)
        except Exception as second:  # noqa: BLE001 - whatever the author's cleanup raises
            _log.exception("%s.cleanup failed too", self.adapter_class.__qualname__)
            error.add_note(f"cleanup() failed too: {type(second).__name__}: {second}")

    def _invoke(
        self,
        tool: PreparedTool | None,
        tool_name: str,
        instance: BaseAdapter,
        arguments: dict[str, object],
        context: SessionContext,
    ) -> object:
        own = self._execute_tool
        if own is not None:
            if self._by_keyword:
                return own(instance, tool_name=tool_name, arguments=arguments, context=context)
            return own(instance, tool_name, arguments, context)
        assert tool is not None
        return tool.function(instance, **arguments)

    def _finish(self, tool_name: str, result: object, context: SessionContext) -> object:
        """What a unary call gives for anything that is not a plain value."""
        if inspect.isawaitable(result):
            result = self._life.loop().run(result, context)
        if isinstance(result, GeneratorType):
            result.close()
            raise StreamingToolError(tool_name)
        if inspect.isasyncgen(result):
            raise StreamingToolError(tool_name)  # never started, so there is nothing to close
        return result

    def _items(
        self,
        tool: PreparedTool | None,
        tool_name: str,
        instance: BaseAdapter,
        arguments: dict[str, object],
        context: SessionContext,
    ) -> Iterator[object]:
        """Start the tool; what it gives, item by item."""
        result = self._invoke(tool, tool_name, instance, arguments, context)
        if inspect.isawaitable(result):
            result = self._life.loop().run(result, context)
        if isinstance(result, AsyncIterator):
            return self._life.loop().stream(result, context)
        if isinstance(result, Iterator):
            return result
        return iter((result,))


def _close(items: Iterator[object] | None) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()


def _takes_keywords(execute_tool: Callable[..., object]) -> bool:
    """Whether an adapter's own ``execute_tool`` can be called as the incumbent's servers do."""
    parameters = inspect.signature(execute_tool).parameters.values()
    named = {p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY}
    return {"tool_name", "arguments", "context"} <= named or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters
    )


# Results that cannot be awaitable or iterators: nothing more to find out about them.
_PLAIN: Final = frozenset({dict, list, str, int, float, bool, bytes, tuple, type(None)})
