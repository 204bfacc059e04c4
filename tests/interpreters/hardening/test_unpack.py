"""Archives are unpacked whole or not at all, and nothing in them reaches outside."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening.sources import SourceError, SourceFile, sha256_of
from interpreters.hardening.unpack import DiskFullError, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Unpack = Callable[[Path], Path]


def archive(path: Path, members: Iterable[tarfile.TarInfo | tuple[str, str]], mode: str = "w:gz") -> Path:
    """Write an archive of files, given by name and text, or of members as they are."""
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1].encode())
                file.addfile(info, io.BytesIO(member[1].encode()))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """Return a link as a member of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture(params=["tarfile's filter", "our own"])
def to(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Unpack:
    """Return a function that unpacks an archive, with tarfile's filter and as where that does not exist."""
    if request.param == "our own":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python's tarfile has no filters: 3.11.4 or newer enables this")

    def act(path: Path) -> Path:
        folder = tmp_path / "work" / "tree"
        unpack(SourceFile(path, sha256_of(path), "a test"), (), folder, os.environ)
        return folder

    return act


def nothing_is_left(tmp_path: Path) -> bool:
    """Whether neither the tree nor anything half unpacked is there."""
    return not list((tmp_path / "work").iterdir()) and not (tmp_path / "outside").exists()


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
def test_an_archive_is_unpacked_without_its_root(tmp_path: Path, to: Unpack, mode: str) -> None:
    """What lies below an archive's one root lies below the folder, however it is compressed."""
    path = archive(tmp_path / "a", [("root-1.0/sub/file", "text"), link("root-1.0/sub/link", "file")], mode)
    folder = to(path)
    assert (folder / "sub" / "link").read_text() == "text"
    assert os.listdir(tmp_path / "work") == ["tree"]  # noqa: PTH208


@pytest.mark.parametrize(
    "members",
    [
        [("root/a", ""), ("root/../../outside", "x")],
        [("../outside", "x")],
        [("root/a", ""), link("root/up", "../..")],
        [("root/a", ""), link("root/up", "/etc/passwd")],
        [("root/a", ""), link("root/hard", "../outside", tarfile.LNKTYPE)],
        [("root/a", ""), link("root/device", "", tarfile.CHRTYPE)],
    ],
    ids=["dots", "root", "link up", "absolute link", "hard link", "device"],
)
def test_nothing_reaches_outside(
    tmp_path: Path, to: Unpack, members: list[tarfile.TarInfo | tuple[str, str]]
) -> None:
    """An archive with a member that would be, or lead, outside is refused, and nothing is left."""
    path = archive(tmp_path / "evil.tgz", members)
    with pytest.raises(SourceError, match=r"evil\.tgz reaches outside its own root and was not unpacked"):
        to(path)
    assert nothing_is_left(tmp_path)


def cut(data: bytes) -> bytes:
    """Return a file's first half."""
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """Return a file in which one bit of its middle is another."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b"no archive", lambda _: b""])
def test_a_damaged_archive_is_refused(
    tmp_path: Path, to: Unpack, mode: str, damage: Callable[[bytes], bytes]
) -> None:
    """An archive that is cut off, altered or none at all is refused in one sentence, and nothing is left."""
    path = archive(tmp_path / "bad.tgz", [(f"root/{n}", os.urandom(3000).hex()) for n in range(20)], mode)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match=r"bad\.tgz (is damaged, or no archive|could not be unpacked)"):
        to(path)
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("members", [[("a/x", ""), ("b/x", "")], [("file", "")], []])
def test_an_archive_without_one_root_is_refused(
    tmp_path: Path, to: Unpack, members: list[tuple[str, str]]
) -> None:
    """A source release has one folder; anything else is none."""
    with pytest.raises(SourceError, match="is no source release"):
        to(archive(tmp_path / "a.tgz", members))
    assert nothing_is_left(tmp_path)


def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    """A file whose hash is not the one it was accepted with is not unpacked."""
    path = archive(tmp_path / "a.tgz", [("root/file", "text")])
    with pytest.raises(SourceError, match="has changed since it was fetched"):
        unpack(SourceFile(path, "0" * 64, "a test"), (), tmp_path / "work" / "tree", os.environ)
    assert nothing_is_left(tmp_path)


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while an archive is unpacked is said, and nothing is left."""
    path = archive(tmp_path / "a.tgz", [("root/file", "text")])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(DiskFullError, match=r"is full: a\.tgz could not be unpacked; make room"):
        unpack(SourceFile(path, sha256_of(path), "a test"), (), tmp_path / "work" / "tree", os.environ)
    assert nothing_is_left(tmp_path)


def md5(path: Path) -> str:
    """Return the hash that the format still asks for beside a better one."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return the .dsc of a small Debian source package with two patches, or skip."""
    if not (shutil.which("dpkg-source") and shutil.which("patch")):
        pytest.skip("no dpkg-source or no patch: apt-get install dpkg-dev patch enables this")
    folder = tmp_path / "package"
    folder.mkdir()
    archive(folder / "thing_1.0.orig.tar.gz", [("thing-1.0/file", "one\ntwo\n")])
    members = [
        (
            "debian/changelog",
            "thing (1.0-1) x; urgency=low\n\n  * x\n\n -- A <a@b.org>  Thu, 01 Jan 2026 00:00:00 +0000\n",
        ),
        (
            "debian/control",
            "Source: thing\nMaintainer: A <a@example.org>\n\nPackage: thing\nArchitecture: any\n",
        ),
        ("debian/source/format", "3.0 (quilt)\n"),
        ("debian/patches/series", "# a comment\nfirst.diff\nsecond.diff -p1 # because\n"),
        ("debian/patches/first.diff", "--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"),
        ("debian/patches/second.diff", "--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n ONE\n-two\n+TWO\n"),
    ]
    archive(folder / "thing_1.0-1.debian.tar.gz", members)
    files = sorted(folder.iterdir())
    sums = "".join(f" {sha256_of(path)} {path.stat().st_size} {path.name}\n" for path in files)
    dsc = folder / "thing_1.0-1.dsc"
    dsc.write_text(
        "Format: 3.0 (quilt)\nSource: thing\nBinary: thing\nArchitecture: any\nVersion: 1.0-1\n"
        f"Maintainer: A <a@example.org>\nChecksums-Sha256:\n{sums}Files:\n"
        + "".join(f" {md5(path)} {path.stat().st_size} {path.name}\n" for path in files)
    )
    return dsc


@pytest.mark.parametrize(
    ("skipped", "text"),
    [((), "ONE\nTWO\n"), (("second.diff",), "ONE\ntwo\n"), (("unknown.diff",), "ONE\nTWO\n")],
)
def test_a_package_is_patched(tmp_path: Path, package: Path, skipped: tuple[str, ...], text: str) -> None:
    """A source package is unpacked with its patches in their order, without those that are to be skipped."""
    folder = tmp_path / "work" / "tree"
    unpack(SourceFile(package, sha256_of(package), "a test"), skipped, folder, os.environ)
    assert (folder / "file").read_text() == text


def test_a_package_whose_archive_was_altered_is_refused(tmp_path: Path, package: Path) -> None:
    """A source package with an archive that is not the one its .dsc names is not unpacked."""
    original = package.with_name("thing_1.0.orig.tar.gz")
    archive(original, [("thing-1.0/file", "evil\n")])
    with pytest.raises(SourceError, match=r"thing_1\.0-1\.dsc could not be unpacked: dpkg-source"):
        unpack(SourceFile(package, sha256_of(package), "a test"), (), tmp_path / "work" / "tree", os.environ)
    assert nothing_is_left(tmp_path)


def test_a_patch_that_does_not_fit_is_refused(tmp_path: Path, package: Path) -> None:
    """A package of which a patch cannot be applied is not built without it."""
    # The second changes a line beside one that only the first makes.
    with pytest.raises(SourceError, match="could not be unpacked: patch"):
        unpack(
            SourceFile(package, sha256_of(package), "a test"),
            ("first.diff",),
            tmp_path / "work" / "tree",
            os.environ,
        )
    assert nothing_is_left(tmp_path)
