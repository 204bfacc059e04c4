"""Passenger script and module: says which TLS libraries this process has loaded, and what a file has of one.

As a script it prints the shared libraries of OpenSSL that `import ssl` brings into this process: one marked
line of JSON with their paths, or null where the system does not tell. A statically linked interpreter has none.
Exit status 0 whenever it printed. As a module it reads from the files that a client's package has loaded which
TLS library is in them, and of what version: never from a list of packages.
"""

from __future__ import print_function

import json
import mmap
import os
import re
import ssl
import subprocess
import sys

MARK = "TLS-FLOOR-LINKED "

UNKNOWN = "a TLS library that its files do not name"

S2N = "s2n-tls"

GNUTLS = b"Enabled GnuTLS "

S2N_SYMBOL = b"s2n_connection_new"
"""A name that a file with s2n has."""

LONGEST = 64
"""Bytes that a version's text may have behind its first words."""


def mapped():
    """Return the paths of all files in this process's memory; None where the system does not tell."""
    try:
        with open("/proc/self/maps") as maps:
            return set(line.split(None, 5)[-1].strip() for line in maps if "/" in line)
    except IOError:
        return None


def loaded():
    """Return the paths of libssl and libcrypto in this process's memory; on macOS, in what _ssl names."""
    paths = mapped()
    if paths is None:
        try:
            said = subprocess.check_output(["otool", "-L", sys.modules["_ssl"].__file__])
        except (OSError, subprocess.CalledProcessError):
            return None
        paths = set(said.decode("utf-8", "replace").split())
    return sorted(path for path in paths if re.search(r"lib(ssl|crypto)[^/]*$", path))


def brought(module, besides=()):
    """Return which TLS library a package brings: name and version, and the file that has them.

    Looked at are the files that are loaded from its folder, from that of the shared libraries beside it (auditwheel
    names such a folder after the distribution), and those `besides`; of a module in a single file that file alone.
    """
    file = os.path.realpath(module.__file__)
    folder, name = os.path.split(file)
    if not name.startswith("__init__."):
        return of_files([file] + list(besides))
    wanted = (os.path.join(folder, ""), folder + ".libs/")
    here = sorted(mapped() or ())
    own = [path for path in here if path.startswith(wanted)]
    # A distribution links a package to its own OpenSSL, or to its own libcurl and that to GnuTLS, which nothing of Python's loads.
    ways = (list(besides) + own, linked_to(own), [path for path in here if "/libgnutls" in path])
    return next((told for told in map(of_files, ways) if told != UNKNOWN), UNKNOWN)


def linked_to(files):
    """Return the loaded libraries of OpenSSL that these files name, as what is linked to one does."""
    named = [(path, re.match(r"lib\w+\.so\.\d+", os.path.basename(path))) for path in loaded() or ()]
    return [path for path, name in named if name and any(has(file, name.group().encode("ascii")) for file in files)]


def of_files(paths):
    """Return the TLS library that these files have in them, with the file's name; UNKNOWN if none has one."""
    seen = {}
    for path in paths:
        name = library(path)
        if name:
            seen.setdefault(name, os.path.basename(path))
    if S2N in seen:
        # It has no cryptography of its own: here it is linked to that of the system, which is loaded.
        behind = sorted(set(filter(None, map(library, [path for path in loaded() or () if "libcrypto" in path]))))
        seen[" over the system's ".join([S2N, " and ".join(behind) or "libcrypto"])] = seen.pop(S2N)
    # What is a part of another name has less to say: a libcrypto beside the file that is linked to libcurl too.
    told = [name for name in seen if not any(name != other and name in other for other in seen)]
    return " and ".join("%s (%s)" % (name, seen[name]) for name in sorted(told)) or UNKNOWN


def library(path):
    """Return the name and version of the TLS library in a file, such as `rustls 0.23.46 / aws-lc-rs 1.18.0`; empty if none."""
    return _read(path, _library, "")


def has(path, words):
    """Whether these bytes are anywhere in a file; not where it cannot be read."""
    return _read(path, lambda content: content.find(words) >= 0, False)


def _read(path, tell, nothing):
    """Return what a function tells of a file that is mapped; `nothing` where that cannot be."""
    try:
        with open(path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (IOError, OSError, ValueError):
        return nothing
    try:
        return tell(content)
    finally:
        content.close()


def _library(content):
    rustls = first(content, b"rustls-0.", br"rustls-(0\.\d+\.\d+)/src/(?:client|common_state|conn|vecbuf|msgs)")
    if rustls:
        crypto = [(name, first(content, b"/" + name + b"-", b"/" + name + br"-(\d+\.\d+\.\d+)/")) for name in (b"aws-lc-rs", b"ring")]
        behind = ["%s %s" % (name.decode("ascii"), version) for name, version in crypto if version]
        return " / ".join(["rustls %s" % rustls, " + ".join(behind)] if behind else ["rustls %s" % rustls])
    openssl = first(content, b"OpenSSL ", br"OpenSSL (\d+\.\d+\.\d+\w*(?:-\w+)?) +\d+ [A-Z][a-z]{2} \d{4}")
    aws_lc = first(content, b"AWS-LC ", br"AWS-LC (\d+\.\d+\.\d+)")
    if openssl:
        name = "OpenSSL %s" % openssl
    elif aws_lc:
        name = ("%s over AWS-LC %s" % (S2N, aws_lc)) if content.find(S2N_SYMBOL) >= 0 else "AWS-LC %s" % aws_lc
    elif content.find(GNUTLS) >= 0:
        return "GnuTLS %s" % first(content, GNUTLS, GNUTLS + br"(\d+\.\d+\.\d+)")
    elif content.find(b"OPENSSL_internal") >= 0:
        name = "BoringSSL"
    elif content.find(S2N_SYMBOL) >= 0:
        return S2N
    else:
        return ""
    libcurl = first(content, b"libcurl/", br"libcurl/(\d+\.\d+\.\d+)")
    return "%s below libcurl %s" % (name, libcurl) if libcurl else name


def first(content, start, pattern):
    """Return the first group of a pattern where it first matches in a file that is mapped, looked for by its start; None if nowhere."""
    place = content.find(start)
    while place >= 0:
        match = re.match(pattern, content[place : place + LONGEST])
        if match:
            return match.group(1).decode("ascii")
        place = content.find(start, place + 1)
    return None


if __name__ == "__main__":
    assert ssl
    print("\n" + MARK + json.dumps(loaded()))
