"""A ticket: short, honest about what is known, and with the remedy that was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from docs.example import make
from interpreters.interpreter import RUNNING
from reports.files import publish
from reports.formats.matrix_json import StoredRun
from reports.merge import merge, merge_cases
from reports.report import write_report
from reports.ticket import TicketError, build_ticket
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import Policy
from reports.verdicts.scope import Scope
from reports.verify import read_again
from tests.support.builders import TLS1_2, a_catalogue, a_row, a_run, an_environment

CATALOGUE = a_catalogue()
LONGEST = 40


def stored(*verdicts: Verdict) -> StoredRun:
    """Return a run with a row in an interpreter of its own for each of these verdicts."""
    rows = tuple(a_row(verdict, f"pyenv_3_{number}") for number, verdict in enumerate(verdicts))
    return StoredRun(a_run(CATALOGUE), CATALOGUE, TLS1_2, rows, Path())


def test_it_has_title_impact_evidence_remedy_and_when_it_is_done() -> None:
    """It says what is wrong, how that was found, what was measured to help, and when it is done."""
    lines = build_ticket(make.stored_run(), ["system_3_11"]).splitlines()
    assert len(lines) < LONGEST
    assert lines[0] == "# system_3_11 on workstation negotiates TLS 1.0 (floor: TLS 1.2)"
    whole = "\n".join(lines)
    assert "| system_3_11 | botocore 1." in whole
    assert "| urllib3" not in whole  # which holds
    assert "An OpenSSL configuration: measured in this run, it holds with ssl, botocore." in whole
    assert "`nox -s matrix gate -- --only system_3_11`" in whole
    assert "It is not shown that a connection was ever made that way." in whole


def test_of_many_it_stays_short() -> None:
    """A glob names a hundred; the ticket has the worst, and counts the others."""
    text = build_ticket(stored(*[Verdict.DOWNGRADED] * 100), ["pyenv_*"])
    assert len(text.splitlines()) < LONGEST
    assert "90 more rows are in `matrix.csv`." in text


def test_what_is_not_known_is_no_downgrade() -> None:
    """Of a row without an answer nothing is claimed but that."""
    text = build_ticket(stored(Verdict.INCONCLUSIVE), ["pyenv_3_0"])
    assert "is not known to hold TLS 1.2" in text
    assert "can bring these clients below" not in text
    assert "negotiates" not in text


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["nobody"], "the latest run has no 'nobody': it has pyenv_3_0"),
        (["pyenv_3_0", "nobody"], "has no 'nobody'"),
        (["pyenv_3_0"], "nothing needs work: pyenv_3_0 holds TLS 1.2"),
    ],
)
def test_what_is_no_ticket_is_one_sentence(ids: list[str], message: str) -> None:
    """An id that is none, and one that holds, say so."""
    with pytest.raises(TicketError, match=message):
        build_ticket(stored(Verdict.ENFORCED), ids)


def test_hostile_text_is_quoted() -> None:
    """A reason from elsewhere ends no table and begins no element."""
    run = stored(Verdict.DOWNGRADED)
    (row,) = run.rows
    bad = replace(row, client_version="|<script>", judgement=replace(row.judgement, reason="<b>| x"))
    text = build_ticket(replace(run, rows=(bad,)), ["pyenv_3_0"])
    assert "<script" not in text
    assert "<b>" not in text


def test_of_several_machines_each_label_names_its_own(tmp_path: Path) -> None:
    """A merged report gives one ticket, whose title and rows say on which machine what was found."""
    part = make.stored_run()
    other = replace(part, run=replace(part.run, host="other", run_id="2"), cases=None)
    parts = [part, other]
    own = replace(part.run, run_id="3-merge", controls={}, scope=Scope())
    with publish("3-merge", tmp_path) as folder:
        write_report(folder, merge(parts, [], own), Policy(), cases=merge_cases(parts))
    lines = build_ticket(read_again(tmp_path / "latest"), ["system_3_11"]).splitlines()
    assert len(lines) < LONGEST
    assert lines[0].startswith("# system_3_11 on workstation, system_3_11 on other negotiates TLS 1.0")
    assert "`nox -s matrix gate -- --only system_3_11` passes on each of these machines." in lines[-1]
    assert any(line.startswith("| system_3_11 on other | ssl |") for line in lines)


def test_what_is_measured_again_is_found_again() -> None:
    """What a search found is named by its path, and a process is looked for among what runs."""
    places = [replace(an_environment("/srv/shop"), source=source) for source in ("search", RUNNING)]
    rows = tuple(
        a_row(Verdict.DOWNGRADED, interpreter=replace(place, id=f"shop_{number}"))
        for number, place in enumerate(places)
    )
    text = build_ticket(replace(stored(), rows=rows), ["shop_*"])
    words = "--environment /srv/shop --running --only shop_0 --only shop_1"
    assert f"`nox -s matrix gate -- {words}` passes" in text


def test_several_that_hold_are_several() -> None:
    """What holds is named, one or many."""
    with pytest.raises(TicketError, match=r"nothing needs work: pyenv_3_0, pyenv_3_1 hold TLS 1\.2"):
        build_ticket(stored(Verdict.ENFORCED, Verdict.ENFORCED), ["pyenv_3_*"])
