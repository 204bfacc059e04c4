#!/usr/bin/env bash
# @microsoft/sarif-multitool 5.7.0: merge makes one run of the logs that a tool wrote on two machines: what both found counts once,
# what is left is said of one machine, and rules of an extension become other rules.
#
# A run of SARIF 2.1.0 says once, for all its results, which run it was (automationDetails, section 3.17), what its relative paths
# start from (originalUriBaseIds, section 3.14.14) and which extensions of the tool ran (tool.extensions, section 3.18.3); a result
# names a rule of an extension by two numbers (section 3.52). A log can hold many runs. Since 5.0.7 merge makes one run for each
# name and version of a tool; it is described as joining the parts of a run that was split, and asks nothing of the parts.
# Expected: a run for each machine, as its automationDetails differ; or everything that a result needs carried along with it.
# Seen 2026-11-29, exit code 0, no warning, and "validate" of the same tool finds no error in what was merged:
#   the same result from /srv/one/ and /srv/two/            1 result, 1 run, named after one of them, with that one's path
#   results of extension A (A0 is a note, A1 an error)      4 results, all said to be under the path of one machine; only that
#   and of extension B (B0 is an error, B1 a note)          machine's extension is left, and the other's results name its rules:
#                                                           A1, the error, has become B1, a note (or B0 has become A0)
#   logs of two versions of the tool (control)              2 results, 2 runs, each with its own path
# Which machine is left changes from one call to the next. CodeQL writes such logs: a log for each language, rules in extensions.
# Matters for: whoever joins a fleet's or a repository's logs before counting: errors are lost, and those left are on the wrong
# machine. Put the runs into one file instead: jq -s '{version: "2.1.0", runs: map(.runs[])}'
# Fails if a release behaves otherwise. Needs Linux on x86_64, npm, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @microsoft/sarif-multitool-linux@5.7.0
cat > "$work/show.py" <<'PY'
import json
import os
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
package = folder / "node_modules/@microsoft/sarif-multitool-linux"
ENVIRONMENT = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # it runs without libicu too


def multitool(*words):
    command = [str(package / "Sarif.Multitool"), *words]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def log(name, machine, rules, found, version="1.0"):
    """Write the log of a machine: an extension with these rules, and a result for each found."""
    results = [
        {
            "rule": {"id": rules[number][0], "index": number, "toolComponent": {"index": 0}},
            "message": {"text": "TLS 1.0 is allowed"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "tls.ini", "uriBaseId": "ROOT"}, "region": {"startLine": 3}}}],
        }
        for number in found
    ]
    defined = [{"id": rule, "defaultConfiguration": {"level": level}} for rule, level in rules]
    run = {
        "tool": {"driver": {"name": "scanner", "version": version}, "extensions": [{"name": rules[0][0][0], "rules": defined}]},
        "automationDetails": {"id": f"nightly/{machine}/"},
        "originalUriBaseIds": {"ROOT": {"uri": f"file:///srv/{machine}/"}},
        "results": results,
    }
    whole = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    (folder / name).write_text(json.dumps(whole))


def merged(*names):
    """Return, for each merged run, which run it says it is, and each result as its path, own rule, and the rule of its numbers."""
    multitool("merge", *names, "--output-file", "merged.sarif", "--log", "ForceOverwrite")
    said = multitool("validate", "merged.sarif")
    assert " error " not in said and "completed successfully" in said, said
    runs = []
    for run in json.loads((folder / "merged.sarif").read_text())["runs"]:
        read = []
        for result in run["results"]:
            named = result["rule"]
            rule = run["tool"]["extensions"][named["toolComponent"]["index"]]["rules"][named["index"]]
            place = result["locations"][0]["physicalLocation"]["artifactLocation"]
            path = run["originalUriBaseIds"][place["uriBaseId"]]["uri"] + place["uri"]
            read.append((path, named["id"], rule["id"], rule["defaultConfiguration"]["level"]))
        runs.append((run["automationDetails"]["id"], sorted(read)))
    return sorted(runs)


A = [("A0", "note"), ("A1", "error")]
B = [("B0", "error"), ("B1", "note")]
log("one.sarif", "one", A, [1])
log("two.sarif", "two", A, [1])
log("newer.sarif", "two", A, [1], version="1.1")
log("all-a.sarif", "one", A, [0, 1])
log("all-b.sarif", "two", B, [0, 1])

print("sarif-multitool", json.loads((package / "package.json").read_text())["version"])
same, extensions, versions = merged("one.sarif", "two.sarif"), merged("all-a.sarif", "all-b.sarif"), merged("one.sarif", "newer.sarif")
for what, runs in (("the same result", same), ("two extensions", extensions), ("two versions", versions)):
    for run, results in runs:
        print("%-16s run %s" % (what, run))
        for path, named, rule, level in results:
            print("%17s%s  %s, by its numbers %s (%s)" % ("", path, named, rule, level))


def one(machine):
    return [(f"nightly/{machine}/", [(f"file:///srv/{machine}/tls.ini", "A1", "A1", "error")])]


def all_of(machine, *rules):
    return [(f"nightly/{machine}/", [(f"file:///srv/{machine}/tls.ini", *rule) for rule in rules])]


left_b = [("A0", "B0", "error"), ("A1", "B1", "note"), ("B0", "B0", "error"), ("B1", "B1", "note")]
left_a = [("A0", "A0", "note"), ("A1", "A1", "error"), ("B0", "A0", "note"), ("B1", "A1", "error")]
assert same in (one("one"), one("two")), "it behaves otherwise: %r" % same
assert extensions in (all_of("one", *left_a), all_of("two", *left_b)), "it behaves otherwise: %r" % extensions
assert versions == one("one") + one("two"), "the control failed: %r" % versions
print("seen as stated")
PY
timeout 300 python3 "$work/show.py" "$work"
