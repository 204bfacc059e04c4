"""Says where an import gives another distribution than that of its name, as what lies beside the module tells."""

import os
import re


def another(module, name):
    """Return in a clause what an import of this name gives where the metadata beside it says otherwise; else nothing."""
    version = getattr(module, "__version__", "")
    try:
        folder = os.path.dirname(os.path.dirname(os.path.abspath(module.__file__)))
        beside = [words for words in map(distribution, os.listdir(folder)) if words]
    except (AttributeError, OSError):  # of no file, or in an archive
        return ""
    named = [one for one in beside if one[0] == name]
    if not version or not named or any(numbers(one[1]) == numbers(version) for one in named):
        return ""
    owners = ["%s %s" % one for one in beside if one[1] == version and one[0].startswith(name)]
    return "`import %s` gives %s, where the metadata has %s %s" % ((name, (owners or [version])[0]) + named[0])


def distribution(entry):
    """Return name and version of the distribution whose metadata a folder's entry is; nothing for any other."""
    found = re.match(r"([^-]+)-([^-]+)(?:-py[^-]*)?\.(?:dist|egg)-info$", entry)
    return (found.group(1).replace("_", "-").lower(), found.group(2)) if found else None


def numbers(version):
    """Return the numbers of a version: 2.0.0a1 may be written 2.0.0.a1."""
    return re.findall(r"\d+", version)
