"""Schemathesis over the whole description, against a practice with everything in it (reliability.md, goal G8).

`python -m tests.hostile.fuzz [--cases N] [--seed N]`; it runs in an environment of its own (`make .make/fuzz`). Every
answer is one that `docs/api/openapi.json` promises, in status, type and form, and none is a failure of the server. The
last line is JSON; the exit code says whether all held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from server import metrics
from server.transport.rest.routes import OPERATIONS
from tests.hostile.scene import ROOT, scene

PROGRAM = ROOT / ".make" / "fuzz-env" / "bin" / "schemathesis"
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
LEFT_OUT = {"endCurrentSession", "endSession"}
"""Ending the sessions of the practice would leave nothing to try."""
PEOPLE = ("claire", "karim", "jean", "paul", "sonia", "lea", "lost phone")
COVERED = 40  # cases of an operation that come of its description alone, about


def answered() -> Counter[str]:
    """Return how many answers of each kind the server in this process has given."""
    counts = Counter[str]()
    for (_, route, status), count in metrics.REQUESTS.values.items():
        counts[f"{status[0]}xx"] += int(count)
        if status[0] == "2":
            counts[f"2xx of {route}"] = 1
    return counts


async def fuzz(cases: int, seed: int) -> tuple[int, str, float]:
    """Run at least about so many cases: exit code, output, seconds."""
    tried = len(OPERATIONS) - len(LEFT_OUT)
    each = max(1, cases // tried - COVERED)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pli-fuzz-") as made:
        async with scene(Path(made)) as practice:
            metrics.REQUESTS.values.clear()  # what it took to lay it out
            told = {"ids": practice.ids(), "tokens": [*(practice.tokens[who] for who in PEOPLE), ""]}
            (Path(made) / "scene.json").write_text(json.dumps(told))
            flags = [f"--exclude-operation-id={name}" for name in sorted(LEFT_OUT)]
            flags += ["--phases=coverage,fuzzing", f"--checks={','.join(CHECKS)}", f"--seed={seed}"]
            flags += [f"--max-examples={each}", "--continue-on-failure", "--no-color", "--suppress-health-check=all"]
            flags += ["--warnings=off", "--generation-database=none", "--request-timeout=30"]
            environment = os.environ | {
                "SCHEMATHESIS_HOOKS": "hooks",
                "PYTHONPATH": str(ROOT / "tools" / "fuzz"),
                "PLI_FUZZ": str(Path(made) / "scene.json"),
            }
            process = await asyncio.create_subprocess_exec(
                str(PROGRAM), "run", str(ROOT / "docs" / "api" / "openapi.json"), f"--url={practice.server.url}", *flags,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment, cwd=made,
            )  # fmt: skip
            said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace"), time.monotonic() - begun


def generated(said: str) -> int:
    """Return how many cases the summary counts."""
    found = re.search(r"([\d,]+) generated", said)
    return int(found[1].replace(",", "")) if found else 0


def main() -> int:
    """Read the flags and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    chosen = parser.parse_args()
    if not PROGRAM.exists():
        print("schemathesis is not installed: make .make/fuzz")
        return 1
    code, said, seconds = asyncio.run(fuzz(chosen.cases, chosen.seed))
    if code:
        print(said[-20_000:])
    given = answered()
    line = {"cases": generated(said), "seed": chosen.seed, "seconds": round(seconds)}
    line |= {kind: given[kind] for kind in ("2xx", "4xx", "5xx")}
    line["routes_that_did_something"] = sum(kind.startswith("2xx of") for kind in given)
    failed = bool(code) or given["5xx"] > 0 or given["2xx"] == 0
    print(json.dumps(line | {"failed": failed}))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
