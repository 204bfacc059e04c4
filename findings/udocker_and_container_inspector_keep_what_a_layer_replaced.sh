#!/usr/bin/env bash
# udocker 1.3.17 and container-inspector 33.1.0: where a layer puts a file or a symbolic link in the place of a directory, they keep the
# directory, with all that was in it.
#
# "RUN rm -rf /srv && ln -s opt /srv" gives a layer in which "srv" is a link, and no whiteout. Who applies it has to remove what stands
# there if one of the two is no directory (OCI image specification, layer.md, on applying changesets).
# Expected: /srv is a link to opt, and /opt/app is a file, as podman 4.3.1 has them (seen by hand, not run here).
# Seen 2026-11-29, with an image in which the first layer has srv/old and opt/app/old:
#                                 link in the place of srv      file in the place of opt/app
#   udocker create                srv/old, no link              opt/app/old, no file; exit code 0, and the container's name on standard
#                                                               output; on standard error "while extracting image layer", no path
#   container-inspector           srv/old (and never a link)    opt/app/old and opt/app/app, the new file inside the old directory
# Control, a new file and a new link where nothing was: udocker makes both, container-inspector the file.
# container-inspector is run by rebuild_rootfs(skip_symlinks=False); all the same it makes no symbolic link, as squash() does not.
# No report of this was found; NERSC's shifter mended the same in 2016 (NERSC/shifter#51).
# Matters for: containers that run the old library or configuration, and inventories of files that are not in the image.
# Fails if a release behaves otherwise. Needs Linux, GNU tar, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check udocker==1.3.17 container-inspector==33.1.0
cat > "$work/show.py" <<'PY'
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from container_inspector.image import Image
from container_inspector.rootfs import rebuild_rootfs

folder = Path(sys.argv[1])
# udocker must not fetch the programs with which it would start a container
os.environ |= {"UDOCKER_DIR": str(folder / "udocker"), "UDOCKER_TARBALL": str(folder / "absent"), "HOME": str(folder)}
DIRECTORY = None


def packed(entries):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            elif content is DIRECTORY:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content if isinstance(content, bytes) else b""))
    return data.getvalue()


def write_image(path, name, layers):
    """Write what "docker save" writes: layers, their configuration and a manifest."""
    blobs = {hashlib.sha256(layer).hexdigest(): layer for layer in map(packed, layers)}
    platform = {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z", "config": {"Cmd": ["/bin/sh"]}}
    files, parent = {}, {}
    for digest, layer in blobs.items():
        files |= {digest + "/layer.tar": layer, digest + "/VERSION": b"1.0"}
        files[digest + "/json"] = json.dumps({"id": digest, **parent, **platform}).encode()
        parent = {"parent": digest}
    settings = json.dumps(platform | {"rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in blobs]}}).encode()
    settings_name = hashlib.sha256(settings).hexdigest() + ".json"
    manifest = {"Config": settings_name, "RepoTags": [name + ":latest"], "Layers": [digest + "/layer.tar" for digest in blobs]}
    files |= {settings_name: settings, "manifest.json": json.dumps([manifest]).encode()}
    files["repositories"] = json.dumps({name: {"latest": digest}}).encode()
    path.write_bytes(packed(files))


def tree(root):
    kinds = ((path.relative_to(root), "@" if path.is_symlink() else "/" if path.is_dir() else "") for path in root.rglob("*"))
    return {str(path) + kind for path, kind in kinds if path.parts[0] in ("opt", "srv")}


def udocker(*words):
    command = [str(Path(sys.executable).parent / "udocker"), "--allow-root", *words]
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60)


def by_udocker(image, name):
    udocker("load", "-i", str(image), name)
    done = udocker("create", name + ":latest")
    said = "while extracting image layer" in done.stderr
    return said, tree(folder / "udocker/containers" / done.stdout.split()[-1] / "ROOT")


def by_container_inspector(image):
    extracted, squashed = (tempfile.mkdtemp(dir=folder) for _ in range(2))
    read = Image.get_images_from_tarball(str(image), extracted)[0]
    rebuild_rootfs(read, squashed, skip_symlinks=False)
    return tree(Path(squashed))


BASE = {"opt": DIRECTORY, "opt/app": DIRECTORY, "opt/app/old": b"old", "srv": DIRECTORY, "srv/old": b"old"}
KEPT = {"opt/", "opt/app/", "opt/app/old", "srv/", "srv/old"}
NEW = KEPT | {"opt/new"}
CASES = {
    "new": ({"opt": DIRECTORY, "opt/new": b"new", "opt/link": "new"}, (False, NEW | {"opt/link@"}), NEW),
    "link": ({"srv": "opt"}, (True, KEPT), KEPT),
    "file": ({"opt/app": b"new"}, (True, KEPT), KEPT | {"opt/app/app"}),
}
print("udocker", version("udocker"), "container-inspector", version("container-inspector"))
as_stated = True
for name, (layer, *stated) in CASES.items():
    image = folder / (name + ".tar")
    write_image(image, name, [BASE, layer])
    seen = [by_udocker(image, name), by_container_inspector(image)]
    as_stated &= seen == stated
    print(name.ljust(5), "udocker", seen[0][0], *sorted(seen[0][1]), "| container-inspector", *sorted(seen[1]), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
