#!/bin/sh
# Every benchmark, one after the other: minutes. BENCH_TOOLS is the folder with the fake model, the load generator and
# the bare proxy (bench/overhead.py tells what it needs), BENCH_DATA the folder with xquad.en.json,
# BENCH_SAMPLES the folder with the 117-page PDF.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
tools=${BENCH_TOOLS:-../shared/bench}
data=${BENCH_DATA:-../shared/datasets}
samples=${BENCH_SAMPLES:-../shared/samples}

heading() { printf '\n== %s ==\n' "$1"; }
heading "start and idle memory"
"$python" -m bench.start
if [ -d "$tools" ]; then
    heading "platform overhead"
    "$python" -m bench.overhead --tools "$tools"
else
    echo "skipped: platform overhead needs BENCH_TOOLS" >&2
fi
heading "key check"
"$python" -m bench.key_check
heading "visitors at once"
"$python" -m bench.widget_sockets
heading "webhooks"
"$python" -m bench.webhooks
if [ -f "$data/xquad.en.json" ]; then
    heading "retrieval"
    "$python" -m bench.retrieval "$data/xquad.en.json"
else
    echo "skipped: retrieval needs BENCH_DATA" >&2
fi
heading "search at scale"
if [ -f "$data/xquad.en.json" ]; then
    "$python" -m bench.search_scale "$data/xquad.en.json"
else
    echo "skipped: search at scale needs BENCH_DATA" >&2
fi
heading "ingest"
if [ -f "$samples/textbook-117-pages-german.pdf" ]; then
    "$python" -m bench.ingest "$samples/textbook-117-pages-german.pdf"
else
    echo "skipped: ingest needs BENCH_SAMPLES" >&2
fi
