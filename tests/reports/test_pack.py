"""The audit pack: one run makes the same bytes, a signature is whose it is, and no entry gets out."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from docs.example import make
from reports.files import publish
from reports.pack import PackError, make_pack, signer, unpack
from reports.verify import verify


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run: the example's."""
    reports = tmp_path_factory.mktemp("reports")
    with publish("20261129T012629Z-35a2", reports) as folder:
        make.rebuild(folder)
    return (reports / "latest").resolve()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SSH key without a passphrase, made for this."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen: `apt-get install openssh-client` enables this")
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=60)
    return path


def test_the_same_run_makes_the_same_pack(run: Path, tmp_path: Path) -> None:
    """A pack has no time and no owner of its own; unpacked, everything of the run follows."""
    (first,), (second,) = make_pack(run, tmp_path / "one"), make_pack(run, tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    (tmp_path / "out").mkdir()
    folder = unpack(first, tmp_path / "out")
    assert folder.name == run.name
    assert verify(folder) == []
    assert signer(first, None, "") == "It is not signed: who packed it is not known."


def test_nobody_signed_a_folder(run: Path, tmp_path: Path) -> None:
    """Who asks by whom a folder was signed is refused, and not told that all of it follows."""
    assert signer(run, None, "") == ""
    with pytest.raises(PackError, match="is a run's folder, which has no signature: give the pack"):
        signer(run, tmp_path / "allowed", "auditor")


def test_a_run_that_was_edited_is_not_packed(run: Path, tmp_path: Path) -> None:
    """Nobody signs what does not follow from its own observations."""
    edited = shutil.copytree(run, tmp_path / "run")
    (edited / "matrix.csv").write_text("all is well")
    with pytest.raises(PackError, match=r"is not packed: matrix\.csv is not the file"):
        make_pack(edited, tmp_path / "packs")


def test_a_signature_tells_who_signed(run: Path, key: Path, tmp_path: Path) -> None:
    """The signer is named who is allowed; another pack, another signer and a lost signature are refused."""
    pack, signature = make_pack(run, tmp_path, key)
    public = key.with_name("id.pub").read_text().split()
    allowed, others = tmp_path / "allowed", tmp_path / "others"
    allowed.write_text(f"auditor {public[0]} {public[1]}\n")
    others.write_text(f"somebody {public[0]} {public[1]}\n")
    assert "auditor" in signer(pack, allowed, "auditor")
    assert "Whose key that is was not asked" in signer(pack, None, "")
    with pytest.raises(PackError, match="did not accept the signature as that of auditor"):
        signer(pack, others, "auditor")
    pack.write_bytes(pack.read_bytes() + b"\0")
    for who in (allowed, None):
        with pytest.raises(PackError, match="the signature"):
            signer(pack, who, "auditor")
    signature.unlink()
    with pytest.raises(PackError, match="is not there"):
        signer(pack, allowed, "auditor")


def test_a_pack_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A mistyped name is one sentence, with what can be given."""
    with pytest.raises(PackError, match=r"^there is no pack .*nowhere: give the file that nox -s pack wrote"):
        unpack(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("body", [b"", b"no archive"])
def test_what_is_no_pack_is_refused(tmp_path: Path, body: bytes) -> None:
    """A file that is no archive is one sentence."""
    (tmp_path / "pack").write_bytes(body)
    with pytest.raises(PackError, match=r"is no whole pack|holds 0 folders"):
        unpack(tmp_path / "pack", tmp_path)


def test_a_pack_that_was_damaged_is_refused(tmp_path: Path) -> None:
    """Damage in the middle of a file is one sentence as well."""
    entry, whole = tarfile.TarInfo("run/file"), io.BytesIO()
    entry.size = 100_000
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    packed = zlib.compressobj(wbits=31)
    begin = packed.compress(whole.getvalue()[:50_000]) + packed.flush(zlib.Z_FULL_FLUSH)
    # No block is of this kind: RFC 1951 section 3.2.3.
    (tmp_path / "pack").write_bytes(begin + b"\xff" * 8)
    with pytest.raises(PackError, match="is no whole pack of this tool: Error -3"):
        unpack(tmp_path / "pack", tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_pack_holds_files_alone(tmp_path: Path, kind: bytes) -> None:
    """A link, a pipe or a device in an archive from elsewhere is refused, whichever Python unpacks it."""
    entry = tarfile.TarInfo("run/matrix.json")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "pack", "w:gz") as archive:
        archive.addfile(entry)
    with pytest.raises(PackError, match=r"holds 'run/matrix\.json', which is no file of a run"):
        unpack(tmp_path / "pack", tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out-of-a-pack", "run/../../out"])
def test_no_entry_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """An archive from elsewhere may name any path; nothing is written outside."""
    pack, scratch = tmp_path / "pack", tmp_path / "scratch"
    scratch.mkdir()
    with tarfile.open(pack, "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    before = {path for path in tmp_path.rglob("*") if scratch not in path.parents}
    with pytest.raises(PackError, match="which is no file of a run"):
        unpack(pack, scratch)
    assert {path for path in tmp_path.rglob("*") if scratch not in path.parents} == before
    assert not Path("/tmp/out-of-a-pack").exists()
