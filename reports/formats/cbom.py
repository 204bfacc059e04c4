"""The run as a CycloneDX cryptography bill of materials (CBOM): what does TLS where, as it was measured.

One component for each release of an interpreter, program, client and TLS library, of which every place is an
occurrence; one `protocol` crypto-asset for each different hello of a client with what it came to, of which
each row of the matrix is an occurrence. So a fleet's file stays small. Format: CycloneDX 1.6 (ECMA-424).

cyclonedx-python-lib sorts the identifiers of a cipher suite, so each has a single one, the whole number; it
sorts the suites as well, so their order, which is the client's preference, is in a property.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.crypto import (
    CryptoAssetType,
    CryptoProperties,
    ProtocolProperties,
    ProtocolPropertiesCipherSuite,
    ProtocolPropertiesType,
)
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from interpreters.clients import clients
from interpreters.interpreter import MADE
from reports.formats.captures import evidence_name
from reports.formats.escape import visible
from reports.formats.format import Format
from reports.verdicts.labels import label
from reports.verdicts.scope import moment
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.formats.format import Report
    from reports.verdicts.matrix import Matrix, Row, RowGroup
    from reports.verdicts.observations import Run
    from servers.hello import Hello, NamedCode

FORMATS = (
    Format(
        "cbom.cdx.json",
        "inventories: a CycloneDX cryptography bill of materials, whose protocol entries were measured",
        lambda report: build_cbom(report),  # noqa: PLW0108  it is defined below
    ),
)

OURS = "tls-floor-matrix"
"""The namespace of our properties."""

DIGEST_SIZE = 6
"""Bytes of what tells a client's TLS from that of the same release elsewhere."""


def build_cbom(report: Report) -> str:
    """Return the bill of materials as JSON; the same run makes the same text."""
    matrix = report.matrix
    inventory = _Inventory(matrix)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{OURS}:{matrix.run.run_id}"))
    bom.metadata.timestamp = moment(matrix.run.ended)
    bom.metadata.component = Component(
        name=_machine(matrix.run), type=ComponentType.PLATFORM, bom_ref=_root(matrix.run)
    )
    bom.metadata.properties.update(
        _properties(
            (
                ("run", matrix.run.run_id),
                ("tool", matrix.run.tool),
                ("floor", str(matrix.floor)),
                ("rows", str(len(matrix.rows))),
                ("rows-without-hello", str(sum(row.hello is None for row in matrix.rows))),
            )
        )
    )
    bom.components = inventory.components()
    bom.dependencies = inventory.dependencies()
    # With an indent `json` takes a loop of Python's own for it, which is ten times as slow.
    return msgspec.json.format(JsonV1Dot6(bom).output_as_string(), indent=1) + "\n"


def _machine(run: Run) -> str:
    """Return the name of what the bill is of: the machine, or the machines of a merged report."""
    return visible(run.host) or OURS


def _root(run: Run) -> str:
    """Return the reference of that; bills of two machines may be merged, and then none may be another's."""
    return f"measured/{_machine(run)}"


def _properties(facts: Iterable[tuple[str, str]]) -> list[Property]:
    """Return what is known of these facts under our namespace; what is empty is not known."""
    return [Property(name=f"{OURS}:{name}", value=visible(fact)) for name, fact in facts if fact]


@dataclass(frozen=True)
class _Asset:
    """What makes two rows one crypto-asset: the same client that offers, and negotiates, the same."""

    client: str
    version: str
    library: str
    hello: Hello
    verdict: str
    held_by: str
    offered: str
    accepted: tuple[Protocol, ...]

    @property
    def digest(self) -> str:
        """What tells it from others of this name: the same in each run that found the same."""
        return hashlib.blake2b(repr(self).encode(), digest_size=DIGEST_SIZE).hexdigest()

    @classmethod
    def of(cls, row: Row, hello: Hello) -> _Asset:
        """Return the asset of a row."""
        met = {found.negotiated for found in row.findings.values() if found.negotiated}
        return cls(
            client=str(row.client),
            version=row.client_version,
            library=row.tls_library,
            hello=hello,
            verdict=str(row.verdict),
            held_by=str(row.held_by),
            offered=row.judgement.offer,
            accepted=tuple(version for version in LADDER if version in met),
        )


class _Inventory:
    """Collects the components of a matrix, each once, and what depends on what."""

    def __init__(self, matrix: Matrix) -> None:
        self._run = matrix.run
        self._components: dict[str, Component] = {}
        self._needs: dict[str, dict[str, None]] = {}
        self._assets: dict[_Asset, list[Row]] = {}
        self._found: dict[str, list[Occurrence]] = {}
        """By component, where it is."""
        self._needs[_root(matrix.run)] = dict.fromkeys(map(self._add_group, matrix.groups))
        for ref, occurrences in self._found.items():
            self._components[ref].evidence = ComponentEvidence(occurrences=occurrences)
        for asset, rows in self._assets.items():
            self._needs[_root(matrix.run)][self._add_asset(asset, rows)] = None

    def components(self) -> list[Component]:
        """Return all components."""
        return list(self._components.values())

    def dependencies(self) -> list[Dependency]:
        """Return what each component depends on."""
        return [
            Dependency(BomRef(name), [Dependency(BomRef(other)) for other in needs])
            for name, needs in self._needs.items()
        ]

    def _add(self, ref: str, component: Component, needs: Iterable[str] = ()) -> str:
        self._components.setdefault(ref, component)
        self._needs.setdefault(ref, {}).update(dict.fromkeys(filter(None, needs)))
        return ref

    def _add_group(self, group: RowGroup) -> str:
        """Add what the rows of a group are about, and the clients and libraries in it."""
        interpreter = group.interpreter
        needs = [self._library(interpreter.openssl), *map(self._client, group.rows)]
        for row in group.rows:
            if row.hello:
                self._assets.setdefault(_Asset.of(row, row.hello), []).append(row)
        name = str(group.rows[0].client) if interpreter.is_program else "python"
        facts = (name, interpreter.version, interpreter.openssl)
        ref = visible("/".join((str(group.subject), *filter(None, facts)))).replace(" ", "-")
        where = interpreter.path if interpreter.environment == MADE else interpreter.environment
        self._found.setdefault(ref, []).append(
            Occurrence(
                bom_ref=visible(f"{ref}/{label(interpreter)}"),
                location=visible(where or interpreter.id),
                additional_context=visible(label(interpreter)),
            )
        )
        return self._add(
            ref,
            Component(
                name=visible(name),
                version=visible(interpreter.version) or None,
                type=ComponentType.APPLICATION,
                bom_ref=ref,
                purl=_purl("generic", name, interpreter.version),
                properties=_properties((("subject", str(group.subject)),)),
            ),
            needs,
        )

    def _client(self, row: Row) -> str:
        """Add the release of a client, which is on PyPI under the name that pip installs."""
        if not row.client_version or row.interpreter.is_program:
            return ""
        name, distribution = row.client.name, _distribution(row.client.name)
        ref = visible(f"client/{name}@{row.client_version}")
        return self._add(
            ref,
            Component(
                name=name,
                version=visible(row.client_version),
                type=ComponentType.LIBRARY,
                bom_ref=ref,
                purl=_purl("pypi", distribution, row.client_version) if distribution else None,
            ),
        )

    def _library(self, text: str) -> str:
        """Add a TLS library, named with its version as it names itself."""
        if not text:
            return ""
        found = re.match(r"(\S+) (\d\S*)", text)
        name, version = found.groups() if found else (text, "")
        ref = visible(f"tls-library/{text}").replace(" ", "-")
        purl = _purl("generic", name.lower(), version) if version else None
        return self._add(
            ref,
            Component(
                name=visible(name),
                version=visible(version) or None,
                type=ComponentType.LIBRARY,
                bom_ref=ref,
                purl=purl,
            ),
        )

    def _add_asset(self, asset: _Asset, rows: Sequence[Row]) -> str:
        """Add a client's TLS with where it was measured.

        Programs that merge bills keep only the first of those with one group, name and version.
        """
        machine = _machine(self._run)
        ref = f"protocol/{machine}/{asset.digest}"
        hello = asset.hello
        facts = (
            ("verdict", asset.verdict),
            ("held-by", asset.held_by),
            ("versions-offered", asset.offered),
            ("versions-accepted", " ".join(asset.accepted)),
            ("cipher-suites-in-order", " ".join(suite.code for suite in hello.cipher_suites)),
            ("groups", _listed(hello.groups)),
            ("key-shares", _listed(hello.key_shares)),
            ("signature-algorithms", _listed(hello.signature_algorithms)),
            ("post-quantum", str(hello.post_quantum)),
            ("ja4", hello.ja4),
        )
        component = Component(
            group=machine,
            name=visible(
                " ".join(filter(None, ("TLS of", asset.client, asset.version, f"({asset.digest})")))
            ),
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=ref,
            crypto_properties=CryptoProperties(
                asset_type=CryptoAssetType.PROTOCOL,
                protocol_properties=_protocol(asset.accepted[-1:], hello.cipher_suites),
            ),
            evidence=ComponentEvidence(occurrences=[_occurrence(row, self._run) for row in rows]),
            properties=_properties(facts),
        )
        return self._add(ref, component, [self._library(asset.library), *map(self._client, rows[:1])])


@cache
def _protocol(highest: tuple[Protocol, ...], suites: tuple[NamedCode, ...]) -> ProtocolProperties:
    """Return the highest version that was negotiated, if any, and the cipher suites that were offered.

    Most clients share theirs, which the library sorts each time.
    """
    return ProtocolProperties(
        type=ProtocolPropertiesType.TLS,
        version=highest[0].prose.partition(" ")[2] if highest else None,
        cipher_suites=map(_cipher_suite, suites),
    )


@cache
def _cipher_suite(suite: NamedCode) -> ProtocolPropertiesCipherSuite:
    """Return a cipher suite, which most clients offer."""
    return ProtocolPropertiesCipherSuite(name=suite.name, identifiers=[suite.code])


def _distribution(client: str) -> str:
    """Return the name on PyPI of what a client's version is of; empty for one that is installed otherwise."""
    known = clients().get(client)
    if known is None:
        return ""
    found = re.match(r"[A-Za-z0-9][\w.-]*", known.library or known.requirement)
    return found[0].lower() if found else ""


def _occurrence(row: Row, run: Run) -> Occurrence:
    """Return where a row was measured: its capture, and in that its cells.

    Without a reference of its own the library gives it one at random, and sorts by that.
    """
    shared = row.interpreter.shared_with
    measured = replace(row.interpreter, id=shared) if shared else row.interpreter
    return Occurrence(
        bom_ref=visible(f"row/{label(row.interpreter)}/{row.client}/{row.condition}"),
        location=visible(evidence_name(run, measured)),
        additional_context=visible(f"{measured.id}/{row.client}/*/{row.condition}"),
    )


def _listed(codes: Iterable[NamedCode]) -> str:
    return " ".join(f"{entry.name}({entry.code})" for entry in codes)


def _purl(kind: str, name: str, version: str) -> PackageURL | None:
    """Return the package URL of something with a version."""
    return PackageURL(kind, name=visible(name), version=visible(version)) if version else None
