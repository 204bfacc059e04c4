"""What holds for the repository as a whole: which file may import what, and what every file has to say."""

from __future__ import annotations

import ast
import builtins
import functools
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import clients
from runs.options import SESSIONS
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ROOMS = ("interpreters", "probes", "servers", "reports", "runs")

GROUND = {
    "interpreters.atomic",
    "interpreters.endpoint",
    "interpreters.errors",
    "interpreters.locks",
    "interpreters.log",
    "interpreters.offspring",
    "interpreters.owners",
    "interpreters.processes",
    "interpreters.reaper",
    "interpreters.scratch",
    "interpreters.tables",
    "servers.protocols",
}
"""What every room but probes/ may import: each imports the standard library alone, or others of these."""

INTERPRETERS = ("interpreters", "interpreters.hardening", "interpreters.deployed")
"""That room with its wings."""

MAY_IMPORT = {
    "interpreters": {"interpreters", *GROUND, "msgspec", "packaging"},
    "interpreters.hardening": {"interpreters.hardening", "interpreters", *GROUND, "msgspec"},
    "interpreters.deployed": {"interpreters.deployed", "interpreters", *GROUND, "packaging"},
    "servers": {"servers", *GROUND, "tlslite", "trustme"},
    # Without site-packages: it starts with every run.
    "servers.https": {"servers.https"},
    "reports.verdicts": {"reports.verdicts", "servers", *INTERPRETERS},
    "reports.formats": {
        *("reports.formats", "reports.verdicts", "servers", *INTERPRETERS),
        *(
            "cyclonedx",
            "jinja2",
            "markupsafe",
            "msgspec",
            "packageurl",
            "pandas",
            "prometheus_client",
            "rich",
        ),
    },
    "reports": {
        *("reports", "reports.formats", "reports.verdicts"),
        *("servers", *INTERPRETERS, "msgspec"),
    },
    "runs": {
        *("runs", "reports", "reports.formats", "reports.verdicts"),
        *("servers", *INTERPRETERS, "nox", "packaging"),
        "playwright",  # in the one program of the bench that an environment of its own runs
    },
}
"""What each room, or wing of one, may import beside the standard library: rooms and wings by their own
name alone, single modules, and packages of others. No room imports one that stands below it here."""

PASSENGERS = sorted((ROOT / "probes").rglob("*.py"))
SOURCES = [ROOT / "noxfile.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name(path: Path) -> str:
    """Return a file's name as a person would give it."""
    return str(path.relative_to(ROOT))


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree."""
    return tuple(ast.walk(tree(path)))


@functools.cache
def modules(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, wherever in it; `.` for its own package."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else str(node.module))
    return found - {"__future__"}


def imports(path: Path) -> set[str]:
    """Return the top-level names of all that a file imports, wherever in it; `.` for its own package."""
    return {module.partition(".")[0] or "." for module in modules(path)}


def test_every_kind_of_import_is_seen(tmp_path: Path) -> None:
    """The imports of a file are found at its top, in functions, in conditions and in each form."""
    path = tmp_path / "file.py"
    path.write_text(
        "from __future__ import annotations\nimport a.b, c as d\nfrom . import e\nfrom f.g import h\n"
        "if TYPE_CHECKING:\n    import i\ndef j():\n    from k import l\n"
    )
    assert imports(path) == {"a", "c", ".", "f", "i", "k"}


def test_all_rooms_are_looked_at() -> None:
    """Every folder that holds Python files of ours is a room that these tests know, tests or pages."""
    folders = {path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")}
    assert folders == {*ROOMS, "tests", "docs"}
    assert {within(path) for path in SOURCES} == {
        "",
        "probes",
        "probes.clients",
        "probes.floors",
        *MAY_IMPORT,
    }
    assert len(SOURCES) == 1 + sum(1 for room in ROOMS for _ in (ROOT / room).rglob("*.py"))


def room(module: str) -> str:
    """Return the room or wing that a module of ours is in, or the package that one of others is."""
    own = [name for name in MAY_IMPORT if module == name or module.startswith(f"{name}.")]
    return max(own, key=len, default=module.partition(".")[0])


def within(path: Path) -> str:
    """Return the room or wing that a file is in."""
    return ".".join(path.relative_to(ROOT).parent.parts)


@pytest.mark.parametrize("path", [path for path in SOURCES if within(path) in MAY_IMPORT], ids=name)
def test_imports_run_one_way(path: Path) -> None:
    """A file imports the standard library and what its room may, and nothing else."""
    may = MAY_IMPORT[within(path)]
    foreign = {module for module in modules(path) if module.partition(".")[0] not in sys.stdlib_module_names}
    assert {module for module in foreign if not {module, room(module)} & may} == set()


def test_no_room_imports_one_above_it() -> None:
    """The table of what may be imported has no circle: each room names those that stand before it alone."""
    rooms = list(MAY_IMPORT)
    above = {name: set(rooms[rooms.index(name) + 1 :]) for name in rooms}
    assert {name: may & above[name] for name, may in MAY_IMPORT.items() if may & above[name]} == {}


@pytest.mark.parametrize("module", sorted(GROUND))
def test_the_ground_stands_on_nothing(module: str) -> None:
    """What all rooms may import has no imports beside the standard library and its like."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert {one for one in modules(path) if one.partition(".")[0] not in sys.stdlib_module_names} <= GROUND


def test_what_every_command_loads_is_light() -> None:
    """For `nox -l` nothing is imported that only a measurement, a build or a report needs."""
    program = "import runs.plan, runs.sessions, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    heavy = {"asyncio", "http.client", "jinja2", "msgspec", "pandas", "rich", "tlslite", "trustme"}
    assert (heavy | {"reports.verdicts.judge"}) & set(done.stdout.split()) == set()


def test_what_the_gate_loads_is_light() -> None:
    """The gate decides on files: it loads neither what finds interpreters nor what measures or reports."""
    program = "import runs.own_environment, runs.plan, runs.perform, reports.gate, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    finding = {f"interpreters.{name}" for name in ("locate", "places", "programs", "describe")}
    measuring = {f"reports.verdicts.{name}" for name in ("matrix", "observations")} | {"servers.hello"}
    assert (finding | measuring | {"msgspec", "ctypes"}) & set(done.stdout.split()) == set()


def test_what_measuring_loads_writes_no_report() -> None:
    """What only a report needs is not loaded before a run measures: matrix loads it meanwhile."""
    program = "import runs.measure, runs.job, runs.unfinished, runs.visits, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert {"pandas", "numpy", "jinja2", "rich", "cyclonedx"} & set(done.stdout.split()) == set()


BEFORE_3 = {"ConfigParser", "Queue", "StringIO", "cPickle", "cStringIO", "httplib", "urllib2", "urlparse"}
"""What a probe may need of Python 2.7's standard library that Python 3 calls otherwise (PEP 3108)."""


def _brings(client: str) -> set[str]:
    """Return the packages that a client's file says come with its requirement under names of their own."""
    path = ROOT / "probes" / "clients" / f"{client}.py"
    return {
        word
        for node in tree(path).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BRINGS"
        for word in ast.literal_eval(node.value).split()
    }


@pytest.mark.parametrize("path", PASSENGERS, ids=name)
def test_passengers_travel_light(path: Path) -> None:
    """A file of probes/ imports the standard library, its siblings and, if it is a client's, that client."""
    siblings = {other.stem for other in PASSENGERS if other.parent.name == "probes"} | {"clients"}
    client = clients().get(path.stem) if path.parent.name in ("clients", "floors") else None
    own = {client.id, *client.requirement.split()} | _brings(client.id) if client else set()
    foreign = imports(path) - sys.stdlib_module_names - BEFORE_3 - siblings - own
    assert not foreign, (
        f"{name(path)} imports {', '.join(sorted(foreign))}: not of the standard library, no file beside it,"
        " not its client; if the client's REQUIREMENT brings that along, name it in BRINGS in its file"
    )


@pytest.mark.e2e
def test_python_27_has_these_modules(python27: Path) -> None:
    """Each name that counts as Python 2.7's standard library can be imported there, and not here."""
    assert set(sys.stdlib_module_names).isdisjoint(BEFORE_3)
    program = "import importlib, sys\nfor module in sys.argv[1:]:\n    importlib.import_module(module)"
    done = subprocess.run([python27, "-S", "-c", program, *sorted(BEFORE_3)], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "probes" / "clients").glob("[!_]*.py")), ids=name)
def test_a_client_imports_what_it_is_named_after(path: Path) -> None:
    """A file named like its client says that it means the client, where Python 2.7 would take the file."""
    future = [node for node in tree(path).body if isinstance(node, ast.ImportFrom) and node.level == 0]
    assert ("__future__", "absolute_import") in {(n.module, a.name) for n in future for a in n.names}


TESTED_ELSEWHERE = {
    # What is types, or a base, is tested with what makes it.
    "interpreters/errors.py": "test_architecture.py",
    "interpreters/interpreter.py": "interpreters/test_describe.py",
    "reports/formats/bench_contract.py": "runs/test_bench.py",
    "reports/formats/contract.py": "reports/test_schemas.py",
    "reports/formats/gate_contract.py": "reports/test_schemas.py",
    "reports/formats/captures.py": "reports/test_verify.py",
    "reports/remade.py": "reports/test_verify.py",
    "reports/formats/matrix_contract.py": "reports/formats/test_matrix_json.py",
    "reports/formats/records_contract.py": "reports/formats/test_records.py",
    "reports/formats/served_contract.py": "servers/test_serve.py",
    "reports/formats/remedies_contract.py": "reports/formats/test_remedies_document.py",
    "reports/verdicts/observations.py": "reports/formats/test_records.py",
    "reports/verdicts/stand_ins.py": "reports/test_gate.py",
    "servers/engine.py": "servers/test_s_server.py",
    # Parts of a whole, which only the whole shows at work.
    "interpreters/hardening/components.py": "interpreters/hardening/test_build.py",
    "interpreters/hardening/installed.py": "interpreters/hardening/test_harden.py",
    "interpreters/hardening/pair.py": "interpreters/hardening/test_harden.py",
    "interpreters/hardening/request.py": "interpreters/hardening/test_harden.py",
    "interpreters/hardening/stamp.py": "interpreters/hardening/test_harden.py",
    "reports/causes.py": "reports/test_compare.py",
    "reports/compare_files.py": "reports/test_compare.py",
    "reports/formats/html_data.py": "reports/formats/test_html.py",
    "reports/verdicts/doubts.py": "reports/verdicts/test_decision.py",
    "reports/verdicts/expected.py": "reports/verdicts/test_truth.py",
    "servers/live_state.py": "servers/test_serve.py",
    # It takes a process, or a machine.
    "interpreters/wrapper.py": "end_to_end/test_wrappers.py",
}
"""Files whose tests are not in a file of their own name, and where they are, below tests/."""


def test_every_file_has_its_tests() -> None:
    """A file's tests are in the file of tests/ that has its name, or where the table above says."""
    # What runs in an interpreter under test is tested as a whole: tests/probes/test_main.py, test_clients.py.
    tested = [path for path in SOURCES if within(path) in MAY_IMPORT and path.stem != "__init__"]
    own = {name(path): str(path.relative_to(ROOT).with_name(f"test_{path.name}")) for path in tested}
    missing = [file for file, test in own.items() if not _is_test(test) and file not in TESTED_ELSEWHERE]
    steps = [f"write tests/{own[file]}, or name {file} in TESTED_ELSEWHERE" for file in missing]
    assert not missing, "; ".join(steps)
    assert {file: test for file, test in TESTED_ELSEWHERE.items() if not _is_test(test)} == {}
    needless = [file for file in TESTED_ELSEWHERE if file not in own or _is_test(own[file])]
    assert needless == [], "take these out of TESTED_ELSEWHERE"


def _is_test(file: str) -> bool:
    return (ROOT / "tests" / file).is_file()


def test_every_whole_session_is_an_end_to_end_test() -> None:
    """Each file of tests/end_to_end says so as a whole: the quick tests do not load it."""
    files = sorted((ROOT / "tests" / "end_to_end").glob("test_*.py"))
    marks = {path: [node for node in tree(path).body if isinstance(node, ast.Assign)] for path in files}
    assert [
        name(path)
        for path, assigned in marks.items()
        if not any(re.match(r"pytestmark = \[?pytest\.mark\.e2e\b", ast.unparse(node)) for node in assigned)
    ] == []


def test_nothing_imports_the_sessions() -> None:
    """No file imports noxfile.py, which is loaded by nox alone."""
    assert [name(path) for path in (*SOURCES, *TESTS) if "noxfile" in imports(path)] == []


def test_the_noxfile_is_a_table_of_sessions() -> None:
    """noxfile.py imports runs and nox alone, is short, and a session in it is a docstring and one call."""
    path = ROOT / "noxfile.py"
    assert imports(path) - sys.stdlib_module_names == {"nox", "runs"}
    assert len(path.read_text(encoding="utf-8").splitlines()) < 200
    sessions = [node for node in tree(path).body if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in sessions} == set(SESSIONS)
    assert {len(node.body) for node in sessions} == {2}


def _classes(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Give each class, wherever in a file, and the file that has it."""
    for path in paths:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                yield node.name, name(path)


def _double(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Return the names that several classes have, with the files of these."""
    found: dict[str, list[str]] = {}
    for title, file in _classes(paths):
        found.setdefault(title, []).append(file)
    return {title: files for title, files in found.items() if len(files) > 1}


def test_no_two_classes_have_one_name() -> None:
    """A name stands for one class in the whole repository, so that a reader never has to ask which."""
    assert _double([*SOURCES, *TESTS]) == {}


def test_a_second_class_of_one_name_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes of one name are found in one file or in two, at the top or within a function."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("class A: ...\nclass B: ...\ndef f():\n    class B: ...\n")
    other.write_text("def f():\n    class A: ...\nclass C: ...\n")
    assert _double([one, other]) == {"A": ["one.py", "other.py"], "B": ["one.py", "one.py"]}


SMALL = ("interpreters", "reports", "runs", "servers")
"""The rooms in which every function is small; a room that comes to hold that is added here."""

LIMITS = {"lines": 40, "parameters": 5}
"""How large a function may be without a comment beside it that gives the reason: `# 45 lines: REASON`."""


def _sizes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, int]:
    """Return how many lines a function has, and how many parameters beside the object of a method."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    parameters = [argument for argument in named if argument.arg not in ("self", "cls")]
    return {"lines": (node.end_lineno or node.lineno) - node.lineno + 1, "parameters": len(parameters)}


def _too_large(path: Path) -> list[str]:
    """Return the functions of a file that are too large and give no reason, with their sizes."""
    text = path.read_text(encoding="utf-8").splitlines()
    found = []
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(part.lineno for part in (node, *node.decorator_list))
            beside = "\n".join(text[max(0, first - 2) : node.body[0].lineno])
            for size, number in _sizes(node).items():
                if number > LIMITS[size] and not re.search(rf"# {number} {size}: \S", beside):
                    found.append(f"{node.name} has {number} {size}")
    return found


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.relative_to(ROOT).parts[0] in SMALL], ids=name
)
def test_every_function_is_small_or_says_why_not(path: Path) -> None:
    """A function that is longer than a screen, or takes more than a hand of parameters, gives its reason."""
    assert _too_large(path) == []


def test_a_large_function_is_seen(tmp_path: Path) -> None:
    """A comment counts above decorators too, and a parameter does not if it is the object of a method."""
    path = tmp_path / "large.py"
    body = "    pass\n" * 40
    path.write_text(
        f"def long():\n{body}# 41 lines: a table\ndef table():\n{body}"
        f"# 42 lines: of before\ndef old():\n{body}"
        "class A:\n    def five(self, a, b, c, *, d, e): ...\n"
        "    async def six(self, a, b, c, *, d, e, f): ...\n"
        "# 6 parameters: a contract\n@cached\ndef kept(a, b, c, d, e, f): ...\n"
    )
    assert _too_large(path) == ["long has 41 lines", "old has 41 lines", "six has 6 parameters"]


BASE_ERROR = "FloorError"

EXEMPT = "No FloorError: "
"""How the docstring of an exception begins to say why its message stops no session."""


def _errors(paths: Iterable[Path]) -> Iterator[tuple[str, bool]]:
    """Give each exception class, and whether it derives from our base or says why it does not."""
    classes = [node for path in paths for node in nodes(path) if isinstance(node, ast.ClassDef)]
    bases = {node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases} for node in classes}

    def above(title: str) -> set[str]:
        return {title}.union(*(above(base) for base in bases.get(title, ())))

    for node in classes:
        if node.name != BASE_ERROR and any(map(_is_exception, above(node.name))):
            yield node.name, BASE_ERROR in above(node.name) or EXEMPT in (ast.get_docstring(node) or "")


def _is_exception(title: str) -> bool:
    """Whether a class of this name is an exception: Python's own, or one that is called like them."""
    known = getattr(builtins, title, None)
    is_builtin = isinstance(known, type) and issubclass(known, BaseException)
    return is_builtin or title.endswith(("Error", "Exception"))


def test_every_error_of_ours_has_one_base() -> None:
    """An exception is caught as one sentence for the user by its base, or says why it never is one."""
    # Those of probes/ are not among them: what runs in the interpreter under test imports nothing of ours.
    found = dict(_errors(path for path in SOURCES if "probes" not in within(path)))
    assert {"TableError", "FloorFileError", "RecipeError", "OutsideError"} <= found.keys()
    assert [title for title, fine in found.items() if not fine] == []


def test_an_error_without_the_base_is_seen(tmp_path: Path) -> None:
    """An exception counts as ours by a base of ours, however far up, or by the reason that it gives."""
    path = tmp_path / "errors.py"
    path.write_text(
        "class FloorError(Exception): ...\nclass A(FloorError): ...\nclass B(A): ...\n"
        "class C(ValueError): ...\nclass D(C): ...\nclass E(tarfile.TarError): ...\n"
        f"class F(Exception):\n    '{EXEMPT}it is caught.'\nclass G(KeyboardInterrupt): ...\n"
        "class H: ...\n"
    )
    fine = {"A": True, "B": True, "C": False, "D": False, "E": False, "F": True, "G": False}
    assert dict(_errors([path])) == fine


PLAIN = ("interpreters", "reports", "runs", "servers")
"""The rooms whose names are checked."""

VAGUE = {"asked", "one", "said", "told"}
"""What a thing that has a type is not called."""

KEYS_OF_FILES = {
    "reports/formats/contract.py": {"asked"},
    "reports/formats/remedies_contract.py": {"said"},
    "reports/verdicts/observations.py": {"asked"},
    "reports/verdicts/remedies.py": {"said"},
}
"""Fields that are called so in run.json, matrix.json and remedies.json, whose keys stay what they are."""


def _vague(path: Path) -> list[str]:
    """Return the variables and parameters of a file that are named so, with their lines."""
    named = [
        (node.lineno, node.arg if isinstance(node, ast.arg) else node.id)
        for node in nodes(path)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]
    return [f"{line}: {word}" for line, word in sorted(named) if word in VAGUE]


@pytest.mark.parametrize("path", [path for path in SOURCES if within(path).startswith(PLAIN)], ids=name)
def test_things_are_called_what_they_are(path: Path) -> None:
    """No variable or parameter has a name that would fit any other thing as well."""
    words = {line.partition(": ")[2] for line in _vague(path)}
    assert words == KEYS_OF_FILES.get(name(path), set())


def test_a_vague_name_is_seen(tmp_path: Path) -> None:
    """Such a name is found as a parameter, in an assignment, in a loop and in a comprehension."""
    path = tmp_path / "names.py"
    path.write_text(
        "def f(one): pass\nsaid = 1\nfor told in (): pass\n[asked for asked in ()]\nplain = one\n"
    )
    assert _vague(path) == ["1: one", "2: said", "3: told", "4: asked"]


@pytest.mark.e2e
def test_passengers_compile_on_python_27(python27: Path) -> None:
    """A real Python 2.7 compiles every file of probes/."""
    program = "import sys\nfor path in sys.argv[1:]:\n    compile(open(path).read(), path, 'exec')"
    done = subprocess.run(
        [python27, "-c", program, *PASSENGERS],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.e2e
def test_python_27_would_object(python27: Path, tmp_path: Path) -> None:
    """The Python that compiles the passengers refuses what only a later one understands."""
    path = tmp_path / "newer.py"
    path.write_text("def f(*, a): pass\n")
    done = subprocess.run([python27, path], stderr=subprocess.PIPE, check=False, text=True)
    assert "SyntaxError" in done.stderr


def test_every_file_says_what_it_is_for() -> None:
    """Every file opens with a docstring."""
    assert [name(path) for path in (*SOURCES, *TESTS) if not ast.get_docstring(tree(path))] == []


def _tests(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _is_sentence(text: str | None) -> bool:
    """Whether a text is one sentence: it ends in a full stop, and no other sentence begins within it."""
    return bool(text) and bool(re.fullmatch(r"(?:(?![.!?]\s+[A-Z]).)+\.", text or "", re.DOTALL))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("It holds.", True),
        ("It holds TLS 1.2, e.g. here,\nand there.", True),
        ("It holds", False),
        ("It holds. It does.", False),
        ("", False),
        (None, False),
    ],
)
def test_a_sentence_is_known(text: str | None, *, is_one: bool) -> None:
    """A text counts as one sentence if it ends as one and no other begins within it."""
    assert _is_sentence(text) is is_one


def test_every_test_says_what_it_holds() -> None:
    """Every test function has a docstring of one sentence."""
    tests = [(name(path), test) for path in TESTS for test in _tests(path)]
    assert [(file, test.name) for file, test in tests if not _is_sentence(ast.get_docstring(test))] == []
