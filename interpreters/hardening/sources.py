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
    from collections.abc import Callable

    from interpreters.hardening.apt import Apt
    from interpreters.hardening.recipes import Component

SILENCE_LIMIT = 60.0
"""Seconds that a server of releases may stay silent."""

SIZE_LIMIT = 200 * 1024 * 1024
"""Bytes after which a download cannot be the release it should be; they have ten to thirty million."""


CHUNK_SIZE = 1024 * 1024
"""Bytes that are read at once."""


class SourceError(HardenError):
    """No source can be had that is what it should be."""


@dataclass(frozen=True)
class SourceFile:
    """A source file that may be unpacked: it is what was asked for, as far as that can be known."""

    path: Path
    """An archive, or a .dsc with its archives beside it."""
    sha256: str
    origin: str
    """Where it is from, and what vouches for it."""


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def given(name: str, part: Component, path: Path) -> SourceFile:
    """Return a source that the user gave; raises SourceError if it is not what its name says.

    A file that is named like the pinned release must have the pinned hash. What vouches for any other
    is the user.
    """
    if not path.is_file():
        msg = f"--{name}-source {path}: there is no such file; give an archive of the source, or a .dsc"
        raise SourceError(msg)
    try:
        digest = sha256_of(path)
    except OSError as error:
        msg = f"--{name}-source {path} cannot be read: {error.strerror}"
        raise SourceError(msg) from error
    pinned = Path(part.url).name.partition(part.release)[2]
    if digest == part.sha256:
        return SourceFile(path, digest, f"{path}, whose sha256 is that of the release {part.release}")
    if path.name.endswith(f"{part.release}{pinned}") or path.name.endswith(f"{part.release}.orig{pinned}"):
        msg = (
            f"{path} is not the release {part.release} that its name says: its sha256 is {digest}, not "
            f"{part.sha256}; nothing was unpacked"
        )
        raise SourceError(msg)
    return SourceFile(path, digest, f"{path}, as given: no hash is known for it")


def obtain(
    name: str,
    part: Component,
    file: Path | None,
    folder: Path,
    apt: Apt,
    say: Callable[[str], None],
) -> SourceFile:
    """Return the source of a part from the first place that has it; raises HardenError that names all.

    `name` is ``openssl`` or ``python``. A hash or signature that does not match ends the search.
    """
    if file:
        return given(name, part, file)
    folder.mkdir(parents=True, exist_ok=True)
    problems = []
    if part.package:
        try:
            path, version = apt.download(part.package, part.accepts, say)
        except AptError as error:
            problems.append(str(error))
        else:
            origin = f"the distribution's source package {part.package} {version}, verified by apt"
            return SourceFile(path, sha256_of(path), origin)
    try:
        return _upstream(part, folder)
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        problems.append(f"{part.url}: {reason}")
    msg = f"no source for {name} {part.version} ({'; '.join(problems)}): give one with --{name}-source FILE"
    raise SourceError(msg)


def _upstream(part: Component, folder: Path) -> SourceFile:
    """Fetch the pinned release; raises OSError or HTTPException, and SourceError if it is another."""
    path = folder / Path(part.url).name
    if not (path.is_file() and sha256_of(path) == part.sha256):
        with replacing(path) as aside:
            # The scheme is https: recipes with another are refused.
            with urllib.request.urlopen(part.url, timeout=SILENCE_LIMIT) as answer, aside.open("wb") as file:  # noqa: S310
                _copy(answer, file)
            digest = sha256_of(aside)
            if digest != part.sha256:
                msg = (
                    f"{part.url} is not the release {part.release}: its sha256 is {digest}, not "
                    f"{part.sha256}; nothing was unpacked"
                )
                raise SourceError(msg)
    return SourceFile(path, part.sha256, f"{part.url}, whose sha256 is the pinned one")


def _copy(answer: http.client.HTTPResponse, file: IO[bytes]) -> None:
    left = SIZE_LIMIT
    while piece := answer.read(CHUNK_SIZE):
        left -= len(piece)
        if left < 0:
            msg = f"it sent more than {SIZE_LIMIT} bytes"
            raise OSError(msg)
        file.write(piece)
