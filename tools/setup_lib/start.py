"""Where ``launch`` enters: ``start.py setup|serve|test [argument ...]``.

A file beside the package, because the package is not installed anywhere: it must run before
anything is.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root))
    from tools.setup_lib.cli import main

    sys.exit(main(str(root), sys.argv[1:]))
