#!/usr/bin/env bash
# opentelemetry-instrumentation 0.66b2, elastic-apm 6.26.2: what they launch runs without the sitecustomize of the environment.
#
# Python imports one module sitecustomize at start, the first on its path. A company sets there what holds for every program: a
# lowest TLS version, a CA, a proxy. Agents that trace a program without changes to it bring a sitecustomize of their own, and put
# it first by PYTHONPATH.
# Expected: an agent runs the sitecustomize that it hides, as ddtrace-run and newrelic-admin do.
# Seen 2026-11-29 on CPython 3.11.7, with a sitecustomize that sets TLS 1.3 as the lowest version of every default context, and a
# server that has nothing above TLS 1.2:
#   python, ddtrace-run 4.16.0, newrelic-admin 14.1.0   the program is refused
#   opentelemetry-instrument, elasticapm-run            it connects at TLSv1.2, without a word; so does a Python that it starts
# The same setting in a .pth file holds in all of them.
# Matters for: who tests a setting with python and ships the service behind a launcher: the test says nothing of the service.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 to 3.13, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    opentelemetry-instrumentation==0.66b2 opentelemetry-distro==0.66b2 opentelemetry-sdk==1.45.2 \
    elastic-apm==6.26.2 ddtrace==4.16.0 newrelic==14.1.0 trustme==1.2.1
cat > "$work/company.py" <<'PY'
"""What the company wants of every program."""

import ssl

made = ssl.create_default_context


def strict(*args, **options):
    context = made(*args, **options)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


ssl.create_default_context = strict
PY
cat > "$work/program.py" <<'PY'
"""Says which TLS version it gets, and which a Python that it starts gets."""

import socket
import ssl
import subprocess
import sys

port, cafile, *child = sys.argv[1:]
context = ssl.create_default_context(cafile=cafile)
with socket.create_connection(("127.0.0.1", int(port)), 10) as plain:
    try:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            seen = secure.version()
    except ssl.SSLError:
        seen = "refused"
print("SEEN", seen, flush=True)
if not child:
    subprocess.run([sys.executable, *sys.argv, "child"], check=True, timeout=60)
PY
cat > "$work/show.py" <<'PY'
import os
import shutil
import socket
import ssl
import subprocess
import sys
import sysconfig
import threading
from importlib.metadata import version
from pathlib import Path

import trustme

work, binaries = Path(sys.argv[1]), Path(sys.executable).parent
site = Path(sysconfig.get_path("purelib"))
authority = trustme.CA()
authority.cert_pem.write_to_path(work / "ca.pem")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.maximum_version = ssl.TLSVersion.TLSv1_2
authority.issue_cert("localhost").configure_cert(context)
QUIET = {  # nothing is sent anywhere
    "DD_TRACE_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "ELASTIC_APM_ENABLED": "false",
    "NEW_RELIC_ENABLED": "false",
    **{"OTEL_%s_EXPORTER" % kind: "none" for kind in ("TRACES", "METRICS", "LOGS")},
}
LAUNCHERS = {
    "python": [],
    "ddtrace-run": ["ddtrace-run"],
    "newrelic-admin": ["newrelic-admin", "run-program"],
    "opentelemetry-instrument": ["opentelemetry-instrument"],
    "elasticapm-run": ["elasticapm-run"],
}
HIDING = {"opentelemetry-instrument": "opentelemetry-instrumentation", "elasticapm-run": "elastic-apm"}
PACKAGES = HIDING | {"ddtrace-run": "ddtrace", "newrelic-admin": "newrelic"}


def serve(listener):
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with plain:
            plain.settimeout(10)
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                pass  # the client refuses


def seen_by(launcher, port):
    command = [*launcher, "python", work / "program.py", str(port), work / "ca.pem"]
    path = {"PATH": "%s:%s" % (binaries, os.environ["PATH"])}
    found = binaries / command[0]
    done = subprocess.run(
        [found, *command[1:]], env=os.environ | path | QUIET, capture_output=True, text=True, timeout=120, cwd=work
    )
    return tuple(line.split()[1] for line in done.stdout.splitlines() if line.startswith("SEEN"))


with socket.create_server(("127.0.0.1", 0)) as listener:
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    port = listener.getsockname()[1]
    shutil.copy(work / "company.py", site / "sitecustomize.py")
    by_module = {name: seen_by(command, port) for name, command in LAUNCHERS.items()}
    (site / "sitecustomize.py").rename(site / "company.py")
    (site / "company.pth").write_text("import company\n")
    by_pth = {name: seen_by(command, port) for name, command in LAUNCHERS.items()}
for name in LAUNCHERS:
    package = PACKAGES.get(name)
    print("%-24s %-8s program %s, a Python that it starts %s; by .pth: %s, %s" % (
        name, version(package) if package else sys.version.split()[0], *by_module[name], *by_pth[name]))
held = ("refused", "refused")
stated = dict.fromkeys(LAUNCHERS, held)
assert by_pth == stated, "by .pth it behaves otherwise: %r" % by_pth
stated |= dict.fromkeys(HIDING, ("TLSv1.2", "TLSv1.2"))
assert by_module == stated, "it behaves otherwise: %r" % by_module
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" "$work/show.py" "$work"
