"""What `tools/bench` runs: ftbridge and stock grpcio under the same load, on the same machine.

A server under test imports parts of this package, so this module imports nothing.
"""
