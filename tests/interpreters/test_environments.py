"""An environment is made once, reused while nothing changed, rebuilt when it did, and never half-made."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters import environments as room
from interpreters.environments import (
    FAILURE,
    OLD_VIRTUALENV,
    STAMP,
    WITHOUT_WHEELS,
    ClientVenv,
    Installer,
    NoEnvironmentError,
    VenvRequest,
    forget,
    is_made,
    packages_of,
    prepare,
)
from interpreters.identify import Identity, identify, parse_identity
from interpreters.locks import locked
from interpreters.process_environment import sanitized_environment
from interpreters.processes import run
from interpreters.versions import version_of
from interpreters.ways import PYTHON
from tests.support.installations import installation, site_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from interpreters.locate import Candidate

    Script = Callable[[str, str], Path]

FAKE_UV = r"""
echo "uv $*" >>"$UV_LOG"
for last; do :; done
case "$1 $2" in
"pip install") %(install)s ;;
*) %(make)s
   mkdir -p "$last/bin" && printf '#!/bin/sh\necho "python $*" >>"$UV_LOG"\n%(pip)s\n' >"$last/bin/python" &&
   chmod 755 "$last/bin/python" ;;
esac
"""
"""An installer that writes down what it was asked; the environments it makes have a Python that does too."""


@dataclass(frozen=True)
class Workshop:
    """A made-up interpreter, a made-up uv, and the folder where an environment is to be."""

    folder: Path
    identity: Identity
    script: Script

    @property
    def interpreter(self) -> Path:
        """The interpreter that environments are made for."""
        return self.folder / "python3"

    @property
    def place(self) -> Path:
        """Where the environment is to be."""
        return self.folder / "environments" / "one"

    @property
    def installer(self) -> Installer:
        """The made-up uv."""
        return Installer(str(self.folder / "uv"), self.folder / "cache", Path("/tool/python"))

    def uv(self, *, make: str = "", install: str = "exit 0", pip: str = "exit 0") -> None:
        """Say what the made-up uv, and the Python in what it makes, shall do."""
        self.script("uv", FAKE_UV % {"make": make, "install": install, "pip": pip})

    def prepare(
        self,
        *requirements: str,
        find_links: Path | None = None,
        build: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> ClientVenv:
        """Prepare the environment."""
        return prepare(
            VenvRequest(self.interpreter, self.identity, requirements, self.place),
            replace(self.installer, find_links=find_links, build=build),
            {
                "PATH": os.environ["PATH"],
                "UV_LOG": str(self.log),
                "PIP_CONFIG_FILE": os.devnull,
                **(variables or {}),
            },
        )

    @property
    def log(self) -> Path:
        """What was started, one line each."""
        return self.folder / "log"

    def done(self) -> list[str]:
        """Return what was started since this was last asked."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def workshop(tmp_path: Path, script: Script, facts: dict[str, Any]) -> Workshop:
    """Return a workshop whose interpreter is modern and whose uv succeeds."""
    shop = Workshop(tmp_path, parse_identity(facts), script)
    script("python3", ":")
    shop.uv()
    return shop


@pytest.fixture
def old(workshop: Workshop) -> Workshop:
    """Return the same with an interpreter too old for uv."""
    return replace(workshop, identity=replace(workshop.identity, version="2.7.18"))


def test_an_environment_is_made_and_filled(workshop: Workshop) -> None:
    """A first preparation makes the environment for this very interpreter and installs into it."""
    assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)
    made, filled = workshop.done()
    assert made.startswith("uv venv ")
    assert made.endswith(f" --python {workshop.interpreter} {workshop.place}")
    assert filled.startswith("uv pip install ")
    assert f" --python {workshop.place / PYTHON} --only-binary :all: " in filled
    assert filled.endswith(" botocore")


def test_an_unchanged_environment_is_reused(workshop: Workshop) -> None:
    """A second preparation for the same interpreter and requirements starts nothing."""
    first = workshop.prepare("botocore")
    workshop.done()
    assert workshop.prepare("botocore") == first
    assert workshop.done() == []


def test_nothing_is_installed_where_nothing_is_required(workshop: Workshop) -> None:
    """Without requirements no installer is asked, and the environment is reused all the same."""
    workshop.prepare()
    assert [line.split()[1] for line in workshop.done()] == ["venv"]
    workshop.prepare()
    assert workshop.done() == []


def _rewrite_interpreter(workshop: Workshop) -> None:
    workshop.interpreter.write_text("#!/bin/sh\n# rebuilt\n")


def _touch_interpreter(workshop: Workshop) -> None:
    os.utime(workshop.interpreter, ns=(0, 1))


def _lose_python(workshop: Workshop) -> None:
    (workshop.place / PYTHON).unlink()


def _lose_base(workshop: Workshop) -> None:
    (workshop.place / PYTHON).unlink()
    (workshop.place / PYTHON).symlink_to("/nowhere/python3")


def _lose_stamp(workshop: Workshop) -> None:
    (workshop.place / STAMP).unlink()


def _break_stamp(workshop: Workshop) -> None:
    (workshop.place / STAMP).write_text('{"interpreter": ')


def _empty_stamp(workshop: Workshop) -> None:
    (workshop.place / STAMP).write_text("{}")


@pytest.mark.parametrize(
    "change",
    [
        _rewrite_interpreter,
        _touch_interpreter,
        _lose_python,
        _lose_base,
        _lose_stamp,
        _break_stamp,
        _empty_stamp,
    ],
)
def test_a_changed_environment_is_rebuilt(workshop: Workshop, change: Callable[[Workshop], None]) -> None:
    """When the interpreter changed, or the environment is not whole, all of it is made again."""
    workshop.prepare("botocore")
    stray = workshop.place / "lib" / "left over"
    stray.parent.mkdir()
    stray.touch()
    workshop.done()
    change(workshop)
    assert not is_made(workshop.interpreter, ["botocore"], workshop.place)
    assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)
    assert len(workshop.done()) == 2
    assert not stray.exists()
    assert is_made(workshop.interpreter, ["botocore"], workshop.place)


@pytest.mark.parametrize("requirements", [(), ("botocore==1.34.0",), ("awscrt", "botocore")])
def test_other_requirements_rebuild(workshop: Workshop, requirements: tuple[str, ...]) -> None:
    """When other requirements are asked for, the environment is made again with these."""
    workshop.prepare("botocore")
    workshop.done()
    workshop.prepare(*requirements)
    assert workshop.done()[0].startswith("uv venv ")
    assert is_made(workshop.interpreter, requirements, workshop.place)
    assert not is_made(workshop.interpreter, ["botocore"], workshop.place)


def test_another_folder_of_wheels_rebuilds(workshop: Workshop) -> None:
    """When the wheels come from somewhere else, the environment is made again."""
    workshop.prepare("botocore")
    workshop.prepare("botocore", find_links=Path("/wheels"))
    assert is_made(workshop.interpreter, ["botocore"], workshop.place, Path("/wheels"))
    assert not is_made(workshop.interpreter, ["botocore"], workshop.place)


def test_an_environment_is_for_one_interpreter(workshop: Workshop) -> None:
    """An environment that was made for another interpreter does not count."""
    workshop.prepare()
    other = workshop.script("python4", ":")
    assert is_made(workshop.interpreter, [], workshop.place)
    assert not is_made(other, [], workshop.place)


def test_an_interpreter_that_is_gone_has_no_environment(workshop: Workshop) -> None:
    """An environment whose interpreter's file is gone does not count as made."""
    workshop.prepare()
    workshop.interpreter.unlink()
    assert not is_made(workshop.interpreter, [], workshop.place)


@pytest.mark.parametrize("shop", ["workshop", "old"])
def test_a_folder_of_wheels_means_no_index(shop: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With a folder of wheels, whatever is installed comes from it and from no index."""
    workshop: Workshop = request.getfixturevalue(shop)
    workshop.prepare("botocore", find_links=tmp_path / "wheels")
    asks = [line for line in workshop.done() if " venv " not in line]
    assert asks
    assert all(f"--no-index --find-links {tmp_path / 'wheels'}" in line for line in asks)


def test_without_a_folder_of_wheels_the_index_is_asked(workshop: Workshop) -> None:
    """Without a folder of wheels, no option keeps the installer from its index."""
    workshop.prepare("botocore")
    assert not any("--no-index" in line or "--find-links" in line for line in workshop.done())


def test_an_old_interpreter_gets_an_old_virtualenv(old: Workshop) -> None:
    """An interpreter that uv refuses gets its environment from the last virtualenv that knew it, and pip."""
    assert old.prepare("botocore") == ClientVenv(old.place / PYTHON)
    made, filled = old.done()
    assert made.startswith("uv tool run ")
    assert f" --python /tool/python --from {OLD_VIRTUALENV} virtualenv " in made
    assert made.endswith(f" --python {old.interpreter} {old.place}")
    assert filled.startswith("python -m pip install ")
    assert filled.endswith(" botocore")


@pytest.mark.parametrize(
    ("version", "by_uv"),
    [("2.7.18", False), ("3.5.10", False), ("3.6.15", True), ("3.10.13", True), ("4.0", True)],
)
def test_versions_are_compared_as_numbers(workshop: Workshop, version: str, *, by_uv: bool) -> None:
    """Which tool makes the environment follows from the version's numbers, so 3.10 is newer than 3.6."""
    replace(workshop, identity=replace(workshop.identity, version=version)).prepare()
    assert workshop.done()[0].startswith("uv venv ") is by_uv


@pytest.mark.parametrize("shop", ["workshop", "old"])
def test_a_failed_installation_leaves_what_can_be_measured(shop: str, request: pytest.FixtureRequest) -> None:
    """When requirements cannot be installed, there is an environment and the installer's reason."""
    workshop: Workshop = request.getfixturevalue(shop)
    fails = "echo ERROR: no such thing >&2; exit 1"
    workshop.uv(install=fails, pip=fails)
    made = workshop.prepare("botocore", "awscrt")
    assert _python(made).exists()
    assert made.unavailable == (
        "botocore awscrt could not be installed: ERROR: no such thing"
        " (of wheels alone: --build also builds from source)"
    )


def test_a_folder_of_wheels_is_used_as_it_is(workshop: Workshop, tmp_path: Path) -> None:
    """With --find-links nothing is built, and no wheel that is there is refused."""
    workshop.prepare("botocore", find_links=tmp_path)
    (filled,) = [line for line in workshop.done() if " install " in line]
    assert "--only-binary :all:" in filled
    assert "--no-binary" not in filled


@pytest.mark.parametrize("shop", ["workshop", "old"])
@pytest.mark.parametrize("build", [True, False])
def test_only_wheels_are_installed_unless_building_was_asked_for(
    shop: str, request: pytest.FixtureRequest, *, build: bool
) -> None:
    """Without --build no installer may build from source, and a failure then says how to allow it."""
    workshop: Workshop = request.getfixturevalue(shop)
    workshop.prepare("botocore", build=build)
    (filled,) = [line for line in workshop.done() if " install " in line]
    assert ("--only-binary :all:" in filled) is not build
    assert all((f"--no-binary {name}" in filled) is not build for name in WITHOUT_WHEELS)
    fails = "echo ERROR: no such thing >&2; exit 1"
    workshop.uv(install=fails, pip=fails)
    assert ("--build" in workshop.prepare("other", build=build).unavailable) is not build


def _a_day_passes(workshop: Workshop) -> dict[str, Any]:
    note = json.loads((workshop.place / FAILURE).read_text())
    (workshop.place / FAILURE).write_text(json.dumps({**note, "at": time.time() - room.REMEMBERED - 1}))
    return {}


def _the_clock_is_set_back(workshop: Workshop) -> dict[str, Any]:
    note = json.loads((workshop.place / FAILURE).read_text())
    (workshop.place / FAILURE).write_text(json.dumps({**note, "at": time.time() + 3600}))
    return {}


def _the_note_is_broken(workshop: Workshop) -> dict[str, Any]:
    (workshop.place / FAILURE).write_text('{"attempt": 1}')
    return {}


def _another_build_of_the_interpreter(workshop: Workshop) -> dict[str, Any]:
    _rewrite_interpreter(workshop)
    return {}


def _another_index(workshop: Workshop) -> dict[str, Any]:  # noqa: ARG001
    return {"variables": {"UV_DEFAULT_INDEX": "https://elsewhere"}}


def _building(workshop: Workshop) -> dict[str, Any]:  # noqa: ARG001
    return {"build": True}


def _asked_for_anew(workshop: Workshop) -> dict[str, Any]:
    forget(workshop.place)
    return {}


CHANGES: list[Callable[[Workshop], dict[str, Any]]] = [
    _a_day_passes,
    _the_clock_is_set_back,
    _the_note_is_broken,
    _another_build_of_the_interpreter,
    _another_index,
    _building,
    _asked_for_anew,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_failed_installation_is_remembered_until_something_changed(
    workshop: Workshop, change: Callable[[Workshop], dict[str, Any]]
) -> None:
    """For a day the same is not tried again and the reason has its time; then, or otherwise, it is."""
    workshop.uv(install="echo ERROR: no such thing; exit 1")
    first = workshop.prepare("botocore").unavailable
    assert not is_made(workshop.interpreter, ["botocore"], workshop.place)
    workshop.uv()
    workshop.done()
    again = workshop.prepare("botocore")
    assert workshop.done() == []
    assert again.python == workshop.place / PYTHON
    today = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
    assert re.fullmatch(
        re.escape(first) + rf" \(tried at {today} \d\d:\d\d UTC; --fresh tries again\)", again.unavailable
    )
    assert workshop.prepare("botocore", **change(workshop)) == ClientVenv(workshop.place / PYTHON)


@pytest.mark.parametrize(
    "said",
    [
        "error: Failed to fetch: `https://index/botocore/`",
        "dns error",
        "ERROR: Connection broken",
        "request timed out",
        "No space left on device (os error 28)",
    ],
)
def test_what_may_be_over_in_a_minute_is_not_remembered(workshop: Workshop, said: str) -> None:
    """A network that is down says nothing of the requirement, so that the next run tries again."""
    workshop.uv(install=f"echo '{said}'; exit 1")
    assert said.removeprefix("error: ") in workshop.prepare("botocore").unavailable
    workshop.uv()
    assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)


def test_an_installer_that_is_killed_is_a_reason_and_tried_again(workshop: Workshop) -> None:
    """Where the system kills an installer, the reason names the signal, and the next run tries again."""
    workshop.uv(install="kill -KILL $$")
    made = workshop.prepare("botocore")
    assert made.unavailable.startswith("botocore could not be installed: uv died of SIGKILL")
    workshop.uv()
    assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)


def test_a_name_is_no_network_trouble(workshop: Workshop) -> None:
    """What a distribution is called is not taken for a word about the network."""
    workshop.uv(install="echo ERROR: No matching distribution found for pyopenssl async-timeout; exit 1")
    assert workshop.prepare("pyopenssl", "async-timeout").unavailable
    workshop.done()
    assert "tried at" in workshop.prepare("pyopenssl", "async-timeout").unavailable
    assert workshop.done() == []


def test_two_runs_at_once_make_an_environment_once(workshop: Workshop) -> None:
    """Of two that need the same environment at once, one makes it and the other waits and takes it."""
    workshop.uv(make="sleep 0.3;")
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(workshop.prepare, "botocore") for _ in range(2)]
        assert [one.result() for one in made] == [ClientVenv(workshop.place / PYTHON)] * 2
    assert [line.split()[1] for line in workshop.done()] == ["venv", "pip"]


def test_what_another_run_uses_is_not_removed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in use is neither removed nor made again; who waited too long has a reason."""
    monkeypatch.setattr(room, "locked", partial(locked, limit=0.2))
    workshop.prepare("botocore")
    with locked(workshop.place, shared=True):
        assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)
        with pytest.raises(NoEnvironmentError, match=re.escape(str(workshop.place))):
            forget(workshop.place)
        other = workshop.prepare("other")
        assert other.python is None
        assert str(workshop.place) in other.unavailable
        assert is_made(workshop.interpreter, ["botocore"], workshop.place)
    forget(workshop.place)
    assert not workshop.place.exists()


def test_uv_heeds_no_settings_of_folders_above(workshop: Workshop) -> None:
    """What installs clients is started where no folder above can hold another user's uv.toml."""
    workshop.uv(install='pwd >>"$UV_LOG"')
    workshop.prepare("botocore")
    assert workshop.done()[-1] == "/"


def _copies(workshop: Workshop, *, found: str = "") -> list[Path]:
    """Say that environments have a folder of packages, with what is `found` there, and give two of them."""
    make = f'site="$last/lib/python3.12/site-packages"; mkdir -p "$site" && {found or ":"}'
    workshop.uv(make=make, install='mkdir -p "$last" && echo "$*" >"$last/botocore.py"')
    return [workshop.folder / name for name in ("one", "other")]


def _prepare_copies(
    workshop: Workshop, places: Iterable[Path], alike: str = "a", **changes: Any
) -> list[Path]:
    """Prepare environments of copies; return the real folders of their packages."""
    env = {"PATH": os.environ["PATH"], "UV_LOG": str(workshop.log), "PIP_CONFIG_FILE": os.devnull}
    for place in places:
        request = VenvRequest(workshop.interpreter, workshop.identity, ("botocore",), place, alike=alike)
        made = prepare(request, replace(workshop.installer, **changes), env)
        assert made == ClientVenv(place / PYTHON)
    return [folder.resolve() for place in places for folder in packages_of(place)]


def _installed(workshop: Workshop) -> int:
    """Return how often something was installed since this was last asked."""
    return sum(line.startswith("uv pip install ") for line in workshop.done())


def test_copies_of_an_interpreter_have_the_same_packages(workshop: Workshop) -> None:
    """They are installed once, wherever each has its environment, and installed again once they are gone."""
    places = _copies(workshop)
    one, other = _prepare_copies(workshop, places)
    assert one == other
    assert (one / "botocore.py").exists()
    assert _installed(workshop) == 1
    assert _prepare_copies(workshop, places) == [one, one]
    assert workshop.done() == []
    shutil.rmtree(one)
    assert _prepare_copies(workshop, places) == [one, one]
    assert _installed(workshop) == 1


def test_a_copy_of_the_cache_leads_to_packages_of_its_own(workshop: Workshop) -> None:
    """Whoever copies or moves a cache has all in it, and depends on no file of the other."""
    cache = workshop.installer.cache
    place = cache / "environments" / "one" / "botocore"
    _copies(workshop)
    (packages,) = _prepare_copies(workshop, [place])
    moved = shutil.copytree(cache, workshop.folder / "moved", symlinks=True)
    (found,) = packages_of(moved / place.relative_to(cache))
    assert found.resolve() == (moved / packages.relative_to(cache.resolve())).resolve()


def test_copies_that_are_prepared_at_once_share_too(workshop: Workshop) -> None:
    """Whoever comes second waits for what the first installs."""
    places, installer = _copies(workshop), workshop.installer
    with ThreadPoolExecutor(2) as pool:
        share = partial(_prepare_copies, workshop, installing=installer.installing)
        (one,), (other,) = pool.map(share, ([place] for place in places))
    assert one == other
    assert _installed(workshop) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"alike": "b"}, id="another interpreter"),
        pytest.param({"build": True}, id="what is installed otherwise"),
        pytest.param({"anew": True}, id="whoever asks for it anew"),
        pytest.param({"later": 24 * 3600}, id="another day"),
    ],
)
def test_others_packages_are_not_used(
    workshop: Workshop, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment of another interpreter, or of another day, has packages of its own."""
    later, now = change.pop("later", 0), time.time()
    (one,) = _prepare_copies(workshop, _copies(workshop)[:1])
    monkeypatch.setattr(time, "time", lambda: now + later)
    (other,) = _prepare_copies(workshop, _copies(workshop)[1:], **change)
    assert one != other
    assert _installed(workshop) == 2


def test_an_environment_that_has_something_keeps_it(workshop: Workshop) -> None:
    """Before Python 3.10 uv puts a module of its own there: what is installed goes beside it."""
    place, _ = _copies(workshop, found='touch "$site/_virtualenv.py"')
    (packages,) = _prepare_copies(workshop, [place])
    assert packages.parents[2] == place
    assert (packages / "_virtualenv.py").exists()


def test_an_interrupted_installation_is_not_reused(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment whose preparation was interrupted does not count as made."""

    def interrupted(
        command: list[str], environment: Mapping[str, str], limit: float, folder: Path | None = None
    ) -> tuple[int, str]:
        if "install" in command:
            raise KeyboardInterrupt
        return run(command, environment, limit, folder)

    monkeypatch.setattr(room, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workshop.prepare("botocore")
    assert (workshop.place / PYTHON).exists()
    assert not is_made(workshop.interpreter, ["botocore"], workshop.place)


@pytest.mark.parametrize("shop", ["workshop", "old"])
def test_no_environment_gives_a_reason(shop: str, request: pytest.FixtureRequest) -> None:
    """When the environment itself cannot be made, the reason names the interpreter and quotes the tool."""
    workshop: Workshop = request.getfixturevalue(shop)
    workshop.uv(make="echo error: that is no Python >&2; exit 2;")
    made = workshop.prepare("botocore")
    by_venv = "; and by its own venv: it made nothing" if shop == "workshop" else ""
    assert made.python is None
    assert made.unavailable == (
        f"no environment could be made for {workshop.interpreter}: error: that is no Python{by_venv}"
    )
    assert len(workshop.done()) == 1


OWN_VENV = r"""
echo "own $*" >>"$UV_LOG"
for last; do :; done
mkdir -p "$last/bin" && printf '#!/bin/sh\necho "python $*" >>"$UV_LOG"\n' >"$last/bin/python" &&
chmod 755 "$last/bin/python"
"""
"""A Python whose venv module writes down what it was asked, as does the Python of what it makes."""


@pytest.mark.parametrize("install", ["exit 0", "exit 2"])
def test_what_uv_refuses_gets_an_environment_of_its_own_venv(workshop: Workshop, install: str) -> None:
    """Where uv makes no environment Python's own venv does, and pip installs where uv does not either."""
    workshop.script("python3", OWN_VENV)
    workshop.uv(make="echo error: invalid response >&2; exit 2;", install=install)
    assert workshop.prepare("botocore") == ClientVenv(workshop.place / PYTHON)
    asked = [" ".join(line.split()[:4]) for line in workshop.done()]
    own = ["own -m venv --without-pip", "uv pip install --quiet"]
    by_pip = ["python -m ensurepip", "python -m pip install"]
    assert [line for line in asked if not line.startswith("uv venv")] == own + by_pip * (install == "exit 2")


def test_what_uv_made_is_not_filled_by_pip(workshop: Workshop) -> None:
    """Where uv made the environment, what it cannot install is not asked of pip too."""
    workshop.uv(install="echo error: no such thing >&2; exit 1")
    assert "no such thing" in workshop.prepare("botocore").unavailable
    assert [line.split()[0] for line in workshop.done()] == ["uv", "uv"]


def test_a_missing_uv_is_a_reason(workshop: Workshop) -> None:
    """Without uv the reason says that it cannot be run, and why."""
    uv = workshop.installer.uv
    Path(uv).unlink()
    made = workshop.prepare()
    assert made.python is None
    assert f"{uv} cannot be run: No such file or directory" in made.unavailable


def test_an_installer_that_hangs_is_a_reason(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installer that takes too long is ended, and the reason says so."""
    monkeypatch.setattr(room, "STEP_LIMIT", 0.3)
    workshop.uv(install="sleep 60")
    began = time.monotonic()
    assert workshop.prepare("botocore").unavailable == (
        "botocore could not be installed: uv did not finish within 0.3 s"
        " (of wheels alone: --build also builds from source)"
    )
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "PIP_USER"]
)
def test_installers_do_not_see_another_python(workshop: Workshop, name: str) -> None:
    """A variable that would lead an installer to another Python is dropped."""
    workshop.uv(make=f'echo "<${name}>" >>"$UV_LOG"')
    workshop.prepare(variables={name: "elsewhere"})
    assert workshop.done()[1] == "<>"


def test_installers_see_neither_credentials_nor_the_home(workshop: Workshop, tmp_path: Path) -> None:
    """What an installer runs gets no secret of the caller's; caches and settings are found all the same."""
    home = tmp_path / "user"
    (home / ".pip").mkdir(parents=True)
    for name in (".netrc", ".pip/pip.conf"):
        (home / name).touch()
    workshop.uv(make='env >>"$UV_LOG"')
    secrets = dict.fromkeys(["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "ANYTHING"], "SENTINEL")
    workshop.prepare(variables={**secrets, "HOME": str(home), "PIP_CONFIG_FILE": str(home / ".pip/pip.conf")})
    seen = workshop.done()
    assert "SENTINEL" not in "".join(seen)
    assert f"HOME={workshop.installer.cache / 'home'}" in seen
    assert f"XDG_CACHE_HOME={home / '.cache'}" in seen
    assert f"NETRC={home / '.netrc'}" in seen
    assert f"PIP_CONFIG_FILE={home / '.pip/pip.conf'}" in seen


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "SSL_CERT_FILE", "UV_INDEX_URL", "PIP_INDEX_URL", "NETRC"])
def test_installers_reach_the_network_as_the_user_does(workshop: Workshop, name: str) -> None:
    """A variable that says how to reach an index is kept."""
    workshop.uv(make=f'echo "<${name}>" >>"$UV_LOG"')
    workshop.prepare(variables={name: "kept"})
    assert workshop.done()[1] == "<kept>"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            """
  × No solution found when resolving dependencies:
  ╰─▶ Because botocore was not found in the provided package locations
      and you require botocore, nothing will do.

      hint: packages were unavailable
""",
            (
                "No solution found when resolving dependencies: Because botocore was not found in "
                "the provided package locations and you require botocore, nothing will do."
            ),
        ),
        (
            """
DEPRECATION: Python 2.7 reached the end of its life
WARNING: Retrying after connection broken
  Could not find a version
ERROR: No matching distribution found for botocore
""",
            "ERROR: No matching distribution found for botocore",
        ),
        (
            """\
    ERROR: Command errored out with exit status 1:
     command: /venv/bin/python -c 'import sys'
    Complete output (2 lines):
    Traceback (most recent call last):
    RuntimeError: aiothing doesn't support Python earlier than 3.5.3
    ----------------------------------------
ERROR: Command errored out with exit status 1: python setup.py egg_info
""",
            (
                "ERROR: Command errored out with exit status 1:"
                " RuntimeError: aiothing doesn't support Python earlier than 3.5.3"
                " ERROR: Command errored out with exit status 1: python setup.py egg_info"
            ),
        ),
        ("", "it ended without a word"),
        ("WARNING: nothing else\n", "it ended without a word"),
        ("\n\n  ×  \n", "it ended without a word"),
    ],
)
def test_last_words_are_the_error(said: str, words: str) -> None:
    """Of an installer's output the error remains, without its drawing, warnings and hints."""
    assert room._last_words(said) == words


def test_installers_run_where_any_path_can_be_read(workshop: Workshop) -> None:
    """In the locale C, which cron leaves, installers get one that takes every path."""
    workshop.uv(make='echo "<$LC_ALL>" >>"$UV_LOG"')
    workshop.prepare(variables={"LC_ALL": "C", "LANG": "C"})
    assert workshop.done()[1] == f"<{room.UTF8_LOCALE}>"
    assert room.UTF8_LOCALE.endswith(".UTF-8")


@pytest.mark.e2e
def test_python_27_installs_below_a_folder_with_an_umlaut(
    python27: Path, real_uv: str, callers_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Where the path has letters that its pip cannot read, Python 2.7 gets its environment all the same."""
    if not room.WORKING_FOLDER.is_dir():
        pytest.skip("there is no /proc/self/cwd, by which such a folder has another name: Linux has it")
    identity = identify(python27, sanitized_environment(os.environ, tmp_path))
    installer = Installer(real_uv, tmp_path / "cache", Path(sys.executable))
    place = tmp_path / "prüf" / "environment"
    made = prepare(VenvRequest(python27, identity, ("six",), place), installer, callers_environment)
    assert made.unavailable == ""
    assert subprocess.run([_python(made), "-c", "import six"], check=False).returncode == 0


@given(st.text())
def test_last_words_fit_in_a_table(said: str) -> None:
    """Whatever an installer prints, its last words are one line of bounded length, and never empty."""
    words = room._last_words(said)
    assert 0 < len(words) <= 400
    assert len(words.splitlines()) == 1


@pytest.fixture(scope="session")
def real_uv() -> str:
    """Return the uv that is installed beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv is None:
        pytest.skip("no uv was found: `python -m pip install uv` enables this")
    return uv


@pytest.fixture
def offline(real_uv: str, tmp_path: Path) -> Installer:
    """Return the real installer with an empty folder of wheels, so that no network is asked."""
    (tmp_path / "wheels").mkdir()
    return Installer(real_uv, tmp_path / "cache", Path(sys.executable), tmp_path / "wheels")


def _python(made: ClientVenv) -> Path:
    """Return an environment's interpreter, which has to be there."""
    assert made.python
    return made.python


def _modern(pythons: tuple[Candidate, ...], home: Path) -> tuple[Path, Identity]:
    for one in reversed(pythons):
        identity = identify(one.path, sanitized_environment(os.environ, home))
        if version_of(identity.version).release >= (3, 9):
            return one.path, identity
    pytest.skip(
        "no Python 3.9 or later was found on this machine: one in /usr/bin or under pyenv enables this"
    )


@pytest.mark.e2e
def test_a_real_environment_is_made_reused_and_rebuilt(
    pythons: tuple[Candidate, ...], offline: Installer, tmp_path: Path
) -> None:
    """With the real uv an environment starts its interpreter, is reused, and is rebuilt when broken."""
    path, identity = _modern(pythons, tmp_path)
    place = tmp_path / "environment"
    request = VenvRequest(path, identity, (), place)
    made = prepare(request, offline, os.environ)
    inside = identify(_python(made), sanitized_environment(os.environ, tmp_path))
    assert inside.is_venv
    assert (inside.version, inside.base_prefix) == (identity.version, identity.prefix)
    stamp = (place / STAMP).stat().st_mtime_ns
    assert prepare(request, offline, os.environ) == made
    assert (place / STAMP).stat().st_mtime_ns == stamp
    _python(made).unlink()
    assert prepare(request, offline, os.environ) == made
    assert (place / STAMP).stat().st_mtime_ns != stamp
    assert identify(_python(made), sanitized_environment(os.environ, tmp_path)).version == identity.version


def _a_wheel(wheels: Path) -> Path:
    """Return a folder with a wheel of a module called tiny."""
    wheels.mkdir()
    facts = {"METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n", "RECORD": ""}
    facts["WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheels / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        for name, text in facts.items():
            wheel.writestr(f"tiny-1.0.dist-info/{name}", text)
    return wheels


@pytest.mark.e2e
def test_real_copies_import_the_same_packages(
    pythons: tuple[Candidate, ...], real_uv: str, tmp_path: Path
) -> None:
    """Each environment of the real uv imports them, by its own name for them."""
    path, identity = _modern(pythons, tmp_path)
    installer = Installer(real_uv, tmp_path / "cache", Path(sys.executable), _a_wheel(tmp_path / "wheels"))
    for name in ("one", "other"):
        request = VenvRequest(path, identity, ("tiny",), tmp_path / name, alike="a")
        python = _python(prepare(request, installer, os.environ))
        command: list[str | Path] = [python, "-c", "import tiny; print(tiny.__file__)"]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert found.startswith(f"{tmp_path / name}/lib/")
        old = version_of(identity.version).release < (3, 10)
        assert (tmp_path / name in Path(found).resolve().parents) is old


@pytest.mark.e2e
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_real_interpreter_that_prints_gets_an_environment(
    pythons: tuple[Candidate, ...], real_uv: str, tmp_path: Path, *, everywhere: bool
) -> None:
    """An interpreter whose start-up code prints, in its environments too or not, is one to install into."""
    path, _ = _modern(tuple(one for one in pythons if one.source == "pyenv"), tmp_path)
    made = installation(path, tmp_path / "made")
    folder = site_packages(made).parent if everywhere else site_packages(made)
    (folder / "sitecustomize.py").write_text("print('tracing enabled')\n")
    installer = Installer(real_uv, tmp_path / "cache", Path(sys.executable), _a_wheel(tmp_path / "wheels"))
    identity = identify(made, sanitized_environment(os.environ, tmp_path))
    request = VenvRequest(made, identity, ("tiny",), tmp_path / "environment")
    done = prepare(request, installer, os.environ)
    assert done.unavailable == ""
    assert identify(_python(done), sanitized_environment(os.environ, tmp_path)).is_venv
    assert subprocess.run([_python(done), "-c", "import tiny"], check=False).returncode == 0


@pytest.mark.e2e
def test_without_a_wheel_the_standard_library_can_be_measured(
    pythons: tuple[Candidate, ...], offline: Installer, tmp_path: Path
) -> None:
    """When the real uv finds no wheel, the reason names what is missing and ssl can still be imported."""
    path, identity = _modern(pythons, tmp_path)
    request = VenvRequest(path, identity, ("botocore",), tmp_path / "environment")
    made = prepare(request, offline, os.environ)
    assert made.unavailable.startswith("botocore could not be installed: ")
    assert "botocore was not found" in made.unavailable
    assert subprocess.run([_python(made), "-c", "import ssl"], check=False).returncode == 0


@pytest.mark.e2e
def test_without_a_wheel_an_old_interpreter_gets_a_reason(
    python27: Path, offline: Installer, tmp_path: Path
) -> None:
    """When the old virtualenv cannot be had, Python 2.7 has no environment and the reason names it."""
    identity = identify(python27, sanitized_environment(os.environ, tmp_path))
    made = prepare(VenvRequest(python27, identity, (), tmp_path / "environment"), offline, os.environ)
    assert made.python is None
    assert "virtualenv" in made.unavailable


@pytest.mark.e2e
def test_python_27_gets_an_environment(
    python27: Path, real_uv: str, callers_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """With an index to ask, Python 2.7 gets an environment that starts it."""
    identity = identify(python27, sanitized_environment(os.environ, tmp_path))
    installer = Installer(real_uv, tmp_path / "cache", Path(sys.executable))
    request = VenvRequest(python27, identity, (), tmp_path / "environment")
    made = prepare(request, installer, callers_environment)
    assert identify(_python(made), sanitized_environment(os.environ, tmp_path)).version == identity.version
