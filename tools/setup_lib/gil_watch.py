"""A pytest plugin: fails the test, or the import, that switches the GIL on.

On a free-threaded build an extension module that does not declare support turns the GIL back on for
the whole process, and every later test would pass for the wrong reason. On a GIL build the plugin
does nothing. Tests that switch the GIL on deliberately do so in a process of their own.
"""

from __future__ import annotations

import sys
import sysconfig

import pytest

_REPORTED = pytest.StashKey[bool]()


def _is_gil_enabled() -> bool:
    return bool(sys._is_gil_enabled())


def watches() -> bool:
    """Whether this process runs a build where the GIL should be off."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stops the run when importing the tests switched the GIL on."""
    if watches() and _is_gil_enabled():
        raise pytest.UsageError(
            "the GIL is on after importing the tests: PYTHON_GIL=1 is set, or an extension module "
            "they import lacks free-threading support (python -W error names it)"
        )


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fails the first test after which the GIL is on; nothing switches it off again."""
    if watches() and not item.config.stash.get(_REPORTED, False) and _is_gil_enabled():
        item.config.stash[_REPORTED] = True
        pytest.fail(
            f"{item.nodeid} switched the GIL on: an extension module it imports lacks "
            "free-threading support (python -W error names it)",
            pytrace=False,
        )
