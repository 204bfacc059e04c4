#!/usr/bin/env bash
# cyclonedx-bom 7.5.0, sbom4python 0.12.6, @cyclonedx/cdxgen 12.8.4: of one valid requirements.txt each makes another bill of
# materials, with components that nobody requires, or without some that are required.
#
# pip's reference of the requirements file format: "-c" names a file of constraints, which "only control which version of a
# requirement is installed, not whether it is installed"; "-r" names a file of further requirements; "--hash" belongs to the
# requirement on the line before, which ends in "\" (pip-compile and uv export write so); "===" is one operator (PEP 440).
# Expected: the six that pip reads as requirements, and a version where the file gives one.
# Seen 2026-11-29, no error from any of them ("None": in the bill without a version):
#                                 pip       cyclonedx-py          sbom4python       cdxgen
#   six==1.17.0, in base.txt      1.17.0    1.17.0                -                 -
#   requests==2.34.2              2.34.2    2.34.2                2.34.2            2.34.2
#   certifi==2026.1.4 with \      2026.1.4  2026.1.4              "2026.1.4 \"      2026.1.4
#   requests-toolbelt===1.0.0     1.0.0     1.0.0                 "=1.0.0"          None
#   flask>=3,<4                   None      None, and 3.0.0       None              3
#   celery[redis]==5.4.0          5.4.0     5.4.0, twice          as celery[redis]  5.4.0
#   besides                                 urllib3 1.26.20       -c, -r, --hash
# urllib3 and flask 3.0.0 stand in the constraints alone; OpenStack's, which many projects use, have hundreds of lines. cdxgen's
# flask 3 is the lower bound (it says of each component that it is half sure). Package URLs are so too: pkg:pypi/--hash.
# Matters for: whoever looks the components up: vulnerabilities of packages that are not installed, and none of those that are.
# Make the bill from the installed environment instead.
# Fails if a release behaves otherwise. Needs Linux, npm, Python 3.11 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pip==26.2 cyclonedx-bom==7.5.0 sbom4python==0.12.6
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --prefix "$work" @cyclonedx/cdxgen@12.8.4
mkdir "$work/project"
cat > "$work/project/requirements.txt" <<'TXT'
-c constraints.txt
-r base.txt
requests==2.34.2
certifi==2026.1.4 \
    --hash=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \
    --hash=sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
requests-toolbelt===1.0.0
flask>=3,<4
celery[redis]==5.4.0
TXT
echo 'six==1.17.0' > "$work/project/base.txt"
printf '%s\n' urllib3==1.26.20 flask==3.0.0 celery==5.4.0 > "$work/project/constraints.txt"
cat > "$work/show.py" <<'PY'
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements

folder = Path(sys.argv[1])
project = folder / "project"
modules = folder / "node_modules"
ENVIRONMENT = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "FETCH_LICENSE": "false"}  # cdxgen asks no index


def made(*command):
    """Return the components, as name and version, of the bill that a command makes of the project."""
    bill = folder / "bill.json"
    bill.unlink(missing_ok=True)
    done = subprocess.run([*command, str(bill)], cwd=project, env=ENVIRONMENT, text=True, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    components = json.loads(bill.read_text())["components"]
    return sorted((component["name"], component.get("version") or "None") for component in components)


def read_by_pip():
    """Return what pip itself would install, with the version where the file gives one."""
    required = []
    for line in parse_requirements(str(project / "requirements.txt"), session=PipSession()):
        if not line.constraint:
            needed = Requirement(line.requirement.strip())
            exact = [given.version for given in needed.specifier if given.operator in ("==", "===")]
            required.append((needed.name, exact[0] if exact else "None"))
    return sorted(required)


scripts = Path(sys.executable).parent
seen = {
    "pip": read_by_pip(),
    "cyclonedx-bom": made(str(scripts / "cyclonedx-py"), "requirements", "requirements.txt", "--of", "JSON", "-o"),
    "sbom4python": made(str(scripts / "sbom4python"), "-r", "requirements.txt", "--sbom", "cyclonedx", "--format", "json", "-o"),
    "cdxgen": made(str(modules / ".bin/cdxgen"), "-t", "python", "--no-install-deps", "-o"),
}
RIGHT = {
    "six": "1.17.0",
    "requests": "2.34.2",
    "certifi": "2026.1.4",
    "requests-toolbelt": "1.0.0",
    "flask": "None",
    "celery": "5.4.0",
}
MISREAD = {
    ("certifi", "2026.1.4 \\"),
    ("requests-toolbelt", "=1.0.0"),
    ("celery[redis]", "5.4.0"),
    ("requests", "2.34.2"),
    ("flask", "None"),
    ("-c", "None"),
    ("-r", "None"),
    ("--hash", "None"),
}
STATED = {
    "pip": sorted(RIGHT.items()),
    "cyclonedx-bom": sorted([*RIGHT.items(), ("celery", "5.4.0"), ("flask", "3.0.0"), ("urllib3", "1.26.20")]),
    "sbom4python": sorted(MISREAD),
    "cdxgen": sorted({**RIGHT, "flask": "3", "requests-toolbelt": "None"}.items() - {("six", "1.17.0")}),
}
for tool, components in seen.items():
    number = json.loads((modules / "@cyclonedx/cdxgen/package.json").read_text())["version"] if tool == "cdxgen" else version(tool)
    print("%-14s %-8s %s" % (tool, number, ", ".join("%s %s" % component for component in components)))
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" "$work/show.py" "$work"
