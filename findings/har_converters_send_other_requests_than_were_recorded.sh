#!/usr/bin/env bash
# har-to-k6 0.14.16, fetch-har 12.0.4 (npm), har2requests 0.2.3, har2case 0.3.1 (PyPI): of a recorded request (HAR) in which a name stands
# twice, as in a form with two ticked boxes, they make another request, without an error.
#
# HAR 1.2 keeps "headers", "queryString" and the "params" of "postData" as lists of a name and a value, so that a name may stand there as
# often as it was sent. "url" has the query already; "queryString" is the same query, taken apart; so are "text" and "params" of a form.
# Expected: the request that was recorded, in a replay, a load test, or a test case: the first column.
# Seen 2026-11-30, as query, body or header of what they send or write ("=": as recorded):
#   recorded               har-to-k6      fetch-har         har2requests   har2case
#   query a=1 (control)    =              a=1&a=1           =              =
#   query a=1&a=2          a=1&a=2&a=2    a=1&a=2&a=1&a=2   a=2            a=2
#   form a=1 (control)     =              =                 =              =
#   form a=1&a=2           a=1%2C2        a=2               a=2            a=2
#   form b=%2B+x           =              =                 =              b=%2B%2Bx
#   X-A: 1 and X-A: 2      1,2            1, 2              2              2
# The last form has "text" only, as some programs write it. The last row is right for har-to-k6 and fetch-har: one field with both values
# means the same (RFC 9110, section 5.3). We found no report of it; har2locust 0.9.4, not run here, writes such a form as it was.
# Matters for: a load test or a regression test that was recorded: what the server does with "1" and "2" is never tested, and "1,2" or
# "2" alone may well be answered with 200.
# Fails if a release behaves otherwise. Needs Linux or macOS, uv, npm, Node.js 18 or newer, Python 3.10 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv venv --quiet "$work/venv"
uv pip install --quiet --python "$work/venv/bin/python" har2requests==0.2.3 har2case==0.3.1 black==26.10.1 requests==2.34.2
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" har-to-k6@0.14.16 fetch-har@12.0.4
cat > "$work/fetch.mjs" <<'JS'
import { readFileSync } from "fs";
import fetchHAR from "fetch-har";
await fetchHAR(JSON.parse(readFileSync("recorded.har", "utf8")));
JS
cat > "$work/k6.mjs" <<'JS'
// Runs the script that was written for k6, with stand-ins for k6's functions, and prints what it would send.
import { readFileSync } from "fs";
const script = readFileSync("script.js", "utf8").replace(/^import .*$/gm, "").replace(/^export (default )?/gm, "");
const print = (url, body, about) => console.log(JSON.stringify({ url, body: body && new URLSearchParams(body).toString(), about }));
const http = { get: (url, about) => print(url, null, about), post: print };
new Function("http", "group", "sleep", script + ";main();")(http, (name, run) => run(), () => {});
JS
cat > "$work/show.py" <<'PY'
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import requests

os.chdir(sys.argv[1])
os.environ["PATH"] = str(Path("venv/bin").resolve()) + os.pathsep + os.environ["PATH"]
FORM = "application/x-www-form-urlencoded"
arrived = []


class Server(BaseHTTPRequestHandler):
    """Writes down the query, the body or the header of which a case is about."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        arrived.append(", ".join(self.headers.get_all("X-A", [])) or body or self.path.partition("?")[2])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def by_har_to_k6():
    run("node_modules/.bin/har-to-k6", "recorded.har", "-o", "script.js")
    request = json.loads(run("node", "k6.mjs"))
    header = (request.get("about") or {}).get("headers", {}).get("X-A")
    arrived.append(header or request["body"] or request["url"].partition("?")[2])


def by_fetch_har():
    run("node", "fetch.mjs")


def by_har2requests():
    exec(run("har2requests", "recorded.har"), {})


def by_har2case():
    run("har2case", "recorded.har")
    request = json.loads(Path("recorded.json").read_text())["teststeps"][0]["request"]
    requests.request(**request)


def recorded(port, query=(), form=(), text=None, headers=()):
    def listed(pairs):
        return [{"name": name, "value": value} for name, value in pairs]

    url = "http://127.0.0.1:%d/" % port + ("?" + "&".join("%s=%s" % each for each in query) if query else "")
    request = {"method": "POST" if form or text else "GET", "url": url, "httpVersion": "HTTP/1.1", "cookies": [],
               "headers": listed(headers), "queryString": listed(query), "headersSize": -1, "bodySize": -1}
    if form or text:
        request["headers"] += listed([("Content-Type", FORM)])
        request["postData"] = {"mimeType": FORM, "text": text or "&".join("%s=%s" % each for each in form)}
    if form:
        request["postData"]["params"] = listed(form)
    response = {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [], "redirectURL": "",
                "content": {"size": 0, "mimeType": "text/plain"}, "headersSize": -1, "bodySize": 0}
    entry = {"startedDateTime": "2026-01-01T00:00:00.000Z", "time": 3, "request": request, "response": response, "cache": {},
             "timings": {"send": 1, "wait": 1, "receive": 1}}
    return {"log": {"version": "1.2", "creator": {"name": "Example", "version": "1"}, "entries": [entry]}}


def sent(convert, har):
    arrived.clear()
    Path("recorded.har").write_text(json.dumps(har))
    convert()
    return " then ".join(arrived)


READERS = [by_har_to_k6, by_fetch_har, by_har2requests, by_har2case]
ONE, TWO = [("a", "1")], [("a", "1"), ("a", "2")]
CASES = [
    ("query a=1 (control)", {"query": ONE}, ["a=1", "a=1&a=1", "a=1", "a=1"]),
    ("query a=1&a=2", {"query": TWO}, ["a=1&a=2&a=2", "a=1&a=2&a=1&a=2", "a=2", "a=2"]),
    ("form a=1 (control)", {"form": ONE}, ["a=1"] * 4),
    ("form a=1&a=2", {"form": TWO}, ["a=1%2C2"] + ["a=2"] * 3),
    ("form b=%2B+x", {"text": "b=%2B+x"}, ["b=%2B+x"] * 3 + ["b=%2B%2Bx"]),
    ("X-A: 1 and X-A: 2", {"headers": [("X-A", "1"), ("X-A", "2")]}, ["1,2", "1, 2", "2", "2"]),
]
server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
good = True
for case, what, stated in CASES:
    seen = [sent(convert, recorded(server.server_port, **what)) for convert in READERS]
    good = good and seen == stated
    print("%-21s %s" % (case, seen))
server.shutdown()
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 300 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
