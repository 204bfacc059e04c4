"""What a report format is: a file of this folder with a constant FORMAT, which report.py finds and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reports.verdicts.decision import Decision
    from reports.verdicts.matrix import Matrix, Past
    from reports.verdicts.policy import Policy
    from reports.verdicts.remedies import Case


@dataclass(frozen=True)
class AwsAccount:
    """The account and region that findings are for."""

    number: str
    """Twelve digits."""
    region: str

    @property
    def product(self) -> str:
        """The ARN under which an account imports findings of its own."""
        parts = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
        partition = next((name for start, name in parts.items() if self.region.startswith(start)), "aws")
        return f"arn:{partition}:securityhub:{self.region}:{self.number}:product/{self.number}/default"


@dataclass(frozen=True)
class Report:
    """What there is to tell of a run: every format is made from this alone."""

    matrix: Matrix
    policy: Policy
    """The policy that was in force."""
    document: Any
    """What the gate decides on: all that matrix.json holds but the cells."""
    decision: Decision
    """What the gate decides on it, as far as that can be known while the report is written."""
    past: Sequence[Past] = ()
    """How the runs before this one stood, the oldest first."""
    cases: Sequence[Case] | None = None
    """What remedies came to; None if the run tried none and none is known."""
    aws: AwsAccount | None = None
    """Whom findings for AWS Security Hub are for; None if nobody asked for any."""


@dataclass(frozen=True)
class Format:
    """A file of a report: its name, whom it serves, and what it holds."""

    file: str
    purpose: str
    """For whom it is and what it holds, as Markdown: its row in docs/reference.md."""
    build: Callable[[Report], str | Iterator[str] | None]
    """Returns the text, whole or in pieces; None where a run has nothing for this file."""
    writer: str = "every run"
    """Who writes it: `every run`, a session, or an option."""

    def write(self, folder: Path, report: Report) -> None:
        """Write the file into a folder, unless the run has nothing for it."""
        text = self.build(report)
        if text is not None:
            with (folder / self.file).open("w", encoding="utf-8") as file:
                file.writelines([text] if isinstance(text, str) else text)
