"""Builds an OpenSSL without the protocols below the floor, and a CPython that is linked to it statically."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.hardening.build import BuildDir, install_atomically
from interpreters.hardening.installed import InstalledPair, check_installed
from interpreters.hardening.pair import PairBuilder
from interpreters.hardening.preflight import check_room, check_tools, check_writable, existing, unwritable
from interpreters.hardening.recipes import HardenError
from interpreters.hardening.stamp import StampFile, read_stamp
from interpreters.hardening.unpack import DiskFullError
from interpreters.log import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.hardening.request import BuildRequest

GUIDE_BASE = Path("/opt")
"""Where the AWS guide puts both prefixes."""


class BuildInProgressError(HardenError):
    """Another build is at work on the same folder."""


def default_base(env: Mapping[str, str]) -> Path:
    """Return /opt, as in the AWS guide, or the user's data folder if /opt is not writable."""
    reason = unwritable(GUIDE_BASE)
    if not reason:
        return GUIDE_BASE
    home = Path(env.get("HOME", "~")).expanduser()
    base = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "tls-floor-matrix"
    LOG.info("nothing can be made in %s: the build goes to %s; --prefix DIR chooses another", reason, base)
    return base


@contextlib.contextmanager
def installed_pair(
    request: BuildRequest,
    cache: Path,
    env: Mapping[str, str],
    *,
    rebuild: bool = False,
) -> Iterator[InstalledPair]:
    """Build the pair and install it for the block; the pair stays if the block succeeds.

    If the block fails, because the pair cannot be proven or on Ctrl-C, the prefixes become as they were.
    What was built stays in `cache`, so that another run goes on from there. Raises HardenError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    base = existing(request.base)
    with _alone(cache), _alone(base), _full_disks():
        key = request.key()
        proven = None if rebuild else _proven(request, key)
        if proven:
            checks = check_installed(request, proven, env, cache)
            yield InstalledPair(request, proven, checks, fresh=False)
            return
        _refuse_strangers(request, key, rebuild=rebuild)
        _refuse_spaces(cache, request.base.absolute())
        for wanted in request.components:
            check_writable(wanted.prefix)
        build_dir = BuildDir(cache / f"pair-{key}")
        builder = PairBuilder(request, key, build_dir, env)
        _build(builder, env)
        stamp = builder.stamp()
        with install_atomically(builder.staged_prefixes):
            checks = check_installed(request, stamp, env, cache)
            yield InstalledPair(request, stamp, checks, fresh=True)
        build_dir.tidy()


def _proven(request: BuildRequest, key: str) -> StampFile | None:
    """Return the stamp of a build that is in place, proven, and by this very recipe."""
    stamp = read_stamp(request.python.prefix)
    return stamp if isinstance(stamp, StampFile) and stamp.key == key else None


def _refuse_strangers(request: BuildRequest, key: str, *, rebuild: bool) -> None:
    """Refuse to replace a folder that holds anything but this same build."""
    for prefix in (wanted.prefix for wanted in request.components):
        if not prefix.exists() or (prefix.is_dir() and not any(prefix.iterdir())):
            continue
        stamp = read_stamp(prefix)
        if stamp is None:
            msg = f"{prefix} is there already and not by us: move it away, or choose with --prefix DIR"
            raise HardenError(msg)
        if stamp.key != key and not rebuild:
            msg = (
                f"{prefix} has the build {stamp.recipe} with other settings: --fresh replaces it, "
                "--prefix DIR puts this one elsewhere"
            )
            raise HardenError(msg)


def _refuse_spaces(*folders: Path) -> None:
    """Refuse folders that the builds' own scripts would take for two words, or for something to expand."""
    for folder in folders:
        if odd := re.search(r"[^\w@%+=:,./-]", str(folder)):
            msg = f"{folder} has {odd[0]!r} in its name, which configure cannot take: use a folder without it"
            raise HardenError(msg)


def _build(builder: PairBuilder, env: Mapping[str, str]) -> None:
    """Do what is left of the build, and say what the pair will lack."""
    request, build_dir = builder.request, builder.build_dir
    if lacking := check_tools(env, packages=_needs_package_tools(request)):
        LOG.info("this Python will be without %s, whose headers are not here", ", ".join(lacking))
    if request.recipe.end_of_life:
        LOG.info(
            "%s is at its end of life: nobody repairs what is found in it from now on", request.recipe.id
        )
    for other in build_dir.path.parent.iterdir():  # what an earlier build of something else left
        if other.is_dir() and other != build_dir.path:
            shutil.rmtree(other, ignore_errors=True)
    if build_dir.is_new:
        check_room(build_dir.path, request.python.prefix)
    build_dir.run(builder.phases())


def _needs_package_tools(request: BuildRequest) -> bool:
    """Whether a Debian source package may have to be unpacked."""
    from_apt = any(wanted.component.package and not wanted.file for wanted in request.components)
    given = any(wanted.file.suffix == ".dsc" for wanted in request.components if wanted.file)
    return given or (from_apt and shutil.which("apt-get") is not None)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder for one build; raises BuildInProgressError if another has it.

    The lock is on the folder itself, so nothing is left behind, and it ends with the process.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another hardened build is at work in {folder}: wait until it is done"
            raise BuildInProgressError(msg) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _full_disks() -> Iterator[None]:
    """Turn what the system says when a disk is full, or forbids something, into a sentence."""
    try:
        yield
    except OSError as error:
        # What shutil could not copy comes as a list of texts, without an error number.
        full = error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)
        where = error.filename or "a file"
        if full:
            msg = "no space is left on the disk: make room, and run it again to go on"
            raise DiskFullError(msg) from error
        msg = f"{where} could not be written or read: {error.strerror or error}"
        raise HardenError(msg) from error
