"""Where the floor changed between the versions of a client that were swept, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from interpreters.clients import ClientKey
    from reports.verdicts.matrix import Row, RowGroup
    from servers.protocols import Protocol

DECIDED = (Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED)
"""The verdicts between which the floor changes; the others say nothing of it."""


def sweeps(groups: Iterable[RowGroup]) -> list[str]:
    """Return a line for each client that was swept, once for the interpreters on which it came out alike.

    The pairs that came out alike stand together, in the order in which they were asked for.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        botocores = {row.client: row.client_version for row in group.rows}
        for client, rows in _swept(group).items():
            stands: dict[str, list[str]] = {}
            for row in rows:
                stands.setdefault(_stand(row), []).append(_pair(row, botocores))
            parts = [f"{stand} with {', '.join(pairs)}" for stand, pairs in stands.items()]
            effect = "the versions decide" if _changes(rows) else "the versions change nothing"
            alike.setdefault((client, f"{effect}: {'; '.join(parts)}"), []).append(group.name)
    return [f"{client} on {', '.join(names)}: {effect}." for (client, effect), names in alike.items()]


def dependence_sentences(groups: Iterable[RowGroup], floor: Protocol) -> list[str]:
    """Return, for the opening, where it depends on the versions whether the floor holds."""
    swept: dict[str, None] = {}
    deciding: dict[str, list[str]] = {}
    for group in groups:
        for client, rows in _swept(group).items():
            swept[client] = None
            if _changes(rows):
                deciding.setdefault(client, []).append(group.name)
    if swept and not deciding:
        return [f"None of the versions of {', '.join(swept)} that were tried makes a difference."]
    return [
        f"Whether {client} holds {floor} depends on the versions that were tried on {', '.join(names)}."
        for client, names in deciding.items()
    ]


def client_shares(down: Sequence[ClientKey], everyone: Sequence[ClientKey]) -> list[str]:
    """Name some of these clients, those that were swept once: ``botocore in 2 of 3 versions``."""
    found = []
    for name in dict.fromkeys(client.name for client in down):
        some, of = (sum(client.name == name for client in clients) for clients in (down, everyone))
        found.append(name if some == of else f"{name} in {some} of {of} versions")
    return found


def _swept(group: RowGroup) -> dict[str, list[Row]]:
    """Return the rows of the clients that were measured in several versions, by the client's name."""
    found: dict[str, list[Row]] = {}
    for row in group.rows:
        if row.condition is Condition.AMBIENT and row.client.versions:
            found.setdefault(row.client.name, []).append(row)
    return found


def _changes(rows: Sequence[Row]) -> bool:
    """Whether those versions of which something is known came out differently."""
    return len({_stand(row) for row in rows if row.verdict in DECIDED}) > 1


def _stand(row: Row) -> str:
    down = f" to {row.judgement.lowest}" if row.verdict is Verdict.DOWNGRADED else ""
    return f"{row.verdict}{down}"


def _pair(row: Row, versions: Mapping[ClientKey, str]) -> str:
    """Name what was installed together: ``botocore 1.42.97 and urllib3 1.26.20``; or else what was asked."""
    botocore = versions.get(replace(row.client, name="botocore"))
    if not row.client_version or not botocore:
        return row.client.versions.replace("+", " and ")
    return f"botocore {botocore} and urllib3 {row.urllib3}"
