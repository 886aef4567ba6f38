#!/usr/bin/env bash
# The peers' own virtual environment, .venv/peers: real agendas that the tests start, never part of Pli. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
[ -x .venv/peers/bin/python ] || "$PYTHON" -m venv .venv/peers
.venv/peers/bin/python -m pip install -q --require-hashes --no-deps -r tools/peers/requirements.lock
