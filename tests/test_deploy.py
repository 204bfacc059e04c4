"""What other engines are given: Ansible, Kubernetes and CI measure a fleet in parts, and lose nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from runs.options import SESSIONS, parse
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.checkout import Checkout

ANSIBLE = ROOT / "deploy" / "ansible"
KUBERNETES = ROOT / "deploy" / "kubernetes" / "tls-floor.yaml"
WORKFLOW = ROOT / ".github" / "workflows" / "tls-floor-places.yml"


def _documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


def _tasks() -> list[Any]:
    """Return the tasks of the role, and those of the plays that are not of the role."""
    files = sorted((ANSIBLE / "roles" / "tls_floor" / "tasks").glob("*.yml"))
    return [task for file in files for task in _documents(file)[0]]


def test_no_task_needs_a_python_on_a_host() -> None:
    """Each task of the role is delegated to the control node, and no play gathers facts."""
    assert len(_tasks()) > 3
    assert {task["delegate_to"] for task in _tasks()} == {"localhost"}
    (plays,) = _documents(ANSIBLE / "measure.yml")
    assert [play["gather_facts"] for play in plays] == [False, False]
    assert [task.keys() - {"name"} for play in plays for task in play.get("tasks", [])] == [
        {"ansible.builtin.include_role"}
    ]


def test_each_variable_of_the_role_is_described() -> None:
    """What the defaults set, the argument specification has."""
    role = ANSIBLE / "roles" / "tls_floor"
    (defaults,), (specs,) = (
        _documents(role / "defaults" / "main.yml"),
        _documents(role / "meta" / "argument_specs.yml"),
    )
    for spec in specs["argument_specs"].values():
        assert spec["options"].keys() == defaults.keys()


def _commands() -> list[str]:
    """Return the commands of the tool in the job and the workflow, with made-up values for variables."""
    texts = [KUBERNETES.read_text(encoding="utf-8"), WORKFLOW.read_text(encoding="utf-8")]
    found = re.findall(r"nox -s ((?:matrix|merge) -- .*?)(?: +#|$)", "\n".join(texts), re.MULTILINE)
    return [
        re.sub(r'"\$(?:SHARD|\(\(JOB_COMPLETION_INDEX \+ 1\)\))/(?:4|\$SHARDS)"', "2/4", text)
        for text in found
    ]


def test_their_commands_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command has options that its session knows."""
    monkeypatch.chdir(tmp_path)
    assert len(_commands()) == 4
    for command in _commands():
        name, _, words = command.partition(" -- ")
        parse(name, (name,), words.split(), "")
    assert "merge" in SESSIONS


def test_the_job_measures_every_shard_once() -> None:
    """As many indexes as shards, in a pod that has no more rights than it needs."""
    kinds = {document["kind"]: document for document in _documents(KUBERNETES)}
    job = kinds["Job"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (shards,) = (int(each["value"]) for each in container["env"] if each["name"] == "SHARDS")
    assert (job["completionMode"], job["completions"]) == ("Indexed", shards)
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert job["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    rules = {
        resource: rule["verbs"] for rule in kinds["ClusterRole"]["rules"] for resource in rule["resources"]
    }
    assert rules == {"pods": ["get"], "pods/exec": ["create", "get"]}
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in job["template"]["spec"]["volumes"]}


def test_the_workflow_measures_every_shard_once() -> None:
    """Shards are 1 to M, and what M is stands in the command; one that fails ends no other."""
    (workflow,) = _documents(WORKFLOW)
    measure = workflow["jobs"]["measure"]
    shards = measure["strategy"]["matrix"]["shard"]
    (command,) = (step["run"] for step in measure["steps"] if step.get("name") == "Measure")
    assert shards == list(range(1, len(shards) + 1))
    assert f'--shard "$SHARD/{len(shards)}"' in command
    assert measure["strategy"]["fail-fast"] is False
    assert workflow["permissions"] == {}


HOSTS = {f"web{number:02}": {"ansible_connection": "local"} for number in range(1, 18)}
DEAD = {
    f"gone{number}": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    for number in range(1, 4)
}


@pytest.mark.e2e
@pytest.mark.skipif(
    not os.environ.get("TLS_FLOOR_PLACES"), reason="TLS_FLOOR_PLACES=1 measures 20 hosts by Ansible"
)
def test_ansible_measures_a_fleet(checkout: Checkout, tmp_path: Path) -> None:
    """Of 20 hosts 17 are measured, 3 are missing with their reason, and the playbook ends with 2."""
    if (ansible := shutil.which("ansible-playbook")) is None:
        pytest.skip("there is no ansible-playbook here: `pip install ansible-core` enables this")
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {**HOSTS, **DEAD}}}))
    (nox := tmp_path / "nox").write_text(f'#!/bin/sh\nexec {sys.executable} -m nox "$@"\n')
    nox.chmod(0o755)
    settings = {
        "tls_floor_nox": str(nox),
        "tls_floor_batch": 8,
        "tls_floor_options": ["--clients", "ssl", "--only", "system_*"],
    }
    done = subprocess.run(
        [
            ansible,
            "-i",
            inventory,
            checkout.folder / "deploy/ansible/measure.yml",
            "-e",
            json.dumps(settings),
        ],
        env=checkout.environment(ANSIBLE_NOCOLOR="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    failed = re.findall(r"^(\w+) +: .*failed=1", done.stdout, re.MULTILINE)
    assert sorted(failed) == sorted(DEAD)
    document: dict[str, Any] = json.loads((checkout.latest / "matrix.json").read_text())
    runs = {run["run_id"]: run["host"] for run in document["runs"]}
    rows = {(runs[row["run_id"]], row["interpreter"]): row for row in document["verdicts"]}
    assert {host for host, name in rows if name != "missing"} == {f"ansible:{name}" for name in HOSTS}
    silent = {host: row["reason"] for (host, name), row in rows.items() if name == "missing"}
    assert silent.keys() == {f"ansible:{name}" for name in DEAD}
    assert all("Connection refused" in reason for reason in silent.values())
