"""Check a call's arguments against its tool's parameters, before the tool runs.

On the way of every call: one pass over the parameters, a class comparison for each, and nothing
allocated while all is well. Must never change a value silently except where
`ftbridge.adapters.annotations` says so.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

from ftbridge.adapters.annotations import Accept, Mismatch, describe
from ftbridge.adapters.errors import MistypedArgument, ToolArgumentError
from ftbridge.adapters.tools import ToolInfo

_ABSENT: Final = object()


class ArgumentChecker:
    """The compiled form of one tool's signature. Immutable, shared by all threads."""

    __slots__ = ("_entries", "_info", "_takes_any")

    def __init__(self, info: ToolInfo) -> None:
        self._info = info
        self._takes_any = info.takes_any
        self._entries: tuple[tuple[str, frozenset[type] | None, bool, Accept], ...] = tuple(
            (p.name, None if p.accept.anything else p.accept.exact, p.required, p.accept)
            for p in info.parameters
        )

    def check(self, arguments: dict[str, object]) -> dict[str, object]:
        """The arguments to pass: the same dict, or a copy in which some were converted.

        Raises `ToolArgumentError` that names all missing, unknown and mistyped arguments.
        """
        present = 0
        changed: dict[str, object] | None = None
        for name, exact, required, accept in self._entries:
            value = arguments.get(name, _ABSENT)
            if value is _ABSENT:
                if required:
                    self._refuse(arguments)
                continue
            present += 1
            if exact is None or value.__class__ in exact:
                continue
            if accept.convert is None:
                self._refuse(arguments)
            try:
                converted = accept.convert(value)
            except Mismatch:
                self._refuse(arguments)
            if converted is not value:
                if changed is None:
                    changed = arguments.copy()
                changed[name] = converted
        if present != len(arguments) and not self._takes_any:
            self._refuse(arguments)
        return arguments if changed is None else changed

    def _refuse(self, arguments: dict[str, object]) -> NoReturn:
        """Look again, slowly, and name everything that is wrong."""
        known = {parameter.name for parameter in self._info.parameters}
        mistyped = []
        for parameter in self._info.parameters:
            value = arguments.get(parameter.name, _ABSENT)
            if value is not _ABSENT and (got := _mismatch(parameter.accept, value)) is not None:
                mistyped.append(
                    MistypedArgument(
                        name=parameter.name, expected=parameter.accept.expected, got=got
                    )
                )
        raise ToolArgumentError(
            self._info.name,
            accepted=_accepted(self._info),
            missing=[
                parameter.name
                for parameter in self._info.parameters
                if parameter.required and parameter.name not in arguments
            ],
            unknown=[] if self._takes_any else [name for name in arguments if name not in known],
            mistyped=mistyped,
        )


def _mismatch(accept: Accept, value: object) -> str | None:
    if accept.anything or value.__class__ in accept.exact:
        return None
    if accept.convert is None:
        return describe(value)
    try:
        accept.convert(value)
    except Mismatch as mismatch:
        return str(mismatch)
    return None


def _accepted(info: ToolInfo) -> Sequence[str]:
    names = [
        f"{parameter.name}: {parameter.type}" + ("" if parameter.required else " (optional)")
        for parameter in info.parameters
    ]
    return [*names, "any others"] if info.takes_any else names
