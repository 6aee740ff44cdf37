"""What is compared, as something to run: an adapter's tools or a function, with sample inputs.

One operation is one pass over all the samples. Each instance has its own adapter and its own
inputs, made on the thread that makes the instance, so that threads can be run on one or on one
each.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ftbridge.adapters.base import BaseAdapter
from ftbridge.adapters.context import SessionContext
from ftbridge.adapters.host import AdapterHost
from ftbridge.adapters.loader import load_adapter
from ftstress.workload import Workload


class TargetError(ValueError):
    """What is named cannot be run; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, as text, so that it can be handed to another process.

    Args:
        spec: ``pkg.mod:Class`` of an adapter, or ``pkg.mod:function``.
        calls: for an adapter, ``tool {json object}`` each; none takes the class's `__examples__`.
        arguments: for a function, a JSON array (positional) or object (by name) each; none calls it
            without.
        serialize: run an adapter's calls one at a time.
    """

    spec: str
    calls: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    serialize: bool = False

    def as_json(self) -> str:
        return json.dumps([self.spec, self.calls, self.arguments, self.serialize])

    @classmethod
    def from_json(cls, text: str) -> Job:
        spec, calls, arguments, serialize = json.loads(text)
        return cls(spec, tuple(calls), tuple(arguments), serialize)


@dataclass(frozen=True, slots=True)
class Target:
    """A job that has been loaded: the workload's class, and the samples' names."""

    workload: type[Workload]
    samples: tuple[str, ...]


def load(job: Job) -> Target:
    """Import what a job names; nothing of it runs but its module.

    Raises:
        TargetError, AdapterLoadError, ThreadSafetyError: it cannot be run as it is.
    """
    module_name, colon, name = job.spec.partition(":")
    if not colon or not module_name or not name:
        raise TargetError(
            f"{job.spec!r} names nothing to compare: write package.module:Class for an adapter, or "
            "package.module:function"
        )
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # a module that it needs
        raise TargetError(f"there is no module {error.name!r}, searched from this folder") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"module {module_name!r} has no {name!r}")
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, BaseAdapter):
        return _of_adapter(load_adapter(job.spec), job)
    if not callable(found):
        raise TargetError(f"{job.spec} is neither an adapter nor callable, but {found!r}")
    return _of_function(cast("Callable[..., object]", found), job)


def _of_adapter(adapter: type[BaseAdapter], job: Job) -> Target:
    if job.arguments:
        raise TargetError(
            "--args is for functions; for an adapter give --call 'tool {\"name\": 1}'"
        )
    samples = [_call(text) for text in job.calls] or _examples(adapter)
    probe = AdapterHost(adapter, serialize=job.serialize)
    for tool, _ in samples:
        if tool not in probe.tools:
            names = ", ".join(sorted(probe.tools))
            raise TargetError(f"{adapter.__qualname__} has no tool {tool!r}; it has {names}")
    streams = {tool for tool, _ in samples if probe.tools[tool].supports_streaming}
    told = [(tool, json.dumps(arguments)) for tool, arguments in samples]

    class AdapterWork(Workload):
        def __init__(self) -> None:
            self._host = AdapterHost(adapter, serialize=job.serialize)
            self._host.open()
            self._calls = [(tool, json.loads(text)) for tool, text in told]

        def run(self) -> object:
            for tool, arguments in self._calls:
                context = SessionContext("compare")
                if tool in streams:
                    for _ in self._host.stream(tool, dict(arguments), context):
                        pass
                else:
                    self._host.call(tool, dict(arguments), context)
            return None

    return Target(AdapterWork, tuple(f"{tool} {text}" for tool, text in told))


def _of_function(function: Callable[..., object], job: Job) -> Target:
    if job.calls:
        raise TargetError("--call is for adapters; for a function give --args '[1, 2]'")
    texts = job.arguments or ("[]",)
    for text in texts:
        if not isinstance(_json(text), (list, dict)):
            raise TargetError(f"arguments must be a JSON array or object, got {text!r}")

    class FunctionWork(Workload):
        def __init__(self) -> None:
            parsed = [json.loads(text) for text in texts]
            self._calls: list[tuple[list[Any], dict[str, Any]]] = [
                ([], each) if isinstance(each, dict) else (each, {}) for each in parsed
            ]

        def run(self) -> object:
            for positional, named in self._calls:
                function(*positional, **named)
            return None

    return Target(FunctionWork, texts)


def _call(text: str) -> tuple[str, dict[str, object]]:
    tool, _, rest = text.strip().partition(" ")
    arguments = _json(rest.strip() or "{}")
    if not isinstance(arguments, dict):
        raise TargetError(f"the arguments of {tool} must be a JSON object, got {rest!r}")
    return tool, arguments


def _examples(adapter: type[BaseAdapter]) -> Sequence[tuple[str, dict[str, object]]]:
    examples = getattr(adapter, "__examples__", ())
    if not examples:
        raise TargetError(
            f"{adapter.__qualname__} has no `__examples__`: say what to call, as in "
            "--call 'tool {\"name\": 1}'"
        )
    return [(tool, dict(arguments)) for tool, arguments in examples]


def _json(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except ValueError as error:
        raise TargetError(f"{text!r} is no JSON: {error}") from None
