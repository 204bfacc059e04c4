"""Makes the environment of a process under test: next to nothing of the caller's, and no credentials."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.locations import homes

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSED_THROUGH = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        # Where a relocated or locally built interpreter finds its libraries.
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        # The machine's own OpenSSL configuration is part of what is measured: condition `ambient`.
        *("OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
    }
)
"""Variables that are passed on. All others (AWS_*, proxies, certificate bundles, PYTHON*) are not."""

RUN_ID = "TLS_FLOOR_RUN"
"""The variable by which sessions of one command share the id of their run: nox -j runs each in a process."""

RUN_BY = "TLS_FLOOR_RUN_BY"
"""The variable with the environment in which nox was started, where the tool goes on in one of its own."""

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""What is added where an interpreter must write nothing: it leaves no compiled modules behind."""


PATHS = (
    *("OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT"),
)
"""Variables that name one file or folder each, which a program looks for where it was started."""


def runners(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the environments that run this tool: the one of this Python, and the one of nox before it."""
    return tuple(Path(os.path.realpath(folder)) for folder in (sys.prefix, env.get(RUN_BY)) if folder)


def absolute(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return those of PATHS that are relative, resolved in `folder`.

    nox changes to the folder of its noxfile, in which the caller's relative paths lead elsewhere.
    """
    named = {name: env[name] for name in PATHS if env.get(name)}
    return {name: str(folder / path) for name, path in named.items() if not Path(path).is_absolute()}


def sanitized_environment(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment for a process under test, whose home is the folder `home` of ours."""
    kept = {name: text for name, text in env.items() if name in PASSED_THROUGH or name.startswith("LC_")}
    return kept | never_read(home) | _user_site(env)


def never_read(home: str | Path) -> dict[str, str]:
    """Return the variables by which a process under test leaves the user's own files and services alone."""
    return {
        "HOME": str(home),
        # Where a zipapp unpacks itself to, even one that was built to unpack elsewhere.
        "PEX_ROOT": f"{home}/.pex",
        "SHIV_ROOT": f"{home}/.shiv",
        # The AWS configuration and the instance's metadata service: the user's, so not read.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # On macOS proxies come from the system's settings, which no absent variable hides.
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def _user_site(env: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps the user's own site-packages, whose start-up code every program runs, where they are.

    Python looks for them below HOME, which is ours. Source: site, USER_BASE; a framework build on macOS has
    others for each version, which no one variable names, so there they are left out.
    """
    if sys.platform == "darwin":
        return {}
    home = next((home.path for home in homes(env) if not home.user), "")
    base = env.get("PYTHONUSERBASE") or (home and str(Path(home, ".local")))
    return {"PYTHONUSERBASE": base} if base else {}
