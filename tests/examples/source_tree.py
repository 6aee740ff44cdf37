"""A small library with known counts, for tests that must not depend on the interpreter's own."""

from __future__ import annotations

from pathlib import Path

ALPHA = '''"""Documented."""
import os, sys  # two names

def first(items):
    """Documented."""
    if items and sys.argv:
        return [os.path.join(i) for i in items if i]
    return len(items), len("x"), make().strip()
'''

FILES = {
    "alpha.py": ALPHA,
    "beta.py": ALPHA.replace("first", "second"),
    "gamma.py": "class Empty:\n    pass\n\n\nwhile True:\n    break\n",
    "pack/__init__.py": "",
    "pack/inner/deep.py": "value = 1\n",
    "pack/broken.py": "def (:\n",
    "pack/zeta.py": "print(print())\n",
    "site-packages/foreign.py": "value = 2\n",
    "test/check.py": "value = 3\n",
}


def make_library(folder: Path) -> Path:
    root = folder / "library"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "secret.py").write_text("password = 1\n")
    return root
