"""Asking whether an adapter may be used by several threads at once.

For code that is handed an adapter and runs it on threads of its own; a server asks by itself. Must
never look further than the declaration: whether it is true is what `ftstress` finds out.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ftbridge.adapters.errors import ThreadSafetyError


def validate_thread_safety(adapter_class: type) -> bool:
    """Whether the class declares ``__thread_safe__ = True``."""
    return getattr(adapter_class, "__thread_safe__", False) is True


def require_thread_safe[**P, T](function: Callable[P, T]) -> Callable[P, T]:
    """Have a function that takes an adapter first refuse one that is not declared thread-safe.

    The function then raises `ThreadSafetyError`, a ValueError, before anything of it has run.
    """

    first = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        adapter: Any = args[0] if args else kwargs.get(first)
        cls = adapter if isinstance(adapter, type) else type(adapter)
        if not validate_thread_safety(cls):
            raise ThreadSafetyError(
                f"{cls.__qualname__} does not declare that several threads may use it at once: "
                f"write `__thread_safe__ = True` in class {cls.__qualname__} if they may"
            )
        return function(*args, **kwargs)

    return checked
