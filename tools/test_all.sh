#!/usr/bin/env bash
# Everything that `make test` promises, from a Debian machine with Python 3.11 and make.
# Installs what is missing, runs every section even after a failure, ends with one line that counts the tests.
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONDONTWRITEBYTECODE # hundreds of short programs are started: each would compile all of its modules again
REPORTS=.make/reports
BIN=.venv/bin
LIMIT=${TEST_LIMIT:-35m} # longest time of one section: a test that hangs is a failure, not a night
failed=()
pytest_marks=()

say() { printf '· %s\n' "$*"; }

# section TITLE COMMAND…: title, output, outcome and elapsed seconds; leaves the exit code in $code
section() {
  local title=$1 begun=$SECONDS outcome=ok
  shift
  printf '\n== %s\n' "$title"
  code=0
  timeout --foreground "$LIMIT" "$@" || { code=$? outcome="FAILED (exit $?)"; failed+=("$title"); }
  printf -- '-- %s: %s, %d s\n' "$title" "$outcome" $((SECONDS - begun))
}

# Servers among the packages are not started: the tests start their own, on free ports.
quietly_install() {
  local policy=/usr/sbin/policy-rc.d made= code=0
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes; }
  apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null || code=$?
  [ -z "$made" ] || rm -f $policy
  return $code
}

# need WHAT PACKAGE…: installs Debian packages when that is possible, else says what to do
need() {
  local what=$1
  shift
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "$what is missing: installing $* with apt-get (a few minutes at most)"
    quietly_install "$@" && return
  fi
  say "$what is missing and cannot be installed from here. As root: apt-get install $*"
  return 1
}

machine() {
  "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv" python3-venv || exit 1
  if ! command -v chromium >/dev/null; then
    need Chromium chromium || { failed+=("Chromium for the browser tests"); pytest_marks=(-m "not browser"); }
  fi
  [ -n "$(fc-list 2>/dev/null | head -1)" ] || need "A font" fontconfig fonts-dejavu-core || failed+=("a font for the browser tests")
  # Without them the tests of several nodes say that they are skipped, and why.
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need PostgreSQL postgresql || failed+=("PostgreSQL for the tests of several nodes")
  command -v redis-server >/dev/null || need Redis redis-server || failed+=("Redis for the tests of several nodes")
  command -v ip >/dev/null || need "ip (iproute2)" iproute2 || say "without it, partitions are made by proxies alone"
  [ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/lmtp ] || need Dovecot dovecot-imapd dovecot-lmtpd || failed+=("Dovecot for the tests of the mail bridge")
  [ -x /usr/sbin/postfix ] || need Postfix postfix || failed+=("Postfix for the tests of the mail bridge")
  [ -e /usr/lib/nginx/modules/ngx_mail_module.so ] || need "nginx for mail" nginx libnginx-mod-mail || failed+=("nginx for the tests of the mail bridge")
  command -v swaks >/dev/null || need swaks swaks libnet-ssleay-perl || failed+=("swaks, which sends mail in the tests")
  [ -e /usr/share/davical/htdocs/caldav.php ] || need DAViCal davical php-cli php-pgsql php-xml php-curl || failed+=("DAViCal for the tests of the agenda bridge")
  command -v gs >/dev/null || need Ghostscript ghostscript || failed+=("Ghostscript, which makes PDF/A-1")
  command -v pdftotext >/dev/null || need pdftotext poppler-utils || failed+=("pdftotext, which reads the printed letter")
}

install() {
  make --no-print-directory .make/dev .make/fuzz .make/web .make/peers
  local code=$?
  [ -d .venv/node/bin ] && export PATH="$PWD/.venv/node/bin:$PATH" # Node.js from its wheel, when the machine has none
  return $code
}

FEW=3 # failures of a section that may be bad luck of a busy machine; more are not

# What failed in a section is tried once more, alone. What passes then is told as unsteady, with its failure above; it
# does not hide what fails twice.
is_luck() { # BEFORE REPORT: whether the section has failed, and in few tests only
  local count
  [ "${#failed[@]}" -gt "$1" ] && [ "$code" -eq 1 ] || return 1
  count=$(grep -oE '<(failure|error)[ >]' "$2" | wc -l)
  [ "$count" -ge 1 ] && [ "$count" -le $FEW ]
}

python_tests() { # TITLE REPORT ARGUMENT…
  local title=$1 report=$REPORTS/$2 before=${#failed[@]}
  local options=(-q -p randomly --randomly-seed="$SEED" --hypothesis-seed="$SEED" -o cache_dir="$PWD/$REPORTS/$2-cache")
  shift 2
  section "$title" "$BIN/pytest" "${options[@]}" "${pytest_marks[@]}" --junitxml="$report.xml" "$@"
  is_luck "$before" "$report.xml" || return 0
  section "$title: what failed, alone" "$BIN/pytest" "${options[@]}" --junitxml="$report.again.xml" "$@" -n 0 --lf --lfnf=none
  [ "$code" -ne 0 ] || failed=("${failed[@]:0:$before}")
}

web_tests() {
  local title="web client: unit tests" report=$PWD/$REPORTS/web before=${#failed[@]} files
  local command=(npm --prefix web run --silent test -- --reporter=default --reporter=junit)
  section "$title" "${command[@]}" --outputFile.junit="$report.xml"
  is_luck "$before" "$report.xml" || return 0
  mapfile -t files < <("$BIN/python" tools/count_tests.py --files "$report.xml")
  section "$title: the files of what failed, alone" "${command[@]}" --outputFile.junit="$report.again.xml" "${files[@]}"
  [ "$code" -ne 0 ] || failed=("${failed[@]:0:$before}")
}

# The order of the tests and what is drawn at random: the same in every run unless asked otherwise, so that a failure can be
# repeated and comes of what was changed. `make hostile`, or another SEED, looks further.
SEED=${SEED:-1122}
export HOSTILE_SEED=${HOSTILE_SEED:-$SEED}
rm -rf "$REPORTS" && mkdir -p "$REPORTS"
machine
say "installing what is locked and not there yet"
install || { echo "The installation failed: nothing was tested." >&2; exit 1; }

section "ruff: rules" "$BIN/ruff" check .
section "ruff: format" "$BIN/ruff" format --check .
section "deptry: dependencies used and named" "$BIN/deptry" .
section "import-linter: rooms of the Python code" "$BIN/lint-imports"
section "eslint" npm --prefix web run --silent lint
section "dependency-cruiser: rooms of the web client" npm --prefix web run --silent rooms
section "mypy strict" "$BIN/mypy"
section "svelte-check" npm --prefix web run --silent check
section "web client: build" make --no-print-directory .make/webroot
web_tests
python_tests "pytest: unit, contract, architecture" quick -n 2 tests --ignore=tests/integration --ignore=tests/journeys
python_tests "pytest: integration" integration -n 2 tests/integration # mostly waiting for programs to start
python_tests "pytest: journeys" journeys -n 2 --dist loadfile tests/journeys # a browser, and mostly waiting for it

printf '\n== Summary, %d s\n' "$SECONDS"
"$BIN/python" tools/count_tests.py "$REPORTS" "${failed[@]}"
