"""Which promises a run kept, whatever was done to it: pure judgement of what it printed, wrote and left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

Rows = Mapping[tuple[str, str], Mapping[str, str]]
"""The rows of matrix.csv, by interpreter and client."""

UNKNOWN = frozenset({"inconclusive", "untestable"})
"""The verdicts that say that nothing is known."""

TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Aftermath:
    """What is there once a session has ended."""

    status: int
    """Its exit status; negative: the signal that it died of."""
    said: str
    rows: Rows | None
    """Those of reports/latest; None if they cannot be read."""
    published: bool
    """Whether the session published a report."""
    left: tuple[str, ...] = ()
    """Processes, listening ports, keys and files that were not there before, and do not belong there."""
    stopped: bool = False
    """Whether it was told to end, so that it owes no report and no sentence."""


@dataclass(frozen=True)
class Expected:
    """What rows may say."""

    verdicts: Mapping[tuple[str, str], str]
    """Of each row that is measured with every fault: its verdict without one."""
    exactly: bool = False
    """Whether the fault may not even make those inconclusive."""
    subjects: AbstractSet[str] = field(default_factory=frozenset)
    """The interpreters that lie: they go below the floor, and no row of theirs may say another verdict."""


def broken(after: Aftermath, expected: Expected) -> list[str]:
    """Return the promises that broke, a sentence each."""
    found = [f"{thing} is left" for thing in after.left]
    if TRACEBACK in after.said:
        found.append(f"a traceback: {_raised(after.said)[:300]}")
    if after.rows is None:
        return [*found, "the report that was there is lost"]
    if after.published:
        found += _wrong(after.rows, expected)
    elif after.status == 0 and not after.stopped:
        found.append("it ended well, and published nothing")
    if after.status != 0 and not after.stopped and not _sentence(after.said):
        found.append(f"it ended with {after.status}, and no sentence says why: {after.said[-200:]!r}")
    return found


def _raised(said: str) -> str:
    """Return the last place and the exception of the last traceback in a text."""
    frames: list[str] = []
    for line in said.rpartition(TRACEBACK)[2].splitlines()[1:]:
        frames.append(re.sub(r"/\S*/checkout/", "", line.strip()))
        if not line.startswith(" "):
            break
    where = next((frame for frame in reversed(frames) if frame.startswith('File "')), "")
    return f"{where}: {frames[-1] if frames else ''}"


def _wrong(rows: Rows, expected: Expected) -> list[str]:
    found = [f"{'/'.join(key)} has no row" for key in expected.verdicts if not _of(rows, key)]
    for key, row in rows.items():
        verdict = row["verdict"]
        if verdict in UNKNOWN and not row["reason"]:
            found.append(f"{'/'.join(key)} is {verdict}, and nothing says why")
        right = "downgraded" if key[0] in expected.subjects else expected.verdicts.get(key, verdict)
        allowed = {right} if expected.exactly and key in expected.verdicts else {right, *UNKNOWN}
        if verdict not in allowed:
            found.append(f"{'/'.join(key)} is {verdict}, and should be {right}: {row['reason']}")
    return found


def _of(rows: Rows, key: tuple[str, str]) -> bool:
    """Whether there is a row, or one for all clients of its interpreter."""
    return key in rows or (key[0], "all") in rows


def _sentence(said: str) -> bool:
    """Whether a session that failed said why in a line of its own."""
    return bool(
        re.search(
            r"(Session \w+ (aborted|failed): |^nox > \w.* broke off|error: |nox: )\S", said, re.MULTILINE
        )
    )


def _made(**changes: object) -> Aftermath:
    fine = {"verdict": "enforced", "reason": "seen"}
    return replace(Aftermath(0, "measured", {("py", "ssl"): fine}, published=True), **changes)  # type: ignore[arg-type]


EXPECTED = Expected({("py", "ssl"): "enforced"}, exactly=True, subjects={"liar"})
FINE = _made()
BROKEN: dict[str, Aftermath] = {
    "a process left": _made(left=("the process 12",)),
    "a traceback": _made(said=f"{TRACEBACK}\nKeyError"),
    "a lost report": _made(rows=None),
    "a missing row": _made(rows={}),
    "a wrong row": _made(rows={("py", "ssl"): {"verdict": "downgraded", "reason": "seen"}}),
    "a row that is not known": _made(rows={("py", "ssl"): {"verdict": "inconclusive", "reason": "seen"}}),
    "a row without a reason": _made(rows={("py", "all"): {"verdict": "untestable", "reason": ""}}),
    "a liar believed": _made(
        rows={**(FINE.rows or {}), ("liar", "ssl"): {"verdict": "enforced", "reason": "said"}}
    ),
    "nothing published": _made(published=False),
    "no sentence": _made(status=1, published=False),
}
"""What breaks a promise, by what that is: whoever judges has to see each, and nothing in FINE."""


def blind(judge: Callable[[Aftermath, Expected], list[str]] = broken) -> list[str]:
    """Return what a judge does not see."""
    unseen = [name for name, after in BROKEN.items() if not judge(after, EXPECTED)]
    return [*unseen, *(["that nothing is broken"] if judge(FINE, EXPECTED) else [])]
