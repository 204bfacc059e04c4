"""Start-up code: what sets an interpreter apart from the environment made for it, and what that is worth."""

from __future__ import annotations

from typing import Any

import pytest

from interpreters.identify import Identity, parse_identity
from reports.verdicts.judge import Judgement, Verdict
from reports.verdicts.start_up import StartUp, apart

CONTEXT = {
    "class": "ssl.SSLContext",
    "minimum_version": "TLSv1_2",
    "maximum_version": "MAXIMUM_SUPPORTED",
    "security_level": "2",
    "options": "0x82520050",
    "ciphers": "A B",
}
CONTEXTS = {"SSLContext": CONTEXT, "create_default_context": CONTEXT, "replaced": {"ssl.namedtuple": "its"}}
HOOK = "/opt/one/lib/site-packages/hook.pth"
DIFFERENT = StartUp((HOOK,), ("minimum_version of SSLContext is TLSv1, not TLSv1_2",))


@pytest.fixture
def said(facts: dict[str, Any]) -> Any:
    """Return a function that makes an identity with these contexts and start-up files."""

    def make(contexts: Any, *files: str) -> Identity:
        return parse_identity(facts | {"contexts": contexts, "start_up": list(files)})

    return make


def test_where_contexts_are_the_same_nothing_sets_them_apart(said: Any) -> None:
    """Start-up code that changes no TLS context is of no concern, however many files it has."""
    assert apart(said(CONTEXTS, "/a.pth", "/sitecustomize.py"), said(CONTEXTS)) is None


@pytest.mark.parametrize("way", ["SSLContext", "create_default_context"])
@pytest.mark.parametrize("fact", CONTEXT)
@pytest.mark.parametrize("value", ["another", None])
def test_each_fact_of_each_context_counts(said: Any, way: str, fact: str, value: str | None) -> None:
    """One fact that differs, or is not there, sets them apart, and is named with its context."""
    changed = {name: text for name, text in (CONTEXT | {fact: value}).items() if text is not None}
    found = apart(said(CONTEXTS | {way: changed}, HOOK, "/both.pth"), said(CONTEXTS, "/both.pth"))
    assert found is not None
    assert found.files == (HOOK,)
    (difference,) = found.differences
    assert fact in difference
    assert way in difference


@pytest.mark.parametrize(
    "own", [{}, {"ssl.namedtuple": "its", "SSLContext.wrap_socket": "function of hook.py"}]
)
def test_a_function_that_is_replaced_counts(said: Any, own: dict[str, str]) -> None:
    """A context may look the same where what is called on it is another."""
    found = apart(said(CONTEXTS | {"replaced": own}, HOOK), said(CONTEXTS))
    assert found is not None
    assert len(found.differences) == 1
    assert ("function of hook.py" if own else "its own") in found.differences[0]


def test_a_context_that_cannot_be_made_counts(said: Any) -> None:
    """Where start-up code lets no context be made, that is a difference."""
    found = apart(said(CONTEXTS | {"SSLContext": {"error": "ValueError: no"}}, HOOK), said(CONTEXTS))
    assert found is not None
    assert any("ValueError: no" in one for one in found.differences)


def test_an_interpreter_that_did_not_speak_is_not_known(said: Any) -> None:
    """Where the interpreter itself said nothing, nothing that was measured beside it holds for it."""
    found = apart(None, said(CONTEXTS))
    assert found == StartUp()
    judgement = found.weigh(Judgement(Verdict.ENFORCED, "never went below TLSv1.2"))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "did not say" in judgement.reason


@pytest.mark.parametrize("verdict", Verdict)
def test_what_was_measured_elsewhere_is_never_enforced(verdict: Verdict) -> None:
    """A connection below the floor stays one; that there was none says nothing of other contexts."""
    judgement = DIFFERENT.weigh(Judgement(verdict, "it is so"))
    unfounded = verdict in (Verdict.ENFORCED, Verdict.FRAGILE)
    assert judgement.verdict is (Verdict.INCONCLUSIVE if unfounded else verdict)
    for words in ("it is so; start-up code", HOOK, "TLSv1, not TLSv1_2", "not loaded in the environment"):
        assert words in judgement.reason
    assert ("--environment DIR" in judgement.reason) is unfounded


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "something that only this interpreter itself runs at its start changes"),
        (("/a.pth",), "(/a.pth) changes"),
        (("/a.pth", "/b.pth"), "(one of /a.pth, /b.pth) changes"),
        (tuple("abcde"), "(one of a, b, c, and 2 more) changes"),
    ],
)
def test_the_files_are_named(files: tuple[str, ...], words: str) -> None:
    """Whoever reads the reason learns where to look."""
    assert words in StartUp(files, ("x is y",)).itself
