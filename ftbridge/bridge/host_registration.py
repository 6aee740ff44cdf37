"""The adapter's tools as a host registers them, and the id under which it knows this worker.

A tool that is registered with the worker's true id can be called by the host's own code and by
its clients; one registered with a made-up id is listed and fails when called. The host does not
tell a worker its id, but names the ready file after it.

Never imports the transport.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from ftbridge.wire import messages

from .naming import MAX_METADATA_ENTRIES, NameRuleError, check_metadata

_READY_NAME: Final = re.compile(r"snakepit_ready_(.+)_-?\d+")

_STREAMING_KEY: Final = "supports_streaming"
"""The host adds this entry to a registration's metadata before it looks at their number."""


def worker_id_from_ready_file(path: str) -> str:
    """The worker's id in the name of its ready file; an empty string when there is none.

    ``/tmp/snakepit_ready_default_worker_1_42_7`` -> ``default_worker_1_42``. The host writes ``_``
    for characters that are not letters, digits, ``_``, ``.`` or ``-``; ids that it makes itself
    have none.
    """
    match = _READY_NAME.fullmatch(PurePath(path).name)
    return "" if match is None else match[1]


def registrations(
    specs: Iterable[messages.ToolSpec], adapter_class: type
) -> list[messages.ToolRegistration]:
    """The tools as the host takes them, with the adapter's class and module where there is room."""
    home = {"adapter_class": adapter_class.__qualname__, "module": adapter_class.__module__}
    found = []
    for spec in specs:
        metadata = {**home, **spec.metadata}
        try:
            check_metadata(spec.name, {**metadata, _STREAMING_KEY: "false"})
        except NameRuleError:
            metadata = dict(list(spec.metadata.items())[: MAX_METADATA_ENTRIES - 1])
        found.append(
            messages.ToolRegistration(
                name=spec.name,
                description=spec.description,
                parameters=spec.parameters,
                metadata=metadata,
                supports_streaming=spec.supports_streaming,
            )
        )
    return found
