"""Follows the links in many paths, as os.path.realpath does in one, and looks at each folder once."""

# In text, because a machine may have thousands of environments, and to make a Path takes ten times as long.
# ruff: noqa: PTH100, PTH114, PTH115, PTH118, PTH120, PTH206

from __future__ import annotations

import os
from pathlib import Path


class Links:
    """The links of this machine, as each was when it was first met."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def real(self, path: str | Path) -> Path:
        """Return where an absolute path leads; where it leads nowhere, what realpath says."""
        return Path(self._follow(os.path.abspath(path)))

    def _follow(self, path: str) -> str:
        if path in self._real:
            return self._real[path]
        folder, name = os.path.split(path)
        here = os.path.join(self._follow(folder), name) if name else path
        self._real[path] = here  # a loop of links ends here
        if os.path.islink(here):
            target = os.readlink(here)
            plain = os.pardir not in target.split(os.sep)
            joined = os.path.normpath(os.path.join(os.path.dirname(here), target))
            self._real[path] = self._follow(joined) if plain else os.path.realpath(here)
        return self._real[path]
