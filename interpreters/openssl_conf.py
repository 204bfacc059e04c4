"""Finds the OpenSSL configuration file that an interpreter reads by itself, and hashes what is in it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIGURATION_LIMIT = 16 * 1024 * 1024
"""Bytes of a configuration, with all that it includes, beyond which no more is read: a sparse file can be
larger than the memory."""

FILES_LIMIT = 1000
"""Files of a configuration beyond which no more is read; Fedora's has five."""

_INCLUDE = re.compile(rb"^[ \t]*\.include(?:[ \t]*=[ \t]*|[ \t]+)([^\r\n#]*[^\s#])", re.MULTILINE)


def configuration_path(openssl_dir: str, env: Mapping[str, str]) -> str:
    """Return the file that a library with this compiled-in folder reads; empty if none is known.

    Source: config(5), "FILES" and "ENVIRONMENT": OPENSSL_CONF, which may be empty and then switches the
    configuration off, else openssl.cnf in the compiled-in folder.
    """
    if "OPENSSL_CONF" in env:
        return env["OPENSSL_CONF"]
    return str(Path(openssl_dir) / "openssl.cnf") if openssl_dir else ""


def configuration_sha256(path: str, env: Mapping[str, str]) -> str:
    """Return the SHA-256 of a configuration file and, behind it, all that it includes; empty without one.

    Distributions keep their policy in an included file, as Fedora's crypto-policies. Without includes the
    hash is that of sha256sum.
    """
    found = _read(Path(path), env.get("OPENSSL_CONF_INCLUDE", "")) if path else {}
    texts = [text for text in found.values() if text is not None]
    return hashlib.sha256(b"".join(texts)).hexdigest() if texts else ""


def configuration_files(path: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return what decides a configuration: its file, and the files and folders that it includes.

    What is named and is not there has its folder in its place: with that it would come, and was removed.
    """
    if not path:
        return ()
    named = _read(Path(path), env.get("OPENSSL_CONF_INCLUDE", ""))
    return tuple(dict.fromkeys(str(file if file.exists() else file.parent) for file in (Path(path), *named)))


def _read(path: Path, relative_to: str) -> dict[Path, bytes | None]:
    """Return the contents of a file and of those that it includes, in the order in which they are met.

    None stands for what is no file: a folder whose files are included, or nothing at all.

    Source: config(5), ".include": a folder stands for the *.cnf and *.conf in it; a relative path is
    looked for below OPENSSL_CONF_INCLUDE. Not followed are paths with variables, and pragmas.
    """
    found: dict[Path, bytes | None] = {}
    ahead, room = [path], CONFIGURATION_LIMIT
    while ahead and len(found) < FILES_LIMIT:
        file = ahead.pop(0).absolute()
        if file in found:
            continue
        found[file] = None
        try:
            if file.is_dir():
                inside = sorted(child for child in file.iterdir() if child.suffix in (".cnf", ".conf"))
                ahead = [*inside, *ahead]
                continue
            # Not what never ends, such as a pipe, or is no text of anybody's; /dev/null has nothing in it.
            if not file.is_file() or file.stat().st_size > room:
                continue
            text = file.read_bytes()
        except OSError:
            continue
        found[file] = text
        room -= len(text)
        named = (os.fsdecode(name) for name in _INCLUDE.findall(text))
        ahead = [*(Path(relative_to, name) for name in named), *ahead]
    return found
