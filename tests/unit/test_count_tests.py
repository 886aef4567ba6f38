"""What the last lines of `make test` say."""

from pathlib import Path

import pytest

from tools.count_tests import files_with_failures, main

BAD = '<failure message="m">t</failure>'


def report(path: Path, **cases: str) -> None:
    found = "".join(
        f'<testcase classname="tests.a" name="{name}">{inside}</testcase>' for name, inside in cases.items()
    )
    path.write_text(f"<testsuites><testsuite>{found}</testsuite></testsuites>")


def test_what_passes_alone_is_named_and_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path / "quick.xml", good="", odd=BAD, left='<skipped message="why"/>')
    report(tmp_path / "quick.again.xml", odd="")
    assert main(str(tmp_path)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("unsteady test: tests.a odd")
    assert said[1:] == ["skipped: 1 (each with its reason above)", "2 passed, 0 failed"]


@pytest.mark.parametrize("again", [{"odd": BAD}, {"odd": '<error message="m"/>'}, {"odd": "<skipped/>"}, {}])
def test_what_does_not_pass_alone_has_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], again: dict[str, str]
) -> None:
    report(tmp_path / "quick.xml", good="", odd=BAD)
    report(tmp_path / "quick.again.xml", **again)
    assert main(str(tmp_path)) == 1
    said = capsys.readouterr().out
    assert "failed test: tests.a odd" in said
    assert said.endswith("1 passed, 1 failed\n")


def test_a_failed_section_and_no_test_at_all_are_failures(tmp_path: Path) -> None:
    assert main(str(tmp_path)) == 1
    report(tmp_path / "quick.xml", good="")
    assert main(str(tmp_path)) == 0
    assert main(str(tmp_path), "mypy strict") == 1


def test_the_files_of_failures_are_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path / "web.xml", good="", odd=BAD, worse=BAD)
    assert files_with_failures(str(tmp_path / "web.xml")) == 0
    assert capsys.readouterr().out == "tests.a\n"
