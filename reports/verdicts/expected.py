"""What a cell must show, computed from causes: what the interpreter is, what it reads, and published rules.

Nothing here knows how a cell or a verdict is judged: the expectation uses what an interpreter says it is,
the text of the OpenSSL configuration it reads, and published rules. Each rule is a `Cause` that names its
source, and each expectation carries the causes it rests on, so that an auditor can contradict one.

Not known to it, and therefore left out by name: libraries other than OpenSSL, interpreters other than
CPython, clients not listed here, and configurations that do more than set a minimum and a level. A
distribution that changes OpenSSL's rules further (Ubuntu ties TLS 1.2 to level 2) shows as disagreement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.openssl_conf import configuration_path
from interpreters.openssl_faults import examine, library_version, read, read_text
from interpreters.versions import openssl_release, version_of
from servers.catalogue import Certificate, KeyExchange
from servers.conditions import Condition, configuration
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from interpreters.openssl_faults import Reading
    from servers.catalogue import Server

NOT_OFFERED = "not offered"
REJECTED = "rejected"
BLOCKED = "blocked"


REFERENCE = "relaxed"
"""The client that no application is; the page does not speak about it."""


class UnknownCauseError(Exception):
    """No published rule given here covers the case; the message says what is not covered.

    No FloorError: the cell is left without an expectation, with the message, and the session goes on.
    """


@dataclass(frozen=True)
class Cause:
    """One reason why a cell comes out as it does, and what says so."""

    what: str
    source: str

    def __str__(self) -> str:
        """Return the cause as truth.csv shows it."""
        return f"{self.what} [{self.source}]"


# What the library has.

REPORTED = Cause("the ssl module reports what its OpenSSL was built with", "Python docs, ssl.HAS_TLSv1")
DEFAULT_BUILD = Cause(
    "OpenSSL as its authors and Debian build it: TLS 1.0 to 1.2 since 1.0.1, TLS 1.3 since 1.1.1, no SSLv3"
    " since 1.1.0; Python 2.7 and 3.6 do not report more",
    "OpenSSL INSTALL.md, enable-ssl3; CHANGES.md",
)

NO_SSLV3_4 = Cause(
    "OpenSSL 4.0 has no SSLv3, whatever an ssl module says that was made for earlier ones; TLS 1.0 and 1.1"
    " are still built in",
    "OpenSSL CHANGES.md, 4.0; ssl.HAS_SSLv3 of CPython 3.13 on OpenSSL 4.0.3 is True, falsely",
)

# What the library's security level does.

OWN_LEVEL = Cause("OpenSSL's own default level is 1 since 1.1.0", "SSL_CTX_set_security_level(3)")
BULLSEYE_LEVEL = Cause(
    "Debian's OpenSSL 1.1.1 is compiled with OpenSSL's own level 1; its openssl.cnf makes that 2",
    "Debian 11, openssl: debian/patches/Set-systemwide-default-settings-for-libssl-users.patch",
)
OWN_LEVEL_3_2 = Cause("OpenSSL's own default level is 2 since 3.2", "OpenSSL CHANGES.md, 3.2")
DISTRIBUTION_LEVEL = Cause(
    "the distribution's OpenSSL is compiled with -DOPENSSL_TLS_SECURITY_LEVEL=2",
    "Debian, openssl: debian/rules; `openssl version -f` prints it",
)
NO_LEVEL = Cause("OpenSSL before 1.1.0 has no security level", "OpenSSL CHANGES, 1.1.0")
WEAK_SIGNATURE = Cause(
    "since 3.0 SHA1 counts 64 bits and MD5+SHA1 67, level 1 asks for 80: a signed key exchange below TLS 1.2"
    " is stopped when its signature arrives, after ServerHello; RSA key transport is not signed",
    "OpenSSL ssl/t1_lib.c, sigalg_security_bits; NEWS.md 3.0; openssl issue 18194; RFC 4346 7.4.3",
)
SHA1_80 = Cause(
    "before 3.0 SHA1 counts 80 bits and MD5+SHA1 144: level 2 asks for 112 and stops only the SHA1 of ECDSA",
    "OpenSSL 1.1.1 ssl/t1_lib.c, sigalg_security_bits; RFC 8422 5.4",
)
LEVEL_VERSION = Cause(
    "the level rules the version itself out: since 3.1 everything below TLS 1.2 above level 0; before, SSLv3"
    " above level 1, TLS 1.0 above 2",
    "OpenSSL NEWS.md 3.1; ssl/ssl_cert.c, SSL_SECOP_VERSION",
)

# Who sets a minimum, a level or a cipher list, in the order in which they do.

CONFIGURED = Cause(
    "system_default of the OpenSSL configuration applies to each new context (OpenSSL 1.1.1 and later)",
    "config(5), SSL Configuration; ssl/ssl_mcnf.c, ssl_ctx_system_config",
)
PYTHON_3_10 = Cause(
    "CPython 3.10 and later give each new context TLS 1.2 as minimum and a list of their own with"
    " @SECLEVEL=2, without RSA key transport, whatever the configuration says",
    "What's New In Python 3.10, ssl; Modules/_ssl.c, PY_SSL_MIN_PROTOCOL and PY_SSL_DEFAULT_CIPHER_STRING",
)
PYTHON_OPENSSL = Cause(
    "--with-ssl-default-suites=openssl leaves minimum, level and ciphers to OpenSSL",
    "Python docs, Configure Python; Modules/_ssl.c, PY_SSL_DEFAULT_CIPHERS == 2",
)
PYTHON_OLD = Cause(
    "CPython before 3.10 sets no minimum; its cipher list names no level, which keeps the level there was",
    "Modules/_ssl.c; Lib/ssl.py; ssl/ssl_ciph.c, CIPHER_SPECIAL",
)
NO_SSLV3 = Cause("each new context has OP_NO_SSLv3", "Python docs, ssl.SSLContext")
URLLIB3_2 = Cause(
    "urllib3 2 sets TLS 1.2 as minimum in its own context, and no ciphers",
    "urllib3 2 util/ssl_.py, create_urllib3_context; v2 migration guide",
)
URLLIB3_1 = Cause(
    "urllib3 1 sets no minimum; its DEFAULT_CIPHERS have every key exchange and name no level",
    "urllib3 1.26 util/ssl_.py, create_urllib3_context",
)
BOTOCORE = Cause(
    "botocore makes a context of its own without a minimum, and takes urllib3's DEFAULT_CIPHERS where"
    " urllib3 still has them (before 2)",
    "botocore httpsession.py, create_urllib3_context",
)
STANDARD = Cause("create_default_context adds no minimum and no level", "Lib/ssl.py, create_default_context")
HTTPLIB2 = Cause(
    "httplib2 makes a bare SSLContext, and gives it a minimum only where it is told one, and no ciphers",
    "httplib2 __init__.py, _build_ssl_context",
)
AS_PYTHON_MAKES_IT = {"ssl": STANDARD, "httplib2": HTTPLIB2}
"""Clients that leave minimum, level and ciphers as Python's own SSLContext has them."""

RELAXED = Cause(
    "the reference client asks for no minimum, level 0 and every cipher",
    "Python docs, ssl.SSLContext.minimum_version (3.7), TLSVersion.MINIMUM_SUPPORTED; openssl-ciphers(1)",
)
RELAXED_OLD = Cause(
    "before Python 3.7 code cannot lower the minimum that a configuration set",
    "Python docs, ssl.SSLContext.minimum_version: new in 3.7",
)

# How the two then meet.

HIGHEST = Cause("both take the highest version that they share", "RFC 8446 4.2.1; RFC 5246 E.1")
LISTED = Cause(
    "a client that has TLS 1.3 lists its versions, and the server finds none of its own", "RFC 8446 4.2.1"
)
CEILING = Cause("the client's highest version is below the server's lowest", "RFC 5246 E.1")
UNLISTED = Cause(
    "without TLS 1.3 a hello tells only the highest version: the server answers lower, the client refuses",
    "RFC 5246 E.1, 7.2.2 protocol_version",
)
NO_SHARED_CIPHER = Cause("no key exchange that both would use", "RFC 5246 7.4.1.3")

_BITS = {0: 0, 1: 80, 2: 112}
"""Bits that a level asks for: SSL_CTX_set_security_level(3). At 3 the servers' RSA keys are too short."""

_SINCE = {
    Protocol.TLSV1: (0, 9, 0),
    Protocol.TLSV1_1: (1, 0, 1),
    Protocol.TLSV1_2: (1, 0, 1),
    Protocol.TLSV1_3: (1, 1, 1),
}
_SIGNED = (KeyExchange.ECDHE, KeyExchange.DHE)
_EVERY = frozenset({KeyExchange.ECDHE, KeyExchange.DHE, KeyExchange.RSA})


@dataclass(frozen=True)
class Library:
    """The OpenSSL that an interpreter is linked to."""

    version: tuple[int, ...]
    protocols: frozenset[Protocol]
    level: int
    causes: tuple[Cause, Cause]
    """Why it has these protocols, and why this is its default level."""

    def allows(self, protocol: Protocol, level: int) -> bool:
        """Whether a level leaves a version usable at all; source: LEVEL_VERSION."""
        if self.version >= (3, 1):
            return level == 0 or not protocol.below(Protocol.TLSV1_2)
        return level <= {Protocol.SSLV3: 1, Protocol.TLSV1: 2, Protocol.TLSV1_1: 3}.get(protocol, level)

    def accepts_signature(self, certificate: Certificate, level: int) -> bool:
        """Whether a level lets the signature below TLS 1.2 pass; sources: WEAK_SIGNATURE, SHA1_80."""
        sha1, md5_sha1 = (64, 67) if self.version >= (3,) else (80, 144)
        return (sha1 if certificate is Certificate.ECDSA else md5_sha1) >= _BITS[level]


@dataclass(frozen=True)
class Context:
    """A client's SSLContext, as those who set it up leave it, one after the other."""

    minimum: Protocol | None
    level: int
    causes: tuple[Cause, ...]
    key_exchanges: frozenset[KeyExchange] = _EVERY
    sslv3: bool = True

    def then(self, cause: Cause, **changes: object) -> Context:
        """Return the context after one more step."""
        return replace(self, causes=(*self.causes, cause), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Expectation:
    """What a cell must show, and why."""

    answer: str
    """A protocol's name, `not offered`, `rejected`, or `blocked`."""
    causes: tuple[Cause, ...]

    @property
    def protocol(self) -> Protocol | None:
        """The version at which it must connect; None if it must not."""
        return Protocol(self.answer) if self.answer in list(Protocol) else None


def library_of(interpreter: Interpreter) -> Library:
    """Return the OpenSSL behind an interpreter, from its identity.

    What `interpreter.has` (HAS_TLSv1 and so on, Python 3.7 and later) says about a protocol counts;
    the rest follows from the version. Raises UnknownCauseError for libraries that are not OpenSSL.
    """
    version = openssl_release(interpreter.openssl)
    if not version:
        msg = f"no rules are known for {interpreter.openssl or 'an interpreter without OpenSSL'}"
        raise UnknownCauseError(msg)
    has = interpreter.has
    built = {protocol for protocol, since in _SINCE.items() if version >= since}
    if version < (1, 1, 0):
        built.add(Protocol.SSLV3)
    protocols = frozenset(p for p in Protocol if has.get(p.has, p in built))
    own = any(flag.startswith("--with-openssl=") for flag in interpreter.configure_flags)
    if version < (1, 1, 0):
        level, why = 0, NO_LEVEL
    elif version >= (3, 2):
        level, why = 2, OWN_LEVEL_3_2
    elif own:
        level, why = 1, OWN_LEVEL
    elif version < (3,):
        level, why = 1, BULLSEYE_LEVEL
    else:
        level, why = 2, DISTRIBUTION_LEVEL
    reported = REPORTED if Protocol.TLSV1.has in has else DEFAULT_BUILD
    if version >= (4,):
        protocols, reported = protocols - {Protocol.SSLV3}, NO_SSLV3_4
    return Library(version, protocols, level, (reported, why))


def context_of(  # 6 parameters: each is a cause, and the tests vary each by itself
    interpreter: Interpreter,
    library: Library,
    client: str,
    client_version: str,
    urllib3: str,
    settings: Mapping[str, str],
) -> Context:
    """Return the context that a client ends up with, under what an OpenSSL configuration sets.

    `urllib3` is the version next to botocore. Raises UnknownCauseError for what is not covered.
    """
    python = version_of(interpreter.version).release
    context = Context(None, library.level, (library.causes[1],))
    if library.version >= (1, 1, 1) and settings:
        context = _configured(context, settings)
    context = _constructed(interpreter, python, context)
    if client in AS_PYTHON_MAKES_IT:
        return context.then(AS_PYTHON_MAKES_IT[client])
    if client == "urllib3":
        if version_of(client_version).release >= (2,):
            return context.then(URLLIB3_2, minimum=Protocol.TLSV1_2)
        return context.then(URLLIB3_1, key_exchanges=_EVERY)
    if client == "botocore":
        if version_of(urllib3).release >= (2,):
            return context.then(BOTOCORE)
        return context.then(BOTOCORE, key_exchanges=_EVERY)
    if client == REFERENCE:
        context = context.then(RELAXED, level=0, key_exchanges=_EVERY, sslv3=True)
        return replace(context, minimum=None) if python >= (3, 7) else context.then(RELAXED_OLD)
    msg = f"no rules are known for the client {client}"
    raise UnknownCauseError(msg)


def _constructed(interpreter: Interpreter, python: tuple[int, ...], context: Context) -> Context:
    """Take the step that Python's own SSLContext takes."""
    if interpreter.implementation != "CPython":
        msg = f"no rules are known for {interpreter.implementation}'s ssl module"
        raise UnknownCauseError(msg)
    suites = [f.partition("=")[2] for f in interpreter.configure_flags if "ssl-default-suites=" in f]
    if suites and suites[-1] not in ("openssl", "python"):
        msg = f"no rules are known for a Python configured with cipher suites of its own: {suites[-1]}"
        raise UnknownCauseError(msg)
    # What Debian and some others configure; the last of several options counts.
    context = context.then(NO_SSLV3, sslv3=False)
    if suites[-1:] == ["openssl"]:
        return context.then(PYTHON_OPENSSL)
    if python < (3, 10):
        return context.then(PYTHON_OLD)
    return context.then(
        PYTHON_3_10,
        minimum=Protocol.TLSV1_2,
        level=2,
        key_exchanges=frozenset({KeyExchange.ECDHE, KeyExchange.DHE}),
    )


def _configured(context: Context, settings: Mapping[str, str]) -> Context:
    """Take the step that an OpenSSL configuration takes."""
    # Options switches no version: SSL_CONF_cmd(3).
    if unknown := sorted(set(settings) - {"minprotocol", "cipherstring", "options"}):
        msg = f"no rules are known for {unknown[0]} in an OpenSSL configuration"
        raise UnknownCauseError(msg)
    context = context.then(CONFIGURED)
    if "minprotocol" in settings:
        minimum = settings["minprotocol"]
        if minimum not in ("None", *Protocol):
            msg = f"no rules are known for MinProtocol = {minimum}"
            raise UnknownCauseError(msg)
        context = replace(context, minimum=None if minimum == "None" else Protocol(minimum))
    if "cipherstring" in settings:
        match = re.fullmatch(r"(?:DEFAULT|ALL)(?:[:@]+SECLEVEL=([0-2]))?", settings["cipherstring"])
        if not match:
            msg = f"no rules are known for CipherString = {settings['cipherstring']}"
            raise UnknownCauseError(msg)
        context = replace(context, level=context.level if match[1] is None else int(match[1]))
    return context


def settings_of(reading: Reading, version: tuple[int, ...]) -> Mapping[str, str]:
    """Return the settings that a configuration gives to each new context, by command in lower case."""
    return examine(reading, version).counting


@cache
def _settings_under(condition: Condition, floor: Protocol, version: tuple[int, ...]) -> Mapping[str, str]:
    """Return the settings that a condition of ours gives to each new context."""
    return settings_of(read_text(configuration(condition, floor), {}), version)


def expect(  # 8 parameters: each is a cause, and the tests vary each by itself
    interpreter: Interpreter,
    client: str,
    client_version: str,
    condition: Condition,
    server: Server,
    floor: Protocol,
    urllib3: str = "",
    ambient: Mapping[str, str] | None = None,
) -> Expectation:
    """Return what one cell must show, with the causes.

    `ambient` is what the machine's own OpenSSL configuration sets. Raises UnknownCauseError for what no
    cause here covers.
    """
    library = library_of(interpreter)
    settings = ambient or {}
    if condition is not Condition.AMBIENT:
        settings = _settings_under(condition, floor, library.version)
    context = context_of(interpreter, library, client, client_version, urllib3, settings)
    built = [p for p in library.protocols if context.sslv3 or p is not Protocol.SSLV3]
    wanted = [p for p in built if not (context.minimum and p.below(context.minimum))]
    offered = sorted((p for p in wanted if library.allows(p, context.level)), key=LADDER.index)
    held = () if len(offered) == len(wanted) else (LEVEL_VERSION,)
    causes = (library.causes[0], *context.causes, *held)
    shared = [p for p in offered if p in server.protocols]
    if not shared:
        answer, why = _miss(offered, server)
        return Expectation(answer, (*causes, why))
    version = shared[-1]
    answer, whys = _meet(library, context, server, version)
    return Expectation(answer, (*causes, *whys))


def _miss(offered: Sequence[Protocol], server: Server) -> tuple[str, Cause]:
    """Say how a client and a server without a common version part."""
    if not offered or all(offered[-1].below(protocol) for protocol in server.protocols):
        return NOT_OFFERED, CEILING
    # OpenSSL sends supported_versions if, and only if, it offers TLS 1.3: ssl/statem/extensions_clnt.c.
    return (NOT_OFFERED, LISTED) if Protocol.TLSV1_3 in offered else (REJECTED, UNLISTED)


def _meet(
    library: Library, context: Context, server: Server, version: Protocol
) -> tuple[str, tuple[Cause, ...]]:
    """Say how far a client and a server get that agree on a version."""
    if version is Protocol.TLSV1_3:
        return version, (HIGHEST,)
    can = _EVERY if server.key_exchange is KeyExchange.ANY else {server.key_exchange}
    # In the order in which every list involved prefers them.
    usable = [k for k in (*_SIGNED, KeyExchange.RSA) if k in can and k in context.key_exchanges]
    old = version.below(Protocol.TLSV1_2)
    if not usable:
        return BLOCKED, (HIGHEST, NO_SHARED_CIPHER)
    if old and usable[0] in _SIGNED and not library.accepts_signature(server.certificate, context.level):
        return BLOCKED, (HIGHEST, WEAK_SIGNATURE if library.version >= (3,) else SHA1_80)
    return version, (HIGHEST,)


def read_ambient(interpreter: Interpreter, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the OpenSSL configuration sets that an interpreter reads by itself.

    `interpreter.openssl_dir` is the folder of ssl.get_default_verify_paths().openssl_cafile.
    """
    named = configuration_path(interpreter.openssl_dir, environment)
    version = library_version(interpreter.openssl)
    return settings_of(read(Path(named), environment), version) if named else {}
