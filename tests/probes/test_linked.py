"""A real interpreter tells which shared libraries of OpenSSL it has loaded."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.support.checkout import ROOT

from interpreters.hardening.checks import LINKED, MARK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from interpreters.locate import Candidate


def test_the_mark_is_the_one_that_is_looked_for(passenger: Callable[[str], ModuleType]) -> None:
    """The script and its reader agree on how the line begins."""
    assert passenger("linked").MARK == MARK
    assert LINKED == ROOT / "probes" / "linked.py"


def linked(python: Path) -> list[str] | None:
    """Return what an interpreter says it has loaded."""
    said = subprocess.run([python, LINKED], stdout=subprocess.PIPE, check=True, text=True).stdout
    (line,) = [line for line in said.splitlines() if line.startswith(MARK)]
    found: list[str] | None = json.loads(line.removeprefix(MARK))
    return found


@pytest.mark.e2e
def test_real_interpreters_tell_what_they_are_linked_to(pythons: tuple[Candidate, ...]) -> None:
    """The system's own Python is linked to the system's OpenSSL, which `ldd` says as well."""
    system = [one for one in pythons if one.source == "system"]
    if not system:
        pytest.skip("no system Python was found: one in /usr/bin enables this")
    found = linked(system[0].path)
    assert found
    module = subprocess.run(
        [system[0].path, "-c", "import _ssl; print(getattr(_ssl, '__file__', ''))"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()
    told = subprocess.run(
        ["ldd", module or system[0].path], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    assert any(path.rpartition("/")[2] in told for path in found)


def test_a_statically_linked_interpreter_has_none(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of all that a process has mapped, only shared libraries of OpenSSL count."""
    module = passenger("linked")
    maps = tmp_path / "maps"
    monkeypatch.setattr(module, "open", lambda _: maps.open(), raising=False)
    other = "7f00-7f01 r-xp 0000 fe:00 1   /usr/lib/libz.so.1\n7f00-7f01 rw-p 0000 00:00 0\n"
    maps.write_text(other + "7f00-7f01 r-xp 0000 fe:00 1   /opt/x/lib/python3.11/lib-dynload/_ssl.so\n")
    assert module.loaded() == []
    maps.write_text(other + "7f00-7f01 r-xp 0000 fe:00 1   /usr/lib/libssl.so.3\n" * 2)
    assert module.loaded() == ["/usr/lib/libssl.so.3"]


@pytest.mark.parametrize(
    ("content", "library"),
    [
        (b"\0OpenSSL 3.6.2 7 Apr 2026\0", "OpenSSL 3.6.2"),
        (b"OpenSSL 3.0.0-beta1 17 Jun 2021 libcurl/8.23.0", "OpenSSL 3.0.0-beta1 below libcurl 8.23.0"),
        (b"OpenSSL project\0OpenSSL 1.1.1w  11 Sep 2023", "OpenSSL 1.1.1w"),
        (b"/i/rustls-0.23.46/src/client/hs.rs /i/aws-lc-rs-1.18.0/src/a.rs", "rustls 0.23.46 / aws-lc-rs 1.18.0"),
        (
            b"/i/rustls-0.23.45/src/conn.rs /i/ring-0.17.14/src/a.rs /i/aws-lc-rs-1.18.1/x BoringSSL",
            "rustls 0.23.45 / aws-lc-rs 1.18.1 + ring 0.17.14",
        ),
        # Other crates have names that begin or end so.
        (b"/i/hyper-rustls-0.27.7/src/a.rs /i/rustls-0.27.7/README /i/string-0.7.10/", ""),
        (b"s2n_connection_new AWS-LC 5.9.0 BoringSSL OPENSSL_internal", "s2n-tls over AWS-LC 5.9.0"),
        (b"AWS-LC 1.51.2", "AWS-LC 1.51.2"),
        (b"s2n_connection_new", "s2n-tls"),
        (b"3.8.9\0Enabled GnuTLS 3.8.9 logging...", "GnuTLS 3.8.9"),
        (b"s2n_connection_new OPENSSL_internal libcurl/8.20.0", "BoringSSL below libcurl 8.20.0"),
        (b"libcurl/8.20.0", ""),
        (b"", ""),
    ],
)
def test_a_file_tells_which_tls_library_is_in_it(
    passenger: Callable[[str], ModuleType], tmp_path: Path, content: bytes, library: str
) -> None:
    """Name and version come from what the libraries write into each file; without that there are none."""
    path = tmp_path / "some.so"
    path.write_bytes(content)
    assert passenger("linked").library(str(path)) == library


def test_of_several_files_those_count_that_say_more(
    passenger: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    """A file that names libcurl too outweighs one with the same library alone; without any, that is said."""
    module = passenger("linked")
    texts = {"a": b"OpenSSL 3.6.2 7 Apr 2026", "b": b"OpenSSL 3.6.2 7 Apr 2026 libcurl/8.20.0", "c": b"none"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    paths = [str(tmp_path / name) for name in (*texts, "not there")]
    assert module.of_files(paths) == "OpenSSL 3.6.2 below libcurl 8.20.0 (b)"
    assert module.of_files(paths[2:]) == module.UNKNOWN


def test_only_what_a_package_has_loaded_counts(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the files that are loaded those in the package's folder and the one beside it are looked at."""
    module = passenger("linked")
    places = ("pkg/in.so", "pkg.libs/libssl.so", "other/libssl.so", "pkg/idle.so")
    for number, name in enumerate(places):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"OpenSSL 3.0.%d 7 Apr 2026" % number)
    monkeypatch.setattr(module, "mapped", lambda: {str(tmp_path / name) for name in places[:3]})
    package = SimpleNamespace(__file__=str(tmp_path / "pkg" / "__init__.py"))
    assert module.brought(package) == "OpenSSL 3.0.0 (in.so) and OpenSSL 3.0.1 (libssl.so)"
    alone = SimpleNamespace(__file__=str(tmp_path / "other" / "libssl.so"))
    assert module.brought(alone) == "OpenSSL 3.0.2 (libssl.so)"


def test_what_is_linked_to_the_systems_cryptography_names_that(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An s2n without a cryptography of its own, as Debian builds it, has that of the libcrypto that is loaded."""
    module = passenger("linked")
    for name, text in {"_crt.so": b"s2n_connection_new", "libcrypto.so.3": b"OpenSSL 3.5.9 29 Sep 2026"}.items():
        (tmp_path / name).write_bytes(text)
    monkeypatch.setattr(module, "loaded", lambda: [str(tmp_path / "libcrypto.so.3")])
    said = module.of_files([str(tmp_path / "_crt.so")])
    assert said == "s2n-tls over the system's OpenSSL 3.5.9 (_crt.so)"
    monkeypatch.setattr(module, "loaded", lambda: None)
    assert module.of_files([str(tmp_path / "_crt.so")]) == "s2n-tls over the system's libcrypto (_crt.so)"


@pytest.mark.parametrize(("words", "there"), [(b"in it", True), (b"of it", False)])
def test_a_file_has_words_or_not(
    passenger: Callable[[str], ModuleType], tmp_path: Path, words: bytes, *, there: bool
) -> None:
    """What is looked for is in the file, or not; in one that is not there is nothing."""
    path = tmp_path / "some.so"
    path.write_bytes(b"what is in it")
    assert passenger("linked").has(str(path), words) is there
    assert not passenger("linked").has(str(tmp_path / "other.so"), words)


def test_a_package_that_is_linked_to_the_systems_openssl_has_that(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a package's file names the loaded library it has that one; Python's own, which none names, it has not."""
    module = passenger("linked")
    for name, text in {
        "pkg/in.so": b"\0libssl.so.3\0libcrypto.so.3\0",
        "lib/libcrypto.so.3.0.7": b"OpenSSL 3.0.7 1 Nov 2022",
        "lib/libssl.so.3.0.7": b"none",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    package = SimpleNamespace(__file__=str(tmp_path / "pkg" / "__init__.py"))
    monkeypatch.setattr(module, "mapped", lambda: {str(path) for path in tmp_path.glob("*/*.so*")})
    assert module.brought(package) == "OpenSSL 3.0.7 (libcrypto.so.3.0.7)"
    (tmp_path / "pkg/in.so").write_bytes(b"none")
    assert module.brought(package) == module.UNKNOWN


def test_a_package_on_the_systems_libcurl_has_the_systems_gnutls(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no file of the package has a TLS library, that is GnuTLS if one is loaded, and else unknown."""
    module = passenger("linked")
    for name, text in {"pkg/in.so": b"none", "lib/libgnutls.so.30": b"Enabled GnuTLS 3.8.9 l"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    package = SimpleNamespace(__file__=str(tmp_path / "pkg" / "__init__.py"))
    here = {str(tmp_path / "pkg/in.so"), str(tmp_path / "lib/libgnutls.so.30")}
    monkeypatch.setattr(module, "mapped", lambda: here)
    assert module.brought(package) == "GnuTLS 3.8.9 (libgnutls.so.30)"
    here.remove(str(tmp_path / "lib/libgnutls.so.30"))
    assert module.brought(package) == module.UNKNOWN
