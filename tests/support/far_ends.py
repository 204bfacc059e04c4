"""How a far end begins that is none of ours: it knows the frames, and does as it likes."""

from __future__ import annotations

FRAMES = """
import json, os, struct, socket, sys, time
HEADER = struct.Struct(">cII")
def send(kind, number=0, data=b""):
    os.write(1, HEADER.pack(kind, number, len(data)) + data)
def say(**record):
    send(b"L", 0, b"\\nTLS-FLOOR-PROBE " + json.dumps(record).encode() + b"\\n")
"""
"""Source text: `send` writes a frame, and `say` a line as a probe prints it."""
