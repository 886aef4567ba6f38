"""Writes what is described from the code: settings, the interface, the clients' types. `make api` runs it."""

from __future__ import annotations

from pathlib import Path

from server import settings

ROOT = Path(__file__).parents[1]


def main() -> None:
    write(ROOT / ".env.example", settings.example())
    write(ROOT / "docs" / "operate" / "settings.md", settings.table())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
