"""A class of plain Python as the sequential model of a linearizability check.

The search needs to go back to earlier states and to know equal ones again: a state here is a copy
of the model object with a key made of all it holds. Must never change an object that a state holds.
"""

import copy
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from ftstress.linearizability import Operation

# Answers that are remembered; a test's models are small, and their states come up again and again.
_REMEMBERED: Final = 100_000
_PLAIN: Final = (int, float, complex, str, bytes, bool, type(None), type, range)


class NotYet(Exception):  # noqa: N818  # it is no error: the model says when
    """Raised by a model's method: in this state the operation has to wait."""


class ModelError(TypeError):
    """A model that cannot be one."""


class State:
    """A model object and the key that equal ones have too."""

    __slots__ = ("key", "model")

    def __init__(self, model: object) -> None:
        self.model = model
        self.key = frozen(model)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.key == other.key

    def __repr__(self) -> str:
        return repr(self.model)


class Sequential:
    """The `Spec` of a class whose methods have the operations' names and arguments."""

    def __init__(self, model: Callable[[], object]) -> None:
        self._initial = State(model())
        self._answers: dict[Any, tuple[object, State] | None] = {}

    def initial(self) -> State:
        """The model as it is made."""
        return self._initial

    def step(self, state: State, operation: Operation) -> tuple[object, State] | None:
        """Call the method on a copy; an exception is a result by its type.

        Raises ModelError where the model has no such method.
        """
        question = (state, operation.name, frozen(operation.arguments))
        if question in self._answers:
            return self._answers[question]
        model = copy.deepcopy(state.model)
        method = getattr(model, operation.name, None)
        if method is None:
            raise ModelError(f"the model {type(model).__name__} has no method {operation.name!r}")
        answer: tuple[object, State] | None
        try:
            result = method(*operation.arguments)
        except NotYet:
            answer = None
        except Exception as error:  # noqa: BLE001  # the model says that it raises
            answer = type(error), State(model)
        else:
            answer = result, State(model)
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()
        self._answers[question] = answer
        return answer


def frozen(value: object) -> Hashable:
    """A hashable stand-in, equal for equal contents and only for those.

    Raises ModelError for an object that shows neither its contents nor how to compare it.
    """
    if isinstance(value, _PLAIN) and type(value) in _PLAIN:
        # 1, 1.0 and True are equal, but a method may answer with any of them.
        return (type(value), value)
    if isinstance(value, list | tuple | deque):
        inside: Hashable = tuple(frozen(item) for item in value)
    elif isinstance(value, dict):
        # In their order, which `popitem` and iteration tell.
        inside = tuple((frozen(key), frozen(item)) for key, item in value.items())
    elif isinstance(value, set | frozenset):
        inside = frozenset(frozen(item) for item in value)
    elif isinstance(value, bytearray):
        inside = bytes(value)
    elif type(value).__eq__ is not object.__eq__ and type(value).__hash__ is not None:
        return value
    else:
        inside = None
    fields = _fields(value)
    if inside is None and fields is None:
        raise ModelError(
            f"a model must not hold {value!r}: it cannot be compared with its copy; use plain "
            "numbers, strings, lists, dictionaries and objects of them"
        )
    return (type(value), inside, fields)


def _fields(value: object) -> Hashable:
    found = dict(getattr(value, "__dict__", {}))
    shows = hasattr(value, "__dict__")
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        shows = shows or "__slots__" in vars(cls)
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                found[name] = getattr(value, name)
    if not shows:
        return None
    return tuple((name, frozen(item)) for name, item in sorted(found.items()))
