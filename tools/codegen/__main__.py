"""The command behind tools/generate."""

import argparse
import importlib.resources
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from tools.codegen.descriptors import emit_descriptors
from tools.codegen.module import emit_module
from tools.codegen.schema import read

ROOT: Final = Path(__file__).resolve().parents[2]
WIRE: Final = ROOT / "ftbridge" / "wire"
PROTO: Final = WIRE / "proto"
# Where grpcio-tools keeps the .proto files of google.protobuf.
WELL_KNOWN: Final = Path(str(importlib.resources.files("grpc_tools"))) / "_proto"

BRIDGE: Final = "snakepit_bridge.proto"
HEALTH: Final = "grpc/health/v1/health.proto"
REFLECTION: Final = "grpc/reflection/v1/reflection.proto"
REFLECTION_ALPHA: Final = "grpc/reflection/v1alpha/reflection.proto"
OURS: Final = (BRIDGE, HEALTH, REFLECTION, REFLECTION_ALPHA)

# protoc's stubs leave the parameters of Mapping out, which strict mypy minds.
STUB_HEADER: Final = '# mypy: disable-error-code="type-arg"\n'

# Output module: its .proto files, its docstring.
MODULES: Final = {
    "messages.py": (
        ("google/protobuf/any.proto", "google/protobuf/timestamp.proto", BRIDGE),
        "The messages of the bridge, and the two of google.protobuf that they contain.",
    ),
    "health.py": ((HEALTH,), "The messages of the standard gRPC health service."),
    "reflection.py": (
        (REFLECTION,),
        "The messages of gRPC server reflection, v1 and v1alpha alike: only the package differs.",
    ),
}


def compile_protos(into: Path) -> dict[str, FileDescriptorProto]:
    """Run protoc on our files: `_pb2` modules appear in `into`, the descriptors are returned."""
    descriptor_set = into / "descriptors.pb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{WELL_KNOWN}"]
    command += [f"--python_out={into}", f"--pyi_out={into}", "--include_imports"]
    command += [f"--descriptor_set_out={descriptor_set}", *OURS]
    subprocess.run(command, check=True)
    files = FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    descriptor_set.unlink()
    return {file.name: file for file in files}


def formatted(text: str, path: Path) -> str:
    """`text` as ruff would have it at `path`."""
    for action in (["check", "--fix-only", "--quiet"], ["format"]):
        command = [sys.executable, "-m", "ruff", *action, f"--stdin-filename={path}", "-"]
        text = subprocess.run(
            command, check=True, cwd=ROOT, input=text, capture_output=True, text=True
        ).stdout
    return text


def generate() -> Mapping[Path, str]:
    """Every generated file and its text."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        files = compile_protos(scratch)
        output = {
            PROTO / path.relative_to(scratch): (
                STUB_HEADER * (path.suffix == ".pyi") + path.read_text()
            )
            for pattern in ("*_pb2.py", "*_pb2.pyi")
            for path in scratch.rglob(pattern)
        }
    check_alpha(files)
    for name, (sources, purpose) in MODULES.items():
        schema = read(files[source] for source in sources)
        output[WIRE / name] = formatted(
            emit_module(schema, sources=sources, purpose=purpose), WIRE / name
        )
    path = WIRE / "descriptors.py"
    output[path] = formatted(emit_descriptors(files), path)
    return output


def check_alpha(files: Mapping[str, FileDescriptorProto]) -> None:
    """reflection.py serves both versions, so their messages must not differ."""
    renamed = FileDescriptorProto()
    renamed.CopyFrom(files[REFLECTION_ALPHA])
    text = str(renamed).replace("v1alpha", "v1")
    if text != str(files[REFLECTION]):
        raise SystemExit(f"{REFLECTION_ALPHA} and {REFLECTION} differ in more than the package")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/generate",
        description="Write the generated files of ftbridge/wire from its .proto files.",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a committed file is stale"
    )
    check = parser.parse_args().check
    output = generate()
    orphans = {path for path in PROTO.rglob("*_pb2.py*") if path.suffix != ".pyc"} - set(output)
    stale = [p for p, text in output.items() if not p.exists() or p.read_text() != text]
    for path in sorted([*stale, *orphans]):
        print(f"{'stale' if check else 'removed' if path in orphans else 'wrote'}: "
              f"{path.relative_to(ROOT)}")  # fmt: skip
        if check:
            continue
        if path in orphans:
            path.unlink()
        else:
            path.write_text(output[path])
    if check and (stale or orphans):
        print("run tools/generate and commit what it writes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
