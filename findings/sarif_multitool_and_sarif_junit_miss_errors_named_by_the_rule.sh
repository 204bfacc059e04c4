#!/usr/bin/env bash
# @microsoft/sarif-multitool 5.7.0 (query) and sarif-junit 1.1.4: an error whose level stands at the rule is no error: query calls it
# a warning, and the JUnit report has a test case for it that passes.
#
# A result of SARIF 2.1.0 without a level has the level of its rule, and only without that is it a warning (section 3.27.10).
# CodeQL and others write the level once, at the rule.
# Expected: one error and one note below, whichever way the level is written.
# Seen 2026-11-29, a rule that is an error and a rule that is a note by its defaultConfiguration, a result of each:
#                                            level at the result        level at the rule
#   sarif-multitool query "Level == Error"   1                          0
#   sarif-multitool query "Level == Warning" 0                          2
#   sarif-junit                              2 test cases, 1 fails      2 test cases, none fails
#   sarif-multitool project (control)        Error, Note                Error, Note
#   sarif-to-markdown 1.11.1 (control)       [ERROR], [NOTE]            [ERROR], [NOTE]
# So two commands of one program disagree about one file; that project looks at the rule is in its release notes (5.1.0).
# Matters for: builds that count the errors in a log, and test reports made of it: both say that there are none. Write the levels
# into the results first.
# Fails if a release behaves otherwise. Needs Linux on x86_64, npm, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" \
    @microsoft/sarif-multitool-linux@5.7.0 sarif-junit@1.1.4 @security-alert/sarif-to-markdown@1.11.1
cat > "$work/markdown.js" <<'JS'
const { sarifToMarkdown } = require("@security-alert/sarif-to-markdown");
const options = { title: "T", owner: "o", repo: "r", branch: "main", sourceRoot: "", suppressedResults: [], simple: false };
const log = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
console.log(sarifToMarkdown(options)(log).map((made) => made.body).join("\n"));
JS
cat > "$work/show.py" <<'PY'
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

folder = Path(sys.argv[1])
modules = folder / "node_modules"
MULTITOOL = str(modules / "@microsoft/sarif-multitool-linux/Sarif.Multitool")
ENVIRONMENT = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # it runs without libicu too
RULES = (("E1", "error"), ("N1", "note"))


def run(*command):
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(name, at_the_result):
    results = [
        {
            "ruleId": rule,
            "ruleIndex": index,
            **({"level": level} if at_the_result else {}),
            "message": {"text": "seen"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": rule + ".py"}, "region": {"startLine": 3}}}],
        }
        for index, (rule, level) in enumerate(RULES)
    ]
    rules = [
        {"id": rule, "shortDescription": {"text": rule}, "defaultConfiguration": {"level": level}} for rule, level in RULES
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "scanner", "version": "1", "rules": rules}}, "results": results}],
    }
    (folder / name).write_text(json.dumps(log))


def queried(name, level):
    return int(re.search(r"Found (\d+) of 2 results", run(MULTITOOL, "query", "-e", "Level == " + level, name))[1])


def projected(name):
    return re.findall(r'^"\w+","(\w+)"', run(MULTITOOL, "project", "-c", "RuleId,Level", "--no-header", name), re.M)


def junit(name):
    run("node", str(modules / "sarif-junit/bin/sarif-junit"), "-i", name, "-o", "junit.xml")
    root = ElementTree.parse(folder / "junit.xml").getroot()
    return len(root.findall(".//testcase")), len(root.findall(".//testcase/failure")), root.get("failures")


def markdown(name):
    return re.findall(r"\*\*\[(ERROR|WARNING|NOTE)\]\*\*", run("node", "markdown.js", name))


STATED = {
    "level at the result": (1, 0, (2, 1, "1"), ["Error", "Note"], ["ERROR", "NOTE"]),
    "level at the rule": (0, 2, (2, 0, "0"), ["Error", "Note"], ["ERROR", "NOTE"]),
}
for package in ("@microsoft/sarif-multitool-linux", "sarif-junit", "@security-alert/sarif-to-markdown"):
    print(package, json.loads((modules / package / "package.json").read_text())["version"])
seen = {}
for number, what in enumerate(STATED):
    name = "log%d.sarif" % number
    write(name, what == "level at the result")
    errors, warnings = queried(name, "Error"), queried(name, "Warning")
    seen[what] = (errors, warnings, junit(name), projected(name), markdown(name))
    cases, failed, _ = seen[what][2]
    print("%-20s query: %d errors, %d warnings; JUnit: %d cases, %d fail; project: %s; Markdown: %s" % (
        what, errors, warnings, cases, failed, " ".join(seen[what][3]), " ".join(seen[what][4])
    ))
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 300 python3 "$work/show.py" "$work"
