#!/usr/bin/env bash
# dpkt 1.9.8, scapy 2.8.0, python-pcapng 2.1.1: each dates packets of valid pcapng files wrongly, each other ones.
#
# In pcapng every interface has its own link type, clock resolution (if_tsresol) and clock offset (if_tsoffset); interfaces are
# numbered from 0 again in each section, and files may be joined with cat. A merge of a capture in microseconds with a capture in
# nanoseconds, which tcpdump, tshark and hardware all make, is such a file.
# Expected: all three packets below at 1,700,000,000.5 s (2023-11-14 22:13:20.5 UTC), with or without an error for the rest.
# Seen 2026-11-29, no error from any of the three:
#   second interface in nanoseconds    dpkt 1,700,000,000,500 s (and reports a single link type for the file), scapy and
#                                      python-pcapng right
#   second section in nanoseconds      dpkt and scapy 1,700,000,000,500 s; scapy also parses the section's raw IP packet as
#                                      Ethernet; python-pcapng right
#   clock offset of 1,700,000,000 s    scapy and python-pcapng 0.5 s; dpkt right
# Matters for: whoever lays captures of several machines side by side to see which handshake came first.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.9 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dpkt==1.9.8 scapy==2.8.0 python-pcapng==2.1.1
cat > "$work/show.py" <<'PY'
import logging
import struct
import sys
from importlib.metadata import version
from pathlib import Path

logging.disable(logging.WARNING)  # scapy warns of a machine without a default route
import dpkt
import pcapng
import scapy.layers.inet  # teaches rdpcap the link types
from scapy.utils import rdpcap

SECOND = 1_700_000_000
ETHERNET, RAW = 1, 101
IP = bytes.fromhex("4500001c00010000401100007f0000017f000001") + struct.pack(">HHHH", 1, 2, 8, 0)
FRAME = bytes.fromhex("0200000000010200000000020800") + IP


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link, *options):
    return block(1, struct.pack("<HHI", link, 0, 65_535) + b"".join(options) + option(0, b""))


def packet(of_interface, ticks, data):
    return block(6, struct.pack("<IIIII", of_interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data)


SECTION = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
NANOSECONDS = option(9, bytes([9]))
OFFSET = option(14, struct.pack("<q", SECOND))
MICRO = packet(0, SECOND * 10**6 + 500_000, FRAME)
NANO = SECOND * 10**9 + 500_000_000
FILES = {
    "interface": SECTION + interface(ETHERNET) + interface(ETHERNET, NANOSECONDS) + MICRO + packet(1, NANO, FRAME),
    "section": SECTION + interface(ETHERNET) + MICRO + SECTION + interface(RAW, NANOSECONDS) + packet(0, NANO, IP),
    "offset": SECTION + interface(ETHERNET, OFFSET) + packet(0, 500_000, FRAME),
}


def by_dpkt(path):
    with path.open("rb") as file:
        return [float(when) for when, _ in dpkt.pcapng.Reader(file)][-1]


def by_scapy(path):
    return float(rdpcap(str(path))[-1].time)


def by_python_pcapng(path):
    with path.open("rb") as file:
        return [float(read.timestamp) for read in pcapng.FileScanner(file) if isinstance(read, pcapng.blocks.EnhancedPacket)][-1]


RIGHT = SECOND + 0.5
LATE = SECOND * 1000 + 500.0
STATED = {
    ("interface", "dpkt"): LATE,
    ("interface", "scapy"): RIGHT,
    ("interface", "python-pcapng"): RIGHT,
    ("section", "dpkt"): LATE,
    ("section", "scapy"): LATE,
    ("section", "python-pcapng"): RIGHT,
    ("offset", "dpkt"): RIGHT,
    ("offset", "scapy"): 0.5,
    ("offset", "python-pcapng"): 0.5,
}
folder = Path(sys.argv[1])
seen = {}
for name, data in FILES.items():
    path = folder / (name + ".pcapng")
    path.write_bytes(data)
    for reader, read in (("dpkt", by_dpkt), ("scapy", by_scapy), ("python-pcapng", by_python_pcapng)):
        when = seen[name, reader] = read(path)
        print("%-10s %-14s %-6s %18.1f s %s" % (name, reader, version(reader), when, "right" if when == RIGHT else "WRONG"))
layer = type(rdpcap(str(folder / "section.pcapng"))[-1]).__name__
print("scapy parses the raw IP packet of the second section as", layer)
assert seen == STATED and layer == "Ether", "it behaves otherwise: %r %s" % (seen, layer)
print("seen as stated")
PY
timeout 60 "$work/venv/bin/python" "$work/show.py" "$work"
