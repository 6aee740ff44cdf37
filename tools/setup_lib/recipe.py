"""How CPython is configured, and the name that a build gets from it.

A build's name holds the source's version and a digest of the recipe, so that a changed flag or a
changed source can never be served by an old build. Constants and pure functions only.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NamedTuple

# --disable-test-modules leaves out CPython's own tests; pip comes with the environments, not here.
CONFIGURE = ("--disable-test-modules", "--with-ensurepip=no")
FREE_THREADED = ("--disable-gil",)
# CPython's own choice of tests gives the profile. Some of them miss the modules that are left out
# and fail (status 2), which spoils nothing of what the others showed.
PROFILE_GUIDED = (
    "--enable-optimizations",
    "PROFILE_TASK=-m test --pgo --timeout=1200 || test $$? -eq 2",
)
# -O2 without debug information: a third of the build time of -O3 -g, and measured no slower.
COMPILE_FLAGS = "-DNDEBUG -O2 -g0"
# Debian's patches that are applied: fixes taken from CPython's own repository. Debian keeps them in
# git's format under *.patch; its changes of layout (dist-packages, no ensurepip) are *.diff.
PATCH_SUFFIX = ".patch"
# Raised when the steps of a build change in a way that the flags do not show.
STEPS_VERSION = 1


class Recipe(NamedTuple):
    """One way to build CPython. A twin differs in ``free_threaded`` alone."""

    free_threaded: bool
    pgo: bool

    @property
    def twin(self) -> Recipe:
        """The same recipe with the GIL (or without, for the twin itself)."""
        return self._replace(free_threaded=not self.free_threaded)

    @property
    def configure_options(self) -> tuple[str, ...]:
        return (
            CONFIGURE
            + (FREE_THREADED if self.free_threaded else ())
            + (PROFILE_GUIDED if self.pgo else ())
        )

    @property
    def digest(self) -> str:
        """Of everything that shapes the result except the source."""
        content = [self.configure_options, COMPILE_FLAGS, PATCH_SUFFIX, STEPS_VERSION]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def kind(self) -> str:
        return ("free-threaded" if self.free_threaded else "gil") + ("-pgo" if self.pgo else "")

    def build_name(self, source_version: str) -> str:
        """The folder name of this recipe's build of Debian's ``source_version``."""
        # Only characters that need no quoting in a makefile or a shebang line.
        plain = re.sub(r"[^0-9A-Za-z.-]", "_", source_version)
        return f"cpython-{plain}-{self.kind}-{self.digest}"
