#!/usr/bin/env bash
# openscap-report 1.0.0, xccdfparser 1.5.1, compliance-trestle 5.2.0: of the results of a security checklist (XCCDF 1.2) they keep the last
# result of a rule, or the results of the first machine: a rule that failed is reported as passed, without an error.
#
# A rule with multiple="true" is tested for each instance of its target, such as each port, and each has a rule-result of its own, which
# names it as "instance" (NISTIR 7275r4, on this attribute and on checks; otherwise results are combined, and pass and fail make fail); a
# Benchmark may hold any number of TestResults, each of one machine and one time (its schema; openscap-report reads by that schema).
# Expected: one port failed, or the rule failed; machine a passed and machine b failed; what was not selected has neither.
# Seen 2026-11-30 (xccdfparser writes 1 for passed, 0 for failed, -1 for not applicable):
#                                              openscap-report   xccdfparser    compliance-trestle
#   443 passed (control)                       pass              1              pass
#   443 failed (control)                       fail              0              fail
#   443 failed, then 8443 passed               pass              1              fail and pass, of no port
#   443 passed, then 8443 failed               fail              0              pass and fail, of no port
#   a passed; b failed                         a: pass           a: 1; b: 0     a: pass
#   443 not selected                           notselected       0              notselected
# Other results that say neither ("notchecked", "informational", and "fixed", which is good) get the same 0 of xccdfparser by its source.
# That only the last result is shown was said of SCAP Workbench (OpenSCAP/scap-workbench#242), and of oscap's own HTML report that it
# cannot do this (OpenSCAP/openscap#1044); of these three we found nothing.
# Matters for: whoever merges the results of a fleet into one file, or tests each port: which port or machine is reported depends on the
# order in the file.
# Fails if a release behaves otherwise. Needs Linux or macOS, uv, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv venv --quiet "$work/venv"
uv pip install --quiet --python "$work/venv/bin/python" openscap-report==1.0.0 xccdfparser==1.5.1 compliance-trestle==5.2.0
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from trestle.transforms.implementations.xccdf import XccdfResultToOscalARTransformer

folder = Path(sys.argv[1])
FILE, WRITTEN = folder / "results.xml", folder / "written.json"
RULE, WHEN = "xccdf_com.example_rule_tls", "2026-01-01T00:00:00"
CHECK = '<check system="urn:example"><check-content-ref href="tls" name="tls"/></check>'


def rule_result(port, result):
    return ('<rule-result idref="%s" time="%s" severity="high" weight="1.0"><result>%s</result><instance context="port">%s</instance>'
            "%s</rule-result>" % (RULE, WHEN + "Z", result, port, CHECK))


def machine(name, *results):
    facts = {"scanner:name": "Example", "scanner:version": "1", "asset:identifier:host_name": name}
    facts = "".join('<fact name="urn:xccdf:fact:%s" type="string">%s</fact>' % each for each in facts.items())
    return ('<TestResult id="xccdf_com.example_testresult_%s" start-time="%s" end-time="%s" version="1" test-system="cpe:/a:example:x:1">'
            '<benchmark href="/example-linux-xccdf.xml" id="xccdf_com.example_benchmark_b"/><title>Run</title>'
            '<identity authenticated="false" privileged="false">nobody</identity><profile idref="xccdf_com.example_profile_p"/>'
            "<target>%s</target><target-facts>%s</target-facts>%s<score maximum=\"1.0\">0.0</score></TestResult>"
            % (name, WHEN, WHEN, name, facts, "".join(rule_result(*each) for each in results)))


def benchmark(*machines):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2" '
            'id="xccdf_com.example_benchmark_b" resolved="1"><status>accepted</status><title>Example</title><version>1</version>'
            '<Profile id="xccdf_com.example_profile_p"><title>P</title><select idref="%s" selected="true"/></Profile>'
            '<Rule id="%s" selected="true" severity="high" multiple="true"><title>TLS 1.2 or newer</title><fixtext>Set it</fixtext>%s</Rule>'
            "%s</Benchmark>" % (RULE, RULE, CHECK, "".join(machines)))


def run(*command):
    subprocess.run(command, capture_output=True, check=True, timeout=60)


def by_openscap_report():
    run(folder / "venv/bin/oscap-report", "-f", "JSON", "-o", WRITTEN, FILE)
    read = json.loads(WRITTEN.read_text())
    return [(read["scan_result"]["target"], read["rules"][RULE]["result"])]


def by_xccdfparser():
    run(folder / "venv/bin/xccdfparser", "-o", WRITTEN, FILE)
    read = json.loads(WRITTEN.read_text())
    del read["Benchmark"]
    return [(each["metadata"]["hostname"], one["result"]) for each in read.values() for one in each["results"]]


def by_trestle():
    """The host, and what is said of a rule: where all observations agree, trestle says it once for all of them."""
    transformer = XccdfResultToOscalARTransformer()
    transformer.set_title("T")
    transformer.set_description("D")
    transformer.set_type("validator")
    transformer.set_tags({})
    transformer.set_modes({})
    (read,) = transformer.transform(FILE.read_text()).root
    (host,) = [{one.name: one.value for one in each.props}["host_name"] for each in read.local_definitions.inventory_items]
    (common,) = [{one.name: one.value for one in each.props} for each in read.local_definitions.assessment_assets.components]
    found = [common | {one.name: one.value for one in each.props or []} for each in read.observations]
    assert not any("443" in str(each) for each in read.observations), "it names the port"
    return [(host, each["result"]) for each in found]


READERS = [by_openscap_report, by_xccdfparser, by_trestle]
CASES = [
    ("443 passed (control)", [machine("a", (443, "pass"))], [[("a", "pass")], [("a", 1)], [("a", "pass")]]),
    ("443 failed (control)", [machine("a", (443, "fail"))], [[("a", "fail")], [("a", 0)], [("a", "fail")]]),
    ("443 failed, then 8443 passed", [machine("a", (443, "fail"), (8443, "pass"))],
     [[("a", "pass")], [("a", 1)], [("a", "fail"), ("a", "pass")]]),
    ("443 passed, then 8443 failed", [machine("a", (443, "pass"), (8443, "fail"))],
     [[("a", "fail")], [("a", 0)], [("a", "pass"), ("a", "fail")]]),
    ("a passed; b failed", [machine("a", (443, "pass")), machine("b", (443, "fail"))],
     [[("a", "pass")], [("a", 1), ("b", 0)], [("a", "pass")]]),
    ("443 not selected", [machine("a", (443, "notselected"))], [[("a", "notselected")], [("a", 0)], [("a", "notselected")]]),
]
print(*("%s %s" % (each, version(each)) for each in ("openscap-report", "xccdfparser", "compliance-trestle")))
good = True
for case, machines, stated in CASES:
    FILE.write_text(benchmark(*machines))
    seen = [read() for read in READERS]
    good = good and seen == stated
    print("%-29s %s" % (case, seen))
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
