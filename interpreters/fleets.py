"""Reads which places there are from what people keep: a list, an inventory of Ansible, pods, images."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from interpreters.places import LOCAL, Place, PlaceError, ways_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ANSIBLE = "ansible"
"""The kind of a place that is a host of an inventory."""

SSH_OPTIONS = {
    "ansible_port": "-p",
    "ansible_ssh_port": "-p",
    "ansible_user": "-l",
    "ansible_ssh_user": "-l",
    "ansible_ssh_private_key_file": "-i",
}
"""Variables of a host with the option of ssh(1) that takes each: Ansible's ssh connection plugin."""

SSH_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
"""Variables that hold several options of ssh each."""

ADDRESSES = ("ansible_host", "ansible_ssh_host")
"""Variables that say where a host is, which is else at its name."""

SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
"""Connection plugins by which Ansible speaks SSH, without the collection's name; we take OpenSSH for each."""


@dataclass(frozen=True)
class Destination:
    """A place that is to be measured: the ways to it, or why there is none."""

    host: str
    """What the report calls it."""
    ways: tuple[Place, ...] = ()
    unavailable: str = ""
    """Empty if there is a way."""


def destination(text: str) -> Destination:
    """Return the place that `local` or KIND:NAME means; raises PlaceError for a name that makes no sense."""
    return Destination(text, (LOCAL,) if text == LOCAL.name else ways_to(text))


def read_fleet(text: str, file: str) -> tuple[Destination, ...]:
    """Return the places of a file: one a line, or the JSON that Ansible, kubectl, podman or docker prints.

    Raises PlaceError for what is neither. A host of an inventory that cannot be entered is a destination
    with its reason: one host costs one row.
    """
    documents = _documents(text)
    found = _listed(text, file) if documents is None else _described(documents, file)
    fleet = {each.host: each for each in found}
    if not fleet:
        msg = f"{file} names no place: write KIND:NAME on a line for each"
        raise PlaceError(msg)
    return tuple(fleet.values())


def _documents(text: str) -> list[Any] | None:
    """Return the values of JSON, which may have one a line; None where a text is a list of places."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    try:
        while rest:
            value, end = decoder.raw_decode(rest)
            found += value if isinstance(value, list) else [value]
            rest = rest[end:].lstrip()
    except (ValueError, RecursionError):
        return [None]  # which nobody reads as a place
    return found


def _listed(text: str, file: str) -> Iterator[Destination]:
    """Read a place a line; what follows a # at the beginning or after a blank is a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if name := re.sub(r"(^|\s)#.*", "", line).strip():
            try:
                yield destination(name)
            except PlaceError as error:
                msg = f"{file}, line {number}: {error}"
                raise PlaceError(msg) from error


def _described(documents: list[Any], file: str) -> Iterator[Destination]:
    """Read the documents of one of the programs that describe places."""
    for document in documents:
        try:
            yield from _reader(document)(document)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            msg = (
                f"{file} is JSON that names no places: give what ansible-inventory --list, kubectl get pods"
                " -o json or podman images --format json prints, or a list with KIND:NAME on each line"
            )
            raise PlaceError(msg) from error


def _reader(document: Any) -> Callable[[Any], Iterable[Destination]]:
    """Return what reads a document, by a key that one program alone writes; raises KeyError without one."""
    known = {"_meta": _inventory, "items": _pods, "metadata": _pod, "Names": _image, "Repository": _image}
    return known[next((key for key in known if key in document), "")]


def _inventory(document: Mapping[str, Any]) -> Iterator[Destination]:
    """Give each host that belongs to a group, in the order of the groups."""
    variables = document["_meta"]["hostvars"]
    groups = (group.get("hosts", ()) for name, group in document.items() if name != "_meta")
    for host in dict.fromkeys(host for hosts in groups for host in hosts):
        yield _host(host, variables.get(host, {}))


def _host(host: str, variables: Mapping[str, Any]) -> Destination:
    """Return a host of an inventory as Ansible would connect to it, without a password."""
    facts = {name: str(value) for name, value in variables.items() if name.startswith("ansible_")}
    used = {*SSH_OPTIONS, *SSH_ARGUMENTS, *ADDRESSES, "ansible_connection"}
    for name in sorted(used & facts.keys()):
        if "{{" in facts[name]:
            return Destination(host, (), f"its {name} is a template that ansible-inventory leaves as it is")
    connection = facts.get("ansible_connection", "ssh").rpartition(".")[2]
    address = next((facts[name] for name in ADDRESSES if name in facts), host)
    name = f"{ANSIBLE}:{host}"
    try:
        way = _way(connection, address, facts)
    except (PlaceError, ValueError) as error:
        return Destination(name, (), f"its inventory says how to connect, but {error}")
    if way is None:
        return Destination(
            name, (), f"its inventory says to connect by {connection}, which no kind of places does"
        )
    return Destination(name, (replace(way, kind=ANSIBLE, name=host),))


def _way(connection: str, address: str, facts: Mapping[str, str]) -> Place | None:
    """Return the way to a host; None for a connection without one. Raises PlaceError, ValueError."""
    if connection in SSH:
        (way,) = ways_to(f"ssh:{address}")
        options = tuple(_ssh_options(facts))
        return replace(way, prefix=_with(options, way.prefix), identity=_with(options, way.identity))
    if connection in ("docker", "podman"):
        return next((way for way in ways_to(f"container:{address}") if way.prefix[0] == connection), None)
    if connection == "kubectl":
        pod = (
            facts.get("ansible_kubectl_namespace", "default"),
            facts.get("ansible_kubectl_pod", address),
            facts.get("ansible_kubectl_container", ""),
        )
        return ways_to(f"pod:{'/'.join(filter(None, pod))}")[0]
    return ways_to("exec:env")[0] if connection == "local" else None


def _with(options: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of an ssh with these options among its own."""
    end = words.index("--")
    return (*words[:end], *options, *words[end:])


def _ssh_options(facts: Mapping[str, str]) -> Iterator[str]:
    for name, option in SSH_OPTIONS.items():
        if name in facts:
            yield from (option, facts[name])
    for name in SSH_ARGUMENTS:
        yield from shlex.split(facts.get(name, ""))


def _pods(document: Mapping[str, Any]) -> Iterator[Destination]:
    for pod in document["items"]:
        yield from _pod(pod)


def _pod(document: Mapping[str, Any]) -> Iterator[Destination]:
    """Give each container of a pod; one that does not run cannot be entered."""
    name = f"{document['metadata']['namespace']}/{document['metadata']['name']}"
    phase = document["status"]["phase"]
    for container in document["spec"]["containers"]:
        text = f"pod:{name}/{container['name']}"
        yield destination(text) if phase == "Running" else Destination(text, (), f"the pod is {phase}")


def _image(document: Mapping[str, Any]) -> Iterator[Destination]:
    """Give an image once, by its first name; one without a name by its digest."""
    names = document.get("Names") or [
        f"{document.get('Repository', '<none>')}:{document.get('Tag', 'latest')}"
    ]
    named = next((name for name in names if "<none>" not in name), "")
    yield destination(f"image:{named or document.get('Id') or document['ID']}")
