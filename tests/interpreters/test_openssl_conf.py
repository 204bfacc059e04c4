"""Which OpenSSL configuration is read is known as OpenSSL knows it, and its hash follows all that counts."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from interpreters import openssl_conf
from interpreters.openssl_conf import configuration_files, configuration_path, configuration_sha256

if TYPE_CHECKING:
    from pathlib import Path


def sha256(*texts: str) -> str:
    """Return the hash of texts one behind the other."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("folder", "environment", "path"),
    [
        ("/usr/lib/ssl", {}, "/usr/lib/ssl/openssl.cnf"),
        ("/usr/lib/ssl", {"OPENSSL_CONF": "/etc/other.cnf"}, "/etc/other.cnf"),
        ("/usr/lib/ssl", {"OPENSSL_CONF": ""}, ""),
        ("", {"OPENSSL_CONF": "/etc/other.cnf"}, "/etc/other.cnf"),
        ("", {}, ""),
    ],
)
def test_the_environment_comes_before_the_compiled_in_folder(
    folder: str, environment: dict[str, str], path: str
) -> None:
    """OPENSSL_CONF decides where it is set, even to nothing; else the folder does where one is known."""
    assert configuration_path(folder, environment) == path


def test_the_hash_of_one_file_is_its_own(tmp_path: Path) -> None:
    """Without includes the hash is that of the file, and of nothing where there is no file to read."""
    path = tmp_path / "openssl.cnf"
    path.write_text("[first]\nMinProtocol = TLSv1.2\n# .include /dev/zero\n")
    assert configuration_sha256(str(path), {}) == sha256(path.read_text())
    for nothing in ("", str(tmp_path / "none.cnf"), os.devnull, "/dev/zero"):
        assert configuration_sha256(nothing, {}) == ""


@pytest.mark.parametrize(
    "line", [".include {0}", ".include = {0}", "  .include={0}  ", ".include {0} # policy"]
)
def test_what_is_included_counts(tmp_path: Path, line: str) -> None:
    """A change in an included file changes the hash, however the include is written."""
    path, policy = tmp_path / "openssl.cnf", tmp_path / "policy.config"
    path.write_text(f"a = b\n{line.format(policy)}\n")
    policy.write_text("MinProtocol = TLSv1.2")
    assert configuration_sha256(str(path), {}) == sha256(path.read_text(), "MinProtocol = TLSv1.2")
    policy.write_text("MinProtocol = TLSv1")
    assert configuration_sha256(str(path), {}) == sha256(path.read_text(), "MinProtocol = TLSv1")


def test_folders_and_relative_paths_are_followed(tmp_path: Path) -> None:
    """A folder stands for its configurations in order; relative paths are below OPENSSL_CONF_INCLUDE."""
    path, folder = tmp_path / "openssl.cnf", tmp_path / "conf.d"
    folder.mkdir()
    for name in ("2.conf", "1.cnf", "0.txt"):
        (folder / name).write_text(name)
    path.write_text(".include conf.d\n")
    environment = {"OPENSSL_CONF_INCLUDE": str(tmp_path)}
    assert configuration_sha256(str(path), environment) == sha256(path.read_text(), "1.cnf", "2.conf")


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    """Each file counts once, whoever includes it."""
    one, other = tmp_path / "one.cnf", tmp_path / "other.cnf"
    one.write_text(f".include {other}\n")
    other.write_text(f".include {one}\n.include {tmp_path}/gone.cnf\n")
    assert configuration_sha256(str(one), {}) == sha256(one.read_text(), other.read_text())


@pytest.mark.e2e
@pytest.mark.parametrize("form", [".include {0}", ".include = {0}"])
def test_openssl_includes_the_same(tmp_path: Path, form: str) -> None:
    """The real openssl heeds an include in each form that is followed here."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH: install OpenSSL's command line tool")
    path, policy = tmp_path / "openssl.cnf", tmp_path / "policy.cnf"
    path.write_text(f"openssl_conf = first\n{form.format(policy)}\n")
    policy.write_text(
        "[first]\nssl_conf = second\n[second]\nsystem_default = third\n[third]\nCipherString = AES128-SHA\n"
    )
    done = subprocess.run(
        [openssl, "ciphers"], env={"OPENSSL_CONF": str(path)}, capture_output=True, check=True, text=True
    )
    assert {name for name in done.stdout.strip().split(":") if not name.startswith("TLS_")} == {"AES128-SHA"}


def test_a_file_larger_than_the_memory_is_not_read(tmp_path: Path) -> None:
    """A sparse file in the place of a configuration is none, and what includes it is hashed without it."""
    huge, small = tmp_path / "huge.cnf", tmp_path / "openssl.cnf"
    with huge.open("wb") as file:
        file.truncate(60 << 30)
    small.write_text(f".include {huge}\n")
    assert configuration_sha256(str(huge), {}) == ""
    assert configuration_sha256(str(small), {}) == hashlib.sha256(small.read_bytes()).hexdigest()


def test_a_configuration_without_end_is_read_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that include ever more are read up to so many, and up to so many bytes in all."""
    chain = [tmp_path / f"{number}.cnf" for number in range(8)]
    for file, following in itertools.pairwise(chain):
        file.write_text(f".include {following}\n")
    chain[-1].write_text("x" * 100)
    monkeypatch.setattr(openssl_conf, "FILES_LIMIT", 3)
    ended = hashlib.sha256(b"".join(file.read_bytes() for file in chain[:3])).hexdigest()
    assert configuration_sha256(str(chain[0]), {}) == ended
    monkeypatch.setattr(openssl_conf, "FILES_LIMIT", 1000)
    small = sum(file.stat().st_size for file in chain[:-1])
    monkeypatch.setattr(openssl_conf, "CONFIGURATION_LIMIT", small + 50)
    ended = hashlib.sha256(b"".join(file.read_bytes() for file in chain[:-1])).hexdigest()
    assert configuration_sha256(str(chain[0]), {}) == ended


def test_files_and_folders_of_a_configuration_are_named(tmp_path: Path) -> None:
    """Each file and folder whose change is a change of the configuration; for what is gone its folder."""
    (folder := tmp_path / "conf.d").mkdir()
    (main := tmp_path / "openssl.cnf").write_text(f".include {folder}\n.include {tmp_path}/gone/floor.cnf\n")
    (inside := folder / "1.cnf").touch()
    named = [main, folder, inside, tmp_path / "gone"]
    assert configuration_files(str(main), {}) == tuple(map(str, named))
    assert configuration_files(str(folder / "gone.cnf"), {}) == (str(folder),)
    assert configuration_files("", {}) == ()
