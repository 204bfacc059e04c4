"""Image archives: their files land in one folder, layer over layer, and nothing of theirs leads out of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from interpreters import image_archives
from interpreters.image_archives import ARCHITECTURES, Bounds, unpack, unpacked
from interpreters.places import PlaceError, ways_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ARCHITECTURE = ARCHITECTURES.get(platform.machine(), platform.machine())

Member = tuple[str, str] | tarfile.TarInfo


def layer(*members: Member) -> bytes:
    """Return a layer of files by name and text, or of other members."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            (info := tarfile.TarInfo(member[0])).size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1].encode()))
    return made.getvalue()


def other(kind: bytes, name: str, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """Return a member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@dataclass
class Layout:
    """The files of an archive that is being made."""

    files: dict[str, bytes] = field(default_factory=dict)

    def blob(self, data: bytes | object) -> str:
        """Add a blob, or a document, and return its digest."""
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(text).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = text
        return f"sha256:{digest}"

    def manifest(self, layers: Iterable[bytes], env: list[str] | None = None) -> str:
        """Add an image of OCI's, and return its manifest's digest."""
        configuration = self.blob({"config": {"Env": env}})
        found = [{"digest": self.blob(each)} for each in layers]
        return self.blob({"config": {"digest": configuration}, "layers": found})


def oci(layers: Iterable[bytes], env: list[str] | None = None) -> tuple[Layout, str]:
    """Return an OCI layout with one image for this machine, and that image's digest."""
    layout = Layout()
    digest = layout.manifest(layers, env)
    attestation = {"digest": f"sha256:{'0' * 64}", "platform": {"architecture": "unknown"}}
    index = {"manifests": [{"digest": digest, "platform": {"architecture": ARCHITECTURE}}, attestation]}
    layout.files["index.json"] = json.dumps(index).encode()
    return layout, digest


def docker(layers: Iterable[bytes], env: list[str] | None = None) -> tuple[Layout, str]:
    """Return docker's own archive with one image, and its configuration's digest."""
    configuration = json.dumps({"config": {"Env": env}}).encode()
    files = {f"{number}/layer.tar": each for number, each in enumerate(layers)}
    manifest = [{"Config": "it.json", "RepoTags": ["app:1"], "Layers": list(files)}]
    files |= {"it.json": configuration, "manifest.json": json.dumps(manifest).encode()}
    return Layout(files), f"sha256:{hashlib.sha256(configuration).hexdigest()}"


def in_folder(path: Path, layout: Layout) -> Path:
    """Write the files of an archive into a folder."""
    for name, data in layout.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def in_tar(path: Path, layout: Layout) -> Path:
    """Write the files of an archive into a tar file."""
    with tarfile.open(path, "w") as tar:
        for name, data in layout.files.items():
            (info := tarfile.TarInfo(name)).size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for an image."""
    (folder := tmp_path / "image").mkdir()
    return folder


def refusal(tmp_path: Path, *layers: bytes) -> str:
    """Return why an image of these layers is not unpacked, with a file beside that nobody may touch."""
    (beside := tmp_path / "beside").write_text("untouched")
    archive = in_folder(tmp_path / "archive", oci(layers)[0])
    (folder := tmp_path / "images").mkdir()
    with pytest.raises(PlaceError) as error:
        unpacked(ways_to(f"image-archive:{archive}"), folder)
    assert beside.read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "beside", "images"]
    return str(error.value)


LOWER = layer(("etc/kept", "1"), ("etc/gone", "1"), ("var/old", "1"), ("usr/tool", "lower"))
UPPER = layer(
    ("etc/.wh.gone", ""),
    ("var/.wh..wh..opq", ""),
    ("var/new", "2"),
    ("usr/tool", "upper"),
    other(tarfile.SYMTYPE, "bin", "usr"),
    other(tarfile.LNKTYPE, "usr/same", "usr/tool"),
    other(tarfile.CHRTYPE, "dev/null"),
    other(tarfile.FIFOTYPE, "pipe"),
)


@pytest.mark.parametrize("make", [oci, docker])
@pytest.mark.parametrize("write", [in_folder, in_tar])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_layers_lie_one_over_the_other(
    tmp_path: Path,
    root: Path,
    make: Callable[..., tuple[Layout, str]],
    write: Callable[[Path, Layout], Path],
    pack: Callable[[bytes], bytes],
) -> None:
    """Either kind of archive, as a folder or a tar, with or without compression, gives the same files."""
    layout, digest = make([pack(LOWER), pack(UPPER)], ["PATH=/opt/bin:/bin", "OPENSSL_CONF=/a=b", "no name"])
    image = unpack(write(tmp_path / "archive", layout), root, Bounds())
    there = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert there == {"etc/kept", "var/new", "usr/tool", "usr/same"}
    assert ((root / "bin/tool").read_text(), (root / "usr/same").read_text()) == ("upper", "upper")
    assert image.digest == digest
    assert image.variables == (("PATH", "/opt/bin:/bin"), ("OPENSSL_CONF", "/a=b"))


def test_the_way_to_an_archive_is_that_to_its_folder(tmp_path: Path) -> None:
    """The folder and the image's variables are filled in, and the image's digest is the place's identity."""
    layout, digest = oci([LOWER], ["A=1"])
    archive = in_tar(tmp_path / "app.tar", layout)
    (place,) = unpacked(ways_to(f"image-archive:{archive}"), tmp_path)
    (root,) = (path for path in tmp_path.iterdir() if path.is_dir())
    words = " ".join(place.prefix)
    assert f"--ro-bind {root} / " in words
    assert words.endswith("--setenv A 1 --")
    assert place.identity == ("echo", digest)
    assert {"proc", "dev", "tmp", "etc"} <= {path.name for path in root.iterdir()}


def test_other_places_are_left_alone(tmp_path: Path) -> None:
    """Where nothing is to be unpacked nothing is done."""
    ways = ways_to("exec:env")
    assert unpacked(ways, tmp_path) == ways
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../beside", "x")], "leads out of the image"),
        ([("a/../../beside", "x")], "leads out of the image"),
        ([other(tarfile.SYMTYPE, "a", ".."), ("a/beside", "x")], "lies behind what is no folder"),
        ([other(tarfile.LNKTYPE, "a", "../beside"), ("a", "x")], "leads out of the image"),
        ([other(tarfile.SYMTYPE, "a", ".."), other(tarfile.LNKTYPE, "b", "a/beside")], "lies behind"),
        ([(".wh...", "")], "leads out of the image"),
        ([("d/.wh...", "")], "leads out of the image"),
        ([("d/.wh.", "")], "removes nothing that has a name"),
        ([other(tarfile.XHDTYPE, "x", size=1 << 32)], "a header in it is longer"),
    ],
)
def test_nothing_of_an_image_leads_out_of_it(tmp_path: Path, members: list[Any], reason: str) -> None:
    """Names, links and whiteouts that lead elsewhere, and headers without end, are refused in a sentence."""
    assert reason in refusal(tmp_path, layer(*members))


def test_a_file_over_a_link_replaces_the_link(tmp_path: Path, root: Path) -> None:
    """What a link of the image names is not written to."""
    (beside := tmp_path / "beside").write_text("untouched")
    members = (other(tarfile.SYMTYPE, "a", str(beside)), ("a", "of the image"))
    unpack(in_folder(tmp_path / "archive", oci([layer(*members)])[0]), root, Bounds())
    assert (beside.read_text(), (root / "a").read_text()) == ("untouched", "of the image")


@pytest.mark.parametrize("bounds", [Bounds(bytes_left=2), Bounds(members_left=1)])
def test_there_is_a_limit_on_what_is_unpacked(tmp_path: Path, root: Path, bounds: Bounds) -> None:
    """More bytes or files than the limit are refused before they are written."""
    archive = in_folder(tmp_path / "archive", oci([layer(("a", "12"), ("b", "34"))])[0])
    with pytest.raises(ValueError, match="it has more than"):
        unpack(archive, root, bounds)
    assert not (root / "b").exists()


def test_a_blob_that_was_changed_is_refused(tmp_path: Path) -> None:
    """What is not what its digest says is no part of an image."""
    layout, _ = oci([LOWER])
    name = next(name for name, data in layout.files.items() if data == LOWER)
    layout.files[name] = UPPER
    archive = in_tar(tmp_path / "app.tar", layout)
    with pytest.raises(PlaceError, match="is not what its digest says"):
        unpacked(ways_to(f"image-archive:{archive}"), tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no tar", "cannot be unpacked"),
        (b"\x1f\x8b", "gunzip it"),
        (layer(("a", "b")), "neither an index.json of OCI nor a manifest.json of docker"),
        (layer(("manifest.json", "[1, 2]")), "it has 2 images"),
        (layer(("manifest.json", '[{"Config": "no"}]')), "cannot be unpacked"),
        (layer(("index.json", '{"manifests": [{"digest": "md5:1"}]}')), "is no digest of SHA-256"),
        (layer(("index.json", '{"manifests": []}')), f"it has 0 images for {ARCHITECTURE}"),
    ],
)
def test_what_is_no_image_archive_is_a_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    """Each reason names the archive and what is wrong with it."""
    (archive := tmp_path / "app.tar").write_bytes(data)
    with pytest.raises(PlaceError) as error:
        unpacked(ways_to(f"image-archive:{archive}"), tmp_path)
    assert str(error.value).startswith(f"the image archive {archive} cannot be unpacked: ")
    assert reason in str(error.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """A place whose archive is gone has that reason."""
    with pytest.raises(PlaceError, match="No such file"):
        unpacked(ways_to(f"image-archive:{tmp_path / 'gone.tar'}"), tmp_path)


def test_layers_by_zstd_say_what_to_do(tmp_path: Path) -> None:
    """This Python reads no zstd; skopeo writes gzip."""
    assert "skopeo copy --dest-compress-format gzip" in refusal(tmp_path, image_archives.ZSTD + b"x")
