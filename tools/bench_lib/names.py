"""The contenders' names, as they stand in every table. Must never import grpc."""

from typing import Final

BASE: Final = "grpcio sync, GIL"
"""The contender that the others are divided by."""

OURS: Final = "ftbridge, free-threaded"
TWIN: Final = "ftbridge, GIL"
AIO: Final = "grpcio aio, GIL"
NATIVE: Final = "pygrpc-native, GIL"
FRONT: Final = "pygrpc-native low-level, GIL"
PROCESSES: Final = "one process a call, GIL"
"""The incumbent's arrangement: as many stock servers as there are callers, one call at a time."""
STATIC: Final = "nghttpd, static file"
"""The machine's limit; no gRPC server."""
