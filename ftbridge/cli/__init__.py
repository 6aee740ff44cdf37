"""The `ftbridge` command: serve, tools, call, doctor.

The outermost layer: it may import everything and nothing imports it.  Each command is a module of
its own, loaded when it is called, so that `ftbridge serve` pays neither for terminal tables nor
for the client.
"""
