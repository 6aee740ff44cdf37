"""What the guard says when the GIL is on: the finding, its wording and the error.

Plain values and text.  Imports nothing of ftbridge; the package metadata that names a wheel is
looked up only when a message is made.
"""

import enum
from dataclasses import dataclass


class Phase(enum.Enum):
    """When the GIL was found on."""

    START = "before the server started"
    LOADING = "while the adapter was loading"
    SERVING = "while serving"


@dataclass(frozen=True, slots=True)
class ImportSite:
    """One statement that led to an import: importing module, source file, line (0: C code)."""

    module: str
    file: str
    line: int

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.module} ({place})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionLoad:
    """One extension module as it was created: its name, its file, the imports that led to it."""

    module: str
    file: str
    chain: tuple[ImportSite, ...] = ()  # outermost first


@dataclass(frozen=True, slots=True, kw_only=True)
class GilTrip:
    """The GIL is on.

    `culprits`: the extension modules that did it: one, except where several threads created
    modules at the same moment and this build does not tell which of them it was; empty where
    nothing was imported for it, and then `forced` names the setting, or is empty when the cause
    is not known.
    """

    phase: Phase
    culprits: tuple[ExtensionLoad, ...] = ()
    forced: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the culprits."""
        return tuple(load.module for load in self.culprits)

    def headline(self) -> str:
        """One line: what switched the GIL on, and when."""
        if self.forced:
            return f"the GIL is on: {self.forced} switched it on."
        if not self.culprits:
            return f"the GIL is on: something switched it on {self.phase.value}, not seen what."
        if len(self.culprits) == 1:
            [load] = self.culprits
            return (
                f"the GIL is on: importing {load.module} switched it on {self.phase.value} "
                f"({load.file})."
            )
        names = ", ".join(f"{load.module} ({load.file})" for load in self.culprits)
        return (
            f"the GIL is on: one of these modules, loaded at the same moment, switched it on "
            f"{self.phase.value}: {names}."
        )

    def describe(self) -> str:
        """The whole message: headline, the imports that led there, and the ways out."""
        lines = [self.headline()]
        for load in self.culprits:
            lines.extend(f"  imported by {site}" for site in reversed(load.chain))
        lines.append("With the GIL on, tools run one at a time. Ways out:")
        lines.extend(f"  - {way}" for way in self.ways_out())
        return "\n".join(lines)

    def ways_out(self) -> list[str]:
        """What can be done about it, the best first."""
        if self.forced:
            ways = [f"start without {self.forced}"]
        elif not self.culprits:
            ways = ["`ftbridge doctor` imports every installed extension module and names those"]
        else:
            wheels = [wheel for load in self.culprits if (wheel := _wheel_of(load.module))]
            subject = " or ".join(dict.fromkeys(wheels)) or "the package"
            ways = [
                f"upgrade {subject}: a release that supports free-threading declares it "
                "(Py_mod_gil), or do without that import",
                "PYTHON_GIL=0 keeps the GIL off all the same: the module never said that it is "
                "safe, so expect data races, wrong results or a crash",
            ]
        ways.append("--allow-gil serves with the GIL on")
        return ways


class GilEnabledError(RuntimeError):
    """The GIL is on and `allow_gil` is not set.  `trip` says what did it; the text, what to do."""

    def __init__(self, trip: GilTrip) -> None:
        super().__init__(trip.describe())
        self.trip = trip


def _wheel_of(module: str) -> str:
    """ "name version" of the installed distribution that brings `module`, or an empty string."""
    # Here and not above: loads email and more, which a server that never trips does not need.
    import importlib.metadata as metadata

    try:
        names = metadata.packages_distributions().get(module.partition(".")[0], [])
        return " or ".join(f"{name} {metadata.version(name)}" for name in dict.fromkeys(names))
    except Exception:  # noqa: BLE001  broken metadata of any package must not hide the finding
        return ""
