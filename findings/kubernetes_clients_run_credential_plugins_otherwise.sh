#!/usr/bin/env bash
# kubernetes 37.0.2, kr8s 0.20.15, pykube-ng 23.6.0, lightkube 1.0.1: a kubeconfig that gets its token from a program ("exec", as those
# of EKS, GKE and OIDC do) works with kubectl; each of the four fails with another one, or after the first token.
#
# Kubernetes' reference says of such credential plugins: a command with a slash is relative to the kubeconfig's folder; apiVersion v1
# and v1beta1 are in use; with provideClusterInfo the plugin finds the cluster in KUBERNETES_EXEC_INFO; a plugin may give a client
# certificate without a token; what it gave is used until expirationTimestamp, or until the server answers 401, then it is run again.
# Expected: what the second column says.
# Seen 2026-11-29 against a server on loopback:
#                               expected     kubernetes   kr8s               pykube               lightkube
#   v1beta1, absolute command   token        token        token              token                token
#   the same with v1            token        token        token              NotImplementedError  ConfigError
#   ./plugin                    token        token        FileNotFoundError  FileNotFoundError    FileNotFoundError
#   provideClusterInfo          the cluster  the cluster  not told           not told             not told
#   certificate, no token       it is used   it is used   it is used         it is used           KeyError: 'token'
#   401 for the first token     a second     401 for ever a second           (runs every time)    a second
# ("for ever": three requests more; kubectl's library passes on the first 401, and has the new token for the next request.)
# kubernetes asks the plugin anew after expirationTimestamp, not after 401. pykube runs it for each request.
# For kubernetes, that it never asked anew is known, and mended for expirationTimestamp (kubernetes-client/python#741).
# Matters for: a long program whose token is revoked, or has no expirationTimestamp: it stays "Unauthorized" until it is started again.
# A kubeconfig that is handed out in a folder with its plugin is "No such file or directory".
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  kubernetes==37.0.2 kr8s==0.20.15 pykube-ng==23.6.0 lightkube==1.0.1 trustme==1.2.1
cat > "$work/show.py" <<'PY'
import json
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

folder, seen, refused = Path(sys.argv[1]), [], set()
ANSWERS = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["list"]}]},
}
PODS = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
UNAUTHORIZED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401}


class Cluster(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        token = self.headers.get("Authorization", "none").removeprefix("Bearer ")
        code = 401 if token in refused else 200
        if path not in ANSWERS:
            seen.append((token if not self.connection.getpeercert() else "certificate") if code == 200 else "401")
        body = json.dumps(ANSWERS.get(path, PODS) if code == 200 else UNAUTHORIZED).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start(authority):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "https://127.0.0.1:%d" % server.server_address[1]


def by_kubernetes(path):
    api = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(path))
    return lambda: api.list_namespaced_pod("default", _request_timeout=20)


def by_kr8s(path):
    api = kr8s.api(kubeconfig=path, namespace="default")
    return lambda: list(api.get("pods"))


def by_pykube(path):
    api = pykube.HTTPClient(pykube.KubeConfig.from_file(path))
    return lambda: list(pykube.Pod.objects(api, namespace="default"))


def by_lightkube(path):
    client = lightkube.Client(config=lightkube.KubeConfig.from_file(path))
    return lambda: list(client.list(Pod, namespace="default"))


def last_seen(client, path, again):
    """What the cluster sees at last of one client, or the name of the error; the first token is refused if it asks again."""
    seen.clear()
    refused.clear()
    (folder / "count").write_text("0")
    try:
        ask = client(path)
        ask()
        refused.add("T1")
        for _ in range(3 if again else 0):
            try:
                ask()
            except Exception:  # each has its own for 401
                pass
    except Exception as error:
        return type(error).__name__ if not seen else seen[-1]
    return seen[-1]


def plugin(name, api, status):
    """Write a program that prints a credential, and counts how often it runs; COUNT and INFO are replaced in what it prints."""
    credential = json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": status})
    path = folder / name
    path.write_text(f"""#!{sys.executable}
import os
from pathlib import Path
count = int(Path({str(folder / "count")!r}).read_text()) + 1
Path({str(folder / "count")!r}).write_text(str(count))
told = "told" if "https://127.0.0.1" in os.environ.get("KUBERNETES_EXEC_INFO", "") else "not told"
print({credential!r}.replace("COUNT", str(count)).replace("INFO", told))
""")
    path.chmod(0o700)
    return str(path)


def written(name, api="v1beta1", relative=False, status=None, **more):
    api = "client.authentication.k8s.io/" + api
    command = plugin(name, api, status or {"token": "T"})
    user = {"exec": {"apiVersion": api, "command": "./" + name if relative else command, "interactiveMode": "Never"} | more}
    content = {"apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "here", "user": user}]}
    content["clusters"] = [{"name": "here", "cluster": {"server": server, "certificate-authority": str(folder / "ca.pem")}}]
    content["contexts"] = [{"name": "here", "context": {"cluster": "here", "user": "here", "namespace": "default"}}]
    (folder / (name + ".json")).write_text(json.dumps(content))
    return str(folder / (name + ".json"))


authority = trustme.CA()
authority.cert_pem.write_to_path(folder / "ca.pem")
server = start(authority)
client = authority.issue_cert("client.example.com")
PAIR = {"clientCertificateData": client.cert_chain_pems[0].bytes().decode(), "clientKeyData": client.private_key_pem.bytes().decode()}
FILES = {
    "v1beta1": written("beta"),
    "v1": written("stable", api="v1"),
    "./plugin": written("relative", relative=True),
    "cluster information": written("information", status={"token": "INFO"}, provideClusterInfo=True),
    "certificate alone": written("certificate", status=PAIR),
    "401, then again": written("again", status={"token": "TCOUNT"}),
}
CLIENTS = {"kubernetes": by_kubernetes, "kr8s": by_kr8s, "pykube-ng": by_pykube, "lightkube": by_lightkube}
STATED = {
    "v1beta1": ("T", "T", "T", "T"),
    "v1": ("T", "T", "NotImplementedError", "ConfigError"),
    "./plugin": ("T", "FileNotFoundError", "FileNotFoundError", "FileNotFoundError"),
    "cluster information": ("told", "not told", "not told", "not told"),
    "certificate alone": ("certificate", "certificate", "certificate", "KeyError"),
    "401, then again": ("401", "T2", "T4", "T2"),  # the plugin of pykube-ng runs for each request
}
print(*("%s %s" % (each, version(each)) for each in CLIENTS))
as_stated = True
for kind, path in FILES.items():
    results = tuple(last_seen(client, path, kind == "401, then again") for client in CLIENTS.values())
    as_stated &= results == STATED[kind]
    print("%-20s" % kind, *("%-20s" % each for each in results), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
mkdir "$work/files"
NO_PROXY='*' timeout 240 "$work/venv/bin/python" -W ignore "$work/show.py" "$work/files"
