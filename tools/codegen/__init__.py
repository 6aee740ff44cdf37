"""Generates ftbridge/wire from its .proto files: the codec, the descriptors, the test oracle.

Needs grpcio-tools (protoc) and ruff, so it runs in the GIL twin's environment; what it writes is
committed and needs neither. `tools/generate` is the way to run it.
"""
