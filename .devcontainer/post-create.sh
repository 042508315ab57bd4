#!/usr/bin/env bash
# After the container is made: the project's packages, and the tables in the PostgreSQL beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

# An environment that the host's Python made is of no use here.
.venv/bin/python -c '' 2>/dev/null || rm -rf .venv
make setup
.venv/bin/ganns db migrate
echo 'Ready: make demo, make test, or ganns train experiment=demo'
