"""Compares releases, by their numbers alone."""

import re


class NotMeasurableError(Exception):
    """This release of a client is there, and cannot be measured; the text says why, and how else."""


def older(version, limit):
    """Return whether a version, such as 0.23.8 or 1.0.0.dev0, is below a limit of as many numbers."""
    found = [int(number) for number in re.findall(r"\d+", version)[: len(limit)]]
    return tuple(found + [0] * (len(limit) - len(found))) < tuple(limit)
