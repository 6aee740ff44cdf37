"""The adapter that `tools/bench tools` and `scaling` serve: the small tools and heavier ones."""

from typing import ClassVar

from ftbridge import tool

from . import heavy_work
from .adapter import BenchAdapter


class ToolsAdapter(BenchAdapter):
    """The heavier tools as well."""

    __thread_safe__: ClassVar[bool] = True

    @tool
    def analysis(self) -> dict[str, int]:
        """The example adapter's analysis of one file."""
        return heavy_work.analysis()

    @tool
    def methods(self, steps: int) -> dict[str, int]:
        """Calls of methods on a local object."""
        return heavy_work.methods(steps)

    @tool
    def array(self, size: int) -> dict[str, float]:
        """numpy's own loops."""
        return heavy_work.array(size)

    @tool
    def wait(self, milliseconds: float) -> dict[str, float]:
        """A tool that waits."""
        return heavy_work.wait(milliseconds)

    @tool
    def hot(self, steps: int) -> dict[str, int]:
        """One lock for all threads."""
        return heavy_work.hot(steps)
