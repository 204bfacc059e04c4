"""Passenger program: runs clients against servers inside the interpreter under test and prints what happened.

Run as `python probes/`, back to Python 2.7. It is a short conversation in lines of JSON. The first line on
standard input is the question: `modules`, by client, the names of those that the client's file imports. The
answer is a marked line with the interpreter's identity, with the OPENSSL_CONF that it runs under and in `asked` the
one that it is to run under, and with `lacking`, by client that is not installed, the first module that is not here;
no client is imported to find out. The second line on standard input is the plan: `timeout` in seconds, and `cells`,
each with `client`, `server`, `host`, `port`, `cafile` and, optionally, `retries`, what names.py needs, and, where the
client is no Python module but a program, `program`: see program.py.
The clients in `apart` run in a process of their own each, which may take `patience` to start: see apart.py.
Optionally also `compiled`: a folder of ours to keep what is compiled in: see compiled.py. Optionally also `sources`:
by client, the text of its file, where that is not here; and `snippets`: by client, source text that is run before
that client is used, as an application that took the text over would.
Then it prints a marked line for each client when it is first needed, one before and one after each cell, and a
last one to say that it reached its end. Where the plan has `loaded`, that has the files that were loaded, the modules
that were `sought`, and the OPENSSL_CONF that there is by then. It judges nothing.
"""

from __future__ import print_function

import functools
import gc
import importlib
import json
import os
import sys
import time
import types

# Start-up code of the interpreter may have imported modules of its own by these names.
OURS = ("apart", "clients", "compiled", "hellos", "identify", "installed", "introduction", "linked", "loaded", "names", "program")
OURS += ("quietly", "releases", "status_page", "system_trust", "twisted_reactor", "whose")
for name in OURS:
    sys.modules.pop(name, None)

ASKED = "TLS_FLOOR_OPENSSL_CONF"
"""The variable that names the configuration to measure under, where a wrapper or start-up code names another."""

if ASKED in os.environ and not set(sys.modules).intersection(["_ssl", "_hashlib"]):
    # Before OpenSSL is loaded, which reads it then. The modules below load it, on some versions.
    os.environ["OPENSSL_CONF"] = os.environ[ASKED]

import identify
import installed
import names
import whose

MARK = "TLS-FLOOR-PROBE "

# A clock that jumps (NTP, a resumed laptop) must not turn into a duration; 2.7 has no other clock.
clock = getattr(time, "monotonic", time.time)

TOO_LATE = (
    "its code sets OPENSSL_CONF, which is too late for an OpenSSL that is loaded: by `import ssl` or `import hashlib`"
    " before that, as it was here"
)
"""What is said of a client whose code did that: a library of its own may still read the file."""

TEXT_LIMIT = 600
"""Characters kept of an exception's text: it is testimony, not a log."""


def say(**record):
    """Print one record; flushed at once, because the next thing may end this process."""
    print("\n" + MARK + json.dumps(record, sort_keys=True))
    sys.stdout.flush()


def error_fields(error):
    """Return an exception's class and text, for a record."""
    name = type(error).__name__
    module = type(error).__module__
    if module not in ("builtins", "exceptions"):
        name = module + "." + name
    try:
        text = str(error)
    except UnicodeEncodeError:  # Python 2.7, for any text that is not ASCII
        text = u"%s" % (error.args[0] if error.args else "")
    except Exception as inner:
        text = "its text cannot be had: %s" % type(inner).__name__
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return {"error_class": name, "error_text": text[:TEXT_LIMIT]}


def own_module(name, text):
    """Return the module that the text of a client file of the user's makes: nothing is read or written where that is."""
    made = types.ModuleType(str("clients." + name))
    sys.modules[made.__name__] = made
    exec(compile(text.encode("utf-8"), str(name + ".py"), "exec", 0, True), made.__dict__)
    return made


def load(name, snippet, told, source=None):
    """Import a client and say its version, or why it cannot be had; return what fetches with it, or None.

    With what fetches comes what has a note on the last attempt, such as how the client introduced itself, and
    whether the client looks up names by itself, and not by the socket module.
    What a snippet leaves in its namespace goes to the client's `fetch_given`, if the client has one; GIVEN_TLS
    is then whose TLS that uses, where it is not that of TLS. A client that is a program has been told of in the plan, and has a module's functions as methods.
    """
    configuration = os.environ.get("OPENSSL_CONF")
    try:
        if told:
            module = importlib.import_module("program").ProgramClient(told)
        elif source is not None:
            module = own_module(name, source)
        else:
            # What stands behind @ says in which versions, for those who read the report.
            module = importlib.import_module("clients." + name.partition("@")[0])
        fetch = module.fetch
        if snippet:
            given = {"__name__": "floor_" + name}
            exec(compile(snippet, "floors/%s.py" % name, "exec", 0, True), given)
            if hasattr(module, "fetch_given"):
                fetch = functools.partial(module.fetch_given, given)
        tls = getattr(module, "GIVEN_TLS" if snippet and hasattr(module, "GIVEN_TLS") else "TLS", "")
        own = {"name": tls, "reads_openssl_conf": getattr(module, "READS_OPENSSL_CONF", True)}
        urllib3 = getattr(module, "urllib3", sys.modules.get("urllib3"))
        beside = getattr(urllib3, "__version__", "")
        # A client file of the user's need not say a version.
        version = getattr(module, "version", str)()
        late = os.environ.get("OPENSSL_CONF") != configuration and (not tls or own["reads_openssl_conf"])
        told_of = {"version": version, "urllib3": beside, "remark": remarks(module, TOO_LATE if late else "")}
        say(kind="client", client=name, tls=own if tls else None, **told_of)
        return fetch, getattr(module, "note", str), getattr(module, "LOOKS_UP", False)
    except Exception as error:
        say(kind="client", client=name, version=None, **error_fields(error))
        return None


def remarks(module, *known):
    """Return what else is true of a client's stack, in clauses; a look that fails costs no measurement."""
    try:
        said = list(known) + [whose.another(sys.modules.get("urllib3"), "urllib3"), getattr(module, "remark", str)()]
    except Exception as error:
        said = ["what else is true of it could not be found: %(error_class)s: %(error_text)s" % error_fields(error)]
    return "; ".join(filter(None, said))[:TEXT_LIMIT]


def lacking(modules):
    """Return, by client that lacks any of its modules, the first that is not here; nothing is imported."""
    absent = dict((client, [name for name in names if not installed.is_here(name)]) for client, names in modules.items())
    return dict((client, names[0]) for client, names in absent.items() if names)


def within_reach(path):
    """Return a path, as what this interpreter can open whatever its locale: one that is not ASCII relative to its folder.

    Python 3.6 in the locale C takes no path with other letters, and 2.7 none that is unicode; a few clients take neither bytes.
    """
    try:
        path.encode("ascii")
        return path
    except UnicodeError:
        folder, name = os.path.split(path.encode("utf-8", *([] if str is bytes else ["surrogateescape"])))
        os.chdir(folder)
        return name.decode("ascii")


def attempt(fetch, note, looks_up, cell, timeout):
    """Try one cell and say what came of it."""
    say(kind="begin", client=cell["client"], server=cell["server"])
    began = clock()
    record = {"outcome": "failed", "version": None, "cipher": None, "error_class": None, "error_text": None}
    try:
        host = names.host(cell, looks_up)
        told = fetch(host, cell["port"], within_reach(cell["cafile"]), timeout, cell.get("retries", 0))
        record["outcome"] = "connected"
        record.update(told)
    except Exception as error:
        record.update(error_fields(error))
    record["seconds"] = round(clock() - began, 6)
    record["note"] = note()[:TEXT_LIMIT]
    say(kind="account", client=cell["client"], server=cell["server"], account=record)


def main():
    """Answer the question on standard input, then run the plan behind it."""
    # A fifth of a probe's time would go into looking for garbage among service models that are all kept.
    gc.disable()
    question = json.loads(sys.stdin.readline())
    conf = dict(openssl_conf=os.environ.get("OPENSSL_CONF"), asked=os.environ.get(ASKED))
    say(kind="identity", identity=identify.identity(), lacking=lacking(question["modules"]), **conf)
    plan = json.loads(sys.stdin.readline())
    if plan.get("compiled"):
        importlib.import_module("compiled").keep(plan["compiled"])
    loaded = importlib.import_module("loaded") if plan.get("loaded") else None
    if loaded:
        loaded.note()
    fetches, ends = {}, []
    separate = plan.get("apart", [])
    for client in separate:
        cells = [cell for cell in plan["cells"] if cell["client"] == client]
        ends += importlib.import_module("apart").run(dict(plan, cells=cells), MARK, say)
    for cell in plan["cells"]:
        name = cell["client"]
        if name in separate:
            continue
        if name not in fetches:
            source = plan.get("sources", {}).get(name.partition("@")[0].partition("+")[0])
            fetches[name] = load(name, plan.get("snippets", {}).get(name), cell.get("program"), source)
        if fetches[name] is not None:
            fetch, note, looks_up = fetches[name]
            attempt(fetch, note, looks_up, cell, plan["timeout"])
    if loaded:
        conf = os.environ.get("OPENSSL_CONF")
        say(kind="end", loaded=loaded.everywhere(ends, conf), sought=loaded.sought(ends), openssl_conf=conf)
    else:
        say(kind="end")


if __name__ == "__main__":
    main()
