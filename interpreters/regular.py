"""Reads files that others may have put there: regular ones alone, up to a limit."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

LIMIT = 1 << 30
"""Bytes beyond which a file is not read: the report of a fleet has less, a sparse file any number."""


def read_regular(path: Path, limit: int = LIMIT) -> bytes:
    """Return what a file holds; raises OSError as open_regular does."""
    with open_regular(path, limit) as file:
        return file.read()


def open_regular(path: Path, limit: int = LIMIT) -> BufferedReader:
    """Open a file to be read; raises OSError for one that is not there, is too large, or is none.

    To open a named pipe would wait for somebody to write, for ever.
    """
    with contextlib.ExitStack() as unless_fit:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        unless_fit.callback(file.close)
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))
        unless_fit.pop_all()
        return file
