"""Writes what is described from the code: settings, the interface, the clients' types. `make api` runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from server import settings, telemetry
from server.admin import describe

ROOT = Path(__file__).parents[1]


def main() -> None:
    write(ROOT / ".env.example", settings.example())
    write(ROOT / "docs" / "operate" / "settings.md", settings.table())
    write(ROOT / "docs" / "operate" / "logs.md", telemetry.table())
    openapi = ROOT / "docs" / "api" / "openapi.json"
    write(openapi, describe.document())
    write_client_types(openapi, ROOT / "web" / "src" / "api" / "schema.gen.ts")


def write_client_types(openapi: Path, target: Path) -> None:
    """Let openapi-typescript write the web client's types; without Node they stay as they are."""
    if shutil.which("npx") is None or not (ROOT / "web" / "node_modules").is_dir():
        print(f"no Node here: {target.relative_to(ROOT)} stays as it is")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["npx", "--no-install", "openapi-typescript", str(openapi), "--immutable", "--output", str(target)]
    subprocess.run(command, cwd=ROOT / "web", check=True, stdout=subprocess.DEVNULL)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
