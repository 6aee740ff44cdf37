"""`python -m tools.bench_lib`, which `tools/bench` runs from the root of the checkout."""

import sys

from .cli import main

sys.exit(main())
