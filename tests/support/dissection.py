"""What tshark, which shares no code with us, dissects of the hellos of a run's captures."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {
    "cipher_suites": "tls.handshake.ciphersuite",
    "groups": "tls.handshake.extensions_supported_group",
    "key_shares": "tls.handshake.extensions_key_share_group",
    "signature_algorithms": "tls.handshake.sig_hash_alg",
    "versions": "tls.handshake.extensions.supported_version",
}
"""The lists of a hello in matrix.json, and tshark's fields for them."""

Lists = dict[str, list[int]]


def has_tshark() -> bool:
    """Whether there is a tshark to ask."""
    return shutil.which("tshark") is not None


def _codes(text: str) -> list[int]:
    """Return the numbers of a field, without GREASE (RFC 8701)."""
    grease = {high << 8 | high for high in range(0x0A, 0x100, 0x10)}
    return [code for code in (int(number, 0) for number in text.split(",") if number) if code not in grease]


def dissected(capture: Path) -> dict[str, list[Lists]]:
    """Return the lists of each ClientHello of a capture, by the cell that it is of."""
    shown = [word for field in ("frame.interface_name", *FIELDS.values()) for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-r", capture, "-Y", "tls.handshake.type == 1", "-T", "fields", *shown],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found: dict[str, list[Lists]] = {}
    for line in done.stdout.splitlines():
        cell, *texts = line.split("\t")
        found.setdefault(cell, []).append(dict(zip(FIELDS, map(_codes, texts), strict=True)))
    return found


def check_hellos(latest: Path, server: str) -> set[str]:
    """Hold what the report has of each client's hello against tshark's; return the clients that were held."""
    document = json.loads((latest / "matrix.json").read_text(encoding="utf-8"))
    hellos = {hello["fingerprint"]: hello for hello in document["hellos"]}
    with (latest / "matrix.csv").open(encoding="utf-8", newline="") as file:
        lines = {(row["interpreter"], row["client"], row["condition"]): row for row in csv.DictReader(file)}
    theirs = {
        cell: lists
        for capture in sorted((latest / "evidence").glob("*.pcapng"))
        for cell, lists in dissected(capture).items()
    }
    held = set()
    for verdict in document["verdicts"]:
        key = tuple(verdict[name] for name in ("interpreter", "client", "condition"))
        cell = "/".join((*key[:2], server, key[2]))
        if cell not in theirs:
            continue
        hello = hellos[verdict["hello"]]
        ours = {
            name: [int(one if isinstance(one, str) else one["code"], 16) for one in hello[name]]
            for name in FIELDS
        }
        assert ours == theirs[cell][0], cell
        line = lines[key]
        names = {name: " ".join(one["name"] for one in hello[name]) for name in ("groups", "key_shares")}
        assert {name: line[name] for name in names} == names, cell
        # X25519MLKEM768, SecP256r1MLKEM768 and SecP384r1MLKEM1024 (draft-ietf-tls-ecdhe-mlkem).
        hybrids = {0x11EB, 0x11EC, 0x11ED}
        sent, named = (bool(hybrids.intersection(ours[name])) for name in ("key_shares", "groups"))
        assert line["post_quantum"] == ("key share" if sent else "named" if named else "none"), cell
        held.add(verdict["client"])
    return held
