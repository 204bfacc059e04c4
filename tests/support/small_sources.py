"""Sources of an OpenSSL and a Python so small that they are built at once, with a make that is real."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from interpreters.hardening.checks import MARK as LINKED
from tests.support.probing import says

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIGURE = """#!/bin/sh
LOG=${LOG:-/dev/null}
echo "$0 $*" >> "$LOG"
for word; do case $word in --prefix=*) echo "PREFIX = ${word#*=}" > config.mk;; esac
  case $word in --with-openssl=*) echo "OPENSSL = ${word#*=}" >> config.mk;; esac; done
"""

OPENSSL_MAKEFILE = """
include config.mk
build_libs: ; echo library > libssl.a
build_programs: ; cp libssl.a openssl
install_dev: ; mkdir -p $(DESTDIR)$(PREFIX)/lib; cp libssl.a $(DESTDIR)$(PREFIX)/lib/
install_sw: install_dev ; mkdir $(DESTDIR)$(PREFIX)/bin; cp openssl $(DESTDIR)$(PREFIX)/bin/
"""

PYTHON_MAKEFILE = """
include config.mk
library = $(DESTDIR)$(PREFIX)/lib/python3.11
all: ; test -e $(OPENSSL)/lib/libssl.a; cp python.in python; chmod +x python
install:
\tmkdir -p $(DESTDIR)$(PREFIX)/bin $(library)/config-3.11/ $(library)/__pycache__
\tcp python $(DESTDIR)$(PREFIX)/bin/python3
\tprintf '#!$(PREFIX)/bin/python\\nimport pip\\n' > $(DESTDIR)$(PREFIX)/bin/pip3
\tmkdir -p $(library)/site-packages/pip/__pycache__
\techo "flags = '--with-openssl=$(OPENSSL)'" > $(library)/_sysconfigdata_x.py
\techo "stale" > $(library)/__pycache__/_sysconfigdata_x.cpython-311.pyc
\techo "OPENSSL_LIBS = -L$(OPENSSL)/lib" > $(library)/config-3.11/Makefile
"""


def archive(path: Path, files: Mapping[str, str]) -> Path:
    """Write a source release of these files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"root/{name}")
            info.size, info.mode = len(text.encode()), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def an_identity(**ssl: object) -> dict[str, object]:
    """Return what a hardened interpreter says of itself, with changes."""
    return {
        "version": "3.11.99",
        "implementation": "CPython",
        "executable": "",
        "prefix": "/x",
        "base_prefix": "/x",
        "configure_flags": [],
        "ssl": {
            "openssl": "OpenSSL 3.0.99 1 Jan 2026",
            "has": {"HAS_SSLv3": False, "HAS_TLSv1": False, "HAS_TLSv1_1": False, "HAS_TLSv1_2": True},
            "default_minimum": None,
            "module": "/x/_ssl.so",
            "directory": "/x/ssl",
        }
        | ssl,
        "ssl_unavailable": "",
        "start_up": [],
        "path": [],
        "contexts": {},
    }


def an_interpreter(identity: Mapping[str, object], linked: object = ()) -> str:
    """Return a program that answers what it is, and what it is linked to, like an interpreter."""
    linkage = f"echo '{LINKED}{json.dumps(linked)}'"
    return f"#!/bin/sh\ncase $1 in\n*identify.py) {says(identity)};;\n*) {linkage};;\nesac\n"


def small_sources() -> dict[str, dict[str, str]]:
    """Return the files of both, by name: an OpenSSL 3.0.99 and a Python 3.11.99 that says it is hardened."""
    return {
        "openssl": {
            "VERSION.dat": "MAJOR=3\nMINOR=0\nPATCH=99\nPRE_RELEASE_TAG=\n",
            "apps/openssl.cnf": "# nothing",
            "config": CONFIGURE,
            "Makefile": OPENSSL_MAKEFILE,
        },
        "python": {
            "Include/patchlevel.h": '#define PY_VERSION      "3.11.99+"\n',
            "Modules/Setup.local": "# a comment",
            "configure": CONFIGURE + 'cat Modules/Setup.local >> "$LOG"\n',
            "Makefile": PYTHON_MAKEFILE,
            "python.in": an_interpreter(an_identity()),
        },
    }
