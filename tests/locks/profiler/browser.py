"""A page in a real browser: what it shows after its script has run, and what it complains of."""

import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def rendered(path, folder, *options):
    """The document's markup after loading, and the lines of its console."""
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--enable-logging=stderr",
            f"--user-data-dir={folder}",
            "--window-size=1200,900",
            "--virtual-time-budget=3000",
            *options,
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return done.stdout, re.findall(r".*CONSOLE.*", done.stderr)
