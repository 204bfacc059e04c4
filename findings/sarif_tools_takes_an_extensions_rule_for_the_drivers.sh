#!/usr/bin/env bash
# sarif-tools 3.0.5: a result of a rule that an extension defines gets the level of another rule, the driver's of the same number.
#
# In SARIF 2.1.0 a tool has a driver and extensions, each with rules of its own, numbered from 0. A result names its rule by
# "rule": {"id", "index", "toolComponent": {"index"}}; without toolComponent the driver's is meant (section 3.52). A result without
# a level has its rule's (section 3.27.10). CodeQL does so with --sarif-group-rules-by-pack.
# Expected: the level of the extension's rule, "error" below.
# Seen 2026-11-29 with a driver's rule D0 (note) and an extension's rules X0 (error) and X1 (error):
#   X0, which has the number of D0    "note", D0's
#   X1, of a number beyond D0         "warning", as if no rule said anything
#   X0 with a level of its own        "error" (control), and so has the driver's own rule D0 "note"
# As well: a result that names its rule by "ruleIndex" alone, which is valid, ends in KeyError: 'ruleId'; and a result of which
# baselineState says "absent" (it was there before, and is gone) is counted as if it were there.
# Matters for: summaries, trends and limits on the number of errors, over the reports of several tools.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check sarif-tools==3.0.5
cat > "$work/show.py" <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from sarif import loader

TOOL = {
    "driver": {"name": "tool", "rules": [{"id": "D0", "defaultConfiguration": {"level": "note"}}]},
    "extensions": [
        {
            "name": "pack",
            "rules": [
                {"id": "X0", "defaultConfiguration": {"level": "error"}},
                {"id": "X1", "defaultConfiguration": {"level": "error"}},
            ],
        }
    ],
}


def of_pack(number):
    return {"ruleId": "X%d" % number, "rule": {"id": "X%d" % number, "index": number, "toolComponent": {"index": 0}}}


def level_read(path, result):
    """The level that the library gives to one result, or the error that it raises; None when it leaves the result out."""
    result = {"message": {"text": "a problem"}, **result}
    path.write_text(json.dumps({"version": "2.1.0", "runs": [{"tool": TOOL, "results": [result]}]}))
    try:
        records = loader.load_sarif_file(str(path)).get_records()
    except KeyError as error:
        return repr(error)
    return records[0]["Severity"] if records else None


RESULTS = {
    "the driver's rule": ({"ruleId": "D0", "ruleIndex": 0}, "note"),
    "the extension's, level given": (of_pack(0) | {"level": "error"}, "error"),
    "the extension's rule 0": (of_pack(0), "note"),
    "the extension's rule 1": (of_pack(1), "warning"),
    "by ruleIndex alone": ({"ruleIndex": 0}, "KeyError('ruleId')"),
    "gone since the baseline": ({"ruleId": "D0", "ruleIndex": 0, "baselineState": "absent"}, "note"),
}
print("sarif-tools", version("sarif-tools"))
as_stated = True
for name, (result, stated) in RESULTS.items():
    seen = level_read(Path(sys.argv[1]), result)
    as_stated &= seen == stated
    print("%-30s %s" % (name, seen))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 60 "$work/venv/bin/python" "$work/show.py" "$work/report.sarif"
