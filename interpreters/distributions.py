"""Reads which distributions an environment has, and what each asks for, from its metadata; starts nothing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

METADATA = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}
"""By the end of the name of a distribution's folder, the file in it that every distribution has."""

ORIGIN = "direct_url.json"
"""Says where a distribution comes from that no index has: "Recording the Direct URL Origin" of PyPA."""

METADATA_LIMIT = 4 * 1024 * 1024
"""Bytes of a metadata file beyond which it is not read; that of a real one has a tenth of one million."""

SITES = ("site-packages", "dist-packages")
"""The names of the folders into which distributions are installed."""


@dataclass(frozen=True)
class Distribution:
    """A distribution as it is installed."""

    name: str
    """Normalized, as an index has it."""
    version: str
    requires: tuple[str, ...] = ()
    """What it asks for, as its metadata has that."""
    origin: str = ""
    """Where it comes from, in words, if that is no index: a folder, an archive or a repository."""
    installer: str = ""
    """Who installed it, such as `pip` or `conda`; empty if nothing says so."""

    def __str__(self) -> str:
        """Return its name and version as prose has them."""
        return f"{self.name} {self.version}"

    @property
    def pin(self) -> str:
        """The requirement that asks for this very version."""
        return f"{self.name}=={self.version}"


def read_distributions(search_path: Iterable[str]) -> tuple[Distribution, ...]:
    """Return the distributions that an interpreter with this `sys.path` sees, by name.

    Of two with one name the first on the path counts, as for `import`. What has no name or version that an
    index would take is left out, as is what cannot be read.
    """
    found: dict[str, Distribution] = {}
    for place in search_path:
        for distribution in _in_place(Path(place)):
            found.setdefault(distribution.name, distribution)
    return tuple(found[name] for name in sorted(found))


def listing_sha256(search_path: Iterable[str]) -> str:
    """Return a hash of what read_distributions would find, by the names of the folders alone; empty for none.

    It changes where a distribution comes, goes or has another version, not where a file of one is edited.
    """
    names = [f"{place}\0{path.name}" for place in search_path for path in _folders(Path(place))]
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest() if names else ""


def _folders(place: Path) -> list[Path]:
    """Return the folders of metadata in a place, by name; of an archive, or of nothing, there are none."""
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(tuple(METADATA)))
    except OSError:
        return []
    return [place / name for name in names]


def _in_place(place: Path) -> Iterator[Distribution]:
    """Yield the distributions of one place on the path: a folder, or an archive such as a zipapp."""
    records: Iterable[importlib.metadata.Distribution] = (
        importlib.metadata.Distribution.at(folder) for folder in _folders(place) if _is_readable(folder)
    )
    if place.is_file():
        records = importlib.metadata.distributions(path=[str(place)])
    for record in records:
        if distribution := _distribution(record, place):
            yield distribution


def _is_readable(folder: Path) -> bool:
    """Whether the metadata are files of a sensible size: what is there may be a pipe, which never ends."""
    file = folder / METADATA[folder.suffix] if folder.is_dir() else folder
    others = [folder / name for name in (ORIGIN, "INSTALLER", "requires.txt")]
    return _is_small(file) and all(_is_small(other) for other in others if os.path.lexists(other))


def _is_small(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size <= METADATA_LIMIT
    except OSError:
        return False


def _distribution(record: importlib.metadata.Distribution, place: Path) -> Distribution | None:
    """Return a distribution from its metadata; None if that makes no sense."""
    # Not at the top: the gate loads this file where there is nothing but the standard library.
    from packaging.utils import InvalidName, canonicalize_name  # noqa: PLC0415
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    try:
        facts = record.metadata
        name = canonicalize_name(facts["Name"] or "", validate=True)
        version = str(Version(facts["Version"] or ""))
        requires = tuple(record.requires or ())
        installer = (record.read_text("INSTALLER") or "").strip()
        origin = _origin(record.read_text(ORIGIN) or "")
    except (InvalidName, InvalidVersion, OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    except RecursionError:  # of a direct_url.json that goes deep
        return None
    if not origin and place.name not in SITES and record.read_text("METADATA") is None:
        # An egg-info outside such a folder is a checkout, which `setup.py develop` put on the path.
        origin = f"the folder {place}"
    return Distribution(name, version, requires, origin, installer)


def _origin(text: str) -> str:
    """Return in words where a distribution comes from by its direct_url.json; empty for an index."""
    if not text:
        return ""
    facts = json.loads(text)
    url = str(facts["url"]).removeprefix("file://")
    if dict(facts.get("dir_info", {})).get("editable") is True:
        return f"the folder {url}, editable"
    if "vcs_info" in facts:
        return f"the repository {url}"
    return f"the folder {url}" if "dir_info" in facts else f"the archive {url}"
