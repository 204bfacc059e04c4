"""Reads an OpenSSL configuration as the library does, and finds the lines that do not do what they say.

OpenSSL says nothing of a configuration that it drops, in whole or in part. Sources: config(5) for the format,
its "SSL Configuration" for the three links from the library to a minimum, SSL_CONF_cmd(3) for the commands.
What those leave open was measured on OpenSSL 1.1.1w, 3.0.20, 3.5.9 and 3.6.5, and a test holds each sentence
against the OpenSSL at hand.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.versions import openssl_release
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MINIMA = ("None", *LADDER, "DTLSv1", "DTLSv1.2")
"""What MinProtocol takes; their case counts."""

COMMANDS = frozenset(
    {
        *(
            "minprotocol",
            "maxprotocol",
            "protocol",
            "options",
            "ciphersuites",
            "cipherstring",
            "groups",
            "curves",
        ),
        *("signaturealgorithms", "clientsignaturealgorithms", "ecdhparameters", "dhparameters", "verifymode"),
        *("recordpadding", "numtickets", "txcertificatecompression", "rxcertificatecompression"),
        *("certificate", "privatekey", "serverinfofile", "chaincapath", "chaincafile", "chaincastore"),
        *(
            "verifycapath",
            "verifycafile",
            "verifycastore",
            "requestcapath",
            "requestcafile",
            "requestcastore",
        ),
        *("clientcapath", "clientcafile"),
    }
)
"""The commands of a configuration file, whose case does not count: SSL_CONF_cmd(3)."""

LEVELS = frozenset("012345")
"""The security levels: SSL_CTX_set_security_level(3)."""

MODULES = frozenset(
    {"oid_section", "stbl_section", "engines", "alg_section", "providers", "random", "ssl_conf"}
)
"""What a start section may name; anything else ends its reading there: config(5)."""

ENDING = frozenset({"oid_section", "engines", "alg_section"})
"""Those of them at whose faults the reading ends, as where an engine's file is gone."""

SYSTEMS = ("/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf")
"""The distribution's own file, which is what people edit: Debian's and Fedora's."""

BUDGET, A_FILE = 4 * 1024 * 1024, 1024
"""Bytes that are read of a configuration with all it includes, and what each file costs beside its own: a
sparse file can be larger than the memory, and one that includes itself twice has no end."""

MOST = 40
"""Letters of a name or value that are repeated at the most."""

DEEPEST = 10
"""Includes within includes that are followed."""

_WHOLE = "so OpenSSL drops the whole file"
_LINES = "copy the lines that `nox -s remedy` gives"
_BLANK = " \t\r\n"
"""What is skipped between words. Of what looks alike, such as the space that web pages have, nothing is."""
_WORD = r"(?:\\.|[\w!.%&*+,/;?@^|~-])*"
_SETTING = re.compile(rf"(?:({_WORD})::)?({_WORD})[{_BLANK}]*(.*)", re.ASCII | re.DOTALL)
_COMMENT = re.compile(r"""(\\.|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\#.*""")
_PIECE = re.compile(
    r"""\\(.)|"((?:\\.|[^"\\])*)"?|'((?:\\.|[^'\\])*)'?|\$(\{[^}]*\}|\([^)]*\)|\w*(?:::\w+)?)|(.)""",
    re.ASCII | re.DOTALL,
)
_SPECIAL = frozenset("\\\"'$")
"""What a value has to have for its text not to be what it stands for; few have it."""


@dataclass(frozen=True)
class Setting:
    """One line that sets something."""

    section: str
    key: str
    value: str
    file: str
    line: int

    @property
    def command(self) -> str:
        """The command, as SSL_CONF_cmd(3) has it: neither case nor what precedes a dot counts."""
        return self.key.rpartition(".")[2].lower()

    @property
    def level(self) -> str | None:
        """The security level that the line sets; None if it sets none."""
        found = re.search(r"@SECLEVEL=([^:, ;]*)", self.value) if self.command == "cipherstring" else None
        return found[1] if found else None

    @property
    def holds(self) -> bool:
        """Whether the line keeps versions of TLS out: by a minimum, or by a level above 0."""
        if self.command == "minprotocol":
            return self.value in LADDER
        return self.level in LEVELS - {"0"}

    @property
    def place(self) -> str:
        """The line's place, in words."""
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True)
class Reading:
    """What the library reads of a configuration."""

    settings: tuple[Setting, ...] = ()
    """In the order of the lines."""
    fault: str = ""
    """Why all of it is dropped; empty if it is not."""
    skipped: tuple[str, ...] = ()
    """The includes that the library skips, and why."""


@dataclass(frozen=True)
class Examined:
    """What a configuration gives to each new context, and what it fails to."""

    counting: Mapping[str, str] = field(default_factory=dict)
    """By command, in lower case."""
    problems: tuple[str, ...] = ()
    """One sentence each, with the file, the line and a remedy."""
    holds: bool = False
    """Whether something in it keeps versions of TLS out."""
    opens: str = ""
    """What in it lets in what the library keeps out by itself, in a sentence with a remedy."""


class _BrokenError(Exception):
    """The way from the library to its settings ends early; the message says where.

    No FloorError: the message is one of the problems of the configuration, and never leaves this file.
    """


class _DroppedError(Exception):
    """A line that no configuration may have; the message says where and why.

    No FloorError: the message is one of the problems of the configuration, and never leaves this file.
    """


def configuration_problems(
    path: str, env: Mapping[str, str], openssl: str, openssl_dir: str, executable: Path
) -> tuple[str, ...]:
    """Return why an interpreter's configuration does not set the floor that its lines name, in sentences.

    `path` is the file that the interpreter reads by itself, or would read if it were there; `openssl` is the
    version of its library. Empty if nothing is wrong, or no line names a floor. Reads files; raises nothing
    for what is in them.
    """
    if "OPENSSL_CONF" in env:
        if why := privileged(executable, os.getuid(), os.getgid()):
            own = f"{openssl_dir}/openssl.cnf" if openssl_dir else "the library's own openssl.cnf"
            return (f"OPENSSL_CONF is ignored, because {executable} {why}: set the floor in {own}",)
        if not path:
            return ("OPENSSL_CONF is empty, so no OpenSSL configuration is read: unset it, or name a file",)
        if why := unreadable(Path(path)):
            none = "so no OpenSSL configuration is read: correct the variable or the file"
            return (f"OPENSSL_CONF names {path}, which {why}, {none}",)
    if not path:
        return ()
    reading = read(Path(path), env)
    found = examine(reading, library_version(openssl))
    problems = (*found.problems, *filter(None, [found.opens]))
    if found.holds or problems or "OPENSSL_CONF" in env:
        return problems
    return _elsewhere(Path(path), env)


def unreadable(path: Path) -> str:
    """Say why a file cannot be read, as in "which ..."; empty if it can."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "is a folder"
        # A device such as /dev/null can be read; to open what never ends, such as a pipe, never ends.
        if not stat.S_ISREG(mode):
            return "" if stat.S_ISCHR(mode) else "is no file"
        with path.open("rb"):
            return ""
    except OSError as error:
        if error.errno == errno.ENOENT:
            return "does not exist"
        return f"cannot be read ({error.strerror or error})"


def privileged(executable: Path, uid: int, gid: int) -> str:
    """Say why the system hides the variable from a program of this user's; empty if it does not.

    Source: secure_getenv(3), ld.so(8) "secure-execution mode".
    """
    try:
        status = executable.stat()
        if status.st_mode & stat.S_ISUID and status.st_uid != uid:
            return "is setuid"
        if status.st_mode & stat.S_ISGID and status.st_gid != gid:
            return "is setgid"
        attributes = os.listxattr(executable) if hasattr(os, "listxattr") else []
        capable = uid != 0 and "security.capability" in attributes
    except OSError:
        return ""
    return "has file capabilities" if capable else ""


def _elsewhere(path: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Say that a floor is set in the distribution's file, where the library has a folder of its own."""
    for system in SYSTEMS:
        if os.path.realpath(system) == os.path.realpath(path):
            return ()
        if examine(read(Path(system), env), (3,)).holds:
            own = f"{path}, which {unreadable(path) or 'sets none'}"
            remedy = f"set it there, or name {system} in OPENSSL_CONF"
            return (f"a floor is set in {system}, but this interpreter's library reads {own}: {remedy}",)
    return ()


def library_version(openssl: str) -> tuple[int, ...]:
    """Return the numbers of a library's version; those of OpenSSL 3 if it is none that we know."""
    return openssl_release(openssl) or (3,)


def read(path: Path, env: Mapping[str, str]) -> Reading:
    """Return what the library reads of a file; nothing where it cannot be read."""
    return _reading(env, lambda reader: reader.file(path))


def read_text(text: str, env: Mapping[str, str]) -> Reading:
    """Return what the library would read of a file with this text."""
    return _reading(env, lambda reader: reader.text("the configuration", text))


def _reading(env: Mapping[str, str], go: Callable[[_Reader], None]) -> Reading:
    reader = _Reader(env)
    try:
        go(reader)
    except _DroppedError as error:
        return Reading(fault=str(error), skipped=tuple(reader.skipped))
    return Reading(tuple(reader.settings), skipped=tuple(reader.skipped))


class _Reader:
    """Goes through a configuration line by line, as crypto/conf/conf_def.c does."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.settings: list[Setting] = []
        self.skipped: list[str] = []
        self._section = "default"
        self._folder = env.get("OPENSSL_CONF_INCLUDE", "")
        self._braced_only = False
        self._budget = BUDGET
        self._depth = 0

    def file(self, path: Path) -> None:
        """Read a file; after it, the section is the one that it ended in."""
        try:
            self._budget -= path.stat().st_size + A_FILE
            if self._budget < 0 or self._depth > DEEPEST or not path.is_file():
                return
            text = path.read_bytes().decode(errors="surrogateescape")
        except OSError:
            return
        if not self._depth:  # in what is included the mark is a letter like any other
            text = text.removeprefix("\ufeff")
        if "\r" in text.strip(_BLANK) and "\n" not in text:
            lines = "ends its lines by carriage returns alone, so OpenSSL takes all of it for one line"
            self.skipped.append(f"{path} {lines}: save it with line feeds")
        self._depth += 1
        self.text(str(path), text)
        self._depth -= 1

    def text(self, file: str, text: str) -> None:
        """Read the text of a file."""
        for number, line in logical_lines(text):
            self._line(file, number, line)

    def _line(self, file: str, number: int, line: str) -> None:
        here = f"{file}, line {number}"
        if line.startswith("["):
            inside, closed, _ = line[1:].partition("]")
            if not closed:
                msg = f"{here} opens a section and does not close it, {_WHOLE}: add the ]"
                raise _DroppedError(msg)
            words = [word for word in re.split(f"[{_BLANK}]+", inside) if word]
            if not all(re.fullmatch(_WORD, word, re.ASCII) for word in words):
                msg = f"{here} has a letter in the name of a section that none may have, {_WHOLE}: correct it"
                raise _DroppedError(msg)
            self._section = (words or [""])[-1]
            return
        where, key, rest = _SETTING.fullmatch(line).groups()  # type: ignore[union-attr]  # it matches anything
        if key in (".include", ".pragma"):
            value = self._value(rest.removeprefix("=").strip(_BLANK), here)
            self._include(value, here) if key == ".include" else self._pragma(value)
            return
        if not rest.startswith("="):
            # Its words are not repeated: the file may be no configuration, but one with secrets.
            sign = "" if line[:1].isascii() else f"begins with {_shown(line[:1])} and "
            what = f"{here} {sign}is neither a section nor a setting"
            msg = f"{what}, {_WHOLE}: correct the line, or begin it with #"
            raise _DroppedError(msg)
        section = self._section if where is None else where
        self.settings.append(Setting(section, key, self._value(rest[1:].strip(_BLANK), here), file, number))

    def _pragma(self, value: str) -> None:
        name, _, setting = value.partition(":")
        if name.strip() == "dollarid":
            self._braced_only = setting.strip() in ("on", "true")
        elif name.strip() == "includedir":
            self._folder = setting.strip()

    def _include(self, value: str, here: str) -> None:
        path = Path(self._folder, value)
        if not path.is_absolute():
            why = "is looked for in the folder that a process is in: write its whole path"
        elif why := unreadable(path) if not path.is_dir() else self._folder_of(path):
            why = f"{why}, and OpenSSL skips it: correct the path or the file"
        else:
            self.file(path)
        if why:
            self.skipped.append(f"{here} includes {value}, which {why}")

    def _folder_of(self, path: Path) -> str:
        """Read the files of a folder that the library would; say why there are none."""
        try:
            inside = sorted(path.iterdir())
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        read = [file for file in inside if file.suffix in (".cnf", ".conf")]
        for file in read:
            self.file(file)
        return "has files, but no name that ends in .cnf or .conf" if inside and not read else ""

    def _value(self, text: str, here: str) -> str:
        """Return a value without quotes and escapes, and with what its variables stand for."""
        if _SPECIAL.isdisjoint(text):
            return text

        def piece(match: re.Match[str]) -> str:
            escaped, double, single, variable, plain = match.groups()
            if variable is not None:
                if self._braced_only and not variable.startswith(("{", "(")):
                    return match[0]
                return self._variable(variable.strip("{}()"), here)
            return next(part for part in (escaped, double, single, plain) if part is not None)

        return _PIECE.sub(piece, text)

    def _variable(self, name: str, here: str) -> str:
        where, given, key = name.rpartition("::")
        section = where if given else self._section
        if section == "ENV" and key in self.env:
            return self.env[key]
        for place in (section, "default"):
            for setting in reversed(self.settings):
                if (setting.section, setting.key) == (place, key):
                    return setting.value
        msg = f"{here} refers to a variable that has no value, {_WHOLE}: set it before that line"
        raise _DroppedError(msg)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not empty, with its number: continued lines joined, comments removed."""
    begun, number = "", 1
    for at, physical in enumerate(text.split("\n"), 1):
        line = physical.removesuffix("\r")
        number = number if begun else at
        if line.endswith("\\") and re.search(r"(?<!\\)(?:\\\\)*\\$", line):
            begun += line[:-1]
            continue
        if content := _without_comment(begun + line):
            yield number, content
        begun = ""
    if content := _without_comment(begun):
        yield number, content


def _without_comment(line: str) -> str:
    text = _COMMENT.sub(lambda match: match[1] or "", line) if "#" in line else line
    return text.strip(_BLANK)


def examine(reading: Reading, library: tuple[int, ...]) -> Examined:
    """Return what a configuration gives to each new context, and which of its lines give nothing."""
    if reading.fault:
        return Examined({}, (*reading.skipped, reading.fault))
    tables = _tables(reading.settings)
    try:
        target, broken = _follow(tables), ""
    except _BrokenError as error:
        target, broken = "", str(error)
    counting, faults = _sorted_out(tables.get(target, {}).values(), library)
    lost = [
        setting
        for setting in reading.settings
        if setting.holds
        and setting not in (*counting.values(), *faults)
        and not _is_as_high(counting.get(setting.command), setting)
    ]
    if lost and broken:
        problems = [f"{lost[0].place} sets {lost[0].key}, which nothing reads: {broken}; {_LINES}"]
    else:
        problems = [_lost(setting, target, counting) for setting in lost]
    holds = any(setting.holds for setting in counting.values())
    problems += [*_idle(counting), *(_ahead(tables) if holds else ())]
    return Examined(
        {command: setting.value for command, setting in counting.items()},
        (*reading.skipped, *filter(None, faults.values()), *problems),
        holds,
        next((_opens(setting) for setting in counting.values() if setting.level == "0"), ""),
    )


def _is_as_high(counting: Setting | None, lost: Setting) -> bool:
    """Whether a setting that counts holds as much as one that is lost would."""
    if counting is None:
        return False
    if counting.level is not None and lost.level is not None:
        return counting.level >= lost.level
    both = counting.value in LADDER and lost.value in LADDER
    return both and LADDER.index(counting.value) >= LADDER.index(lost.value)


def _idle(counting: Mapping[str, Setting]) -> Iterator[str]:
    """Give a sentence for protocols listed to no effect, because none is switched off: SSL_CONF_cmd(3)."""
    setting = counting.get("protocol")
    if setting is None or "minprotocol" in counting:
        return
    named = [part.strip(_BLANK).removeprefix("+") for part in setting.value.split(",")]
    lowest = next((version for version in LADDER if version in named), None)
    if lowest and not any(part.startswith("-") or part.upper() == "ALL" for part in named):
        sets = f"{setting.place} sets {setting.key} = {_shown(setting.value)}"
        yield f"{sets}, which switches no version off: write MinProtocol = {lowest}"


def _ahead(tables: Mapping[str, Mapping[str, Setting]]) -> Iterator[str]:
    """Give a sentence for a module before that of TLS whose fault would end the reading there."""
    start = tables.get("default", {}).get("openssl_conf")
    for key, setting in tables.get(start.value if start else "", {}).items():
        if (module := key.partition(".")[0]) == "ssl_conf":
            return
        if module in ENDING:
            fails = f"has {key} before ssl_conf, and where that fails OpenSSL reads no further"
            yield f"{setting.place} {fails}: move the line ssl_conf above it"


def _sorted_out(
    settings: Iterable[Setting], library: tuple[int, ...]
) -> tuple[dict[str, Setting], dict[Setting, str]]:
    """Return, of the section that each context gets, the settings that count, by command, and the faults.

    A fault has its sentence; a setting that is lost because of an earlier fault has an empty one.
    """
    counting: dict[str, Setting] = {}
    faults: dict[Setting, str] = {}
    for setting in settings:
        # Before 3.0 the library stops reading at the first line that it does not understand.
        if faults and library < (3,):
            faults[setting] = ""
        elif fault := _misunderstood(setting, ", with all that follows there" if library < (3,) else ""):
            faults[setting] = fault
        elif not setting.value.startswith("DTLS"):
            counting[setting.command] = setting
    return counting, faults


def _tables(settings: tuple[Setting, ...]) -> dict[str, dict[str, Setting]]:
    """Return the settings of each section by key; what is set again counts from there."""
    tables: dict[str, dict[str, Setting]] = {}
    for setting in settings:
        table = tables.setdefault(setting.section, {})
        table.pop(setting.key, None)
        table[setting.key] = setting
    return tables


def _follow(tables: Mapping[str, Mapping[str, Setting]]) -> str:
    """Return the section that each new context gets; raises _BrokenError where the way there ends."""

    def inside(setting: Setting) -> Mapping[str, Setting]:
        if found := tables.get(setting.value):
            return found
        msg = f"{setting.place} names the section [{setting.value}], in which there is nothing"
        raise _BrokenError(msg)

    def link(table: Mapping[str, Setting], key: str, where: str) -> Setting:
        if key in table:
            return table[key]
        msg = f"no line {key} stands {where}"
        raise _BrokenError(msg)

    start = link(tables.get("default", {}), "openssl_conf", "before the first section")
    names = None
    for key, setting in inside(start).items():
        module = key.partition(".")[0]
        if module == "ssl_conf":
            names = setting
        elif module not in MODULES and names is None:
            msg = f"{setting.place} has {key}, which is nothing that [{start.value}] may have"
            raise _BrokenError(msg)
    if names is None:
        msg = f"no line ssl_conf stands in [{start.value}]"
        raise _BrokenError(msg)
    table = inside(names)
    # One that cannot be followed is enough to drop them all.
    for setting in table.values():
        inside(setting)
    return link(table, "system_default", f"in [{names.value}]").value


def _misunderstood(setting: Setting, more: str) -> str:
    """Say why a line of the section that each context gets does nothing; empty if it does what it says."""
    drops = f"so OpenSSL drops it{more}"
    if setting.command not in COMMANDS:
        sets = f"{setting.place} sets {setting.key[:MOST]}"
        return f"{sets}, which OpenSSL does not know, {drops}: correct its name"
    sets = f"{setting.place} sets {setting.key} = {_shown(setting.value)}"
    if setting.command == "minprotocol" and setting.value not in MINIMA:
        return f"{sets}, which is no version, {drops}: write TLSv1.2 or TLSv1.3"
    if setting.level is not None and setting.level not in LEVELS:
        return f"{sets}, whose level is none, {drops}: write a level from 0 to 5"
    return ""


def _shown(value: str) -> str:
    """Return a value as a sentence has it: what cannot be told from a blank, as its number."""
    return value[:MOST].encode("unicode_escape", "surrogatepass").decode()


def _opens(setting: Setting) -> str:
    """Return that a level of 0 opens what every other level keeps out; sources: reports/verdicts/truth.py."""
    sets = f"{setting.place} sets {setting.key} = {setting.value}"
    return f"{sets}, and level 0 allows every version: write level 2 there"


def _lost(setting: Setting, target: str, counting: Mapping[str, Setting]) -> str:
    """Say why a setting that could hold a floor is not one that each new context gets."""
    if setting.section == target:
        later = counting.get(setting.command)
        by = f"{later.place} sets it again" if later else "a later line sets it again"
        return f"{setting.place} sets {setting.key} = {setting.value}, but {by}: leave only one"
    where = "before the first section" if setting.section == "default" else f"in [{setting.section}]"
    return f"{setting.place} sets {setting.key} {where}, where nothing reads it: move it to [{target}]"
