"""Is going free-threaded worth it for this code? Measured on both builds, answered in words.

`target` turns what the user names into something to run, `worker` runs it in a process of one
interpreter, `measure` has workers take turns, `result` holds the figures, `verdict` says what they
mean; `text` and `page` show it. Stands on `ftstress` for control, rounds and ratios. Must never
import rpc, wire, bridge or cli: what is compared is the tool, not the server.
"""
