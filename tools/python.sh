#!/bin/sh
# Prints the path of a Python this project can live on: its own environment's when that works, otherwise the machine's
# best. 3.12 and 3.11 come first because the rule engine compiles there; anything newer works without it.
cd "$(dirname "$0")/.." || exit 1

fit='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
then echo .venv/bin/python; exit 0; fi

for name in ${SALEWRIGHT_PYTHON:-python3.12 python3.11 python3 python3.13 python3.14 python}; do
    if "$name" -c "$fit" 2>/dev/null; then command -v "$name"; exit 0; fi
done

{
    echo "No usable Python was found. Salewright needs Python 3.11 or newer, with venv and pip. This machine has:"
    any=
    for name in ${SALEWRIGHT_PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        version=$("$name" --version 2>/dev/null) || continue
        any=1
        "$name" -c 'import venv, ensurepip' 2>/dev/null && lacks="too old" || lacks="its venv or ensurepip module is missing"
        echo "  $name: $version ($lacks)"
    done
    [ -n "$any" ] || echo "  no python3 at all"
    echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Elsewhere set SALEWRIGHT_PYTHON=/path/to/python3."
} >&2
exit 1
