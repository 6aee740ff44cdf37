"""Test runs of their own, as users have them: pytest in a process, in a folder with their tests."""

import sys
from importlib.metadata import entry_points

GIL = sys._is_gil_enabled()
# Where the environment was set up before the plugin had an entry point, it is named.
_LOADED = any(each.value == "ftstress.plugin" for each in entry_points(group="pytest11"))
PLUGIN = [] if _LOADED else ["-p", "ftstress.plugin"]


def run(pytester, source, *arguments, ini=""):
    """The result of a run over the given source, as `test_it.py`."""
    pytester.makeini(f"[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest\n{ini}")
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess(*PLUGIN, *arguments, timeout=50)


def passed(count=1, **others):
    """What `assert_outcomes` must see where tests ran in parallel and nothing was wrong."""
    return {"skipped" if GIL else "passed": count, **others}
