"""Strangers on the machine, names that lead elsewhere, and networks without addresses, ports or routes."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import NOBODY, need, need_root
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.faults.ground import Ground

STRANGERS = Path(__file__).parent.parent / "support" / "strangers.py"

WAYS = {
    "rubbish": "sends what is no TLS to every port",
    "bare": "connects to every port and leaves",
    "hello": "offers every version on every port, and goes away over the answer",
    "hold": "sends the start of a hello to every port, and stays",
    "drip": "sends a hello to every port, a byte at a time",
    "flood": "offers every version on every port, on forty connections at once",
    "relay": "answers on ::1 at every port, in the server's place",
}
"""What a stranger does: support/strangers.py."""


@contextlib.contextmanager
def stranger(way: str, uid: str = "") -> Iterator[None]:
    """Have a stranger about while the block lasts; it must have found something to meddle with."""
    command = [sys.executable, str(STRANGERS), way, *filter(None, [uid])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.stdin.close()
            meddled = process.stdout.readline()
    assert int(meddled) > 0


def _meddled(way: str, uid: str, ground: Ground) -> Sequence[str]:
    if not sys.platform.startswith("linux"):
        msg = "strangers find ports in /proc/net/tcp, which Linux has"
        raise NotInjectableError(msg)
    if uid:
        need_root()
    with stranger(way, uid):
        after = ground.matrix()
    # What the stranger itself held is gone with it.
    left = tuple(thing for thing in after.left if thing in ground.things())
    return broken(replace(after, left=left), ground.expected(exactly=True))


def mounted(commands: str) -> Sequence[str]:
    """Return the words before a session in a mount namespace of its own, after commands of a shell."""
    need_root()
    return (need("unshare"), "--mount", "sh", "-c", f'{commands} && exec "$@"', "sh")


def _file_says(path: str, text: str, ground: Ground) -> Sequence[str]:
    """Measure where a file of the system says something else."""
    file = ground.folder / "says"
    file.write_text(text)
    before = mounted(f"mount --bind {file} {path}")
    after = ground.session("matrix", "--", *ground.words, before=before)
    return broken(after, ground.expected(exactly=True))


def _set(settings: Mapping[str, str], exactly: bool, ground: Ground) -> Sequence[str]:  # noqa: FBT001
    """Measure under other settings of the network, which are put back."""
    if not ground.alone:
        msg = "it takes a network namespace of its own: root on Linux, with unshare of util-linux"
        raise NotInjectableError(msg)
    paths = {Path("/proc/sys/net", name): text for name, text in settings.items()}
    if missing := [str(path) for path in paths if not path.exists()]:
        msg = f"this kernel has no {missing[0]}"
        raise NotInjectableError(msg)
    before = {path: path.read_text() for path in paths}
    try:
        for path, text in paths.items():
            path.write_text(text)
        after = ground.matrix()
    finally:
        for path, text in before.items():
            path.write_text(text)
    return broken(after, ground.expected(exactly=exactly))


def _no_loopback(ground: Ground) -> Sequence[str]:
    need_root()
    after = ground.session("matrix", "--", *ground.words, before=(need("unshare"), "--net"))
    return broken(after, ground.expected())


def _with_command(commands: str, undo: str, exactly: bool, ground: Ground) -> Sequence[str]:  # noqa: FBT001
    """Measure between two commands about the network."""
    if not ground.alone:
        msg = "it takes a network namespace of its own: root on Linux, with unshare of util-linux"
        raise NotInjectableError(msg)
    need(commands.split(maxsplit=1)[0])
    if subprocess.run(["sh", "-c", commands], capture_output=True, check=False).returncode:
        msg = f"this kernel does not do `{commands}`"
        raise NotInjectableError(msg)
    try:
        after = ground.matrix()
    finally:
        subprocess.run(["sh", "-c", undo], check=True)
    return broken(after, ground.expected(exactly=exactly))


HOSTS = {
    "other-family": ("localhost that is ::1 alone", "::1 localhost\n"),
    "both-families": ("localhost that is ::1 first", "::1 localhost\n127.0.0.1 localhost\n"),
    "no-localhost": ("no localhost at all", "127.0.0.1 elsewhere\n"),
    "elsewhere": ("localhost that is another machine", "192.0.2.1 localhost\n"),
    "other-loopback": ("localhost that is 127.0.0.9", "127.0.0.9 localhost\n"),
    "empty": ("nothing", ""),
}
"""What /etc/hosts says."""

FAMILY = Family(
    "network",
    "every row is as without it, or inconclusive where no connection can be had",
    (
        *(
            Fault(
                f"{way}-{who}",
                f"a process of {'another user' if uid else 'the same user'} that {what}",
                functools.partial(_meddled, way, uid),
            )
            for way, what in WAYS.items()
            for who, uid in (("same-user", ""), ("another-user", str(NOBODY)))
            if uid or way in ("drip", "flood", "relay")
        ),
        *(
            Fault(
                f"hosts-{name}", f"/etc/hosts says: {what}", functools.partial(_file_says, "/etc/hosts", text)
            )
            for name, (what, text) in HOSTS.items()
        ),
        Fault(
            "resolver",
            "a name server that does not answer",
            functools.partial(_file_says, "/etc/resolv.conf", "nameserver 192.0.2.1\n"),
        ),
        Fault(
            "no-resolver",
            "an nsswitch.conf that knows no source of names",
            functools.partial(_file_says, "/etc/nsswitch.conf", "hosts:\n"),
        ),
        Fault("no-loopback", "a network without its loopback interface up", _no_loopback),
        Fault(
            "no-route", "a network that has loopback alone", lambda ground: ground.kept(exactly=ground.alone)
        ),
        *(
            Fault(
                f"ports-{count}",
                f"{count} ports that may be handed out",
                functools.partial(_set, {"ipv4/ip_local_port_range": f"40000 {39999 + count}"}, False),
            )
            for count in (2, 30, 80)
        ),
        Fault("no-ipv6", "no IPv6", functools.partial(_set, {"ipv6/conf/all/disable_ipv6": "1"}, True)),
        Fault(
            "slow",
            "a loopback that takes 40 ms each way",
            functools.partial(
                _with_command, "tc qdisc add dev lo root netem delay 40ms", "tc qdisc del dev lo root", True
            ),
        ),
        Fault(
            "lossy",
            "a loopback that loses every tenth packet",
            functools.partial(
                _with_command, "tc qdisc add dev lo root netem loss 10%", "tc qdisc del dev lo root", False
            ),
        ),
        Fault(
            "refused",
            "a filter that refuses every connection",
            functools.partial(
                _with_command, "iptables -A INPUT -p tcp --syn -j REJECT", "iptables -F INPUT", False
            ),
        ),
        Fault(
            "dropped",
            "a filter that drops every packet with data",
            functools.partial(
                _with_command,
                "iptables -A INPUT -p tcp --tcp-flags PSH PSH -j DROP",
                "iptables -F INPUT",
                False,
            ),
        ),
    ),
)
