"""Makes the small botocore that travels with the probe to Pythons of places which have none."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.environments import (
    NO_SETTINGS,
    ClientVenv,
    Installer,
    NoEnvironmentError,
    installers_environment,
    run_installer,
)
from interpreters.interpreter import MADE, sent_id
from interpreters.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.clients import ClientKey
    from interpreters.prepared import Prepared

LIBRARY = "botocore"
"""What is sent, with what it requires: a requirement, and the module that it brings."""

DATA = Path(LIBRARY, "data")
SERVICE = "s3"
"""The one service that a probe makes a client of."""

ENDPOINTS = "endpoints.json"


@dataclass
class Parcels:
    """What is sent to each version of Python, each made once, in a folder that lasts as long as the run."""

    installer: Installer
    env: Mapping[str, str]
    """The caller's."""
    folder: Path
    _known: dict[str, Path | NoEnvironmentError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, version: str) -> Path:
        """Return the folder for a version of Python, such as 3.9; raises NoEnvironmentError without one."""
        with self._lock:
            if version not in self._known:
                try:
                    self._known[version] = self._make(version)
                except NoEnvironmentError as error:
                    self._known[version] = error
            if isinstance(found := self._known[version], NoEnvironmentError):
                raise found
            return found

    def _make(self, version: str) -> Path:
        whole, small = self.folder / f"whole-{version}", self.folder / version
        command = [
            *(self.installer.uv, "pip", "install", "--quiet", "--python", str(self.installer.tool_python)),
            *("--python-version", version, "--target", str(whole)),
            *(*self.installer.sources, *self.installer.kinds, LIBRARY),
        ]
        try:
            run_installer(
                command, installers_environment(self.env, self.installer.cache / "home"), NO_SETTINGS
            )
            copy_small(whole, small)
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            msg = f"there is no {LIBRARY} to send to a Python {version}: {error}"
            raise NoEnvironmentError(msg) from error
        shutil.rmtree(whole)
        return small


def copy_small(whole: Path, small: Path) -> None:
    """Copy installed packages without what no probe reads; raises ValueError for what is not as it was."""
    for path in sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file()):
        if not _is_read(path):
            continue
        target = small / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path == DATA / ENDPOINTS:
            target.write_text(_small_endpoints((whole / path).read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(whole / path, target)
    if not (small / LIBRARY / "__init__.py").is_file():
        msg = f"the installer brought no {LIBRARY}"
        raise ValueError(msg)


def _is_read(path: Path) -> bool:
    """Whether a probe may read a file: code, the name of a distribution, or the data of the one service."""
    if path.suffix == ".py" or path.name == "METADATA":
        return True
    needed = path.parent == DATA or path.is_relative_to(DATA / SERVICE)
    return needed and path.suffix in (".json", ".gz") and "examples" not in path.name


def _small_endpoints(text: str) -> str:
    """Return the list of endpoints with those of one service."""
    document = json.loads(text)
    for partition in document["partitions"]:
        partition["services"] = {
            name: facts for name, facts in partition["services"].items() if name == SERVICE
        }
    return json.dumps(document)


def with_sent(prepared: Prepared, parcels: Parcels, requirements: Mapping[ClientKey, str]) -> Prepared | None:
    """Return an interpreter of a place as it is with what is sent there; None for one that needs none.

    That has an id of its own and an environment that was made: nobody there uses what was sent. A client
    that requires more than is sent has a reason.
    """
    interpreter, identity = prepared.interpreter, prepared.identity
    if interpreter.unavailable or not interpreter.is_as_installed or identity is None:
        return None
    if identity.files is None or LIBRARY not in identity.files.absent:
        return None
    made = replace(
        interpreter,
        id=sent_id(interpreter.id),
        environment=MADE,
        search_path=(),
        distributions_sha256="",
    )
    major, minor = version_of(identity.version).release[:2]
    try:
        folder = parcels.of(f"{major}.{minor}")
    except NoEnvironmentError as error:
        return replace(prepared, interpreter=replace(made, unavailable=str(error)))
    more = {client: words for client, words in requirements.items() if words != LIBRARY}
    venvs = [
        ClientVenv(prepared.executable, tuple(client for client in requirements if client not in more)),
        *(
            ClientVenv(None, (client,), f"{LIBRARY} alone is sent, and not {words}")
            for client, words in more.items()
        ),
    ]
    return replace(prepared, interpreter=made, venvs=tuple(venvs), sent=folder)


def sentence(prepared: Prepared) -> str:
    """Say what the rows of such an interpreter are about."""
    return (
        f"The rows of {prepared.interpreter.id} are about the newest {LIBRARY} for its Python, which was sent"
        " there for the measurement and is gone: nothing there has it (--newest)."
    )
