"""The commands that docs/operate tells an operator to type are typed here, as they stand."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from server.__main__ import _parser
from server.admin.terminal import CommandError
from server.storage.identity import init_data
from tools.services import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "operate"
TRIED = re.compile(r"^<!-- tried -->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
UNIT = re.compile(r"^```ini\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["install", "backup", "upgrade", "metrics", "incident"])
def test_the_commands_of_a_page_work_as_they_stand(name, tmp_path):
    blocks = TRIED.findall((PAGES / f"{name}.md").read_text())
    assert blocks, "nothing on this page is tried"
    if name != "install":
        init_data(tmp_path / "pli")
    here = {"/srv/": f"{tmp_path}/", "8420": str(free_port()), "9420": str(free_port())}
    script = re.sub("|".join(here), lambda found: here[found[0]], "\n".join(blocks))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"],
        cwd=tmp_path,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("PLI_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PLI_WEB": "no",
            "PLI_PORT": "0",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_starts_a_command_that_exists():
    [unit] = UNIT.findall((PAGES / "install.md").read_text())
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(unit)
    program, *arguments = shlex.split(parser["Service"]["ExecStart"])
    assert program.endswith("/bin/pli")
    assert _parser().parse_args(arguments).data == "/srv/pli"
    assert parser["Service"]["KillSignal"] == "SIGTERM"
    assert int(parser["Service"]["TimeoutStopSec"]) > 10, "longer than a server takes to end"


def test_a_command_that_is_named_anywhere_in_the_pages_exists():
    named = {
        tuple(found.split())
        for page in PAGES.glob("*.md")
        for found in re.findall(r"`pli ((?:admin professional add|[a-z-]+))", page.read_text())
    }
    assert ("backup",) in named
    for command in named:
        with pytest.raises((SystemExit, CommandError)) as ended:
            _parser().parse_args([*command, "--no-such-flag"])
        assert "invalid choice" not in str(ended.value)
