"""The variables that lead a program to our servers: none of them is the user's, and each can be filled in."""

from __future__ import annotations

from interpreters.endpoint import ENDPOINT, FOR_COMMANDS, TRUSTING


def test_each_variable_is_filled_in_or_fixed() -> None:
    """Those that trust have the server's certificate, the endpoint its address, others a value of ours."""
    filled = {name: text.format(url="URL", cafile="CA") for name, text in FOR_COMMANDS.items()}
    assert {name for name, text in filled.items() if text == "CA"} == set(TRUSTING)
    assert [name for name, text in filled.items() if text == "URL"] == [ENDPOINT]


def test_who_signs_has_keys_that_open_nothing() -> None:
    """The keys are the examples of AWS's own documentation, which say that they are."""
    assert FOR_COMMANDS["AWS_ACCESS_KEY_ID"].endswith("EXAMPLE")
    assert FOR_COMMANDS["AWS_SECRET_ACCESS_KEY"].endswith("EXAMPLEKEY")
