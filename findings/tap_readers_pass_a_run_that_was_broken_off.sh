#!/usr/bin/env bash
# tap-xunit 2.4.1, tap-junit 5.0.4, tap-spec 5.0.0, tap-min 3.0.0, tap-json 1.0.0, tap-arc 1.3.2 (npm): a run that was broken off after
# two of five tests is reported as passed; tap.py 3.2.1 (PyPI) reports a failed test as expected to fail.
#
# TAP has a plan, "1..5", by which a reader notices what did not run: another number of tests is a failure, and so is "Bail out!" (TAP
# 13 and 14 specifications, on the plan and on bailing out). In TAP 14 "\#" in a description is a mere "#", so that what follows is
# no directive (on escaping).
# Expected: each reader says that the run failed, by its exit code or by a failure in its report.
# Seen 2026-11-29, as exit code and number of failures in the report:
#                        a failure    "1..5", but    "Bail out!"    "not ok 2 - refused,
#                        (control)    two tests      after two      as in \# TODO list"
#   tap-xunit            1, 1         0, 0           0, 0           1, 1
#   tap-junit            0, 1         0, 1           0, 0           0, 1
#   tap-spec             1            0              0              1
#   tap-min              1            1              0              1
#   tap-json             0, 1         0, 0           0, 0           0, 0
#   tap-arc              1            0              1              1
#   tappy of tap.py      1            1              1              0 ("expected failures=1")
#   tap-parser 18.3.4, tap-mocha-reporter 5.0.4 (controls)
#                        1            1              1              1
# tap-junit says one failure for the plan in the sums of its report, where no test case has it.
# For tap-summary the plan was reported and mended in 2016 (zoubin/tap-summary#8); no report was found for these.
# Matters for: a green page over a test program that crashed half-way: "node test.js | tap-xunit > report.xml" hides its exit code.
# Fails if a release behaves otherwise. Needs Linux or macOS, npm, Node.js 18 or newer, Python 3.9 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tap.py==3.2.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" tap-xunit@2.4.1 tap-junit@5.0.4 tap-spec@5.0.0 \
    tap-min@3.0.0 tap-json@1.0.0 tap-arc@1.3.2 tap-parser@18.3.4 tap-mocha-reporter@5.0.4
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

folder = Path(sys.argv[1])
TWO = "ok 1 - TLS 1.2 is accepted\nok 2 - TLS 1.3 is accepted\n"
RUNS = {
    "failure": "TAP version 13\n1..2\nok 1 - TLS 1.2 is accepted\nnot ok 2 - TLS 1.0 is refused\n",
    "plan": "TAP version 13\n1..5\n" + TWO,
    "bail out": "TAP version 13\n1..5\n" + TWO + "Bail out! The server is gone\n",
    "escaped": "TAP version 14\n1..2\nok 1 - TLS 1.2 is accepted\nnot ok 2 - TLS 1.0 is refused, as in \\# TODO list\n",
}


def run(command, tap):
    done = subprocess.run(command, input=tap, cwd=folder, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def npm(name, *words):
    return [str(folder / "node_modules/.bin" / name), *words]


def by_xml(name):
    def read(tap):
        status, said, _ = run(npm(name), tap)
        suite = ElementTree.fromstring(said)
        suite = suite if suite.get("failures") else suite[0]
        return status, int(suite.get("failures"))

    return read


def by_json(tap):
    status, said, _ = run(npm("tap-json"), tap)
    return status, json.loads(said)["stats"]["failures"]


def by_status(*command):
    return lambda tap: run(command, tap)[0]


def by_tappy(tap):
    status, said, errors = run([str(Path(sys.executable).parent / "tappy")], tap)
    return (status, "expected failures=1" in said + errors)


READERS = {
    "tap-xunit": (by_xml("tap-xunit"), [(1, 1), (0, 0), (0, 0), (1, 1)]),
    "tap-junit": (by_xml("tap-junit"), [(0, 1), (0, 1), (0, 0), (0, 1)]),
    "tap-spec": (by_status(*npm("tap-spec")), [1, 0, 0, 1]),
    "tap-min": (by_status(*npm("tap-min")), [1, 1, 0, 1]),
    "tap-json": (by_json, [(0, 1), (0, 0), (0, 0), (0, 0)]),
    "tap-arc": (by_status(*npm("tap-arc")), [1, 0, 1, 1]),
    "tappy": (by_tappy, [(1, False), (1, False), (1, False), (0, True)]),
    "tap-parser": (by_status(*npm("tap-parser", "-t", "-f")), [1, 1, 1, 1]),
    "tap-mocha-reporter": (by_status(*npm("tap-mocha-reporter", "spec")), [1, 1, 1, 1]),
}
print(" " * 20, "   ".join(RUNS))
as_stated = True
for name, (read, stated) in READERS.items():
    seen = [read(tap) for tap in RUNS.values()]
    as_stated &= seen == stated
    print(name.ljust(20), "   ".join(map(str, seen)), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
