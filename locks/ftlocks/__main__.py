"""`python -m ftlocks`: what can be done with a program from outside."""

import sys

from ftlocks.profiler.command import main

if __name__ == "__main__":
    sys.exit(main())
