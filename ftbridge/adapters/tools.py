"""What an adapter class offers, read once from its decorated methods.

A tool is a method under `@tool` in the most derived class that defines its name; a method that
overrides a tool without the decorator is none. Must never create an instance of the adapter.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Annotated, Any, Final, get_args, get_origin

from ftbridge.adapters import annotations, docstrings
from ftbridge.adapters.decorators import LOCKING_ATTRIBUTE, METADATA_ATTRIBUTE, ToolMetadata
from ftbridge.adapters.errors import InvalidToolError
from ftbridge.adapters.matching import ACCEPT_ANYTHING, Accept

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """One parameter of a tool, as it is published.

    `type` is a name of the adapter guide's table (string, integer, float, boolean, embedding, map,
    tensor, binary) or `any`. `default` means something only where `required` is false.
    `choices` lists the allowed values where the annotation does.
    """

    name: str
    type: str
    required: bool
    default: object = None
    description: str = ""
    choices: tuple[object, ...] = ()
    accept: Accept = ACCEPT_ANYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInfo:
    """One tool, as it is published."""

    name: str
    description: str
    parameters: tuple[ParameterInfo, ...] = ()
    takes_any: bool = False  # it has **kwargs
    others: Accept = ACCEPT_ANYTHING  # what **kwargs takes, each
    supports_streaming: bool = False
    required_variables: tuple[str, ...] = ()
    metadata: Mapping[str, str] = _NO_METADATA


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool and the function behind it. Generators and generator functions only stream."""

    info: ToolInfo
    function: FunctionType
    only_streams: bool


def collect_tools(adapter_class: type) -> dict[str, ToolDefinition]:
    """All tools of a class, in alphabetical order.

    Raises `InvalidToolError` for a declaration that cannot be served.
    """
    found = {}
    for name in sorted(_attribute_names(adapter_class)):
        member = inspect.getattr_static(adapter_class, name)
        declaration = getattr(member, METADATA_ATTRIBUTE, None)
        if declaration is None and isinstance(member, staticmethod | classmethod):
            # The decorators went on in the other order: it is on the function inside.
            declaration = getattr(member.__func__, METADATA_ATTRIBUTE, None)
        if isinstance(declaration, ToolMetadata):
            found[name] = _define(adapter_class, name, member, declaration)
    return found


def _attribute_names(adapter_class: type) -> set[str]:
    return {name for base in adapter_class.__mro__ for name in vars(base)}


def _define(
    adapter_class: type, name: str, member: object, declaration: ToolMetadata
) -> ToolDefinition:
    label = f"{adapter_class.__qualname__}.{name}"
    if name.startswith("_"):
        raise InvalidToolError(
            f"{label} is private and cannot be a tool: rename it without the leading underscore, "
            "or take @tool away"
        )
    if not isinstance(member, FunctionType):
        raise InvalidToolError(
            f"{label} is a {type(member).__name__}: @tool goes on plain methods, whose first "
            "parameter is self"
        )
    if getattr(member, LOCKING_ATTRIBUTE, False) and not hasattr(adapter_class, "acquire_lock"):
        raise InvalidToolError(
            f"{label} declares locks, which {adapter_class.__qualname__} does not have: derive it "
            "from ThreadSafeAdapter"
        )
    wrapped = inspect.unwrap(member)
    only_streams = inspect.isgeneratorfunction(wrapped) or inspect.isasyncgenfunction(wrapped)
    docstring = inspect.getdoc(member)
    parameters, others = _parameters(label, member, docstring)
    return ToolDefinition(
        info=ToolInfo(
            name=name,
            description=declaration.description or docstrings.summary(docstring),
            parameters=parameters,
            takes_any=others is not None,
            others=others or ACCEPT_ANYTHING,
            supports_streaming=declaration.supports_streaming or only_streams,
            required_variables=declaration.required_variables,
            metadata=MappingProxyType(dict(declaration.metadata)),
        ),
        function=member,
        only_streams=only_streams,
    )


def _parameters(
    label: str, function: FunctionType, docstring: str | None
) -> tuple[tuple[ParameterInfo, ...], Accept | None]:
    declared = list(inspect.signature(function).parameters.values())
    if not declared or declared[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise InvalidToolError(f"{label} has no self: a tool is a method of its adapter")
    return read_parameters(label, declared[1:], function, docstring)


def read_parameters(
    label: str,
    declared: Iterable[inspect.Parameter],
    function: Callable[..., object],
    docstring: str | None,
) -> tuple[tuple[ParameterInfo, ...], Accept | None]:
    """The `declared` parameters of a function, and what ``**kwargs`` takes where there is one.

    Raises `InvalidToolError`, which names the function as `label`.
    """
    hints = _hints(function)
    texts = docstrings.parameter_descriptions(docstring)
    found: list[ParameterInfo] = []
    others: Accept | None = None
    for parameter in declared:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            others = annotations.accept(hints.get(parameter.name, Any))
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise InvalidToolError(
                f"{label} has the positional-only parameter {parameter.name!r}, which a caller "
                "cannot name: take the '/' away"
            )
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            # *args stays empty: arguments always come by name.
            found.append(_parameter(parameter, hints.get(parameter.name, Any), texts))
    return tuple(found), others


def _parameter(parameter: inspect.Parameter, hint: object, texts: dict[str, str]) -> ParameterInfo:
    accept = annotations.accept(hint)
    required = parameter.default is inspect.Parameter.empty
    if parameter.default is None and not accept.anything:
        # `def f(x: int = None)`: the author means that null is fine.
        accept = annotations.accept(typing.Optional[hint])  # noqa: UP045
    described = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return ParameterInfo(
        name=parameter.name,
        type=accept.wire_type,
        required=required,
        default=None if required else parameter.default,
        description=next((text for text in described if isinstance(text, str)), "")
        or texts.get(parameter.name, ""),
        choices=accept.choices,
        accept=accept,
    )


def _hints(function: Callable[..., object]) -> dict[str, object]:
    """Resolved annotations. One that cannot be resolved leaves its parameter unchecked."""
    try:
        return dict(typing.get_type_hints(function, include_extras=True))
    except Exception:  # noqa: BLE001  # a name imported for type checkers only, or worse
        hints: dict[str, object] = {}
        wrapped = inspect.unwrap(function)
        for name, hint in getattr(wrapped, "__annotations__", {}).items():
            if isinstance(hint, str):
                try:
                    hint = eval(
                        hint, wrapped.__globals__
                    )  # the author's own source, as typing does
                except Exception:  # noqa: BLE001
                    continue
            hints[name] = hint
        return hints
