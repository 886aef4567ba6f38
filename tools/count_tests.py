"""Sums the reports of pytest and vitest; the last line of ``make test``.

``python tools/count_tests.py REPORTS [failed section…]`` prints the failed tests and sections, then
``N passed, N failed`` on a line of its own, and exits 1 when anything failed or when nothing ran.
``python tools/count_tests.py --files REPORT`` prints the files in which a report of vitest has failures.

Beside ``NAME.xml`` may lie ``NAME.again.xml``: what failed, tried once more alone. What passes then is counted as
passed, and named as unsteady: it needs mending.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

AGAIN = ".again"


@dataclass
class Report:
    """What became of the tests of one section, by their names."""

    passed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def read(path: Path) -> Report:
    """Read a JUnit report."""
    report = Report()
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 (written a moment ago by our own test run)
        outcomes = {child.tag for child in case}
        failed, skipped = outcomes & {"failure", "error"}, "skipped" in outcomes
        kind = report.failed if failed else report.skipped if skipped else report.passed
        kind.append(f"{case.get('classname', '')} {case.get('name', '')}".strip())
    return report


def main(folder: str, *failed_sections: str) -> int:
    """Print the sums; return the exit code."""
    reports = {path.stem: read(path) for path in sorted(Path(folder).glob("*.xml"))}
    again = {name for stem, report in reports.items() if stem.endswith(AGAIN) for name in report.passed}
    first = [report for stem, report in reports.items() if not stem.endswith(AGAIN)]
    failed = [name for report in first for name in report.failed]
    unsteady = [name for name in failed if name in again]
    passed = sum(len(report.passed) for report in first) + len(unsteady)
    failures = [name for name in failed if name not in again]
    for name in unsteady:
        print(f"unsteady test: {name} (failed above, passed alone: to be mended)")
    for name in failures:
        print(f"failed test: {name}")
    for section in failed_sections:
        print(f"failed section: {section}")
    print(f"skipped: {sum(len(report.skipped) for report in first)} (each with its reason above)")
    print(f"{passed} passed, {len(failures)} failed")
    return int(bool(failures or failed_sections or not passed))


def files_with_failures(report: str) -> int:
    """Print them, one a line; return the exit code."""
    print(*sorted({name.split(" ")[0] for name in read(Path(report)).failed}), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(files_with_failures(sys.argv[2]) if sys.argv[1] == "--files" else main(*sys.argv[1:]))
