"""The set-up: finds or builds the interpreters, makes the environments, runs the checks.

It exists so that two commands are enough on a bare machine. It runs on the Python that the
machine happens to have, before anything is installed: standard library of 3.9 only (hence no
slotted dataclasses, no ``match``), and it must never import ``ftbridge`` or anything from an
environment it makes.
"""
