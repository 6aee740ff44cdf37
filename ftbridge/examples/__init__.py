"""Adapters that do real work on input every machine has: served by default, read as a tutorial.

Must never import the server, the transport or the host: an adapter knows the adapter layer alone.
"""

from ftbridge.examples.stdlib import StdlibAdapter

__all__ = ["StdlibAdapter"]
