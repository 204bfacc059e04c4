"""Says which modules are installed, without importing any."""

import os

try:
    from importlib.util import find_spec
except ImportError:  # before Python 3.4
    from pkgutil import find_loader as find_spec


def is_here(name):
    """Return whether an import of this top-level module would find anything."""
    try:
        found = find_spec(name)
    except Exception:  # what start-up code has put among the modules may not say what it is: the import tells
        return True
    folders = getattr(found, "submodule_search_locations", None)
    if folders is None or found.origin not in (None, "namespace"):
        return found is not None
    # A folder without an __init__ is a package too, and may be all that is left of a package that was removed.
    return any(name != "__pycache__" for folder in folders if os.path.isdir(folder) for name in os.listdir(folder))
