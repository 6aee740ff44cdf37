"""The contention profile: which lock, which line, who waited, who held it meanwhile.

`recorder` listens to the locks, `report` is what it found, `session` is the context manager that
people use, the others write reports in the formats of other tools. Must never import anything but
the standard library and this package.
"""
