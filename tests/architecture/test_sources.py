"""Every citation of the specification, of a decision or of another page leads somewhere."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def sources(root):
    spec = importlib.util.spec_from_file_location("check_sources", root / "tools/check_sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_cited_exists(sources, tracked):
    assert tracked
    wrong = sources.problems(sources.tracked())
    assert not wrong, "\n".join(wrong)


SPEC = "docs/spec/protocol.md"


@pytest.mark.parametrize(
    "text",
    [
        f"Source: {SPEC} 7.1",
        f"Source: {SPEC} section 7.1, 7.2 and 7.3.",
        f"see ``{SPEC}``",
        f"{SPEC}, section 2",
        f"{SPEC} 100% of it",
    ],
)
def test_a_good_citation_passes(sources, text):
    assert not list(sources.unresolved_citations(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"Source: {SPEC} 7.99", "has no section 7.99"),
        (f"Source: {SPEC} 7.1 and 7.98", "has no section 7.98"),
        (f"Source: {SPEC.replace('protocol', 'protocols')} 1", "does not exist"),
        ("as decided in " + "ADR 9" + "999", "does not exist"),
    ],
)
def test_a_wrong_citation_is_found(sources, text, says):
    assert [line for line in sources.unresolved_citations(text) if says in line]


def test_a_dead_link_is_found(sources, tmp_path):
    (tmp_path / "other.md").write_text("# 1 Here\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#1-here) [b](missing.md) [c](other.md#there) [d](https://example.org/x)\n")
    assert list(sources.unresolved_links(page)) == [
        "link to missing.md, which does not exist",
        "link to other.md#there: no such heading",
    ]


def test_a_name_that_the_code_lost_is_found(sources, tmp_path, root):
    page = tmp_path / "page.md"
    page.write_text("`tools/check_sources.py:problems` `tools/check_sources.py:gone` `tools/gone.py:main`\n")
    assert list(sources.unresolved_names(page, root)) == [
        "tools/check_sources.py does not define gone",
        "tools/gone.py does not define main",
    ]
