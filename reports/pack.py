"""An audit pack: a run's folder as one archive, with a signature by ssh-keygen where a key is given."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from reports.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = "tls-floor-matrix"
"""What a signature is for, so that one for another purpose is none here (ssh-keygen(1), -n)."""

SIGNER = "auditor"
"""The identity that has to have signed, unless another is named."""

SIGNATURE = ".sig"
"""Ends the name of a signature, behind that of the pack, as ssh-keygen names it."""

SUFFIX = ".tar.gz"

LARGEST = 4 * 1024**3
"""Bytes of a pack, unpacked, at most: a fleet's captures are some megabytes."""

LIMIT = 60
"""Seconds that ssh-keygen may take: with a key on a token it waits for a finger."""


class PackError(FloorError):
    """A pack cannot be made or verified; the message says which, why, and what to do."""


def make_pack(run: Path, target: Path, key: Path | None = None) -> list[Path]:
    """Write a run's folder into an archive in `target`, signed if there is a key; return what was written.

    The same run makes the same bytes. Raises PackError for a run in which something does not follow: nobody
    should sign that.
    """
    if problems := verify(run, same_tool=False):
        more = f", and {len(problems) - 1} more: see nox -s verify" if len(problems) > 1 else ""
        msg = f"the run {run.name} is not packed: {problems[0]}{more}"
        raise PackError(msg)
    target.mkdir(parents=True, exist_ok=True)
    pack = target / f"{run.name}{SUFFIX}"
    with (
        pack.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(path for path in run.rglob("*") if path.is_file()):
            archive.add(path, f"{run.name}/{path.relative_to(run).as_posix()}", filter=_anonymous)
    signature = pack.with_name(pack.name + SIGNATURE)
    signature.unlink(missing_ok=True)
    if key is None:
        return [pack]
    _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(pack)], f"sign with {key}")
    return [pack, signature]


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry of an archive without its owner and time, which are of the machine that packs."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def unpack(pack: Path, scratch: Path) -> Path:
    """Unpack a pack into a folder, which no entry leaves; return the run's folder. Raises PackError."""
    try:
        with tarfile.open(pack, "r:gz") as archive:
            entries = archive.getmembers()
            if sum(entry.size for entry in entries) > LARGEST:
                msg = f"{pack} holds more than {LARGEST // 1024**3} GiB, which no run's report does"
                raise PackError(msg)
            for entry in entries:
                _extract(archive, entry, scratch)
    except (OSError, ValueError, tarfile.TarError, EOFError, zlib.error) as error:
        if not pack.is_file():
            msg = f"there is no pack {pack}: give the file that nox -s pack wrote, or a run's folder"
            raise PackError(msg) from error
        msg = f"{pack} is no whole pack of this tool: {error}"
        raise PackError(msg) from error
    folders = [path for path in scratch.iterdir() if path.is_dir()]
    if len(folders) != 1:
        msg = f"{pack} holds {len(folders)} folders, and a pack of this tool holds one"
        raise PackError(msg)
    return folders[0]


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, scratch: Path) -> None:
    """Write an entry below a folder; raises ValueError for what make_pack never writes, such as a link.

    By hand: the filters of tarfile are not in each Python 3.11.
    """
    inside = PurePosixPath(entry.name)
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None or inside.is_absolute() or ".." in inside.parts:
        msg = f"it holds {entry.name!r}, which is no file of a run"
        raise ValueError(msg)
    target = scratch / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("xb") as file:
        shutil.copyfileobj(content, file)


def signer(pack: Path, allowed: Path | None, identity: str) -> str:
    """Say in a sentence whose signature a pack has; raises PackError for one that is not good.

    `allowed` is a file of allowed signers (ssh-keygen(1), ALLOWED SIGNERS) with the identity in it. Without
    one a good signature shows only that nothing changed since somebody signed, and not who did. Of a run's
    folder there is nothing to say, and nobody may believe that its signer was asked about.
    """
    if pack.is_dir():
        if allowed is None:
            return ""
        msg = f"{pack} is a run's folder, which has no signature: give the pack, as in nox -s verify -- PACK"
        raise PackError(msg)
    signature = pack.with_name(pack.name + SIGNATURE)
    if not signature.is_file():
        if allowed is not None:
            msg = f"{signature} is not there: the pack was not signed, or its signature was left behind"
            raise PackError(msg)
        return "It is not signed: who packed it is not known."
    words = ["-n", NAMESPACE, "-s", str(signature)]
    if allowed is None:
        answer = _ssh_keygen(["-Y", "check-novalidate", *words], "check the signature", pack)
        return f"{answer}. Whose key that is was not asked: give --allowed FILE."
    answer = _ssh_keygen(
        ["-Y", "verify", "-f", str(allowed), "-I", identity, *words],
        f"accept the signature as that of {identity}",
        pack,
    )
    return f"{answer}."


def _ssh_keygen(words: Sequence[str], purpose: str, stdin: Path | None = None) -> str:
    """Run ssh-keygen on a file; return what it says, and raise PackError where it does not do it."""
    program = shutil.which("ssh-keygen")
    if program is None:
        msg = "there is no ssh-keygen, which makes and checks signatures: install OpenSSH's client"
        raise PackError(msg)
    try:
        with (stdin or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(
                [program, *words], stdin=source, capture_output=True, text=True, timeout=LIMIT, check=False
            )
    except subprocess.TimeoutExpired as error:
        msg = f"ssh-keygen did not {purpose} within {LIMIT} s"
        raise PackError(msg) from error
    answer = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode:
        last_words = done.stderr.strip().splitlines() or answer or ["it says nothing"]
        msg = f"ssh-keygen did not {purpose}: {last_words[-1]}"
        raise PackError(msg)
    return answer[-1] if answer else "signed"
