"""The rooms of the house: who may import whom, and the proof that the contracts see a violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ["server", "crypto", "bridges"]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def copy(root, tmp_path):
    """The three packages and their contracts, free to be damaged."""
    for package in PACKAGES:
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "webroot"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept(root):
    done = lint(root)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("crypto/planted.py", "import bridges", "crypto: bytes in, bytes out"),
        ("crypto/planted.py", "import sqlalchemy", "crypto: bytes in, bytes out"),
        ("bridges/kit/planted.py", "import server", "bridges: clients of the public API, never of server internals"),
        ("bridges/agenda/planted.py", "import bridges.mail", "bridges: the agenda does not know the mail"),
        ("bridges/mail/planted.py", "import bridges.agenda", "bridges: the mail does not know the agenda"),
        ("server/domain/planted.py", "import server.services", "server: imports point inward"),
        ("server/domain/planted.py", "import aiohttp", "server.domain: no framework, no I/O"),
        ("server/services/planted.py", "import sqlalchemy", "server.services: no web or database library"),
    ],
)
def test_a_planted_violation_is_found(copy, module, line, contract):
    (copy / module).write_text(f"{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())


# Import contracts read the source; a dynamic import passes them. So each room is also entered with its forbidden
# neighbours taken away.
ENTER = """
import importlib, pkgutil, sys
package, *poisoned = sys.argv[1:]
for name in poisoned:
    sys.modules[name] = None
root = importlib.import_module(package)
count = 1
for module in pkgutil.walk_packages(root.__path__, package + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        count += 1
print(count)
"""


def enter(folder: Path, package: str, *poisoned: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENTER, package, *poisoned],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("package", "poisoned"), [("crypto", ["server", "bridges"]), ("bridges", ["server"])])
def test_a_sealed_room_stands_alone(root, package, poisoned):
    done = enter(root, package, *poisoned)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(list((root / package).glob("*.py")))


def test_a_dynamic_import_into_the_server_is_found(copy):
    (copy / "bridges/kit/planted.py").write_text("__import__('importlib').import_module('server')\n")
    done = enter(copy, "bridges", "server")
    assert done.returncode == 1
    assert "import of server halted" in done.stderr
