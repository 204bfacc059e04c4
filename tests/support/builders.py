"""Builds the facts that tests of reports/ start from: servers, both witnesses' accounts, findings, rows."""

from __future__ import annotations

import datetime as dt
import enum
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from interpreters.clients import ClientKey
from interpreters.interpreter import Interpreter
from interpreters.locations import SearchedLocation
from reports.verdicts.cells import BROKE_OFF, UNTOLD, CellKind, CellResult
from reports.verdicts.copies import CopyChange
from reports.verdicts.decision import GateRun
from reports.verdicts.judge import HeldBy, Judgement, PageCheck, Verdict
from reports.verdicts.matrix import Matrix, Row, Subject, subject_of
from reports.verdicts.observations import (
    Account,
    Observation,
    OwnTls,
    RequestedInterpreter,
    Run,
    RunRequest,
)
from reports.verdicts.policy import Policy, Waiver
from reports.verdicts.remedies import Remedy
from reports.verdicts.scope import LeftOut, Scope
from servers.catalogue import Catalogue, Certificate, KeyExchange, Role, Server
from servers.conditions import Condition
from servers.control import Control
from servers.hello import Hello, NamedCode
from servers.protocols import LADDER, Protocol, Sender
from servers.wire import WireAccount, WireAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = TypeVar("Value")

SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = LADDER
FLOORS = (TLS1_1, TLS1_2, TLS1_3)

CRT = OwnTls("the CRT", reads_openssl_conf=False)
PYCA = OwnTls("OpenSSL 4.0", reads_openssl_conf=True)

PASSED = Control(True, "completed where it must and nowhere else")
FAILED = Control(False, "deaf at TLSv1, which it claims")


def a_server(
    name: str,
    *protocols: Protocol,
    key_exchange: KeyExchange = KeyExchange.RSA,
    role: Role = Role.LADDER,
    script: str = "",
    expect: str = "",
) -> Server:
    """Return a server that speaks these versions."""
    return Server(
        name,
        "a test needs it",
        frozenset(protocols),
        key_exchange,
        Certificate.RSA,
        role,
        script=script,
        expect=expect,
        source="RFC 8446" if script else "",
    )


def a_catalogue(*servers: Server) -> Catalogue:
    """Return a catalogue of these servers; without any, of a small ladder and the page's two."""
    return Catalogue(servers or SMALL, "0" * 64)


SMALL = (
    a_server("open", TLS1_0, TLS1_1, TLS1_2, TLS1_3, key_exchange=KeyExchange.ANY),
    a_server("only_1_3", TLS1_3, key_exchange=KeyExchange.ANY),
    a_server("only_1_2", TLS1_2, key_exchange=KeyExchange.ANY),
    a_server("old_ecdhe", TLS1_0, TLS1_1, key_exchange=KeyExchange.ECDHE),
    a_server("only_1_1", TLS1_1),
    a_server("only_1_1_ecdhe", TLS1_1, key_exchange=KeyExchange.ECDHE),
    a_server("only_1_0", TLS1_0),
    a_server("only_ssl3", SSL3),
    a_server("page_first", TLS1_2, TLS1_3, role=Role.PAGE),
    a_server("page_second", TLS1_0, TLS1_1, role=Role.PAGE),
)


ATTACK = a_server("tampers", TLS1_1, role=Role.ATTACK, script="sentinel", expect="illegal_parameter")
ATTACKED = a_catalogue(*SMALL, ATTACK)
"""The small catalogue with a server that tampers."""


def controls(catalogue: Catalogue, failing: Iterable[str] = ()) -> dict[str, Control]:
    """Return a control for each server of a catalogue, failed for those named."""
    broken = set(failing)
    return {server.id: FAILED if server.id in broken else PASSED for server in catalogue.servers}


def ladder(catalogue: Catalogue) -> tuple[Server, ...]:
    """Return the servers that verdicts rest on."""
    return tuple(server for server in catalogue.servers if server.role is Role.LADDER)


def connected(version: str | None = TLS1_2) -> Account:
    """Return the account of a client that got an answer."""
    return Account("connected", version, "A-CIPHER", None, None, 0.01, "noted")


def failed(text: str = "[SSL] something went wrong", error: str = "ssl.SSLError") -> Account:
    """Return the account of a client that got none."""
    return Account("failed", None, None, error, text, 0.01)


def untold(text: str = "ended with status 0") -> Account:
    """Return the account of a command that ended by itself, and does not say whether it got an answer."""
    return Account(UNTOLD, None, None, None, text, 0.01)


def broken_off(text: str = "did not end within 10 s, and was ended") -> Account:
    """Return the account of a command that did not end by itself."""
    return Account(BROKE_OFF, None, None, None, text, 0.01)


def an_alert(description: str | None, sender: Sender = Sender.CLIENT) -> WireAlert:
    """Return an alert; one without a description was encrypted."""
    return WireAlert(sender, description and "fatal", description)


def a_wire(
    offered: Iterable[Protocol] | None = (TLS1_3, TLS1_2),
    server_version: Protocol | None = None,
    *,
    alerts: Iterable[WireAlert] = (),
    data: tuple[int, int] = (0, 0),
    ceiling: Protocol | None = TLS1_2,
    client_hello: str = "010001fc",
    faults: tuple[str, ...] = (),
    used: bool = False,
) -> WireAccount:
    """Return the wire's account of one connection; `data` is what the client, then the server, sent."""
    return WireAccount(
        offered=None if offered is None else tuple(sorted(offered, key=LADDER.index, reverse=True)),
        legacy_version=ceiling,
        cipher_count=30 if client_hello else None,
        server_version=server_version,
        server_cipher="TLS_A_CIPHER" if server_version else None,
        alerts=tuple(alerts),
        client_data=data[0],
        server_data=data[1],
        client_hello=client_hello,
        server_hello="02000076" if server_version else "",
        faults=faults,
        used=used,
    )


def keys(names: Iterable[str]) -> tuple[ClientKey, ...]:
    """Return the keys of clients, which tests name by their text."""
    return tuple(ClientKey.parse(name, Remedy) for name in names)


def by_key(found: Mapping[str, Value]) -> dict[ClientKey, Value]:
    """Return what is known by client, which tests name by their text."""
    return {ClientKey.parse(name, Remedy): value for name, value in found.items()}


def an_observation(
    server: Server | str = "only_1_2",
    account: Account | None = None,
    *wire: WireAccount,
    control: Control = PASSED,
    missing: str = "",
    client: str | ClientKey = "ssl",
    condition: Condition = Condition.AMBIENT,
    interpreter: str = "pyenv_3_9_18",
) -> Observation:
    """Return one cell as both witnesses tell it; without an account it has a reason."""
    return Observation(
        interpreter=interpreter,
        client=ClientKey.parse(str(client), (*Remedy, *CopyChange)),
        client_version="1.26.20",
        urllib3="1.26.20",
        condition=condition,
        server=server if isinstance(server, str) else server.id,
        account=account,
        missing=missing or ("" if account else "the probe died"),
        wire=wire,
        control=control,
    )


def a_hello(
    groups: Iterable[str] = ("x25519",), key_shares: Iterable[str] = ("x25519",), **changes: Any
) -> Hello:
    """Return what a client offers, with the groups of these names; changes are of its other fields."""
    codes = {"x25519": "0x001d", "secp256r1": "0x0017", "X25519MLKEM768": "0x11ec"}
    plain = Hello(
        ja4="t13i010500_0f2cb44170f4_5c4c70b73fa0",
        cipher_suites=(NamedCode("0x1301", "TLS_AES_128_GCM_SHA256"),),
        groups=tuple(NamedCode(codes[name], name) for name in groups),
        key_shares=tuple(NamedCode(codes[name], name) for name in key_shares),
        signature_algorithms=(NamedCode("0x0804", "rsa_pss_rsae_sha256"),),
        extensions=(NamedCode("0x000a", "supported_groups"),),
        versions=("0x0304", "0x0303"),
    )
    return replace(plain, **changes)


class Obstacle(enum.StrEnum):
    """What can come between a client and a server that have a version in common."""

    NOTHING = "nothing"
    SIGNATURE = "the client refuses the signature, late"
    CERTIFICATE = "the client refuses the certificate"
    CIPHER = "the server finds no cipher, before it chooses a version"
    SILENCE = "the server says nothing"
    HANG_UP = "the client hangs up without an alert"
    AFTERWARDS = "the client refuses the certificate behind its Finished"


@dataclass(frozen=True)
class Stack:
    """A client as its causes make it: which versions it goes along with, and how it says so."""

    versions: frozenset[Protocol]
    lists_them: bool = True
    """Whether its hello has supported_versions; without, a server learns only the highest."""

    def chosen(self, server: Server) -> Protocol | None:
        """Return the version that an honest server chooses for it: the highest that it may."""
        highest = max(self.versions, key=LADDER.index)
        reach = self.versions if self.lists_them else LADDER[: LADDER.index(highest) + 1]
        return max(server.protocols.intersection(reach), key=LADDER.index, default=None)


STRICT = Stack(frozenset({TLS1_2, TLS1_3}))
LOOSE = Stack(frozenset({TLS1_0, TLS1_2, TLS1_3}))
"""A client that keeps to the usual floor, and one that goes below."""
EVERYTHING = Stack(frozenset(LADDER))
"""A client that goes along with each version there is."""


def meet(  # noqa: PLR0911  one return for each cause
    client: Stack, server: Server, obstacle: Obstacle = Obstacle.NOTHING
) -> Observation:
    """Play the handshake of a client and an honest server, and return what both witnesses tell of it."""
    version = client.chosen(server)
    highest = max(client.versions, key=LADDER.index)

    def seen(
        account: Account,
        chosen: Protocol | None = None,
        *alerts: WireAlert,
        data: tuple[int, int] = (0, 0),
    ) -> Observation:
        return an_observation(
            server,
            account,
            a_wire(
                client.versions if client.lists_them else None,
                chosen,
                alerts=alerts,
                data=data,
                ceiling=min(highest, TLS1_2, key=LADDER.index),
            ),
        )

    if obstacle is Obstacle.SILENCE:
        return seen(failed("timed out", "socket.timeout"))
    if version is None:
        return seen(failed(), None, an_alert("protocol_version", Sender.SERVER))
    if obstacle is Obstacle.CIPHER:
        return seen(failed(), None, an_alert("handshake_failure", Sender.SERVER))
    if version not in client.versions:
        return seen(failed(), version, an_alert("protocol_version"))
    if obstacle is Obstacle.NOTHING:
        return seen(connected(version), version, data=(40, 9000))
    # In TLS 1.3 all of this is encrypted, and looks like data on the wire.
    readable = version is not TLS1_3
    hidden = (0, 0) if readable else (24, 4000)
    if obstacle is Obstacle.HANG_UP:
        return seen(failed("closed", "OSError"), version, data=hidden)
    if obstacle is Obstacle.AFTERWARDS:
        behind = seen(failed("no trust"), version, *[an_alert(None)] * readable, data=hidden)
        return replace(behind, wire=tuple(replace(wire, finished=readable) for wire in behind.wire))
    if obstacle is Obstacle.CERTIFICATE:
        alerts = [an_alert("unknown_ca")] if readable else []
        return seen(failed("certificate verify failed"), version, *alerts, data=hidden)
    alerts = [an_alert("internal_error")] if readable else []
    return seen(failed("[SSL] bad signature"), version, *alerts, data=hidden)


def a_finding(
    server: Server, kind: CellKind, protocol: Protocol | None = None, offered: Iterable[Protocol] = ()
) -> CellResult:
    """Return a judged cell."""
    reason = "" if kind is CellKind.CONNECTED else "so it was seen"
    return CellResult(server, kind, protocol, reason, frozenset(offered))


def holding(catalogue: Catalogue, floor: Protocol) -> dict[str, CellResult]:
    """Return the findings of a client that holds the floor and connects wherever it may."""
    offered = [p for p in LADDER if not p.below(floor)]
    findings = {}
    for server in ladder(catalogue):
        mutual = server.protocols.intersection(offered)
        findings[server.id] = (
            a_finding(server, CellKind.CONNECTED, max(mutual, key=LADDER.index), offered)
            if mutual
            else a_finding(server, CellKind.NOT_OFFERED, None, offered)
        )
    return findings


def an_interpreter(
    name: str = "pyenv_3_9_18",
    version: str = "3.9.18",
    configure_flags: tuple[str, ...] = (),
    unavailable: str = "",
) -> Interpreter:
    """Return an interpreter as a report names it."""
    return Interpreter(
        id=name,
        source="pyenv",
        path=f"/made/up/{name}/bin/python",
        version="" if unavailable else version,
        implementation="" if unavailable else "CPython",
        openssl="" if unavailable else "OpenSSL 3.0.19",
        configure_flags=configure_flags,
        openssl_conf="" if unavailable else "/made/up/openssl.cnf",
        openssl_conf_sha256="" if unavailable else "c" * 64,
        build="b" * 16,
        unavailable=unavailable,
    )


def an_environment(folder: str, version: str = "3.11.2", unavailable: str = "") -> Interpreter:
    """Return an environment that was found in a folder, as a report names it; its base is an_interpreter."""
    name = f"env_{re.sub('[^a-z0-9]+', '_', folder.lower()).strip('_')}"
    base = an_interpreter(name, version, unavailable=unavailable)
    return replace(base, source="venv", path=f"{folder}/bin/python", environment=folder)


def a_program(name: str = "tool", unavailable: str = "") -> Interpreter:
    """Return a program as a report names it."""
    version, library = ("", "") if unavailable else ("3.12.1", "SomeSSL/4")
    return Interpreter(
        f"program_{name}", "program", f"/made/up/{name}", version, openssl=library, unavailable=unavailable
    )


def a_row(
    verdict: Verdict = Verdict.ENFORCED,
    name: str = "pyenv_3_9_18",
    client: str | ClientKey = "ssl",
    *,
    condition: Condition = Condition.AMBIENT,
    lowest: Protocol | None = None,
    page: PageCheck = PageCheck.BROKEN,
    holder: HeldBy = HeldBy.UNKNOWN,
    reason: str = "so it was seen",
    interpreter: Interpreter | None = None,
    findings: Mapping[str, CellResult] | None = None,
    own_tls: OwnTls | None = None,
    subject: Subject | None = None,
) -> Row:
    """Return one line of the matrix; by default it is about what its interpreter is."""
    lowest = lowest or {Verdict.DOWNGRADED: TLS1_0, Verdict.ENFORCED: TLS1_2}.get(verdict)
    interpreter = interpreter or an_interpreter(name)
    return Row(
        subject=subject or subject_of(interpreter),
        interpreter=interpreter,
        client=ClientKey.parse(str(client), Remedy),
        client_version="1.26.20",
        urllib3="1.26.20",
        condition=condition,
        judgement=Judgement(verdict, reason, lowest, TLS1_3 if lowest else None, "TLSv1.2 TLSv1.3"),
        held_by=holder,
        page_check=page,
        own_tls=own_tls,
        findings=findings or {},
    )


def with_cells(row: Row, catalogue: Catalogue, floor: Protocol = TLS1_2) -> Row:
    """Return a row with cells, versions and holder that make its verdict what it is."""
    verdict, lowest = row.verdict, row.judgement.lowest
    if verdict in (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE):
        return replace(row, findings={}, judgement=replace(row.judgement, lowest=None, highest=None))
    findings = holding(catalogue, floor)
    for server in ladder(catalogue):
        below = server.only_below(floor)
        top = max(server.protocols, key=LADDER.index)
        if below and verdict is Verdict.FRAGILE:
            findings[server.id] = a_finding(server, CellKind.BLOCKED, top)
        elif below and verdict is Verdict.DOWNGRADED and lowest and not top.below(lowest):
            findings[server.id] = a_finding(server, CellKind.CONNECTED, top)
    versions = [cell.protocol for cell in findings.values() if cell.negotiated and cell.protocol]
    judgement = replace(
        row.judgement, lowest=min(versions, key=LADDER.index), highest=max(versions, key=LADDER.index)
    )
    holder = HeldBy.NOTHING if verdict is Verdict.DOWNGRADED else row.held_by
    return replace(row, findings=findings, judgement=judgement, held_by=holder)


def a_matrix(rows: Iterable[Row], run: Run, catalogue: Catalogue, floor: Protocol = TLS1_2) -> Matrix:
    """Return the matrix of a run that came to these rows against this floor."""
    return Matrix(replace(run, asked=replace(run.asked, floor=floor)), (), tuple(rows), catalogue)


def a_run(catalogue: Catalogue, host: str = "a-host", failing: Iterable[str] = ()) -> Run:
    """Return a run's provenance, with a control for each server, failed for those named."""
    return Run(
        run_id="20261124T020000Z-abcd",
        host=host,
        tool="tls-floor-matrix 0.1.0",
        engine="OpenSSL 3.0.19 at /made/up/openssl",
        catalogue=catalogue.sha256,
        started="2026-11-24T02:00:00+00:00",
        ended="2026-11-24T02:00:09+00:00",
        asked=RunRequest(
            clients=("ssl", "urllib3", "botocore"),
            conditions=(Condition.AMBIENT,),
            floor=TLS1_2,
            only=("pyenv_*",),
            interpreters=(RequestedInterpreter("/made/up/link", "/made/up/python"),),
        ),
        controls=controls(catalogue, failing),
        scope=a_scope(),
    )


NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
"""Ten hours after that run."""


def a_part(run_id: str = "now", host: str = "one", **changes: Any) -> GateRun:
    """Return a run as the gate reads it, ended ten hours before NOW; changes are of its scope."""
    times = ("2026-11-24T02:00:00+00:00", "2026-11-24T02:00:09+00:00")
    return GateRun(run_id, host, "tls-floor-matrix 0.1.0", *times, a_scope(**changes))


def a_scope(**changes: Any) -> Scope:
    """Return the scope of a run that measured all that it found, with changes."""
    whole = Scope(
        commit="c0" * 20,
        user="somebody",
        distribution="Debian GNU/Linux 12 (bookworm)",
        architecture="x86_64",
        clients_left_out=("boto3", "awscrt"),
        looked=(
            SearchedLocation("/usr/bin", "looked"),
            SearchedLocation("/opt/*/bin", "absent"),
            SearchedLocation("/locked/bin", "unreadable", "/locked cannot be read"),
        ),
    )
    return replace(whole, **changes)


def a_narrow_scope() -> Scope:
    """Return the scope of a run that left something out, under a variable, by a tool with changes."""
    return a_scope(
        commit="",
        commit_unknown="git knows no commit of it",
        local_changes=True,
        variables={"OPENSSL_CONF": "/made/up/floor.cnf", "SSL_CERT_FILE": "/made/up/roots.pem"},
        left_out=(LeftOut("system_3_11", "/usr/bin/python3.11", "--only pyenv_*"),),
        narrowed=("--only pyenv_* left out 1 interpreter",),
        notes=("Somebody else connected to the server of open, 2 times (a process of user 1000).",),
    )


def a_policy() -> Policy:
    """Return a policy that uses every key, and has a waiver of each shape."""
    return Policy(
        floor=TLS1_2,
        clients=("ssl", "botocore"),
        sources=("pyenv", "system"),
        environments=("/srv/*", "env_shop"),
        fails=(Verdict.FRAGILE, Verdict.INCONCLUSIVE),
        new_only="baseline/matrix.json",
        partial=True,
        max_age=30,
        openssl_conf=("/made/up/floor.cnf",),
        waivers=(
            Waiver("pyenv_2_7_*", "it goes in spring", dt.date(2027, 3, 31)),
            Waiver("pyenv_3_6_15", "<it> is = hard\x1b", dt.date(2026, 12, 31), "bo*", "build-?"),
            Waiver("*", "it is moving", dt.date(2026, 12, 31), environment="/srv/old/*"),
        ),
        file="policy.toml",
    )
