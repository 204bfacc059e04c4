#!/usr/bin/env bash
# sarif-tools 3.0.5 (PyPI), sarif-junit 1.1.4 (npm): a run fails for an error that is gone, or that was accepted; a check that passed
# becomes an issue in the report for GitLab, like a note.
#
# In SARIF 2.1.0 a log that was compared with an earlier one also has the results that are gone: their baselineState is "absent" (section
# 3.27.24). A result whose suppressions are all accepted is suppressed (3.27.23, 3.35.3). A result whose kind is "pass" or
# "notApplicable" is no failure (3.27.9), and has level "none" (3.27.10).
# Expected: what is gone or suppressed does not fail the run, and what passed is no issue.
# Seen 2026-11-30 with one result: the exit code of "sarif --check error summary", the severity of the issue that "sarif codeclimate"
# writes, and the failures in the report of sarif-junit:
#                                      check   codeclimate   sarif-junit
#   an error (control)                 1       major         1
#   a note (control)                   0       info          0
#   an error, absent                   1       major         1
#   an error, suppression accepted     1       major         1
#   kind "pass"                        0       info          0
#   kind "notApplicable"               0       info          0
# sarif-tools can leave results out by a filter file that one writes for it; without one, it does as above. Other readers were made to leave
# out what is suppressed or absent (microsoft/sarif-visualstudio-extension#120); of these two we found nothing.
# Matters for: a build that compares with a baseline, and stays red after the error was mended; and GitLab, which lists each issue that
# such a report has, passed checks included.
# Fails if a release behaves otherwise. Needs Linux or macOS, uv, npm, Node.js 18 or newer, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv venv --quiet "$work/venv"
uv pip install --quiet --python "$work/venv/bin/python" sarif-tools==3.0.5
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" sarif-junit@1.1.4
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

folder = Path(sys.argv[1])
LOG, ISSUES, JUNIT = (folder / name for name in ("log.sarif", "issues.json", "junit.xml"))


def log(what):
    place = {"artifactLocation": {"uri": "app.py"}, "region": {"startLine": 1}}
    result = {"ruleId": "TLS1", "message": {"text": "It takes TLS 1.0"}, "locations": [{"physicalLocation": place}]} | what
    tool = {"driver": {"name": "Example", "rules": [{"id": "TLS1"}]}}
    return {"version": "2.1.0", "runs": [{"tool": tool, "results": [result]}]}


def run(*command):
    return subprocess.run(command, capture_output=True, timeout=60).returncode


def read():
    sarif = folder / "venv/bin/sarif"
    check = run(sarif, "--check", "error", "summary", LOG)
    for stale in (ISSUES, JUNIT):
        stale.unlink(missing_ok=True)
    run(sarif, "codeclimate", "-o", ISSUES, LOG)
    run(folder / "node_modules/.bin/sarif-junit", "-i", LOG, "-o", JUNIT)
    severities = [each["severity"] for each in json.loads(ISSUES.read_text())]
    return check, severities, len(ElementTree.parse(JUNIT).findall(".//failure"))


ERROR = {"level": "error"}
CASES = [
    ("an error (control)", ERROR, (1, ["major"], 1)),
    ("a note (control)", {"level": "note"}, (0, ["info"], 0)),
    ("an error, absent", ERROR | {"baselineState": "absent"}, (1, ["major"], 1)),
    ("an error, suppression accepted", ERROR | {"suppressions": [{"kind": "external", "status": "accepted"}]}, (1, ["major"], 1)),
    ('kind "pass"', {"kind": "pass", "level": "none"}, (0, ["info"], 0)),
    ('kind "notApplicable"', {"kind": "notApplicable", "level": "none"}, (0, ["info"], 0)),
]
print("sarif-tools", version("sarif-tools"))
good = True
for case, what, stated in CASES:
    LOG.write_text(json.dumps(log(what)))
    seen = read()
    good = good and seen == stated
    print("%-31s %s" % (case, seen))
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
