"""Says which files this process has loaded, so that it can be told later whether one of them has changed."""

import os
import sys


class Sought(object):
    """Notes which modules are looked for, whether or not they are found; it stands before all that finds any."""

    names = set()

    def find_spec(self, name, path=None, target=None):
        """Note a name, and find nothing."""
        self.names.add(name)

    find_module = find_spec  # Python 2.7


def note():
    """Note from now on which modules are looked for."""
    sys.meta_path.insert(0, Sought())


def sought(ends):
    """Return the names of all modules that were looked for since then, or are there, here and in those beside: see everywhere."""
    names = Sought.names.union(list(sys.modules), *[end.get("sought") or [] for end in ends if end])
    return sorted(name for name in names if isinstance(name, type(u"")) or isinstance(name, str))


def files():
    """Return the paths of the files that its modules are from, and of all that is mapped; None where nobody tells."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            lines = [line.split(None, 5) for line in maps]
    except (IOError, OSError):
        return None
    found = set(text(words[5].rstrip(b"\n")) for words in lines if len(words) > 5 and words[5].startswith(b"/"))
    for module in list(sys.modules.values()):
        found.update(text(path) for path in of_module(module))
    return sorted(found)


def everywhere(ends, conf):
    """Return what this process has loaded, and those beside it, by what they said at their ends; None where one is not known.

    So it is where one of them did not reach its end, or had set another OPENSSL_CONF than `conf`.
    """
    found = files()
    if found is None or any(not end or not end["loaded"] or end["openssl_conf"] != conf for end in ends):
        return None
    return sorted(set(found).union(*[end["loaded"] for end in ends]))


def of_module(module):
    """Return a module's file, and its compiled one if there is any; what another program put there may have neither."""
    try:
        named = (getattr(module, "__file__", None), getattr(module, "__cached__", None))
        return [path for path in named if isinstance(path, str) and (path == named[0] or os.path.exists(path))]
    except Exception:
        return []


def text(path):
    """Return a path as JSON can have it; what is no UTF-8 has a sign in it that no other path has."""
    if str is bytes:
        return path.decode("utf-8", "replace")
    return os.fsdecode(path)
