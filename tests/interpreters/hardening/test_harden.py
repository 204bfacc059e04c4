"""Hardened builds, of sources that are made at once: in place when proven, else as if never begun."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening import components
from interpreters.hardening import harden as module
from interpreters.hardening.checks import Check
from interpreters.hardening.components import openssl_version, python_version
from interpreters.hardening.harden import BuildInProgressError, default_base, installed_pair
from interpreters.hardening.installed import ProofError
from interpreters.hardening.pair import PairBuilder
from interpreters.hardening.preflight import MissingError
from interpreters.hardening.recipes import Component, HardenError, Recipe
from interpreters.hardening.request import BuildRequest
from interpreters.hardening.sources import SourceError
from interpreters.hardening.stamp import STAMP, Mark, StampFile, read_stamp
from interpreters.hardening.unpack import DiskFullError
from interpreters.log import shown
from servers.protocols import Protocol
from tests.support.schemas import validator
from tests.support.small_sources import an_identity, an_interpreter, archive, small_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interpreters.hardening.build import Phase

HASH = "0" * 64
RECIPE = Recipe(
    "tiny",
    "a test needs it",
    Component("3.0", "3.0.99", "https://example.org/openssl-3.0.99.tar.gz", HASH),
    Component(
        "3.11",
        "3.11.99",
        "https://example.org/Python-3.11.99.tgz",
        HASH,
        configure=("--tiny",),
        setup=("a a.c", "b b.c"),
    ),
)


class Yard:
    """Where a test builds: its sources, its cache, its prefixes and what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.log = folder / "log"
        self.sources = small_sources()
        self.environment = {**os.environ, "LOG": str(self.log)}

    def request(self, **changes: object) -> BuildRequest:
        """Return a request for both sources as they are now."""
        files = {
            f"{name}_source": archive(self.folder / f"{name}.tgz", files)
            for name, files in self.sources.items()
        }
        return replace(BuildRequest(RECIPE, Protocol.TLSV1_2, self.folder / "base", **files), **changes)  # type: ignore[arg-type]

    def build(
        self,
        request: BuildRequest | None = None,
        *,
        rebuild: bool = False,
        prove: bool = True,
        cache: Path | None = None,
    ) -> bool:
        """Build; return whether anything was built."""
        self.said.clear()
        with (
            shown(self.said.append),
            installed_pair(
                request or self.request(),
                cache or self.folder / "cache",
                self.environment,
                rebuild=rebuild,
            ) as built,
        ):
            if built.fresh:
                built.prove([Check("the test says so", prove, "it does not")], (), NOW)
            return built.fresh

    def left(self) -> list[str]:
        """Return all that is where the prefixes belong."""
        return (
            sorted(path.name for path in (self.folder / "base").glob("*"))
            if (self.folder / "base").exists()
            else []
        )

    def phases_done(self) -> list[str]:
        """Return the phases of the last build that were really done."""
        begun = [line for line in self.said if re.match(r"\[\d+/10\]", line) and "done before" not in line]
        return [re.sub(r"^\[\d+/10\] | \(.*\)$| \d.*$", "", line) for line in begun]


NOW = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """Return a place to build in, where passing a build's flags on lets its configure log them."""
    monkeypatch.setattr("interpreters.hardening.build.PASSED_ON", ("PATH", "LOG"))
    monkeypatch.setattr(module, "check_tools", lambda *_, **__: ())
    if shutil.which("make") is None:
        pytest.skip("no make: apt-get install make enables this")
    return Yard(tmp_path)


ALL = [
    "fetch the sources",
    "unpack OpenSSL",
    "configure OpenSSL",
    "make OpenSSL",
    "install OpenSSL",
    "unpack Python",
    "configure Python",
    "make Python",
    "install Python",
    "check what was built",
]


def test_a_pair_is_built_proven_and_in_place(yard: Yard) -> None:
    """Both prefixes are there, the second says what was built from what and how that was proven."""
    request = yard.request()
    assert yard.build(request)
    assert yard.left() == ["openssl-with-min-tls1_2", "python-with-min-tls1_2"]
    stamp = read_stamp(request.python.prefix)
    assert isinstance(stamp, StampFile)
    assert stamp.openssl.version == "3.0.99"
    assert stamp.python.version == "3.11.99"
    assert stamp.python.source.startswith(str(request.python_source))
    assert stamp.proven == NOW
    assert {check.what for check in stamp.checks} >= {"no shared OpenSSL is linked", "the test says so"}
    assert all(check.passed for check in stamp.checks)
    validator(STAMP).validate(json.loads((request.python.prefix / STAMP).read_text()))
    assert yard.phases_done() == ALL


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, StampFile),
        ({"schema_version": 2}, Mark),
        ({"checks": [{"what": "all of it", "passed": "yes", "found": ""}]}, Mark),
        ({"key": None}, type(None)),
    ],
)
def test_a_stamp_that_is_not_whole_proves_nothing(
    yard: Yard, change: dict[str, object], kind: type[object]
) -> None:
    """A stamp of another version or shape marks the prefix alone, and without its key not even that."""
    request = yard.request()
    yard.build(request)
    path = request.python.prefix / STAMP
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert type(read_stamp(request.python.prefix)) is kind
    path.write_text("[]")
    assert read_stamp(request.python.prefix) is None


def test_the_logs_stay_and_nothing_else_of_a_build_does(yard: Yard) -> None:
    """After a build its logs are kept, and what it took the room of is not."""
    yard.build()
    (folder,) = (one for one in (yard.folder / "cache").iterdir() if one.name != "home")
    assert [path.name for path in folder.iterdir()] == ["logs"]
    assert "library > libssl.a" in (folder / "logs" / "make-openssl.log").read_text()


@pytest.mark.parametrize(
    ("floor", "without"),
    [
        (Protocol.TLSV1_2, ["ssl3", "tls1", "tls1_1"]),
        (Protocol.TLSV1_3, ["ssl3", "tls1", "tls1_1", "tls1_2"]),
    ],
)
def test_what_is_below_the_floor_is_configured_away(yard: Yard, floor: Protocol, without: list[str]) -> None:
    """OpenSSL is built without each protocol below the floor, static, and for its final place."""
    yard.sources["python"]["python.in"] = an_interpreter(
        an_identity(has={f"HAS_{name}": False for name in ("SSLv3", "TLSv1", "TLSv1_1", "TLSv1_2")})
    )
    request = yard.request(floor=floor)
    yard.build(request)
    words = yard.log.read_text().splitlines()[0].split()
    assert {word for word in words if word.startswith("no-")} == {
        *(f"no-{name}" for name in without),
        *(f"no-{name}-method" for name in without),
        "no-shared",
        "no-tests",
    }
    assert f"--prefix={request.openssl.prefix}" in words
    assert request.openssl.prefix.name.endswith(floor.lower().replace("v", "").replace(".", "_"))


def test_python_is_configured_by_the_recipe(yard: Yard) -> None:
    """Python gets the recipe's own options and modules, its final place, and is not shared."""
    request = yard.request()
    yard.build(request)
    line, *setup = yard.log.read_text().splitlines()[1:]
    words = line.split()
    assert setup == ["a a.c", "b b.c"]
    assert {"--tiny", "--disable-shared", f"--prefix={request.python.prefix}"} <= set(words)


def test_nothing_names_the_place_it_was_built_in(yard: Yard) -> None:
    """What Python keeps of its build names OpenSSL where it is, and no compiled file says otherwise."""
    request = yard.request()
    yard.build(request)
    library = request.python.prefix / "lib" / "python3.11"
    openssl = request.openssl.prefix
    assert (library / "_sysconfigdata_x.py").read_text() == f"flags = '--with-openssl={openssl}'\n"
    assert (library / "config-3.11" / "Makefile").read_text() == f"OPENSSL_LIBS = -L{openssl}/lib\n"
    assert list((library / "__pycache__").iterdir()) == []
    assert list((library / "site-packages" / "pip").iterdir()) == []
    stamp = read_stamp(request.python.prefix)
    assert isinstance(stamp, StampFile)
    assert f"--with-openssl={openssl}" in stamp.python.configure


def test_the_programs_that_come_with_it_name_an_interpreter_that_is_there(yard: Yard) -> None:
    """The programs of pip are run by the interpreter that is installed, and are otherwise as they were."""
    request = yard.request()
    yard.build(request)
    programs = request.python.prefix / "bin"
    assert (programs / "pip3").read_text() == f"#!{request.interpreter}\nimport pip\n"
    assert (programs / "python3").read_text() == yard.sources["python"]["python.in"]


def test_the_same_recipe_is_not_built_again(yard: Yard) -> None:
    """A second run builds nothing."""
    request = yard.request()
    yard.build(request)
    yard.log.unlink()
    assert not yard.build(request)
    assert not yard.log.exists()


def test_an_earlier_build_that_is_no_longer_sound_is_not_passed_over(yard: Yard) -> None:
    """A proven build is asked again what it is, and a changed one is a failure."""
    request = yard.request()
    yard.build(request)
    request.interpreter.write_text(an_interpreter(an_identity(openssl="OpenSSL 3.0.1")))
    with pytest.raises(ProofError, match=r"its OpenSSL is 3\.0\.99: no \(OpenSSL 3\.0\.1\)"):
        yard.build(request)


def test_the_user_can_have_it_rebuilt(yard: Yard) -> None:
    """On demand, a build of ours is replaced."""
    request = yard.request()
    yard.build(request)
    yard.build(request, rebuild=True)
    assert yard.phases_done() == ALL


@pytest.mark.parametrize(
    "changes", [{"floor": Protocol.TLSV1_2, "quick": True}, {"recipe": replace(RECIPE, id="other")}]
)
def test_another_build_of_ours_is_not_replaced_unasked(yard: Yard, changes: dict[str, object]) -> None:
    """A prefix with a build of ours by other settings is replaced only on demand."""
    yard.build()
    other = yard.request(**changes)
    with pytest.raises(HardenError, match=r"has the build tiny with other settings: --fresh replaces it"):
        yard.build(other)
    assert yard.build(other, rebuild=True)


def test_a_folder_of_somebody_else_is_never_replaced(yard: Yard) -> None:
    """A prefix that holds what is not ours is left alone, even on demand."""
    request = yard.request()
    request.python.prefix.mkdir(parents=True)
    (request.python.prefix / "theirs").touch()
    with pytest.raises(HardenError, match="is there already and not by us"):
        yard.build(request, rebuild=True)
    assert (request.python.prefix / "theirs").exists()


@pytest.mark.parametrize("number", range(len(ALL)), ids=[name.replace(" ", "-") for name in ALL])
def test_an_interrupted_build_leaves_nothing_and_goes_on(
    yard: Yard, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in any phase leaves the prefixes as they were, and the next run goes on with that phase."""
    request = yard.request()
    original = PairBuilder.phases

    def phases(builder: PairBuilder) -> tuple[Phase, ...]:
        def interrupted() -> None:
            os.kill(os.getpid(), signal.SIGINT)

        found = list(original(builder))
        found[number] = replace(found[number], act=interrupted)
        return tuple(found)

    monkeypatch.setattr(PairBuilder, "phases", phases)
    with pytest.raises(KeyboardInterrupt):
        yard.build(request)
    monkeypatch.setattr(PairBuilder, "phases", original)
    assert yard.left() == []
    assert yard.build(request)
    assert yard.phases_done() == ALL[number:]


def test_an_interrupted_proof_leaves_nothing_and_goes_on(yard: Yard) -> None:
    """Ctrl-C while the pair is measured takes it away again, and the next run only proves it."""
    request = yard.request()
    with (
        pytest.raises(KeyboardInterrupt),
        installed_pair(request, yard.folder / "cache", yard.environment),
    ):
        raise KeyboardInterrupt
    assert yard.left() == []
    assert yard.build(request)
    assert yard.phases_done() == []


def test_a_pair_that_is_not_proven_is_not_left_in_place(yard: Yard) -> None:
    """A miss is a failure that names what was missed, and the prefixes are as they were."""
    with pytest.raises(ProofError, match=r"nothing was installed: the test says so: no \(it does not\)"):
        yard.build(prove=False)
    assert yard.left() == []


@pytest.mark.parametrize(
    ("interpreter", "said"),
    [
        (
            an_interpreter(an_identity() | {"ssl": None, "ssl_unavailable": "ImportError: no _ssl"}),
            r"its _ssl imports: no \(ImportError: no _ssl\)",
        ),
        (an_interpreter(an_identity(openssl="OpenSSL 3.0.19")), r"its OpenSSL is 3\.0\.99: no"),
        (an_interpreter(an_identity(has={})), r"nothing below TLSv1\.2: no \(HAS_SSLv3=None"),
        (an_interpreter(an_identity(), ["/usr/lib/libssl.so.3"]), "no shared OpenSSL is linked: no"),
        (an_interpreter(an_identity(), None), "no shared OpenSSL is linked: no"),
        (an_interpreter(an_identity() | {"version": "3.11.2"}), r"it is Python 3\.11\.99: no"),
        ("#!/bin/sh\nexit 1\n", "it runs: no"),
    ],
    ids=[
        "without _ssl",
        "another OpenSSL",
        "unknown protocols",
        "shared",
        "unknown linkage",
        "another",
        "broken",
    ],
)
def test_what_is_not_what_it_should_be_is_not_installed(yard: Yard, interpreter: str, said: str) -> None:
    """A build that satisfies make and is not what was ordered fails by name, with nothing installed."""
    yard.sources["python"]["python.in"] = interpreter
    with pytest.raises(ProofError, match=said):
        yard.build()
    assert yard.left() == []


@pytest.mark.parametrize("name", ["openssl", "python"])
def test_a_source_of_another_series_is_refused(yard: Yard, name: str) -> None:
    """A given source that is not what the recipe builds is refused before it is built."""
    yard.sources["openssl"]["VERSION.dat"] = (
        "MAJOR=3\nMINOR=1\nPATCH=0\n" if name == "openssl" else yard.sources["openssl"]["VERSION.dat"]
    )
    yard.sources["python"]["Include/patchlevel.h"] = (
        '#define PY_VERSION "3.12.0"\n'
        if name == "python"
        else yard.sources["python"]["Include/patchlevel.h"]
    )
    with pytest.raises(SourceError, match=rf"the source of {name} is 3\.1"):
        yard.build()
    assert yard.left() == []


def test_a_corrupted_archive_is_refused(yard: Yard) -> None:
    """A damaged source is a sentence, and nothing is installed."""
    request = yard.request()
    assert request.openssl_source is not None
    request.openssl_source.write_bytes(request.openssl_source.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"openssl\.tgz is damaged"):
        yard.build(request)
    assert yard.left() == []


@pytest.mark.parametrize("place", ["base", "cache"])
def test_a_folder_that_configure_would_split_is_refused(yard: Yard, place: str) -> None:
    """A folder with a space in its name, for the prefixes or the build, is refused at the start."""
    odd = yard.folder / "a b"
    request, cache = (yard.request(base=odd), None) if place == "base" else (yard.request(), odd)
    with pytest.raises(HardenError, match="a b has ' ' in its name, which configure cannot take"):
        yard.build(request, cache=cache)
    assert yard.phases_done() == []


def test_two_builds_do_not_collide(yard: Yard) -> None:
    """While one build holds the place, another says so and does nothing."""
    request = yard.request()
    (yard.folder / "base").mkdir()
    handle = os.open(yard.folder / "base", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(BuildInProgressError, match="another hardened build is at work"):
            yard.build(request)
    finally:
        os.close(handle)
    assert yard.build(request)


@pytest.mark.parametrize("failing", ["configure OpenSSL", "make OpenSSL", "make Python", "install Python"])
def test_a_failing_phase_leaves_nothing(yard: Yard, failing: str) -> None:
    """A phase that fails is named, with its log, and nothing is installed."""
    verb, title = failing.split()
    files = yard.sources[title.lower()]
    if verb == "configure":
        files["config"] = "#!/bin/sh\nexit 3\n"
    else:
        target = {"make": "all build_libs", "install": "install"}[verb]
        files["Makefile"] += f"\n{target}: broken\nbroken: ; false\n"
    with pytest.raises(HardenError, match=rf"{failing} 3\S* failed with status \d+ after 0:\d\d: its log is"):
        yard.build()
    assert yard.left() == []


def test_a_prefix_that_cannot_be_made_is_a_sentence(yard: Yard) -> None:
    """A place where nothing can be made is refused before anything is built, for root as well."""
    with pytest.raises(MissingError, match=r"/proc/.* cannot be made \(/proc.*--prefix DIR"):
        yard.build(yard.request(base=Path("/proc/hardened")))
    assert not yard.log.exists()


def test_a_disk_that_fills_up_is_a_sentence(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the pair is to move in is said, and nothing is left."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/where")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(DiskFullError, match="no space is left on the disk: make room"):
        yard.build()
    assert yard.left() == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system that has room for almost nothing."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here: being root, and allowed to, enables this")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_below_the_prefixes_leaves_nothing(
    yard: Yard, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real disk that has no room for what was built is a sentence, and stays as empty as it was."""
    monkeypatch.setattr(module, "check_room", lambda *_: None)
    yard.sources["python"]["python.in"] += "#" * 100_000
    with pytest.raises(DiskFullError, match="no space is left on the disk: make room"):
        yard.build(yard.request(base=tiny_disk / "base"))
    assert list(tiny_disk.iterdir()) == []


def test_a_full_disk_below_the_build_leaves_nothing(
    yard: Yard, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real disk that fills up during make is a sentence, and nothing is installed."""
    monkeypatch.setattr(module, "check_room", lambda *_: None)
    yard.sources["openssl"]["Makefile"] += "\nbuild_libs: fill\nfill: ; head -c 200000 /dev/zero > filler\n"
    with pytest.raises(DiskFullError, match="no space is left; make room"):
        yard.build(cache=tiny_disk / "cache")
    assert yard.left() == []


def test_a_disk_that_is_full_from_the_start_is_refused(yard: Yard, tiny_disk: Path) -> None:
    """A real disk that is too small is a sentence before anything is done."""
    with pytest.raises(MissingError, match=r"tiny has 0 MiB left and \d+ are needed to install"):
        yard.build(yard.request(base=tiny_disk / "base"))
    assert yard.phases_done() == []


def test_openssl_trusts_what_the_system_trusts(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new OpenSSL has a configuration, and is shown the system's certificates, having none itself."""
    bundle = yard.folder / "bundle.pem"
    bundle.touch()
    monkeypatch.setattr(components, "TRUST", (str(yard.folder / "missing"), str(bundle)))
    monkeypatch.setattr(components, "_own_bundle", tuple)
    request = yard.request()
    yard.build(request)
    assert (request.openssl.prefix / "ssl" / "cert.pem").readlink() == bundle
    assert (request.openssl.prefix / "ssl" / "openssl.cnf").read_text() == "# nothing"


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_build_goes_without_openssls_program_and_pythons_tests(yard: Yard, *, quick: bool) -> None:
    """The program of OpenSSL and the tests of Python are there, unless the build was only to be tried."""
    request = yard.request(quick=quick)
    yard.build(request)
    assert (request.openssl.prefix / "bin" / "openssl").exists() is not quick
    configured = yard.log.read_text().splitlines()[1].split()
    assert ("--disable-test-modules" in configured) is quick


def test_an_end_of_life_is_said(yard: Yard) -> None:
    """A recipe that nobody repairs any more is built with a warning."""
    yard.build(yard.request(recipe=replace(RECIPE, end_of_life=True)))
    assert any("tiny is at its end of life" in line for line in yard.said)


def test_where_opt_is_not_writable_the_users_data_folder_is_taken(
    monkeypatch: pytest.MonkeyPatch, progress: list[str]
) -> None:
    """The default is the page's own place, else a folder of the user's, which is said."""
    monkeypatch.setattr(module, "unwritable", lambda _: "")
    assert default_base({}) == Path("/opt")
    assert progress == []
    monkeypatch.setattr(module, "unwritable", lambda _: "/opt: Permission denied")
    assert default_base({"HOME": "/home/a"}) == Path("/home/a/.local/share/tls-floor-matrix")
    assert default_base({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}) == Path("/data/tls-floor-matrix")
    assert "Permission denied" in progress[0]


@pytest.mark.parametrize(
    ("read", "path", "text", "version"),
    [
        (openssl_version, "VERSION.dat", "MAJOR=3\nMINOR=0\nPATCH=20\nPRE_RELEASE_TAG=\n", "3.0.20"),
        (openssl_version, "VERSION.dat", "MAJOR=3\nMINOR=5\nPATCH=0\nPRE_RELEASE_TAG=beta1\n", "3.5.0-beta1"),
        (
            openssl_version,
            "include/openssl/opensslv.h",
            '# define OPENSSL_VERSION_TEXT    "OpenSSL 1.1.1w  11 Sep 2023"\n',
            "1.1.1w",
        ),
        (python_version, "Include/patchlevel.h", '#define PY_VERSION      \t"3.9.2"\n', "3.9.2"),
        (python_version, "Include/patchlevel.h", '#define PY_VERSION "3.13.0rc1+"\n', "3.13.0rc1"),
    ],
)
def test_a_source_says_its_version(
    tmp_path: Path, read: Callable[[Path], str], path: str, text: str, version: str
) -> None:
    """The version of a source tree is read where its build reads it."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert read(tmp_path) == version


@pytest.mark.parametrize("read", [openssl_version, python_version])
def test_what_is_no_source_is_a_sentence(tmp_path: Path, read: Callable[[Path], str]) -> None:
    """A folder that does not say a version is no source of either."""
    with pytest.raises(SourceError, match="is no source of"):
        read(tmp_path)
