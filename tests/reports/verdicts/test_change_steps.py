"""Steps to other releases: the right tool for each environment, and no other."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.deployed.managers import Management, Manager
from reports.verdicts.change_steps import PROJECTS, Releases, change_step
from tests.support.builders import an_interpreter

if TYPE_CHECKING:
    from reports.verdicts.steps import Step

FOUND = replace(an_interpreter(), path="/srv/my shop/venv/bin/python", environment="/srv/my shop/venv")
OLD = {"urllib3": "1.26.20", "botocore": "1.31.85", "awscli": "1.29.85"}
URLLIB3 = Releases({"urllib3": "2.0.7"}, OLD)
ALL = Releases({"awscli": "1.44.87", "botocore": "1.44.8", "urllib3": "2.8.0"}, OLD)

COMMANDS = {
    Manager.PIP: "'/srv/my shop/venv/bin/python' -m pip install urllib3==2.0.7",
    Manager.UV: "uv pip install --python '/srv/my shop/venv/bin/python' urllib3==2.0.7",
    Manager.PIPX: "pipx inject --force awscli urllib3==2.0.7",
    Manager.UV_TOOL: "uv tool install awscli==1.29.85 --with urllib3==2.0.7",
    Manager.CONDA: "conda install --prefix '/srv/my shop/venv' urllib3=2.0.7",
    Manager.POETRY: "poetry add urllib3==2.0.7",
    Manager.PDM: "pdm add urllib3==2.0.7",
    Manager.PIPENV: "pipenv install urllib3==2.0.7",
    Manager.UV_PROJECT: "uv add urllib3==2.0.7",
}
NAMED = {Manager.PIPX: "awscli", Manager.UV_TOOL: "awscli"}


def _step(manager: Manager, releases: Releases = URLLIB3, name: str | None = None) -> Step:
    given = NAMED.get(manager, "/srv/my shop" if manager in PROJECTS else "") if name is None else name
    return change_step(FOUND, Management(manager, given), releases)


@pytest.mark.parametrize("manager", COMMANDS)
def test_the_tool_that_manages_it_is_to_change_it(manager: Manager) -> None:
    """The last line is that tool's own command, and the way back is named."""
    step = _step(manager)
    assert step.lines[-1] == COMMANDS[manager]
    assert "1.26.20" in step.undo or manager in {*PROJECTS, Manager.PIPX, Manager.UV_TOOL}


@pytest.mark.parametrize("manager", [Manager.HATCH, Manager.ZIPAPP, Manager.SYSTEM])
def test_where_no_command_does_it_words_do(manager: Manager) -> None:
    """What has to be written or built by a person is said, with the very release."""
    step = _step(manager)
    assert step.lines == ()
    assert "urllib3==2.0.7" in step.what


def test_an_application_of_its_own_tool_is_renewed_itself() -> None:
    """Where the application itself is to be newer, it is installed anew, and the rest is added."""
    by_pipx, by_uv = _step(Manager.PIPX, ALL), _step(Manager.UV_TOOL, ALL)
    assert by_pipx.lines == (
        "pipx install --force awscli==1.44.87",
        "pipx inject --force awscli botocore==1.44.8 urllib3==2.8.0",
    )
    assert by_uv.lines == ("uv tool install awscli==1.44.87 --with botocore==1.44.8 --with urllib3==2.8.0",)
    assert by_pipx.undo == "pipx install --force awscli==1.29.85"


def test_a_project_whose_folder_is_unknown_has_a_place_for_it() -> None:
    """Nothing in the environment says where the project is."""
    step = _step(Manager.POETRY, name="")
    assert step.lines[0] == "cd PROJECT"
    assert "put its folder for PROJECT" in step.what


RELEASES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True),
    st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}", fullmatch=True),
    min_size=1,
    max_size=5,
)


@given(manager=st.sampled_from(Manager), new=RELEASES, old=RELEASES, name=st.text("ab '\"$;\n", max_size=5))
def test_every_release_is_named_in_what_a_shell_reads(
    manager: Manager, new: dict[str, str], old: dict[str, str], name: str
) -> None:
    """Whatever the names, each line is words of a shell, and each new release is in it or in the words."""
    step = change_step(FOUND, Management(manager, name), Releases(new, old))
    words = [word for line in step.lines for word in shlex.split(line)]
    separator = "=" if manager is Manager.CONDA else "=="
    for release in (f"{one}{separator}{version}" for one, version in new.items()):
        assert release in words or release in step.what


@pytest.mark.parametrize("manager", [m for m in Manager if m not in (Manager.PIP, Manager.UV)])
def test_pip_is_for_its_own_environments_alone(manager: Manager) -> None:
    """Behind another tool's back pip would leave an environment that the tool does not know."""
    assert not any(" pip install" in line for line in _step(manager).lines)
