"""Reading the catalogue: the real one says what its ids say, and one that makes no sense is refused."""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from interpreters.tables import TableError
from servers.catalogue import (
    CATALOGUE,
    Catalogue,
    Certificate,
    KeyExchange,
    Role,
    read_catalogue,
)
from servers.protocols import LADDER, Protocol
from tests.support.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = {
    "why": '"a reason"',
    "protocols": '["TLSv1.2"]',
    "key_exchange": '"rsa"',
    "certificate": '"rsa"',
}
"""An entry with every key that it must have, as TOML values."""


def _text(table: str = "one", /, **changes: str | None) -> str:
    """Write an entry with some keys changed, added, or left out (None)."""
    keys = {**ENTRY, **changes}
    lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
    return "\n".join([f"[{table}]", *lines])


def _read(folder: Path, text: str) -> Catalogue:
    path = folder / "some.toml"
    path.write_text(text)
    return read_catalogue(path)


def _refusal(folder: Path, text: str) -> str:
    return refusal(TableError, _read, folder, text)


def test_entry_is_read_as_written(tmp_path: Path) -> None:
    """Every key of an entry arrives, and those left out have their defaults."""
    (server,) = _read(tmp_path, _text()).servers
    assert server.id == "one"
    assert server.why == "a reason"
    assert server.protocols == {Protocol.TLSV1_2}
    assert server.key_exchange is KeyExchange.RSA
    assert server.certificate is Certificate.RSA
    assert server.role is Role.LADDER
    assert server.engine == "openssl"
    assert server.arguments == ()


def test_entries_keep_the_order_of_the_file(tmp_path: Path) -> None:
    """Servers come in the file's order, and each can be had by its id."""
    catalogue = _read(tmp_path, "\n".join(_text(name) for name in ("zebra", "ant", "cow")))
    assert [server.id for server in catalogue.servers] == ["zebra", "ant", "cow"]
    assert all(catalogue[server.id] is server for server in catalogue.servers)
    with pytest.raises(KeyError, match="dog"):
        catalogue["dog"]


def test_hash_is_that_of_the_file(tmp_path: Path) -> None:
    """The hash in the provenance is the file's SHA-256, so a comment changes it too."""
    text = _text()
    assert _read(tmp_path, text).sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert _read(tmp_path, text + "\n# a comment").sha256 != _read(tmp_path, text).sha256


@pytest.mark.parametrize("key", ENTRY)
@pytest.mark.parametrize("value", [None, '""', "[]"])
def test_required_key_is_missed_by_name(tmp_path: Path, key: str, value: str | None) -> None:
    """A required key that is left out or empty is named, with its entry."""
    message = _refusal(tmp_path, _text(**{key: value}))
    assert "[one]" in message
    assert repr(key) in message


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("protocol", "protocols"), ("key_exchnage", "key_exchange"), ("certficate", "certificate")],
)
def test_unknown_key_names_its_nearest(tmp_path: Path, wrong: str, nearest: str) -> None:
    """A misspelt key is refused with the key that was probably meant."""
    message = _refusal(tmp_path, _text(**{wrong: '"rsa"'}))
    assert "[one]" in message
    assert repr(wrong) in message
    assert f"did you mean {nearest!r}?" in message


@pytest.mark.parametrize("wrong", ["xxxx", "id"])
def test_unknown_key_without_a_neighbour_lists_all_keys(tmp_path: Path, wrong: str) -> None:
    """A key like no other is refused with the list of keys; the id is none of them."""
    message = _refusal(tmp_path, _text(**{wrong: '"rsa"'}))
    assert "[one]" in message
    assert all(key in message for key in ENTRY)
    assert not re.search(r"\bid,", message)


@pytest.mark.parametrize(
    ("key", "value", "shown", "choices"),
    [
        ("protocols", '["TLSv1.4"]', "TLSv1.4", tuple(Protocol)),
        ("protocols", "[1.2]", "1.2", tuple(Protocol)),
        ("key_exchange", '"psk"', "psk", tuple(KeyExchange)),
        ("certificate", '"dsa"', "dsa", tuple(Certificate)),
        ("role", '"boss"', "boss", tuple(Role)),
    ],
)
def test_unknown_value_lists_the_choices(
    tmp_path: Path, key: str, value: str, shown: str, choices: tuple[str, ...]
) -> None:
    """A value that a key does not know is refused with entry, key, value and all it could be."""
    message = _refusal(tmp_path, _text(**{key: value}))
    assert "[one]" in message
    assert key in message
    assert shown in message
    assert all(choice in message for choice in choices)


@pytest.mark.parametrize("value", ['"TLSv1.2"', "12", "true"])
def test_protocols_must_be_a_list(tmp_path: Path, value: str) -> None:
    """A version that is written without its brackets is refused as an entry's fault, by key."""
    message = _refusal(tmp_path, _text(protocols=value))
    assert "[one]" in message
    assert "protocols" in message


@pytest.mark.parametrize("value", ['"-no_tls1_3"', "13", "[13]"])
def test_arguments_must_be_a_list_of_texts(tmp_path: Path, value: str) -> None:
    """Arguments that are not a list of texts are refused, never taken apart letter by letter."""
    message = _refusal(tmp_path, _text(role='"page"', arguments=value))
    assert "[one]" in message
    assert "arguments" in message


def test_gap_in_the_protocols_is_refused(tmp_path: Path) -> None:
    """Every set of versions with a hole in it is refused with its entry, and every other one is read."""
    for first in range(len(LADDER)):
        for last in range(first, len(LADDER)):
            whole = LADDER[first : last + 1]
            _read(tmp_path, _text(protocols=_list(whole), key_exchange='"any"'))
            for hole in whole[1:-1]:
                message = _refusal(
                    tmp_path,
                    _text(protocols=_list([p for p in whole if p is not hole]), key_exchange='"any"'),
                )
                assert "[one]" in message
                assert "gap" in message


@pytest.mark.parametrize("protocols", ['["TLSv1.2"]', '["TLSv1", "TLSv1.1"]', '["TLSv1.2", "TLSv1.3"]'])
@pytest.mark.parametrize("key_exchange", KeyExchange)
def test_ecdsa_certificate_wants_a_key_exchange_that_it_can_sign(
    tmp_path: Path, key_exchange: KeyExchange, protocols: str
) -> None:
    """An ECDSA certificate goes with ecdhe and any; with dhe or rsa nobody could connect."""
    text = _text(certificate='"ecdsa"', key_exchange=f'"{key_exchange}"', protocols=protocols)
    if key_exchange in (KeyExchange.ECDHE, KeyExchange.ANY):
        assert _read(tmp_path, text).servers[0].key_exchange is key_exchange
    else:
        message = _refusal(tmp_path, text)
        assert "[one]" in message
        assert "ecdsa" in message
        assert str(key_exchange) in message


@pytest.mark.parametrize("key_exchange", KeyExchange)
def test_tls1_3_alone_takes_no_key_exchange(tmp_path: Path, key_exchange: KeyExchange) -> None:
    """A server of TLS 1.3 alone says any: its cipher list does not choose the key exchange."""
    text = _text(protocols='["TLSv1.3"]', key_exchange=f'"{key_exchange}"')
    if key_exchange is KeyExchange.ANY:
        assert _read(tmp_path, text).servers[0].protocols == {Protocol.TLSV1_3}
    else:
        message = _refusal(tmp_path, text)
        assert "[one]" in message
        assert '"any"' in message


@pytest.mark.parametrize(
    "changes", [{"arguments": '["-www"]'}, {"role": '"page"'}, {"role": '"page"', "arguments": "[]"}]
)
def test_arguments_and_role_page_come_together(tmp_path: Path, changes: dict[str, str]) -> None:
    """Arguments without role page are refused, and so is role page without arguments."""
    message = _refusal(tmp_path, _text(**changes))
    assert "[one]" in message
    assert "arguments" in message
    assert "page" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"script": '"close"'},
        {"source": '"RFC 0"'},
        {"script": '"close"', "source": '"RFC 0"'},
        {"role": '"attack"'},
        {"role": '"attack"', "script": '"close"'},
        {"role": '"attack"', "source": '"RFC 0"'},
    ],
)
def test_attacks_say_how_and_after_whom(tmp_path: Path, changes: dict[str, str]) -> None:
    """An attack has a script and a source, and nothing else has either of them."""
    message = _refusal(tmp_path, _text(**changes))
    assert "[one]" in message
    assert "attack" in message


@pytest.mark.parametrize("value", ['"some"', "[1]", "-1"])
def test_retries_are_a_number(tmp_path: Path, value: str) -> None:
    """Retries that are no number of times are refused as an entry's fault."""
    message = _refusal(tmp_path, _text(retries=value))
    assert "[one]" in message
    assert "retries" in message


def test_some_roles_alone_keep_the_hash_of_the_whole(tmp_path: Path) -> None:
    """A selection by role has those servers in their order, and the hash of the file it came from."""
    page = _text("b", role='"page"', arguments='["-www"]')
    whole = _read(tmp_path, "\n".join([_text("a"), page, _text("c")]))
    assert [server.id for server in whole.only(Role.LADDER).servers] == ["a", "c"]
    assert [server.id for server in whole.only(Role.PAGE, Role.LADDER).servers] == ["a", "b", "c"]
    assert whole.only(Role.LADDER).sha256 == whole.sha256


@pytest.mark.parametrize("name", ["TLS", "tls-1", "1tls", "_tls", '"tls 1"', '"tls1.2"'])
def test_id_must_do_as_a_column_name(tmp_path: Path, name: str) -> None:
    """A server id that cannot be a column name is refused by name."""
    assert f"[{name.strip(chr(34))}]" in _refusal(tmp_path, _text(name))


def test_loose_key_is_no_entry(tmp_path: Path) -> None:
    """A key above the first table is refused with how an entry is written."""
    message = _refusal(tmp_path, f"stray = 1\n{_text()}")
    assert "[stray]" in message
    assert "table" in message


@pytest.mark.parametrize("text", ["", "\n# nothing but a comment\n"])
def test_empty_file_is_no_catalogue(tmp_path: Path, text: str) -> None:
    """A file without a server is refused by its name, with what to add."""
    message = _refusal(tmp_path, text)
    assert "some.toml" in message
    assert "add a table" in message


@pytest.mark.parametrize("text", ["[one", "[one]\nwhy = ", f"{_text()}\n{_text()}"])
def test_bad_toml_is_named_as_such(tmp_path: Path, text: str) -> None:
    """A file that is not TOML, or has an entry twice, is refused with the file and the parser's words."""
    with pytest.raises(tomllib.TOMLDecodeError) as cause:
        tomllib.loads(text)
    message = _refusal(tmp_path, text)
    assert "some.toml" in message
    assert "TOML" in message
    assert str(cause.value) in message


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a TableError like every other fault of the file."""
    path = tmp_path / "some.toml"
    path.write_bytes(b'[one]\nwhy = "\xff"\n')
    with pytest.raises(TableError, match=r"some\.toml"):
        read_catalogue(path)


@pytest.mark.parametrize("floor", Protocol)
def test_sides_of_the_floor(tmp_path: Path, floor: Protocol) -> None:
    """A server is only below, only from, or on both sides of the floor as its versions are."""
    for first in range(len(LADDER)):
        for last in range(first, len(LADDER)):
            text = _text(protocols=_list(LADDER[first : last + 1]), key_exchange='"any"')
            (server,) = _read(tmp_path, text).servers
            assert server.only_below(floor) is (last < LADDER.index(floor))
            assert server.only_from(floor) is (first >= LADDER.index(floor))


def test_real_catalogue_is_read_whole() -> None:
    """The catalogue that is shipped reads without complaint, all of it, each id once."""
    catalogue = read_catalogue()
    assert [server.id for server in catalogue.servers] == list(tomllib.loads(CATALOGUE.read_text()))


NAMED = re.compile(r"(?P<upto>max_)?tls1_(?P<minor>[0-3])(?:_(?P<kind>ecdhe|dhe|ecdsa|rsa))?")
NAMED_OTHERWISE = ("open", "ssl3_rsa")
"""Servers whose versions the rule has no name for."""


def test_ids_of_the_real_catalogue_tell_the_truth() -> None:
    """Each entry's id names versions, key exchange and certificate, and the entry has exactly those."""
    for server in read_catalogue().only(Role.LADDER).servers:
        match = NAMED.fullmatch(server.id)
        if match is None:
            assert server.id in NAMED_OTHERWISE, (
                f"[{server.id}]: the head of catalogue.toml has the rule for ids"
            )
            continue
        ceiling = LADDER.index(Protocol.TLSV1) + int(match["minor"])
        lowest = LADDER.index(Protocol.TLSV1) if match["upto"] else ceiling
        assert server.protocols == set(LADDER[lowest : ceiling + 1]), server.id
        kind = match["kind"]
        if kind:
            assert server.key_exchange == ("ecdhe" if kind == "ecdsa" else kind), server.id
            assert server.certificate == ("ecdsa" if kind == "ecdsa" else "rsa"), server.id


def test_real_catalogue_covers_the_ladder() -> None:
    """Each version below TLS 1.2 is served alone with each key exchange: none hides behind another."""
    alone = {
        (protocol, server.key_exchange)
        for server in read_catalogue().servers
        if server.role is Role.LADDER and len(server.protocols) == 1
        for protocol in server.protocols
    }
    for protocol in (Protocol.TLSV1, Protocol.TLSV1_1):
        for key_exchange in (KeyExchange.RSA, KeyExchange.DHE, KeyExchange.ECDHE):
            assert (protocol, key_exchange) in alone


def _list(protocols: list[Protocol] | tuple[Protocol, ...]) -> str:
    return "[" + ", ".join(f'"{protocol}"' for protocol in protocols) + "]"
