"""A machine of our own for the set-up: its own PATH, cache, apt sources and CPython source.

The fakes are shell scripts that answer as the real programs would, so that the set-up's real code
runs whole, in a folder whose name has a space, without network and in milliseconds.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.setup_lib import stdlib_tests
from tools.setup_lib.console import Console
from tools.setup_lib.layout import Layout
from tools.setup_lib.runner import Runner

# What the fakes and the set-up need of the real system.
REAL_COMMANDS = (
    *("sh", "cat", "cp", "mkdir", "chmod", "ln", "rm", "touch", "mv", "dirname", "basename"),
    *("sed", "sleep", "tar", "xz", "make", "patch", "env", "readlink"),
)
REPOSITORY = Path(__file__).resolve().parents[2]
STDLIB_TESTS = tuple(
    name if name.endswith(".py") else f"{name}/__init__.py" for name in stdlib_tests.WANTED
)

# One program for all that is asked of an interpreter: the probe, venv and pip.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*"-m venv "*)
    for last; do :; done
    mkdir -p "$last/bin"
    cp "$0" "$last/bin/python"
    echo "venv $last" >> "@CALLS@"
    ;;
*"-m pip "*)
    echo "pip $*" >> "@CALLS@"
    @PIP@
    case "$*" in *--editable*) touch "$(dirname "$0")/ftbridge";; esac
    ;;
*"-I -c "*)
    cat << END
@ANSWER@
END
    ;;
esac
"""


class Machine:
    """The fake machine: ``bin`` is its whole PATH, ``calls`` what its programs were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name in REAL_COMMANDS:
            real = shutil.which(name)
            if real is not None:
                (self.bin / name).symlink_to(real)
        self.calls = folder / "calls"
        self.calls.touch()
        self.stream = io.StringIO()
        self._processes: list[subprocess.Popen[str]] = []
        self.layout = Layout(
            root=folder / "check out",
            cache=folder / "ca che" / "ftbridge",
            search_path=str(self.bin),
        )
        requirements = self.layout.requirements
        requirements.mkdir(parents=True)
        for name in ("common.lock", "gil.lock"):
            (requirements / name).write_text(f"# {name}\n", encoding="utf-8")
        (self.layout.root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")

    @property
    def output(self) -> str:
        """All that a person would have seen."""
        return self.stream.getvalue()

    def lines(self) -> list[str]:
        """The calls of fake programs so far."""
        return self.calls.read_text("utf-8").splitlines()

    def start(self, argv: Sequence[str | Path], **environment: str) -> subprocess.Popen[str]:
        """Starts a program from a folder that is not the checkout; ``close`` ends it if need be."""
        process = subprocess.Popen(
            argv,
            cwd="/",
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Ends what a failed test left running."""
        for process in self._processes:
            if process.poll() is None:
                # The set-up ends its own children on SIGTERM.
                process.terminate()
            process.communicate()

    def runner(self) -> Runner:
        """A runner of a new set-up on this machine."""
        return Runner(Console(self.stream), self.layout.logs)

    def script(self, name: str, body: str) -> Path:
        """Puts a program on PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        text = body if body.startswith("#!") else f"#!/bin/sh\n{body}\n"
        path.write_text(text.replace("@CALLS@", str(self.calls)), encoding="utf-8")
        path.chmod(0o755)
        return path

    def python(
        self,
        name: str,
        *,
        version: tuple[int, int, int] = (3, 13, 5),
        free_threaded: bool = True,
        missing: tuple[str, ...] = (),
        implementation: str = "cpython",
        pip: str = ":",
    ) -> Path:
        """Puts an interpreter on PATH; ``pip`` is shell code that its pip runs."""
        return self.script(
            name,
            fake_python(
                version=version,
                free_threaded=free_threaded,
                missing=missing,
                implementation=implementation,
                pip=pip,
            ),
        )

    def debian(
        self,
        *,
        version: str = "3.13.5-2+deb13u5",
        build: str = ":",
        missing: tuple[str, ...] = (),
        pip: str = ":",
    ) -> None:
        """Makes apt serve a CPython that builds in no time; ``build`` is run by its makefile."""
        archive = self.folder / "archive"
        shutil.rmtree(archive, ignore_errors=True)
        archive.mkdir()
        upstream = version.split("-")[0]

        def python(*, free_threaded: bool) -> str:
            text = fake_python(
                version=(3, 13, 5), free_threaded=free_threaded, missing=missing, pip=pip
            )
            return text.replace("@CALLS@", str(self.calls))

        pack(
            archive / f"python3.13_{upstream}.orig.tar.xz",
            {
                "Python/configure": CONFIGURE.replace("@BUILD@", build),
                "Python/Objects/object.c": "old\n",
                "Python/python.sh": python(free_threaded=True),
                "Python/python-gil.sh": python(free_threaded=False),
                **{f"Python/Lib/test/{name}": f"{name}\n" for name in STDLIB_TESTS},
                "Python/Lib/test/test_else.py": "not wanted\n",
            },
        )
        (archive / f"python3.13_{upstream}.orig.tar.xz.asc").write_text("signature\n")
        pack(
            archive / f"python3.13_{version}.debian.tar.xz",
            {
                "debian/patches/series": "#off.patch\nlayout.diff\nfix.patch\n",
                "debian/patches/layout.diff": "not applied\n",
                "debian/patches/fix.patch": FIX,
            },
        )
        (archive / f"python3.13_{version}.dsc").write_text(f"Version: {version}\n")
        self.script(
            "apt-get",
            f'echo "apt-get $*" >> "@CALLS@"\n'
            f'case "$*" in *" source "*) cp "{archive}"/* . ;; esac',
        )
        sources = self.folder / "sources.list"
        sources.write_text("deb http://mirror.example/debian bookworm main\n")
        self.script("apt-config", f"""echo "LIST='{sources}'"; echo "PARTS='/nonexistent'" """)
        self.script("cc", "cat > /dev/null")


def fake_python(
    *,
    version: tuple[int, int, int],
    free_threaded: bool,
    missing: tuple[str, ...] = (),
    implementation: str = "cpython",
    pip: str = ":",
) -> str:
    """The text of an interpreter for ``Machine.script``."""
    answer = json.dumps(
        {
            "version": version,
            "pre": False,
            "implementation": implementation,
            "free_threaded": free_threaded,
            "executable": "@SELF@",
            "missing": missing,
        }
    ).replace("@SELF@", "$0")
    return FAKE_PYTHON.replace("@ANSWER@", answer).replace("@PIP@", pip)


CONFIGURE = """#!/bin/sh
here=$(dirname "$0")
name=python3.13
script=python-gil.sh
for word; do
    case "$word" in
    --prefix=*) prefix=${word#--prefix=} ;;
    --disable-gil) name=python3.13t script=python.sh ;;
    esac
done
cat "$here/Objects/object.c" > seen
echo "$@" > options
cat > Makefile << END
all:
	@BUILD@
install:
	mkdir -p "\\$(DESTDIR)$prefix/bin" && cp "$here/$script" "\\$(DESTDIR)$prefix/bin/$name"
	chmod +x "\\$(DESTDIR)$prefix/bin/$name" && cp seen options "\\$(DESTDIR)$prefix/"
END
"""

FIX = """From: upstream
--- a/Objects/object.c
+++ b/Objects/object.c
@@ -1 +1 @@
-old
+fixed
"""


def pack(path: Path, files: Mapping[str, str]) -> None:
    """Writes a tar.xz archive of ``files``."""
    with tarfile.open(path, "w:xz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755
            archive.addfile(member, io.BytesIO(content))
