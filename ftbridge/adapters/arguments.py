"""Check a call's arguments against its tool's parameters, before the tool runs.

On the way of every call: one pass over the parameters, a class comparison for each, and nothing
allocated while all is well. Must never change a value silently except where
`ftbridge.adapters.annotations` says so.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

from ftbridge.adapters.errors import MistypedArgument, ToolArgumentError
from ftbridge.adapters.matching import Accept, Mismatch
from ftbridge.adapters.tools import ToolInfo

_ABSENT: Final = object()


class ArgumentChecker:
    """The compiled form of one tool's signature. Immutable, shared by all threads."""

    __slots__ = ("_entries", "_info", "_others", "_takes_any")

    def __init__(self, info: ToolInfo) -> None:
        self._info = info
        self._takes_any = info.takes_any
        # None: what `**kwargs` takes is not checked, or there is none.
        self._others = None if info.others.anything else info.others
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
        if present != len(arguments):
            if not self._takes_any:
                self._refuse(arguments)
            if self._others is not None:
                changed = self._check_others(arguments, changed)
        return arguments if changed is None else changed

    def _check_others(
        self, arguments: dict[str, object], changed: dict[str, object] | None
    ) -> dict[str, object] | None:
        """Check what goes into ``**kwargs``."""
        others = self._others
        assert others is not None
        known = {parameter.name for parameter in self._info.parameters}
        for name, value in arguments.items():
            if name in known:
                continue
            try:
                converted = others.take(value)
            except Mismatch:
                self._refuse(arguments)
            if converted is not value:
                if changed is None:
                    changed = arguments.copy()
                changed[name] = converted
        return changed

    def _refuse(self, arguments: dict[str, object]) -> NoReturn:
        """Look again, slowly, and name everything that is wrong."""
        accepts = {parameter.name: parameter.accept for parameter in self._info.parameters}
        unknown = [name for name in arguments if name not in accepts]
        if self._takes_any:
            accepts.update(dict.fromkeys(unknown, self._info.others))
            unknown = []
        mistyped = []
        for name, accept in accepts.items():
            if name in arguments:
                try:
                    accept.take(arguments[name])
                except Mismatch as got:
                    mistyped.append(
                        MistypedArgument(name=name, expected=accept.expected, got=str(got))
                    )
        raise ToolArgumentError(
            self._info.name,
            accepted=_accepted(self._info),
            missing=[
                parameter.name
                for parameter in self._info.parameters
                if parameter.required and parameter.name not in arguments
            ],
            unknown=unknown,
            mistyped=mistyped,
        )


def _accepted(info: ToolInfo) -> Sequence[str]:
    names = [
        f"{parameter.name}: {parameter.type}" + ("" if parameter.required else " (optional)")
        for parameter in info.parameters
    ]
    return [*names, "any others"] if info.takes_any else names
