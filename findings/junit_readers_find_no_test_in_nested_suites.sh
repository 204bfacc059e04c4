#!/usr/bin/env bash
# junit2html 31.1.4, xunitparser 1.3.4, xunitparserx 1.9.12, test-results-parser 0.4.6 (npm, for testbeats): where suites hold
# suites, as in every JUnit report of PHPUnit, they find no test, say so without an error, and junit2html writes a merged report
# without the tests.
#
# The JUnit format has no owner; its common description (testmoapp/junitxml) lets a testsuite hold testsuites. PHPUnit writes a suite
# for each of its configuration, with one for each class in it.
# Expected: three tests, of which one fails, as without the outer suite.
# Seen 2026-11-29 (tests read, and how many of them fail):
#                                           flat      in one suite   in two
#   junit2html --summary-matrix             3, 1      0, 0           0, 0
#   junit2html --merge                      3, 1      0, 0           0, 0     an empty testsuite stays
#   xunitparser, xunitparserx               3, 1      0, 0           0, 0
#   test-results-parser                     3, 1      0, 0           0, 0     and calls the whole "SKIP"
#   junitparser 5.0.3, junit-to-ctrf 0.0.14, Codecov's test-results-parser 0.6.1 of PyPI (controls)
#                                           3, 1      3, 1           3, 1
# junit2html --max-failures 1, which is to fail the build, exits 0 then. The same was known of dorny/test-reporter (#701).
# Matters for: pages and messages that say that nothing failed, over the report of a run in which something did.
# Fails if a release behaves otherwise. Needs Linux or macOS, npm, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check junit2html==31.1.4 xunitparser==1.3.4 xunitparserx==1.9.12 \
    junitparser==5.0.3 test-results-parser==0.6.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" test-results-parser@0.4.6 junit-to-ctrf@0.0.14
cat > "$work/read.js" <<'JS'
const read = require("test-results-parser").parse({ type: "junit", files: [process.argv[2]] });
const { total, failed, status } = read.result || read;
console.log(JSON.stringify([total, failed, status]));
JS
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

warnings.simplefilter("ignore")
import junitparser
import test_results_parser
import xunitparser
import xunitparserx

folder = Path(sys.argv[1])
SUITES = """
<testsuite name="TlsTest" tests="2" assertions="2" errors="0" failures="1" skipped="0" time="0.02">
  <testcase name="testFloor" classname="TlsTest" assertions="1" time="0.01"><failure type="x">TLS 1.0 was accepted</failure></testcase>
  <testcase name="testName" classname="TlsTest" assertions="1" time="0.01"/>
</testsuite>
<testsuite name="FileTest" tests="1" assertions="1" errors="0" failures="0" skipped="0" time="0.01">
  <testcase name="testRead" classname="FileTest" assertions="1" time="0.01"/>
</testsuite>"""
OUTER = '<testsuite name="%s" tests="3" assertions="3" errors="0" failures="1" skipped="0" time="0.03">%s</testsuite>'


def run(*command):
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def junit2html(*words):
    return run(str(Path(sys.executable).parent / "junit2html"), *words)


def by_matrix(name):
    lines = junit2html("--summary-matrix", name).splitlines()
    said = dict(line.split(":") for line in lines if line.startswith(("  Failed", "  Passed")))
    counted = {what.strip(): int(number) for what, number in said.items()}
    return sum(counted.values()), counted.get("Failed", 0)


def by_merge(name):
    junit2html("--merge", "merged.xml", name)
    root = ElementTree.parse(folder / "merged.xml").getroot()
    assert root.findall(".//testsuite"), "no suite is left"
    return len(root.findall(".//testcase")), len(root.findall(".//failure"))


def by_xunitparser(library, name):
    with (folder / name).open() as file:
        _, result = library.parse(file)
    return result.testsRun, len(result.failures)


def by_npm(name):
    total, failed, status = json.loads(run("node", "read.js", name))
    assert status == ("FAIL" if total else "SKIP"), status
    return total, failed


def by_junitparser(name):
    cases = [case for suite in junitparser.JUnitXml.fromfile(str(folder / name)) for case in suite]
    return len(cases), sum(isinstance(result, junitparser.Failure) for case in cases for result in case.result)


def by_ctrf(name):
    run(str(folder / "node_modules/.bin/junit-to-ctrf"), name, "-o", "ctrf.json")
    summary = json.loads((folder / "ctrf.json").read_text())["results"]["summary"]
    return summary["tests"], summary["failed"]


def by_codecov(name):
    tests = test_results_parser.parse_junit_xml((folder / name).read_bytes()).testruns
    return len(tests), sum(test.outcome == test_results_parser.Outcome.Failure for test in tests)


READERS = {
    "junit2html --summary-matrix": by_matrix,
    "junit2html --merge": by_merge,
    "xunitparser": lambda name: by_xunitparser(xunitparser, name),
    "xunitparserx": lambda name: by_xunitparser(xunitparserx, name),
    "test-results-parser of npm": by_npm,
    "junitparser": by_junitparser,
    "junit-to-ctrf": by_ctrf,
    "test-results-parser of PyPI": by_codecov,
}
CONTROLS = {"junitparser", "junit-to-ctrf", "test-results-parser of PyPI"}
ONE = OUTER % ("unit", SUITES)
FILES = {"flat.xml": SUITES, "one.xml": ONE, "two.xml": OUTER % ("phpunit.xml", ONE)}
for name, suites in FILES.items():
    (folder / name).write_text('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>%s</testsuites>\n' % suites)
print(", ".join("%s %s" % (package, version(package)) for package in ("junit2html", "xunitparser", "xunitparserx", "junitparser")))
for reader, read in READERS.items():
    seen = [read(name) for name in FILES]
    print("%-28s %s" % (reader, "   ".join("%d tests, %d failed" % counts for counts in seen)), flush=True)
    nested = (3, 1) if reader in CONTROLS else (0, 0)
    assert seen == [(3, 1), nested, nested], "it behaves otherwise"
junit2html("one.xml", "one.html", "--max-failures", "1")  # run() has seen to the exit code
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
