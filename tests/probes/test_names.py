"""By what a client addresses a server: the address, or a name for which nobody is asked."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

NAME = "pinned.invalid"
"""A name that nobody has: RFC 6761 section 6.4."""

OURS = {"host": "127.0.0.1", "address": "127.0.0.1", "name": NAME}
PAGE = {"host": NAME, "address": "127.0.0.1", "name": NAME}
BARE = {"host": NAME}


@pytest.fixture
def names(passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the passenger's file, without what it changes for everybody staying behind."""
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    return passenger("names")


@pytest.mark.parametrize(
    ("cell", "knows", "host"),
    [
        (OURS, True, "127.0.0.1"),
        (OURS, False, NAME),
        (PAGE, True, NAME),
        (PAGE, False, NAME),
        (BARE, True, NAME),
        (BARE, False, NAME),
    ],
)
def test_address_or_name(
    names: ModuleType, monkeypatch: pytest.MonkeyPatch, cell: Mapping[str, str], *, knows: bool, host: str
) -> None:
    """The address is used where the certificate has it and the client finds it there, else the name."""
    monkeypatch.setattr(names, "KNOWS_ADDRESSES", knows)
    assert names.host(cell) == host


@pytest.mark.parametrize("looks_up", [True, False])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("cell", [OURS, PAGE])
def test_no_name_server_is_asked(
    names: ModuleType, cell: Mapping[str, str], *, looks_up: bool, known: bool
) -> None:
    """A client with a look-up of its own is sent to a name only where the machine itself knows it."""
    if cell is PAGE and looks_up and not known:
        with pytest.raises(names.UnknownName, match="nobody else is asked"):
            names.host({**cell, "known": known}, looks_up)
    else:
        assert names.host({**cell, "known": known}, looks_up)


@pytest.mark.parametrize("name", [NAME, NAME.encode()])
def test_a_pinned_name_is_not_looked_up(names: ModuleType, name: str | bytes) -> None:
    """A name that nobody has is the address it was pinned to, for whoever asks in this process."""
    names.host(PAGE)
    assert {end[4] for end in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)} == {("127.0.0.1", 80)}
    assert {end[4][0] for end in socket.getaddrinfo(host=name, port=80)} == {"127.0.0.1"}


def test_event_loops_get_it_too(names: ModuleType) -> None:
    """What asyncio looks up for its clients is pinned as well."""
    names.host(PAGE)

    async def look_up() -> list[Any]:
        return await asyncio.get_running_loop().getaddrinfo(NAME, 80)

    assert {end[4] for end in asyncio.run(look_up())} == {("127.0.0.1", 80)}


def test_other_names_are_looked_up(names: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is asked for is left to the system."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(names, "look_up", lambda *words: asked.append(words))
    names.host(PAGE)
    socket.getaddrinfo("other.invalid", 443)
    assert asked == [("other.invalid", 443)]


@pytest.mark.e2e
def test_python_27_connects_by_a_pinned_name(python27: Path) -> None:
    """A real Python 2.7 uses the name, and connects to the address without asking anybody."""
    program = (
        "import names, socket, sys\n"
        f"host = names.host({OURS!r})\n"
        "connection = socket.create_connection((host, int(sys.argv[1])), 5)\n"
        "sys.stdout.write(host)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        done = subprocess.run(
            [python27, "-c", program, port],
            cwd=ROOT / "probes",
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    assert done.stdout == NAME
