"""bench.json: what the page's procedure and this tool took, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from interpreters.documents import Count, Document, NonEmpty


class CostDocument(Document):
    """What something took, and what it answered."""

    wall: float
    """Seconds that passed; of a difference they may be negative."""
    cpu: float
    """Seconds of processor time of all processes; of a difference they may be negative."""
    cells: Count
    """The cells that it answered."""


class ManyDocument(Document):
    """What environments as found take, several on each interpreter, with the same packages in each."""

    environments: Count
    """How many there were."""
    ours: CostDocument
    """Measuring all of them, in one run."""
    bare: CostDocument
    """Starting the Python of each once, and importing the clients that are in it."""
    peak_few: Count
    """Bytes that the largest process of a run took for a tenth of the environments."""
    peak: Count
    """Bytes that the largest process of a run took for all of them."""
    growth: float = 0.0
    """The processor time for each cell over that of a tenth of them; 0 in the file of an earlier version."""


class CopiesDocument(Document):
    """What copies of one interpreter take, each with environments of its own."""

    copies: Count
    """How many there were."""
    cold: CostDocument
    """Measuring all of them with no environment there yet, and wheels cached."""
    warm: CostDocument
    """The same again."""
    bare: CostDocument
    """Starting the Python of each, with one botocore client."""
    baseline: CostDocument | None = None
    """What an earlier build took where this one was cold; null if none was named."""
    few: CostDocument | None = None
    """Measuring ten of them again; null where there were no more, or in the file of an earlier version."""
    peak: Count = 0
    """Bytes that the largest process took of a run on all of them; 0 in the file of an earlier version."""


class LineDocument(Document):
    """What is wanted, and what was measured."""

    what: NonEmpty
    """What was measured, in words."""
    measured: float | None
    """What came of it; null for what nobody asked for, or could not be measured there."""
    target: float
    """What it should be at the most."""
    needs: str = ""
    """What it takes to be measured; empty for what always is."""


class SpentDocument(Document):
    """What a phase of a run took, in seconds."""

    wall: float
    """Seconds that passed; 0 for what was before the first phase."""
    own: float
    """Seconds of processor time of the measuring process."""
    started: float
    """Seconds of processor time of what that process started, and what ended in the phase."""


class VisitsDocument(Document):
    """The probes that ran under one condition."""

    number: Count
    """How many there were."""
    cpu: float
    """Seconds of their processor time; 0 where the system does not tell."""


class SpendingDocument(Document):
    """What one run spent."""

    phases: Mapping[NonEmpty, SpentDocument]
    """By name, in their order."""
    visits: Mapping[NonEmpty, VisitsDocument]
    """By condition; servers have the rest of what was started in the phase of the visits."""


class BenchDocument(Document, tag_field="schema_version", tag=1):
    """Everything that one bench measured, with the ratios that matter."""

    interpreters: tuple[NonEmpty, ...]
    """The ids of the interpreters that both sides were timed on."""
    page: CostDocument
    """The AWS page's procedure, with each interpreter in turn."""
    page_certificates: CostDocument
    """The part of it that went into the page's keys of 4096 bits, made anew for each interpreter."""
    first: CostDocument
    """This tool on a machine that has nothing but nox: includes the tool's own environment."""
    cold: CostDocument
    """This tool with no interpreter's environment there yet, and wheels cached: the better of two."""
    warm: CostDocument
    """This tool every time after that: the best of three."""
    floor: CostDocument
    """Starting each interpreter and making one botocore client: what cannot be saved."""
    many: ManyDocument | None
    """Many environments as found, the same on each Python; null where there was no interpreter for them."""
    clients: Mapping[NonEmpty, CostDocument]
    """By id, what each client that is not measured by default adds to a run on one interpreter."""
    ratios: Mapping[NonEmpty, float]
    """The page's times over ours, our cells over the page's, and what is ours over what cannot be saved."""
    many_different: ManyDocument | None = None
    """The same environments when each has a file that no other has, so that none shares a measurement; null
    where there were none, or in the file of a version that did not measure them."""
    spent: SpendingDocument | None = None
    """What the last warm run spent; null in the file of a version that did not say."""
    spent_different: SpendingDocument | None = None
    """What the run on environments that all differ spent."""
    copies: CopiesDocument | None = None
    """Copies of one interpreter; null where none was asked for."""
    starts: Mapping[NonEmpty, float] = field(default_factory=dict)
    """By command, its wall time over that of `nox -l` with an empty noxfile."""
    report: Mapping[NonEmpty, float] = field(default_factory=dict)
    """A large report: its `rows` and `servers`, seconds (`wall`, `cpu`), bytes (`peak`, `html`);
    after how many seconds a browser could filter its page (`interactive`), where there was one."""
    tests: Mapping[NonEmpty, float] = field(default_factory=dict)
    """The processor time of all tests in seconds, `ours` and of the `baseline`; empty if nobody asked."""
    table: tuple[LineDocument, ...] = ()
    """What is wanted of all of this, as far as it was measured."""
