"""Unpacks the image of an archive into a folder, as docker save and skopeo write it, without an engine.

Read are docker's own archive, and OCI's image layout as a folder or in a tar archive. What is inside is
somebody else's: a blob has to be what its digest says; nothing is written but below the folder, and through
no link of the image's; devices, pipes and privileges are left out; and there is a limit on what there may be.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from interpreters.places import PlaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from interpreters.places import Place

FOLDER, VARIABLES = "{root}", "{variables}"
"""The words of a way in whose place the folder stands, and what sets the variables of the image."""

BYTES_LIMIT = 32 * 2**30
MEMBERS_LIMIT = 1_000_000
"""What an image may have unpacked, all layers together."""

DOCUMENT_LIMIT = 16 * 2**20
"""Bytes of a manifest, an index or a configuration, and of a header of tar; real ones have thousands."""

DEPTH = 4
"""Indexes one within the other that are followed."""

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""How the name of a file begins that removes one of a lower layer; what removes all that is in its folder."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""This machine's architecture, as images name it."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

BROKEN = (
    *(tarfile.TarError, EOFError, zlib.error, RecursionError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),
)


@dataclass(frozen=True)
class Image:
    """An image: which one it is, its layers from the lowest on, and the variables that its programs get."""

    digest: str
    layers: tuple[str, ...]
    """Names of files in the archive."""
    variables: tuple[tuple[str, str], ...]


@dataclass
class Bounds:
    """How much more may be unpacked."""

    bytes_left: int = BYTES_LIMIT
    members_left: int = MEMBERS_LIMIT

    def take(self, size: int) -> None:
        """Count a member; raises ValueError beyond the limits."""
        self.bytes_left -= size
        self.members_left -= 1
        if self.bytes_left < 0 or self.members_left < 0:
            msg = f"it has more than {BYTES_LIMIT} bytes or {MEMBERS_LIMIT} files unpacked"
            raise ValueError(msg)


def unpacked(ways: Sequence[Place], folder: Path) -> tuple[Place, ...]:
    """Return the ways to a place; to an archive those to its image, which is unpacked below `folder`.

    Raises PlaceError for what is no such archive, or has more in it than is unpacked.
    """
    if not any(FOLDER in place.prefix for place in ways):
        return tuple(ways)
    archive = Path(ways[0].name)
    try:
        root = Path(tempfile.mkdtemp(dir=folder))
        image = unpack(archive, root, Bounds())
        for inside in ("proc", "dev", "tmp"):
            with contextlib.suppress(FileExistsError):
                (root / inside).mkdir()
    except OSError as error:
        msg = f"the image archive {archive} cannot be unpacked: {error.strerror or error}"
        raise PlaceError(msg) from error
    except BROKEN as error:
        msg = f"the image archive {archive} cannot be unpacked: {type(error).__name__}: {str(error)[:200]}"
        raise PlaceError(msg) from error
    settings = [word for setting in image.variables for word in ("--setenv", *setting)]
    words = {FOLDER: [str(root)], VARIABLES: settings}
    return tuple(
        replace(
            place,
            prefix=tuple(filled for word in place.prefix for filled in words.get(word, [word])),
            # As a command, because that is how other places say which they are.
            identity=("echo", image.digest),
        )
        for place in ways
    )


def unpack(archive: Path, root: Path, bounds: Bounds) -> Image:
    """Unpack the image of an archive; return which it is. Raises OSError, or one of BROKEN."""
    with _opened(archive) as files:
        image = files.image()
        for layer in image.layers:
            with files.open(layer) as stream, _plain(stream) as plain:
                _apply(cast("IO[bytes]", Forward(plain)), root, bounds)
    return image


class Files:
    """The files of an archive: of a folder, or in a tar file."""

    def __init__(self, folder: Path, tar: tarfile.TarFile | None = None) -> None:
        self.folder, self.tar = folder, tar

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Read a file; raises ValueError after the block where it is not what its name's digest says."""
        with self._opened(name) as stream:
            digest = re.fullmatch(r"blobs/sha256/([0-9a-f]{64})", name)
            known = Hashed(stream)
            yield cast("IO[bytes]", known)
            if digest and known.digest() != digest[1]:
                msg = f"{name} is not what its digest says"
                raise ValueError(msg)

    def _opened(self, name: str) -> IO[bytes]:
        if self.tar is None:
            path = self.folder / PurePosixPath("/", name).relative_to("/")
            if ".." in path.parts or not path.is_file():
                msg = f"there is no file {name!r} in it"
                raise ValueError(msg)
            return path.open("rb")
        stream = self.tar.extractfile(name)
        if stream is None:
            msg = f"{name!r} is no file in it"
            raise ValueError(msg)
        return stream

    def document(self, name: str) -> Any:
        """Read JSON."""
        with self.open(name) as stream:
            text = stream.read(DOCUMENT_LIMIT)
            if stream.read(1):
                msg = f"{name} has more than {DOCUMENT_LIMIT} bytes"
                raise ValueError(msg)
        return json.loads(text)

    def image(self) -> Image:
        """Say which image there is: that of OCI's index if there is one, else that of docker's manifest."""
        try:
            index = self.document("index.json")
        except (KeyError, ValueError):
            return self._dockers()
        chosen = self._chosen(index, DEPTH)
        manifest = self.document(_blob(chosen))
        layers = tuple(_blob(layer["digest"]) for layer in manifest["layers"])
        return Image(chosen, layers, _variables(self.document(_blob(manifest["config"]["digest"]))))

    def _dockers(self) -> Image:
        try:
            known = self.document("manifest.json")
        except KeyError as error:
            msg = "there is neither an index.json of OCI nor a manifest.json of docker in it"
            raise ValueError(msg) from error
        manifest = _only(known, "images")
        with self.open(manifest["Config"]) as stream:
            digest = hashlib.sha256(stream.read(DOCUMENT_LIMIT)).hexdigest()
        configuration = self.document(manifest["Config"])
        return Image(f"sha256:{digest}", tuple(manifest["Layers"]), _variables(configuration))

    def _chosen(self, index: Any, depth: int) -> str:
        """Return the digest of the manifest for this machine; raises ValueError where that cannot be told."""
        if not depth:
            msg = f"its indexes lie deeper than {DEPTH} in each other"
            raise ValueError(msg)
        ours = ARCHITECTURES.get(platform.machine(), platform.machine())
        fitting = [
            each
            for each in index["manifests"]
            if each.get("platform", {}).get("architecture", ours) in (ours, "")
        ]
        found = _only(fitting, f"images for {ours}")
        if "index" in found.get("mediaType", "") or "manifest.list" in found.get("mediaType", ""):
            return self._chosen(self.document(_blob(found["digest"])), depth - 1)
        return str(found["digest"])


def _only(found: Sequence[Any], what: str) -> Any:
    if len(found) == 1:
        return found[0]
    msg = f"it has {len(found)} {what}, and which one is meant cannot be told: save one alone"
    raise ValueError(msg)


def _blob(digest: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        msg = f"{digest[:100]!r} is no digest of SHA-256"
        raise ValueError(msg)
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _variables(configuration: Any) -> tuple[tuple[str, str], ...]:
    """Return the variables of an image's configuration that can be set."""
    texts = configuration.get("config", {}).get("Env") or []
    pairs = (text.partition("=")[::2] for text in texts)
    return tuple(
        (name, value) for name, value in pairs if re.fullmatch(r"[A-Za-z_]\w*", name) and "\0" not in value
    )


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[Files]:
    if archive.is_dir():
        yield Files(archive)
        return
    with Bounded(archive) as file:
        if file.read(2) == GZIP:
            msg = "it is compressed: gunzip it"
            raise ValueError(msg)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            yield Files(archive, tar)


@contextlib.contextmanager
def _plain(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give a layer without its compression."""
    head = stream.read(4)
    whole = Headed(head, stream)
    if head == ZSTD:
        msg = "its layers are compressed by zstd: save it by `skopeo copy --dest-compress-format gzip`"
        raise ValueError(msg)
    if head[:2] == GZIP:
        with gzip.GzipFile(fileobj=cast("IO[bytes]", whole)) as plain:
            yield cast("IO[bytes]", plain)
    else:
        yield cast("IO[bytes]", whole)


class Hashed:
    """A file whose SHA-256 is known once it was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.sha256 = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read."""
        data = self.stream.read(size)
        self.sha256.update(data)
        return data

    def digest(self) -> str:
        """Read to the end, and return the hash."""
        while self.read(1 << 20):
            pass
        return self.sha256.hexdigest()


class Headed:
    """A file of which the first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self.head, self.stream = head, stream

    def read(self, size: int = -1) -> bytes:
        """Read."""
        if self.head:
            data, self.head = self.head[:size], self.head[size:]
            return data
        return self.stream.read(size)


def _check(size: int) -> None:
    """Raise ValueError where more is to be read at once than any header has."""
    if not 0 <= size <= DOCUMENT_LIMIT:
        msg = f"a header in it is longer than {DOCUMENT_LIMIT} bytes"
        raise ValueError(msg)


class Bounded(io.FileIO):
    """A file of which little is read at once."""

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes; raises ValueError for too many."""
        _check(-1 if size is None else size)
        return super().read(size) or b""


class Forward:
    """A file in which tarfile goes on and never back, and reads little at once: a header may say any size."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.at = stream, 0

    def read(self, size: int) -> bytes:
        """Read so many bytes, or what there is before the end; raises ValueError for too many."""
        _check(size)
        found = bytearray()
        while len(found) < size and (data := self.stream.read(size - len(found))):
            found += data
        self.at += len(found)
        return bytes(found)

    def tell(self) -> int:
        """Return where it is."""
        return self.at

    def seek(self, to: int) -> int:
        """Go on to there, or to the end."""
        if to < self.at:
            msg = "a layer leads back"
            raise ValueError(msg)
        while self.at < to and self.read(min(to - self.at, 1 << 20)):
            pass
        return self.at


def _apply(stream: IO[bytes], root: Path, bounds: Bounds) -> None:
    """Put a layer over what is there."""
    fresh: set[Path] = set()
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.__dict__["members"] = []  # which would keep each, and which the types do not know
            bounds.take(member.size if member.isreg() else 0)
            path = _path(root, member.name)
            if path == root:
                continue
            if path.name == OPAQUE:
                for inside in set(path.parent.iterdir()) - fresh:
                    _remove(inside)
            elif path.name == WHITEOUT:
                msg = f"{member.name[:100]!r} removes nothing that has a name"
                raise ValueError(msg)
            elif path.name.startswith(WHITEOUT):
                _remove(
                    _path(root, f"{PurePosixPath(member.name).parent}/{path.name.removeprefix(WHITEOUT)}")
                )
            else:
                _put(tar, member, path, root)
                fresh |= {path, *path.parents}


def _path(root: Path, name: str) -> Path:
    """Return where a member goes, and make the folders above; raises ValueError where that is outside."""
    parts = [part for part in PurePosixPath(name.lstrip("/")).parts if part != "."]
    if ".." in parts:
        msg = f"{name[:100]!r} leads out of the image"
        raise ValueError(msg)
    path = root
    for part in parts[:-1]:
        path /= part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            msg = f"{name[:100]!r} lies behind what is no folder"
            raise ValueError(msg)
        if not path.exists():
            path.mkdir(mode=0o755)
    return path / parts[-1] if parts else root


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, root: Path) -> None:
    """Write a member; one that is neither file, folder nor link is left out."""
    if member.isdir():
        if path.is_symlink() or not path.is_dir():
            _remove(path)
            path.mkdir()
        # Whoever removes the folder later has to get into it.
        path.chmod(member.mode & 0o755 | 0o700)
        return
    target = _path(root, member.linkname) if member.islnk() else None
    if target == path:
        return
    _remove(path)
    if member.issym():
        path.symlink_to(member.linkname)
    elif target is not None:
        os.link(target, path, follow_symlinks=False)
    elif member.isreg():
        source = tar.extractfile(member)
        assert source is not None  # noqa: S101  a regular file has content
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file)
        path.chmod(member.mode & 0o755 | 0o400)


def _remove(path: Path) -> None:
    """Remove what is there, if anything is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
