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

    __slots__ = ("check", "function", "info", "only_streams", "required")

    def __init__(self, definition: ToolDefinition) -> None:
        self.info = definition.info
        self.function: Callable[..., object] = definition.function
        self.only_streams = definition.only_streams
        self.check = ArgumentChecker(definition.info).check
        """From the arguments of a call to those to pass: see `ArgumentChecker.check`."""
        self.required = definition.info.required_variables

    def check_required(self, context: SessionContext) -> None:
        """Raises `MissingVariablesError` unless the tool's required variables are set."""
        missing = [
            name
            for name in self.required
            if name not in context.request_metadata
            and name not in context.session_metadata
            and name not in os.environ
        ]
        if missing:
            raise MissingVariablesError(self.info.name, missing)
