"""Kinds of places, for real: a pod by kubectl, root file systems, an image and a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import ClientKey
from interpreters.deployed.visit import visit
from interpreters.places import ways_to
from runs.probe import ProbeTask
from servers.catalogue import Catalogue, read_catalogue
from servers.conditions import Condition
from servers.protocols import Protocol
from tests.end_to_end.test_places import FLOOR, campaign
from tests.support.cluster import DIGEST, cluster
from tests.support.measuring import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from interpreters.deployed.visit import VisitedPlace
    from reports.verdicts.judge import Judgement

pytestmark = pytest.mark.e2e

costly = pytest.mark.skipif(
    not os.environ.get("TLS_FLOOR_PLACES"),
    reason="TLS_FLOOR_PLACES=1 enables this, which loads 150 MB",
)

CLIENTS = tuple(map(ClientKey, ("ssl", "urllib3", "requests", "botocore", "awscrt")))
PACKAGES = "base-files,coreutils,dash,python3,python3-botocore,python3-requests,python3-awscrt,openssl"


def needs(command: str, package: str) -> None:
    """Skip the test where there is no such command."""
    if shutil.which(command) is None:
        pytest.skip(f"there is no {command} here: `apt-get install {package}` enables this")


def judged(folder: Path, place: VisitedPlace) -> Mapping[ClientKey, Judgement]:
    """Measure the system's Python of a place; return what each client comes to."""
    python = next(each.path for each in place.candidates if each.source == "system")
    whole = read_catalogue()
    few = Catalogue(tuple(whole[name] for name in FEW), whole.sha256)
    (found,) = campaign(folder, few, [ProbeTask("it", python, {}, CLIENTS, place=place.place)])
    cells = found.interpreters["it"].judged
    return {client: cells.judgement(client, Condition.AMBIENT, FLOOR) for client in CLIENTS}


def test_a_pod_is_measured_by_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real kubectl leads to a Python behind an API server, and says which image the pod has."""
    needs("kubectl", "kubernetes-client")
    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path))
    with cluster(tmp_path) as configuration:
        monkeypatch.setenv("KUBECONFIG", str(configuration))
        place = visit(ways_to("pod:shop/web/app"))
        assert place.identity == DIGEST
        found = judged(tmp_path, place)
    assert found[ClientKey("ssl")].lowest in (Protocol.TLSV1, Protocol.TLSV1_1, Protocol.TLSV1_2)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what makes the root file system of a suite of Debian, once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        needs("mmdebstrap", "mmdebstrap")
        if name not in made:
            folder = tmp_path_factory.mktemp("suites") / name
            words = ("mmdebstrap", "--variant=extract", f"--include={PACKAGES}", name, folder)
            subprocess.run(words, check=True, capture_output=True, timeout=600)
            for inside in ("proc", "dev", "tmp"):
                (folder / inside).mkdir(exist_ok=True)
            # What the packages' own scripts would make, which are not run.
            (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
            roots = sorted((folder / "usr/share/ca-certificates/mozilla").glob("*.crt"))
            bundle = folder / "etc/ssl/certs/ca-certificates.crt"
            bundle.write_bytes(b"".join(each.read_bytes() for each in roots))
            made[name] = folder
        return made[name]

    return make


@costly
@pytest.mark.parametrize(("name", "lowest"), [("bookworm", Protocol.TLSV1), ("trixie", Protocol.TLSV1_2)])
def test_two_suites_have_known_answers(
    tmp_path: Path, suite: Callable[[str], Path], name: str, lowest: Protocol
) -> None:
    """Bookworm's clients go down to TLS 1.0, trixie's hold TLS 1.2; the AWS CRT does so in neither."""
    place = visit(ways_to(f"rootfs:{suite(name)}"))
    assert f"({name})" in place.distribution
    found = judged(tmp_path, place)
    known = dict.fromkeys(CLIENTS, lowest) | {ClientKey("awscrt"): Protocol.TLSV1}
    assert {client: one.lowest for client, one in found.items()} == known, found


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path has fewer than 50 characters: podman removes no container below a longer one."""
    with tempfile.TemporaryDirectory(prefix="floor-", dir="/tmp") as folder:
        yield Path(folder)


@costly
def test_an_image_and_its_container_are_what_their_files_are(
    tmp_path: Path, suite: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, short_folder: Path
) -> None:
    """A suite is measured as an image and as a container that runs, and both have the image's digest."""
    needs("podman", "podman")
    settings = tmp_path / "containers.conf"
    settings.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
    )
    storage = tmp_path / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{short_folder}"\n'
    )
    monkeypatch.setenv("CONTAINERS_CONF", str(settings))
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))

    def podman(*words: str | Path) -> None:
        subprocess.run(("podman", *words), check=True, capture_output=True, timeout=600)

    archive = tmp_path / "suite.tar"
    subprocess.run(("tar", "-C", suite("bookworm"), "-cf", archive, "."), check=True, timeout=600)
    podman("import", archive, "suite:1")
    podman("run", "--detach", "--network=none", "--name=it", "suite:1", "sleep", "600")
    try:
        image, container = visit(ways_to("image:suite:1")), visit(ways_to("container:it"))
        assert image.identity == container.identity != ""
        for number, place in enumerate((image, container)):
            (folder := tmp_path / str(number)).mkdir()
            found = judged(folder, place)
            assert {one.lowest for one in found.values()} == {Protocol.TLSV1}, found
    finally:
        podman("rm", "--force", "--time=0", "it")
        podman("rmi", "suite:1")
