"""The truth set: its expectations follow their causes, and its score forgives nothing."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from interpreters.clients import RELAXED, ClientKey
from interpreters.identify import identify
from interpreters.interpreter import Interpreter
from interpreters.openssl_faults import read_text
from interpreters.process_environment import sanitized_environment
from reports.verdicts import expected, truth
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.expected import Cause, UnknownCauseError, expect
from reports.verdicts.judge import HeldBy, Judgement, PageCheck, Verdict
from reports.verdicts.matrix import Matrix, Measured, Row, Subject
from reports.verdicts.truth import build_truth, needed_cells, score, summary
from servers.catalogue import Catalogue, Certificate, KeyExchange, Role, Server, read_catalogue
from servers.conditions import Condition
from servers.protocols import Protocol
from tests.support.builders import a_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.locate import Candidate

ROOT = Path(__file__).parents[3]
CATALOGUE = read_catalogue().only(Role.LADDER, Role.PAGE)
LADDER_SERVERS = CATALOGUE.only(Role.LADDER).servers
AMBIENT, EMPTY, PERMISSIVE, HARDENED = Condition
SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = Protocol
DEBIAN = ("--with-ssl-default-suites=openssl",)
ALL = {"HAS_SSLv3": False, "HAS_TLSv1": True, "HAS_TLSv1_1": True, "HAS_TLSv1_2": True, "HAS_TLSv1_3": True}
NEW_ONLY = ALL | {"HAS_TLSv1": False, "HAS_TLSv1_1": False}
VERSIONS = {"ssl": "", "relaxed": "", "urllib3": "2.8.0", "botocore": "1.44.5", "httplib2": "0.32.1"}


def python(
    version: str = "3.9.18",
    openssl: str = "3.0.19",
    flags: tuple[str, ...] = (),
    has: Mapping[str, bool] | None = None,
    implementation: str = "CPython",
    name: str = "some_python",
) -> Interpreter:
    """Return an interpreter with this identity."""
    library = f"OpenSSL {openssl} 1 Jan 2026" if openssl[0].isdigit() else openssl
    return Interpreter(name, "test", "/p", version, implementation, library, flags, has=has or {})


def answers(
    interpreter: Interpreter,
    client: str = "ssl",
    condition: Condition = AMBIENT,
    floor: Protocol = TLS1_2,
    urllib3: str = "2.8.0",
    ambient: str = "",
) -> dict[str, str]:
    """Return the expected answer on each server of the ladder."""
    version = urllib3 if client == "urllib3" else VERSIONS.get(client, "")
    sets = settings(ambient)
    return {
        s.id: expect(interpreter, client, version, condition, s, floor, urllib3, sets).answer
        for s in LADDER_SERVERS
    }


def settings(text: str) -> Mapping[str, str]:
    """Return what a configuration with this text sets."""
    return expected.settings_of(read_text(text, {}), (3, 0, 19))


def below(found: Mapping[str, str], floor: Protocol = TLS1_2) -> set[str]:
    """Return the servers on which a connection below the floor is expected."""
    return {s for s, answer in found.items() if answer in list(Protocol) and Protocol(answer).below(floor)}


def test_shares_nothing_with_what_it_checks() -> None:
    """Importing the truth set loads neither the judgement of cells nor that of rows."""
    code = "import sys, reports.verdicts.truth; print(*(m for m in sys.modules if m.startswith('reports.')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {f"reports.verdicts{name}" for name in ("", ".expected", ".truth")}


def test_every_cause_is_sourced_and_used() -> None:
    """Each cause says what and after whom, and decides some cell of some interpreter."""
    table = {cause for cause in vars(expected).values() if isinstance(cause, Cause)}
    seen: set[Cause] = set()
    # A configuration of the machine's own is met under one condition alone.
    configured = [(AMBIENT, {"cipherstring": "DEFAULT:@SECLEVEL=2"}), *((one, {}) for one in Condition)]
    met = {(s.protocols, s.key_exchange): s for s in (*LADDER_SERVERS, server_at(TLS1_2, KeyExchange.RSA))}
    for openssl in ("1.0.2", "1.1.1", "3.0.19", "3.5.0", "4.0.3"):
        for interpreter in (
            python("3.6.15", openssl),
            python("3.9.18", openssl, ("--with-openssl=/o",), ALL),
            python("3.11.2", openssl, DEBIAN, ALL),
            python("3.13.0", openssl, (), ALL | {"HAS_TLSv1_3": False}),
        ):
            for client in VERSIONS:
                for urllib3 in ("1.26.20", "2.8.0"):
                    version = urllib3 if client == "urllib3" else ""
                    for server, (condition, ambient) in itertools.product(met.values(), configured):
                        who = (interpreter, client, version, condition, server, TLS1_2, urllib3)
                        seen.update(expect(*who, ambient).causes)
    assert seen == table
    assert all(cause.what and cause.source for cause in table)


def server_at(protocol: Protocol, key_exchange: KeyExchange) -> Server:
    """Return a server that speaks one version with one key exchange."""
    return Server("one", "a test needs it", frozenset({protocol}), key_exchange, Certificate.RSA)


@pytest.mark.parametrize("client", ["ssl", "botocore", "httplib2"])
def test_debians_flag_takes_pythons_minimum_away(client: str) -> None:
    """The same Python 3.11 holds TLS 1.2 in every context, unless configured as Debian does."""
    assert below(answers(python("3.11.2", flags=DEBIAN), client)) == {
        "max_tls1_1_rsa",
        "tls1_1_rsa",
        "tls1_0_rsa",
    }
    assert not below(answers(python("3.11.2"), client))


def test_the_minimum_came_with_python_3_10() -> None:
    """Python 3.9 can be talked below TLS 1.2 where 3.10 with the same OpenSSL cannot."""
    assert below(answers(python("3.9.18")))
    assert not below(answers(python("3.10.0")))


@pytest.mark.parametrize("client", VERSIONS)
@pytest.mark.parametrize("condition", Condition)
def test_what_was_not_built_in_cannot_be_negotiated(client: str, condition: Condition) -> None:
    """Without TLS 1.0 and 1.1 in the library nothing goes below TLS 1.2, not even the relaxed client."""
    without = answers(python(has=NEW_ONLY), client, condition, urllib3="1.26.20")
    assert not below(without)
    assert (without["tls1_0_rsa"], without["tls1_2"], without["tls1_3"]) == ("not offered", TLS1_2, TLS1_3)
    with_them = answers(python(has=ALL), client, condition, urllib3="1.26.20")
    assert bool(below(with_them)) == (condition is not HARDENED or client == "relaxed")


def test_protocols_follow_from_the_version_where_python_does_not_report_them() -> None:
    """Python 2.7 says little: OpenSSL 3.0 has TLS 1.0 to 1.3, 1.1.0 no 1.3, 1.0.2 still SSLv3."""
    modern, older, oldest = (
        answers(python("2.7.18", v), "relaxed", PERMISSIVE) for v in ("3.0.1", "1.1.0", "1.0.2")
    )
    assert (modern["ssl3_rsa"], modern["tls1_0_rsa"], modern["open"]) == ("not offered", TLS1_0, TLS1_3)
    assert (older["ssl3_rsa"], older["tls1_0_rsa"], older["open"]) == ("rejected", TLS1_0, TLS1_2)
    assert (oldest["ssl3_rsa"], oldest["open"]) == (SSL3, TLS1_2)


OWN = ("--with-openssl=/o",)


@pytest.mark.parametrize(
    ("openssl", "flags", "condition", "rsa", "ecdhe", "ecdsa"),
    [
        pytest.param("3.0.19", (), AMBIENT, TLS1_0, "blocked", "blocked", id="3.0 stops signatures"),
        pytest.param("3.0.19", OWN, AMBIENT, TLS1_0, "blocked", "blocked", id="3.0 at level 1 too"),
        pytest.param("3.0.19", (), PERMISSIVE, TLS1_0, TLS1_0, TLS1_0, id="3.0 at level 0"),
        pytest.param("1.1.1", (), AMBIENT, TLS1_0, TLS1_0, TLS1_0, id="1.1.1 of Debian at level 1"),
        pytest.param("1.1.1", OWN, AMBIENT, TLS1_0, TLS1_0, TLS1_0, id="1.1.1 at its own level 1"),
        pytest.param("1.0.2", (), AMBIENT, TLS1_0, TLS1_0, TLS1_0, id="1.0.2 has no levels"),
        pytest.param("3.1.0", (), AMBIENT, *["not offered"] * 3, id="3.1 rules the version out"),
        pytest.param("3.5.0", OWN, AMBIENT, *["not offered"] * 3, id="3.2 and later too"),
        pytest.param("3.5.0", (), EMPTY, *["not offered"] * 3, id="3.5 by itself"),
        pytest.param("3.0.19", (), EMPTY, TLS1_0, "blocked", "blocked", id="3.0 by itself"),
        pytest.param("4.0.3", (), AMBIENT, *["not offered"] * 3, id="4.0 rules the version out"),
        pytest.param("4.0.3", (), PERMISSIVE, TLS1_0, TLS1_0, TLS1_0, id="4.0 at level 0"),
        pytest.param("3.1.0", (), PERMISSIVE, TLS1_0, TLS1_0, TLS1_0, id="3.1 at level 0"),
    ],
)
def test_the_level_stops_what_its_version_of_openssl_says(
    openssl: str, flags: tuple[str, ...], condition: Condition, rsa: str, ecdhe: str, ecdsa: str
) -> None:
    """TLS 1.0 comes about or not by OpenSSL version, level, and what signs the key exchange."""
    found = answers(python(openssl=openssl, flags=flags, has=ALL), "ssl", condition)
    assert (found["tls1_0_rsa"], found["tls1_0_ecdhe"], found["tls1_0_ecdsa"]) == (rsa, ecdhe, ecdsa)
    assert found["tls1_0_dhe"] == ecdhe
    assert found["tls1_2"] == TLS1_2


def test_levels_are_told_apart() -> None:
    """OpenSSL 3.1 rules old versions out at level 1 already; before, SSLv3 goes above level 1."""
    level_1 = STRICT.format("CipherString = DEFAULT:@SECLEVEL=1")
    assert not below(answers(python(openssl="3.1.0"), ambient=level_1))
    assert below(answers(python(openssl="3.0.19"), ambient=level_1))
    level_2 = STRICT.format("CipherString = DEFAULT:@SECLEVEL=2")
    bullseye = answers(python(openssl="1.1.1", has=ALL), ambient=level_2)
    assert (bullseye["tls1_0_rsa"], bullseye["tls1_0_ecdhe"], bullseye["tls1_0_ecdsa"]) == (
        TLS1_0,
        TLS1_0,
        "blocked",
    )
    library = expected.library_of(python(openssl="1.1.1"))
    assert [library.allows(SSL3, level) for level in (0, 1, 2)] == [True, True, False]


def test_pythons_own_list_sets_its_own_level() -> None:
    """A configuration with level 0 leaves Python 3.13 at level 2, and Python 3.9 at 0."""
    level_0 = STRICT.format("CipherString = DEFAULT:@SECLEVEL=0")
    levels = [
        expected.context_of(one, expected.library_of(one), "ssl", "", "", settings(level_0)).level
        for one in (python("3.13.0"), python("3.9.18"), python("3.11.2", flags=DEBIAN))
    ]
    assert levels == [2, 0, 0]


def test_a_configured_minimum_holds_those_who_set_none() -> None:
    """MinProtocol = TLSv1.3 holds Python 3.9, and neither Python 3.13 nor urllib3 2, who set TLS 1.2."""

    def at_1_2(interpreter: Interpreter, client: str) -> str:
        return answers(interpreter, client, HARDENED, TLS1_3)["tls1_2"]

    debian = python("3.11.2", flags=DEBIAN)
    assert at_1_2(python("3.9.18"), "ssl") == "not offered"
    assert at_1_2(debian, "botocore") == "not offered"
    assert at_1_2(debian, "urllib3") == TLS1_2
    assert at_1_2(python("3.13.0"), "ssl") == TLS1_2


def test_code_can_lower_a_configured_minimum_since_python_3_7() -> None:
    """The relaxed client gets below what is configured, except where Python has no minimum_version."""
    assert answers(python("3.7.16"), "relaxed", HARDENED)["tls1_0_ecdhe"] == TLS1_0
    assert answers(python("3.6.15"), "relaxed", HARDENED)["tls1_0_ecdhe"] == "not offered"


def test_urllib3_2_holds_what_urllib3_1_does_not() -> None:
    """On the same Debian Python the version of urllib3 decides."""
    debian = python("3.11.2", flags=DEBIAN)
    assert below(answers(debian, "urllib3", urllib3="1.26.20"))
    assert not below(answers(debian, "urllib3", urllib3="2.0.0"))


@pytest.mark.parametrize(
    ("client", "urllib3", "lowered"),
    [
        *(("urllib3", "2.8.0", True), ("urllib3", "1.26.20", False)),
        *(("botocore", "2.8.0", False), ("ssl", "", False), ("httplib2", "", False)),
    ],
)
def test_a_minimum_in_code_lowers_what_the_machine_asks_for(
    client: str, urllib3: str, *, lowered: bool
) -> None:
    """Where openssl.cnf asks for TLS 1.3, what sets TLS 1.2 itself goes there, and nothing else does."""
    debian = python("3.11.2", flags=DEBIAN, has=ALL)
    asked = STRICT.format("MinProtocol = TLSv1.3")
    found = answers(debian, client, floor=TLS1_3, urllib3=urllib3, ambient=asked)
    assert below(found, TLS1_3) == (
        {s.id for s in LADDER_SERVERS if s.protocols == {TLS1_2}} if lowered else set()
    )
    assert found["tls1_3"] == TLS1_3


@pytest.mark.parametrize("client", ["urllib3", "botocore"])
def test_urllib3_1_brings_rsa_key_transport_back(client: str) -> None:
    """Python 3.13 offers no RSA key transport; urllib3 1's cipher list does, for botocore as well."""
    server = server_at(TLS1_2, KeyExchange.RSA)
    found = {
        version: expect(python("3.13.0"), client, version, AMBIENT, server, TLS1_2, version).answer
        for version in ("1.26.20", "2.8.0")
    }
    assert found == {"1.26.20": TLS1_2, "2.8.0": "blocked"}


def test_a_hello_without_tls_1_3_is_refused_only_after_the_answer() -> None:
    """Without supported_versions the server cannot know the client's minimum: the client rejects."""
    found = answers(python(has=ALL | {"HAS_TLSv1_3": False}), "ssl", HARDENED)
    assert (found["tls1_1_rsa"], found["tls1_2"], found["tls1_3"]) == ("rejected", TLS1_2, "not offered")


def test_sslv3_takes_a_library_that_has_it_and_a_client_that_wants_it() -> None:
    """OP_NO_SSLv3 is in every context but the relaxed one."""
    old = python(has=ALL | {"HAS_SSLv3": True})
    assert answers(old, "relaxed", PERMISSIVE)["ssl3_rsa"] == SSL3
    assert answers(old, "ssl", PERMISSIVE)["ssl3_rsa"] == "not offered"
    assert answers(python(has=ALL), "relaxed", PERMISSIVE)["ssl3_rsa"] == "not offered"
    # CPython 3.13 says so of OpenSSL 4.0, which has none.
    false = python("3.13.5", "4.0.3", has=ALL | {"HAS_SSLv3": True})
    assert answers(false, "relaxed", PERMISSIVE)["ssl3_rsa"] == "not offered"


@pytest.mark.parametrize("floor", [TLS1_1, TLS1_2, TLS1_3])
@pytest.mark.parametrize("condition", [AMBIENT, EMPTY])
@pytest.mark.parametrize("client", ["ssl", "botocore"])
def test_a_minimum_opens_nothing_that_the_level_rules_out(
    client: str, condition: Condition, floor: Protocol
) -> None:
    """On trixie MinProtocol = TLSv1 alone changes nothing, level 0 opens TLS 1.0."""
    trixie = python("3.13.5", "3.5.9", DEBIAN, ALL)
    low = answers(trixie, client, condition, floor, ambient=STRICT.format("MinProtocol = TLSv1"))
    assert not below(low)
    opened = STRICT.format("MinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0")
    assert bool(below(answers(trixie, client, condition, floor, ambient=opened))) is (condition is AMBIENT)


STRICT = """
openssl_conf = first  # a comment
[ first ]
ssl_conf = second
[second]
system_default = third
[third]
# MinProtocol = TLSv1
{0}
"""


def test_the_machines_own_configuration_counts_under_ambient_only() -> None:
    """What the machine's openssl.cnf sets is part of ambient, and of no other condition."""
    held = STRICT.format("MinProtocol = TLSv1.2\nCipherString = DEFAULT:@SECLEVEL=1")
    assert not below(answers(python(), ambient=held))
    assert below(answers(python(), "ssl", PERMISSIVE, ambient=held))
    assert not below(answers(python(), ambient=STRICT.format("tls.MinProtocol = TLSv1.2")))
    opened = STRICT.format("CipherString = DEFAULT@SECLEVEL=0")
    assert "tls1_0_ecdhe" in below(answers(python(), ambient=opened))
    # OpenSSL 1.1.0 knew no system_default.
    assert below(answers(python(openssl="1.1.0"), ambient=held))


@pytest.mark.parametrize("cut", ["openssl_conf", "ssl_conf", "system_default"])
def test_a_configuration_nobody_reaches_sets_nothing(cut: str) -> None:
    """A section counts only where the chain from the file's first line leads to it."""
    text = STRICT.format("MinProtocol = TLSv1.2")
    assert settings(text) == {"minprotocol": "TLSv1.2"}
    assert settings(text.replace(f"{cut} =", f"{cut}x =")) == {}


@pytest.mark.parametrize(
    ("interpreter", "client", "ambient"),
    [
        (python(openssl="LibreSSL 3.8.2"), "ssl", ""),
        (python(openssl="LibreSSL 3.8.2"), "relaxed", ""),
        (python(implementation="PyPy"), "ssl", ""),
        (python(flags=("--with-ssl-default-suites=HIGH",)), "ssl", ""),
        (python(), "crt", ""),
        (python(), "ssl", STRICT.format("MaxProtocol = TLSv1.2")),
        (python(), "ssl", STRICT.format("CipherString = HIGH:!kRSA")),
        (python(), "ssl", STRICT.format("CipherString = DEFAULT:@SECLEVEL=3")),
    ],
)
def test_what_no_cause_covers_is_no_expectation(interpreter: Interpreter, client: str, ambient: str) -> None:
    """Where no rule is known, nothing is made up."""
    with pytest.raises(UnknownCauseError, match="no rules are known"):
        answers(interpreter, client, ambient=ambient)


def test_reads_the_configuration_that_an_interpreter_reads(tmp_path: Path) -> None:
    """OPENSSL_CONF comes before the compiled-in folder; a file that is not there sets nothing."""
    (tmp_path / "openssl.cnf").write_text(STRICT.format("MinProtocol = TLSv1.1"))
    (tmp_path / "other.cnf").write_text(f".include {tmp_path}/openssl.cnf\nMinProtocol = TLSv1.2\n")
    placed = Interpreter("p", "test", "/p", openssl_dir=str(tmp_path))
    assert expected.read_ambient(placed, {}) == {"minprotocol": "TLSv1.1"}
    named = {"OPENSSL_CONF": str(tmp_path / "other.cnf")}
    assert expected.read_ambient(placed, named) == {"minprotocol": "TLSv1.2"}
    assert expected.read_ambient(placed, {"OPENSSL_CONF": str(tmp_path / "none.cnf")}) == {}
    assert expected.read_ambient(Interpreter("p", "test", "/p"), {}) == {}


def a_cell(server: Server, answer: str) -> CellResult:
    """Return the cell that shows this answer."""
    if answer in list(Protocol):
        return CellResult(server, CellKind.CONNECTED, Protocol(answer))
    return CellResult(server, CellKind(answer))


def a_row(interpreter: Interpreter, client: str = "ssl", page: PageCheck = PageCheck.BROKEN) -> Row:
    """Return a row that shows what it must, with the verdict that follows."""
    found = answers(interpreter, client)
    findings = {s.id: a_cell(s, found[s.id]) for s in LADDER_SERVERS}
    verdict = Verdict.DOWNGRADED if below(found) else Verdict.ENFORCED
    version = VERSIONS[client]
    return Row(
        interpreter,
        ClientKey(client),
        version,
        "2.8.0",
        AMBIENT,
        Judgement(verdict, "so"),
        # Of those here, nobody who holds TLS 1.2 is held by anything but code.
        held_by=HeldBy.NOTHING if below(found) else HeldBy.CODE,
        page_check=page,
        findings=findings,
        subject=Subject.INTERPRETER,
    )


SAFE = a_row(python("3.13.0", name="safe"))
UNSAFE = a_row(python("3.9.18", name="unsafe"))
CELLS = 2 * len(LADDER_SERVERS)


def scored(*rows: Row, minimum: int = 1, catalogue: Catalogue = CATALOGUE) -> truth.Score:
    """Score some rows."""
    return score(build_truth(rows, catalogue, TLS1_2), minimum)


def judged(row: Row, verdict: Verdict) -> Row:
    """Return the row with another verdict."""
    return replace(row, judgement=Judgement(verdict, "so"))


def test_a_clean_score() -> None:
    """Where each cell shows what it must and each verdict is right, the score is clean."""
    done = scored(SAFE, UNSAFE, minimum=CELLS)
    assert done.clean
    assert (done.cells, done.undecided, done.wrong, done.left_out) == (CELLS, 0, (), ())
    assert done.ours == truth.AnswerTally(answers=2, false_safe=0, false_unsafe=0, undecided=0)


@pytest.mark.parametrize("row", [SAFE, UNSAFE], ids=["safe", "unsafe"])
@pytest.mark.parametrize("server", [s.id for s in LADDER_SERVERS])
def test_one_swapped_cell_is_enough(row: Row, server: str) -> None:
    """Whichever cell shows something else than it must, the score is not clean and names it."""
    swapped = "blocked" if str(row.findings[server]) != "blocked" else "rejected"
    findings = {**row.findings, server: a_cell(row.findings[server].server, swapped)}
    done = scored(replace(row, findings=findings))
    assert not done.clean
    assert any(f" on {server}: {swapped}, must be " in line for line in summary(done))


@pytest.mark.parametrize("how", ["inconclusive", "missing", "absent"])
def test_a_cell_that_shows_nothing_is_undecided(how: str) -> None:
    """An inconclusive, missing or absent cell is counted as such, and the score is not clean."""
    findings = dict(SAFE.findings)
    if how == "absent":
        del findings["tls1_0_rsa"]
    else:
        findings["tls1_0_rsa"] = a_cell(findings["tls1_0_rsa"].server, how)
    done = scored(replace(SAFE, findings=findings))
    assert not done.clean
    assert (done.undecided, done.wrong) == (1, ())


@pytest.mark.parametrize(
    ("row", "verdict", "false_safe", "false_unsafe", "undecided"),
    [
        (UNSAFE, Verdict.ENFORCED, 1, 0, 0),
        (UNSAFE, Verdict.FRAGILE, 1, 0, 0),
        (UNSAFE, Verdict.INCONCLUSIVE, 0, 0, 1),
        (SAFE, Verdict.DOWNGRADED, 0, 1, 0),
        (SAFE, Verdict.INCONCLUSIVE, 0, 0, 1),
    ],
)
def test_a_wrong_verdict_is_counted_for_what_it_is(
    row: Row, verdict: Verdict, false_safe: int, false_unsafe: int, undecided: int
) -> None:
    """A verdict against the truth makes the score unclean though every cell is right."""
    done = scored(judged(row, verdict))
    assert not done.clean
    assert (done.wrong, done.undecided) == ((), 0)
    assert done.ours == truth.AnswerTally(1, false_safe, false_unsafe, undecided)


TRIXIE, BOOKWORM = ("3.13.5", "3.5.9", DEBIAN, ALL), ("3.11.2", "3.0.20", DEBIAN, ALL)
OPENED = "MinProtocol = None\nCipherString = DEFAULT:@SECLEVEL=0"
BULLSEYE = "MinProtocol = TLSv1.2\nCipherString = DEFAULT@SECLEVEL=2"


@pytest.mark.parametrize(
    ("identity", "client", "condition", "configured", "holder"),
    [
        (TRIXIE, "ssl", AMBIENT, "", HeldBy.LIBRARY),
        (TRIXIE, "botocore", AMBIENT, BULLSEYE, HeldBy.LIBRARY),
        (TRIXIE, "urllib3", AMBIENT, OPENED, HeldBy.CODE),
        (TRIXIE, "ssl", AMBIENT, OPENED, HeldBy.NOTHING),
        (TRIXIE, "ssl", HARDENED, OPENED, HeldBy.CONFIGURATION),
        (TRIXIE, "ssl", HARDENED, "", HeldBy.LIBRARY),
        (TRIXIE, "ssl", EMPTY, OPENED, HeldBy.LIBRARY),
        (TRIXIE, "ssl", PERMISSIVE, "", HeldBy.NOTHING),
        (BOOKWORM, "ssl", AMBIENT, "", HeldBy.NOTHING),
        (BOOKWORM, "botocore", AMBIENT, BULLSEYE, HeldBy.CONFIGURATION),
        (BOOKWORM, "urllib3", AMBIENT, BULLSEYE, HeldBy.CODE),
        (BOOKWORM, "ssl", EMPTY, BULLSEYE, HeldBy.NOTHING),
        (("3.9.2", "1.1.1", (), ALL), "ssl", AMBIENT, BULLSEYE, HeldBy.CONFIGURATION),
        (("3.13.0", "3.5.9", (), ALL), "ssl", AMBIENT, "", HeldBy.CODE),
        (("3.13.0", "3.5.9", (), NEW_ONLY), "ssl", AMBIENT, "", HeldBy.BUILD),
    ],
)
def test_another_holder_than_the_causes_make_is_wrong(
    identity: tuple[str, str, tuple[str, ...], Mapping[str, bool]],
    client: str,
    condition: Condition,
    configured: str,
    holder: HeldBy,
) -> None:
    """What holds a row follows from the causes, and each other holder is named as wrong."""
    interpreter, ambient = python(*identity), STRICT.format(configured)
    found = answers(interpreter, client, condition, ambient=ambient)
    findings = {s.id: a_cell(s, found[s.id]) for s in LADDER_SERVERS}
    verdict = Verdict.DOWNGRADED if below(found) else Verdict.ENFORCED
    version = VERSIONS[client]
    for claimed in HeldBy:
        row = Row(
            interpreter,
            ClientKey(client),
            version,
            "2.8.0",
            condition,
            Judgement(verdict, "so"),
            claimed,
            subject=Subject.INTERPRETER,
        )
        row = replace(row, findings=findings)
        sets = {interpreter.id: settings(ambient)}
        done = score(build_truth([row], CATALOGUE, TLS1_2, sets), 1)
        assert done.wrong == ()
        assert done.clean is (claimed is holder)
        assert any(f"must be {holder}" in line for line in summary(done)) is (claimed is not holder)


def test_fragile_is_no_error_where_nothing_goes_below() -> None:
    """`fragile` says that no connection went below the floor, which may be true."""
    assert scored(judged(SAFE, Verdict.FRAGILE)).clean


def test_too_few_cells_are_not_clean() -> None:
    """A truth set that shrank proves less than was asked for; an empty one proves nothing."""
    few = scored(SAFE, UNSAFE, minimum=CELLS + 1)
    assert not few.clean
    assert f"fewer than the {CELLS + 1} cells" in " ".join(summary(few))
    assert not scored(minimum=0).clean


@pytest.mark.parametrize("number", [0, 1, 2, 3, 1000])
def test_how_many_cells_it_takes(number: int) -> None:
    """It takes two thirds of what the ladder alone can give, and never more than a thousand cells."""
    measured = (Measured(SAFE.interpreter, {}, ()),) * number
    matrix = Matrix(a_run(CATALOGUE), measured, (), CATALOGUE)
    needed = needed_cells(matrix, [ClientKey("ssl"), RELAXED], [AMBIENT, PERMISSIVE, HARDENED])
    possible = number * 2 * 3 * len(LADDER_SERVERS)
    assert needed == 1000 or 0 <= possible * 2 - needed * 3 < 3
    assert (needed == 1000) is (possible >= 1500)


def test_who_was_not_measured_is_named_and_not_counted() -> None:
    """An interpreter or client without measurements, or without known causes, is left out by name."""
    gone = Row(
        python(name="gone"),
        ClientKey("all"),
        "",
        "",
        AMBIENT,
        Judgement(Verdict.UNTESTABLE, "no venv"),
        subject=Subject.INTERPRETER,
    )
    strange = replace(SAFE, interpreter=python(openssl="LibreSSL 3.8.2", name="strange"))
    done = scored(SAFE, gone, strange)
    assert done.clean
    assert done.cells == len(LADDER_SERVERS)
    assert [line.split("/")[0] for line in done.left_out] == ["gone", "strange"]
    assert "no venv" in done.left_out[0]
    assert "LibreSSL" in done.left_out[1]
    assert all(f"Left out: {line}." in summary(done) for line in done.left_out)


@pytest.mark.parametrize(
    ("interpreter", "page", "tally"),
    [
        (python("3.9.18"), PageCheck.PASS, truth.AnswerTally(1, 1, 0, 0)),
        (python("3.9.18"), PageCheck.FAIL, truth.AnswerTally(1, 0, 0, 0)),
        (python("3.9.18"), PageCheck.BROKEN, truth.AnswerTally(1, 0, 0, 1)),
        (python("3.13.0"), PageCheck.PASS, truth.AnswerTally(1, 0, 0, 0)),
        (python("3.13.0"), PageCheck.FAIL, truth.AnswerTally(1, 0, 1, 0)),
    ],
)
def test_the_pages_errors_are_counted_beside_ours(
    interpreter: Interpreter, page: PageCheck, tally: truth.AnswerTally
) -> None:
    """The page speaks once for an interpreter, whatever `relaxed` can do; we answer for ourselves."""
    done = scored(*(a_row(interpreter, client, page) for client in ("ssl", "botocore", "relaxed")))
    assert done.page == tally
    assert done.clean
    assert summary(done)[-1].endswith(
        f'{tally.false_safe} false "safe", {tally.false_unsafe} false "unsafe", {tally.undecided} undecided.'
    )


def test_the_page_is_wrong_about_an_interpreter_with_one_client_that_goes_below() -> None:
    """On Debian's Python urllib3 is safe and botocore is not: to pass it is to be wrong about botocore."""
    debian = python("3.11.2", flags=DEBIAN)
    rows = [a_row(debian, client, PageCheck.PASS) for client in ("urllib3", "botocore")]
    assert [str(row.verdict) for row in rows] == ["enforced", "downgraded"]
    assert scored(*rows).page.false_safe == 1


def test_the_floor_decides_what_is_safe() -> None:
    """A client that holds TLS 1.2 is safe at that floor and at a lower one, and unsafe at TLS 1.3."""
    row = a_row(python("3.13.0"))
    for floor, safe in ((TLS1_1, "yes"), (TLS1_2, "yes"), (TLS1_3, "no")):
        assert {cell.true_safe for cell in build_truth([row], CATALOGUE, floor).cells} == {safe}


def test_truth_csv_says_why(tmp_path: Path) -> None:
    """The file has a line for each cell, with its causes and their sources."""
    truth.write_truth(tmp_path, build_truth([SAFE, UNSAFE], CATALOGUE, TLS1_2).cells)
    frame = pd.read_csv(tmp_path / "truth.csv", dtype=str, keep_default_na=False)
    assert list(frame.columns) == list(truth.COLUMNS)
    assert len(frame) == CELLS
    cell = frame[(frame["interpreter"] == "unsafe") & (frame["server"] == "tls1_0_ecdhe")].iloc[0]
    assert (cell["expected"], cell["agrees"], cell["true_safe"]) == ("blocked", "yes", "no")
    assert "issue 18194" in cell["because"]


def test_the_summary_shows_ten_wrong_cells_and_counts_the_rest() -> None:
    """A broken run is not a page of lines."""
    findings = {s.id: a_cell(s, "rejected") for s in LADDER_SERVERS}
    lines = summary(scored(replace(UNSAFE, findings=findings)))
    assert sum(line.startswith("Wrong: ") for line in lines) == 10
    assert f"And {len(LADDER_SERVERS) - 10} more." in lines


def test_a_cipher_list_without_a_level_keeps_the_level() -> None:
    """As PYTHON_OLD and URLLIB3_1 claim, measured in the Python that runs this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=1")
    context.set_ciphers("ECDHE+AESGCM:RSA+AES:!MD5")
    assert context.security_level == 1


ASK = """
import json, ssl, sys
c = ssl.create_default_context()
kx = sorted(set(s["kea"] for s in c.get_ciphers())) if sys.version_info >= (3, 6) else None
minimum = getattr(getattr(c, "minimum_version", None), "value", getattr(c, "minimum_version", None))
print("CONTEXT " + json.dumps([getattr(c, "security_level", None), minimum and int(minimum), kx]))
"""
"""Says in a line of its own, because start-up code may print too, what a context of an interpreter has."""


@pytest.mark.e2e
def test_real_contexts_are_as_their_causes_say(
    pythons: tuple[Candidate, ...], tmp_path: Path, callers_environment: Mapping[str, str]
) -> None:
    """Level, minimum and key exchanges of each real interpreter's context are those we derive."""
    environment = sanitized_environment(callers_environment, tmp_path) | {"OPENSSL_CONF": "/dev/null"}
    for candidate in pythons:
        identity = identify(candidate.path, environment)
        assert identity.ssl
        interpreter = Interpreter(
            candidate.id,
            candidate.source,
            str(candidate.path),
            identity.version,
            identity.implementation,
            identity.ssl.openssl,
            identity.configure_flags,
            has=identity.ssl.has,
        )
        try:
            library = expected.library_of(interpreter)
            context = expected.context_of(interpreter, library, "ssl", "", "", {})
        except UnknownCauseError:
            continue
        command = [str(candidate.path), "-c", ASK]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        (context_line,) = (line for line in said.splitlines() if line.startswith("CONTEXT "))
        level, minimum, key_exchanges = json.loads(context_line.removeprefix("CONTEXT "))
        if level is not None:
            assert (candidate.id, level) == (candidate.id, context.level)
        if minimum is not None:
            set_to = TLS1_2 if minimum == ssl.TLSVersion.TLSv1_2 else None
            assert (candidate.id, set_to) == (candidate.id, context.minimum)
        if key_exchanges is not None:
            rsa = KeyExchange.RSA in context.key_exchanges
            assert (candidate.id, "kx-rsa" in key_exchanges) == (candidate.id, rsa)
