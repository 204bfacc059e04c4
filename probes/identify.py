"""Passenger script: prints what the interpreter that runs it is, as one marked line of JSON.

Runs inside every interpreter under test, back to Python 2.7, with the standard library only. The line
starts with MARK, so a chatty sitecustomize cannot be taken for it. Exit status 0 whenever it printed;
a missing ssl module is a fact to print, not a failure. Its arguments are how the names of environment
variables begin whose values it prints too.
"""

from __future__ import print_function

import gc
import json
import os
import platform
import sys

MARK = "TLS-FLOOR-IDENTITY "

FLAGS = ("--with-ssl-default-suites", "--with-openssl", "--disable-shared", "--enable-shared", "--with-openssl-rpath")
"""Configure options that decide which OpenSSL is used and what minimum Python adds to it."""


def identity(beginnings=()):
    """Return the facts, with the variables whose names begin so; where `ssl` is None, `ssl_unavailable` says why the module cannot be imported."""
    facts = {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": executable(),
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", getattr(sys, "real_prefix", sys.prefix)),
        "configure_flags": configure_flags(),
        "variables": variables(beginnings),
        "lacks": lacking(),
        "start_up": start_up(),
        "path": path(),
        "contexts": {},
        "ssl": None,
        "ssl_unavailable": "",
    }
    try:
        facts["ssl"] = library()
        facts["contexts"] = contexts()
    except Exception as error:
        facts["ssl_unavailable"] = "%s: %s" % (type(error).__name__, error)
    return facts


def executable():
    """Return the real path of the file that runs: a wrapper can pass its own name on, as `exec -a "$0"` does."""
    if not sys.executable:
        return ""
    path = os.path.realpath(sys.executable)
    try:
        with open(path, "rb") as file:
            if file.read(2) == b"#!":
                return os.path.realpath("/proc/self/exe")
    except (IOError, OSError):
        pass
    return path


def lacking():
    """Return what the program of probes refuses to run without, and has not here; empty if nothing is lacking."""
    try:
        if gc.isenabled():
            gc.disable()
            gc.enable()
    except Exception as error:
        return "gc.disable (%s: %s)" % (type(error).__name__, error)
    return ""


def variables(beginnings):
    """Return, of this process's environment, those variables whose names begin with one of these."""
    names = [name for name in os.environ if name.startswith(tuple(beginnings))]
    # Python 2.7 has bytes.
    return dict((name, os.environ[name] if str is not bytes else os.environ[name].decode("utf-8", "replace")) for name in names)


def path():
    """Return the folders that modules are imported from, without the script's own, and where site-packages would be.

    A user's own, say, may come into being later. Source: site.
    """
    site = sys.modules.get("site")
    found = sys.path[1:] + list(getattr(site, "getsitepackages", list)())
    if getattr(site, "ENABLE_USER_SITE", None):
        found.append(site.USER_SITE)
    # Python 2.7 has bytes.
    texts = [folder.decode("utf-8", "replace") if isinstance(folder, bytes) else folder for folder in found]
    return sorted(set(texts), key=texts.index)


def start_up():
    """Return the files whose code this interpreter has run by itself: `.pth` files with code, and hooks.

    Source: site, which runs each line of a `.pth` file in a site folder that begins with `import`, and
    imports sitecustomize and usercustomize.
    """
    found = []
    for folder in sorted(set(sys.path), key=sys.path.index):
        if os.path.basename(folder) in ("site-packages", "dist-packages") and os.path.isdir(folder):
            names = sorted(name for name in os.listdir(folder) if name.endswith(".pth"))
            found += [path for path in (os.path.join(folder, name) for name in names) if runs_code(path)]
    for name in ("sitecustomize", "usercustomize"):
        path = getattr(sys.modules.get(name), "__file__", None)
        if path:
            found.append(path[:-1] if path.endswith(".pyc") else path)
    return found


def runs_code(path):
    """Return whether a `.pth` file has lines of code beside its folders."""
    try:
        with open(path, "rb") as file:
            return any(line.startswith((b"import ", b"import\t")) for line in file)
    except (IOError, OSError):
        return False


def contexts():
    """Return the facts of new client contexts, and which of the ssl module's functions are not its own.

    What start-up code does to TLS shows here, if not in the contexts then in what is called on them.
    """
    import ssl

    protocol = getattr(ssl, "PROTOCOL_TLS_CLIENT", ssl.PROTOCOL_SSLv23)
    return {
        # With a folder to look for authorities in, it does not read the machine's whole trust store.
        "create_default_context": context_facts(lambda: ssl.create_default_context(capath=os.path.dirname(__file__))),
        "SSLContext": context_facts(lambda: ssl.SSLContext(protocol)),
        "replaced": replaced(ssl),
    }


def context_facts(make):
    """Return what decides on a new context's versions, as text; the older a Python, the less it says."""
    try:
        context = make()
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}
    facts = {"class": "%s.%s" % (type(context).__module__, type(context).__name__), "options": hex(context.options)}
    for name in ("minimum_version", "maximum_version", "security_level"):
        value = getattr(context, name, None)
        facts[name] = str(getattr(value, "name", value))
    ciphers = getattr(context, "get_ciphers", list)()
    facts["ciphers"] = " ".join(cipher["name"] for cipher in ciphers)
    return facts


def replaced(ssl):
    """Return, by name, the functions of the ssl module and its classes whose code is elsewhere, and where."""
    found = {}
    classes = [getattr(ssl, name) for name in ("SSLContext", "SSLSocket") if hasattr(ssl, name)]
    for owner in [ssl] + classes:
        for name, value in vars(owner).items():
            code = getattr(getattr(value, "__func__", value), "__code__", None)
            if code is not None:
                kind, file = type(value).__name__, os.path.basename(code.co_filename)
                if (kind, file) != ("function", "ssl.py"):
                    found["%s.%s" % (owner.__name__, name)] = "%s of %s" % (kind, file)
    return found


def configure_flags():
    """Return those options of the build's configure line that matter here, as written."""
    try:
        import shlex
        import sysconfig

        options = shlex.split(sysconfig.get_config_var("CONFIG_ARGS") or "")
    except Exception:
        return []
    return [option for option in options if option.split("=")[0] in FLAGS]


def library():
    """Return what the ssl module is linked to, what that has, and the minimum of a new context.

    That a context cannot be made, as under a configuration without providers, is no lack of the module: see contexts.
    """
    import ssl

    has = [name for name in dir(ssl) if name.startswith(("HAS_SSLv", "HAS_TLSv"))]
    try:
        # Not create_default_context, which would also read the machine's whole trust store.
        context = ssl.SSLContext(getattr(ssl, "PROTOCOL_TLS_CLIENT", ssl.PROTOCOL_SSLv23))
        minimum = getattr(context, "minimum_version", None)
    except Exception:
        minimum = None
    return {
        "openssl": ssl.OPENSSL_VERSION,
        "has": dict((name, bool(getattr(ssl, name))) for name in has),
        "default_minimum": getattr(minimum, "name", None),
        # Where the compiled-in openssl.cnf is: beside the compiled-in trust store.
        "directory": os.path.dirname(ssl.get_default_verify_paths().openssl_cafile),
        "module": getattr(sys.modules.get("_ssl"), "__file__", None),
    }


if __name__ == "__main__":
    print("\n" + MARK + json.dumps(identity(sys.argv[1:]), sort_keys=True))
    # The end may be long in coming: start-up code can leave threads, and things to do at exit.
    sys.stdout.flush()
