"""Passenger script: prints what the interpreter is, as identify.py does, and what its files are.

It runs where the tool cannot read those files by itself, because they are in another place. `files` has a hash of the
executable and the ssl module (as interpreters/identify.py has it; empty before Python 3.6), the OpenSSL configuration
that is read with a hash of all that it includes, a hash of the names of what is installed, and which of the modules
that its arguments name are not.
"""

from __future__ import print_function

import hashlib
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Inside a zipapp the folder of the script is not on the path.
if HERE not in sys.path:
    sys.path.insert(0, HERE)

# Start-up code of the interpreter may have imported modules of its own by these names.
for name in ("identify", "installed"):
    sys.modules.pop(name, None)

import identify
import installed

BUILD_LIMIT = 1 << 30
CONFIGURATION_LIMIT = 16 * 1024 * 1024
METADATA = (".dist-info", ".egg-info")

INCLUDE = re.compile(br"^[ \t]*\.include(?:[ \t]*=[ \t]*|[ \t]+)([^\r\n#]*[^\s#])", re.MULTILINE)


def files(facts):
    """Return the facts of the interpreter's files, by what it said of itself."""
    library = facts["ssl"] or {}
    named = os.environ.get("OPENSSL_CONF")
    folder = library.get("directory")
    conf = named if named is not None else os.path.join(folder, "openssl.cnf") if folder else ""
    return {
        "build": build([facts["executable"], library.get("module")]),
        "openssl_conf": conf if library else "",
        "openssl_conf_sha256": configuration(conf) if conf and library else "",
        "distributions_sha256": listing([folder for folder in facts["path"] if os.path.isabs(folder)]),
        "absent": [name for name in sys.argv[1:] if not installed.is_here(name)],
    }


def build(paths):
    """Return a hash of these files; empty where one cannot be read."""
    if not hasattr(hashlib, "blake2b"):
        return ""
    found = hashlib.blake2b(digest_size=8)
    try:
        for path in filter(None, paths):
            if not os.path.isfile(path) or os.path.getsize(path) > BUILD_LIMIT:
                return ""
            with open(path, "rb") as file:
                for piece in iter(lambda: file.read(1 << 20), b""):
                    found.update(piece)
    except (IOError, OSError):
        return ""
    return found.hexdigest()


def configuration(path):
    """Return a hash of a configuration file and of what it includes, in the order in which they are met."""
    relative_to = os.environ.get("OPENSSL_CONF_INCLUDE", "")
    found, ahead, seen = hashlib.sha256(), [path], set()
    while ahead:
        file = os.path.abspath(ahead.pop(0))
        if file in seen:
            continue
        try:
            if os.path.isdir(file):
                inside = sorted(name for name in os.listdir(file) if name.endswith((".cnf", ".conf")))
                ahead = [os.path.join(file, name) for name in inside] + ahead
                continue
            if not os.path.isfile(file) or os.path.getsize(file) > CONFIGURATION_LIMIT:
                continue
            with open(file, "rb") as opened:
                text = opened.read()
        except (IOError, OSError):
            continue
        seen.add(file)
        found.update(text)
        names = [name if str is bytes else os.fsdecode(name) for name in INCLUDE.findall(text)]
        ahead = [os.path.join(relative_to, name) for name in names] + ahead
    return found.hexdigest() if seen else ""


def listing(folders):
    """Return a hash of the names of what is installed in these folders; empty for nothing."""
    names = []
    for folder in folders:
        try:
            names += ["%s\0%s" % (folder, name) for name in sorted(os.listdir(folder)) if name.endswith(METADATA)]
        except (IOError, OSError):
            continue
    text = "\n".join(names)
    return hashlib.sha256(text if str is bytes else text.encode("utf-8", "surrogateescape")).hexdigest() if names else ""


def main():
    """Print the line."""
    facts = identify.identity()
    facts["files"] = files(facts)
    print("\n" + identify.MARK + json.dumps(facts))


if __name__ == "__main__":
    main()
