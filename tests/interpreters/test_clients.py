"""The clients are what the files in probes/ say, read without importing any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.clients import (
    CLIENTS,
    EVERY,
    GROUPS,
    PROBES,
    RELAXED,
    Client,
    ClientKey,
    chosen,
    clients,
    default_clients,
    requirements,
    specifiers,
    variants,
)
from tests.support.builders import by_key, keys

if TYPE_CHECKING:
    from pathlib import Path


def test_every_file_is_a_client() -> None:
    """There is one client for each client file, under the file's own name."""
    files = {path.stem for path in CLIENTS.glob("*.py")} - {"__init__"}
    assert set(clients()) == files
    assert all(client.id == name for name, client in clients().items())


def test_the_measured_clients_are_there() -> None:
    """Each client that is measured by default exists and is no mere reference."""
    assert [clients()[name].reference for name in default_clients()] == [False] * len(default_clients())


def test_the_reference_client_is_there() -> None:
    """The client that shows what a build could negotiate is a reference and needs nothing installed."""
    assert clients()[RELAXED.name] == Client(RELAXED.name, "", reference=True)


def test_a_file_is_read_and_not_run(tmp_path: Path) -> None:
    """A client file that could not be imported here is read all the same."""
    (tmp_path / "new.py").write_text("import nothing_here\nREQUIREMENT = 'new-thing'\nraise SystemExit\n")
    known = Client("new", "new-thing", reference=False, modules=("nothing_here",))
    assert clients(tmp_path) == {"new": known}


TRIED = "try:\n    import one, two.part\nexcept ImportError:\n    {}\n"


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("", ()),
        ("import one", ("one",)),
        ("import one.part as x, two\nfrom three.part import y\nfrom one import z", ("one", "two", "three")),
        ("from __future__ import absolute_import\nimport os, concurrent.futures", ()),
        ("import status_page, releases\nimport clients\nfrom clients import nobody", ()),
        ("from . import one\nfrom .two import x", ()),
        ("from clients import other as x\nimport one", ("of_other", "one")),
        ("from clients import ring", ("of_ring",)),
        (TRIED.format("raise ImportError('too old')"), ("one", "two")),
        (TRIED.format("one = None"), ()),
        ("def version():\n    import one", ()),
        ("if True:\n    import one", ()),
    ],
)
def test_a_client_needs_what_its_file_imports_in_any_case(
    tmp_path: Path, text: str, modules: tuple[str, ...]
) -> None:
    """What another way can go on without is not needed, nor what Python or the probe itself has."""
    files = {"x": text, "other": "import of_other", "ring": "import of_ring\nfrom clients import x, ring"}
    for name, written in files.items():
        (tmp_path / f"{name}.py").write_text(written)
    assert clients(tmp_path)["x"].modules == modules


def test_what_needs_no_installation_needs_no_module() -> None:
    """What has to be installed for a client is what it imports, save for one that no index has."""
    known = clients().values()
    assert {one.id for one in known if one.needs_environment} == {"awscli_crt"}
    assert {one.id for one in known if one.modules} - {"awscli_crt"} == {
        one.id for one in known if one.requirement
    }
    assert clients()["boto3_crt"].modules == ("boto3", "botocore", "awscrt", "s3transfer")


@pytest.mark.parametrize("name", ["__init__.py", "x.txt", "x.pyc"])
def test_other_files_are_no_clients(tmp_path: Path, name: str) -> None:
    """The package's own file, and what is no source, are no clients."""
    (tmp_path / name).touch()
    assert clients(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("", Client("x", "", reference=False)),
        ("REFERENCE = True", Client("x", "", reference=True)),
        ("REFERENCE = False", Client("x", "", reference=False)),
        ("A = REQUIREMENT = 'thing'", Client("x", "thing", reference=False)),
        ("LIBRARY = 'own'\nREQUIREMENT = 'thing'", Client("x", "thing", reference=False, library="own")),
        ("FLOOR = 'other'", Client("x", "", reference=False, floor="other")),
        ("def f():\n    REQUIREMENT = 'thing'", Client("x", "", reference=False)),
    ],
)
def test_top_level_constants_count(tmp_path: Path, text: str, client: Client) -> None:
    """Only constants at a file's top level say what a client needs, and their absence says nothing."""
    (tmp_path / "x.py").write_text(text)
    assert clients(tmp_path) == {"x": client}


ON_BOTOCORE = Client("botocore", "botocore", reference=False)
OTHER = Client("other", "thing", reference=False)
NOTHING = Client("ssl", "", reference=False)


@pytest.mark.parametrize(
    ("pin", "needed"),
    [
        ("", "botocore"),
        ("newest", "botocore"),
        ("1.34.0", "botocore==1.34.0"),
        ("<1.40", "botocore<1.40"),
        (">=1.2,<2", "botocore>=1.2,<2"),
        ("> 1.2, < 2", "botocore>1.2,<2"),
        ("~=1.34", "botocore~=1.34"),
        ("!=1.34.1", "botocore!=1.34.1"),
        ("==1.*", "botocore==1.*"),
        ("1.*", "botocore==1.*"),
    ],
)
def test_a_pin_is_a_version_or_a_specifier(pin: str, needed: str) -> None:
    """A bare version pins exactly, a specifier is taken as it is, and one version leaves the names alone."""
    found = variants([NOTHING, ON_BOTOCORE, OTHER], specifiers(pin))
    assert requirements(found) == by_key({"botocore": needed, "other": "thing"})
    assert tuple(found) == keys(["ssl", "botocore", "other"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("1.20.*,1.30.*,newest", ("1.20.*", "1.30.*", "newest")),
        ("1.20.*,>=1.30,<1.35,newest", ("1.20.*", ">=1.30,<1.35", "newest")),
        ("<2,2.*", ("<2", "2.*")),
        (" 1 ,, 2,1 ", ("1", "2")),
    ],
)
def test_a_list_of_versions_is_taken_apart(text: str, found: tuple[str, ...]) -> None:
    """Commas part versions, except between operators, where they join what has to hold together."""
    assert specifiers(text) == found


def test_a_pin_counts_for_each_client_that_needs_it() -> None:
    """A pin of botocore holds for urllib3 too, which is the one that botocore brings along."""
    wanted = [clients()[name] for name in default_clients()]
    both = keys(["urllib3", "botocore"])
    assert requirements(variants(wanted, ["1.34.0"])) == dict.fromkeys(both, "botocore==1.34.0")
    assert requirements(variants(wanted, (), ["<2"])) == dict.fromkeys(both, "botocore urllib3<2")


VERSIONS = st.lists(st.sampled_from(["1.20.*", "<1.30", ">=1,<2", "newest"]), unique=True)


@given(VERSIONS, VERSIONS)
def test_a_sweep_is_every_pair_of_versions(botocore: list[str], urllib3: list[str]) -> None:
    """Clients on botocore are there once for each pair, each by a name of its own; all others once."""
    found = variants([NOTHING, ON_BOTOCORE, OTHER], botocore, urllib3)
    pairs = max(1, len(botocore)) * max(1, len(urllib3))
    ours = [client for key, client in found.items() if key.name == "botocore"]
    assert len(ours) == len({client.requirement for client in ours}) == pairs
    assert (pairs == 1) is (ClientKey("botocore") in found)
    assert {key.name for key in found} == {"ssl", "botocore", "other"}
    assert (found[ClientKey("ssl")].requirement, found[ClientKey("other")].requirement) == ("", "thing")
    for client in ours:
        assert all(("urllib3" in word) or word.startswith("botocore") for word in client.requirement.split())
        assert (client.id, client.library) == ("botocore", "botocore")


@given(
    st.sampled_from(["ssl", "botocore", "awscrt_http"]),
    st.sampled_from(["", "botocore-1.20.*", "botocore-1.20.*+urllib3-1.26", "urllib3>=1.26+local"]),
    st.sampled_from(["", "code", "openssl.cnf"]),
)
def test_a_key_is_read_back_from_its_text(name: str, versions: str, remedy: str) -> None:
    """What a file has of a client, its name, its versions and its remedy, is told apart again."""
    key = ClientKey(name, versions, remedy)
    assert ClientKey.parse(str(key), ("code", "openssl.cnf")) == key


def test_those_measured_by_default_come_first() -> None:
    """The clients are in the order of the report: the default ones, then all others by name."""
    names = list(clients())
    assert tuple(names[: len(default_clients())]) == default_clients()
    assert names[len(default_clients()) :] == sorted(names[len(default_clients()) :])


def test_each_client_is_in_a_group_and_none_is_named_like_one() -> None:
    """Each client with a row is in groups that there are, and none is called as a group is."""
    known = [one for one in clients().values() if not one.reference]
    assert all(one.groups and set(one.groups) <= GROUPS.keys() for one in known)
    assert not {one.id for one in known} & {EVERY, *GROUPS}
    assert all(any(group in one.groups for one in known) for group in GROUPS)


MADE_UP = (
    Client("ssl", "", reference=False, groups=("default",)),
    Client("one", "one", reference=False, groups=("s3", "aws")),
    Client("other", "other", reference=False, groups=("s3",)),
    Client("relaxed", "", reference=True),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("s3", ("one", "other")),
        ("aws, ssl", ("ssl", "one")),
        ("other,default", ("ssl", "other")),
        ("all", ("ssl", "one", "other")),
        ("all,one", ("ssl", "one", "other")),
        ("native", ()),
    ],
)
def test_groups_and_names_are_chosen_together(text: str, names: tuple[str, ...]) -> None:
    """A group means each of its clients, once and in the order of the report; the reference client never."""
    assert chosen(text, MADE_UP) == names


@pytest.mark.parametrize(
    ("text", "question"),
    [("otter", "did you mean 'other'? the groups"), ("aws,", "; the groups"), ("relaxed", "; the groups")],
)
def test_a_word_that_is_no_client_gets_what_is_like_it(text: str, question: str) -> None:
    """A word that is neither client nor group is refused, with the word that is like it if one is."""
    with pytest.raises(ValueError, match="there is no client or group") as caught:
        chosen(text, MADE_UP)
    assert question in str(caught.value)


NAME = st.text("abcxyz", min_size=1, max_size=5)


@given(st.lists(st.builds(Client, NAME, NAME | st.just(""), st.booleans()), unique_by=lambda one: one.id))
def test_exactly_the_clients_that_need_something_are_named(wanted: list[Client]) -> None:
    """Of any clients, those with a requirement are named, each with its own."""
    needed = requirements({ClientKey(one.id): one for one in wanted})
    assert needed == by_key({one.id: one.requirement for one in wanted if one.requirement})


def test_what_has_lines_that_set_a_floor_does_not_say_that_there_are_none() -> None:
    """No client with lines in floors/ says that nothing raises its floor, and none names lines of nobody."""
    files = {path.stem for path in (PROBES / "floors").glob("*.py")}
    for one in clients().values():
        assert not one.floor or one.floor in files
        assert not (one.no_floor and (one.floor or one.id) in files)
