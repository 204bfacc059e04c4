"""The same packages in the same Python on several hosts, as of one image: one finding, with its hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.verdicts.matrix import RowGroup


@dataclass(frozen=True)
class PackageSet:
    """What several hosts have alike, and what came of it on each of them."""

    groups: tuple[RowGroup, ...]
    """One of each host, at least two, of which all but the host is the same."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, in the order of the report."""
        return tuple(group.interpreter.host for group in self.groups)


def package_sets(groups: Iterable[RowGroup]) -> tuple[PackageSet, ...]:
    """Return what was found alike on several hosts and came out alike, what most hosts have first.

    Alike are the interpreter's build, the list of what is installed and where, the files of start-up code,
    the OpenSSL configuration, and each verdict with its client's version. What is not known is like nothing.
    """
    found: dict[tuple[object, ...], dict[str, RowGroup]] = {}
    for group in groups:
        about = group.interpreter
        if not (group.subject.as_found and about.host and about.build and about.distributions_sha256):
            continue
        what = (group.subject, about.build, about.distributions_sha256, about.start_up)
        found.setdefault((*what, about.openssl_conf_sha256, _outcomes(group)), {})[about.host] = group
    several = [PackageSet(tuple(by_host.values())) for by_host in found.values() if len(by_host) > 1]
    return tuple(sorted(several, key=lambda each: -len(each.groups)))


def _outcomes(group: RowGroup) -> tuple[object, ...]:
    return tuple(
        (
            *(row.client, row.client_version, row.urllib3, row.tls_library, row.condition),
            *(row.verdict, row.judgement.lowest, row.held_by),
        )
        for row in group.rows
    )
