#!/usr/bin/env bash
# lcov-total 2.1.1, lcov-summary 1.0.1 (npm), lcov-cobertura 2.1.1 (PyPI): of a tracefile that two named tests share they count each
# source file once for each test, so that all lines are covered and the report says 50 %.
#
# LCOV's tracefile (geninfo(1), FILES) has for each test (TN) a section for each source file (SF). "lcov -t NAME" names the test, and
# "lcov -a" puts two tracefiles together so; a line is covered if one of the tests ran it.
# Expected: 2 lines of 2, as lcov 1.16 says of this file, which "lcov -a a.info -a b.info" made (seen by hand, not run here).
# Seen 2026-11-30; test "unit" runs line 1 and "web" line 2 of a file with two lines:
#                              one test          two tests
#   lcov-total                 100               50, and --gte=80 ends with exit code 1
#   lcov-summary               100 % (2/2)       50 %, the file twice, 1/2 each
#   lcov_cobertura             2 of 2            2 of 4; line 1, a method, has no hits
#   diff-cover 11.0.1          100 %             100 %   (control)
#   lcov-result-merger 6.0.0   2 of 2            2 of 2  (control)
# lcov-parse, on which lcov-summary is, hands out both sections. Other readers had the same, and mended it (k1LoW/octocov#724,
# okkez/coveralls-lcov#10); of these three we found nothing.
# Matters for: gates and trends: each further kind of test lowers the coverage. Join the sections first, with lcov-result-merger or
# with empty test names (lcov -a of tracefiles without -t).
# Fails if a release behaves otherwise. Needs Linux or macOS, git, npm, Node.js 20 or newer, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lcov-cobertura==2.1.1 diff-cover==11.0.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" lcov-total@2.1.1 lcov-summary@1.0.1 lcov-result-merger@6.0.0
cat > "$work/show.py" <<'PY'
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

folder = Path(sys.argv[1])
FILE = folder / "both.info"
REPOSITORY = folder / "repository"


def run(*command, codes=(0,)):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode in codes, "%s ends with %d: %s" % (command[0], done.returncode, done.stderr)
    return done.stdout, done.returncode


def node(name):
    return folder / "node_modules/.bin" / name


def section(test, one, two):
    hits = {1: one, 2: two}
    covered = sum(1 for each in hits.values() if each)
    rows = ["TN:" + test, "SF:a.js", "FN:1,first", "FNDA:%d,first" % one, "FNF:1", "FNH:%d" % bool(one)]
    rows += ["DA:%d,%d" % each for each in hits.items()] + ["LF:2", "LH:%d" % covered, "end_of_record"]
    return "\n".join(rows) + "\n"


def by_lcov_total():
    return float(run(node("lcov-total"), FILE)[0]), run(node("lcov-total"), FILE, "--gte=80", codes=(0, 1))[1]


def by_lcov_summary():
    told = run(node("lcov-summary"), FILE)[0]
    return float(re.search(r"Total Coverage:\s*([\d.]+)%", told)[1]), told.count("a.js")


def by_lcov_cobertura():
    run(Path(sys.executable).with_name("lcov_cobertura"), FILE, "-o", folder / "cobertura.xml")
    told = (folder / "cobertura.xml").read_text()
    method = re.search(r'<method\b.*?<line [^>]*hits="(\d+)"', told, re.S)[1]
    return tuple(int(re.search(r'lines-%s="(\d+)"' % each, told)[1]) for each in ("covered", "valid")) + (int(method),)


def by_diff_cover():
    told = run(Path(sys.executable).with_name("diff-cover"), FILE, "--compare-branch", "base")[0]
    return re.search(r"Coverage: (\d+)%", told)[1]


def by_merger():
    run(node("lcov-result-merger"), FILE, folder / "merged.info")
    return tuple(int(re.search("^%s:(.*)" % each, (folder / "merged.info").read_text(), re.M)[1]) for each in ("LH", "LF"))


REPOSITORY.mkdir()
(REPOSITORY / "a.js").write_text("one\ntwo\n")
git = ["git", "-c", "user.name=Example", "-c", "user.email=user@example.com"]
for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "base"], ["branch", "base"], ["add", "a.js"],
                ["commit", "-q", "-m", "change"]):
    run(*git, *command)
ONE, TWO = section("all", 1, 1), section("unit", 1, 0) + section("web", 0, 1)
READERS = {
    by_lcov_total: ((100, 0), (50, 1)),
    by_lcov_summary: ((100, 1), (50, 2)),
    by_lcov_cobertura: ((2, 2, 1), (2, 4, 0)),
    by_diff_cover: ("100", "100"),
    by_merger: ((2, 2), (2, 2)),
}
print(*("%s %s" % (each, version(each)) for each in ("lcov-cobertura", "diff-cover")), flush=True)
good = True
for reader, stated in READERS.items():
    seen = []
    for text in (ONE, TWO):
        FILE.write_text(text)
        seen.append(reader())
    good = good and tuple(seen) == stated
    print("%-16s one test %s, two tests %s" % (reader.__name__[3:], *seen), flush=True)
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" "$work/show.py" "$work"
