#!/usr/bin/env bash
# hdr-histogram-js 3.0.1 (npm) and hdrhistogram 0.10.8 (PyPI): with counts of 8 or 16 bits, the value that was measured most often is the
# first to be lost: at the 256th or 65,536th time its count starts again at 0, without an error.
#
# How many bits each count has is an argument: bitBucketSize (README: "may be 8, 16, 32, 64 or 'packed'"), word_size in bytes (2, 4
# or 8). The guard of hdr-histogram-js, which throws "would overflow short integer count", asks whether the new count is below 0; in
# an array of unsigned numbers no count ever is. hdrhistogram's add() raises OverflowError, its record_value() does not. Java's
# HdrHistogram, of which both are ports, throws (by its source, not run here). No report of this was found in either tracker.
# Expected: an error at the first count that does not fit, or the right percentiles.
# Seen 2026-11-29: 50 is recorded that often, then 9000 once. Of JavaScript, without and with useWebAssembly alike:
#                        JavaScript                                                           Python
#   bits                 8       8       16       16       16 + 16        32, packed           16       16       16 + 16        32
#   50 recorded          255     256     65,535   65,536   40,000 twice   65,536               65,535   65,536   40,000 twice   65,536
#   total count          256     257     65,536   65,537   80,002         65,537               65,536   65,537   OverflowError  65,537
#   median               50      0       50       0        0              50                   50       0                       50
#   90th percentile      50      0       50       0        0              50                   50       0                       50
#   mean                 85      throws  50       throws   throws         50                   50       0                       50
#   total count, after   256     1       65,536   1        14,466         65,537               65,536   1                       65,537
#   encode and decode
# "16 + 16": two histograms, joined by add(), as those of several workers are. mean is not read with useWebAssembly.
# Matters for: load tests and monitors that keep many histograms and therefore make them small: where nearly all answers are
# equally fast the median is reported as 0. Take 32 bits or more.
# Fails if a release behaves otherwise. Needs Linux or macOS, npm, Node.js 18 or newer, Python 3.9 or newer, and an index of each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" hdr-histogram-js@3.0.1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check hdrhistogram==0.10.8
cat > "$work/show.js" <<'JS'
const assert = require("node:assert");
const hdr = require("hdr-histogram-js");

function recorded(bits, times, useWebAssembly) {
  const histogram = hdr.build({ bitBucketSize: bits, useWebAssembly });
  for (let n = 0; n < times; n += 1) histogram.recordValue(50);
  histogram.recordValue(9000);
  return histogram;
}

function mean(histogram) {
  try {
    return Math.round(histogram.mean);
  } catch (error) {
    return "throws";
  }
}

function told(histogram, useWebAssembly) {
  const decoded = hdr.decodeFromCompressedBase64(hdr.encodeIntoCompressedBase64(histogram));
  const percentiles = [50, 90].map((each) => histogram.getValueAtPercentile(each));
  return [histogram.totalCount, ...percentiles, useWebAssembly ? null : mean(histogram), decoded.totalCount];
}

function check(name, histogram, useWebAssembly, stated) {
  const seen = told(histogram, useWebAssembly);
  console.log(name.padEnd(22), useWebAssembly ? "WebAssembly" : "JavaScript ", seen.join(", "));
  if (useWebAssembly) stated[3] = null;
  assert.deepStrictEqual(seen, stated, "it behaves otherwise");
}

async function main() {
  await hdr.initWebAssembly();
  for (const wasm of [false, true]) {
    check("8 bits, 255", recorded(8, 255, wasm), wasm, [256, 50, 50, 85, 256]);
    check("8 bits, 256", recorded(8, 256, wasm), wasm, [257, 0, 0, "throws", 1]);
    check("16 bits, 65535", recorded(16, 65535, wasm), wasm, [65536, 50, 50, 50, 65536]);
    check("16 bits, 65536", recorded(16, 65536, wasm), wasm, [65537, 0, 0, "throws", 1]);
    const joined = recorded(16, 40000, wasm);
    joined.add(recorded(16, 40000, wasm));
    check("16 bits, 40000 twice", joined, wasm, [80002, 0, 0, "throws", 14466]);
    for (const bits of [32, "packed"]) {
      check(bits + ", 65536", recorded(bits, 65536, wasm), wasm, [65537, 50, 50, 50, 65537]);
    }
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
JS
timeout 60 node "$work/show.js"
cat > "$work/show.py" <<'PY'
from hdrh.histogram import HdrHistogram


def recorded(bits, times):
    histogram = HdrHistogram(1, 3_600_000, 3, word_size=bits // 8)
    for _ in range(times):
        histogram.record_value(50)
    histogram.record_value(9000)
    return histogram


def told(histogram):
    percentiles = [histogram.get_value_at_percentile(each) for each in (50, 90)]
    decoded = HdrHistogram.decode(histogram.encode())
    return [histogram.get_total_count(), *percentiles, round(histogram.get_mean_value()), decoded.get_total_count()]


STATED = {
    (16, 65_535): [65_536, 50, 50, 50, 65_536],
    (16, 65_536): [65_537, 0, 0, 0, 1],
    (32, 65_536): [65_537, 50, 50, 50, 65_537],
}
for (bits, times), stated in STATED.items():
    seen = told(recorded(bits, times))
    print(("%d bits, %d" % (bits, times)).ljust(22), "Python     ", *seen)
    assert seen == stated, "it behaves otherwise"
joined = recorded(16, 40_000)
try:
    joined.add(recorded(16, 40_000))
except OverflowError as error:
    print("16 bits, 40000 twice   Python      OverflowError:", error)
else:
    raise SystemExit("it behaves otherwise")
print("seen as stated")
PY
timeout 60 "$work/venv/bin/python" "$work/show.py"
