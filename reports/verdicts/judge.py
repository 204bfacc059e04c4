"""The verdict on one client in one interpreter: pure functions, with the reason in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.listing import some_of
from interpreters.versions import openssl_release
from reports.verdicts.cells import CellKind, CellResult, judge_cell
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import LADDER, Protocol, span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from interpreters.interpreter import Interpreter
    from reports.verdicts.observations import Observation, OwnTls
    from servers.catalogue import Catalogue

PAGE_FLOOR = Protocol.TLSV1_2
"""The floor that the AWS page is about, whatever the floor of this run."""


PYTHON_MINIMUM = Protocol.TLSV1_2
"""What CPython since 3.10 sets as minimum, unless it was configured not to."""


class Verdict(enum.StrEnum):
    """The judgement for one interpreter x client x condition; the worst come first."""

    DOWNGRADED = "downgraded"
    FRAGILE = "fragile"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "untestable"
    ENFORCED = "enforced"


class HeldBy(enum.StrEnum):
    """What keeps a client at or above the floor."""

    BUILD = "build"
    LIBRARY = "library"
    CODE = "code"
    CONFIGURATION = "openssl.cnf"
    NOTHING = "nothing"
    UNKNOWN = ""


class PageCheck(enum.StrEnum):
    """What the AWS page's own procedure would have concluded; UNKNOWN if its client was not measured."""

    PASS = "pass"  # noqa: S105  a conclusion, not a password
    FAIL = "fail"
    BROKEN = "broken"
    UNKNOWN = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason, and the facts that it rests on."""

    verdict: Verdict
    reason: str
    lowest: Protocol | None = None
    highest: Protocol | None = None
    offer: str = ""


def find(records: Iterable[Observation], catalogue: Catalogue) -> dict[str, CellResult]:
    """Judge the cells of one client in one interpreter under one condition, by server id."""
    results: dict[str, CellResult] = {}
    for record in records:
        result = judge_cell(record, catalogue[record.server])
        if record.server in results:
            twice = "it was measured twice, and only one can count"
            result = replace(result, kind=CellKind.INCONCLUSIVE, protocol=None, reason=twice)
        results[record.server] = result
    return results


def judge(findings: Mapping[str, CellResult], catalogue: Catalogue, floor: Protocol) -> Judgement:
    """Judge one client from its cells on the ladder's servers, and on those that tamper if they were met.

    A below-floor connection outweighs everything. Otherwise one undecided or absent cell makes the
    whole inconclusive, as does a client that connected nowhere: silence is not safety. A client that
    is stricter than the floor (refuses TLS 1.2 where the floor is TLS 1.1) is not held against it.
    """
    ladder = [server for server in catalogue.servers if server.role is not Role.PAGE]
    cells = [
        findings.get(s.id, CellResult(s, CellKind.MISSING, reason="it was not measured")) for s in ladder
    ]
    versions = sorted({c.negotiated for c in cells if c.negotiated}, key=LADDER.index)
    offered = frozenset(p for c in cells for p in c.offered)
    words = span(offered) if offered else next((c.offer for c in cells if c.offer), "")

    def judgement(verdict: Verdict, reason: str) -> Judgement:
        lowest, highest = (versions[0], versions[-1]) if versions else (None, None)
        sentence = "; ".join(filter(None, [words and f"offers {words}", reason]))
        return Judgement(verdict, sentence, lowest, highest, offer_column(offered, words))

    if below := connections_below(cells, floor):
        return judgement(Verdict.DOWNGRADED, below)
    if unknown := _unknown(cells, floor):
        return judgement(Verdict.INCONCLUSIVE, unknown)
    if weak := weakness(cells, floor):
        return judgement(Verdict.FRAGILE, weak)
    return judgement(Verdict.ENFORCED, f"never went below {floor}")


def _unknown(cells: list[CellResult], floor: Protocol) -> str:
    """Say why these cells prove nothing; empty if they do."""
    if not any(c.server.only_below(floor) for c in cells):
        return f"it met no server that speaks only below {floor}"
    if undecided := [c for c in cells if c.undecided]:
        return _list(undecided)
    if not any(c.negotiated for c in cells):
        refusals = [c for c in cells if c.server.only_from(floor)]
        return f"it connected to no server at all: {_list(refusals)}"
    return ""


def weakness(cells: Collection[CellResult], floor: Protocol) -> str:
    """Say why a client that made no connection below the floor might yet; empty if it would not."""
    if fooled := [c for c in cells if c.kind is CellKind.FOOLED]:
        return f"a server that tampers fooled it: {_list(fooled)}"
    if blocked := [c for c in cells if c.kind is CellKind.BLOCKED and c.reached_below(floor)]:
        return f"no connection below {floor}, but only because something else stopped it: {_list(blocked)}"
    old = frozenset(p for c in cells for p in c.offered if p.below(floor))
    return f"no connection below {floor}, but it still offers {span(old)}" if old else ""


def offer_column(offered: frozenset[Protocol], words: str) -> str:
    """Return the offered versions for the table, lowest first; ``up to ...`` if only that is known."""
    return " ".join(p for p in LADDER if p in offered) or words


def connections_below(cells: Collection[CellResult], floor: Protocol) -> str:
    """Name the plainest server of each version below the floor; empty if no connection was made there.

    As ``connected at TLSv1 to tls1_0_rsa, at TLSv1.1 to ...``.
    """
    parts = []
    for protocol in filter(lambda version: version.below(floor), LADDER):
        at = [c.server for c in cells if c.negotiated is protocol]
        if at:
            # The server that speaks nothing else is the plainest proof.
            plainest = min(at, key=lambda server: len(server.protocols))
            more = f" and {len(at) - 1} more" if len(at) > 1 else ""
            parts.append(f"at {protocol} to {plainest.id}{more}")
    return f"connected {', '.join(parts)}" if parts else ""


def _list(cells: list[CellResult], most: int = 3) -> str:
    """Name servers with what came out there; what is the same on all of many is said once."""
    if len(cells) > most and len({(cell.kind, cell.reason) for cell in cells}) == 1:
        return f"{some_of([c.server.id for c in cells], most)} {cells[0].kind} ({cells[0].reason})"
    shown = [f"{c.server.id} {c.kind} ({c.reason})" for c in cells[:most]]
    more = [f"and {len(cells) - most} more"] if len(cells) > most else []
    return ", ".join(shown + more)


HELD = (Verdict.ENFORCED, Verdict.FRAGILE)
"""Verdicts at which something holds the floor."""

_WITHOUT = {
    Condition.AMBIENT: (Condition.EMPTY,),
    # What our hardened configuration holds may be open under the machine's own already.
    Condition.HARDENED: (Condition.AMBIENT, Condition.EMPTY),
}
"""By condition, those under which a client meets the servers without what that one sets."""


def held_by(
    judgement: Judgement,
    condition: Condition,
    seen: Mapping[Condition, Mapping[str, CellResult]],
    relaxed: Mapping[str, CellResult],
    floor: Protocol,
) -> HeldBy:
    """Say what holds the floor under a condition, from the same client under others and a relaxed one.

    `seen` has the client's cells by condition; `relaxed` those of a client told in code to relax
    everything, under the permissive one. A client that goes below without its configuration is held by
    that. One that does not, but does under the permissive, is held by what the library does by itself: no
    code can have set a minimum, because code has its way under every configuration. A client relaxed in
    code that still cannot get through shows that the library has no such version. For a client that
    brings its own TLS `relaxed` is empty, because it tells nothing of that.
    """
    below = {other: went_below(findings, floor) for other, findings in seen.items()}
    without = any(below.get(other) for other in _WITHOUT.get(condition, ()))
    empty, permissive = below.get(Condition.EMPTY), below.get(Condition.PERMISSIVE)
    holders = (
        (judgement.verdict is Verdict.DOWNGRADED, HeldBy.NOTHING),
        (judgement.verdict not in HELD, HeldBy.UNKNOWN),
        (without, HeldBy.CONFIGURATION),
        (permissive and empty is False, HeldBy.LIBRARY),
        (permissive is not False, HeldBy.UNKNOWN),
        (went_below(relaxed, floor), HeldBy.CODE),
        (_has_nothing_below(relaxed, floor), HeldBy.BUILD),
    )
    return next((holder for applies, holder in holders if applies), HeldBy.UNKNOWN)


def own_holder(
    judgement: Judgement, own_tls: OwnTls, permissive: Mapping[str, CellResult], floor: Protocol
) -> HeldBy:
    """Say what holds a client that brings its own TLS, where no configuration was seen to move it.

    `permissive` has its cells under the permissive condition, which must have moved nothing. A library that
    reads no OPENSSL_CONF is held by what is built into it; one that reads it has a minimum of its own.
    """
    if judgement.verdict not in HELD or went_below(permissive, floor) is not False:
        return HeldBy.UNKNOWN
    return HeldBy.CODE if own_tls.reads_openssl_conf else HeldBy.LIBRARY


def _has_nothing_below(relaxed: Mapping[str, CellResult], floor: Protocol) -> bool:
    """Whether a client relaxed in code was stopped below the floor by the lack of the versions alone."""
    lacking = {CellKind.NOT_OFFERED, CellKind.REJECTED}
    cells = [f for f in relaxed.values() if f.server.role is Role.LADDER and f.server.only_below(floor)]
    return bool(cells) and all(f.kind in lacking for f in cells)


def went_below(findings: Mapping[str, CellResult], floor: Protocol) -> bool | None:
    """Whether any of these ladder cells connected below the floor; None if that cannot be said."""
    ladder = [f for f in findings.values() if f.server.role is Role.LADDER]
    low = [f for f in ladder if not f.server.only_from(floor)]
    if any(f.negotiated and f.negotiated.below(floor) for f in low):
        return True
    return None if not low or any(f.undecided for f in low) else False


def explain(
    judgement: Judgement,
    holder: HeldBy,
    interpreter: Interpreter,
    floor: Protocol,
    own_tls: OwnTls | None = None,
) -> str:
    """Continue a judgement's reason with its cause, for a person who has to act on it."""
    if own_tls and judgement.verdict is not Verdict.INCONCLUSIVE:
        return f"{judgement.reason}; {_own_cause(holder, own_tls, interpreter)}"
    if holder is HeldBy.UNKNOWN:
        return judgement.reason
    return f"{judgement.reason}; {_cause(judgement, holder, interpreter, floor)}"


def explain_program(judgement: Judgement, holder: HeldBy, library: str, *, relaxed: bool) -> str:
    """Continue a program's reason with its cause; `relaxed` says whether it has such a variant."""
    causes = {
        HeldBy.NOTHING: "neither it nor its TLS library sets a minimum that would hold",
        HeldBy.CODE: "its own settings hold it: told to allow everything it goes below, and a permissive"
        " OpenSSL configuration changes nothing",
        HeldBy.CONFIGURATION: "only the OpenSSL configuration holds it, without that it goes below",
        HeldBy.LIBRARY: f"only the defaults built into {library or 'its TLS library'} hold it: an OpenSSL"
        " configuration that allows everything lets it below, an empty one does not",
        HeldBy.BUILD: f"told to allow everything it cannot go there either: {library or 'its TLS library'}"
        " has nothing below",
    }
    unknown = ""
    if judgement.verdict in (Verdict.ENFORCED, Verdict.FRAGILE):
        why = (
            "told to allow everything it gave no clear answer" if relaxed else "no variant of it allows more"
        )
        unknown = f"what holds it is not known: {why}"
    return "; ".join(filter(None, [judgement.reason, causes.get(holder, unknown)]))


def _own_cause(holder: HeldBy, own_tls: OwnTls, interpreter: Interpreter) -> str:
    """Say what reaches a client that does not use its interpreter's TLS, and what does not."""
    reach = (
        "Python's minimum does not reach"
        if own_tls.reads_openssl_conf
        else "neither OPENSSL_CONF nor Python's minimum reaches"
    )
    brings = f"it brings its own TLS, {own_tls.name}, which {reach}"
    # Whether it is the same file too, as in Debian's packages, this does not say.
    if own_tls.name == interpreter.openssl:
        brings = f"it uses {own_tls.name}, as Python does, but past Python's ssl module, and {reach} it"
    if holder is HeldBy.CONFIGURATION:
        return f"{brings}; {_ONLY_CONFIGURATION}"
    if holder is HeldBy.LIBRARY and own_tls.reads_openssl_conf:
        return (
            f"{brings}; only its built-in defaults hold it: a permissive OpenSSL configuration lets it below"
        )
    if holder is HeldBy.LIBRARY:
        return f"{brings}; its built-in defaults hold it: a permissive OpenSSL configuration changes nothing"
    if holder is HeldBy.CODE:
        return f"{brings}; a minimum of its own holds it: a permissive OpenSSL configuration changes nothing"
    return f"{brings}; what holds it is not known" if holder is HeldBy.UNKNOWN else brings


_ONLY_CONFIGURATION = "only the OpenSSL configuration holds it, without that it goes below"


def _cause(judgement: Judgement, holder: HeldBy, interpreter: Interpreter, floor: Protocol) -> str:
    python = _python_minimum(interpreter)
    enough = interpreter.sets_minimum and not PYTHON_MINIMUM.below(floor)
    if holder is HeldBy.NOTHING:
        if interpreter.sets_minimum:
            # Start-up code may do that in the place of the client.
            ran = f"; at its start it runs {', '.join(interpreter.start_up)}" if interpreter.start_up else ""
            return (
                f"{python}, {f'but the client goes below it{ran}' if enough else 'which is below the floor'}"
            )
        minimum = _context_minimum(interpreter)
        # As where openssl.cnf asks for TLS 1.3, and urllib3 2 sets TLS 1.2.
        lowers = minimum is not None and not minimum.below(floor)
        own = f", {judgement.lowest}" if judgement.lowest else ""
        lower = f"; a new context has {minimum}, but the client sets a lower minimum of its own{own}"
        return f"{python}{lower if lowers else ', and the client none that would hold'}"
    if holder is HeldBy.CODE:
        if not enough:
            # Where a new context has a minimum already, it need not be the client that sets one.
            minimum = _context_minimum(interpreter)
            there = minimum is not None and not minimum.below(floor)
            python += f", but {f'a new context has {minimum}' if there else 'the client sets one of its own'}"
        return f"{python}; a permissive OpenSSL configuration changes nothing"
    if holder is HeldBy.CONFIGURATION:
        return f"{_ONLY_CONFIGURATION}: {python}"
    if holder is HeldBy.LIBRARY:
        return f"{_built_in(_library(interpreter), floor)}: {python}"
    return f"{_library(interpreter)} has nothing below it: a client relaxed in code cannot go there either"


LEVEL_RULES_SINCE = (3, 1)
"""The first OpenSSL whose security levels above 0 leave nothing below TLS 1.2: its NEWS.md, 3.1."""


def _library(interpreter: Interpreter) -> str:
    """Name the library; PyPy's ssl module says the version that it was made for, not that which it loads."""
    return "the OpenSSL that PyPy loads" if interpreter.implementation == "PyPy" else interpreter.openssl


def _built_in(library: str, floor: Protocol) -> str:
    """Say what a library does by itself that keeps a client up under an empty configuration."""
    release = openssl_release(library)
    if release >= LEVEL_RULES_SINCE and not PAGE_FLOOR.below(floor):
        name = f"OpenSSL {release[0]}.{release[1]}"
        return f"{name} refuses versions below {PAGE_FLOOR} at its default security level"
    return f"only the defaults built into {library or 'its TLS library'} hold it"


def _context_minimum(interpreter: Interpreter) -> Protocol | None:
    """Return the minimum of a new context, as it was read there; None for the lowest, or if unknown."""
    return next((p for p in LADDER if p.replace(".", "_") == interpreter.context_minimum), None)


def _python_minimum(interpreter: Interpreter) -> str:
    """Say what the interpreter itself does about a minimum version, less where its context contradicts.

    A patched build or code that runs at its start can change what version and flags alone make it.
    """
    if interpreter.sets_minimum:
        itself = f"this Python sets {PYTHON_MINIMUM} as minimum"
        if not interpreter.context_minimum or _context_minimum(interpreter) is PYTHON_MINIMUM:
            return f"{itself} in every context"
        return f"{itself} by itself, but a new context here has {interpreter.context_minimum}"
    if interpreter.leaves_suites_to_openssl:
        return "this Python was configured --with-ssl-default-suites=openssl, so it sets no minimum"
    return "this Python sets no minimum (3.10 was the first to)"


def page_check(records: Mapping[str, Observation], default: str, restricted: str) -> PageCheck:
    """Conclude what the AWS page would have, from its check against its two servers.

    Source: the page, "Determining your currently supported protocols": the first server must answer
    with TLS 1.2 or later, the second must cause an SSL error. The page asks nobody whether the second
    server speaks to anyone.
    """
    if not records:
        return PageCheck.UNKNOWN
    first, second = records.get(default), records.get(restricted)
    if first is None or first.account is None or first.account.outcome != "connected":
        return PageCheck.BROKEN
    if first.account.version not in {p for p in LADDER if not p.below(PAGE_FLOOR)}:
        return PageCheck.FAIL
    if second is None or second.account is None:
        return PageCheck.BROKEN
    if second.account.outcome == "connected":
        return PageCheck.FAIL
    error = f"{second.account.error_class} {second.account.error_text}"
    return PageCheck.PASS if "SSL" in error else PageCheck.BROKEN
