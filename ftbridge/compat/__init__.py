"""Snakepit: what lets ftbridge stand in for its Python worker without the host noticing.

`imports` gives adapters the module names they were written for, `worker` and the scripts beside it
are started in place of the host's own servers, `watch` sees when the host has gone or the process
is stuck, `shared` lets many launches share one server, `elixir/` holds modules to copy into a
project. The rest of ftbridge works without this package; only the adapter loader asks `imports`
for its names. Importing this package imports none of its modules: a launcher must stay light.
"""
