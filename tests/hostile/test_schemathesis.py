"""The short form of `python -m tests.hostile.fuzz`; `make hostile CASES=50000` is the long one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hostile.fuzz import PROGRAM
from tests.hostile.scene import ROOT

CASES = 3_500


@pytest.mark.skipif(
    not PROGRAM.exists(), reason="schemathesis is not installed beside this environment: make .make/fuzz"
)
def test_schemathesis_finds_no_answer_that_is_not_promised():
    words = [sys.executable, "-m", "tests.hostile.fuzz", "--cases", str(CASES)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cases"] >= CASES // 2
    assert told["routes_that_did_something"] >= 10, "nobody was let in: nothing was tried"
