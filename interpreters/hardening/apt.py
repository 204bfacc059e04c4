"""Gets a distribution's source packages through apt, from the machine's own archives; changes none of it."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.hardening.recipes import HardenError
from interpreters.log import LOG
from interpreters.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

APT = Path("/etc/apt")
"""Where this machine says which archives it trusts, and with which keys."""

UPDATE_LIMIT = 300.0
"""Seconds for the lists of sources: ten megabytes for a release of Debian."""

DOWNLOAD_LIMIT = 900.0
"""Seconds for one source package: thirty megabytes."""

FORGED = ("Hash Sum mismatch", "File has unexpected size")
"""Words of apt about a file that is not what the distribution signed."""


class AptError(HardenError):
    """apt has no such source package, or could not get it."""


class ForgedError(HardenError):
    """A file is not what the distribution signed."""


def source_lists(folder: Path) -> dict[str, str]:
    """Return, by file name, the machine's lists of archives, each turned into one for sources.

    Options stay as they are: the key that an archive has to be signed with is one of them.
    """
    lists = {}
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            lines = [re.sub(r"^\s*deb(?=\s)", "deb-src", line) for line in text.splitlines()]
            kept = dict.fromkeys(
                line for line in lines if line.startswith("deb-src") and "cdrom:" not in line
            )
            lists[path.name] = "".join(f"{line}\n" for line in kept)
        elif path.suffix == ".sources":
            lists[path.name] = re.sub(r"(?im)^Types:.*$", "Types: deb-src", text)
    return {name: text for name, text in lists.items() if "deb-src" in text}


class Apt:
    """apt with lists and cache of its own in one folder; apt itself checks every signature and hash."""

    def __init__(self, folder: Path, env: Mapping[str, str], lists: Path = APT) -> None:
        self._folder = folder
        self._env = {**env, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        self._lists = lists
        self._errors: list[str] | None = None

    def download(self, package: str, accepts: Callable[[str], bool]) -> tuple[Path, str]:
        """Return the .dsc of the newest source package whose upstream version is accepted, and its version.

        If the files of a version are not there, as on a mirror that lags, the next older version is taken.
        Raises AptError where there is no version, and ForgedError
        where a hash or signature is wrong.
        """
        if shutil.which("apt-get") is None:
            msg = "there is no apt-get"
            raise AptError(msg)
        if self._errors is None:
            self._errors = self._update()
        versions = self._versions(package)
        fitting = [version for version in versions if accepts(upstream(version))]
        if not fitting:
            has = f"has only {', '.join(versions)}" if versions else "does not have it"
            also = f" ({self._errors[0]})" if self._errors else ""
            msg = f"the source package {package}: this machine's distribution {has}{also}"
            raise AptError(msg)
        problem = ""
        for version in fitting:
            problem = self._fetch(package, version)
            if not problem:
                if version != fitting[0]:
                    LOG.info("%s %s could not be fetched whole, so %s is taken", package, fitting[0], version)
                return self._folder / f"{package}_{_without_epoch(version)}.dsc", version
        msg = f"the source package {package} could not be fetched: {problem}"
        raise AptError(msg)

    def _update(self) -> list[str]:
        """Fetch the lists of sources; return what apt says against any of them.

        One archive of a third party that has no sources is an error to apt and nothing to us; a list
        whose signature is wrong is not used by apt, so its packages are not there.
        """
        parts = self._folder / "sources.list.d"
        for name in ("sources.list.d", "lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        lists = source_lists(self._lists)
        if not lists:
            msg = f"{self._lists} names no archive"
            raise AptError(msg)
        for name, text in lists.items():
            (parts / name).write_text(text, encoding="utf-8")
        _, output = self._run(["apt-get", *self._options(), "update"], UPDATE_LIMIT)
        return _errors(output)

    def _versions(self, package: str) -> list[str]:
        """Return the versions that there are, newest first."""
        _, output = self._run(
            ["apt-cache", *self._options(), "showsrc", "--only-source", package], UPDATE_LIMIT
        )
        found = dict.fromkeys(re.findall(r"^Version: (\S+)$", output, re.MULTILINE))
        return sorted(found, key=functools.cmp_to_key(self._compare), reverse=True)

    def _compare(self, version: str, other: str) -> int:
        if version == other:
            return 0
        status, _ = self._run(["dpkg", "--compare-versions", version, "lt", other], UPDATE_LIMIT)
        return -1 if status == 0 else 1

    def _fetch(self, package: str, version: str) -> str:
        """Download one version; return why that failed, or an empty text."""
        command = ["apt-get", *self._options(), "source", "--download-only", f"{package}={version}"]
        status, output = self._run(command, DOWNLOAD_LIMIT)
        errors = _errors(output) or [f"apt-get ended with status {status}"]
        for error in errors:
            if status and any(word in error for word in FORGED):
                msg = f"the source package {package} {version} is not what was signed: {error}"
                raise ForgedError(msg)
        return errors[0] if status else ""

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self._folder / "sources.list.d",
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "Acquire::Retries": "2",
        }
        return ["--quiet", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]

    def _run(self, command: Sequence[str], limit: float) -> tuple[int, str]:
        try:
            return run(command, self._env, limit, self._folder)
        except subprocess.SubprocessError as error:
            msg = f"{command[0]} did not come to an end: {error}"
            raise AptError(msg) from error


def _errors(output: str) -> list[str]:
    """Return apt's errors, without the notices around them."""
    return [line.removeprefix("E: ") for line in output.splitlines() if line.startswith("E: ")]


def upstream(version: str) -> str:
    """Return the upstream part of a Debian version: 3.0.20 of 3.0.20-1~deb12u2."""
    return _without_epoch(version).rpartition("-")[0] or version


def _without_epoch(version: str) -> str:
    return version.partition(":")[2] or version
