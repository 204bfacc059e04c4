"""matrix.html: complete in one file, harmless whatever an interpreter says, and usable in a real browser."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import ClientKey
from interpreters.interpreter import Interpreter, RunningProcess
from reports.formats.answer import answer, page_sentences
from reports.formats.escape import visible
from reports.formats.html import BAR, build_html
from reports.formats.html_data import NEUTRAL, ROW_TEXTS, CellEntry, RowEntry, tone
from reports.formats.markdown import SCOPE
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import PageCheck, Verdict
from reports.verdicts.matrix import Matrix, Measured, Past, Subject, build_matrix, by_interpreter, worst_first
from reports.verdicts.remedies import TITLES, Case, Remedy, RemedyAttempt, Standing
from reports.verdicts.scope import headline, in_full, opening
from servers.catalogue import Role, read_catalogue
from servers.conditions import Condition
from tests.support.accessibility import axe_violations
from tests.support.builders import (
    SMALL,
    STRICT,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Obstacle,
    Stack,
    a_catalogue,
    a_narrow_scope,
    a_policy,
    a_program,
    a_row,
    a_run,
    a_scope,
    an_environment,
    an_interpreter,
    an_observation,
    by_key,
    keys,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Route

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Observation, Run
    from servers.protocols import Protocol

CLIENTS = ("ssl", "urllib3", "botocore")
CATALOGUE = read_catalogue().only(Role.LADDER, Role.PAGE)
HOSTILE = (
    "<script>alert(1)</script></title>\"'&`{{7*7}}\n\x1b[31m\x00\u202e\udcff<!--<img src=x onerror=alert(1)>"
)
SYSTEM = Interpreter("system_3_8", "system", "/usr/bin/python3.8", "3.8.2", "CPython", "OpenSSL 1.1.1")
OLD = Stack(frozenset({TLS1_0, TLS1_1, TLS1_2, TLS1_3}))


def seen(
    interpreter: Interpreter,
    kinds: dict[str, Stack],
    above: Obstacle = Obstacle.NOTHING,
    below: Obstacle = Obstacle.NOTHING,
    conditions: Sequence[Condition] = (Condition.AMBIENT,),
) -> Measured:
    """Return an interpreter whose clients met every server; what obstructs them depends on the floor."""
    records = [
        replace(
            meet(client, server, below if server.only_below(TLS1_2) else above),
            interpreter=interpreter.id,
            client=ClientKey.parse(name),
            condition=condition,
        )
        for condition in conditions
        for name, client in kinds.items()
        for server in CATALOGUE.servers
    ]
    return Measured(interpreter, {}, tuple(records))


def a_matrix(rows: Sequence[Row], measured: Sequence[Measured] = (), run: Run | None = None) -> Matrix:
    """Return these rows as a run of the catalogue."""
    return Matrix(run or a_run(CATALOGUE), tuple(measured), tuple(rows), CATALOGUE)


def page_of(
    measured: Sequence[Measured],
    conditions: Sequence[Condition] = (Condition.AMBIENT,),
    host: str = "a-host",
) -> tuple[str, tuple[Row, ...]]:
    """Return the page of these interpreters, and the rows that it shows."""
    rows = build_matrix(measured, keys(CLIENTS), conditions, CATALOGUE, TLS1_2)
    run = a_run(CATALOGUE, host, ["page_restricted"])
    return build_html(a_matrix(rows, measured, run)), rows


@functools.cache
def five() -> tuple[str, tuple[Row, ...]]:
    """Return a page on which every verdict occurs, the bad ones not first in the order of the rows."""
    measured = [
        seen(an_interpreter("pyenv_3_13_0", "3.13.0"), dict.fromkeys(CLIENTS, STRICT)),
        seen(
            an_interpreter("conda_3_9_0", "3.9.0"),
            dict.fromkeys(CLIENTS, STRICT),
            Obstacle.SILENCE,
            Obstacle.SILENCE,
        ),
        Measured(an_interpreter("opt_2_6", unavailable="it has no ssl module: it said so"), {}, ()),
        seen(an_interpreter("pyenv_3_9_18"), {"ssl": OLD, "urllib3": STRICT, "botocore": OLD}),
        seen(SYSTEM, dict.fromkeys(CLIENTS, OLD), below=Obstacle.SIGNATURE),
    ]
    return page_of(measured)


@functools.cache
def two_hundred() -> tuple[str, tuple[Row, ...]]:
    """Return the page of a large machine: 200 interpreters, no two of whose error texts are the same."""
    numbers = itertools.count(30000)

    def own_words(record: Observation) -> Observation:
        account = record.account
        assert account is not None
        text = f"SSL validation failed for https://localhost:{next(numbers)}/floor/probe [SSL] as it was seen"
        seconds = next(numbers) / 1e6
        said = replace(account, error_text=account.error_text and text, seconds=seconds)
        return replace(record, account=said)

    measured = []
    for number in range(200):
        source = ("pyenv", "uv", "conda", "system")[number % 4]
        interpreter = Interpreter(
            f"{source}_3_{number % 15}_{number}",
            source,
            f"/made/up/{source}/versions/3.{number % 15}.{number}/bin/python3.{number % 15}",
            f"3.{number % 15}.{number}",
            "CPython",
            "OpenSSL 3.0.19 27 Jan 2026",
        )
        one = seen(interpreter, dict.fromkeys(CLIENTS, OLD if number == 123 else STRICT))
        measured.append(Measured(interpreter, {}, tuple(map(own_words, one.observations))))
    return page_of(measured)


class Page(HTMLParser):
    """What a parser finds in a page: its elements with their attributes, its text, its evidence."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.blocks:
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        """Note that a block has ended."""
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Note text, that of blocks apart."""
        if self._inside in self.blocks:
            self.blocks[self._inside][-1] += data
        else:
            self.text += data

    @property
    def evidence(self) -> dict[str, Any]:
        """The data that the page's script reads, with the rows as that has them: see matrix.html.j2."""
        data = dict(json.loads(self.blocks["script"][0]))
        rows = [dict(zip(RowEntry._fields, row, strict=True)) for row in data["rows"]]
        for row in rows:
            row |= {name: data["texts"][place] for name, place in zip(ROW_TEXTS, row["texts"], strict=True)}
            row["cells"] = [CellEntry(*data["cells"][place]) for place in row["cells"]]
        return data | {"rows": rows}

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such element."""
        wanted = attributes.items()
        return [found for name, found in self.elements if name == tag and wanted <= found.items()]


def test_refers_to_nothing_outside_itself() -> None:
    """No element loads or links to anything but a place on the page itself."""
    page = Page(five()[0])
    loading = ("src", "href", "srcset", "data", "action", "formaction", "poster", "background", "ping")
    outside = [
        (tag, name, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name.removeprefix("xlink:") in loading and not (value or "").startswith("#")
    ]
    assert outside == []
    assert {"link", "base", "iframe", "object", "embed", "img"}.isdisjoint(t for t, _ in page.elements)
    assert not re.search(r"@import|url\(", "".join(page.blocks["style"]))
    assert len(page.blocks["script"]) == 2


def test_policy_allows_its_own_blocks_and_nothing_else() -> None:
    """The policy forbids all, and names the one style and the one script by hashes that fit."""
    page = Page(five()[0])
    (meta,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    policy = dict(part.strip().partition(" ")[::2] for part in str(meta["content"]).split(";"))
    own = {"style-src": page.blocks["style"][0], "script-src": page.blocks["script"][1]}
    for directive, block in own.items():
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert policy.pop(directive) == f"'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert not any("style" in attributes for _, attributes in page.elements)


def test_script_never_turns_data_into_markup() -> None:
    """The script uses none of the ways in which text becomes elements or code."""
    script = Page(five()[0]).blocks["script"][1]
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b", script)


def test_opens_with_the_answer_and_the_counts() -> None:
    """The first heading is the answer, its names follow, and each verdict has its count."""
    html, rows = five()
    page = Page(html)
    said, _, names = answer(by_interpreter(rows), TLS1_2)[0].removesuffix(".").partition(": ")
    assert f"<h1>{said}</h1>" in html
    assert names in page.text
    for verdict in Verdict:
        assert re.search(rf'>1</span> <span class="word">{verdict}<', html), verdict


def test_shows_every_row_with_verdict_and_letter() -> None:
    """Each interpreter has a cell for each client, with its verdict in a letter, a word and a tone."""
    html, rows = five()
    for body in html.split("<tbody data-number")[1:]:
        (name,) = re.findall(r'class="id"[^>]*>([^<]+)<', body)
        own = [row for row in rows if row.interpreter.id == name]
        cells = re.findall(
            r'heat t-(.)" data-row="(\d+)".*?class="big"[^>]*>(.)<.*?class="vh">(\w+)<'
            r'.*?aria-label="([^"]+)"',
            body,
        )
        assert len(cells) == len(CLIENTS)
        for client, (colour, number, letter, word, label) in zip(CLIENTS, cells, strict=True):
            row = rows[int(number)]
            assert row in own
            assert str(row.client) in (client, "all")
            assert word == row.verdict
            assert colour == letter == row.verdict[0].upper()
            assert label == f"Evidence: {name}, {client}"
    assert html.count("<tbody data-number") == len({row.interpreter.id for row in rows})


def test_worst_come_first() -> None:
    """Interpreters stand in the order of their worst verdict, not in that of the rows."""
    html, _ = five()
    names = re.findall(r'class="id"[^>]*>([^<]+)<', html)
    assert names == ["pyenv_3_9_18", "system_3_8", "conda_3_9_0", "opt_2_6", "pyenv_3_13_0"]


def test_evidence_is_what_the_rows_say() -> None:
    """The embedded data has every row, in order, with each cell's outcome and what both witnesses said."""
    html, rows = five()
    data = Page(html).evidence
    text = data["texts"]
    assert [(one["client"], one["verdict"]) for one in data["rows"]] == [
        (str(r.client), r.verdict) for r in rows
    ]
    for shown, row in zip(data["rows"], rows, strict=True):
        assert data["interpreters"][shown["interpreter"]]["id"] == row.interpreter.id
        assert shown["reason"] == row.judgement.reason
        outcomes = {data["servers"][c.server]["id"]: (text[c.shown], text[c.reason]) for c in shown["cells"]}
        assert outcomes == {name: (str(finding), finding.reason) for name, finding in row.findings.items()}
    down = next(one for one in data["rows"] if one["verdict"] == Verdict.DOWNGRADED)
    number, cell = next(
        (n, c) for n, c in enumerate(down["cells"]) if data["servers"][c.server]["id"] == "tls1_0_rsa"
    )
    assert data["accounts"][cell.account] == ["connected", "TLSv1", "A-CIPHER", "", "", "noted"]
    assert down["took"][number] == 100  # 0.01 s
    (wire,) = (data["wires"][place] for place in cell.connections)
    assert wire[:4] == [["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"], "TLSv1 to TLSv1.3", 30, "TLSv1"]
    assert wire[6:8] == [40, 9000]


def test_evidence_names_who_sent_an_alert() -> None:
    """An alert is there with its sender, level and description, and a missing account with its reason."""
    server = CATALOGUE["tls1_1_rsa"]
    cut_off = an_observation(server, None, missing="the probe died of SIGSEGV")
    refused = replace(meet(OLD, server, Obstacle.SIGNATURE), client=ClientKey.parse("urllib3"))
    data = Page(page_of([Measured(an_interpreter(), {}, (cut_off, refused))])[0]).evidence
    ssl, urllib3, _ = (one["cells"] for one in data["rows"])
    assert ssl[0].account == -1
    assert data["texts"][ssl[0].missing] == "the probe died of SIGSEGV"
    assert ssl[0].connections == []
    assert data["wires"][urllib3[0].connections[0]][5] == [["client", "fatal", "internal_error"]]


def test_embeds_no_raw_hello() -> None:
    """Neither hello of any connection is in the page: they are the larger part of a run."""
    html, _ = five()
    assert "010001fc" not in html
    assert "02000076" not in html


def test_names_provenance_controls_and_scope() -> None:
    """Run, host, tool, OpenSSL, catalogue, times, each server's control and the scope note are there."""
    html, _ = five()
    text = " ".join(Page(html).text.split())
    run = a_run(CATALOGUE)
    for fact in (run.run_id, run.host, run.tool, run.engine, run.catalogue, run.started, run.ended):
        assert fact in text
    assert " ".join(SCOPE.split()) in text
    assert text.count("passed completed where it must") == len(CATALOGUE.servers) - 1
    assert text.count("failed deaf at TLSv1, which it claims") == 1


def test_every_interpreter_has_its_library_and_path() -> None:
    """What does the TLS of each, and where it is, stands in a table, the worst first."""
    html, rows = five()
    section = html.split('aria-labelledby="interpreters-title"')[1].split("</section>")[0]
    text = " ".join(Page(section).text.split())
    places = [text.index(group.interpreter.path) for group in worst_first(by_interpreter(rows))]
    assert places == sorted(places)
    assert all(row.interpreter.openssl in text for row in rows)


def test_a_client_of_which_nothing_is_known_is_counted_beside_what_is_worse() -> None:
    """The tiles count an interpreter wherever a client of it was not measured, though another goes below."""
    rows = [
        *(a_row(verdict, "one", client) for verdict, client in zip(Verdict, "abcde", strict=True)),
        a_row(Verdict.UNTESTABLE, "two"),
        a_row(Verdict.ENFORCED, "three"),
    ]
    tiles = build_html(a_matrix(rows)).split('<label class="tile')[1:]
    numbers = [int(tile.split('class="number">')[1].split("<")[0]) for tile in tiles]
    assert dict(zip(Verdict, numbers, strict=True)) == {
        Verdict.DOWNGRADED: 1,
        Verdict.FRAGILE: 0,
        Verdict.INCONCLUSIVE: 1,
        Verdict.UNTESTABLE: 2,
        Verdict.ENFORCED: 1,
    }


def test_says_what_narrows_a_run_and_which_policy_is_in_force() -> None:
    """A partial run says so before the matrix, and its whole scope and the policy are there."""
    run = replace(a_run(CATALOGUE), scope=a_narrow_scope())
    html = build_html(a_matrix([a_row()], run=run), policy=a_policy())
    text = " ".join(Page(html).text.split())
    for sentence in (*headline([run]), *opening([run])):
        assert text.index(sentence) < text.index("The matrix")
    for sentence in (*in_full([run]), *(said.replace("\x1b", "\\x1b") for said in a_policy().sentences())):
        assert sentence in text
    whole = build_html(a_matrix([a_row()], run=replace(run, scope=a_scope(looked=()))))
    assert "This run is partial" not in whole


def test_interpreters_with_the_same_to_do_share_an_entry() -> None:
    """What is to do about several is there once, with their names, and the evidence of each finds it."""
    rows = [a_row(Verdict.DOWNGRADED, "one"), a_row(name="two"), a_row(Verdict.DOWNGRADED, "three")]
    html = build_html(a_matrix(rows))
    assert html.count('<details class="remedy"') == 1
    assert "<b>one, three</b>" in html
    assert '<ul class="steps" data-for="0 2">' in html


def test_what_the_page_would_say_stands_apart() -> None:
    """The conclusion of the AWS page's check is no part of the answer, and absent where it was right."""
    row = a_row(Verdict.DOWNGRADED, page=PageCheck.PASS)
    text = " ".join(Page(build_html(a_matrix([row]))).text.split())
    (said,) = page_sentences(by_interpreter([row]))
    assert text.index("What to do") < text.index(said)
    assert "own check" not in build_html(a_matrix([a_row(Verdict.DOWNGRADED, page=PageCheck.FAIL)]))


def test_shows_what_to_copy_line_by_line() -> None:
    """What helped is there to copy, for its interpreter and clients, and no text in it becomes an element."""
    one = seen(SYSTEM, {"ssl": OLD})
    (row,) = build_matrix([one], keys(["ssl"]), [Condition.AMBIENT], CATALOGUE, TLS1_2)
    lines = ("import ssl", "    if 1 < 2: pass  # <b>")
    helped = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "so it was seen", Verdict.ENFORCED, lines)
    page = functools.partial(build_html, a_matrix([row], [one]))
    html = page(cases=[Case(row, (helped,))])
    assert '<pre tabindex="0">import ssl\n    if 1 &lt; 2: pass  # &lt;b&gt;\n</pre>' in html
    assert f"{TITLES[Remedy.CODE]}, for ssl: what to copy" in html
    assert "<pre" not in page()


def test_hostile_text_is_only_text() -> None:
    """Whatever an interpreter, an installer or a host says adds no element and no unprintable character."""
    told, calm = (hostile(said) for said in (HOSTILE, "calm"))
    page, quiet = Page(told), Page(calm)
    # A pair of backticks becomes <code>, as in our own advice, and a slash may end a line: nothing else.
    elements = [[tag for tag, _ in one.elements if tag not in ("code", "wbr")] for one in (page, quiet)]
    assert elements[0] == elements[1]
    assert page.blocks["script"][1] == quiet.blocks["script"][1]
    assert {c for c in told if not c.isprintable()} == {"\n"}
    assert visible(HOSTILE) in page.text
    assert visible(HOSTILE) in {one["path"] for one in page.evidence["interpreters"]}
    assert "<" not in told[told.index('id="data">') + 10 : told.index("</script>", told.index('id="data">'))]


def hostile(said: str) -> str:
    """Return a page of interpreters that all say this, wherever an interpreter can say anything."""
    talking = Interpreter(said, said, said, f"3.9.{said}", said, said)
    mute = Interpreter(f"mute {said}", said, said, unavailable=said)
    records = [
        replace(
            o,
            client_version=said,
            account=o.account and replace(o.account, error_class=said, error_text=said),
        )
        for o in seen(talking, {"ssl": OLD, "urllib3": STRICT}).observations
    ]
    records[4] = replace(records[4], account=None, missing=said)
    records[5] = replace(records[5], wire=(replace(records[5].wire[0], faults=(said,), notes=(said,)),))
    measured = [
        Measured(talking, by_key({"botocore": said}), tuple(records)),
        Measured(mute, {}, ()),
    ]
    return page_of(measured, host=said)[0]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/usr/bin/python3 ü", "/usr/bin/python3 ü"),
        ("a\nb\x1b\x00", "a\\nb\\x1b\\x00"),
        ("\u202egnp", "\\u202egnp"),
        ("\udcff", "\\udcff"),
        ("", ""),
    ],
)
def test_makes_visible_what_does_not_print(raw: str, shown: str) -> None:
    """Text that prints stays as it is; the rest turns into escapes that can be written as UTF-8."""
    assert visible(raw) == shown
    assert visible(raw).encode().decode() == shown


@pytest.mark.parametrize(
    ("server", "kind", "protocol", "letter"),
    [
        ("only_1_1", CellKind.CONNECTED, TLS1_1, "D"),
        ("only_1_1", CellKind.FOOLED, TLS1_1, "D"),
        ("only_1_2", CellKind.FOOLED, TLS1_2, "F"),
        ("only_1_1", CellKind.BLOCKED, None, "F"),
        ("only_1_3", CellKind.BLOCKED, None, "E"),
        ("only_1_1", CellKind.INCONCLUSIVE, None, "I"),
        ("only_1_1", CellKind.MISSING, None, "U"),
        ("only_1_1", CellKind.REJECTED, None, "E"),
        ("only_1_1", CellKind.NOT_OFFERED, None, "E"),
        ("only_1_2", CellKind.CONNECTED, TLS1_2, "E"),
        ("only_1_2", CellKind.HELD, None, "E"),
        ("page_second", CellKind.CONNECTED, TLS1_1, NEUTRAL),
    ],
)
def test_colours_a_cell_by_what_it_speaks_for(
    server: str, kind: CellKind, protocol: Protocol | None, letter: str
) -> None:
    """A server's cell has the tone of the verdict that it alone would lead to; the page's have none."""
    assert tone(CellResult(a_catalogue(*SMALL)[server], kind, protocol), TLS1_2) == letter


def test_says_that_nothing_was_measured() -> None:
    """Without any interpreter there is still a page, and it says so."""
    html, rows = page_of([])
    assert rows == ()
    assert "<h1>No interpreter was measured, so nothing is known about this machine</h1>" in html


def test_conditions_beyond_the_machines_own_are_there_and_folded_away() -> None:
    """Every condition has its columns; those that are not the machine's own are hidden at first."""
    measured = seen(an_interpreter(), dict.fromkeys(CLIENTS, STRICT), conditions=tuple(Condition))
    html, rows = page_of([measured], tuple(Condition))
    assert html.count("data-client=") == len(rows) == 3 * len(Condition)
    others = " ".join(f"off-{number}" for number in range(3, len(rows)))
    assert f'class="picture {others}"' in html


def test_two_hundred_interpreters_fit_in_five_megabytes() -> None:
    """Two hundred interpreters, three clients and all servers stay below the promised size."""
    html, rows = two_hundred()
    assert len(rows) == 600
    assert len(html.encode()) < 5_000_000
    assert len(Page(html).evidence["rows"]) == 600


def trend(*standings: dict[str, int]) -> str:
    """Return a page whose one interpreter is enforced, with earlier runs that stood like this."""
    measured = [seen(an_interpreter("pyenv_3_13_0", "3.13.0"), dict.fromkeys(CLIENTS, STRICT))]
    rows = build_matrix(measured, keys(CLIENTS), (Condition.AMBIENT,), CATALOGUE, TLS1_2)
    past = [
        Past(f"run{number}", f"2026-11-{number:02}T02:30:00+00:00", stood)
        for number, stood in enumerate(standings, 1)
    ]
    return build_html(a_matrix(rows, measured), past)


def test_one_run_is_no_trend() -> None:
    """Without an earlier run, or with nothing ever measured, the page says nothing about time."""
    assert 'id="trend"' not in trend()
    nothing = Past("run1", "2026-11-01T02:30:00+00:00", {})
    assert 'id="trend"' not in build_html(a_matrix(()), [nothing])


def test_a_trend_has_a_bar_for_each_run() -> None:
    """Each run says in words how it stood, letters repeat it without colour, and this run comes last."""
    html = trend({"downgraded": 3, "enforced": 1}, {"untestable": 1, "enforced": 1}, {})
    text = " ".join(Page(html).text.split())
    for words in (
        "2026-11-01 02:30 UTC: 3 downgraded, 1 enforced. D 3 E 1 11-01 02:30",
        "2026-11-02 02:30 UTC: 1 untestable, 1 enforced. U 1 E 1",
        "2026-11-03 02:30 UTC: nothing measured.",
        "2026-11-24 02:00 UTC: 1 enforced. E 1",
    ):
        assert words in text
    assert "in the last 4 runs that asked the same of this machine" in text
    assert html.rindex("aria-current") > html.index("2026-11-24 02:00 UTC") - 200
    bars = re.findall(r'<svg viewBox="0 0 10 64"[^>]*>(.*?)</svg>', html)
    assert len(bars) == 4
    highs = [
        {letter: float(high) for letter, high in re.findall(r'"f-(.)" .*?height="([\d.]+)"', b)} for b in bars
    ]
    assert highs == [
        {"D": BAR * 3 / 4, "E": BAR / 4},
        {"U": BAR / 4, "E": BAR / 4},
        {},
        {"E": BAR / 4},
    ]


def test_a_hostile_history_is_only_text() -> None:
    """A run's id and time come from files that lie about, and are escaped like all else."""
    past = [Past(HOSTILE, HOSTILE, {"enforced": 1})]
    measured = [seen(SYSTEM, dict.fromkeys(CLIENTS, STRICT))]
    rows = build_matrix(measured, keys(CLIENTS), (Condition.AMBIENT,), CATALOGUE, TLS1_2)
    html = build_html(a_matrix(rows, measured), past)
    assert "<img" not in html
    assert "<script>alert" not in html


def test_programs_share_a_column() -> None:
    """Each program is its own client, and a column for each would be empty for all but one."""
    programs = [
        replace(seen(a_program(name), {name: STRICT}), clients=keys((name,)))
        for name in ("one_tool", "other_tool")
    ]
    html, rows = page_of([seen(an_interpreter(), {"ssl": OLD}), *programs])
    assert {str(row.client) for row in rows} == {*CLIENTS, "one_tool", "other_tool"}
    assert re.findall(r'data-client="(\w+)"', html) == [*CLIENTS, "program"]
    for name in ("one_tool", "other_tool"):
        assert f'aria-label="Evidence: program_{name}, program"' in html


@functools.cache
def mixed() -> str:
    """Return a page of two interpreters, one of them below the floor, and two programs that both are."""
    measured = [
        seen(an_interpreter("pyenv_3_13_0", "3.13.0"), dict.fromkeys(CLIENTS, STRICT)),
        seen(an_interpreter(), dict.fromkeys(CLIENTS, OLD)),
        *(replace(seen(a_program(name), {name: OLD}), clients=keys((name,))) for name in ("one", "two")),
    ]
    return page_of(measured)[0]


def test_interpreters_and_programs_are_counted_apart() -> None:
    """No count and no word takes a program for an interpreter; each verdict says how many of which."""
    text = " ".join(Page(mixed()).text.split())
    assert "Interpreters and programs by verdict, each by its worst client" in text
    assert re.search(r"\b3 downgraded connected below TLS 1.2 1 interpreter, 2 programs\b", text)
    assert re.search(r"\b1 enforced holds TLS 1.2 1 interpreter\b(?!,)", text)
    assert "for each interpreter or program and client" in text
    assert {one["id"]: one["subject"] for one in Page(mixed()).evidence["interpreters"]} == {
        "pyenv_3_13_0": "interpreter",
        "pyenv_3_9_18": "interpreter",
        "program_one": "program",
        "program_two": "program",
    }


def test_a_trend_with_programs_says_so() -> None:
    """The bars count programs too where they were measured, and only there."""
    assert "How many interpreters stood where" in trend({"enforced": 1})
    rows = [a_row(), a_row(client="tool", interpreter=a_program())]
    past = [Past("run1", "2026-11-01T02:30:00+00:00", {"enforced": 2})]
    html = build_html(a_matrix(rows), past)
    assert "How many interpreters and programs stood where" in html


@functools.cache
def deployed() -> str:
    """Return a page of an interpreter, sixteen environments, fourteen of them alike, and a process."""
    alike = [
        seen(an_environment(f"/srv/app{number:02}/venv"), {"urllib3": OLD, "requests": OLD})
        for number in range(14)
    ]
    new = seen(an_environment("/opt/new", "3.13.0"), {"httpx": STRICT})
    gone = Measured(an_environment("/srv/broken", unavailable="it hangs"), {}, ())
    runs = RunningProcess(12, "web", "2026-01-01T00:00:00+00:00", "gunicorn", {}, ("/lib/libssl.so.3",))
    process = replace(
        an_environment("/srv/app03/venv"), id="running_app03", source="running", processes=(runs,)
    )
    measured = [
        seen(an_interpreter("system_3_11", "3.11.2"), dict.fromkeys(CLIENTS, OLD)),
        *(*alike, new, gone, seen(process, {"urllib3": STRICT})),
    ]
    rows = [
        row for one in measured for row in build_matrix([one], clients_of(one), AMBIENT, CATALOGUE, TLS1_2)
    ]
    return build_html(a_matrix(rows, measured))


AMBIENT = (Condition.AMBIENT,)


def clients_of(measured: Measured) -> tuple[ClientKey, ...]:
    """Return the clients that an environment has."""
    return tuple(dict.fromkeys(one.client for one in measured.observations))


def tables_of(html: str) -> dict[str, str]:
    """Return the tables of verdicts, by id."""
    parts = re.split(r'<table id="([\w-]+)" class="picture', html)[1:]
    return {name: part.split("</table>")[0] for name, part in zip(parts[::2], parts[1::2], strict=True)}


def test_environments_have_a_table_of_their_own_with_the_clients_that_are_there() -> None:
    """No column is empty for all: interpreters, environments and processes have each their own clients."""
    columns = {name: re.findall(r'data-client="(\w+)"', part) for name, part in tables_of(deployed()).items()}
    assert columns == {
        "picture": [*CLIENTS],
        "environments": ["urllib3", "requests", "httpx"],
        "running-processes": ["urllib3"],
    }
    names = re.findall(
        r'class="id"[^>]*>([^<]+)<', tables_of(deployed())["environments"].replace("<wbr>", "")
    )
    assert names == [*(f"/srv/app{number:02}/venv" for number in range(14)), "/srv/broken", "/opt/new"]


def test_a_found_client_has_its_version_in_its_cell() -> None:
    """Whoever looks for an old urllib3 sees it; of an interpreter's clients it is the newest."""
    tables = tables_of(deployed())
    assert '<span class="version">1.26.20</span>' in tables["environments"]
    assert 'class="version"' not in tables["picture"]


def test_the_page_says_what_runs() -> None:
    """Below the table of processes, and beside the evidence, it says which they are and what they use."""
    html, said = deployed(), "process 12 (gunicorn) of web, since 2026-01-01 00:00 UTC"
    assert f"<td>{said}</td>" in html
    facts = [one.get("facts") for one in Page(html).evidence["interpreters"]]
    assert [fact for fact in facts if fact] == [
        [
            ["what runs", said],
            ["variables", ""],
            ["TLS libraries in use", "/lib/libssl.so.3"],
            ["to restart", ""],
            ["files elsewhere", ""],
        ]
    ]


def test_both_halves_head_the_page() -> None:
    """The first heading is of interpreters; of environments and processes a line as prominent follows."""
    html = deployed()
    assert "<h1>1 of 1 interpreters negotiates TLS 1.0 (below the TLS 1.2 minimum)</h1>" in html
    halves = re.findall(r'<p class="half">([^<]+)</p>', html)
    assert halves == [
        "14 of 16 applications&#39; environments negotiate TLS 1.0 (below the TLS 1.2 minimum)",
        (
            "The one running process, running_app03 in /srv/app03/venv, holds TLS 1.2 with every client"
            " measured"
        ),
    ]


def test_without_an_interpreter_there_is_no_empty_table() -> None:
    """A run of found environments alone has their table and no other; a run of nothing has one."""
    html = build_html(a_matrix([a_row(interpreter=an_environment("/srv/shop"))]))
    assert list(tables_of(html)) == ["environments"]
    assert list(tables_of(build_html(a_matrix([])))) == ["picture"]


def test_evidence_names_the_environment() -> None:
    """What opens from a cell says where the environment is, and its name is that."""
    facts = {one["id"]: one for one in Page(deployed()).evidence["interpreters"]}
    assert facts["env_opt_new"]["name"] == facts["env_opt_new"]["environment"] == "/opt/new"
    assert "environment" not in facts["system_3_11"]


def test_a_silent_machine_is_no_interpreter() -> None:
    """The row of a machine that did not report is counted as what it is."""
    gone = a_row(Verdict.UNTESTABLE, "missing", "all", subject=Subject.MACHINE)
    html = build_html(a_matrix([a_row(), gone]))
    text = " ".join(Page(html).text.split())
    assert re.search(r"\b1 untestable could not be measured 1 machine that did not report\b", text)


# ---- in a real browser ----


browser_test = [pytest.mark.browser, pytest.mark.e2e]


class PageVisit:
    """One look at a page, and everything that a page must not do while it is looked at."""

    def __init__(self, browser: Browser, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(viewport=settings.pop("viewport", WIDE), **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.trouble: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        self.requests: list[str] = []
        self.context.route("**/*", self._record)
        self._own = path.as_uri()
        self.page.goto(self._own)

    def _record(self, route: Route) -> None:
        if route.request.url == self._own:
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def names(self) -> list[str]:
        """Return the interpreters shown, from the top."""
        return list(self.page.locator("tbody:not([hidden]) .id").all_inner_texts())

    def cell(self, label: str) -> Locator:
        """Return the button of a cell."""
        return self.page.get_by_role("button", name=f"Evidence: {label}", exact=True)

    def escape(self) -> None:
        """Press Escape and wait until the page has heard of it: close events are tasks of their own."""
        self.page.keyboard.press("Escape")
        self.page.locator(".open[aria-expanded=true]").wait_for(state="detached")

    def violations(self) -> list[str]:
        """Return what axe-core finds serious or critical."""
        return axe_violations(self.page)


WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture
def visit(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., PageVisit]]:
    """Return a function that opens a page; after each test nothing may have left it or gone wrong in it."""
    visits: list[PageVisit] = []

    def open_page(html: str, **settings: Any) -> PageVisit:
        path = tmp_path / "matrix.html"
        path.write_text(html, encoding="utf-8")
        visits.append(PageVisit(chromium, path, **settings))
        return visits[-1]

    yield open_page
    trouble = [said for one in visits for said in one.trouble + one.requests]
    for one in visits:
        one.context.close()
    assert trouble == []


class TestInBrowser:
    """What a person does with the page."""

    pytestmark = browser_test

    def test_the_rest_of_many_lines_comes_when_it_is_asked_for(
        self, visit: Callable[..., PageVisit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first lines are there at once, a search finds all others, and a button shows them."""
        monkeypatch.setattr("reports.formats.html.MOST_LINES", 2)
        one = visit(five.__wrapped__()[0])
        shown, rest = one.page.locator(".picture tbody:visible .id"), one.page.locator("#rest")
        every = one.names()
        assert shown.all_inner_texts() == every[:2]
        assert rest.inner_text() == "Show 3 more"
        one.page.get_by_label("Search").fill(every[4])
        assert shown.all_inner_texts() == every[4:]
        assert rest.is_hidden()
        one.page.get_by_label("Search").fill("")
        rest.click()
        assert shown.all_inner_texts() == every
        assert rest.is_hidden()

    @pytest.mark.parametrize("by", ["click", "Enter", "Space"])
    def test_a_cell_opens_its_evidence(self, visit: Callable[..., PageVisit], by: str) -> None:
        """Mouse and keyboard open a cell's evidence; Escape closes it and goes back to the cell."""
        one = visit(five()[0])
        cell, dialog = one.cell("pyenv_3_9_18, ssl"), one.page.get_by_role("dialog")
        assert not dialog.is_visible()
        if by == "click":
            cell.click()
        else:
            cell.press(by)
        assert dialog.is_visible()
        assert cell.get_attribute("aria-expanded") == "true"
        assert one.page.evaluate("document.activeElement.closest('dialog') !== null")
        said = dialog.inner_text()
        for expected in (
            "Connected at TLSv1 to tls1_0_ecdhe".lower(),
            "what to do",
            "client offered, with 30 cipher suites",
            "tlsv1, tls_a_cipher",
            "the client says",
            "connected at tlsv1",
            "10 ms",
            "control passed",
            'frame.interface_name == "pyenv_3_9_18/ssl/tls1_0_ecdhe/ambient"',
        ):
            assert expected in said.lower()
        one.escape()
        assert not dialog.is_visible()
        assert cell.get_attribute("aria-expanded") == "false"
        assert cell.evaluate("cell => cell === document.activeElement")

    def test_offered_versions_are_chips(self, visit: Callable[..., PageVisit]) -> None:
        """Each version is a chip that says whether it was offered, and which one the server chose."""
        one = visit(five()[0])
        one.cell("pyenv_3_9_18, ssl").click()
        chips = one.page.locator("details[open] .chip").all_text_contents()
        assert chips == [
            "SSLv3 not offered",
            "TLSv1 offered, and chosen by the server",
            "TLSv1.1 offered",
            "TLSv1.2 offered",
            "TLSv1.3 offered",
        ]

    def test_an_interpreter_unfolds_into_its_servers(self, visit: Callable[..., PageVisit]) -> None:
        """Unfolding shows one row a server; a cell in it opens the evidence at that server."""
        one = visit(five()[0])
        fold = one.page.get_by_role("button", name="Servers of system_3_8")
        fold.click()
        assert fold.get_attribute("aria-expanded") == "true"
        names = one.page.locator("tr.server th").all_inner_texts()
        assert names == [server.id for server in CATALOGUE.servers]
        one.cell("system_3_8, urllib3, tls1_1_rsa").click()
        shown = one.page.locator("dialog details[open] summary b").all_inner_texts()
        assert shown == ["tls1_1_rsa"]
        assert "client: internal_error (fatal)" in one.page.locator("dialog details[open]").inner_text()
        one.escape()
        fold.click()
        assert one.page.locator("tr.server").count() == 0

    def test_filters_filter(self, visit: Callable[..., PageVisit]) -> None:
        """Verdict, source and client each narrow what is shown; one button shows all again."""
        one = visit(five()[0])
        status = one.page.get_by_role("status")
        assert status.inner_text() == "All 5 interpreters"
        one.page.locator(".tile", has_text="fragile").click()
        assert one.names() == ["system_3_8"]
        one.page.get_by_label("inconclusive").press("Space")
        assert one.names() == ["system_3_8", "conda_3_9_0"]
        assert status.inner_text() == "2 of 5 interpreters"
        one.page.get_by_role("combobox", name="Source").select_option("system")
        assert one.names() == ["system_3_8"]
        one.page.get_by_role("button", name="Show all").click()
        assert len(one.names()) == 5
        one.page.get_by_role("combobox", name="Client").select_option("urllib3")
        heads = one.page.locator("thead th.col").filter(visible=True).all_inner_texts()
        assert [head.strip() for head in heads] == ["urllib3"]
        one.page.locator(".tile", has_text="downgraded").click()
        assert one.names() == []
        assert one.page.get_by_text("Nothing fits these filters.").is_visible()

    def test_status_and_tiles_count_programs_apart(self, visit: Callable[..., PageVisit]) -> None:
        """What is shown, and how it stands, is told of interpreters and of programs, under any filter."""
        one = visit(mixed())
        status, down = one.page.get_by_role("status"), one.page.locator(".tile", has_text="downgraded")
        assert status.inner_text() == "All 2 interpreters and 2 programs"
        assert "1 interpreter, 2 programs" in down.inner_text()
        one.page.get_by_role("combobox", name="Source").select_option("program")
        assert status.inner_text() == "0 of 2 interpreters and 2 of 2 programs"
        assert down.inner_text().splitlines()[-1] == "2 programs"
        one.page.get_by_label("Evidence: program_one, program").click()
        assert one.page.get_by_role("heading", name="The program", exact=True).is_visible()

    def test_search_narrows(self, visit: Callable[..., PageVisit]) -> None:
        """Every word must occur somewhere in an interpreter's facts, whatever its case."""
        one = visit(five()[0])
        search = one.page.get_by_role("searchbox")
        search.fill("USR/bin")
        assert one.names() == ["system_3_8"]
        search.fill("pyenv 3.13")
        assert one.names() == ["pyenv_3_13_0"]
        search.fill("no ssl module")
        assert one.names() == ["opt_2_6"]
        search.fill("")
        assert len(one.names()) == 5

    def test_sorting_sorts(self, visit: Callable[..., PageVisit]) -> None:
        """A head sorts by its column, and again the other way round; versions sort as numbers."""
        one = visit(five()[0])
        by_name = one.page.get_by_role("button", name="Sort by name")
        by_name.click()
        names = ["conda_3_9_0", "opt_2_6", "pyenv_3_9_18", "pyenv_3_13_0", "system_3_8"]
        assert one.names() == names
        head = one.page.locator("thead th").first
        assert head.get_attribute("aria-sort") == "ascending"
        by_name.click()
        assert one.names() == names[::-1]
        assert head.get_attribute("aria-sort") == "descending"
        one.page.get_by_role("combobox", name="Sort by").select_option("python")
        assert one.names() == ["opt_2_6", "system_3_8", "conda_3_9_0", "pyenv_3_9_18", "pyenv_3_13_0"]
        one.page.get_by_role("combobox", name="Sort by").select_option("worst first")
        assert one.names()[0] == "pyenv_3_9_18"

    def test_another_condition_shows_its_columns(self, visit: Callable[..., PageVisit]) -> None:
        """Choosing a configuration shows its cells and counts in place of the machine's own."""
        calm = seen(SYSTEM, dict.fromkeys(CLIENTS, STRICT))
        loose = seen(SYSTEM, dict.fromkeys(CLIENTS, OLD), conditions=(Condition.PERMISSIVE,))
        both = Measured(SYSTEM, {}, (*calm.observations, *loose.observations))
        one = visit(page_of([both], (Condition.AMBIENT, Condition.PERMISSIVE))[0])
        count = one.page.locator(".tile", has_text="downgraded").locator(".number")
        assert not one.cell("system_3_8, ssl, permissive").is_visible()
        assert count.inner_text() == "0"
        one.page.get_by_role("combobox", name="Configuration").select_option("permissive")
        assert one.cell("system_3_8, ssl, permissive").is_visible()
        assert not one.cell("system_3_8, ssl, ambient").is_visible()
        assert count.inner_text() == "1"

    def test_arrow_keys_walk_the_cells(self, visit: Callable[..., PageVisit]) -> None:
        """Arrows move between cells, over hidden ones, and stop at the edge."""
        one = visit(five()[0])
        for verdict in ("fragile", "enforced"):
            one.page.locator(".tile", has_text=verdict).click()
        one.cell("pyenv_3_9_18, ssl").focus()
        for key in ("ArrowLeft", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown"):
            one.page.keyboard.press(key)
        assert one.page.evaluate("document.activeElement.ariaLabel") == "Evidence: pyenv_3_13_0, urllib3"

    def test_first_tab_offers_the_way_to_the_matrix(self, visit: Callable[..., PageVisit]) -> None:
        """The first stop of the keyboard is a visible link that leads past the head of the page."""
        one = visit(five()[0])
        one.page.keyboard.press("Tab")
        skip = one.page.get_by_role("link", name="Skip to the matrix")
        assert skip.evaluate("link => link === document.activeElement")
        assert skip.evaluate("link => link.getBoundingClientRect().top >= 0")
        one.page.keyboard.press("Enter")
        assert one.page.evaluate("document.activeElement.id") == "matrix"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
    def test_axe_finds_nothing_serious(
        self, visit: Callable[..., PageVisit], scheme: str, size: dict[str, int]
    ) -> None:
        """Neither the page, nor an unfolded interpreter, nor open evidence has a serious violation."""
        one = visit(five()[0], color_scheme=scheme, viewport=size, reduced_motion="reduce")
        one.page.get_by_role("button", name="Servers of system_3_8").click()
        assert one.violations() == []
        one.cell("conda_3_9_0, botocore").click()
        one.page.locator("dialog details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        assert one.violations() == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
    def test_a_trend_is_accessible(
        self, visit: Callable[..., PageVisit], scheme: str, size: dict[str, int]
    ) -> None:
        """A month of runs with every verdict has no serious violation, fits the width, and prints."""
        stood = dict.fromkeys(map(str, Verdict), 40)
        one = visit(trend(*([stood] * 29)), color_scheme=scheme, viewport=size)
        bars = one.page.get_by_role("region", name="Over time").get_by_role("listitem")
        assert bars.count() == 30
        assert bars.last.get_attribute("aria-current") == "true"
        assert one.page.evaluate("document.documentElement.scrollWidth") == size["width"]
        assert one.violations() == []
        one.page.emulate_media(media="print", color_scheme="light")
        assert bars.first.is_visible()

    def test_fits_a_phone(self, visit: Callable[..., PageVisit]) -> None:
        """At 360 pixels nothing makes the page scroll sideways, and every client's cell is in sight."""
        one = visit(five()[0], viewport=PHONE)
        assert one.page.evaluate("document.documentElement.scrollWidth") == 360
        box = one.cell("pyenv_3_9_18, botocore").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 40
        one.cell("pyenv_3_9_18, botocore").click()
        assert one.page.locator("dialog").evaluate("dialog => dialog.scrollWidth <= 360")

    def test_prints_without_controls_and_with_everything_open(self, visit: Callable[..., PageVisit]) -> None:
        """On paper there is nothing to operate, every remedy is written out, and the colours are light."""
        one = visit(five()[0], color_scheme="dark")
        one.page.emulate_media(media="print", color_scheme="light")
        controls = one.page.locator("button, input, select, a")
        assert controls.filter(visible=True).count() == 0
        steps = one.page.locator("main .steps").all()
        assert len(steps) == five()[0].count('<details class="remedy"') > 1
        assert all(step.is_visible() for step in steps)
        assert one.page.locator("td.heat .low").first.is_visible()
        assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"

    def test_prints_open_evidence_as_ordinary_pages(self, visit: Callable[..., PageVisit]) -> None:
        """While it is printed the evidence is no modal dialog, which cannot run over pages; then it is."""
        one = visit(five()[0])
        one.cell("pyenv_3_9_18, ssl").click()
        dialog = one.page.locator("dialog")
        one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        one.page.emulate_media(media="print")
        assert dialog.is_visible()
        assert dialog.evaluate("dialog => dialog.matches(':modal')") is False
        assert not one.page.locator("main").is_visible()
        one.page.emulate_media(media="screen")
        one.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert dialog.evaluate("dialog => dialog.matches(':modal')") is True
        one.escape()
        assert one.cell("pyenv_3_9_18, ssl").evaluate("cell => cell === document.activeElement")

    def test_hostile_text_stays_text_when_opened(self, visit: Callable[..., PageVisit]) -> None:
        """Opened and unfolded, a hostile interpreter's words are shown as they read and run nowhere."""
        one = visit(hostile(HOSTILE))
        for fold in one.page.locator("button.fold").all():
            fold.click()
        one.page.locator("tr:not(.server) button.open").first.click()
        assert visible(HOSTILE) in one.page.locator("dialog").inner_text()
        one.page.locator("dialog details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        assert one.page.locator("img, dialog script").count() == 0
        assert visible(HOSTILE) in one.page.title()

    def test_reads_without_script(self, visit: Callable[..., PageVisit]) -> None:
        """With scripts switched off the verdicts and remedies are there, and no dead control."""
        one = visit(five()[0], java_script_enabled=False)
        assert one.page.locator("td.heat").filter(visible=True).count() == 15
        controls = one.page.locator("button, select, input[type=search]")
        assert controls.filter(visible=True).count() == 0
        assert one.page.locator("noscript p").is_visible()

    def test_two_hundred_interpreters_are_usable(self, visit: Callable[..., PageVisit]) -> None:
        """On a large machine the one interpreter to fix stands first, and all controls still work."""
        html, rows = two_hundred()
        bad = next(row.interpreter.id for row in rows if row.verdict is Verdict.DOWNGRADED)
        one = visit(html)
        assert one.page.get_by_role("heading", level=1).inner_text().startswith("1 of 200 interpreters")
        first = one.page.locator("tbody").first
        assert first.locator(".id").inner_text() == bad
        box = first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < WIDE["height"]
        one.page.get_by_role("combobox", name="Source").select_option("conda")
        assert len(one.names()) == 50
        one.page.get_by_role("searchbox").fill("conda_3_2_2")
        assert set(one.names()) == {"conda_3_2_2"}
        one.cell("conda_3_2_2, botocore").click()
        assert "Offers TLSv1.2 to TLSv1.3" in one.page.get_by_role("dialog").inner_text()
        assert one.violations() == []

    def test_environments_that_came_out_alike_fold_into_one(self, visit: Callable[..., PageVisit]) -> None:
        """One of fourteen stands for all, a button shows the others, and the counts are of all."""
        one = visit(deployed())
        shown = one.page.locator("#environments tbody .id").filter(visible=True)
        assert shown.all_inner_texts() == ["/srv/app00/venv", "/srv/broken", "/opt/new"]
        assert "16 environments" in one.page.get_by_role("status").inner_text()
        assert "14 environments" in one.page.locator(".tile", has_text="downgraded").inner_text()
        more = one.page.get_by_role("button", name="and 13 alike")
        more.click()
        assert shown.count() == 16
        assert one.page.get_by_role("button", name="fold 14 alike").is_visible()
        one.page.get_by_role("button", name="fold 14 alike").click()
        assert shown.count() == 3
        assert more.evaluate("button => button === document.activeElement")

    def test_a_search_finds_one_of_those_that_are_folded(self, visit: Callable[..., PageVisit]) -> None:
        """Whoever types an application's name sees that one, with its own evidence."""
        one = visit(deployed())
        one.page.get_by_role("searchbox").fill("app07")
        shown = one.page.locator("#environments tbody .id").filter(visible=True)
        assert shown.all_inner_texts() == ["/srv/app07/venv"]
        assert not one.page.locator(".alike").filter(visible=True).count()
        one.cell("/srv/app07/venv, urllib3").click()
        sheet = one.page.get_by_role("dialog").inner_text()
        assert "/srv/app07/venv/bin/python" in sheet
        assert "The environment" in sheet

    def test_sorting_and_filters_reach_both_tables(self, visit: Callable[..., PageVisit]) -> None:
        """A client's column is sorted by wherever there is one, and a filter narrows all tables."""
        one = visit(deployed())
        first = one.page.locator("#environments tbody:not([hidden]) .id").first
        one.page.locator("#environments thead th", has_text="httpx").get_by_role("button").click()
        assert first.inner_text() == "/srv/broken"
        one.page.get_by_role("combobox", name="Client").select_option("urllib3")
        heads = one.page.locator("thead th.col").filter(visible=True).all_inner_texts()
        assert [head.strip() for head in heads] == ["urllib3"] * 3
        one.page.get_by_role("combobox", name="Source").select_option("running")
        assert one.names() == ["running_app03 in /srv/app03/venv"]

    def test_the_evidence_says_what_runs(self, visit: Callable[..., PageVisit]) -> None:
        """Whoever looks at a process sees which it is, and which library it has in use."""
        one = visit(deployed())
        one.page.locator("#running-processes td button").first.click()
        sheet = one.page.get_by_role("dialog").inner_text()
        assert "process 12 (gunicorn) of web" in sheet
        assert "/lib/libssl.so.3" in sheet
        assert "to restart" not in sheet

    def test_paper_shows_what_is_folded(self, visit: Callable[..., PageVisit]) -> None:
        """There is nothing to unfold on paper, so each environment is there."""
        one = visit(deployed())
        one.page.emulate_media(media="print")
        assert one.page.locator("#environments tbody .id").filter(visible=True).count() == 16

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
    def test_environments_are_accessible(
        self, visit: Callable[..., PageVisit], scheme: str, size: dict[str, int]
    ) -> None:
        """Folded and unfolded, the tables have no serious violation, and the page fits its width."""
        one = visit(deployed(), color_scheme=scheme, viewport=size, reduced_motion="reduce")
        assert one.violations() == []
        one.page.get_by_role("button", name="and 13 alike").click()
        assert one.violations() == []
        assert one.page.evaluate("document.documentElement.scrollWidth") == size["width"]
