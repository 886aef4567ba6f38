"""Each direct dependency stands in ADR 0011 with its reason and licence, and nothing else does."""

import json
import re
import tomllib


def declared(root) -> set[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    python = [*project["project"]["dependencies"], *groups["dev"], *groups["build"]]
    web = json.loads((root / "web/package.json").read_text())
    return {re.match(r"[\w.-]+", line)[0] for line in python} | set(web["dependencies"]) | set(web["devDependencies"])


def explained(page: str) -> dict[str, str]:
    """Package → licence, from the tables of the page."""
    found = {}
    for row in re.findall(r"^\| (`.*?) \| .+? \| (.+?) \|$", page, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", row[0])
        licences = row[1].split(", ")
        found |= dict(zip(names, licences * len(names) if len(licences) == 1 else licences, strict=False))
    return found


def test_every_direct_dependency_is_explained(root):
    page = explained((root / "docs/adr/0011-dependencies.md").read_text())
    assert sorted(page) == sorted(declared(root))


def test_no_licence_is_copyleft(root):
    page = explained((root / "docs/adr/0011-dependencies.md").read_text())
    free = {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "OFL-1.1", "PSF-2.0"}
    shipped_by_none = {"hypothesis", "axe-core"}  # MPL-2.0, tests only
    for name, licence in page.items():
        if name not in shipped_by_none:
            assert set(re.split(r" AND | OR ", licence)) <= free, name
