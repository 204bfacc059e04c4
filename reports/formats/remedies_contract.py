"""What remedies.json holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from interpreters.documents import Document, Moment, NonEmpty, Sha256
from reports.formats.contract import SCHEMA_VERSION, Build
from reports.verdicts.floor_file import NAME, FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import Case, Origin, Remedy, RemedyAttempt, Standing
from servers.protocols import Protocol

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run


class FloorFileDocument(Document):
    """An OpenSSL configuration that sets a floor."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME}$"})]
    """Its name, which is that of a file beside remedies.json."""
    text: str
    """What it holds."""
    folder: NonEmpty
    """Where it is to be put."""
    owner: str
    """Who beside root may change what it includes; empty if nobody may."""


class AttemptDocument(Document, kw_only=True):
    """One remedy for a row, and what it came to."""

    remedy: Remedy
    """The kind of remedy."""
    standing: Standing
    """`advised`: it was measured, and the floor was enforced; `tried and failed`; `not tried`."""
    said: str
    """What was measured, or why nothing was."""
    verdict: Verdict | None
    """The verdict with it; null if nothing was measured."""
    lines: tuple[str, ...]
    """What to copy; empty where it is not advised."""
    file: FloorFileDocument | None
    """The OpenSSL configuration that was tried; null for another remedy."""
    unit: str = ""
    """For a configuration, the service of systemd that runs a process of the row; empty if none is known."""

    def attempt(self) -> RemedyAttempt:
        """Return the attempt; raises ValueError for a configuration that we would not name so."""
        return self.to(RemedyAttempt, file=self.file and self.file.to(FloorFile))


class SubjectDocument(Document, kw_only=True):
    """What remedies were tried on: where something of it is another, they have to be tried again."""

    host: str
    """Name of the machine."""
    interpreter: NonEmpty
    """Id of the interpreter."""
    path: str
    """Real path of its executable."""
    environment: NonEmpty
    """Where its clients are: `made` for the measurement, or the path of an environment that was found."""
    build: Build
    """Hash of its executable and its ssl module; empty if they could not be read."""
    openssl: str
    """The library that its ssl module is linked to; empty if it could not say."""
    openssl_conf: str
    """The OpenSSL configuration that it reads by itself; empty if it reads none, or none is known."""
    openssl_conf_sha256: Sha256
    """SHA-256 of that file and, behind it, of all that it includes; empty where there is none."""
    client: NonEmpty
    """The client."""
    client_version: str
    """Version of the client; empty if it could not be imported."""
    urllib3: str
    """Version of the urllib3 beside it; empty if it was not measured."""
    distributions_sha256: Sha256 = ""
    """SHA-256 of the list of what is installed in a found environment; empty for one that was made."""

    @classmethod
    def of_row(cls, row: Row, host: str) -> SubjectDocument:
        """Return what a row of a machine is about."""
        python = row.interpreter
        return SubjectDocument(
            host=host,
            interpreter=python.id,
            path=python.path,
            environment=python.environment,
            build=python.build,
            openssl=python.openssl,
            openssl_conf=python.openssl_conf,
            openssl_conf_sha256=python.openssl_conf_sha256,
            client=str(row.client),
            client_version=row.client_version,
            urllib3=row.urllib3,
            distributions_sha256=python.distributions_sha256,
        )


class CaseDocument(SubjectDocument, kw_only=True):
    """A row that needs a remedy, with every remedy in order of effort, and the run that tried them."""

    verdict: Verdict
    """The verdict on the row without any."""
    run_id: NonEmpty
    """The run that tried them: an earlier one, where nothing that they rest on has changed since."""
    ended: Moment
    """End of that run, UTC, ISO 8601."""
    remedies: tuple[AttemptDocument, ...]
    """Every remedy, what takes least effort first; empty if none was tried."""
    held_back: tuple[str, ...] = ()
    """What keeps a found environment from a newer release, in sentences without their full stop."""

    @classmethod
    def of_case(cls, case: Case, run: Run) -> CaseDocument:
        """Return a case of a run, or of one of the runs that it was merged from."""
        origin = case.origin or Origin(run.run_id, run.ended)
        return cls.of(
            SubjectDocument.of_row(case.row, run.host),
            verdict=case.row.verdict,
            run_id=origin.run_id,
            ended=origin.ended,
            remedies=case.attempts,
            held_back=case.held_back,
        )

    def is_about(self, row: Row, host: str) -> bool:
        """Whether this was tried on the very thing that a row is about."""
        return SubjectDocument.of(self) == SubjectDocument.of_row(row, host)

    def case(self, row: Row, run: Run) -> Case:
        """Return the case, for a row of a run; raises ValueError for a configuration that is not ours."""
        origin = None if self.run_id == run.run_id else Origin(self.run_id, self.ended)
        return Case(row, tuple(attempt.attempt() for attempt in self.remedies), origin, self.held_back)


class RemediesFile(Document, tag_field="schema_version", tag=SCHEMA_VERSION):
    """What was tried on each row that needs a remedy, and what it came to."""

    run_id: NonEmpty
    """The run that this is of."""
    host: str
    """Name of the machine that was measured; in a merged report that on which it was merged."""
    floor: Protocol
    """What the rows were judged against."""
    rows: tuple[CaseDocument, ...]
    """One entry for each row that needs a remedy."""
