"""What is said of an OpenSSL configuration, held against what an OpenSSL at hand makes of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters import openssl_faults
from interpreters.openssl_faults import (
    configuration_problems,
    examine,
    logical_lines,
    privileged,
    read,
    read_text,
    unreadable,
)
from servers.conditions import Condition, configuration
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interpreters.interpreter import Interpreter

SUPPORT = Path(__file__).parent.parent / "support"
CHAIN = "openssl_conf = init\n[init]\nssl_conf = names\n[names]\nsystem_default = settings\n[settings]\n"
HELD = CHAIN + "MinProtocol = TLSv1.3\n"
"""TLS 1.3, because nobody but a configuration sets that."""
NEW, OLD = (3, 0, 20), (1, 1, 1)


def _set(value: str) -> str:
    return f"{CHAIN}MinProtocol = {value}\n"


SOUND = {
    "as it should be": HELD,
    "a mark of the byte order": "\ufeff" + HELD,
    "line ends of Windows": HELD.replace("\n", "\r\n"),
    "another case": CHAIN + "minprotocol = TLSv1.3\n",
    "a prefix": CHAIN + "TLS.MinProtocol = TLSv1.3\nDTLS.MinProtocol = DTLSv1.2\n",
    "quotes": _set('"TLSv1.3"'),
    "a comment behind": _set("TLSv1.3 # as policy has it"),
    "a line in two": CHAIN + "MinProtocol = \\\nTLSv1.3\n",
    "a variable": "lowest = TLSv1.3\n" + _set("$lowest"),
    "a variable of a section": "[x]\nlowest = TLSv1.3\n[default]\n" + _set("${x::lowest}"),
    "words behind a section": HELD.replace("[settings]", "[ settings ] these"),
    "a dollar that is a letter": ".pragma = dollarid:on\nx = a$b\n" + HELD,
    "a section elsewhere": "settings::MinProtocol = TLSv1.3\n" + CHAIN + "CipherString = DEFAULT\n",
    "a second module of the name": (
        "openssl_conf = init\n[init]\nssl_conf = first\nssl_conf.b = names\n[first]\nsystem_default = s\n"
        "[s]\nOptions = Bugs\n[names]\nsystem_default = settings\n[settings]\nMinProtocol = TLSv1.3\n"
    ),
    "an included folder": ".include folder\n",
    "an included file": ".include = sound.cnf\n",
}
"""Texts by which TLS 1.3 holds; the names of files stand for those below the test's folder."""

BROKEN = {
    "no equal sign": (HELD + "CipherString DEFAULT\n", "line 8 is neither"),
    "a comment of another kind": (HELD + "; weaker = no\n", "line 8 is neither"),
    "an open section": (HELD + "[more\n", "line 8 opens a section and does not close it"),
    "a variable that is not set": (HELD + "x = $nothing\n", "line 8 refers to a variable that has no value"),
    "no version": (_set("TLS1.3"), "line 7 sets MinProtocol = TLS1.3, which is no version"),
    "another case of a version": (_set("tlsv1.3"), "line 7 sets MinProtocol = tlsv1.3, which is no version"),
    "nothing": (_set(""), "line 7 sets MinProtocol = , which is no version"),
    "a name that is not known": (
        CHAIN + "MinProtokol = TLSv1.3\n",
        "sets MinProtokol, which OpenSSL does not know",
    ),
    "at the top": (
        "MinProtocol = TLSv1.3\n" + CHAIN + "Options = ServerPreference\n",
        "line 1 sets MinProtocol before",
    ),
    "in a section that nothing names": (
        CHAIN + "Options = ServerPreference\n[other]\nMinProtocol = TLSv1.3\n",
        "line 9 sets MinProtocol in [other], where nothing reads it: move it to [settings]",
    ),
    "below the start": (
        HELD.replace("[init]\n", "[init]\nMinProtocol = TLSv1.3\n"),
        "which is nothing that [init] may",
    ),
    "no start": (HELD.replace("openssl_conf = init\n", ""), "no line openssl_conf stands before the first"),
    "a start within a section": ("[x]\n" + HELD, "no line openssl_conf stands before the first section"),
    "a start that is not there": (
        HELD.replace("= init", "= elsewhere"),
        "line 1 names the section [elsewhere]",
    ),
    "no names": (HELD.replace("ssl_conf = names", "engines = names"), "no line ssl_conf stands in [init]"),
    "names that are not there": (
        HELD.replace("= names", "= elsewhere"),
        "line 3 names the section [elsewhere]",
    ),
    "no default": (HELD.replace("system_default", "server"), "no line system_default stands in [names]"),
    "a default that is not there": (
        HELD.replace("= settings", "= other"),
        "line 5 names the section [other]",
    ),
    "another name that is not there": (
        HELD.replace("[settings]", "server = other\n[settings]"),
        "line 6 names the section [other]",
    ),
    "set again": (HELD + "MinProtocol = TLSv1.2\n", "line 7 sets MinProtocol = TLSv1.3, but"),
    "set again in a later part": (
        HELD + "[x]\ny = z\n[settings]\nMinProtocol = TLSv1\n",
        "line 11 sets it again",
    ),
    "a missing include": (
        ".include nowhere.cnf\n",
        "line 1 includes {folder}/nowhere.cnf, which does not exist",
    ),
    "an include of no file": (
        ".include sound.cnf/x\n",
        "/sound.cnf/x, which cannot be read (Not a directory)",
    ),
    "a relative include": (
        ".include ./relative.cnf\n",
        "includes ./relative.cnf, which is looked for in the folder",
    ),
    "a folder of other names": (".include texts\n", "has files, but no name that ends in .cnf or .conf"),
    "a space as on web pages": (
        _set("\u00a0TLSv1.3"),
        r"line 7 sets MinProtocol = \xa0TLSv1.3, which is no version",
    ),
    "a space as on web pages before a name": (
        CHAIN + "\u00a0MinProtocol = TLSv1.3\n",
        r"line 7 begins with \xa0 and is neither",
    ),
    "a space as on web pages in a section": (
        HELD.replace("[settings]", "[\u00a0settings]"),
        "line 6 has a letter in the name of a section that none may have",
    ),
    "a blank of another kind": (_set("\vTLSv1.3"), r"sets MinProtocol = \x0bTLSv1.3, which is no version"),
    "line ends of an old Mac": (
        HELD.replace("\n", "\r"),
        "ends its lines by carriage returns alone, so OpenSSL takes all of it for one line",
    ),
    "a list of protocols that switches none off": (
        CHAIN + "Protocol = TLSv1.3\n",
        "line 7 sets Protocol = TLSv1.3, which switches no version off: write MinProtocol = TLSv1.3",
    ),
    "a mark of the byte order in an include": (
        HELD + ".include marked.cnf\n",
        r"{folder}/marked.cnf, line 1 begins with \ufeff and is neither",
    ),
    "an include that is broken": (
        HELD + ".include broken.cnf\n",
        "{folder}/broken.cnf, line 2 is neither",
    ),
}
"""Texts that are meant to hold TLS 1.3 and do not, with what is said of each."""

HALF = {
    "a level that is none": (
        CHAIN + "CipherString = DEFAULT@SECLEVEL=9\nMinProtocol = TLSv1.3\n",
        "whose level is none",
    ),
    "another name that is not known": (
        CHAIN + "Minimum = 1\nMinProtocol = TLSv1.3\n",
        "sets Minimum, which OpenSSL does not know",
    ),
}
"""Texts with a line that is dropped: since OpenSSL 3.0 alone, before with all that follows."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a configuration beside the files that some include."""
    (tmp_path / "sound.cnf").write_text(HELD)
    (tmp_path / "broken.cnf").write_text("# so it goes\noh\n")
    (tmp_path / "marked.cnf").write_text("\ufeffx = y\n")
    for folder, name in (("folder", "a.cnf"), ("texts", "a.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(HELD)

    def write(text: str) -> Path:
        path = tmp_path / "tried.cnf"
        path.write_bytes(re.sub(r"(\.include (?:= )?)(?=\w)", rf"\1{tmp_path}/", text).encode())
        return path

    return write


ASK = """
import ssl
print(ssl.OPENSSL_VERSION_INFO[:3])
try:
    print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version.name.replace("_", "."))
except Exception as error:
    print(error)
"""


def _ask(python: str | Path, conf: str, **options: object) -> tuple[tuple[int, ...], str]:
    """Return an interpreter's version of OpenSSL, and the minimum of its contexts under a configuration."""
    environment = {**os.environ, "OPENSSL_CONF": conf}
    done = subprocess.run(
        [python, "-I", "-c", ASK], env=environment, capture_output=True, text=True, check=True, **options
    )  # type: ignore[call-overload]
    version, minimum = done.stdout.splitlines()
    return tuple(map(int, re.findall(r"\d+", version))), minimum


def _said(text_and_words: tuple[str, str], write: Callable[[str], Path], library: tuple[int, ...]) -> str:
    """Return what is said of a text, which must be one sentence with a remedy."""
    text, words = text_and_words
    path = write(text)
    found = examine(read(path, {}), library)
    (said,) = found.problems
    assert words.replace("{folder}", str(path.parent)) in said
    assert any(str(path.parent / name) in said for name in (path.name, "broken.cnf", "marked.cnf"))
    assert re.search(r"[:;] (correct|write|add|set|move|leave|copy|save) ", said), said
    return found.counting.get("minprotocol", "none")


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("library", [OLD, NEW])
def test_nothing_is_said_of_what_holds(
    name: str, library: tuple[int, ...], write: Callable[[str], Path]
) -> None:
    """A configuration that sets the minimum, however it is written, has no problem."""
    found = examine(read(write(SOUND[name]), {}), library)
    assert (found.problems, found.counting["minprotocol"], found.holds) == ((), "TLSv1.3", True)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("library", [OLD, NEW])
def test_what_does_not_hold_is_named(
    name: str, library: tuple[int, ...], write: Callable[[str], Path]
) -> None:
    """The one thing that is wrong is said with file, line and remedy, and the minimum is another."""
    assert _said(BROKEN[name], write, library) != "TLSv1.3"


@pytest.mark.parametrize("name", HALF)
def test_before_3_0_what_follows_a_dropped_line_is_dropped_too(
    name: str, write: Callable[[str], Path]
) -> None:
    """A line that is not understood costs the minimum below it up to OpenSSL 1.1.1, and then no more."""
    assert _said(HALF[name], write, NEW) == "TLSv1.3"
    assert _said(HALF[name], write, OLD) == "none"


@pytest.mark.e2e
@pytest.mark.parametrize("name", [*SOUND, *BROKEN, *HALF])
def test_a_real_openssl_does_what_is_said(
    name: str, write: Callable[[str], Path], loose: Interpreter
) -> None:
    """The minimum that a real library gives its contexts is the one that is worked out from the text."""
    text = SOUND.get(name) or (BROKEN | HALF)[name][0]
    path = write(text)
    version, measured = _ask(loose.path, str(path))
    expected = examine(read(path, {}), version).counting.get("minprotocol", "none")
    assert measured == {"none": "MINIMUM.SUPPORTED"}.get(expected, expected)
    assert (measured == "TLSv1.3") is (name in SOUND or (name in HALF and version >= (3,)))


AHEAD = HELD.replace("ssl_conf = names", "oid_section = other\nssl_conf = names")
BEHIND = HELD.replace("ssl_conf = names", "ssl_conf = names\noid_section = other")
"""What nothing can be said of by the file alone: whether a module of that kind fails."""


def test_a_module_that_may_end_the_reading_is_named() -> None:
    """It stands before that of TLS; behind it, it can take nothing away, nor where nothing holds."""
    (said,) = examine(read_text(AHEAD, {}), NEW).problems
    assert said.endswith(
        "line 3 has oid_section before ssl_conf, and where that fails OpenSSL reads no further:"
        " move the line ssl_conf above it"
    )
    assert examine(read_text(BEHIND, {}), NEW).problems == ()
    assert examine(read_text(AHEAD.replace("MinProtocol = TLSv1.3", "x = y"), {}), NEW).holds is False


@pytest.mark.e2e
@pytest.mark.parametrize(("text", "minimum"), [(AHEAD, "MINIMUM.SUPPORTED"), (BEHIND, "TLSv1.3")])
def test_a_module_that_fails_ends_the_reading(
    text: str, minimum: str, write: Callable[[str], Path], loose: Interpreter
) -> None:
    """So it is where a section of it is not there, and what is advised helps."""
    assert _ask(loose.path, str(write(text)))[1] == minimum


@pytest.mark.parametrize(
    "text",
    [
        HELD + "[other]\nMinProtocol = TLSv1\n",
        HELD + "[other]\nMinProtocol = TLSv1.3\n",
        CHAIN + "MinProtocol = TLSv1\nMinProtocol = TLSv1.3\n",
        CHAIN + "CipherString = @SECLEVEL=3\n[other]\nCipherString = @SECLEVEL=2\n",
    ],
)
def test_nobody_is_told_to_lower_a_floor(text: str) -> None:
    """What asks for no more than what counts is no floor that was lost, and is not to be moved there."""
    assert examine(read_text(text, {}), NEW).problems == ()


def _problems(
    conf: str | None, openssl_dir: str = "/made/up", executable: str = "/bin/sh"
) -> tuple[str, ...]:
    environment = {} if conf is None else {"OPENSSL_CONF": conf}
    path = f"{openssl_dir}/openssl.cnf" if conf is None else conf
    return configuration_problems(path, environment, "OpenSSL 3.0.20", openssl_dir, Path(executable))


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.cnf", "which does not exist"),
        ("folder", "which is a folder"),
        ("tried.cnf/x", "which cannot be read (Not a directory)"),
        ("", "OPENSSL_CONF is empty"),
    ],
)
def test_a_named_configuration_that_cannot_be_read_is_named(
    name: str, words: str, write: Callable[[str], Path], loose: Interpreter
) -> None:
    """Where OPENSSL_CONF leads to no file that is said, and a real library then has no minimum at all."""
    conf = str(write(HELD).parent / name) if name else ""
    (said,) = _problems(conf)
    assert words in said
    assert conf in said
    assert "so no OpenSSL configuration is read" in said
    assert _ask(loose.path, conf)[1] == "MINIMUM.SUPPORTED"


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    """Be an ordinary user for a while, where one is root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_without_permission_is_named(write: Callable[[str], Path]) -> None:
    """What this user may not read is said to be so."""
    path = write(HELD)
    path.chmod(0)
    with _nobody():
        assert unreadable(path) == "cannot be read (Permission denied)"


def test_what_is_no_configuration_is_not_repeated(write: Callable[[str], Path]) -> None:
    """A file that OPENSSL_CONF should not name, such as one with passwords, leaves no word in the report."""
    (said,) = _problems(str(write("root:$6$salt$secret:19000:0:99999:7:::\n")))
    assert "line 1 is neither a section nor a setting" in said
    assert "secret" not in said
    long = examine(read(write(f"{CHAIN}{'secret' * 20} = {'word' * 20}\n"), {}), NEW).problems[0]
    assert "secret" * 10 not in long
    assert "word" not in long


@pytest.mark.timeout(20)
def test_what_never_ends_costs_no_time(write: Callable[[str], Path], tmp_path: Path) -> None:
    """A pipe, a sparse file of the size of a disk, and files that include themselves are no trap."""
    pipe, sparse, again = tmp_path / "pipe", tmp_path / "sparse.cnf", tmp_path / "again.cnf"
    os.mkfifo(pipe)
    assert "is no file" in _problems(str(pipe))[0]
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    assert read(sparse, {}).settings == ()
    again.write_text(f".include {again}\n" * 10)
    assert read(again, {}).settings == ()
    folder = write(HELD).parent
    assert examine(read(write(f".include {pipe}\n.include {folder}/sound.cnf\n"), {}), NEW).holds


def test_an_empty_file_and_the_machines_own_have_no_problem(write: Callable[[str], Path]) -> None:
    """Nothing is said where nothing is meant to hold: of no lines, of no file, of Debian's own files."""
    assert _problems(str(write(""))) == ()
    assert _problems(None) == ()
    for release in ("12", "13"):
        stock = SUPPORT / f"openssl-debian-{release}.cnf"
        assert examine(read(stock, {"HOME": "/"}), NEW) == openssl_faults.Examined()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (0, "line 1 sets MinProtocol, which nothing reads:"),
        (-1, "names the section [openssl_init], in which there is nothing"),
        (1, "MinProtocol, which is nothing that [openssl_init] may have"),
    ],
)
def test_a_bare_line_in_debians_file_does_nothing(
    place: int, words: str, write: Callable[[str], Path]
) -> None:
    """At the top, at the end and below [openssl_init] of the file of Debian 12 a minimum is not read."""
    lines = (SUPPORT / "openssl-debian-12.cnf").read_text().splitlines()
    at = {0: 0, -1: len(lines), 1: lines.index("[openssl_init]") + 1}[place]
    lines.insert(at, "MinProtocol = TLSv1.3")
    found = examine(read(write("\n".join(lines)), {"HOME": "/"}), NEW)
    (said,) = found.problems
    assert words in said
    assert not found.holds


@pytest.mark.parametrize("floor", [Protocol.TLSV1_2, Protocol.TLSV1_3])
def test_our_own_files_do_what_they_are_meant_to(floor: Protocol, write: Callable[[str], Path]) -> None:
    """The hardened condition's file holds its floor, the permissive and the empty one hold nothing."""
    for condition in set(Condition) - {Condition.AMBIENT}:
        found = examine(read(write(configuration(condition, floor)), {}), NEW)
        assert found.problems == ()
        assert found.holds is (condition is Condition.HARDENED)
        assert (
            found.counting.get("minprotocol")
            == {
                Condition.HARDENED: floor,
                Condition.PERMISSIVE: "None",
                Condition.EMPTY: None,
            }[condition]
        )


def test_a_level_that_opens_every_version_is_named(write: Callable[[str], Path]) -> None:
    """Level 0 in the configuration that is read is said to let every version through."""
    path = write(CHAIN + "CipherString = DEFAULT:@SECLEVEL=0\nMinProtocol = TLSv1\n")
    (said,) = _problems(str(path))
    assert f"{path}, line 7 sets CipherString" in said
    assert "level 0 allows every version: write level 2" in said
    assert _problems(str(write(CHAIN + "CipherString = DEFAULT:@SECLEVEL=1\n"))) == ()


def test_a_floor_in_a_file_that_the_library_does_not_read_is_found(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the distribution's file sets a floor and the library has a folder of its own, both are named."""
    system = write(HELD)
    monkeypatch.setattr(openssl_faults, "SYSTEMS", (str(system),))
    (said,) = _problems(None, str(tmp_path / "own"))
    assert f"set in {system}, but" in said
    assert f"{tmp_path}/own/openssl.cnf, which does not exist" in said
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "openssl.cnf").write_text("")
    assert "openssl.cnf, which sets none" in _problems(None, str(tmp_path / "own"))[0]
    (tmp_path / "own" / "openssl.cnf").write_text(HELD)
    assert _problems(None, str(tmp_path / "own")) == ()
    system.write_text("")
    assert _problems(None, str(tmp_path / "elsewhere")) == ()


def test_continued_lines_keep_the_number_of_their_first() -> None:
    """Lines are counted as an editor does, whatever is joined or left out."""
    text = "# one\na = \\\n b\n\nc = 'x # y' # z\nd = e\\"
    assert list(logical_lines(text)) == [(2, "a =  b"), (5, "c = 'x # y'"), (6, "d = e")]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("mode", "words"),
    [(stat.S_ISUID, "is setuid"), (stat.S_ISGID, "is setgid"), (0, "has file capabilities")],
)
def test_a_privileged_interpreter_ignores_the_variable(mode: int, words: str) -> None:
    """A real Python that is setuid, setgid or has capabilities does not read what OPENSSL_CONF names."""
    python = Path("/usr/bin/python3").resolve()
    if os.geteuid() != 0 or not python.exists():
        pytest.skip("giving a Python privileges takes root and /usr/bin/python3")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_open_folder()))
        copy, conf = folder / "python", folder / "floor.cnf"
        shutil.copy(python, copy)
        conf.write_text(HELD)
        os.chown(copy, 65534, 65534)
        copy.chmod(0o755 | mode)
        if not mode:
            # VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE permitted and effective: linux/capability.h.
            os.setxattr(copy, "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))
        who = {} if mode else {"user": 65533, "group": 65533}
        uid, gid = who.get("user", 0), who.get("group", 0)
        if _ask(python, str(conf), **who)[1] != "TLSv1.3":
            pytest.skip(f"{python} sets a minimum itself, so a configuration shows in none of its contexts")
        assert _ask(copy, str(conf), **who)[1] == "MINIMUM.SUPPORTED"
        assert privileged(copy, uid, gid) == words
        assert privileged(python, uid, gid) == ""


@contextlib.contextmanager
def _open_folder() -> Iterator[str]:
    """Make a folder that every user can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield folder
