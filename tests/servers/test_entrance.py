"""The queue in front of a server: one at a time, in order, and nobody stays in it who says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from servers import entrance as entrance_module
from servers.entrance import Entrance
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path


def _run(test: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(HANGS):
            await test

    asyncio.run(limited())


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[None]:
    """Listen without ever saying anything."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield


@pytest.mark.parametrize("one_at_a_time", [True, False])
def test_turns_are_taken_one_at_a_time_and_in_order(tmp_path: Path, *, one_at_a_time: bool) -> None:
    """Where there is a queue, nobody is let in before the one in front has left; elsewhere everybody is."""
    door = Entrance(tmp_path / "s", one_at_a_time=one_at_a_time)
    seen: list[str] = []

    async def visit(name: str) -> None:
        async with door.turn(time.monotonic) as turn:
            seen.append(f"{name} in")
            await asyncio.sleep(0.05)
            seen.append(f"{name} out")
            turn.leave()
            await asyncio.sleep(0.05)

    async def test() -> None:
        await asyncio.gather(*map(visit, "abc"))

    _run(test())
    queued = [f"{name} {way}" for name in "abc" for way in ("in", "out")]
    assert (seen == queued) is one_at_a_time


class _Losing(asyncio.Protocol):
    """Says when its connection is gone."""

    def __init__(self, lost: asyncio.Event) -> None:
        self._lost = lost

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._lost.set()


@pytest.mark.parametrize("silent", [True, False])
def test_who_is_silent_loses_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, silent: bool
) -> None:
    """A connection without a byte is ended once another one has waited; one that talks is not."""
    monkeypatch.setattr(entrance_module, "SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(entrance_module, "POLL_INTERVAL", 0.02)
    door = Entrance(tmp_path / "s", one_at_a_time=True)
    began = time.monotonic()

    async def first(inside: asyncio.Event) -> str:
        async with door.turn(lambda: began if silent else time.monotonic()) as turn:
            lost = asyncio.Event()
            await turn.dial(lambda: _Losing(lost))
            inside.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.6):
                    await lost.wait()
            assert lost.is_set() is silent
            return turn.lost

    async def second(inside: asyncio.Event) -> str:
        await inside.wait()
        async with door.turn(time.monotonic) as turn:
            await turn.dial()
            return turn.lost

    async def test() -> None:
        inside = asyncio.Event()
        with _listening(tmp_path / "s"):
            lost, kept = await asyncio.gather(first(inside), second(inside))
        assert bool(lost) is silent
        assert kept == ""

    _run(test())


def test_silence_alone_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody who waits, a silent connection keeps its turn."""
    monkeypatch.setattr(entrance_module, "SILENCE_LIMIT", 0.05)
    door = Entrance(tmp_path / "s", one_at_a_time=True)

    async def test() -> None:
        with _listening(tmp_path / "s"):
            async with door.turn(lambda: 0.0) as turn:
                await turn.dial()
                await asyncio.sleep(0.2)
                assert turn.lost == ""

    _run(test())


def test_who_gives_up_waiting_blocks_nobody(tmp_path: Path) -> None:
    """A connection that ends while it waits, or as it is let in, leaves the queue open."""
    door = Entrance(tmp_path / "s", one_at_a_time=True)

    async def wait() -> None:
        async with door.turn(time.monotonic):
            await asyncio.sleep(60)

    async def test() -> None:
        async with door.turn(time.monotonic):
            impatient, late = asyncio.create_task(wait()), asyncio.create_task(wait())
            await asyncio.sleep(0.02)
            impatient.cancel()
            await asyncio.sleep(0.02)
        late.cancel()
        await asyncio.wait({impatient, late})
        async with door.turn(time.monotonic):
            pass

    _run(test())


def test_a_connection_waits_where_as_many_wait_as_may(tmp_path: Path) -> None:
    """Its first bytes arrive as soon as the server has accepted those in front of it, and do not break."""
    door = Entrance(tmp_path / "s")
    one_more = 8

    def accept(listening: socket.socket) -> list[bytes]:
        """Accept all only once their queue has been full for a while."""
        time.sleep(0.3)
        connections = [listening.accept()[0] for _ in range(one_more)]
        with contextlib.ExitStack() as opened:
            return [opened.enter_context(connection).recv(1) for connection in connections]

    async def say() -> None:
        async with door.turn(time.monotonic) as turn:
            saying = _Saying()
            await turn.dial(lambda: saying)
            await saying.gone.wait()

    async def test() -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "s"))
            listening.listen(1)
            listening.settimeout(HANGS / 8)
            heard = asyncio.create_task(asyncio.to_thread(accept, listening))
            async with asyncio.timeout(HANGS / 4):
                await asyncio.gather(*(say() for _ in range(one_more)))
                assert await heard == [b"x"] * one_more

    _run(test())


class _Saying(asyncio.Protocol):
    """Says one byte, and knows when its connection is gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"x")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self.gone.set()
