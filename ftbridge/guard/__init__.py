"""The GIL guard: proof that the GIL is off, or the name of the module that switched it on.

`GilGuard` is what a server holds; `GilTrip` is a finding; `GilEnabledError` refuses to start.
Never imports another part of ftbridge: it must be able to judge all of them.
"""

from ftbridge.guard.gil import FREE_THREADED_BUILD, GilGuard
from ftbridge.guard.trip import ExtensionLoad, GilEnabledError, GilTrip, ImportSite, Phase

__all__ = [
    "FREE_THREADED_BUILD",
    "ExtensionLoad",
    "GilEnabledError",
    "GilGuard",
    "GilTrip",
    "ImportSite",
    "Phase",
]
