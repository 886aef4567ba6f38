"""dependency-cruiser sees a violation of the web client's rooms."""

import os
import shutil
import subprocess

import pytest

PLANTED = {
    "protocol": 'import "../model/outbox";\n',
    "platform": 'import "../protocol/codec";\n',
    "viewmodel": 'import "../view/planted";\n',
    "view": 'import "../model/outbox";\n',
}


@pytest.fixture(scope="module")
def cruised(root, tmp_path_factory) -> str:
    """What the linter says of a copy with one forbidden import in each of four rooms."""
    if not (root / "web/node_modules/.bin/depcruise").exists():
        pytest.skip("web/node_modules is not installed (make setup)")
    web = tmp_path_factory.mktemp("web")
    for name in (".dependency-cruiser.cjs", "package.json", "tsconfig.json"):
        shutil.copy(root / "web" / name, web)
    shutil.copytree(root / "web/src", web / "src")
    (web / "node_modules").symlink_to(root / "web/node_modules")
    for room, line in PLANTED.items():
        (web / "src" / room).mkdir(exist_ok=True)
        (web / "src" / room / "planted.ts").write_text(line)
    path = f"{root}/.venv/node/bin:{os.environ['PATH']}"
    command = [
        "node",
        "--preserve-symlinks",
        "node_modules/.bin/depcruise",
        "src",
        "--config",
        ".dependency-cruiser.cjs",
    ]
    done = subprocess.run(command, cwd=web, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode > 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("room", PLANTED)
def test_a_planted_import_is_found(cruised, room):
    assert f"only-{room}: src/{room}/planted.ts" in cruised
