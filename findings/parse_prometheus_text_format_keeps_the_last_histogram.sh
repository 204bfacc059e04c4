#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm): of a histogram or summary with labels, as prom-client writes it, only the last set of labels
# is read, without those labels, its count and its sum.
#
# A family of Prometheus' text format has as many histograms, or summaries, as it has sets of labels (exposition formats, "Histograms
# and summaries"). The package says that it aims to be compatible with prom2json, which gives a metric for each.
# Expected: two metrics for each family below, with labels, count, sum, and buckets or quantiles.
# Seen 2026-11-29 with a page of prom-client 15.1.3, a counter, a histogram and a summary, each of TLS 1.2 (three seen) and 1.3 (one):
#   counter (control)        two metrics, with labels, 3 and 1
#   histogram                one metric: the buckets of TLS 1.3, up to 1; no labels, no count, no sum
#   summary                  one metric: the quantiles of TLS 1.3; no labels, no count, no sum
#   histogram without labels (control)     one metric, with count 4 and its sum
#   prometheus-client 0.26.0 of PyPI, same page (control)    histogram and summary: counts 3 and 1
# Matters for: dashboards and checks in JavaScript: three of four observations are gone, and which ones depends on the page's order.
# Fails if a release behaves otherwise. Needs Linux or macOS, npm, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" parse-prometheus-text-format@1.1.1 prom-client@15.1.3
cat > "$work/page.js" <<'JS'
const client = require("prom-client");
const parser = require("parse-prometheus-text-format");
const parse = parser.default || parser;
const labelNames = ["version"];
const seen = [["1.2", 0.05], ["1.2", 0.05], ["1.2", 0.5], ["1.3", 0.05]];
const counter = new client.Counter({ name: "tls_total", help: "c", labelNames });
const histogram = new client.Histogram({ name: "tls_seconds", help: "h", labelNames, buckets: [0.1, 1] });
const summary = new client.Summary({ name: "tls_wait_seconds", help: "s", labelNames, percentiles: [0.5] });
const plain = new client.Histogram({ name: "all_seconds", help: "h", buckets: [0.1, 1] });
for (const [version, seconds] of seen) {
  counter.inc({ version });
  histogram.observe({ version }, seconds);
  summary.observe({ version }, seconds);
  plain.observe(seconds);
}
client.register.metrics().then((page) => console.log(JSON.stringify({ page, families: parse(page) })));
JS
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

folder = sys.argv[1]
said = json.loads(subprocess.run(["node", "page.js"], cwd=folder, text=True, capture_output=True, check=True, timeout=60).stdout)
read = {family["name"]: family["metrics"] for family in said["families"]}
for package in ("parse-prometheus-text-format", "prom-client"):
    with open("%s/node_modules/%s/package.json" % (folder, package)) as file:
        print(package, json.load(file)["version"])
for name, metrics in read.items():
    print("%-18s %s" % (name, json.dumps(metrics)))
counts = {}
for family in text_string_to_metric_families(said["page"]):
    for sample in family.samples:
        if sample.name.endswith("_count") and sample.labels:
            counts[family.name, sample.labels["version"]] = sample.value
print("by prometheus-client of PyPI:", counts)
assert counts == {
    ("tls_seconds", "1.2"): 3,
    ("tls_seconds", "1.3"): 1,
    ("tls_wait_seconds", "1.2"): 3,
    ("tls_wait_seconds", "1.3"): 1,
}, "a control failed"
counted = [(metric["labels"]["version"], metric["value"]) for metric in read["tls_total"]]
assert counted == [("1.2", "3"), ("1.3", "1")], "a control failed: %r" % counted
(plain,) = read["all_seconds"]
assert (plain["count"], plain["buckets"]) == ("4", {"0.1": "3", "1": "4", "+Inf": "4"}), "a control failed: %r" % plain
assert read["tls_seconds"] == [{"buckets": {"0.1": "1", "1": "1", "+Inf": "1"}}], "it behaves otherwise"
assert read["tls_wait_seconds"] == [{"quantiles": {"0.5": "0.05"}}], "it behaves otherwise"
print("seen as stated")
PY
timeout 100 "$work/venv/bin/python" "$work/show.py" "$work"
