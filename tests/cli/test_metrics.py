from __future__ import annotations

import socket
import sys
import urllib.request

import click
import pytest
from acceptance.process import served
from prometheus_client.parser import text_string_to_metric_families

from ftbridge.cli.metrics import exposed, read_metrics
from ftbridge.client import Client


def read(text: str | None) -> tuple[str, int] | None:
    command = click.Command("serve", params=[click.Option(["--metrics"])])
    return read_metrics(click.Context(command), command.params[0], text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("9090", ("", 9090)),
        (":9090", ("", 9090)),
        ("0", ("", 0)),
        ("0.0.0.0:9090", ("0.0.0.0", 9090)),
        ("[::1]:9090", ("::1", 9090)),
    ],
)
def test_the_option(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "1:65536", "1:-1", "9_0", "٣"])
def test_what_is_no_port(text):
    with pytest.raises(click.BadParameter, match="HOST"):
        read(text)


def test_without_the_option_there_is_no_endpoint():
    with exposed(None, None, None) as address:  # type: ignore[arg-type]
        assert address is None


def test_scraping_a_server_that_runs(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        served(tmp_path, "--metrics", str(port)) as server,
        Client(server.address, timeout=20.0) as client,
    ):
        assert client.call("add", a=1, b=2) == 3
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["ftbridge_calls_total", "add", "ok"] == 1
    assert samples[("ftbridge_gil_enabled",)] == sys._is_gil_enabled()
    assert samples[("process_resident_memory_bytes",)] > 1e6


def test_a_port_that_is_taken_is_named_with_the_way_out(capsys):
    from ftbridge.metrics import CallMeter

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place = ("127.0.0.1", port)
        with pytest.raises(click.exceptions.Exit), exposed(object(), CallMeter(()), place):  # type: ignore[arg-type]
            pass
    error = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in error
    assert "--metrics 0" in error
