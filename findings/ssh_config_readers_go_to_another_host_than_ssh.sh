#!/usr/bin/env bash
# paramiko 5.1.0, fabric 3.2.3, asyncssh 2.24.1 (PyPI), ssh-config 5.3.0, @jeanp413/ssh-config 4.3.1 (npm): of one ~/.ssh/config that ssh
# takes, they go to another host than ssh does, or through another one, without an error.
#
# ssh_config(5): the first value that is obtained holds; "?" matches exactly one character; patterns are separated by white space;
# ProxyJump and ProxyCommand compete, and whichever comes first keeps later instances of the other from taking effect ("none" is
# a value of either, too). ssh itself ends a line at " #" (since OpenSSH 8.5 or so; the manual has comments on lines of their own only).
# Expected: what "ssh -G", which prints what ssh would do, says: the second column.
# Seen 2026-11-30 with OpenSSH 9.2, as host name, and what it is reached through ("-": nothing); "=": as ssh:
#                                             ssh        paramiko    fabric      asyncssh    ssh-config  @jeanp413
#   Host web # not db: for db                 other      web's       web's       web's       =           web's
#   Host db?: for db                          other      =           =           =           web's       web's
#   Host web,db: for db                       other      =           =           web's       web's       web's
#   HostName web#1                            web#1      =           =           =           web         =
#   ProxyCommand none, then ProxyJump hop     -          hop         hop         hop         hop         hop
#   ProxyCommand nc, then ProxyJump hop       nc         both        hop         both        both        both
#   HostName of two blocks (control)          the first  =           =           =           =           =
# "both": the reader hands out both settings; asyncssh connects by the jump. fabric reads by paramiko. That comments are taken for
# names was said of VS Code (microsoft/vscode-remote-release#4393, closed as right), and that "ProxyJump none" is taken for a host of
# that name, of paramiko (paramiko/paramiko#2285, not run here); of the rows above we found nothing else.
# Matters for: a script that works on "db" and is connected to "web", or goes through a bastion that this host was to be reached
# without. Ask "ssh -G HOST" instead of reading the file.
# Fails if a release behaves otherwise. Needs ssh 8.5 or newer, Linux or macOS, npm, Node.js 18 or newer, Python 3.10 or newer, and an
# index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check paramiko==5.1.0 fabric==3.2.3 asyncssh==2.24.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" ssh-config@5.3.0 @jeanp413/ssh-config@4.3.1
cat > "$work/show.js" <<'JS'
const [, , name, file, host] = process.argv;
const found = require(name);
const computed = (found.default || found).parse(require("fs").readFileSync(file, "utf8")).compute(host);
console.log(JSON.stringify(Object.fromEntries(Object.entries(computed).map(([key, value]) => [key.toLowerCase(), value]))));
JS
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import asyncssh
import fabric
import paramiko

folder = Path(sys.argv[1])
FILE = folder / "config"


def through(settings):
    """What stands between: the jump host, the command, or both if a reader hands out both."""
    jump, command = (settings.get(name) for name in ("proxyjump", "proxycommand"))
    command = " ".join(command) if isinstance(command, list) else command
    return " and ".join(each for each in (jump, command) if each not in (None, "none")) or "-"


def by_ssh(host):
    done = subprocess.run(["ssh", "-G", "-F", FILE, host], capture_output=True, text=True, check=True)
    settings = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    return settings["hostname"], through(settings)


def by_paramiko(host):
    settings = paramiko.SSHConfig.from_path(FILE).lookup(host)
    return settings["hostname"], through(settings)


def by_fabric(host):
    connection = fabric.Connection(host, config=fabric.Config(runtime_ssh_path=str(FILE)))
    gateway = connection.gateway
    return connection.host, gateway.host if isinstance(gateway, fabric.Connection) else gateway or "-"


def by_asyncssh(host):
    options = asyncssh.SSHClientConnectionOptions(config=[str(FILE)], host=host, client_keys=None)
    return options.host, through({"proxyjump": options.tunnel, "proxycommand": options.proxy_command})


def by_node(name, host):
    done = subprocess.run(["node", folder / "show.js", name, FILE, host], capture_output=True, text=True, check=True)
    settings = json.loads(done.stdout)
    return settings.get("hostname", host), through(settings)


READERS = {"ssh": by_ssh, "paramiko": by_paramiko, "fabric": by_fabric, "asyncssh": by_asyncssh,
           "ssh-config": lambda host: by_node("ssh-config", host), "@jeanp413": lambda host: by_node("@jeanp413/ssh-config", host)}
TAIL = "\n  HostName web.example\nHost *\n  HostName other.example\n"
WEB, OTHER, HASH, CUT = (("%s" % name, "-") for name in ("web.example", "other.example", "web#1", "web"))
DIRECT, HOP, NC = (("db", way) for way in ("-", "hop", "nc %h %p"))
BOTH, RAW = ("db", "hop and nc db 22"), ("db", "hop and nc %h %p")
CASES = [
    ("two blocks (control)", "Host db" + TAIL, [WEB] * 6),
    ("Host web # not db", "Host web # not db" + TAIL, [OTHER, WEB, WEB, WEB, OTHER, WEB]),
    ("Host db?", "Host db?" + TAIL, [OTHER] * 4 + [WEB] * 2),
    ("Host web,db", "Host web,db" + TAIL, [OTHER] * 3 + [WEB] * 3),
    ("HostName web#1", "Host db\n  HostName web#1\n", [HASH] * 4 + [CUT, HASH]),
    ("ProxyCommand none", "Host db\n  ProxyCommand none\nHost *\n  ProxyJump hop\n", [DIRECT] + [HOP] * 5),
    ("ProxyCommand nc", "Host db\n  ProxyCommand nc %h %p\nHost *\n  ProxyJump hop\n", [NC, BOTH, HOP, BOTH, RAW, RAW]),
]
print(*("%s %s" % (each, version(each)) for each in ("paramiko", "fabric", "asyncssh")), flush=True)
good = True
for case, config, stated in CASES:
    FILE.write_text(config)
    FILE.chmod(0o600)
    seen = [read("db") for read in READERS.values()]
    good = good and seen == stated
    print(case, *("  %-12s %s, through %s" % (name, *found) for name, found in zip(READERS, seen)), sep="\n")
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
