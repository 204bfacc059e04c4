"""Writes the OpenSSL configuration that is advised: the machine's own, included, with the floor added.

Source: config(5) for the format, its "SSL Configuration" for the three links from the library to a minimum
(openssl_conf, ssl_conf, system_default), and SSL_CONF_cmd(3) for MinProtocol. What those leave open was
measured on OpenSSL 1.1.1w, 3.0 and 3.5: sections of one name are one, and what comes later wins; what
follows an include belongs to the section that the included file ended in; an include that is not there
is skipped without a word, while a line in it that cannot be read drops the including file too.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.openssl_conf import CONFIGURATION_LIMIT
from interpreters.openssl_faults import logical_lines
from interpreters.owners import others
from servers.conditions import advised_name
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.interpreter import Interpreter

_DISTRIBUTIONS = ("/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf")
"""The machine's own file, on Debian and on Fedora; the library's folder links to it."""

_INCLUDE = re.compile(r"\.include(?:\s*=\s*|\s+)(.*)")
_SECTION = re.compile(r"\[\s*(.*?)\s*\]")
_SETTING = re.compile(r"([^=\s]+)\s*=\s*(.*)")
_SPECIAL = re.compile(r"""([\\#$"'`])""")
_DEEPEST = 10
"""Includes within includes that are followed; a file that includes itself has no end."""


NAME = r"floor-tls1_\d(-\w+)?\.cnf"
"""The names that we give to configurations."""

CONF_DIR = "/etc/ssl"
"""Where the advice puts a configuration: a folder that every process can read."""


class FloorFileError(FloorError):
    """No floor can be added to a configuration; the message says why, and what to do."""


@dataclass(frozen=True)
class FloorFile:
    """An OpenSSL configuration that sets a floor, as it is tried, and as it is advised."""

    name: str
    text: str
    folder: str = CONF_DIR
    """Where it is to be put."""
    owner: str = ""
    """Who beside root may change what it includes, and with that what loads into every process under it."""

    def __post_init__(self) -> None:
        """Refuse a name that is not one of ours: it may be from a file, and ends up in commands."""
        if not re.fullmatch(NAME, self.name):
            msg = f"{self.name!r} is no name of a configuration of ours"
            raise ValueError(msg)

    def write(self, folder: Path) -> None:
        """Write it into a folder, under its name."""
        (folder / self.name).write_text(self.text, encoding="utf-8", errors="surrogateescape")


def floor_file_for(interpreter: Interpreter, floor: Protocol, environment: Mapping[str, str]) -> FloorFile:
    """Return the file that adds a floor to what an interpreter reads; raises FloorFileError.

    Where OPENSSL_CONF names a file that is not there, it is added to the library's own. Files of one name
    are the same, on one machine.
    """
    own = Path(interpreter.openssl_dir, "openssl.cnf") if interpreter.openssl_dir else None
    named = Path(interpreter.openssl_conf) if interpreter.openssl_conf else None
    base = next((path for path in (named, own) if path and path.is_file()), None)
    if base is None:
        return FloorFile(_name(floor, "alone"), floor_file("", "", floor))
    # Any other link is named as it is: what it leads to may change.
    known = os.path.realpath(base) in _DISTRIBUTIONS
    path = os.path.realpath(base) if known else str(base.absolute())
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    name = _name(floor, "" if known else digest)
    text = floor_file(read_configuration(base, environment), path, floor)
    owner = others(Path(os.path.realpath(path)))
    return FloorFile(name, text, str(Path(path).parent) if owner else CONF_DIR, owner)


def _name(floor: Protocol, what: str) -> str:
    name = advised_name(floor)
    return name.replace(".cnf", f"-{what}.cnf") if what else name


def floor_file(text: str, path: str, floor: Protocol) -> str:
    """Return the file that includes the one at `path` and adds a floor; raises FloorFileError.

    `text` is that file's, with what it includes in its place. Its own sections are added to, and a
    stricter minimum stays; so does all else, such as its security level, providers and engines. Each link
    is written out, so that the floor stands even where the included file goes. Without a `path` nothing
    is included.
    """
    if not path.isprintable():
        msg = f"{path!r} has a character in its name that no configuration can include: give it another name"
        raise FloorFileError(msg)
    known = sections(text)
    start = _target(known, "default", "openssl_conf", "tls_floor_start", path)
    module = _module(known.get(start, {}))
    names = _target(known, start, module, "tls_floor_names", path)
    settings = _target(known, names, "system_default", "tls_floor", path)
    minimum = max(floor, _minimum(known.get(settings, {})) or floor, key=LADDER.index)
    stricter = f"; the stricter {minimum} that it sets stays" if minimum is not floor else ""
    head = [f"# Adds a minimum of {floor} to this configuration{stricter}:", f".include = {_escaped(path)}"]
    return "\n".join(
        [
            *(head if path else [f"# Sets a minimum of {floor}."]),
            "[default]",
            f"openssl_conf = {start}",
            f"[{start}]",
            f"{module} = {names}",
            f"[{names}]",
            f"system_default = {settings}",
            f"[{settings}]",
            f"MinProtocol = {minimum}",
            "",
        ]
    )


def _target(known: Mapping[str, Mapping[str, str]], section: str, key: str, ours: str, path: str) -> str:
    """Return the section that a key of a section names, or the name of ours where it names none."""
    value = known.get(section, {}).get(key, "")
    if value and not re.fullmatch(r"[\w.-]+", value):
        msg = f"{path} has {key} = {value!r}, which is no plain name of a section: give that section one"
        raise FloorFileError(msg)
    return value or ours


def _module(settings: Mapping[str, str]) -> str:
    """Return the key by which a section configures TLS: it may have a suffix, and the last one counts.

    Source: conf(5) of CONF_modules_load: ``name.suffix`` is the module ``name``.
    """
    keys = [key for key in settings if key == "ssl_conf" or key.rpartition(".")[0] == "ssl_conf"]
    return keys[-1] if keys else "ssl_conf"


def _minimum(settings: Mapping[str, str]) -> Protocol | None:
    """Return the minimum for TLS that these set, the last one of several; None if they set none.

    Source: SSL_CONF_cmd(3): what precedes a dot in a command's name is not looked at, nor is its case.
    """
    minimum = None
    for key, value in settings.items():
        # A minimum for DTLS is another one.
        if key.rpartition(".")[2].lower() == "minprotocol" and not value.startswith("DTLS"):
            minimum = Protocol(value) if value in LADDER else None
    return minimum


def _escaped(path: str) -> str:
    return _SPECIAL.sub(r"\\\1", path)


def sections(text: str) -> dict[str, dict[str, str]]:
    """Return the settings of each section, in the order in which they count; raises FloorFileError.

    A key that is set again counts from there, as in OpenSSL. Quotes and escapes stay as they are; lines
    that begin with a dot, for the reader of the file, are left out.
    """
    found: dict[str, dict[str, str]] = {"default": {}}
    current = "default"
    for _, line in logical_lines(text):
        if line.startswith("."):
            continue
        if match := _SECTION.match(line):
            current = match[1]
            found.setdefault(current, {})
        elif match := _SETTING.match(line):
            where, _, key = match[1].rpartition("::")
            settings = found.setdefault(where or current, {})
            settings.pop(key, None)
            settings[key] = match[2]
        else:
            msg = (
                f"the line {line!r} is neither a section nor a setting, so OpenSSL reads nothing of its file,"
                " nor of one that includes that: correct the line"
            )
            raise FloorFileError(msg)
    return found


def read_configuration(path: Path, environment: Mapping[str, str], depth: int = 0) -> str:
    """Return the text of a configuration with what it includes in its place, as far as it can be read.

    Source: config(5), ".include": a folder stands for the *.cnf and *.conf in it, and a relative path is
    looked for below OPENSSL_CONF_INCLUDE. Where that is not set it depends on the folder that a process
    is in, so it is not followed.
    """
    try:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in (".cnf", ".conf"))
            return "\n".join(read_configuration(file, environment, depth + 1) for file in inside)
        if not path.is_file() or path.stat().st_size > CONFIGURATION_LIMIT:
            return ""
        text = path.read_bytes().decode(errors="surrogateescape")
    except OSError:
        return ""
    lines = []
    for _, line in logical_lines(text):
        match = _INCLUDE.fullmatch(line)
        named = Path(environment.get("OPENSSL_CONF_INCLUDE", ""), match[1]) if match else None
        if named is None:
            lines.append(line)
        elif named.is_absolute() and depth < _DEEPEST:
            lines.append(read_configuration(named, environment, depth + 1))
    return "\n".join(lines)
