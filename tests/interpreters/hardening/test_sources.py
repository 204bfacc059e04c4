"""A source is taken from the first place that has it, and only if it is what it should be."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening import sources
from interpreters.hardening.apt import Apt, AptError, ForgedError
from interpreters.hardening.recipes import Component
from interpreters.hardening.request import ComponentRequest
from interpreters.hardening.sources import SourceError, given, obtain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELEASE = b"the release 1.0.2"


def a_request(
    name: str = "openssl", component: Component | None = None, file: Path | None = None
) -> ComponentRequest:
    """Return a request for a component."""
    return ComponentRequest(name, component or a_part(), Path("/made/up/prefix"), file)


def a_part(url: str = "https://example.org/thing-1.0.2.tar.gz", package: str = "") -> Component:
    """Return a part whose pinned release is RELEASE."""
    return Component("1.0", "1.0.2", url, hashlib.sha256(RELEASE).hexdigest(), package)


class FakeApt(Apt):
    """apt that has a package, or says why not."""

    def __init__(self, answer: Path | Exception) -> None:
        self._answer = answer

    def download(self, package: str, accepts: Callable[[str], bool]) -> tuple[Path, str]:
        """Return what was given, or raise it."""
        assert package == "thing"
        assert accepts("1.0.5")
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer, "1.0.5-1"


NO_APT = FakeApt(AptError("there is no apt-get"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Return the address of a server of releases below the test's folder."""
    (tmp_path / "site").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def written(path: Path, data: bytes = RELEASE) -> Path:
    """Write a file."""
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["thing-1.0.2.tar.gz", "thing_1.0.2.orig.tar.gz", "other.bin"])
def test_a_given_file_with_the_pinned_hash_is_the_release(tmp_path: Path, name: str) -> None:
    """A file with the bytes of the pinned release is known for it, whatever it is called."""
    assert (
        "whose sha256 is that of the release 1.0.2"
        in given(a_request("openssl"), written(tmp_path / name)).origin
    )


@pytest.mark.parametrize("name", ["thing-1.0.2.tar.gz", "thing_1.0.2.orig.tar.gz"])
def test_a_given_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    """A file named like the pinned release with other bytes is refused before anything is unpacked."""
    with pytest.raises(
        SourceError, match=r"is not the release 1\.0\.2 that its name says.*nothing was unpacked"
    ):
        given(a_request("openssl"), written(tmp_path / name, b"another"))


@pytest.mark.parametrize("name", ["thing-1.0.3.tar.gz", "thing_1.0.2-1.dsc", "thing-1.0.2.zip"])
def test_nothing_but_the_user_vouches_for_another_file(tmp_path: Path, name: str) -> None:
    """A file of another name is taken as the user gives it, and that no hash is known is said."""
    source = given(a_request("openssl"), written(tmp_path / name, b"another"))
    assert source.origin.endswith("as given: no hash is known for it")
    assert source.sha256 == hashlib.sha256(b"another").hexdigest()


def test_a_given_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """The option and the path are named where no file is."""
    with pytest.raises(SourceError, match=r"--python-source .*missing: there is no such file"):
        given(a_request("python"), tmp_path / "missing")


def test_a_given_file_goes_before_all_else(tmp_path: Path) -> None:
    """With a file, neither apt nor the network is asked."""
    file = written(tmp_path / "mine")
    source = obtain(
        a_request(component=a_part(package="thing"), file=file),
        tmp_path / "x",
        FakeApt(AssertionError()),
    )
    assert source.path == file


def test_the_distribution_goes_before_upstream(tmp_path: Path) -> None:
    """What apt has verified is taken, and named by its version."""
    dsc = written(tmp_path / "thing.dsc")
    source = obtain(a_request("openssl", a_part(package="thing")), tmp_path / "x", FakeApt(dsc))
    assert source.path == dsc
    assert source.origin == "the distribution's source package thing 1.0.5-1, verified by apt"


def test_a_forged_package_ends_the_search(tmp_path: Path, site: str) -> None:
    """A package that is not what was signed is not made up for by another source."""
    written(tmp_path / "site" / "thing-1.0.2.tar.gz")
    part = a_part(f"{site}/thing-1.0.2.tar.gz", "thing")
    with pytest.raises(ForgedError):
        obtain(a_request("openssl", part), tmp_path / "x", FakeApt(ForgedError("forged")))


def test_the_release_is_fetched_where_apt_has_none(tmp_path: Path, site: str) -> None:
    """Without a package, the pinned release is fetched and found to have its hash."""
    written(tmp_path / "site" / "thing-1.0.2.tar.gz")
    part = a_part(f"{site}/thing-1.0.2.tar.gz", "thing")
    source = obtain(a_request("openssl", part), tmp_path / "x", NO_APT)
    assert source.path.read_bytes() == RELEASE
    assert source.sha256 == part.sha256


def test_a_release_that_was_fetched_before_is_not_fetched_again(tmp_path: Path, site: str) -> None:
    """A file with the pinned hash that is there already is taken, even if its server is gone."""
    (tmp_path / "x").mkdir()
    path = written(tmp_path / "x" / "thing-1.0.2.tar.gz")
    assert (
        obtain(a_request("openssl", a_part(f"{site}/thing-1.0.2.tar.gz")), tmp_path / "x", NO_APT).path
        == path
    )


def test_a_release_with_another_hash_is_refused(tmp_path: Path, site: str) -> None:
    """A download that is not the pinned release is refused and not kept."""
    written(tmp_path / "site" / "thing-1.0.2.tar.gz", b"another")
    with pytest.raises(
        SourceError, match=r"is not the release 1\.0\.2: its sha256 is .*nothing was unpacked"
    ):
        obtain(a_request("openssl", a_part(f"{site}/thing-1.0.2.tar.gz")), tmp_path / "x", NO_APT)
    assert list((tmp_path / "x").iterdir()) == []


def test_an_endless_release_is_ended(tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download larger than any release is given up."""
    written(tmp_path / "site" / "thing-1.0.2.tar.gz", b"x" * 100)
    monkeypatch.setattr(sources, "SIZE_LIMIT", 50)
    with pytest.raises(SourceError, match="more than 50 bytes"):
        obtain(a_request("openssl", a_part(f"{site}/thing-1.0.2.tar.gz")), tmp_path / "x", NO_APT)


def test_every_place_that_had_nothing_is_named(tmp_path: Path, site: str) -> None:
    """Where no source can be had, the sentence says what each place answered and what to give."""
    part = a_part(f"{site}/thing-1.0.2.tar.gz", "thing")
    with pytest.raises(SourceError, match=r"(?s)there is no apt-get; http.*404.*--python-source FILE"):
        obtain(a_request("python", part), tmp_path / "x", NO_APT)
