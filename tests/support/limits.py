"""How long tests wait: long enough for a busy machine, and less than the limit of pytest itself."""

HANGS = 120.0
"""Seconds until a test that hangs fails; what it waits for takes a few at most."""

SLOW = 600.0
"""Seconds for a step that really takes long: it installs over a slow network, or runs Java on each server."""
