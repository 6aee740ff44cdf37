from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from ftbridge import metrics
from ftbridge.metrics.endpoint import MetricsEndpoint


def scrape(endpoint: MetricsEndpoint, accept: str = "*/*") -> tuple[str, str]:
    request = urllib.request.Request(
        f"http://{endpoint.address}/metrics", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


class Answer:
    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("answer", 'What it "is".', 42)


class Broken:
    def collect(self) -> Iterable[Metric]:
        raise RuntimeError("no figures today")


@pytest.fixture
def endpoint():
    made = MetricsEndpoint(0)
    yield made
    made.close()


@pytest.fixture
def _collectors():
    answer, broken = Answer(), Broken()
    metrics.register(broken)
    metrics.register(answer)
    yield
    metrics.unregister(broken)
    metrics.unregister(answer)


@pytest.mark.usefixtures("_collectors")
def test_text_format_and_one_collector_that_fails(endpoint, caplog):
    kind, text = scrape(endpoint)
    assert kind.startswith("text/plain")
    assert "version=0.0.4" in kind
    families = {family.name: family for family in plain(text)}
    assert families["answer"].samples[0].value == 42
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    scrape(endpoint)
    assert len([record for record in caplog.records if "Broken" in record.message]) == 1


@pytest.mark.usefixtures("_collectors")
def test_open_metrics_for_those_who_ask(endpoint):
    kind, text = scrape(endpoint, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert "answer" in {family.name for family in open_metrics(text)}


def test_a_port_that_is_taken(endpoint):
    with pytest.raises(OSError, match="in use"):
        MetricsEndpoint(int(endpoint.address.rpartition(":")[2]))


def test_closed_twice_and_then_gone():
    endpoint = MetricsEndpoint(0)
    endpoint.close()
    endpoint.close()
    with pytest.raises(urllib.error.URLError):
        scrape(endpoint)
