"""What all groups share: reproducible randomness, kept encapsulations, cases that check themselves."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vectors.perform import PERFORM

from crypto import hpke
from crypto.codec import b64, unb64
from crypto.errors import ProtocolError

NOW = 1_790_000_000_000  # milliseconds: the time of the whole world of the vectors
DAY = 86_400_000


def drbg(name: str) -> Callable[[int], bytes]:
    """Reproducible bytes: SHAKE256 over the name and a counter."""
    calls = 0

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(f"pli vectors/{name}/{calls}".encode()).digest(size)

    return draw


class Tape:
    """Keeps encapsulations: ``cryptography`` draws their randomness itself, so the same sealing would differ each time.

    A sealing is found again by what goes into it; what is not on the tape is sealed and recorded.
    """

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._kept: dict[str, str] = {} if fresh or not path.exists() else json.loads(path.read_text())
        self._used: dict[str, str] = {}
        self._seal = hpke.seal

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> bytes:
        """Stand in for ``hpke.seal``."""
        parts = (hashlib.sha256(part).digest() for part in (public, info, plaintext))
        key = b64(hashlib.sha256(b"".join(parts)).digest()[:16])
        sealed = self._kept.get(key) or self._used.get(key) or b64(self._seal(public, info, plaintext))
        self._used[key] = sealed
        return unb64(sealed)

    def save(self, path: Path) -> None:
        """Write what was used; the rest is forgotten."""
        path.write_text(json.dumps(self._used, indent=0, sort_keys=True) + "\n")


@dataclass
class Group:
    """One file of vectors."""

    name: str
    description: str
    shared: dict[str, Any] = field(default_factory=dict)
    cases: list[dict[str, Any]] = field(default_factory=list)

    def ok(self, name: str, op: str, /, **given: Any) -> dict[str, Any]:
        """Add a case that is accepted; its ``out`` is what the library says."""
        plain = plain_of({"op": op, **given})
        out = plain_of(PERFORM[self.name][op](plain, plain_of(self.shared)))
        self.cases.append({"name": name, "expect": "ok", "in": plain, "out": out})
        return out  # type: ignore[no-any-return]

    def refused(self, name: str, code: str, op: str, /, **given: Any) -> None:
        """Add a case that must be refused with ``code``; stops if the library says otherwise."""
        plain = plain_of({"op": op, **given})
        try:
            PERFORM[self.name][op](plain, plain_of(self.shared))
        except ProtocolError as refused:
            if refused.code != code:
                raise SystemExit(f"{self.name}: {name}: {refused} instead of {code}") from refused
        else:
            raise SystemExit(f"{self.name}: {name}: accepted instead of {code}")
        self.cases.append({"name": name, "expect": code, "in": plain, "out": {}})

    def write(self, folder: Path) -> str:
        """Write the file; returns a line to print."""
        names = [case["name"] for case in self.cases]
        assert len(set(names)) == len(names), f"{self.name}: a name twice"
        shared = {"shared": plain_of(self.shared)} if self.shared else {}
        whole = {"group": self.name, "description": self.description, **shared, "cases": self.cases}
        (folder / f"{self.name}.json").write_text(json.dumps(whole, ensure_ascii=True, indent=1) + "\n")
        refused = sum(case["expect"] != "ok" for case in self.cases)
        return f"{self.name}: {len(self.cases)} cases, {refused} of them refusals"


def plain_of(value: Any) -> Any:
    """Bytes as b64, everything else as JSON has it."""
    if isinstance(value, bytes):
        return b64(value)
    if isinstance(value, Mapping):
        return {plain_of(key): plain_of(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_of(each) for each in value]
    return value


def flip(data: bytes, at: int, bit: int = 0) -> bytes:
    """Change one bit; ``at`` counts from the end when negative."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)
