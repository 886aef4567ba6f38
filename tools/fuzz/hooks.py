"""What schemathesis is told about this server: real ids, somebody's session, an address of its own for every request.

Loaded by schemathesis in its own environment (`SCHEMATHESIS_HOOKS`). `PLI_FUZZ` names the scene that
`tests/hostile/fuzz.py` has laid out: `{"ids": {name: id}, "tokens": [token]}`. Draws come from the request itself, so
a seed repeats a run.
"""

import hashlib
import json
import os
from pathlib import Path

import schemathesis

SCENE = json.loads(Path(os.environ["PLI_FUZZ"]).read_text())
PATIENT = {"wait"}  # seconds that a request would wait for something to happen: never here


def draw(*what: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:4], "big")


@schemathesis.serializer("application/offset+octet-stream")
def part(context: object, value: object) -> bytes:
    """A piece of a document is bytes."""
    del context
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context: object, case: schemathesis.Case, kwargs: object) -> None:
    """Put half of the paths on what exists, and let anybody ask: members, strangers, nobody."""
    del context, kwargs
    known = SCENE["ids"]
    for name, value in dict(case.path_parameters or {}).items():
        if name in known and draw(name, value) % 2:
            case.path_parameters[name] = known[name]
    for name in PATIENT & set(case.query or {}):
        case.query[name] = 0
    number = draw(case.path_parameters, case.query, case.body)
    token = SCENE["tokens"][number % len(SCENE["tokens"])]
    headers = {name: value for name, value in dict(case.headers or {}).items() if name.lower() != "authorization"}
    headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    case.headers = headers
