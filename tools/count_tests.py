"""Sums the reports of pytest and vitest; the last line of ``make test``.

``python tools/count_tests.py REPORTS [failed section…]`` prints the failed tests and sections, then
``N passed, N failed`` on a line of its own, and exits 1 when anything failed or when nothing ran.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def read(report: Path) -> tuple[int, int, list[str]]:
    """Return how many tests passed and were skipped, and the names of those that failed."""
    passed = skipped = 0
    failures: list[str] = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (written a moment ago by our own test run)
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failures.append(f"{case.get('classname', '')} {case.get('name', '')}".strip())
        elif "skipped" in outcomes:
            skipped += 1
        else:
            passed += 1
    return passed, skipped, failures


def main(folder: str, *failed_sections: str) -> int:
    """Print the sums; return the exit code."""
    results = [read(report) for report in sorted(Path(folder).glob("*.xml"))]
    passed = sum(result[0] for result in results)
    failures = [name for result in results for name in result[2]]
    for name in failures:
        print(f"failed test: {name}")
    for section in failed_sections:
        print(f"failed section: {section}")
    print(f"skipped: {sum(result[1] for result in results)} (each with its reason above)")
    print(f"{passed} passed, {len(failures)} failed")
    return int(bool(failures or failed_sections or not passed))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
