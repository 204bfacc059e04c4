"""The options that decide for which interpreters there are sessions: nox has to know these at load.

Apart from the other options, so that `nox -l` and the gate read no more than they need.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Option:
    """One option of a session, or its words without an option."""

    name: str
    """``--only``; without dashes it stands for words by themselves."""
    meaning: str
    """For the help; two sessions mean the same by an option if this text is the same."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What argparse is given besides: type, metavar, default, ..."""
    details: str = ""
    """What the help says besides, such as the default, which sessions that share an option may differ in."""

    @property
    def positional(self) -> bool:
        """Whether it is words by themselves."""
        return not self.name.startswith("-")

    @property
    def dest(self) -> str:
        """The attribute that holds its value."""
        return self.name.lstrip("-").replace("-", "_")

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Make it known to a parser."""
        text = f"{self.meaning}; {self.details}" if self.details else self.meaning
        parser.add_argument(self.name, help=text.replace("%", "%%"), **self.settings)

    def among(self, words: Iterable[str]) -> bool:
        """Whether it was given, if it is an option."""
        return not self.positional and any(
            word == self.name or word.startswith(f"{self.name}=") for word in words
        )


def a_path(text: str) -> Path:
    """Return what a path means here, as an argparse type."""
    return Path(text).absolute()


def a_folder(text: str) -> Path:
    """Return a folder that is there, as an argparse type."""
    if not Path(text).is_dir():
        msg = f"there is no folder {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return a_path(text)


INTERPRETER = Option(
    "--interpreter",
    "measure this Python too; may be repeated",
    {"type": a_path, "action": "append", "default": [], "metavar": "PATH"},
)
ONLY = Option(
    "--only",
    "only the interpreters and programs whose id matches; may be repeated",
    {"action": "append", "default": [], "metavar": "GLOB"},
)
ENVIRONMENT = Option(
    "--environment",
    "measure this environment, or this zipapp, as it is; may be repeated",
    {"type": a_path, "action": "append", "default": [], "metavar": "DIR"},
)
SEARCH = Option(
    "--search",
    "measure every Python below this folder too; may be repeated",
    {"type": a_folder, "action": "append", "default": [], "metavar": "DIR"},
)
CHOOSING = (INTERPRETER, ENVIRONMENT, SEARCH, ONLY)
"""The options that decide for which interpreters there are sessions, which nox wants to know at once."""
