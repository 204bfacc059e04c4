"""Makes each file of a report anew from its observations, and names those that come out otherwise."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from interpreters.documents import as_json
from interpreters.regular import read_regular
from reports.formats.format import AwsAccount, Report
from reports.formats.gate_contract import GateDocument
from reports.formats.matrix_contract import MatrixFile
from reports.formats.matrix_json import build_facts
from reports.formats.records import RecordError, read_document, reading
from reports.formats.remedies import DOCUMENT as REMEDIES
from reports.formats.remedies import read_remedies
from reports.gate import MATRIX, RECORD, build_record, foresee, parse_report
from reports.report import formats
from reports.verdicts.decision import decide
from reports.verdicts.policy import Policy, Waiver
from reports.verdicts.scope import Begun, moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.formats.contract import PolicyDocument
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.remedies import Case

FINDINGS = "securityhub.json"

DECIDED = ("junit.xml", "metrics.prom", FINDINGS)
"""What a decision is in, which may rest on an earlier run that the policy names."""


def cases_of(folder: Path, matrix: Matrix) -> tuple[Case, ...] | None:
    """Return what remedies came to, which rests on no observation that a report keeps; None without any."""
    file = folder / REMEDIES
    return read_remedies(file, matrix.run, matrix.rows) if file.is_file() else None


def differing_texts(folder: Path, recomputed: Matrix) -> Iterator[str]:
    """Make each file of the report anew, and name those that come out otherwise, with the first line."""
    try:
        named = read_document(folder / MATRIX, MatrixFile).policy
        policy = _policy(named)
        built = build_facts(recomputed, policy)
        cases = cases_of(folder, recomputed)
        decisions = [foresee(built, policy, folder, together=together) for together in (False, True)]
        aws = _account(folder)
        reports = [Report(recomputed, policy, built, decision, (), cases, aws) for decision in decisions]
        for form in formats():
            # What the policy's earlier run lets pass nobody knows without that run.
            if (folder / form.file).is_file() and not (policy.new_only and form.file in DECIDED):
                yield from _text(folder / form.file, (_whole(form.build(report)) for report in reports))
        for file in {attempt.file for case in cases or () for attempt in case.attempts if attempt.file}:
            if (folder / file.name).is_file():
                yield from _text(folder / file.name, iter([file.text]))
        if (folder / RECORD).is_file() and not policy.new_only:
            yield from _gate(folder, built, named)
    except RecordError as error:
        yield str(error)


def _whole(text: str | Iterator[str] | None) -> str:
    return text if isinstance(text, str) else "".join(text or ())


def _text(file: Path, texts: Iterator[str]) -> Iterator[str]:
    """Say where a file is none of these texts, but for the trend of earlier runs, which are not there."""
    there = _TREND.sub("", file.read_text(encoding="utf-8", errors="replace"))
    number = 0
    for text in texts:
        made = _TREND.sub("", text)
        if made == there:
            return
        pairs = enumerate(zip_longest(there.splitlines(), made.splitlines()), 1)
        number = number or next((place for place, (left, right) in pairs if left != right), 1)
    yield f"{file.name}, line {number}, is not what the observations make"


_TREND = re.compile(r'<section id="trend".*?</section>\n?', re.DOTALL)


def _account(folder: Path) -> AwsAccount | None:
    """Return whom the findings for Security Hub are for, which nothing else says; None without any."""
    file = folder / FINDINGS
    if not file.is_file():
        return None
    with reading(file):
        named = _PRODUCT.search(read_regular(file).decode())
        return AwsAccount(named["account"], named["region"]) if named else AwsAccount("", "")


_PRODUCT = re.compile(r'"arn:[^:"]*:securityhub:(?P<region>[^:"]*):(?P<account>[^:"]*):product/')


def _gate(folder: Path, built: Any, named: PolicyDocument) -> Iterator[str]:
    """Hold what the gate left against what it decides on these rows at that time, under the policy named."""
    left = read_document(folder / RECORD, GateDocument)
    if left.policy is None:
        yield f"{RECORD} decided nothing ({left.message}): run the gate again, and pack anew"
        return
    if left.policy != named:
        yield (
            f"{RECORD} was decided under another policy than {MATRIX} names, as where policy.toml changed"
            " after measuring: measure again, run the gate, and pack anew"
        )
        if left.policy.new_only:
            return
    policy = _policy(left.policy)
    claimed, now = json.loads(read_regular(folder / RECORD)), moment(left.decided)
    report = replace(parse_report(built), begun=_begun(left))
    made = [
        build_record(decide(report, policy, now, together=together), now)
        # Whether the matrix was asked for in the same command, no file says.
        for together in (False, True)
    ]
    differing = [[name for name in record if claimed.get(name) != record[name]] for record in made]
    record, names = min(zip(made, differing, strict=True), key=lambda pair: len(pair[1]))
    yield from (f"{RECORD}, {name} does not follow from the rows and the policy" for name in names)
    if "rows" in names:
        yield from _rows_of_gate(left, record["rows"])


def _rows_of_gate(left: GateDocument, made: Any) -> Iterator[str]:
    """Name the rows of the gate's that do not follow."""
    follows = {(row["host"], row["interpreter"], row["client"]): row for row in made}
    for row in left.rows:
        if follows.get((row.host, row.interpreter, row.client)) != as_json(row):
            yield f"{RECORD}, {row.interpreter}/{row.client} does not follow: {row.verdict}, {row.fate}"


def _begun(left: GateDocument) -> tuple[Begun, ...]:
    """Return the later runs that the gate saw, which no file of this run knows."""
    found = (_LATER.match(sentence) for sentence in dict.fromkeys((*left.doubts, *left.notices)))
    return tuple(
        Begun(seen["run"], moment(seen["time"]) + dt.timedelta(seconds=59), seen["state"] == "still measures")
        for seen in found
        if seen
    )


_LATER = re.compile(
    r"(a later|another) run, (?P<run>.*), began at (?P<time>[-\d]+ [\d:]+) UTC and"
    r" (?P<state>still measures|did not finish):"
)


def _policy(document: PolicyDocument) -> Policy:
    """Return the policy that a report says was in force."""
    lists = ("clients", "sources", "environments")
    return document.to(
        Policy,
        **{name: tuple(getattr(document, name) or ()) for name in lists},
        fails=tuple(verdict for verdict in document.fails if verdict != "downgraded"),
        new_only=document.new_only or "",
        file=document.file or "",
        waivers=tuple(
            waiver.to(Waiver, expires=dt.date.fromisoformat(waiver.expires)) for waiver in document.waivers
        ),
    )
