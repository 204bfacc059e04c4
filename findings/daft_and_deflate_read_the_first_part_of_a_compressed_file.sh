#!/usr/bin/env bash
# daft 0.7.26 and deflate 0.9.0: of a compressed file in several parts they read the first part, without an error: daft with bzip2, xz
# and zstd, deflate with gzip.
#
# Each of these formats is a series: gzip of members (RFC 1952, section 2.2), zstd of frames (RFC 8878, section 3), xz of streams (its
# file format, section 2), bzip2 of streams, too. pbzip2, pzstd, Wikipedia's "multistream" dumps, and every log that is compressed and
# appended to a file are such series; bzip2 -d, xz -d, zstd -d and gzip -d read all of it.
# Expected: all 1,000 rows.
# Seen 2026-11-29 with two parts of 500 rows each (rows read; "?": does not read this format):
#                                      gzip   bzip2   xz     zstd
#   daft read_csv                      1000   500     500    500
#   daft read_json (one object a line) 1000   500     500    500
#   deflate gzip_decompress            500    ?       ?      ?
#   datafusion 55.0.0, read_csv        1000   1000    1000   1000    (control)
#   daft read_csv, in one part         1000   1000    1000   1000    (control)
# Matters for: counts and sums over archives: the file is whole, the query succeeds, and the larger the archive the less is read
# (pbzip2 makes a part of each 900 kB).
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check daft==0.7.26 deflate==0.9.0 datafusion==55.0.0 zstandard==0.25.0
cat > "$work/show.py" <<'PY'
import bz2
import gzip
import json
import lzma
import os
import sys
from importlib.metadata import version

os.environ["DO_NOT_TRACK"] = "true"
os.environ["DAFT_PROGRESS_BAR"] = "0"
import daft
import datafusion
import deflate
import zstandard

os.chdir(sys.argv[1])
COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress}
ROWS = 1000
table = ["%d,%d\n" % (row, row) for row in range(ROWS)]
objects = [json.dumps({"a": row}) + "\n" for row in range(ROWS)]
HALVES = {
    "csv": ("a,b\n" + "".join(table[: ROWS // 2]), "".join(table[ROWS // 2 :])),
    "jsonl": ("".join(objects[: ROWS // 2]), "".join(objects[ROWS // 2 :])),
}
for kind, halves in HALVES.items():
    for ending, compress in COMPRESS.items():
        with open("two.%s.%s" % (kind, ending), "wb") as file:
            file.write(b"".join(compress(half.encode()) for half in halves))
        with open("one.%s.%s" % (kind, ending), "wb") as file:
            file.write(compress("".join(halves).encode()))


def by_datafusion(name):
    ending = name.rpartition(".")[2]
    kind = {"gz": "gzip", "zst": "zstd"}.get(ending, ending)
    return datafusion.SessionContext().read_csv(name, file_extension=".csv." + ending, file_compression_type=kind).count()


def by_deflate(name):
    with open(name, "rb") as file:
        return deflate.gzip_decompress(file.read()).count(b"\n") - 1  # without the header


WHOLE = {ending: ROWS for ending in COMPRESS}
FIRST = {**WHOLE, "bz2": ROWS // 2, "xz": ROWS // 2, "zst": ROWS // 2}
CASES = {
    "daft read_csv": ("two.csv.", lambda name: daft.read_csv(name).count_rows(), FIRST),
    "daft read_json": ("two.jsonl.", lambda name: daft.read_json(name).count_rows(), FIRST),
    "deflate": ("two.csv.", by_deflate, {"gz": ROWS // 2}),
    "datafusion read_csv": ("two.csv.", by_datafusion, WHOLE),
    "daft read_csv, one part": ("one.csv.", lambda name: daft.read_csv(name).count_rows(), WHOLE),
    "deflate, one part": ("one.csv.", by_deflate, {"gz": ROWS}),
}
print(", ".join("%s %s" % (package, version(package)) for package in ("daft", "deflate", "datafusion")))
for what, (begins, read, stated) in CASES.items():
    seen = {ending: read(begins + ending) for ending in stated}
    print("%-24s %s" % (what, seen), flush=True)
    assert seen == stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
