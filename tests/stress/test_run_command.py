"""`ftstress run`: its targets, formats and files. What it finds is test_detection's."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from ftstress.__main__ import main
from tests.stress.rewritten import write

PROGRAM = """
import threading
box = {"n": 0}
def work():
    box["n"] += 1
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("its own output")
"""


@pytest.fixture
def program(tmp_path):
    return write(tmp_path, PROGRAM, "program")


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "ftstress", "run", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_one_run_writes_several_reports(program, tmp_path):
    names = ("r.sarif", "r.xml", "r.html", "r.json", "r.txt")
    done = run(*(f"--output={name}" for name in names), program, folder=tmp_path)

    assert done.returncode == 1, done.stderr
    assert done.stdout == "its own output\n"
    assert "RACE on item 'n' of a dict" in done.stderr
    texts = {name: (tmp_path / name).read_text("utf-8") for name in names}
    (result,) = json.loads(texts["r.sarif"])["runs"][0]["results"]
    at = result["locations"][0]["physicalLocation"]
    assert at["artifactLocation"] == {"uri": "program.py", "uriBaseId": "SRCROOT"}
    assert at["region"]["startLine"] == 4
    assert ElementTree.fromstring(texts["r.xml"]).get("failures") == "1"
    assert "item 'n' of a dict" in texts["r.html"]
    assert json.loads(texts["r.json"])["status"] == 1
    assert texts["r.txt"].startswith("RACE on")


def test_a_module_is_a_target(program, tmp_path):
    done = run("--format", "json", "-m", "program", folder=tmp_path)

    assert done.returncode == 1, done.stderr
    text = done.stdout.removeprefix("its own output\n")
    assert json.loads(text)["findings"][0]["subject"] == "item 'n' of a dict"


def test_a_while_and_a_seed(program, tmp_path):
    done = run("--time", "0.2", "--seed", "3", "--json", program, folder=tmp_path)

    (part,) = json.loads(done.stdout[done.stdout.index("{") :])["explored"]
    assert part["runs"] == done.stdout.count("its own output")
    assert part["seeds"] == list(range(3, 3 + part["runs"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "report.pdf"], "does not tell the format"),
        (["--output", "nowhere/report.html"], "nowhere/report.html"),
    ],
)
def test_a_report_that_cannot_be_written_is_wrong_usage(program, arguments, message, capsys):
    assert main(["run", *arguments, str(program)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "inf", "soon"])
def test_a_time_must_be_seconds(program, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "--time", value, str(program)])
    assert ended.value.code == 2
    assert "--time" in capsys.readouterr().err
