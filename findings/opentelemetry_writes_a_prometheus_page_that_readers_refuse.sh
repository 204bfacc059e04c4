#!/usr/bin/env bash
# opentelemetry-exporter-prometheus 0.66b1: a program in which requests and urllib are both measured has a page of metrics that
# OpenMetrics readers refuse as a whole, since two of the project's own packages spell one description differently.
#
# OpenTelemetry's instrumentations for requests and for urllib each count into "http.client.duration". Their descriptions differ in
# the first letter ("measures", "Measures"), so that the exporter writes the family twice, with the same name. In both formats a
# family is one group with one HELP and one TYPE line; OpenTelemetry's specification of Prometheus metadata asks an exporter to keep
# one of the descriptions.
# Expected: one family "http_client_duration_milliseconds", with a sample for each of the two scopes.
# Seen 2026-11-29, one request by each library, the page fetched as OpenMetrics and read by prometheus-client 0.26.0:
#   requests measured alone                               read (control)
#   requests and urllib                                   ValueError: "Received metadata after samples"; not one metric is read
#   the same with OTEL_SEMCONV_STABILITY_OPT_IN=http      read: the new descriptions are the same
# promtool check metrics of Debian's Prometheus 2.42 refuses it too ("second HELP line for metric name"); the Prometheus server of
# the same version takes it (neither run here), so that it depends on who reads whether anything is wrong. aiohttp's, tornado's,
# urllib3's, Flask's, WSGI's and ASGI's descriptions differ alike. Known in general: open-telemetry/opentelemetry-python#3072.
# Matters for: agents and gateways that read pages as they are defined: all metrics of a program are gone, those of others stay.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 to 3.13, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.1 \
    opentelemetry-exporter-prometheus==0.66b1 opentelemetry-instrumentation-requests==0.66b1 \
    opentelemetry-instrumentation-urllib==0.66b1 requests==2.34.2 prometheus-client==0.26.0
cat > "$work/page.py" <<'PY'
"""Print the page of a program that makes a request with each library that is named."""
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prometheus_client
import requests
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.sdk.metrics import MeterProvider


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_port
metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()]))
if "requests" in sys.argv:
    RequestsInstrumentor().instrument()
    requests.get(url, timeout=5)
if "urllib" in sys.argv:
    URLLibInstrumentor().instrument()
    urllib.request.urlopen(url, timeout=5).close()
exporter, _ = prometheus_client.start_http_server(0, addr="127.0.0.1")
wanted = urllib.request.Request(
    "http://127.0.0.1:%d/metrics" % exporter.server_port, headers={"Accept": "application/openmetrics-text; version=1.0.0"}
)
URLLibInstrumentor().uninstrument()
with urllib.request.urlopen(wanted, timeout=5) as answer:
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers["Content-Type"]
    sys.stdout.write(answer.read().decode())
PY
cat > "$work/show.py" <<'PY'
import os
import subprocess
import sys
from importlib.metadata import version

from prometheus_client.openmetrics.parser import text_string_to_metric_families

OPT_IN = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}
OLD = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def read(libraries, more):
    """Return who counted the requests, by the page; or the error of the reader."""
    command = [sys.executable, sys.argv[1] + "/page.py", *libraries]
    page = subprocess.run(command, env={**OLD, **more}, text=True, capture_output=True, check=True, timeout=60).stdout
    try:
        families = list(text_string_to_metric_families(page))
    except ValueError as error:
        return str(error).partition(":")[0]
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("http_client_")]
    counted = {sample.labels["otel_scope_name"].rpartition(".")[2] for sample in samples if sample.name.endswith("_count")}
    return " and ".join(sorted(counted))


CASES = {
    "requests": (["requests"], {}, "requests"),
    "urllib": (["urllib"], {}, "urllib"),
    "requests and urllib": (["requests", "urllib"], {}, "Received metadata after samples"),
    "the same, opted in": (["requests", "urllib"], OPT_IN, "requests and urllib"),
}
for package in ("opentelemetry-exporter-prometheus", "opentelemetry-instrumentation-requests", "prometheus-client"):
    print(package, version(package))
for what, (libraries, more, stated) in CASES.items():
    seen = read(libraries, more)
    print("%-20s %s" % (what, seen), flush=True)
    assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work"
