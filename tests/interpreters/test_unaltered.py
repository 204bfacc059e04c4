"""A change of owner or mode alone is no change, where an earlier run saw what the files had in them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.identify import parse_identity
from interpreters.interpreter import RUNNING, RunningProcess
from interpreters.locate import Candidate
from interpreters.prepared import Prepared
from interpreters.since import LAG
from interpreters.unaltered import unaltered

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ServedEnvironment:
    """A process that runs in an environment under a configuration."""

    folder: Path
    facts: dict[str, Any]
    began: float

    @property
    def memory(self) -> Path:
        """The file of what was seen; it lies in no folder that counts."""
        return self.folder / "cache/processes.json"

    @property
    def conf(self) -> Path:
        """Its OpenSSL configuration."""
        return self.folder / "openssl.cnf"

    @property
    def metadata(self) -> Path:
        """What says which urllib3 it has."""
        return self.folder / "venv/lib/python3.11/site-packages/urllib3-1.26.20.dist-info"

    def run(self) -> set[str]:
        """Return the names of what a run finds changed since the process began, and lets a tick pass."""
        process = RunningProcess(12, "web", "2026-01-01T00:00:00+00:00", "gunicorn", began=self.began)
        environment = self.folder / "venv"
        candidate = Candidate("running_shop", RUNNING, environment / "bin/python", environment=environment)
        candidate = replace(candidate, processes=(process,))
        identity = parse_identity({**self.facts, "path": [str(self.metadata.parent)]})
        env = {"OPENSSL_CONF": str(self.conf)}
        (found,) = unaltered([Prepared.of(candidate, identity, env)], env, self.memory)
        time.sleep(2 * LAG)
        return {Path(path).name for path in found.interpreter.processes[0].replaced}


@pytest.fixture
def service(tmp_path: Path, facts: dict[str, Any]) -> ServedEnvironment:
    """Return a service that began after all that it reads was there."""
    made = ServedEnvironment(tmp_path, facts, 0.0)
    for folder in (made.metadata, made.memory.parent):
        folder.mkdir(parents=True)
    (made.metadata / "METADATA").write_text("Name: urllib3")
    (tmp_path / "venv/pyvenv.cfg").touch()
    made.conf.write_text("MinProtocol = TLSv1.2")
    time.sleep(2 * LAG)
    began = time.time()
    time.sleep(2 * LAG)
    return replace(made, began=began)


def chown(service: ServedEnvironment) -> None:
    """Do what `chown -R` does to all of it: set owner and group, even to what they are."""
    for path in (service.folder, *service.folder.rglob("*")):
        os.chown(path, os.geteuid(), os.getegid())


def restored(service: ServedEnvironment) -> None:
    """Write another configuration, as long as the one before and with its time, as `cp -p` does."""
    before = service.conf.stat()
    service.conf.write_text("MinProtocol = TLSv1.1")
    os.utime(service.conf, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_back(service: ServedEnvironment) -> None:
    """Edit the configuration, and take the edit back."""
    text = service.conf.read_text()
    service.conf.write_text("")
    service.conf.write_text(text)


def reinstalled(service: ServedEnvironment) -> None:
    """Put another release into the place, under the same name."""
    (service.metadata / "METADATA").unlink()
    (service.metadata / "METADATA").write_text("Name: urllib3")


def test_a_change_of_owner_alone_is_none(service: ServedEnvironment) -> None:
    """Where a run looked since the process began, its files have in them what they had then."""
    assert service.run() == set()
    for _ in range(2):
        chown(service)
        assert service.run() == set()


def test_where_nobody_looked_before_nothing_is_taken_for_the_same(service: ServedEnvironment) -> None:
    """What was in the files when the process began is not known, and a run after that does not know it."""
    changed = {"openssl.cnf", "pyvenv.cfg", "venv", "urllib3-1.26.20.dist-info"}
    for _ in range(2):
        chown(service)
        assert changed <= service.run()


def test_what_was_seen_before_a_process_began_tells_nothing_of_it(service: ServedEnvironment) -> None:
    """The file may have been another one when it began, whatever it was before and is now."""
    assert service.run() == set()
    later = replace(service, began=time.time())
    time.sleep(2 * LAG)
    chown(later)
    assert "openssl.cnf" in later.run()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (restored, "openssl.cnf"),
        (put_back, "openssl.cnf"),
        (reinstalled, "urllib3-1.26.20.dist-info"),
    ],
)
def test_another_content_is_a_change(
    service: ServedEnvironment, change: Callable[[ServedEnvironment], None], name: str
) -> None:
    """Neither the old time of a file, nor the old content after an edit, hides that it was another one."""
    assert service.run() == set()
    change(service)
    assert service.run() == {name}
    chown(service)
    assert service.run() == {name}


@pytest.mark.parametrize("text", ["", "[]", '{"/a": 7}', '{"/a": [[1]]}', "\0"])
def test_a_memory_that_makes_no_sense_is_none(service: ServedEnvironment, text: str) -> None:
    """What cannot be read is written anew."""
    service.memory.write_text(text)
    assert service.run() == set()
    chown(service)
    assert service.run() == set()
