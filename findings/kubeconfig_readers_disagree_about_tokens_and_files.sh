#!/usr/bin/env bash
# kr8s 0.20.15, pykube-ng 23.6.0, lightkube 1.0.1, kubernetes 37.0.2: one valid kubeconfig, and each reads something else in it than
# kubectl does: another token, no token at all, or an error.
#
# Kubernetes' reference of the kubeconfig format: tokenFile takes precedence over token, certificate-authority-data overrides
# certificate-authority, tls-server-name is the name that the server's certificate has to hold. Its page on kubeconfig files: a
# path is relative to the file that holds it; KUBECONFIG may list several files, of which the first to set a value wins.
# Expected: what the second column says.
# Seen 2026-11-29 against a server on loopback (T the value of token, F what tokenFile holds):
#                                       expected    kubernetes  kr8s               pykube       lightkube
#   token (control)                     T           T           T                  T            T
#   tokenFile, a relative path          F           F           none               none         ConfigError
#   token and tokenFile                 F           T           T                  T            F
#   CA as data, and as an absent file   T           T           T                  T            FileNotFoundError
#   two files: context; all the rest    T           T           FileNotFoundError  PyKubeError  ConfigError
#   two files: user; all, a user too    the first's the first's KeyError           PyKubeError  ConfigError
#   tls-server-name                     T           T           T                  (not run)    ConnectError
# "none": the request is sent without Authorization, and a cluster answers as it does to anyone.
# Matters for: a tool that works with the kubeconfig of one cluster, and is "forbidden" or "misconfigured" with that of another.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  kubernetes==37.0.2 kr8s==0.20.15 pykube-ng==23.6.0 lightkube==1.0.1 trustme==1.2.1
cat > "$work/show.py" <<'PY'
import base64
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import kr8s
import kubernetes
import lightkube
import pykube
import trustme
from lightkube.resources.core_v1 import Pod

folder, tokens = Path(sys.argv[1]), []
ANSWERS = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["list"]}]},
}
PODS = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}


class Cluster(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        if path not in ANSWERS:
            tokens.append(self.headers.get("Authorization", "none").removeprefix("Bearer "))
        body = json.dumps(ANSWERS.get(path, PODS)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that refuses the certificate


def cluster(authority, name):
    server = Server(("127.0.0.1", 0), Cluster)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"server": "https://127.0.0.1:%d" % server.server_address[1]}


def by_kubernetes(path):
    api = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(path))
    api.list_namespaced_pod("default", _request_timeout=20)


def by_kr8s(path):
    list(kr8s.api(kubeconfig=path, namespace="default").get("pods"))


def by_pykube(path):
    list(pykube.Pod.objects(pykube.HTTPClient(pykube.KubeConfig.from_file(path)), namespace="default"))


def by_lightkube(path):
    os.environ["KUBECONFIG"] = path
    list(lightkube.Client(config=lightkube.KubeConfig.from_env()).list(Pod, namespace="default"))


def written(name, **parts):
    """Write a kubeconfig; an entry of a list is called "here"."""
    content = {"apiVersion": "v1", "kind": "Config"} | {part: [] for part in ("clusters", "users", "contexts")}
    for part, value in parts.items():
        content[part] = value if part == "current-context" else [{"name": "here", part[:-1]: value}]
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)


authority = trustme.CA()
for part in ("one", "two"):
    (folder / part).mkdir()
authority.cert_pem.write_to_path(folder / "two" / "ca.pem")
(folder / "two" / "token").write_text("F")
plain, named = cluster(authority, "127.0.0.1"), cluster(authority, "kube.internal")
with_file = {"certificate-authority": "ca.pem"}
inline = base64.b64encode(authority.cert_pem.bytes()).decode()
both = {"certificate-authority": "absent.pem", "certificate-authority-data": inline}
context = {"contexts": {"cluster": "here", "user": "here", "namespace": "default"}, "current-context": "here"}
T = {"token": "T"}
whole = written("two/whole", clusters=plain | with_file, users=T, **context)
FILES = {
    "token": whole,
    "tokenFile": written("two/file", clusters=plain | with_file, users={"tokenFile": "token"}, **context),
    "both tokens": written("two/both", clusters=plain | with_file, users=T | {"tokenFile": str(folder / "two/token")}, **context),
    "CA twice": written("two/data", clusters=plain | both, users=T, **context),
    "context first": os.pathsep.join((written("one/context", **context), whole)),
    "user first": os.pathsep.join((written("one/user", users={"token": "first"}), whole)),
    "server name": written("two/name", clusters=named | with_file | {"tls-server-name": "kube.internal"}, users=T, **context),
}
READERS = {"kubernetes": by_kubernetes, "kr8s": by_kr8s, "pykube-ng": by_pykube, "lightkube": by_lightkube}
STATED = {
    "token": ("T", "T", "T", "T"),
    "tokenFile": ("F", "none", "none", "ConfigError"),
    "both tokens": ("T", "T", "T", "F"),
    "CA twice": ("T", "T", "T", "FileNotFoundError"),
    "context first": ("T", "FileNotFoundError", "PyKubeError", "ConfigError"),
    "user first": ("first", "KeyError", "PyKubeError", "ConfigError"),
    "server name": ("T", "T", None, "ConnectError"),
}


def seen_of(read, path):
    """The token that arrives at the cluster, or the name of the error."""
    tokens.clear()
    try:
        read(path)
    except Exception as error:
        return type(error).__name__
    return tokens[-1]


print(*(f"{name} {version(name)}" for name in READERS))
as_stated = True
for kind, path in FILES.items():
    seen = tuple(seen_of(read, path) if told else None for read, told in zip(READERS.values(), STATED[kind]))
    as_stated &= seen == STATED[kind]
    print("%-14s" % kind, *("%-18s" % each for each in seen), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
mkdir "$work/files"
NO_PROXY='*' timeout 240 "$work/venv/bin/python" -W ignore "$work/show.py" "$work/files"
