"""The frame: the columns that others' scripts read, in their order, and text in every cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from reports.formats.frame import COLUMNS, build_frame
from reports.verdicts.cells import CellKind
from reports.verdicts.judge import HeldBy, PageCheck, Verdict
from servers.catalogue import read_catalogue
from servers.conditions import Condition
from tests.support.builders import (
    CRT,
    FLOORS,
    TLS1_0,
    TLS1_3,
    a_catalogue,
    a_finding,
    a_hello,
    a_matrix,
    a_program,
    a_row,
    a_run,
    an_interpreter,
)

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = (
    "run_id, host, interpreter, version, implementation, source, path, environment, openssl, client,"
    " client_version, urllib3, tls_library, condition, floor, verdict, lowest_negotiated, highest_negotiated,"
    " offered, held_by, page_check, reason, groups, key_shares, post_quantum, ja4"
)
"""The columns as they were promised to those who read the file."""

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)


def test_the_columns_are_those_promised() -> None:
    """The promised columns come first, then one for each server in the catalogue's own order."""
    catalogue = read_catalogue()
    frame = build_frame(a_matrix([a_row()], a_run(catalogue), catalogue))
    assert list(frame.columns) == [*CONTRACT.split(", "), *(server.id for server in catalogue.servers)]
    assert list(COLUMNS) == CONTRACT.split(", ")


def test_the_columns_do_not_depend_on_the_rows() -> None:
    """A run that found nothing has the same columns as any other."""
    empty = build_frame(a_matrix([], RUN, CATALOGUE))
    assert list(empty.columns) == list(build_frame(a_matrix([a_row()], RUN, CATALOGUE)).columns)
    assert empty.empty


def test_every_cell_is_text() -> None:
    """Whatever a row lacks, its cells are texts: no NaN, None, number or member of an enumeration."""
    rows = [
        a_row(Verdict.DOWNGRADED),
        a_row(Verdict.UNTESTABLE, client="all", interpreter=an_interpreter("opt_hang", unavailable="hung")),
        a_row(Verdict.INCONCLUSIVE),
    ]
    frame = build_frame(a_matrix(rows, RUN, CATALOGUE))
    assert {type(cell) for cell in frame.to_numpy().ravel()} == {str}
    untestable = frame.to_dict("records")[1]
    assert {untestable[name] for name in ("version", "lowest_negotiated", "held_by", "openssl")} == {""}


def test_a_row_says_what_was_judged() -> None:
    """Each column has the row's own fact, under the names that the report promises."""
    row = a_row(
        Verdict.DOWNGRADED,
        client="botocore",
        condition=Condition.HARDENED,
        page=PageCheck.PASS,
        holder=HeldBy.NOTHING,
        reason="connected at TLSv1",
    )
    for floor in FLOORS:
        line = build_frame(a_matrix([row], RUN, CATALOGUE, floor)).iloc[0]
        assert [line[column] for column in COLUMNS] == [
            *(RUN.run_id, "a-host", "pyenv_3_9_18", "3.9.18", "CPython", "pyenv"),
            *("/made/up/pyenv_3_9_18/bin/python", "made", "OpenSSL 3.0.19", "botocore", "1.26.20", "1.26.20"),
            *(
                "OpenSSL 3.0.19",
                "hardened",
                str(floor),
                "downgraded",
                "TLSv1",
                "TLSv1.3",
                "TLSv1.2 TLSv1.3",
                "nothing",
            ),
            *("pass", "connected at TLSv1", "", "", "", ""),
        ]


def test_a_row_names_the_library_that_shook_hands_and_the_environment() -> None:
    """A client's own TLS is not put down to its interpreter, nor a found environment to us."""
    found = replace(an_interpreter(), environment="/srv/app/venv")
    rows = [a_row(own_tls=CRT), a_row(interpreter=found), a_row(interpreter=a_program())]
    frame = build_frame(a_matrix(rows, RUN, CATALOGUE))
    assert frame["tls_library"].tolist() == ["the CRT", "OpenSSL 3.0.19", "SomeSSL/4"]
    assert frame["environment"].tolist() == ["made", "/srv/app/venv", "made"]


def test_a_row_says_what_its_client_offers() -> None:
    """Groups and key shares are names with a space between, as they were offered, beside the fingerprint."""
    hello = a_hello(groups=("X25519MLKEM768", "x25519"), key_shares=("x25519",))
    line = build_frame(a_matrix([replace(a_row(), hello=hello)], RUN, CATALOGUE)).iloc[0]
    assert [line[name] for name in ("groups", "key_shares", "post_quantum", "ja4")] == [
        *("X25519MLKEM768 x25519", "x25519", "named", hello.ja4),
    ]


def test_a_servers_column_has_its_cell() -> None:
    """A connected cell shows its version, another its kind, and one that was never measured is missing."""
    servers = {server.id: server for server in CATALOGUE.servers}
    findings = {
        "only_1_0": a_finding(servers["only_1_0"], CellKind.CONNECTED, TLS1_0),
        "only_1_1": a_finding(servers["only_1_1"], CellKind.NOT_OFFERED),
        "only_1_3": a_finding(servers["only_1_3"], CellKind.CONNECTED, TLS1_3),
        "open": a_finding(servers["open"], CellKind.INCONCLUSIVE),
    }
    line = build_frame(a_matrix([a_row(findings=findings)], RUN, CATALOGUE)).iloc[0]
    shown = {"only_1_0": "TLSv1", "only_1_1": "not offered", "only_1_3": "TLSv1.3", "open": "inconclusive"}
    for server in servers:
        assert line[server] == shown.get(server, "missing")


def test_rows_keep_their_order_and_survive_the_file(tmp_path: Path) -> None:
    """What is written as CSV reads back as it was, with commas, quotes and line ends in a reason."""
    rows = [a_row(name=name, reason=f'"{name}", it said\n"NA", NULL') for name in ("b", "a", "nan")]
    frame = build_frame(a_matrix(rows, RUN, CATALOGUE))
    frame.to_csv(tmp_path / "matrix.csv", index=False)
    back = pd.read_csv(tmp_path / "matrix.csv", dtype=str, keep_default_na=False)
    assert back["interpreter"].tolist() == ["b", "a", "nan"]
    assert back.to_numpy().tolist() == frame.to_numpy().tolist()
