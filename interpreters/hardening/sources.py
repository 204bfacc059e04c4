"""Gets the source of what is built: a given file, the distribution's package, or the upstream release."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from interpreters.atomic import replacing
from interpreters.hardening.apt import AptError
from interpreters.hardening.recipes import HardenError

if TYPE_CHECKING:
    from interpreters.hardening.apt import Apt
    from interpreters.hardening.recipes import Component
    from interpreters.hardening.request import ComponentRequest

SILENCE_LIMIT = 60.0
"""Seconds that a server of releases may stay silent."""

SIZE_LIMIT = 200 * 1024 * 1024
"""Bytes after which a download cannot be the release it should be; they have ten to thirty million."""


CHUNK_SIZE = 1024 * 1024
"""Bytes that are read at once."""


class SourceError(HardenError):
    """There is no source that is what it should be."""


@dataclass(frozen=True)
class SourceFile:
    """A source file that may be unpacked: its hash or signature was checked, where one is known."""

    path: Path
    """An archive, or a .dsc with its archives beside it."""
    sha256: str
    origin: str
    """Where it is from, and what vouches for it."""


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def given(wanted: ComponentRequest, path: Path) -> SourceFile:
    """Return a source that the user gave; raises SourceError if it is not what its name says.

    A file that is named like the pinned release must have the pinned hash. What vouches for any other
    is the user.
    """
    component = wanted.component
    if not path.is_file():
        msg = (
            f"--{wanted.name}-source {path}: there is no such file; give an archive of the source, or a .dsc"
        )
        raise SourceError(msg)
    try:
        digest = sha256_of(path)
    except OSError as error:
        msg = f"--{wanted.name}-source {path} cannot be read: {error.strerror}"
        raise SourceError(msg) from error
    release = component.release
    if digest == component.sha256:
        return SourceFile(path, digest, f"{path}, whose sha256 is that of the release {release}")
    ending = Path(component.url).name.partition(release)[2]
    if path.name.endswith((f"{release}{ending}", f"{release}.orig{ending}")):
        msg = (
            f"{path} is not the release {release} that its name says: its sha256 is {digest}, not "
            f"{component.sha256}; nothing was unpacked"
        )
        raise SourceError(msg)
    return SourceFile(path, digest, f"{path}, as given: no hash is known for it")


def obtain(wanted: ComponentRequest, folder: Path, apt: Apt) -> SourceFile:
    """Return the source of a component from the first place that has it; raises HardenError that names all.

    A hash or signature that does not match ends the search. What is fetched is put into `folder`.
    """
    if wanted.file:
        return given(wanted, wanted.file)
    component = wanted.component
    folder.mkdir(parents=True, exist_ok=True)
    problems = []
    if component.package:
        try:
            path, version = apt.download(component.package, component.accepts)
        except AptError as error:
            problems.append(str(error))
        else:
            origin = f"the distribution's source package {component.package} {version}, verified by apt"
            return SourceFile(path, sha256_of(path), origin)
    try:
        return _upstream(component, folder)
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        problems.append(f"{component.url}: {reason}")
    wanted_source = f"{wanted.name} {component.version}"
    msg = f"no source for {wanted_source} ({'; '.join(problems)}): give one with --{wanted.name}-source FILE"
    raise SourceError(msg)


def _upstream(component: Component, folder: Path) -> SourceFile:
    """Fetch the pinned release; raises OSError or HTTPException, and SourceError if it is another."""
    path = folder / Path(component.url).name
    if not (path.is_file() and sha256_of(path) == component.sha256):
        with replacing(path) as partial:
            # The scheme is https: recipes with another are refused.
            with (
                urllib.request.urlopen(component.url, timeout=SILENCE_LIMIT) as answer,  # noqa: S310
                partial.open("wb") as file,
            ):
                _copy(answer, file)
            digest = sha256_of(partial)
            if digest != component.sha256:
                msg = (
                    f"{component.url} is not the release {component.release}: its sha256 is {digest}, not "
                    f"{component.sha256}; nothing was unpacked"
                )
                raise SourceError(msg)
    return SourceFile(path, component.sha256, f"{component.url}, whose sha256 is the pinned one")


def _copy(answer: http.client.HTTPResponse, file: IO[bytes]) -> None:
    left = SIZE_LIMIT
    while chunk := answer.read(CHUNK_SIZE):
        left -= len(chunk)
        if left < 0:
            msg = f"it sent more than {SIZE_LIMIT} bytes"
            raise OSError(msg)
        file.write(chunk)
