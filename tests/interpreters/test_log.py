"""Progress is shown to whoever watches while a block lasts, and to nobody else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from interpreters.log import LOG, libraries_quiet, shown

if TYPE_CHECKING:
    from collections.abc import Callable


def test_each_sentence_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Words are put into a sentence that has places for them, and one without keeps its percent signs."""
    sentences: list[str] = []
    with shown(sentences.append):
        LOG.info("100 % of %s in 2 s")
        LOG.info("%s of %s", 1, "2%")
        LOG.debug("too small to show")
    assert sentences == ["100 % of %s in 2 s", "1 of 2%"]
    assert capsys.readouterr() == ("", "")


def test_a_sentence_goes_to_nobody_else(logged: list[str]) -> None:
    """While sentences are shown no other handler has them: nox would print each a second time."""
    sentences: list[str] = []
    with shown(sentences.append):
        LOG.info("once")
    assert (sentences, logged) == (["once"], [])


def test_what_is_logged_is_seen(logged: list[str]) -> None:
    """The handler of these tests has what reaches the root of all loggers."""
    logging.getLogger("somebody").warning("said %s", "so")
    assert logged == ["said so"]


@pytest.mark.parametrize("fail", [False, True])
def test_afterwards_all_is_as_before(fail: bool) -> None:  # noqa: FBT001
    """After a block, however it ended, nothing is shown any more, and the logger is as it was."""
    before = LOG.level, LOG.propagate, [*LOG.handlers]
    sentences: list[str] = []

    def leave(raised: Callable[[], BaseException]) -> None:
        with shown(sentences.append):
            if fail:
                raise raised()

    if fail:
        with pytest.raises(KeyboardInterrupt):
            leave(KeyboardInterrupt)
    else:
        leave(KeyboardInterrupt)
    LOG.info("too late")
    assert sentences == []
    assert (LOG.level, LOG.propagate, LOG.handlers) == before


def test_libraries_say_warnings_alone(logged: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under nox, which shows whatever is said, a library's smallest word stays away; nox's own does not."""
    root, nox, library = logging.getLogger(), logging.getLogger("nox"), logging.getLogger("somebody")
    monkeypatch.setattr(root, "level", logging.DEBUG)
    with libraries_quiet():
        assert not library.isEnabledFor(logging.INFO)
        library.warning("a warning")
        nox.info("nox's word")
        nox.debug("nox's smallest")
    library.debug("anything")
    assert logged == ["a warning", "nox's word", "nox's smallest", "anything"]
    assert (root.level, nox.level) == (logging.DEBUG, logging.NOTSET)
