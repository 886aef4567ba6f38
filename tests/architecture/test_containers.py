"""The compose file and the Dockerfile, as far as they can be checked without a container engine."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from server.settings import PREFIX, Settings

yaml = pytest.importorskip("ruamel.yaml", reason="comes with check-jsonschema")
TAG = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?[\w.-]*(@sha256:[0-9a-f]{64})?")
SETTINGS = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}


@pytest.fixture(scope="module")
def services(root):
    return yaml.YAML(typ="safe").load((root / "docker-compose.yml").read_text())["services"]


def test_the_compose_file_follows_its_schema(root):
    check = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_pinned_watched_and_powerless(services):
    for name, service in services.items():
        assert TAG.fullmatch(service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service["user"].startswith(("0", "root")), name


def test_no_service_listens_to_the_world(services):
    for name, service in services.items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_every_variable_is_a_setting(services, dockerfile):
    named = {key for service in services.values() for key in service.get("environment", {})}
    named |= set(re.findall(rf"\b({PREFIX}[A-Z_]+)=", " ".join(text for word, text in dockerfile if word == "ENV")))
    assert {name for name in named if name.startswith(PREFIX)} <= SETTINGS


@pytest.fixture(scope="module")
def dockerfile(root) -> list[tuple[str, str]]:
    """Instruction → its text, continued lines joined."""
    lines = re.sub(r"^#.*\n", "", (root / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in lines.splitlines() if line.strip()]


def texts(dockerfile, word: str) -> list[str]:
    return [text for instruction, text in dockerfile if instruction == word]


def test_base_images_are_pinned(dockerfile):
    stages = set()
    for line in texts(dockerfile, "FROM"):
        image, *name = line.split()
        assert image in stages or TAG.fullmatch(image), line
        stages |= set(name[1:])


def test_what_is_copied_exists_and_is_not_ignored(root, dockerfile):
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in texts(dockerfile, "COPY"):
        first, *rest = shlex.split(line)
        if first.startswith("--from"):
            continue
        for source in [first, *rest][:-1]:
            assert (root / source).exists(), source
            assert source.split("/")[0] in allowed, source


def test_packages_are_installed_by_hash_and_the_server_is_nobody(dockerfile):
    runs = " ".join(texts(dockerfile, "RUN"))
    assert all(
        "--require-hashes" in part or "--no-index" in part for part in re.findall(r"pip (?:install|wheel)[^&]*", runs)
    )
    assert "npm ci --ignore-scripts" in runs
    assert texts(dockerfile, "USER")[-1] == "10001"


def test_the_command_of_the_image_runs_here(dockerfile):
    command = [*json.loads(texts(dockerfile, "ENTRYPOINT")[-1]), *json.loads(texts(dockerfile, "CMD")[-1])]
    assert command[0].startswith("/opt/pli/bin/")
    program = Path(sys.executable).with_name(Path(command[0]).name)
    done = subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--data" in done.stdout


def test_every_bridge_of_the_compose_file_is_a_command_with_a_configuration(services):
    bridges = {name: one for name, one in services.items() if one.get("profiles") == ["bridges"]}
    assert set(bridges) == {"mail-bridge", "agenda-bridge", "folder-bridge"}
    for name, service in bridges.items():
        program = Path(sys.executable).with_name(Path(service["entrypoint"][0]).name)
        command = [str(program), *service["command"]]
        assert command[-1].startswith("/etc/pli/"), name
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2, (name, done.stderr)  # understood: only the file is not here
        assert "file_unreadable" in done.stdout + done.stderr, name


def test_the_image_and_compose_ask_the_same_health_question(dockerfile, services):
    image = json.loads(re.search(r"CMD (\[.*\])", texts(dockerfile, "HEALTHCHECK")[0])[1])
    assert services["pli"]["healthcheck"]["test"][1:] == image
