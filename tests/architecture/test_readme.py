"""What README.md tells people to type works, and what it names exists."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tools.services import free_port

BLOCK = re.compile(r"^<!-- walk-through.*?-->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text()


@pytest.fixture(scope="module")
def targets(root) -> set[str]:
    done = subprocess.run(["make", "--no-print-directory", "help"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0
    return set(re.findall(r"^ +make ([a-z-]+) ", done.stdout, re.MULTILINE))


def test_every_make_target_that_is_named_exists(root, targets):
    pages = [root / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")]
    pages += (root / "docs").rglob("*.md")
    named = {
        (page.name, target)
        for page in pages
        for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    }
    assert named
    assert not {one for one in named if one[1] not in targets}


@pytest.fixture(scope="module")
def walk(root, readme, tmp_path_factory) -> tuple[Path, list[dict]]:
    """The walk-through, typed as it stands on another port; the folder it leaves and the JSON lines it printed."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / ".venv").symlink_to(root / ".venv")
    script = BLOCK.search(readme)[1].replace("8420", str(free_port()))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "PLI_WEB": "no"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = folder.glob("tmp.*")
    return made, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_the_walk_through_carries_a_prescription_and_an_answer(walk):
    folder, answers = walk
    [saved] = [path for path in (folder / "documents").rglob("*") if path.is_file()]
    assert saved.read_text() == (folder / "prescription.txt").read_text()
    read = [answer["messages"] for answer in answers if "messages" in answer]
    assert [message["text"] for message in read[0]] == ["Here is your prescription."]
    assert [message["text"] for message in read[1]][-1] == "Does it go with grapefruit juice?"
    assert read[1][0]["read_by"], "the doctor must see that the patient has read"


def test_the_walk_through_leaves_a_verified_export(walk):
    folder, answers = walk
    assert (folder / "conversation.zip").stat().st_size > 0
    assert any(answer.get("ended") is True for answer in answers)
