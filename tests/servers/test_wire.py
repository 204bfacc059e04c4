"""The wire's account: true on real handshakes, and never more than the bytes say on any others."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import CipherSuite
from tlslite.errors import BaseTLSException
from tlslite.extensions import SupportedVersionsExtension, TLSExtension
from tlslite.messages import ClientHello, ServerHello

from servers.protocols import LADDER, Protocol, Sender
from servers.tap import Capture, Chunk
from servers.wire import WireAccount, WireAlert, read_capture
from tests.support.examples import examples
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Callable


CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2


# Real handshakes ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Handshake:
    """What one connection left behind: the bytes, and what each end knows of it."""

    capture: Capture
    suite: int | None = None
    """The cipher suite by the client's own account; None if it did not complete."""


class _Recorder:
    """A client's socket that keeps what passes, as the tap would."""

    def __init__(self, plain: socket.socket, capture: Capture) -> None:
        self._plain = plain
        self._capture = capture

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        self._capture.add(Sender.CLIENT, bytes(data))
        self._plain.sendall(data)

    def recv(self, size: int) -> bytes:
        data = self._plain.recv(size)
        self._capture.add(Sender.SERVER, data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


def _only(*versions: Protocol, groups: tuple[str, ...] = ("secp256r1",), **more: object) -> HandshakeSettings:
    chosen = HandshakeSettings()
    chosen.versions = sorted((version.wire for version in versions), reverse=True)
    chosen.minVersion, chosen.maxVersion = chosen.versions[-1], chosen.versions[0]
    chosen.eccCurves = list(groups)
    chosen.keyShares = list(groups[:1])
    for name, value in more.items():
        setattr(chosen, name, value)
    return chosen


@cache
def _leaf() -> trustme.LeafCert:
    return trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("localhost", key_type=trustme.KeyType.RSA)


@cache
def _identity() -> tuple[X509CertChain, Any]:
    chain = X509CertChain()
    chain.parsePemList(_leaf().cert_chain_pems[0].bytes().decode())
    return chain, parsePEMKey(_leaf().private_key_pem.bytes().decode(), private=True)


def _shake(client: HandshakeSettings, server: HandshakeSettings, *, talk: bool = True) -> _Handshake:
    """Let tlslite-ng's client and server shake hands, and, if they are to talk, send some data each way."""
    near, far = socket.socketpair()
    near.settimeout(HANGS)
    far.settimeout(HANGS)

    def serve() -> None:
        chain, key = _identity()
        connection = TLSConnection(far)
        with far, contextlib.suppress(OSError, BaseTLSException):
            connection.handshakeServer(certChain=chain, privateKey=key, settings=server)
            if talk:
                connection.read(min=8)
                connection.sendall(b"an answer")
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    capture, suite = Capture(), None
    recorder = _Recorder(near, capture)
    connection = TLSConnection(recorder)
    with near, contextlib.suppress(OSError, BaseTLSException):
        connection.handshakeClientCert(settings=client)
        suite = connection.session.cipherSuite
        if talk:
            connection.sendall(b"question")
            connection.read(min=9)
        connection.close()
        while recorder.recv(65536):
            pass
    thread.join(HANGS)
    assert not thread.is_alive()
    return _Handshake(capture, suite)


@cache
def _at(version: Protocol) -> _Handshake:
    return _shake(_only(version), _only(version))


def _openssl(curve: str | None = None, *, trusting: bool = True) -> _Handshake:
    """Let the ssl module talk to itself in memory, the server with this curve alone if one is given.

    A client that trusts nobody refuses the certificate.
    """
    near_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    near_context.check_hostname = False
    near_context.verify_mode = ssl.CERT_NONE if trusting else ssl.CERT_REQUIRED
    far_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _leaf().configure_cert(far_context)
    if curve:
        far_context.set_ecdh_curve(curve)
    to_near, from_near, to_far, from_far = (ssl.MemoryBIO() for _ in range(4))
    near = near_context.wrap_bio(to_near, from_near)
    far = far_context.wrap_bio(to_far, from_far, server_side=True)
    capture = Capture()

    def carry() -> None:
        for sender, source, target in (
            (Sender.CLIENT, from_near, to_far),
            (Sender.SERVER, from_far, to_near),
        ):
            data = source.read()
            capture.add(sender, data)
            target.write(data)

    def in_turns(*steps: Callable[[], object]) -> None:
        waiting = list(steps)
        for _ in range(10):
            for step in tuple(waiting):
                with contextlib.suppress(ssl.SSLWantReadError):
                    step()
                    waiting.remove(step)
                carry()
            if not waiting:
                return
        pytest.fail("the two never agreed")

    if not trusting:
        with pytest.raises(ssl.SSLCertVerificationError):
            in_turns(near.do_handshake, far.do_handshake)
        carry()
        return _Handshake(capture)
    in_turns(near.do_handshake, far.do_handshake)
    near.write(b"question")
    in_turns(lambda: far.read(8))
    far.write(b"an answer")
    in_turns(lambda: near.read(9))
    cipher = near.cipher()
    assert cipher is not None
    suites = {name: number for number, name in CipherSuite.ietfNames.items()}
    return _Handshake(capture, suites[cipher[0]])


@pytest.mark.parametrize("version", LADDER)
def test_completed_handshake_is_told_as_it_was(version: Protocol) -> None:
    """Version and cipher are those of both ends, data went both ways, and nothing is at fault."""
    handshake = _at(version)
    account = read_capture(handshake.capture)
    assert account.server_version is version
    assert account.server_cipher == CipherSuite.ietfNames[handshake.suite]
    assert account.data_both_ways
    assert account.faults == ()


@pytest.mark.parametrize("version", LADDER)
@pytest.mark.parametrize("talk", [True, False])
def test_a_handshake_is_complete_with_or_without_data(version: Protocol, *, talk: bool) -> None:
    """Up to TLS 1.2 both Finished messages show, whether or not data follows; in TLS 1.3 nothing does."""
    account = read_capture(_shake(_only(version), _only(version), talk=talk).capture)
    assert account.finished is (version is not Protocol.TLSV1_3)
    if version is not Protocol.TLSV1_3:
        assert account.data_both_ways is talk


@pytest.mark.parametrize("version", LADDER)
@pytest.mark.parametrize("talk", [True, False])
def test_a_connection_is_used_only_by_data_behind_the_handshake(version: Protocol, *, talk: bool) -> None:
    """At each version, what a client sends behind its Finished tells data from a goodbye."""
    account = read_capture(_shake(_only(version), _only(version), talk=talk).capture)
    assert account.used is talk


def test_who_refuses_a_certificate_has_not_used_the_connection() -> None:
    """The alert of a client that trusts nobody is not taken for data, in clear or encrypted."""
    account = read_capture(_openssl(trusting=False).capture)
    assert account.server_version is Protocol.TLSV1_3
    assert account.alerts
    assert not account.used


@pytest.mark.parametrize(
    ("lengths", "used"),
    [
        ([19], False),  # an alert in the place of the Finished
        ([53], False),
        ([69, 19], False),  # close_notify
        ([53, 22, 19], False),  # a KeyUpdate
        ([53, 35], True),  # GET / HTTP/1.0
        ([69, 22, 300, 19], True),
    ],
)
def test_what_is_encrypted_in_tls1_3_is_told_by_its_length(lengths: list[int], *, used: bool) -> None:
    """The first record is the Finished, or an alert; a later one is data if it is too long for either."""
    hello = _server_hello(_chosen(b"\x03\x04"))
    said = _client_hello(_versions((3, 4))) + b"".join(_record(DATA, bytes(length)) for length in lengths)
    account = read_capture(_capture(said, hello + _record(DATA, bytes(900))))
    assert account.server_version is Protocol.TLSV1_3
    assert account.used is used


def test_nothing_that_the_server_or_the_tap_does_takes_data_back() -> None:
    """A client that sent data used the connection, answered or not, and whoever ended it."""
    whole = _at(Protocol.TLSV1_1).capture
    sent = [chunk for chunk in whole.chunks if chunk.sender is Sender.CLIENT]
    last = whole.chunks.index(sent[-2])  # the request; behind it is the goodbye
    cut = Capture(chunks=whole.chunks[: last + 1], faults=["ended by the tap"])
    account = read_capture(cut)
    assert (account.used, account.data_both_ways) == (True, False)


@pytest.mark.parametrize("doubled", [True, False])
def test_data_behind_two_server_hellos_proves_nothing(*, doubled: bool) -> None:
    """Where two hellos leave open at which version data was sent, the connection counts as not used."""
    finished = _record(CHANGE_CIPHER_SPEC, b"\x01") + _record(HANDSHAKE, bytes(40)) + _record(DATA, bytes(40))
    hellos = _server_hello(version=(3, 1)) * (2 if doubled else 1)
    account = read_capture(_capture(_client_hello() + finished, hellos + finished))
    assert account.used is not doubled


@pytest.mark.parametrize("sender", Sender)
def test_half_a_handshake_is_not_complete(sender: Sender) -> None:
    """Where what one side sent behind its ChangeCipherSpec is lost, nothing was completed."""
    whole = _shake(_only(Protocol.TLSV1), _only(Protocol.TLSV1), talk=False).capture
    half = Capture()
    for chunk in whole.chunks:
        cut = chunk.data.find(b"\x14\x03\x01\x00\x01\x01") if chunk.sender is sender else -1
        half.add(chunk.sender, chunk.data if cut < 0 else chunk.data[:cut])
        if cut >= 0:
            break
    assert read_capture(whole).finished
    assert not read_capture(half).finished


@pytest.mark.parametrize("version", LADDER)
def test_offer_is_the_client_s_list(version: Protocol) -> None:
    """A client of TLS 1.3 lists its versions; of one before it only the ceiling is known."""
    account = read_capture(_at(version).capture)
    if version is Protocol.TLSV1_3:
        assert account.offered == (version,)
        assert account.legacy_version is Protocol.TLSV1_2  # RFC 8446 section 4.1.2 fixes it
    else:
        assert account.offered is None
        assert account.legacy_version is version


@pytest.mark.parametrize("lowest", LADDER[1:])
def test_offer_comes_highest_first(lowest: Protocol) -> None:
    """The offered versions are all those of supported_versions, in the client's order."""
    versions = LADDER[LADDER.index(lowest) :]
    account = read_capture(_shake(_only(*versions), _only(Protocol.TLSV1_3)).capture)
    assert account.offered == tuple(reversed(versions))


def test_data_is_counted_for_each_side() -> None:
    """Before TLS 1.3 application_data records are the data: TLS 1.2 with AES-GCM adds 24 bytes to it."""
    client = _only(Protocol.TLSV1_2, cipherNames=["aes128gcm"])
    account = read_capture(_shake(client, _only(Protocol.TLSV1_2)).capture)
    overhead = 8 + 16  # explicit nonce and tag: RFC 5288 section 3
    assert account.client_data == len(b"question") + overhead
    assert account.server_data == len(b"an answer") + overhead


@pytest.mark.parametrize("version", [p for p in LADDER if p is not Protocol.TLSV1_3])
def test_encrypted_alert_has_no_description(version: Protocol) -> None:
    """The close_notify that ends a connection before TLS 1.3 is seen, and its content is not guessed."""
    alerts = read_capture(_at(version).capture).alerts
    assert alerts
    assert {(alert.level, alert.description) for alert in alerts} == {(None, None)}


def test_alert_of_tls1_3_is_hidden() -> None:
    """In TLS 1.3 an encrypted alert looks like data, so none is told of."""
    assert read_capture(_at(Protocol.TLSV1_3).capture).alerts == ()


def test_client_that_refuses_the_version_says_so() -> None:
    """A client that gets a version below its own sends protocol_version after that ServerHello."""
    account = read_capture(_shake(_only(Protocol.TLSV1_2), _only(Protocol.TLSV1_1)).capture)
    assert account.server_version is Protocol.TLSV1_1
    assert account.alerts == (WireAlert(Sender.CLIENT, "fatal", "protocol_version"),)
    assert account.alerted == "client: protocol_version"
    assert not account.data_both_ways
    assert not account.finished
    assert account.faults == ()


def test_server_that_refuses_the_version_says_so() -> None:
    """A server that is offered too little sends protocol_version, and no version was chosen."""
    account = read_capture(_shake(_only(Protocol.TLSV1_1), _only(Protocol.TLSV1_2)).capture)
    assert account.server_version is None
    assert account.server_cipher is None
    assert account.server_hello == ""
    assert account.alerts == (WireAlert(Sender.SERVER, "fatal", "protocol_version"),)
    assert not account.data_both_ways


def test_openssl_is_read_as_well() -> None:
    """What OpenSSL writes is understood as what tlslite-ng writes."""
    handshake = _openssl()
    account = read_capture(handshake.capture)
    assert account.server_version is Protocol.TLSV1_3
    assert account.server_cipher == CipherSuite.ietfNames[handshake.suite]
    assert account.data_both_ways
    assert account.faults == ()


@pytest.mark.parametrize("library", ["tlslite-ng", "OpenSSL"])
def test_after_a_hello_retry_request_the_real_hello_counts(library: str) -> None:
    """The first ClientHello and the last ServerHello are told, and both retries are on the wire."""
    if library == "OpenSSL":
        handshake = _openssl("secp384r1")
    else:
        client = _only(Protocol.TLSV1_3, groups=("secp256r1", "secp384r1"))
        handshake = _shake(client, _only(Protocol.TLSV1_3, groups=("secp384r1",)))
    retry = bytes.fromhex(
        "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
    )  # RFC 8446 4.1.3
    assert retry in handshake.capture.stream(Sender.SERVER)
    account = read_capture(handshake.capture)
    assert account.server_version is Protocol.TLSV1_3
    assert account.server_cipher == CipherSuite.ietfNames[handshake.suite]
    assert bytes.fromhex(account.server_hello)[6:38] != retry
    assert account.server_random == bytes.fromhex(account.server_hello)[6:38]
    sent = handshake.capture.stream(Sender.CLIENT)
    assert sent.index(bytes.fromhex(account.client_hello)) == 5  # right behind the first record's header
    assert account.data_both_ways
    assert account.faults == ()


# Made hellos ----------------------------------------------------------------------------------------------


def _record(kind: int, body: bytes, version: tuple[int, int] = (3, 3)) -> bytes:
    return bytes((kind, *version)) + len(body).to_bytes(2, "big") + body


def _capture(client: bytes = b"", server: bytes = b"") -> Capture:
    capture = Capture()
    for sender, data in ((Sender.CLIENT, client), (Sender.SERVER, server)):
        if data:
            capture.chunks.append(Chunk(0.0, sender, data))
    return capture


def _client_hello(*extensions: TLSExtension) -> bytes:
    suites = [CipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA]
    hello = ClientHello().create((3, 3), bytearray(32), bytearray(), suites, extensions=list(extensions))
    return _record(HANDSHAKE, bytes(hello.write()))


def _server_hello(*extensions: TLSExtension, version: tuple[int, int] = (3, 3)) -> bytes:
    suite = CipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA
    hello = ServerHello().create(
        version, bytearray(range(32)), bytearray(), suite, extensions=list(extensions) or None
    )
    return _record(HANDSHAKE, bytes(hello.write()))


def _versions(*wire: tuple[int, int]) -> TLSExtension:
    return SupportedVersionsExtension().create(list(wire))


def _chosen(payload: bytes) -> TLSExtension:
    return TLSExtension(extType=43).create(bytearray(payload))


@pytest.mark.parametrize("grease", [0x0A, 0x1A, 0xFA])
def test_grease_is_no_version(grease: int) -> None:
    """Versions that a client offers to keep servers honest (RFC 8701), and drafts, are left out."""
    offer = _versions((grease, grease), (3, 4), (0x7F, 28), (3, 3), (grease, grease))
    account = read_capture(_capture(_client_hello(offer)))
    assert account.offered == (Protocol.TLSV1_3, Protocol.TLSV1_2)
    assert account.faults == ()


@pytest.mark.parametrize("version", LADDER)
def test_extension_outranks_the_legacy_version(version: Protocol) -> None:
    """A ServerHello's version is that of its supported_versions, whatever its legacy_version says."""
    assert read_capture(_capture(server=_server_hello(version=version.wire))).server_version is version
    both = _server_hello(_chosen(bytes(version.wire)))
    assert read_capture(_capture(server=both)).server_version is version


@pytest.mark.parametrize("wire", [(3, 5), (2, 0), (0x7F, 28)])
def test_version_that_does_not_exist_is_none_of_ours(wire: tuple[int, int]) -> None:
    """A server that chooses a version which nobody knows has chosen none, and the hello is still kept."""
    account = read_capture(_capture(server=_server_hello(version=wire)))
    assert account.server_version is None
    assert account.server_hello
    assert not account.data_both_ways


@pytest.mark.parametrize(
    "extensions",
    [
        (_chosen(b""),),
        (_versions((3, 3)), _versions((3, 2))),
        (_chosen(b"\x03\x03\x03"),),
        (_chosen(b"\x02\x03"),),
    ],
    ids=["empty", "twice", "odd", "short"],
)
def test_nonsense_in_the_client_s_versions_is_a_fault(extensions: tuple[TLSExtension, ...]) -> None:
    """A supported_versions that breaks the rules is a fault of the record, not an exception."""
    account = read_capture(_capture(_client_hello(*extensions)))
    assert not account.offered
    assert account.faults


@pytest.mark.parametrize(
    "extensions",
    [(_chosen(b""),), (_chosen(b"\x03\x03"), _chosen(b"\x03\x02")), (_chosen(b"\x03"),)],
    ids=["empty", "twice", "short"],
)
def test_nonsense_in_the_server_s_version_is_a_fault(extensions: tuple[TLSExtension, ...]) -> None:
    """A chosen version that breaks the rules is a fault and no version, not an exception."""
    account = read_capture(_capture(server=_server_hello(*extensions)))
    assert account.server_version is None
    assert account.faults


@pytest.mark.parametrize("sender", Sender)
def test_encrypted_message_is_not_taken_for_a_hello(sender: Sender) -> None:
    """Behind ChangeCipherSpec a handshake record is ciphertext, whatever its first byte looks like."""
    hello = _client_hello() if sender is Sender.CLIENT else _server_hello(version=(3, 1))
    kind = CLIENT_HELLO if sender is Sender.CLIENT else SERVER_HELLO
    imitation = bytes([kind, 0, 0, 36]) + bytes(36)
    stream = hello + _record(CHANGE_CIPHER_SPEC, b"\x01") + _record(HANDSHAKE, imitation)
    sides = {"client": b"", "server": b""} | {str(sender): stream}
    account = read_capture(_capture(**sides))
    told = account.client_hello if sender is Sender.CLIENT else account.server_hello
    assert told == hello[5:].hex()
    assert account.faults == ()
    if sender is Sender.SERVER:
        assert account.server_version is Protocol.TLSV1


def test_hello_may_come_in_pieces() -> None:
    """A hello that is spread over several records is put together (RFC 8446 section 5.1)."""
    whole = _server_hello()[5:]
    for cut in (1, 4, 20, len(whole) - 1):
        pieces = _record(HANDSHAKE, whole[:cut]) + _record(HANDSHAKE, whole[cut:])
        account = read_capture(_capture(server=pieces))
        assert account.server_hello == whole.hex()
        assert account.server_version is Protocol.TLSV1_2


@pytest.mark.parametrize("sender", Sender)
@pytest.mark.parametrize(
    ("level", "description", "words"),
    [
        (2, 70, ("fatal", "protocol_version")),
        (2, 47, ("fatal", "illegal_parameter")),
        (2, 40, ("fatal", "handshake_failure")),
        (1, 0, ("warning", "close_notify")),
    ],
)
def test_alert_in_clear_is_told_with_its_sender(
    sender: Sender, level: int, description: int, words: tuple[str, str]
) -> None:
    """An alert before encryption has sender, level and description as the RFCs name their numbers."""
    stream = _record(ALERT, bytes((level, description)))
    account = read_capture(_capture(**{str(sender): stream}))
    assert account.alerts == (WireAlert(sender, *words),)
    assert account.alerted == f"{sender}: {words[1]}"


def test_alert_behind_the_dummy_record_of_tls1_3_is_still_in_clear() -> None:
    """An alert of two bytes is never ciphertext, which is longer: TLS 1.3's dummy may precede it."""
    stream = _client_hello() + _record(CHANGE_CIPHER_SPEC, b"\x01") + _record(ALERT, bytes((2, 47)))
    assert read_capture(_capture(stream)).alerts == (WireAlert(Sender.CLIENT, "fatal", "illegal_parameter"),)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x80\x2e\x01\x00\x02" + bytes(40),  # an SSLv2 ClientHello
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        b"\x16\xfe\xff\x00\x02\x01\x00",  # a DTLS record
        b"\x19\x03\x03\x00\x00",  # a record type that does not exist
        b"\x16",
    ],
    ids=["sslv2", "http", "dtls", "type", "byte"],
)
@pytest.mark.parametrize("sender", Sender)
def test_bytes_that_are_no_record_are_a_fault(sender: Sender, garbage: bytes) -> None:
    """Whatever is not TLS makes the record unfit as evidence, and nothing is read out of it."""
    account = read_capture(_capture(**{str(sender): garbage}))
    assert account.faults
    assert account.offered is None
    assert account.server_version is None
    assert account.alerts == ()
    assert not account.data_both_ways


def test_second_hello_that_nobody_asked_for_is_a_fault() -> None:
    """Two ServerHellos make sense behind a HelloRetryRequest only: else bytes were doubled or mixed up."""
    doubled = _server_hello(version=(3, 1)) + _server_hello(version=(3, 3))
    assert read_capture(_capture(server=doubled)).faults


def test_tap_s_own_words_are_passed_on() -> None:
    """What the tap found at fault or worth a note is in the account."""
    capture = Capture(faults=["a hole"], notes=["who broke off"])
    account = read_capture(capture)
    assert account.faults == ("a hole",)
    assert account.notes == ("who broke off",)


# Any bytes ------------------------------------------------------------------------------------------------

WEAK = WireAccount(None, None, None, None, None, (), 0, 0, "", "")
"""What is told of nothing."""


def _payload(stream: bytes, wanted: int) -> bytes:
    """Join the bodies of the whole records of one type, as far as the stream is made of records."""
    joined, position = b"", 0
    while position + 5 <= len(stream):
        length = int.from_bytes(stream[position + 3 : position + 5], "big")
        body = stream[position + 5 : position + 5 + length]
        if stream[position + 1] != 3 or len(body) < length:
            break
        joined += body if stream[position] == wanted else b""
        position += 5 + length
    return joined


def _assert_told_from_bytes(account: WireAccount, capture: Capture) -> None:
    """Fail where the account has a hello, a version or data that the bytes do not have."""
    client, server = capture.stream(Sender.CLIENT), capture.stream(Sender.SERVER)
    server_hello = bytes.fromhex(account.server_hello)
    assert server_hello in _payload(server, HANDSHAKE)
    assert bytes.fromhex(account.client_hello) in _payload(client, HANDSHAKE)
    if account.server_version is not None:
        assert server_hello[0] == SERVER_HELLO
        assert bytes(account.server_version.wire) in server_hello
    if account.data_both_ways:
        assert account.server_version is not None
        assert _payload(client, DATA)
        assert _payload(server, DATA)


RECORDS = st.builds(
    _record,
    st.sampled_from((CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, 24, 99)),
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda kind, body: bytes([kind]) + len(body).to_bytes(3, "big") + body,
            st.sampled_from((0, CLIENT_HELLO, SERVER_HELLO, 11)),
            st.binary(max_size=90),
        ),
    ),
    st.sampled_from(((3, 3), (3, 3), (3, 1), (2, 0))),
)
STREAMS = st.one_of(st.binary(max_size=120), st.lists(RECORDS, max_size=6).map(b"".join))


@examples(80)
@given(STREAMS, STREAMS)
def test_no_bytes_raise_or_are_more_than_they_are(client: bytes, server: bytes) -> None:
    """Whatever passed, there is an account, and it has nothing that is not in the bytes."""
    capture = _capture(client, server)
    _assert_told_from_bytes(read_capture(capture), capture)


EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4
)


@examples(80)
@given(st.sampled_from(LADDER), st.sampled_from(Sender), EDITS)
def test_damaged_handshake_never_raises(
    version: Protocol, sender: Sender, edits: list[tuple[int, int, bytes]]
) -> None:
    """A real handshake with bytes changed, lost or added is told without an exception and from its bytes."""
    streams = {str(side): _at(version).capture.stream(side) for side in Sender}
    for position, lost, added in edits:
        data = streams[str(sender)]
        streams[str(sender)] = data[:position] + added + data[position + lost :]
    capture = _capture(**streams)
    _assert_told_from_bytes(read_capture(capture), capture)


@examples(40)
@given(st.sampled_from(LADDER), st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_chunks_do_not_matter(version: Protocol, sizes: list[int]) -> None:
    """The same bytes give the same account, however they were cut on their way."""
    whole = _at(version).capture
    pieces = Capture()
    for chunk in whole.chunks:
        rest, turn = chunk.data, 0
        while rest:
            size = sizes[turn % len(sizes)]
            pieces.add(chunk.sender, rest[:size])
            rest, turn = rest[size:], turn + 1
    assert read_capture(pieces) == read_capture(whole)


@examples(80)
@given(st.sampled_from([*LADDER, None]), st.data())
def test_cut_never_makes_a_better_account(version: Protocol | None, data: st.DataObject) -> None:
    """What is told of the first bytes is told of all of them, or there is a fault that says why not."""
    whole = _at(version).capture if version else _retried()
    size = sum(len(chunk.data) for chunk in whole.chunks)
    kept = data.draw(st.integers(0, size - 1))
    cut = Capture()
    for chunk in whole.chunks:
        cut.add(chunk.sender, chunk.data[:kept])
        kept -= min(kept, len(chunk.data))
    before, after = read_capture(cut), read_capture(whole)
    assert after.faults == ()
    assert before.client_data <= after.client_data
    assert before.server_data <= after.server_data
    assert set(before.alerts) <= set(after.alerts)
    assert before.data_both_ways <= after.data_both_ways
    for fact in (
        "offered",
        "legacy_version",
        "cipher_count",
        "server_version",
        "server_cipher",
        "client_hello",
    ):
        assert getattr(before, fact) in (getattr(WEAK, fact), getattr(after, fact))
    # A HelloRetryRequest is a ServerHello too, until the real one has come.
    if before.server_hello != after.server_hello:
        assert before.server_data == 0
    if before.faults == ():
        told = [
            (before.client_data, before.server_data, before.alerts, before.client_hello, before.server_hello)
        ]
        best = [(after.client_data, after.server_data, after.alerts, after.client_hello, after.server_hello)]
        assert told != best


@cache
def _retried() -> Capture:
    client = _only(Protocol.TLSV1_3, groups=("secp256r1", "secp384r1"))
    return _shake(client, _only(Protocol.TLSV1_3, groups=("secp384r1",))).capture


def test_data_both_ways_needs_all_three() -> None:
    """Without a version, or with one side silent, data did not go both ways."""
    full = replace(WEAK, server_version=Protocol.TLSV1, client_data=1, server_data=1)
    assert full.data_both_ways
    for lacking in ({"server_version": None}, {"client_data": 0}, {"server_data": 0}):
        assert not replace(full, **lacking).data_both_ways
