"""Interpreters that lie, die, flood or hang, when asked what they are or when they are sent to servers.

All of them are measured in one run, beside two that are healthy: a bad subject costs its own row alone.
Behind each stands an interpreter that goes below the floor, so no row of theirs may say anything better.
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault
from tests.faults.inputs import sparse
from tests.faults.promises import UNKNOWN, Aftermath, Expected, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.ground import Ground

WRAPPER = '''#!{loose} -BES
import json, os, signal, socket, subprocess, sys, threading, time
REAL, MARKS = {loose!r}, ("TLS-FLOOR-IDENTITY ", "TLS-FLOOR-PROBE ")
asked = any(word.endswith("identify.py") for word in sys.argv)
def real():
    os.execv(REAL, [REAL] + sys.argv[1:])
def tell(mark, record):
    print(mark + json.dumps(record), flush=True)
def edited(edit):
    """Run the real interpreter, and change what it says."""
    child = subprocess.Popen([REAL] + sys.argv[1:], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        mark = next((mark for mark in MARKS if line.startswith(mark)), None)
        if mark is None:
            sys.stdout.write(line)
            continue
        record = json.loads(line[len(mark):])
        facts = record if asked else record.get("identity")
        if facts:
            facts["executable"] = os.path.realpath(__file__)
        told = edit(record) or record
        if not isinstance(told, str):
            told = mark + json.dumps(told)
        print(told, flush=True)
    sys.exit(child.wait())
def said_of_itself(edit):
    def of(record):
        if asked or record["kind"] == "identity":
            edit(record if asked else record["identity"])
    edited(of)
def said_of_cells(edit):
    edited(lambda record: edit(record) if not asked and record["kind"] == "account" else None)
def when_asked(act):
    act() if asked else edited(lambda record: None)
def when_sent(act):
    edited(lambda record: None) if asked else act()
def plan():
    sys.stdin.readline()
    tell(MARKS[1], dict(kind="identity", identity=None, lacking=dict()))
    return json.loads(sys.stdin.readline())["cells"]
def account(cell, **changes):
    where = dict(client=cell["client"], server=cell["server"])
    tell(MARKS[1], dict(where, kind="begin"))
    fine = dict(outcome="failed", version=None, cipher=None, error_class="ssl.SSLError",
                error_text="[SSL: TLSV1_ALERT_PROTOCOL_VERSION]", seconds=0.1, note="")
    tell(MARKS[1], dict(where, kind="account", account=dict(fine, **changes)))
def connect(cell):
    return socket.create_connection(("127.0.0.1", cell["port"]), 5)
def end():
    tell(MARKS[1], dict(kind="end"))
{body}
'''

IDENTITIES = {
    "markup": ("a version with markup in it", 'f["version"] = "3.12<script>"'),
    "old": ("a version that there is not", 'f["version"] = "99999.1.1"'),
    "newer": ("another Python's version", 'f["version"] = "3.13.0"'),
    "no-version": ("no version", 'f.pop("version")'),
    "number": ("a number for a version", 'f["version"] = 3.12'),
    "long": ("a version of a million letters", 'f["version"] = "3" * 1000000'),
    "nested": ("configure flags nested 900 deep", 'f["configure_flags"] = [eval("[" * 90 + "]" * 90)] * 10'),
    "flags": ("configure flags that are no texts", 'f["configure_flags"] = [1, None, {}]'),
    "bits": ("booleans that are infinite", 'f["ssl"]["has"] = dict(HAS_TLSv1=float("inf"))'),
    "nan": ("a default minimum that is no number", 'f["ssl"]["default_minimum"] = float("nan")'),
    "minimum": ("a minimum that it does not set", 'f["ssl"]["default_minimum"] = "TLSv1_3"'),
    "never-built": (
        "no old versions in its library",
        'f["ssl"]["has"] = dict.fromkeys(f["ssl"]["has"], False)',
    ),
    "openssl": (
        "a library's name with escape sequences",
        'f["ssl"]["openssl"] = "\\x1b[2J=cmd()|<b>\\u202e"',
    ),
    "surrogate": ("a lone surrogate in a text", 'f["implementation"] = "\\udc80"'),
    "module": ("a module that never ends", 'f["ssl"]["module"] = "/dev/zero"'),
    "module-folder": ("a folder for a module", 'f["ssl"]["module"] = "/"'),
    "configuration": ("a pipe's folder for its configuration", 'f["ssl"]["directory"] = "/proc/self/fd"'),
    "configuration-up": (
        "a folder with .. for its configuration",
        'f["ssl"]["directory"] = "../../../../dev"',
    ),
    "no-ssl": ("that it has no ssl module", 'f["ssl"] = None; f["ssl_unavailable"] = "none"'),
    "ssl-text": ("a text for its ssl module", 'f["ssl"] = "OpenSSL"'),
    "start-up": ("a thousand files of start-up code", 'f["start_up"] = ["/dev/zero"] * 1000'),
    "path": ("devices for folders of modules", 'f["path"] = ["/dev/zero", "/proc", 7]'),
    "contexts": ("contexts that are no table", 'f["contexts"] = [1]'),
    "prefix": ("a prefix of nul bytes", 'f["prefix"] = f["base_prefix"] = "\\0"'),
    "venv": ("that it is another's environment", 'f["base_prefix"] = "/elsewhere"'),
    "executable": ("another's executable for its own", 'f["executable"] = "/bin/false"'),
    "nothing": ("no fact at all", "f.clear()"),
}
"""What an interpreter says of itself: for the table, and the line that makes it so."""

ASKED = {
    "hangs": ("hangs when asked what it is", "time.sleep(1000)"),
    "silent": ("says nothing when asked what it is", "sys.exit()"),
    "fails": ("ends with 3 when asked what it is", "sys.exit(3)"),
    "segv": ("dies of SIGSEGV when asked what it is", "os.kill(os.getpid(), signal.SIGSEGV)"),
    "stops": ("stops itself when asked what it is", "os.kill(os.getpid(), signal.SIGSTOP)"),
    "rubbish": ("prints bytes when asked what it is", "os.write(1, bytes(range(256)) * 99)"),
    "no-json": ("prints half a record when asked what it is", 'print(MARKS[0] + "{")'),
    "array": ("prints an array when asked what it is", 'print(MARKS[0] + "[1]")'),
    "deep": ("prints 200,000 brackets when asked what it is", 'print(MARKS[0] + "[" * 200000)'),
    "digits": ("prints a number of 10,000 digits when asked", 'print(MARKS[0] + "9" * 10000)'),
    "gigabytes": ("prints without end when asked what it is", 'while True: os.write(1, b"y" * 65536)'),
    "line": (
        "prints one endless line when asked what it is",
        'for _ in range(400): os.write(1, b"y" * 65536)',
    ),
    "daemon": (
        "leaves a process in a session of its own when asked what it is",
        "os.fork() or (os.setsid(), os.closerange(0, 3), time.sleep(1000)); edited(lambda r: None)",
    ),
    "hidden": (
        "leaves a process in a session of its own that dropped its environment",
        'os.fork() or (os.setsid(), os.execve("/bin/sleep", ["sleep", "1000"], {})); edited(lambda r: None)',
    ),
}
"""What an interpreter does when it is asked what it is."""

ACCOUNTS = {
    "claims-new": ("says TLS 1.3 of every connection", 'r["account"].update(version="TLSv1.3")'),
    "denies": (
        "says that every connection was refused",
        'r["account"].update(outcome="failed", version=None, cipher=None, error_class="x.Error")',
    ),
    "claims-all": (
        "says that every connection succeeded",
        'r["account"].update(outcome="connected", version="TLSv1.2")',
    ),
    "no-outcome": ("gives an outcome that there is not", 'r["account"].update(outcome="safe")'),
    "seconds": ("says that it took no number of seconds", 'r["account"].update(seconds=float("nan"))'),
    "eternal": ("says that it took 10 ** 400 seconds", 'r["account"].update(seconds=10 ** 400)'),
    "texts": (
        "gives texts of 300,000 letters",
        'r["account"].update(error_text="t" * 300000, note="n" * 300000)',
    ),
    "types": ("gives a list for a version", 'r["account"].update(version=["TLSv1"])'),
    "more": ("gives more than was asked for", 'r["account"].update(verdict="enforced")'),
    "swapped": ("gives each account of another server", 'r["server"] = "tls1_2"'),
    "invented": ("gives accounts of servers that there are not", 'r["server"] = "nine" * 100'),
    "other-client": ("gives accounts of another client", 'r["client"] = "botocore"'),
    "escapes": (
        "has escape sequences in its errors",
        'r["account"].update(error_text="\\x1b]0;x\\x07<script>|=1")',
    ),
    "twice": ("gives every account twice", "print(MARKS[1] + json.dumps(r))"),
    "half": ("breaks its records off", "return MARKS[1] + json.dumps(r)[:40]"),
}
"""What an interpreter says of its connections."""

SENT = {
    "honest": (
        "is started by a program that reads along, and changes nothing",
        "edited(lambda record: None)",
    ),
    "dies": ("dies of SIGKILL once it has its plan", "plan(); os.kill(os.getpid(), signal.SIGKILL)"),
    "leaves": ("ends well, with no account", "plan(); end()"),
    "forges": (
        "connects to nobody, and says that all was refused",
        "[account(cell) for cell in plan()]; end()",
    ),
    "forges-good": (
        "connects to nobody, and says what an enforced client says",
        (
            'good = dict(outcome="connected", version="TLSv1.2", error_class=None, error_text=None)\n'
            'for c in plan(): account(c, **(good if c["server"] in ("open", "tls1_2") else {}))\nend()'
        ),
    ),
    "no-hello": (
        "connects, sends no hello, and says that all was refused",
        "for cell in plan(): connect(cell).close(); account(cell)\nend()",
    ),
    "half-hello": (
        "sends half a hello everywhere, and says that all was refused",
        'for cell in plan():\n    connect(cell).sendall(b"\\x16\\x03\\x01\\x02\\0\\1"); account(cell)\nend()',
    ),
    "holds": (
        "connects everywhere, and holds on",
        "kept = [connect(cell) for cell in plan()]; time.sleep(1000)",
    ),
    "floods": (
        "opens connections until it has no file left",
        "c = plan()[0]\ntry:\n    kept = []\n    while True: kept.append(connect(c))\nexcept OSError: end()",
    ),
    "drips": (
        "prints a line a moment, for ever",
        'plan()\nwhile True: print("x", flush=True); time.sleep(0.2)',
    ),
    "prints": ("prints without end", 'plan()\nwhile True: os.write(1, b"y" * 65536)'),
    "mute": ("closes what it prints to, and stays", "plan(); os.close(1); os.close(2); time.sleep(1000)"),
    "deaf": ("reads no plan", "time.sleep(1000)"),
    "stopped": ("stops itself among its cells", "plan(); os.kill(os.getpid(), signal.SIGSTOP)"),
    "children": (
        "leaves ten processes in sessions of their own",
        "cells = plan()\nfor _ in range(10): os.fork() or (os.setsid(), time.sleep(1000))\nend()",
    ),
    "threads": (
        "connects by a process that it leaves behind",
        "cells = plan()\nos.fork() and os._exit(0)\nos.setsid(); [account(c) for c in cells]; time.sleep(99)",
    ),
    "interrupts": ("sends SIGTERM to its own group", "plan(); os.killpg(0, signal.SIGTERM)"),
}
"""What an interpreter does once it is sent to the servers."""


INSTEAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "empty": ("an empty file", lambda path: path.touch()),
    "rubbish": ("a file of rubbish", lambda path: path.write_bytes(bytes(range(256)) * 9)),
    "cut": ("half a program", lambda path: path.write_bytes(Path("/bin/sh").read_bytes()[:20_000])),
    "machine": (
        "a program for another processor",
        # Bytes 18 and 19 of an ELF file say for which: elf(5).
        lambda path: path.write_bytes((text := Path("/bin/sh").read_bytes())[:18] + b"\2\0" + text[20:]),
    ),
    "unknown": ("a script for a program that is not there", lambda path: path.write_text("#!/no/where\n")),
    "itself": ("a script for itself", lambda path: path.write_text(f"#!{path}\n")),
    "true": ("a script for true", lambda path: path.write_text("#!/bin/true\n")),
    "cat": ("a script for cat, which waits for its input", lambda path: path.write_text("#!/bin/cat -\n")),
    "folder": ("a folder", lambda path: path.mkdir()),
    "pipe": ("a pipe", os.mkfifo),
    "sparse": ("a file of 60 GB that holds nothing", sparse),
    "device": ("a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
    "dangling": ("a link to nothing", lambda path: path.symlink_to("nothing")),
    "loop": ("a link to itself", lambda path: path.symlink_to(path.name)),
}
"""What stands in an interpreter's place: it has no row, or one that says why nothing is known."""


HONEST = "sent-honest"
"""The liar that does not lie: what the others are compared with."""
WRAPPER_FAILED = "Traceback"


def _bodies() -> dict[str, tuple[str, str]]:
    """Return for each liar what it does, for the table, and the code that does so."""
    made = {
        f"says-{name}": (
            f"an interpreter that says of itself {what}",
            f"def edit(f):\n    {line}\nsaid_of_itself(edit)",
        )
        for name, (what, line) in IDENTITIES.items()
    }
    made |= {
        f"tells-{name}": (f"an interpreter that {what}", f"def edit(r):\n    {line}\nsaid_of_cells(edit)")
        for name, (what, line) in ACCOUNTS.items()
    }
    for when, stage in (("asked", ASKED), ("sent", SENT)):
        made |= {
            f"{when}-{name}": (
                f"an interpreter that {what}",
                "def act():\n" + "".join(f"    {line}\n" for line in code.splitlines()) + f"when_{when}(act)",
            )
            for name, (what, code) in stage.items()
        }
    return made


BODIES = _bodies()


def plant(folder: Path, loose: str) -> Path:
    """Write all liars where pyenv would have versions; return its root."""
    for name, (_, body) in BODIES.items():
        path = folder / "versions" / name / "bin" / "python3"
        path.parent.mkdir(parents=True)
        path.write_text(WRAPPER.format(loose=loose, body=body))
        path.chmod(0o755)
    for name, (_, make) in INSTEAD.items():
        path = folder / "versions" / f"instead-{name}" / "bin" / "python3"
        path.parent.mkdir(parents=True)
        make(path)
        if not path.is_symlink():
            path.chmod(0o755)
    return folder


def interpreter_id(name: str) -> str:
    """Return the id that a run gives a liar."""
    return f"pyenv_{name.replace('-', '_')}"


GROUPS = ("says", "tells", "asked", "sent", "instead")


@functools.cache
def _measured(ground: Ground) -> Aftermath:
    """Measure all liars once, beside the two that are healthy."""
    root = plant(ground.folder / "liars", ground.loose)
    globs = [word for group in GROUPS for word in ("--only", f"pyenv_{group}_*")]
    return ground.matrix(*globs, PYENV_ROOT=str(root))


def _together(ground: Ground) -> Sequence[str]:
    return broken(_measured(ground), ground.expected(exactly=True))


def _inject(name: str, ground: Ground) -> Sequence[str]:
    after, own = _measured(ground), interpreter_id(name)
    rows = {key: row for key, row in (after.rows or {}).items() if key[0] == own}
    for row in rows.values():
        # A liar that fails to lie would survive everything.
        if WRAPPER_FAILED in row["reason"] or (name == HONEST and row["verdict"] != "downgraded"):
            msg = f"{name} does not do what it should: {row['reason']}"
            raise RuntimeError(msg)
    left = tuple(thing for thing in after.left if f"/{name}/" in thing)
    problems = broken(replace(after, rows=rows, left=left), Expected({}, subjects={own}))
    if name.removeprefix("instead-") in INSTEAD:
        known = (row for row in rows.values() if row["verdict"] not in UNKNOWN)
        return [*problems, *(f"it is {row['verdict']}" for row in known)]
    return problems if rows else [*problems, f"{own} has no row"]


FAMILY = Family(
    "liars",
    "its own row says downgraded, inconclusive or untestable, with a reason; the rows of others are right",
    (
        Fault("all-together", "all of these in one run, beside two that are healthy", _together),
        *(Fault(name, what, functools.partial(_inject, name)) for name, (what, _) in BODIES.items()),
        *(
            Fault(
                f"instead-{name}",
                f"{what} in an interpreter's place",
                functools.partial(_inject, f"instead-{name}"),
            )
            for name, (what, _) in INSTEAD.items()
        ),
    ),
)
