#!/bin/sh
# Every test, on three processes, for many wait more than they work; what drives a real browser stays together on one of
# them, what kills real processes on another. Ends with pytest's closing line. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .build
rm -f .build/coverage .build/coverage.*
COVERAGE_FILE="$PWD/.build/coverage" exec .venv/bin/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder \
    --cov --cov-report=term --cov-fail-under=85 "$@"
