#!/usr/bin/env bash
# @cyclonedx/cdxgen 12.8.4 (cdx-convert), sbomconvert 0.1.0 and sbomdiff 0.6.0: of a CycloneDX bill in which two components share a
# name, as npm and Debian have them, one is not converted, or its removal is not reported.
#
# A component of CycloneDX may hold components; cyclonedx-npm writes so what npm installs below another package. What tells two
# components apart is their bom-ref and their package URL: versions of one package, and architectures of one version.
# Expected: five packages in SPDX, and one difference for each component that is taken away.
# Seen 2026-11-29, no error, and cdx-convert says "Successfully converted":
#                                          as SPDX by                   taken away, sbomdiff reports
#                                          cdx-convert   sbomconvert
#   debug 2.6.9, with what it holds        yes           yes            debug removed, ms changed (control)
#   ms 2.0.0, below debug                  -             yes            ms changed from 2.0.0 to 2.1.3
#   ms 2.1.3                               yes           yes            no difference
#   libssl3 3.0.17 of amd64                yes           -              no difference
#   libssl3 3.0.17 of i386                 yes           yes            no difference
# With ms 2.0.0 goes the relationship of debug to it. sbomconvert, on lib4sbom 0.10.4, loses @a/core beside @b/core of the same
# version alike (not run here).
# Matters for: whoever hands the SPDX on, or looks at the differences of two releases: a package that came or went is in none of it.
# Compare lists of package URLs.
# Fails if a release behaves otherwise. Needs Linux or macOS, npm, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check sbomconvert==0.1.0 sbomdiff==0.6.0 lib4sbom==0.10.4
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --prefix "$work" @cyclonedx/cdxgen@12.8.4
cat > "$work/show.py" <<'PY'
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

folder = Path(sys.argv[1])
scripts = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
DEBUG, BELOW, MS = "pkg:npm/debug@2.6.9", "pkg:npm/ms@2.0.0", "pkg:npm/ms@2.1.3"
AMD64, I386 = ("pkg:deb/debian/libssl3@3.0.17?arch=" + architecture for architecture in ("amd64", "i386"))
ALL = {DEBUG, BELOW, MS, AMD64, I386}


def run(*command, may_end=(0,)):
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=60)
    assert done.returncode in may_end, done.stdout + done.stderr
    return done.stdout


def component(purl):
    name, _, number = purl.partition("?")[0].rpartition("/")[2].partition("@")
    return {"type": "library", "name": name, "version": number, "purl": purl, "bom-ref": purl}


def write(name, without=None):
    """Write the bill without one of its components, and without what depends on it."""
    top = [component(purl) for purl in (DEBUG, MS, AMD64, I386) if purl != without]
    dependencies = [{"ref": "app", "dependsOn": [held["bom-ref"] for held in top]}]
    if without not in (DEBUG, BELOW):
        top[0]["components"] = [component(BELOW)]
        dependencies.append({"ref": DEBUG, "dependsOn": [BELOW]})
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "metadata": {
            "timestamp": "2026-01-01T00:00:00Z",
            "component": {"type": "application", "name": "app", "version": "1.0.0", "bom-ref": "app"},
        },
        "components": top,
        "dependencies": dependencies,
    }
    (folder / name).write_text(json.dumps(bill))


def by_cdx_convert(name):
    said = run(str(folder / "node_modules/.bin/cdx-convert"), "-i", name, "-o", "three.json")
    assert "Successfully converted" in said, said
    graph = json.loads((folder / "three.json").read_text())["@graph"]
    return {element["software_packageUrl"] for element in graph if "software_packageUrl" in element}


def by_sbomconvert(name):
    run(str(scripts / "sbomconvert"), "-i", name, "--sbom", "spdx", "--format", "json", "-o", "two.json")
    packages = json.loads((folder / "two.json").read_text())["packages"]
    return {reference["referenceLocator"] for package in packages for reference in package.get("externalRefs", [])}


def differences(name):
    """Return the lines that sbomdiff prints for changes, and the sum of the four numbers below them."""
    said = run(str(scripts / "sbomdiff"), "whole.json", name, "--exclude-license", may_end=(0, 1))  # 1: there are some
    lines = said.splitlines()
    numbers = [int(line.rpartition(":")[2]) for line in lines if line.endswith(tuple("0123456789")) and "[" not in line]
    return [line for line in lines if line.startswith("[")], sum(numbers)


write("whole.json")
print("cdxgen", json.loads((folder / "node_modules/@cyclonedx/cdxgen/package.json").read_text())["version"])
print(", ".join("%s %s" % (package, version(package)) for package in ("sbomconvert", "sbomdiff", "lib4sbom")))
lost = {"cdx-convert": ALL - by_cdx_convert("whole.json"), "sbomconvert": ALL - by_sbomconvert("whole.json")}
for tool, packages in lost.items():
    print("%-12s loses %s" % (tool, ", ".join(sorted(packages))))
REPORTED = {
    # debug takes ms 2.0.0 with it, which sbomdiff calls a change of ms's version
    DEBUG: (["[REMOVED] debug", "[VERSION] ms: Version changed from 2.0.0 to 2.1.3"], 2),
    BELOW: (["[VERSION] ms: Version changed from 2.0.0 to 2.1.3"], 1),
    MS: ([], 0),
    AMD64: ([], 0),
    I386: ([], 0),
}
for purl, stated in REPORTED.items():
    write("less.json", without=purl)
    changes, number = differences("less.json")
    print("%-46s taken away: %s" % (purl, "; ".join(changes) or "no difference"))
    assert len(changes) == number == stated[1], "it behaves otherwise: %r %d" % (changes, number)
    assert all(line.startswith(begins) for line, begins in zip(changes, stated[0])), "it behaves otherwise: %r" % changes
assert lost == {"cdx-convert": {BELOW}, "sbomconvert": {AMD64}}, "it behaves otherwise: %r" % lost
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
