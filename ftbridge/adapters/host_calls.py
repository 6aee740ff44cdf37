"""The forms in which tools call host tools, read into arguments and a time limit.

Three forms are documented for adapters: arguments by name; one dict in second place; and
``input=`` with ``options={"timeout": milliseconds}``. What each means is decided here, so that it
is the same for every host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from ftbridge.adapters.host_access import HostToolArgumentError, HostToolDescription, HostToolError

OPTIONS: Final = "options"
INPUT: Final = "input"
TIMEOUT: Final = "timeout"

_MILLISECONDS: Final = 1000.0

type Descriptions = Mapping[str, HostToolDescription]


class BoundHostTool(dict[str, Any]):
    """A host tool's description that can also be called, as ``host_tools["name"](...)``.

    Args:
        description: `HostToolDescription`; this dict is a copy of it.
        call: of the session context that it belongs to.
    """

    __slots__ = ("_call",)

    def __init__(self, description: HostToolDescription, call: Callable[..., Any]) -> None:
        super().__init__(description)
        self._call = call

    def __call__(self, arguments: Mapping[str, object] | None = None, /, **named: object) -> Any:
        """Call it, in any of the forms of `SessionContext.call_host_tool`."""
        return self._call(self["name"], arguments, **named)


class HostToolsView(Mapping[str, BoundHostTool]):
    """A host's tools by name, each one made callable when it is looked up."""

    __slots__ = ("_call", "_descriptions")

    def __init__(
        self, descriptions: Mapping[str, HostToolDescription], call: Callable[..., Any]
    ) -> None:
        self._descriptions = descriptions
        self._call = call

    def __getitem__(self, name: str) -> BoundHostTool:
        return BoundHostTool(self._descriptions[name], self._call)

    def __contains__(self, name: object) -> bool:
        return name in self._descriptions

    def __iter__(self) -> Iterator[str]:
        return iter(self._descriptions)

    def __len__(self) -> int:
        return len(self._descriptions)

    def __repr__(self) -> str:
        return f"<host tools: {', '.join(self) or 'none'}>"


def read_call(
    name: str,
    arguments: Mapping[str, object] | None,
    named: dict[str, object],
    *,
    loaded: Descriptions | None,
    load: Callable[[], Descriptions],
) -> tuple[dict[str, object], float | None]:
    """The arguments to send, and the call's own time limit in seconds, or None.

    - What stands in ``arguments`` is sent as it is, and ``named`` beside it.
    - ``options=`` in ``named`` with nothing in it but ``timeout`` (milliseconds; None or infinite:
      no limit) sets the limit and is not sent, unless the tool is known to have a parameter
      called ``options``.
    - ``input=`` as the only argument, a mapping, is spread over the parameters when the tool
      declares some, ``input`` is none of them and every key of the mapping is; else it is an
      argument called ``input``.

    Args:
        loaded: descriptions of the host's tools if they are known already.
        load: loads them; asked only to decide about ``input=``.

    Raises:
        HostToolArgumentError: an argument is given twice, is no mapping, or the limit no number.
    """
    if not isinstance(name, str) or not name:
        raise HostToolArgumentError(f"the host tool's name is {name!r}, not a text")
    sent = _positional(name, arguments)
    timeout: float | None = None
    if OPTIONS in named and _is_limit(named[OPTIONS], _declared(name, loaded)):
        limit = named.pop(OPTIONS)
        assert isinstance(limit, Mapping)
        timeout = _seconds(name, limit.get(TIMEOUT))
    whole = named.get(INPUT)
    if arguments is None and named.keys() == {INPUT} and isinstance(whole, Mapping):
        if _spreads(name, whole, loaded, load):
            return {str(key): value for key, value in whole.items()}, timeout
        return named, timeout
    twice = sorted(sent.keys() & named.keys())
    if twice:
        raise HostToolArgumentError(
            f"host tool {name!r}: {', '.join(map(repr, twice))} given both in the dict and by name",
            tool_name=name,
        )
    sent.update(named)
    return sent, timeout


def _positional(name: str, arguments: object) -> dict[str, object]:
    if arguments is None:
        return {}
    if not isinstance(arguments, Mapping) or not all(isinstance(key, str) for key in arguments):
        raise HostToolArgumentError(
            f"host tool {name!r}: the second place is for a dict of all arguments with their names "
            f"as keys, got {type(arguments).__name__}; or give them by name",
            tool_name=name,
        )
    return dict(arguments)


def _is_limit(options: object, declared: Mapping[str, object]) -> bool:
    return isinstance(options, Mapping) and options.keys() <= {TIMEOUT} and OPTIONS not in declared


def _seconds(name: str, milliseconds: object) -> float | None:
    if milliseconds is None or milliseconds == "infinity":
        return None
    if (
        isinstance(milliseconds, bool)
        or not isinstance(milliseconds, int | float)
        or not milliseconds > 0
    ):
        raise HostToolArgumentError(
            f"host tool {name!r}: options['timeout'] is {milliseconds!r}; "
            "it takes milliseconds, a number above 0",
            tool_name=name,
        )
    return None if math.isinf(milliseconds) else milliseconds / _MILLISECONDS


def _spreads(
    name: str,
    whole: Mapping[object, object],
    loaded: Descriptions | None,
    load: Callable[[], Descriptions],
) -> bool:
    if loaded is None:
        try:
            loaded = load()
        except HostToolError:  # the call itself will say what is wrong
            return False
    declared = _declared(name, loaded)
    return bool(declared) and INPUT not in declared and whole.keys() <= declared.keys()


def _declared(name: str, loaded: Descriptions | None) -> Mapping[str, object]:
    """The parameters that a tool is known to have; none when nothing is known."""
    found = None if loaded is None else loaded.get(name)
    return {} if found is None else cast("Mapping[str, object]", found["parameters"])
