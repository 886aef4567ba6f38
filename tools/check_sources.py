"""Checks that every citation of the documentation leads somewhere.

Code says which section of the specification it implements: ``docs/spec/protocol.md 7.1`` (also "section 7.1",
"7.1 and 7.2", "§ 7.1"). A section exists when a heading of that page begins with its number. Links between pages
(``[text](path#anchor)``) and names of code in pages (`` `server/app.py:build_app` ``) are checked in the same run.
``python tools/check_sources.py`` prints what does not resolve and exits 1.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".py", ".ts", ".svelte", ".md", ".toml", ".yml", ".js", ".cjs", ".sh", ".json"}
CITATION = re.compile(
    r"(?P<page>docs/[\w./-]+?\.md)`{0,2}(?:,?\s*(?:sections?\s+|§\s*)?(?P<number>\d+(?:\.\d+)*)(?![\w%]))?"
    r"(?P<more>(?:\s*(?:,|and|to|-)\s*\d+(?:\.\d+)*(?![\w%]))*)"
)
ADR = re.compile(r"\bADR[ -](?P<number>\d{4})\b|docs/adr/(?P<path>\d{4})(?!-)")
NUMBER = re.compile(r"\d+(?:\.\d+)*")
HEADING = re.compile(r"^#+\s+(?P<number>\d+(?:\.\d+)*)?\s*(?P<text>.*)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\((?P<target>[^)\s]+)\)")
NAMED = re.compile(r"`(?P<file>[\w./-]+\.(?:py|ts|svelte)):(?P<name>[\w.]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def headings(page: Path) -> tuple[set[str], set[str]]:
    """Return the section numbers of a page and its anchors, as GitHub and GitLab spell them."""
    found = list(HEADING.finditer(FENCE.sub("", page.read_text("utf-8"))))
    anchors = {
        re.sub(r"[^\w\- ]", "", f"{one['number'] or ''} {one['text']}".strip().lower()).replace(" ", "-")
        for one in found
    }
    return {one["number"] for one in found if one["number"]}, anchors


def tracked(root: Path = ROOT) -> list[Path]:
    """Return the text files that git tracks."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    return [root / name for name in names.split("\0") if Path(name).suffix in SUFFIXES and (root / name).is_file()]


def unresolved_citations(text: str, root: Path = ROOT) -> Iterator[str]:
    """Yield each citation in ``text`` whose page, section or decision does not exist."""
    for match in CITATION.finditer(text):
        page = root / match["page"]
        if not page.is_file():
            yield f"{match['page']} does not exist"
            continue
        numbers = [match["number"], *NUMBER.findall(match["more"])] if match["number"] else []
        for number in numbers:
            if number not in headings(page)[0]:
                yield f"{match['page']} has no section {number}"
    for match in ADR.finditer(text):
        number = match["number"] or match["path"]
        if not list((root / "docs/adr").glob(f"{number}-*.md")):
            yield f"ADR {number} does not exist"


def unresolved_links(page: Path) -> Iterator[str]:
    """Yield each relative link of a Markdown page that leads nowhere."""
    for match in LINK.finditer(FENCE.sub("", page.read_text("utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        goal = (page.parent / target) if target else page
        if not goal.exists():
            yield f"link to {target}, which does not exist"
        elif anchor and goal.suffix == ".md" and anchor not in headings(goal)[1]:
            yield f"link to {target}#{anchor}: no such heading"


def unresolved_names(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield each ``file:name`` of a page whose file does not define that name."""
    for match in NAMED.finditer(page.read_text("utf-8")):
        file = root / match["file"]
        text = file.read_text("utf-8") if file.is_file() else ""
        for part in match["name"].split("."):
            if not re.search(
                rf"(?:def|class|function|const|type|interface|async|readonly) {part}\b|^ *{part}[(:]",
                text,
                re.MULTILINE,
            ):
                yield f"{match['file']} does not define {match['name']}"
                break


def problems(files: list[Path], root: Path = ROOT) -> list[str]:
    """Return one line for each citation or link that does not resolve."""
    found = []
    for file in files:
        text = file.read_text("utf-8", errors="replace")
        wrong = list(unresolved_citations(text, root))
        if file.suffix == ".md":
            wrong += [*unresolved_links(file), *unresolved_names(file, root)]
        found += [f"{file.relative_to(root)}: {what}" for what in wrong]
    return found


def main() -> int:
    """Check everything that is tracked; return the exit code."""
    wrong = problems(tracked())
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
