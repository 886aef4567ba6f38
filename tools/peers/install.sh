#!/usr/bin/env bash
# The peers' own virtual environment, .venv/peers: real agendas and providers that the tests start, never part of Pli. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
[ -x .venv/peers/bin/python ] || "$PYTHON" -m venv .venv/peers
.venv/peers/bin/python -m pip install -q --require-hashes --no-deps -r tools/peers/requirements.lock
# The FHIR and the OpenID Connect peer: Node from the machine, or the one that tools/install.sh put beside the virtual environment.
export PATH="$PWD/.venv/node/bin:$PATH"
for peer in fhir oidc; do
  (cd "tools/peers/$peer" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
done
