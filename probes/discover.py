"""Passenger script: looks for Pythons in the place where it runs, by files alone, and says what the place is.

Its argument is a file of JSON: `interpreters`, `lists` and `environments` are pairs of a source and a pattern of
folders, as in interpreters/locations.toml and interpreters/deployed/found.toml, and `names` is the regular expression
of what an interpreter is called. `programs` are pairs of an id and a command, and `zipapps` patterns of folders. It
prints one marked line of JSON: `interpreters`, `environments` and `programs`, each with its source (of a program its
id), its path and, in `refused`, why root must not start it; an environment with the names of its `pythons`; `zipapps`
with what is read of each; `looked` with a status for each pattern; `python`, which looked; and what the place is.
"""

from __future__ import print_function

import filecmp
import glob
import io
import json
import os
import platform
import pwd
import re
import stat
import sys
import zipfile

MARK = "TLS-FLOOR-FOUND "

MOST = 1000
"""Interpreters, and environments, after which no more are looked for."""

MOST_WAYS = 20
"""Pythons by which one environment may be entered: interpreters/deployed/visit.py."""

TOO_MANY = "%d were found before those in there, and no more are taken" % MOST


def text(name):
    """Return a path as text: Python 2.7 has bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def homes():
    """Return the user's own home and, for root, those of all users."""
    # HOME is a folder of ours. Whom root looks after: interpreters/locations.py.
    others = os.geteuid() == 0
    users = [user for user in pwd.getpwall() if user.pw_uid == os.getuid() or others and (not user.pw_uid or user.pw_uid >= 100)]
    return sorted(set(user.pw_dir for user in users if user.pw_dir.strip("/") and os.path.isdir(user.pw_dir)))


def matching(pattern, users):
    """Return what a pattern names here; None where its variable is not set."""
    head, slash, rest = pattern.partition("/")
    starts = [head]
    if head == "~":
        starts = users
    elif head.startswith("$"):
        starts = [os.environ[head[1:]]] if os.environ.get(head[1:]) else []
    return [found for start in starts for found in sorted(glob.glob(start.rstrip("/") + slash + rest))]


def listed(files):
    """Return the bin of each installation that these files name."""
    found = []
    for path in files:
        try:
            if os.path.isfile(path):
                with io.open(path, encoding="utf-8", errors="replace") as file:
                    lines = file.read(1 << 20).splitlines()
                found += [os.path.join(line.strip(), "bin") for line in lines if line.startswith("/")]
        except (IOError, OSError):
            continue
    return [folder for folder in found if os.path.isdir(folder)]


def in_venv(real):
    """Whether this is an environment's copy of another interpreter: its pyvenv.cfg has a home elsewhere."""
    for folder in (os.path.dirname(real), os.path.dirname(os.path.dirname(real))):
        try:
            with io.open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
                matched = re.search(r"^\s*home\s*=\s*(\S.*?)\s*$", file.read(65536), re.MULTILINE | re.IGNORECASE)
        except (IOError, OSError):
            continue
        if matched and os.path.realpath(matched.group(1)) != os.path.dirname(real):
            return True
    return False


def same_program(path, other):
    """Whether two files of one folder are the same program byte by byte: interpreters/ways.py."""
    if os.path.dirname(path) != os.path.dirname(other):
        return False
    try:
        with open(path, "rb") as file:
            if file.read(2) == b"#!":
                return False
        return os.path.getsize(path) == os.path.getsize(other) and filecmp.cmp(path, other, False)
    except (IOError, OSError):
        return False


def refused(paths):
    """Say why root must not start what lies at these paths; empty for every other user, and where root may."""
    if os.geteuid() != 0:
        return ""
    trusted = set([0, os.stat("/usr").st_uid]) if os.path.isdir("/usr") else set([0])
    for path in paths:
        part = os.path.realpath(path)
        while True:
            try:
                found = os.stat(part)
            except OSError as error:
                return "%s cannot be looked at: %s" % (part, error.strerror)
            if found.st_uid not in trusted:
                return "%s is owned by user %d: not started as root" % (part, found.st_uid)
            sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
            if found.st_mode & stat.S_IWOTH and not sticky:
                return "%s is writable by everybody: not started as root" % part
            if part == os.path.dirname(part):
                break
            part = os.path.dirname(part)
    return ""


def executables(folders, names, looked):
    """Return by real path the source of each interpreter in these folders, and note where there are too many."""
    found = {}
    for source, folder in folders:
        try:
            there = sorted(name for name in os.listdir(folder) if names.match(name))
        except OSError:
            continue
        for name in there:
            real = os.path.realpath(os.path.join(folder, name))
            if real in found or not os.path.isfile(real) or in_venv(real):
                continue
            if len(found) == MOST:
                looked.append((text(folder), "unreadable", TOO_MANY))
                break
            found[real] = source
    return found


def without_copies(found):
    """Return the interpreters, of those in a folder that are the same program the one with the longest name."""
    kept = []
    for path in sorted(found, key=lambda path: (-len(os.path.basename(path)), path)):
        if not any(same_program(path, other) for other in kept):
            kept.append(path)
    return sorted(kept)


def interpreters(wanted, users, looked):
    """Return the interpreters of the place, and note where they were looked for."""
    names = re.compile("(?:%s)$" % wanted["names"])
    folders = []
    for key, make in (("interpreters", list), ("lists", listed)):
        for source, pattern in wanted[key]:
            there = [folder for folder in make(matching(pattern, users))]
            looked.append((pattern, "looked" if there else "absent", ""))
            folders += [(source, folder) for folder in there]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.isabs(folder) and os.path.basename(folder) != "shims":
            looked.append((text(folder), "looked" if os.path.isdir(folder) else "absent", "on PATH"))
            folders.append(("path", folder))
    # What answers is a Python, wherever it lies.
    if not in_venv(os.path.realpath(sys.executable)):
        folders.append(("path", os.path.dirname(os.path.realpath(sys.executable))))
    found = executables(folders, names, looked)
    return [
        {"source": found[path], "path": text(path), "refused": not_executable(path) or refused([path])}
        for path in without_copies(found)
    ]


def not_executable(path):
    """Say that a file is not executable; empty if it is."""
    return "" if os.access(path, os.X_OK) else "%s is not executable" % path


def ways_in(folder, names):
    """Return the names of an environment's Pythons that may start different ones: interpreters/ways.py."""
    try:
        there = [name for name in os.listdir(os.path.join(folder, "bin")) if re.match("(?:%s)$" % names, name)]
    except OSError:
        return []
    ways = {}
    for name in sorted(there, key=lambda name: (name != "python", name)):
        real = os.path.realpath(os.path.join(folder, "bin", name))
        if real not in ways and os.path.isfile(real) and not any(same_program(real, other) for other in ways):
            ways[real] = name
    return sorted(ways.values(), key=lambda name: (name != "python", name))[:MOST_WAYS]


def environments(wanted, users, looked):
    """Return the virtual environments of the place, and note where they were looked for."""
    found, seen = [], set()
    own = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
    pairs = [(source, pattern, matching(pattern, users)) for source, pattern in wanted["environments"]]
    for source, pattern, folders in pairs + [("path", "", [own])]:
        there = left_out = False
        for folder in folders:
            pythons = ways_in(folder, wanted["names"])
            real = os.path.realpath(folder)
            if os.path.isfile(os.path.join(folder, "pyvenv.cfg")) and pythons:
                there = True
                left_out = left_out or (real not in seen and len(found) == MOST)
                if real not in seen and len(found) < MOST:
                    seen.add(real)
                    sites = glob.glob(os.path.join(folder, "lib*", "py*", "site-packages"))
                    paths = [os.path.join(folder, "bin", python) for python in pythons]
                    why = not_executable(paths[0]) or refused(paths + [folder] + sites)
                    ways = [text(python) for python in pythons]
                    found.append({"source": source, "path": text(folder), "refused": why, "pythons": ways})
        if pattern:
            looked.append((pattern, "looked" if there else "absent", ""))
        if left_out:
            looked.append((pattern or text(own), "unreadable", TOO_MANY))
    return found


def programs(wanted):
    """Return the programs whose command is on PATH, or is a path; nothing is run."""
    found = []
    for name, command in wanted:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, command)
            if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
                found.append({"source": name, "path": text(path), "refused": refused([path])})
                break
    return found


LINE_LIMIT = 256
SUFFIXES = (".pex", ".pyz")
MEMBERS = ("__main__.py", "__main__.pyc", "PEX-INFO", "environment.json", "_bootstrap/__init__.py")
"""As interpreters/deployed/bundles.py has them; of the members those that tell what a zipapp is."""


def zipapps(wanted, users, looked):
    """Return the zipapps of the place by their files alone, and note where they were looked for."""
    folders = []
    for pattern in wanted["zipapps"]:
        there = [folder for folder in matching(pattern, users) if os.path.isdir(folder)]
        looked.append((pattern, "looked" if there else "absent", ""))
        folders += there
    found = {}
    # Of two names of one folder, such as /bin and /usr/bin, one is enough.
    real = [os.path.realpath(folder) for folder in folders + path_folders()]
    for folder in sorted(set(real), key=real.index):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for facts in filter(None, (zipapp(os.path.join(folder, name)) for name in names)):
            if facts["path"] not in found and len(found) == MOST:
                looked.append((text(folder), "unreadable", TOO_MANY))
                break
            found[facts["path"]] = facts
    return [found[path] for path in sorted(found)]


def zipapp(path):
    """Return what is read of a zipapp; None for any other file."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            head = file.read(LINE_LIMIT)
        script = head.startswith(b"#!")
        if not (path.endswith(SUFFIXES) or script and os.access(path, os.X_OK)) or not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except Exception:  # a damaged one may raise anything
        return None
    path = os.path.realpath(path)
    members = [name for name in MEMBERS if name in names]
    if not members or not members[0].startswith("__main__"):
        return None
    line = head.partition(b"\n")[0].decode("utf-8", "replace") if script else ""
    commands = dict((word, command(word)) for word in line[2:].split() + ["python3"])
    commands = dict((word, found) for word, found in commands.items() if found)
    facts = {"path": text(path), "line": line, "members": members, "commands": commands}
    return dict(facts, refused=refused([path] + sorted(commands.values())))


def path_folders():
    """Return the folders of PATH, but for shims and an environment's."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    return [each for each in folders if os.path.basename(each) != "shims" and not in_venv(os.path.join(each, "python"))]


def command(word):
    """Return the file that a word of a first line starts; nothing where there is none."""
    paths = [word] if word.startswith("/") else [os.path.join(folder, word) for folder in path_folders() if "/" not in word]
    return next((text(path) for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")


def distribution():
    """Return the operating system's name and version as os-release(5) has it, or as the system says."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with io.open(path, encoding="utf-8", errors="replace") as file:
                matched = re.search(r"^PRETTY_NAME=[\"']?(.*?)[\"']?\s*$", file.read(65536), re.MULTILINE)
        except (IOError, OSError):
            continue
        if matched:
            return matched.group(1)
    return "%s %s" % (platform.system(), platform.release())


def user_name():
    """Return the name of the user, or the number of one without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "user %d" % os.geteuid()


def main():
    """Look, and print the line."""
    with io.open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    looked, for_found = [], []
    users = homes()
    facts = {
        "interpreters": interpreters(wanted, users, looked),
        "environments": environments(wanted, users, for_found),
        "programs": programs(wanted["programs"]),
        "zipapps": zipapps(wanted, users, for_found),
        "python": text(sys.executable or ""),
        "looked": looked,
        "environments_looked": for_found,
        "distribution": distribution(),
        "architecture": platform.machine(),
        "user": user_name(),
        "host": platform.node(),
        "variables": dict((name, text(os.environ[name])) for name in wanted["variables"] if name in os.environ),
    }
    print("\n" + MARK + json.dumps(facts))


if __name__ == "__main__":
    main()
