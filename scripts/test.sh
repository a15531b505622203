#!/bin/sh
# Every test, on four processes, for many wait more than they work; what drives a real browser stays together on one of
# them, what kills real processes on two others. Ends with pytest's closing line. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
# Silent, for pytest's own summary says what is covered (tests/environment.py).
exec .venv/bin/python -m slipcover --silent -m pytest -n 4 --dist loadscope --no-loadscope-reorder "$@"
