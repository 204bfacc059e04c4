"""Keeps what this interpreter compiles of others' modules in a folder of ours, for all that have the same text.

An environment as found often has no compiled modules: uv leaves none, and images are built without. Each visit would
compile all of botocore anew, since nothing is written where they are, and so would each copy of one release. What is kept goes by the text of a module: the same text has the same code wherever it
is, and a changed byte has its own. Compiled files that are beside a module are loaded as ever.
"""

import hashlib
import marshal
import os
import sys


def keep(folder):
    """Have modules that are imported from now on compiled once for each text, release and level of optimization.

    Nothing changes before Python 3.5, whose importer is another.
    """
    if sys.version_info < (3, 5):
        return
    import _imp
    from importlib.machinery import SourceFileLoader
    from importlib.util import MAGIC_NUMBER

    compiled = SourceFileLoader.source_to_code
    kind = "%s-%s-%d" % (sys.implementation.cache_tag, MAGIC_NUMBER.hex(), sys.flags.optimize)
    folder = os.path.join(folder, kind)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return

    def source_to_code(self, data, path, **options):
        # A text is bytes, and a syntax tree, which others' importers may give, is not.
        if options or not isinstance(data, bytes):
            return compiled(self, data, path, **options)
        kept = os.path.join(folder, hashlib.sha256(data).hexdigest())
        try:
            with open(kept, "rb") as file:
                code = marshal.load(file)
            # As the importer does for a compiled file that was moved.
            _imp._fix_co_filename(code, path)
        except (OSError, EOFError, ValueError, TypeError):
            code = compiled(self, data, path)
            put(kept, marshal.dumps(code))
        return code

    SourceFileLoader.source_to_code = source_to_code


def put(path, content):
    """Write a file as a whole or not at all; where that is not possible nothing is kept."""
    aside = "%s.%d" % (path, os.getpid())
    try:
        with open(aside, "xb") as file:
            file.write(content)
        os.replace(aside, path)
    except OSError:
        pass
