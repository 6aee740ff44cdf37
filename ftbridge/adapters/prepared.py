"""A tool made ready to be called: what can be known before a call is worked out here, once.

Must never run the tool: its life belongs to the host.
"""

import os
from collections.abc import Callable

from ftbridge.adapters.arguments import ArgumentChecker
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.errors import MissingVariablesError
from ftbridge.adapters.tools import ToolDefinition


class PreparedTool:
    """One tool of a host. Immutable, shared by all threads."""

    __slots__ = ("_check", "_required", "function", "info", "only_streams")

    def __init__(self, definition: ToolDefinition) -> None:
        self.info = definition.info
        self.function: Callable[..., object] = definition.function
        self.only_streams = definition.only_streams
        self._check = ArgumentChecker(definition.info).check
        self._required = definition.info.required_variables

    def prepare(self, arguments: dict[str, object], context: SessionContext) -> dict[str, object]:
        """The arguments to call the tool with.

        Raises `MissingVariablesError`, and `ToolArgumentError` that names every problem at once.
        """
        if self._required:
            missing = [
                name
                for name in self._required
                if name not in context.request_metadata
                and name not in context.session_metadata
                and name not in os.environ
            ]
            if missing:
                raise MissingVariablesError(self.info.name, missing)
        return self._check(arguments)
