"""Logging as a Snakepit host asks for it: a level in the environment, lines on stderr.

The host keeps the last 4 KB of a worker's output and shows them when the start fails. Imports
nothing of ftbridge.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final

LEVEL_VARIABLE: Final = "SNAKEPIT_LOG_LEVEL"

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NAMESPACE: Final = "snakepit"

# The host's names. "none" lies above everything that is ever logged.
LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL + 10,
}
DEFAULT_LEVEL: Final = "error"
"""What the host sends unless it is configured otherwise."""


def level(environment: Mapping[str, str] = os.environ) -> int:
    """The level that the host asks for; an unknown name counts as the default."""
    asked = environment.get(LEVEL_VARIABLE, DEFAULT_LEVEL).strip().lower()
    return LEVELS.get(asked, LEVELS[DEFAULT_LEVEL])


def configure_logging(force: bool = False) -> None:
    """Log to stderr at the host's level. Handlers that exist are kept unless `force` is true."""
    wanted = level()
    logging.basicConfig(level=wanted, format=_FORMAT, force=force)
    logging.getLogger(_NAMESPACE).setLevel(wanted)


def get_logger(name: str = "") -> logging.Logger:
    """A logger below `snakepit`, whose level `configure_logging` sets."""
    if not name or name == _NAMESPACE or name.startswith(f"{_NAMESPACE}."):
        return logging.getLogger(name or _NAMESPACE)
    return logging.getLogger(f"{_NAMESPACE}.{name}")
