"""Translates pip's settings of where to install from into uv's: uv reads nothing that is set for pip."""

from __future__ import annotations

import configparser
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECTIONS = ("global", "install")
"""Sections of pip's files that `pip install` reads, the stronger last."""

_ASKS_AN_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_UV_KEYS = ("index", "index-url", "extra-index-url", "no-index", "find-links")


def pip_sources(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which uv installs from where pip would, if pip was given another index.

    Empty if uv was given an index of its own, by variables or in its files. Sources: pip's documentation,
    "Configuration"; uv's, "Environment variables" and "Package indexes".
    """
    if any(env.get(name) for name in _ASKS_AN_INDEX) or _uv_is_configured(env):
        return {}
    settings = _pip_settings(env)
    if "index-url" not in settings:
        return {}
    found = {"UV_DEFAULT_INDEX": settings["index-url"]}
    if more := [url for url in settings.get("extra-index-url", "").split() if _is_there(url)]:
        # pip takes the best release of all indexes, where uv takes the first that has the name.
        found |= {"UV_INDEX": " ".join(more), "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if links := settings.get("find-links", "").split():
        found["UV_FIND_LINKS"] = ",".join(links)
    if trusted := settings.get("trusted-host", "").split():
        found["UV_INSECURE_HOST"] = " ".join(trusted)
    if "cert" in settings and not env.get("SSL_CERT_FILE"):
        found["SSL_CERT_FILE"] = settings["cert"]
    return found


def _is_there(url: str) -> bool:
    """Whether an index can be asked: a folder that is missing is a warning of pip's, and an error of uv's."""
    return not url.startswith("file://") or Path(url.removeprefix("file://")).is_dir()


def _pip_settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return what pip goes by, by the name of its long option: its files, then its variables."""
    found: dict[str, str] = {}
    for path in _pip_files(env):
        # What pip itself cannot read it says so of; here it is as good as none.
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in SECTIONS:
            if parser.has_section(section):
                found |= {name.replace("_", "-"): text for name, text in parser.items(section)}
    for name, text in env.items():
        if name.startswith("PIP_") and text:
            found[name.removeprefix("PIP_").lower().replace("_", "-")] = text
    return {name: text.strip() for name, text in found.items() if text.strip()}


def _pip_files(env: Mapping[str, str]) -> Iterable[Path]:
    """Return pip's files, the stronger last: the machine's, the user's, and the one that a variable names."""
    named = env.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = Path(env.get("HOME") or Path("~").expanduser())
    machine = env.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        *(Path(folder, "pip", "pip.conf") for folder in machine.split(":") if folder),
        Path("/etc/pip.conf"),
    ]
    files += [home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    if sys.platform == "darwin":
        support = "Library/Application Support/pip/pip.conf"
        files = [Path("/", support), *files, home / support]
    return [*files, *([Path(named)] if named else [])]


def _uv_is_configured(env: Mapping[str, str]) -> bool:
    """Whether one of uv's files says where it installs from."""
    home = Path(env.get("HOME") or Path("~").expanduser())
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    named = env.get("UV_CONFIG_FILE")
    files = [Path(named)] if named else [Path("/etc/uv/uv.toml"), user / "uv" / "uv.toml"]
    return any(_names_an_index(path) for path in files)


def _names_an_index(path: Path) -> bool:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    inner = tables.get("pip")
    return any(key in table for table in (tables, inner) if isinstance(table, dict) for key in _UV_KEYS)
