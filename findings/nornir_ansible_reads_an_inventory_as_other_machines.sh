#!/usr/bin/env bash
# nornir-ansible 2023.12.28: an Ansible inventory names other machines, ports and values to it than to Ansible, without an error.
#
# It is Nornir's reader of Ansible inventories. By Ansible's guide "How to build your inventory" web[01:03] is a range, in INI and in
# YAML, and "host:2222" a port; of two groups of one level the one that is last in the alphabet wins; a value beside a host in INI is
# read as a Python literal where it is one; names of variables keep their case.
# Expected: what ansible-inventory of ansible-core 2.19.14 reads.
# Seen 2026-11-29:
#                                             ansible-inventory             nornir-ansible
#   INI and YAML: web[01:03].example.test     web01, web02, web03           one host "web[01:03].example.test"
#   INI: a.example.test:2222                  a.example.test, port 2222     one host "a.example.test:2222", no port
#   INI: groups web, then db, set "floor"     web's: w sorts last           db's: it is written last
#   INI: FloorMin=1.2 of a group              FloorMin                      floormin
#   INI: strict=True of a host                True                          "True", and so does strict=False ("False" is true)
#   INI, control: a host and its group's "floor"   the host's               the host's
# As well, as errors: hosts above the first group (TypeError), floor="TLS 1.2" (ValueError), a group that comes twice (ParserError).
# No report of these was found in the tracker.
# Matters for: a task that says that it ran on all hosts, and left three out; a switch that is on because its value is "False".
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check nornir-ansible==2023.12.28 ansible-core==2.19.14
cat > "$work/show.py" <<'PY'
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from nornir_ansible.plugins.inventory import AnsibleInventory

folder = Path(sys.argv[1])
os.environ |= {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "false"}
THREE = {"web%02d.example.test" % number: {} for number in (1, 2, 3)}
RANGE = {"web[01:03].example.test": {}}
A = "a.example.test"
CASES = {
    "range.ini": ("[web]\nweb[01:03].example.test\n", THREE, RANGE),
    "range.yml": ("all:\n  children:\n    web:\n      hosts:\n        web[01:03].example.test:\n", THREE, RANGE),
    "port.ini": ("[web]\na.example.test:2222\n", {A: {"ansible_port": 2222}}, {"a.example.test:2222": {}}),
    "groups.ini": (
        "[web]\na.example.test\n[db]\na.example.test\n[web:vars]\nfloor=web\n[db:vars]\nfloor=db\n",
        {A: {"floor": "web"}},
        {A: {"floor": "db"}},
    ),
    "case.ini": ("[web]\na.example.test\n[web:vars]\nFloorMin=high\n", {A: {"FloorMin": "high"}}, {A: {"floormin": "high"}}),
    "literal.ini": (
        "[web]\na.example.test strict=True lax=False\n",
        {A: {"strict": True, "lax": False}},
        {A: {"strict": "True", "lax": "False"}},
    ),
    "control.ini": (
        "[web]\na.example.test floor=host\n[web:vars]\nfloor=web\n",
        {A: {"floor": "host"}},
        {A: {"floor": "host"}},
    ),
}


def by_ansible(path):
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    done = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60)
    groups = json.loads(done.stdout)
    variables = groups.pop("_meta")["hostvars"]
    names = {host for group in groups.values() for host in group.get("hosts", [])}
    return {host: variables.get(host, {}) for host in names}


def by_nornir(path):
    hosts = AnsibleInventory(hostsfile=str(path)).load().hosts
    assert all(host.port is None for host in hosts.values()), "it behaves otherwise"
    return {name: {key: host[key] for key in host.keys()} for name, host in hosts.items()}


print("nornir-ansible", version("nornir-ansible"), "ansible-core", version("ansible-core"))
as_stated = True
for name, (content, expected, stated) in CASES.items():
    path = folder / name
    path.write_text(content)
    control, seen = by_ansible(path), by_nornir(path)
    as_stated &= control == expected and seen == stated
    print(name.ljust(12), "ansible", control, "nornir", seen, flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" "$work/show.py" "$work"
