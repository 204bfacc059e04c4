"""Units: which system service a process is of, by its control group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.deployed.units import unit_in, unit_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("groups", "unit"),
    [
        ("0::/system.slice/shop.service\n", "shop.service"),
        ("0::/system.slice/system-gunicorn.slice/gunicorn@shop.service\n", "gunicorn@shop.service"),
        ("0::/system.slice/shop.service/workers\n", "shop.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/old-shop.service\n0::/\n", "old-shop.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service\n", ""),
        ("0::/system.slice/docker.service/docker-0123.scope\n", ""),
        ("0::/system.slice/a b;c.service\n", ""),
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_the_service_of_a_process(groups: str, unit: str) -> None:
    """Only one that the system's manager starts, whose drop-ins reach the process."""
    assert unit_in(groups) == unit


@given(groups=st.text())
def test_whatever_is_read_no_shell_is_surprised(groups: str) -> None:
    """A unit is empty or a name that systemd takes, in one word."""
    unit = unit_in(groups)
    assert unit == "" or (
        unit.endswith(".service") and unit.isascii() and not set(unit) & set(" \t\n'\";$`|&<>()")
    )


def test_a_process_that_is_gone_is_of_none(tmp_path: Path) -> None:
    """Nor is one of a system that has no such file."""
    assert unit_of(os.getpid(), tmp_path) == ""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/system.slice/shop.service\n")
    assert unit_of(7, tmp_path) == "shop.service"
