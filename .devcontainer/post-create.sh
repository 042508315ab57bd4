#!/usr/bin/env bash
# Runs once, after the container is created: installs the packages, and creates the tables in PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."

# An environment of the host's Python does not work in the container.
.venv/bin/python -c '' 2>/dev/null || rm -rf .venv
make setup
.venv/bin/ganns db migrate
echo 'Ready: make demo, make test, or ganns train experiment=demo'
