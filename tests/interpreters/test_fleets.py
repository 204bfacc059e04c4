"""Places are read from what people keep: a list, an inventory of Ansible, pods and images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interpreters.fleets import Destination, read_fleet
from interpreters.places import LOCAL, PlaceError


@pytest.fixture(autouse=True)
def _everything_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


def inventory(**hosts: dict[str, Any]) -> str:
    """Return what ansible-inventory --list prints of these hosts."""
    return json.dumps(
        {
            "_meta": {"hostvars": {name: facts for name, facts in hosts.items() if facts}},
            "all": {"children": ["ungrouped", "web"]},
            "web": {"hosts": list(hosts)},
        }
    )


def only(text: str) -> Destination:
    """Return the one place of a fleet."""
    (found,) = read_fleet(text, "fleet")
    return found


def test_a_list_has_a_place_a_line() -> None:
    """Comments and empty lines are none, a place that is named twice is one, and a # within a name stays."""
    text = "# all\nssh:web1   # shop\n\nlocal\nssh:web1\nexec:run a#b\n"
    assert [each.host for each in read_fleet(text, "fleet")] == ["ssh:web1", "local", "exec:run a#b"]
    assert read_fleet("local", "fleet")[0].ways == (LOCAL,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ssh:web1\nweb2\n", "fleet, line 2: .*a place is local or one of"),
        ("# nothing\n", "fleet names no place"),
        ("", "fleet names no place"),
        ("{}", "JSON that names no places"),
        ("[1]", "JSON that names no places"),
        ("{'a': 1}", "JSON that names no places"),
        ("[" * 100_000, "JSON that names no places"),
        ('{"_meta": {"hostvars": []}, "all": {"hosts": ["a"]}}', "JSON that names no places"),
        ('{"items": [{"metadata": {}}]}', "JSON that names no places"),
        ('{"items": []}', "names no place"),
    ],
)
def test_what_names_no_places_is_refused(text: str, says: str) -> None:
    """The sentence has the file, the line of a list, and what would be read."""
    with pytest.raises(PlaceError, match=says):
        read_fleet(text, "fleet")


def test_a_host_is_reached_as_ansible_would() -> None:
    """Address, port, user, key and arguments are its variables; the report has its name in the inventory."""
    facts = {
        "ansible_host": "192.0.2.7",
        "ansible_port": 2222,
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": "/keys/web",
        "ansible_ssh_common_args": "-o ProxyJump=bastion -o 'ControlPath=/run/a b'",
    }
    found = only(inventory(web1=facts))
    (way,) = found.ways
    assert (found.host, str(way), way.shell) == ("ansible:web1", "ansible:web1", True)
    end = way.prefix.index("--")
    assert way.prefix[end:] == ("--", "192.0.2.7")
    assert way.prefix[end - 10 : end] == (
        *("-p", "2222", "-l", "deploy", "-i", "/keys/web"),
        *("-o", "ProxyJump=bastion", "-o", "ControlPath=/run/a b"),
    )
    assert "BatchMode=yes" in way.prefix
    assert way.prefix[end - 10 :] == way.identity[-12 - 1 : -1]


@pytest.mark.parametrize(
    ("facts", "begins", "ends"),
    [
        ({}, ["ssh"], ["--", "web1"]),
        ({"ansible_connection": "ansible.builtin.ssh"}, ["ssh"], ["--", "web1"]),
        ({"ansible_connection": "community.docker.docker", "ansible_host": "shop-1"}, ["docker"], ["shop-1"]),
        ({"ansible_connection": "containers.podman.podman"}, ["podman"], ["web1"]),
        (
            {"ansible_connection": "kubernetes.core.kubectl", "ansible_kubectl_namespace": "shop"},
            ["kubectl"],
            ["web1", "--"],
        ),
        ({"ansible_connection": "local"}, ["env"], ["env"]),
    ],
)
def test_each_connection_has_its_words(facts: dict[str, Any], begins: list[str], ends: list[str]) -> None:
    """A connection plugin is a kind of places, with or without the name of its collection."""
    (way,) = only(inventory(web1=facts)).ways
    prefix = list(way.prefix)
    assert prefix[: len(begins)] == begins
    assert prefix[-len(ends) :] == ends


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"ansible_connection": "winrm"}, "connect by winrm, which no kind of places does"),
        ({"ansible_host": "{{ address }}"}, "ansible_host is a template"),
        ({"ansible_host": "-oProxyCommand=x"}, "no name of a host"),
        ({"ansible_ssh_common_args": "-o 'a"}, "says how to connect, but"),
        ({"ansible_connection": "kubectl", "ansible_kubectl_pod": "-n"}, "no name of a pod"),
    ],
)
def test_a_host_that_cannot_be_entered_costs_one_row(facts: dict[str, Any], says: str) -> None:
    """The other hosts of the inventory are there, and this one has its reason."""
    bad, good = read_fleet(inventory(bad=facts, good={}), "fleet")
    assert bad.ways == ()
    assert says in bad.unavailable
    assert good.ways


def test_pods_are_their_containers() -> None:
    """Each container of a pod that runs is a place; of one that does not the phase is the reason."""

    def pod(name: str, phase: str) -> dict[str, Any]:
        return {
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"containers": [{"name": "app"}, {"name": "proxy"}]},
            "status": {"phase": phase},
        }

    found = read_fleet(json.dumps({"items": [pod("web", "Running"), pod("job", "Succeeded")]}), "fleet")
    assert [each.host for each in found if each.ways] == ["pod:shop/web/app", "pod:shop/web/proxy"]
    assert {each.unavailable for each in found if not each.ways} == {"the pod is Succeeded"}
    assert only(json.dumps(pod("web", "Running") | {"spec": {"containers": [{"name": "a"}]}})).ways


def test_images_are_named_as_people_name_them() -> None:
    """Podman prints a list, docker a line each; an image without a name has its digest."""
    podman = json.dumps([{"Id": "aa", "Names": ["app:1.2", "app:latest"]}, {"Id": "bb", "Names": None}])
    assert [each.host for each in read_fleet(podman, "fleet")] == ["image:app:1.2", "image:bb"]
    docker = [
        {"ID": "aa", "Repository": "app", "Tag": "1.2"},
        {"ID": "bb", "Repository": "<none>", "Tag": "<none>"},
    ]
    lines = "\n".join(map(json.dumps, docker))
    assert [each.host for each in read_fleet(lines, "fleet")] == ["image:app:1.2", "image:bb"]
