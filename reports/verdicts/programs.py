"""What there is to say of programs, which have no Python that could set a minimum."""

from __future__ import annotations

import contextlib
import shlex

from interpreters.programs import read_programs
from interpreters.tables import TableError
from reports.verdicts.judge import HeldBy, Judgement, Verdict


def advised_words(program: str) -> str:
    """Return the words that make TLS 1.2 a program's minimum, as they are typed; empty if none are known."""
    with contextlib.suppress(TableError):
        return next((shlex.join(one.floor) for one in read_programs() if one.id == program), "")
    return ""


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
