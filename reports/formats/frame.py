"""The matrix as a pandas frame: the columns that others' scripts read, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports.formats.escape import for_csv
from reports.formats.format import Format
from reports.verdicts.cells import CellKind

if TYPE_CHECKING:
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.observations import Run
    from servers.hello import Hello
    from servers.protocols import Protocol

FORMATS = (
    Format(
        "matrix.csv",
        "scripts: a row for each interpreter, client and condition; see [below](#columns-of-matrixcsv)",
        lambda report: build_frame(report.matrix).map(for_csv).to_csv(index=False),
    ),
)

COLUMNS = (
    *("run_id", "host", "interpreter", "version", "implementation", "source", "path"),
    *("environment", "openssl", "client", "client_version", "urllib3", "tls_library"),
    *("condition", "floor", "verdict"),
    *("lowest_negotiated", "highest_negotiated", "offered", "held_by", "page_check", "reason"),
    *("groups", "key_shares", "post_quantum", "ja4"),
)
"""The columns before those of the servers, one for each server id in the catalogue's order."""


def build_frame(matrix: Matrix) -> pd.DataFrame:
    """Return the frame: one line a row, text throughout, empty where there is nothing to say."""
    servers = [server.id for server in matrix.catalogue.servers]
    lines = [_line(row, matrix.run.of(row.interpreter), servers, matrix.floor) for row in matrix.rows]
    return pd.DataFrame(lines, columns=[*COLUMNS, *servers], dtype="str").fillna("")


def _line(row: Row, run: Run, servers: list[str], floor: Protocol) -> dict[str, str]:
    cells = {
        server: str(row.findings[server]) if server in row.findings else str(CellKind.MISSING)
        for server in servers
    }
    return cells | {
        "run_id": run.run_id,
        "host": run.host,
        "interpreter": row.interpreter.id,
        "version": row.interpreter.version,
        "implementation": row.interpreter.implementation,
        "source": row.interpreter.source,
        "path": row.interpreter.path,
        "environment": row.interpreter.environment,
        "openssl": row.interpreter.openssl,
        "client": str(row.client),
        "client_version": row.client_version,
        "urllib3": row.urllib3,
        "tls_library": row.tls_library,
        "condition": str(row.condition),
        "floor": str(floor),
        "verdict": str(row.verdict),
        "lowest_negotiated": str(row.judgement.lowest or ""),
        "highest_negotiated": str(row.judgement.highest or ""),
        "offered": row.judgement.offer,
        "held_by": str(row.held_by),
        "page_check": str(row.page_check),
        "reason": row.judgement.reason,
        **_hello(row.hello),
    }


def _hello(hello: Hello | None) -> dict[str, str]:
    """Return what a client offers beside versions; nothing where no hello of it was seen."""
    if hello is None:
        return {}
    return {
        "groups": " ".join(group.name for group in hello.groups),
        "key_shares": " ".join(group.name for group in hello.key_shares),
        "post_quantum": str(hello.post_quantum),
        "ja4": hello.ja4,
    }
