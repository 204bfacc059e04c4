"""What is kept of compiled modules goes by their text, and is written nowhere but in the folder for that."""

from __future__ import annotations

import marshal
import py_compile
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
import types
probes, kept, modules = sys.argv[1:]
sys.path[:0] = [probes, modules]
import compiled
compiled.keep(kept)
import module
print(module.VALUE, module.work.__code__.co_filename)
"""

TEXT = "VALUE = 1\ndef work(): pass\n"


def imported(kept: Path, modules: Path, *flags: str) -> list[str]:
    """Return the value of a module as a fresh Python imports it, and the file that its code names."""
    command = [sys.executable, "-B", "-I", *flags, "-c", PROGRAM, *map(str, (ROOT / "probes", kept, modules))]
    # Of whoever forbids others nothing by himself.
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, umask=0)
    return done.stdout.split()


def write(folder: Path, text: str) -> Path:
    """Write the module into a folder; return the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "module.py").write_text(text)
    return folder


def kept_for(kept: Path, text: str) -> Path:
    """Return the file in which what this text compiles to is kept."""
    (found,) = (path for path in kept.glob("*/*") if marshal.loads(path.read_bytes()) == code(text))
    return found


def code(text: str) -> types.CodeType:
    """Return what a text compiles to, whatever file it is in: code is compared without that."""
    return compile(text, "anywhere", "exec", dont_inherit=True)


def test_a_text_is_compiled_once_wherever_it_is(tmp_path: Path) -> None:
    """The same text elsewhere gets what is kept, which names the file at hand, and nothing is written there."""
    kept, first, second = tmp_path / "kept", write(tmp_path / "a", TEXT), write(tmp_path / "b", TEXT)
    assert imported(kept, first) == ["1", str(first / "module.py")]
    # Had it been compiled again, the value would be that of its text.
    kept_for(kept, TEXT).write_bytes(marshal.dumps(code(TEXT.replace("1", "2"))))
    assert imported(kept, second) == ["2", str(second / "module.py")]
    assert imported(kept, write(tmp_path / "c", TEXT + "#\n"))[0] == "1"
    assert [path.name for path in (*first.iterdir(), *second.iterdir())] == ["module.py"] * 2


def test_nobody_else_can_change_what_is_kept(tmp_path: Path) -> None:
    """Whatever the umask, other users cannot enter the folder: code of theirs is never loaded from there."""
    kept = tmp_path / "kept"
    imported(kept, write(tmp_path / "a", TEXT))
    (folder,) = kept.iterdir()
    assert folder.stat().st_mode & 0o077 == 0


def test_another_level_of_optimization_is_compiled_apart(tmp_path: Path) -> None:
    """What -O leaves out is not missing without."""
    kept, modules = tmp_path / "kept", write(tmp_path / "a", "VALUE = __debug__\ndef work(): pass\n")
    assert [imported(kept, modules, *flags)[0] for flags in (["-O"], [], ["-O"])] == ["False", "True", "False"]


@pytest.mark.parametrize("content", [b"", b"\0", marshal.dumps(1), marshal.dumps(code(TEXT))[:-9]])
def test_what_is_damaged_is_compiled_again(tmp_path: Path, content: bytes) -> None:
    """An empty, senseless or cut file is as good as none, and is replaced."""
    kept, modules = tmp_path / "kept", write(tmp_path / "a", TEXT)
    imported(kept, modules)
    path = kept_for(kept, TEXT)
    path.write_bytes(content)
    assert imported(kept, modules)[0] == "1"
    assert kept_for(kept, TEXT) == path


def test_a_compiled_file_beside_its_module_is_believed(tmp_path: Path) -> None:
    """What the application's Python would load is loaded, even where the text says else."""
    modules = write(tmp_path / "a", TEXT.replace("1", "2"))
    source = modules / "module.py"
    py_compile.compile(str(source), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    source.write_text(TEXT)
    assert imported(tmp_path / "kept", modules)[0] == "2"


def test_without_a_folder_all_goes_on(tmp_path: Path) -> None:
    """Where nothing can be kept, modules are compiled as ever."""
    (tmp_path / "kept").write_text("a file")
    assert imported(tmp_path / "kept", write(tmp_path / "a", TEXT))[0] == "1"
