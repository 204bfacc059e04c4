"""Passenger script: prints the shared libraries of OpenSSL that `import ssl` brings into this process.

One marked line of JSON: their paths, or null where the system does not tell. A statically linked
interpreter has none. Exit status 0 whenever it printed.
"""

from __future__ import print_function

import json
import re
import ssl
import subprocess
import sys

MARK = "TLS-FLOOR-LINKED "


def loaded():
    """Return the paths of libssl and libcrypto in this process's memory; on macOS, in what _ssl names."""
    try:
        with open("/proc/self/maps") as maps:
            paths = set(line.split(None, 5)[-1].strip() for line in maps if "/" in line)
    except IOError:
        try:
            said = subprocess.check_output(["otool", "-L", sys.modules["_ssl"].__file__])
        except (OSError, subprocess.CalledProcessError):
            return None
        paths = set(said.decode("utf-8", "replace").split())
    return sorted(path for path in paths if re.search(r"lib(ssl|crypto)[^/]*$", path))


if __name__ == "__main__":
    assert ssl
    print("\n" + MARK + json.dumps(loaded()))
