"""The declaration of thread safety, asked for by code that runs adapters itself."""

import pytest

from ftbridge import BaseAdapter, ThreadSafeAdapter
from ftbridge.adapters.errors import ThreadSafetyError
from ftbridge.adapters.safety import require_thread_safe, validate_thread_safety


class Safe(ThreadSafeAdapter):
    __thread_safe__ = True


class Silent(BaseAdapter):
    pass


class Vague(BaseAdapter):
    __thread_safe__ = "probably"


def test_only_true_is_a_declaration():
    assert validate_thread_safety(Safe)
    assert not validate_thread_safety(Silent)
    assert not validate_thread_safety(Vague)
    assert not validate_thread_safety(int)


def test_a_function_refuses_an_adapter_that_declares_nothing_before_it_runs():
    ran = []

    @require_thread_safe
    def serve(adapter, requests=1):
        """Serve."""
        ran.append(adapter)
        return requests

    safe = Safe()
    assert serve(safe, requests=3) == 3
    assert serve(Safe) == 1
    for refused in (Silent(), Silent, Vague(), None):
        with pytest.raises(ValueError, match="write `__thread_safe__ = True`"):
            serve(refused)
    with pytest.raises(ThreadSafetyError):
        serve(adapter=Silent())
    assert serve(adapter=safe) == 1
    assert ran == [safe, Safe, safe]
    assert serve.__doc__ == "Serve."
