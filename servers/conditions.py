"""The OpenSSL configurations under which interpreters are measured, beside the machine's own."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from servers.protocols import Protocol


class Condition(enum.StrEnum):
    """The OpenSSL configuration that an interpreter runs under."""

    AMBIENT = "ambient"
    """The machine's own, with the user's OPENSSL_CONF if there is one."""
    EMPTY = "empty"
    """Sets nothing: what then still holds the floor is not the configuration."""
    PERMISSIVE = "permissive"
    """Allows all that the library has: what then still holds the floor is code, or what was not built in."""
    HARDENED = "hardened"
    """Sets the floor as the minimum: what an administrator could write."""


_EMPTY = "# Sets nothing: every context is as the library, Python and the client make it.\n"

_FILE = """\
# {why}
openssl_conf = openssl_init

[openssl_init]
ssl_conf = ssl_module

[ssl_module]
system_default = tls_defaults

[tls_defaults]
MinProtocol = {minimum}
CipherString = DEFAULT:@SECLEVEL={level}
"""


def configuration(condition: Condition, floor: Protocol) -> str:
    """Return the text of a condition's configuration file; source config(5), "SSL Configuration".

    No minimum alone allows nothing where the security level refuses old versions, as it does above 0 since
    OpenSSL 3.1 (NEWS.md, 3.1), so the permissive one sets both.

    Raises ValueError for the ambient condition, whose file is the machine's.
    """
    if condition is Condition.AMBIENT:
        msg = "the ambient condition has no file of ours"
        raise ValueError(msg)
    if condition is Condition.EMPTY:
        return _EMPTY
    if condition is Condition.PERMISSIVE:
        return _FILE.format(why="Allows every version that the library has.", minimum="None", level=0)
    return _FILE.format(why=f"Refuses every version below {floor}.", minimum=floor, level=2)


def advised_name(floor: Protocol) -> str:
    """Return the file name under which people get the hardened configuration: ``floor-tls1_2.cnf``."""
    return f"floor-{floor.lower().replace('v', '').replace('.', '_')}.cnf"


def write_configurations(folder: Path, floor: Protocol) -> dict[Condition, Path | None]:
    """Write the files into `folder`; the ambient condition has none, because it is not ours."""
    paths: dict[Condition, Path | None] = {Condition.AMBIENT: None}
    for condition in set(Condition) - {Condition.AMBIENT}:
        path = folder / f"{condition}.cnf"
        path.write_text(configuration(condition, floor))
        paths[condition] = path
    return paths
