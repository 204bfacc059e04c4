"""Unpacks source archives so that nothing in them can reach outside the folder they are unpacked to."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.hardening.recipes import HardenError
from interpreters.hardening.sources import CHUNK_SIZE, SourceError, sha256_of
from interpreters.processes import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.hardening.sources import SourceFile

STEP_LIMIT = 300.0
"""Seconds that unpacking a package, or one of its patches, may take."""


class DiskFullError(HardenError):
    """There is no space left where something has to be written."""


def unpack(source: SourceFile, skip_patches: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
    """Unpack a source to `folder`, which appears only when it is complete.

    Raises SourceError for an archive that is damaged, reaches outside its root or has no single root,
    and DiskFullError.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if sha256_of(source.path) != source.sha256:
            msg = (
                f"{source.path} has changed since it was fetched; nothing was unpacked: run the session again"
            )
            raise SourceError(msg)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unpacking-") as staging:
            if source.path.suffix == ".dsc":
                root = _unpack_package(source.path, skip_patches, Path(staging), env)
            else:
                root = _unpack_archive(source.path, Path(staging))
            root.rename(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            msg = f"{folder.parent} is full: {source.path.name} could not be unpacked; make room"
            raise DiskFullError(msg) from error
        msg = f"{source.path} could not be unpacked: {error}"
        raise SourceError(msg) from error


def _unpack_archive(path: Path, folder: Path) -> Path:
    try:
        _read_whole(path)
        with tarfile.open(path) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # Python 3.11 before 3.11.4
                archive.extractall(folder, map(_harmless, archive))  # noqa: S202
    except REFUSED as error:
        msg = f"{path} reaches outside its own root and was not unpacked: {error}"
        raise SourceError(msg) from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        msg = f"{path} is damaged, or no archive: {error}"
        raise SourceError(msg) from error
    roots = list(folder.iterdir())
    if len(roots) != 1 or not roots[0].is_dir():
        msg = f"{path} is no source release: it should hold one folder, and has {len(roots)} entries"
        raise SourceError(msg)
    return roots[0]


def _read_whole(path: Path) -> None:
    """Read an archive to its end, where its checksum is: tarfile stops before, and would not notice."""
    with path.open("rb") as file:
        head = file.read(2)
    openers = {b"\x1f\x8b": gzip.GzipFile, b"BZ": bz2.BZ2File, b"\xfd7": lzma.LZMAFile}
    with openers.get(head, open)(path, "rb") as stream:
        while stream.read(CHUNK_SIZE):
            pass


class OutsideError(tarfile.TarError):
    """A member of an archive would be written, or lead, outside the folder it is unpacked to.

    No FloorError: it is one of the errors of tarfile, and becomes a SourceError together with those.
    """


REFUSED = (OutsideError, getattr(tarfile, "FilterError", OutsideError))


def _harmless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a file, folder or link that cannot leave; raises OutsideError for all else.

    Stricter than tarfile's own filter, and so shorter: no source release has a link that goes up.
    """
    paths = (Path(member.name), Path(member.linkname or "."))
    leaves = any(path.is_absolute() or ".." in path.parts for path in paths)
    if leaves or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        msg = f"{member.name!r} would be outside, or is no file"
        raise OutsideError(msg)
    member.mode &= 0o755
    return member


def _unpack_package(path: Path, skip_patches: Sequence[str], folder: Path, env: Mapping[str, str]) -> Path:
    """Unpack a Debian source package and apply its patches, except those to be skipped."""
    root = folder / "source"
    _step(["dpkg-source", "--skip-patches", "--no-copy", "-x", path, root], folder, env, path)
    series = root / "debian" / "patches" / "series"
    lines = series.read_text(encoding="utf-8").splitlines() if series.exists() else []
    for line in lines:
        name = re.sub(r"(^|\s)#.*", "", line).strip().partition(" ")[0]
        if name and name not in skip_patches:
            patch = [
                "patch",
                "--silent",
                "--force",
                "--strip=1",
                "--fuzz=0",
                f"--input={series.parent / name}",
            ]
            _step(patch, root, env, path)
    return root


def _step(command: Sequence[str | Path], folder: Path, env: Mapping[str, str], path: Path) -> None:
    try:
        status, output = run(command, env, STEP_LIMIT, folder)
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{path.name} could not be unpacked: {command[0]}: {error}"
        raise SourceError(msg) from error
    if status:
        words = " / ".join(output.split("\n")[-3:]).strip(" /")
        if os.strerror(errno.ENOSPC) in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        msg = f"{path.name} could not be unpacked: {command[0]}: {words or f'status {status}'}"
        raise SourceError(msg)
