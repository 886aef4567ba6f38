"""The HTTP interface as OpenAPI 3.1, from the table of operations and the types that the server reads and writes.

A code that an operation can answer with stands here because the table, its role or the form of its input says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import msgspec

from server.transport.rest.operations import Operation, Role
from server.transport.rest.problems import MEANINGS, PROTOCOL, PROTOCOL_CODES
from server.transport.rest.routes import OPERATIONS, PARAMETERS

REF: Final = "#/components/schemas/{name}"
B64: Final = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
OCTETS: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

_SESSIONS: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"cookie": [], "csrf": []}]
_SECURITY: Final[dict[Role, list[dict[str, list[str]]]]] = {
    Role.ANYONE: [],
    Role.EITHER: [{}, *_SESSIONS],
    Role.SESSION: _SESSIONS,
    Role.PROFESSIONAL: _SESSIONS,
    Role.MEMBER: _SESSIONS,
}
_TUS: Final = {
    "beginUpload": ("Tus-Resumable", "Upload-Length", "Upload-Metadata"),
    "appendUpload": ("Tus-Resumable", "Upload-Offset"),
    "discardUpload": ("Tus-Resumable",),
    "readAttachment": ("Range",),
}
"""Request headers of the operations that do not speak JSON (docs/spec/api.md 6)."""
_TOLD: Final = {
    "showUploads": ("Tus-Version", "Tus-Extension", "Tus-Max-Size"),
    "beginUpload": ("Location",),
    "showUpload": ("Upload-Offset", "Upload-Length"),
    "appendUpload": ("Upload-Offset",),
    "readAttachment": ("ETag", "Content-Range"),
}
"""Response headers of the same."""


def document() -> str:
    """Return the whole description as JSON text."""
    return msgspec.json.format(msgspec.json.encode(openapi()), indent=1).decode() + "\n"


def openapi() -> dict[str, Any]:
    """Return the whole description."""
    types = sorted({kind for operation in OPERATIONS for kind in _types(operation)}, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in sorted(OPERATIONS, key=lambda one: (one.path, one.method)):
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pli",
            "version": version("pli"),
            "description": "Written by `make api`. In words: docs/spec/api.md; the sockets: docs/api/live.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**components, "Problem": _problem()}.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "pli_session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-Pli"},
            },
        },
    }


def _types(operation: Operation) -> Iterator[type[msgspec.Struct]]:
    for kind in (operation.request, operation.query, operation.response):
        if kind is not None:
            yield kind


def _describe(operation: Operation, of: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"For: {operation.role.value}.",
        "security": _SECURITY[operation.role],
        "parameters": [*_in_path(operation), *_in_query(operation), *_in_headers(operation)],
        "responses": {str(operation.status): _answer(operation, of), **_refusals(operation)},
    }
    if operation.name == "readAttachment":
        said["responses"]["206"] = {"description": "The range that was asked for", "content": OCTETS}
    if operation.request is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": of[operation.request]}}}
    elif operation.name == "appendUpload":
        said["requestBody"] = {"required": True, "content": {"application/offset+octet-stream": {}}}
    return said


def _in_path(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", operation.path):
        size = PARAMETERS[name][0]
        schema = B64 | ({"minLength": (length := -(-size * 4 // 3)), "maxLength": length} if size else {})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    schema = msgspec.json.schema(operation.query)
    described = schema["$defs"][operation.query.__name__]
    for name, kind in described["properties"].items():
        yield {"name": name, "in": "query", "required": name in described.get("required", ()), "schema": kind}


def _in_headers(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _TUS.get(operation.name, ()):
        yield {"name": name, "in": "header", "required": name != "Range", "schema": {"type": "string"}}


def _answer(operation: Operation, of: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {"description": "Done"}
    if operation.response is not None:
        said["content"] = {"application/json": {"schema": of[operation.response]}}
    elif operation.name == "readAttachment":
        said["content"] = OCTETS
    if told := _TOLD.get(operation.name):
        said["headers"] = {name: {"schema": {"type": "string"}} for name in told}
    return said


# --- refusals --------------------------------------------------------------------------------------------------------


def _codes(operation: Operation) -> set[str]:
    """Return every code that an operation can answer with."""
    codes = {"internal", "unavailable", *operation.refuses}
    if operation.role is not Role.ANYONE:
        codes |= {"unauthenticated", "csrf"}
    if operation.role is Role.PROFESSIONAL:
        codes.add("not_permitted")
    if operation.role is Role.MEMBER:
        codes.add("not_found")
    if operation.request is not None:
        codes |= {"bad_request", "request_too_large", "unsupported_media_type"}
    if operation.knocks:
        codes.add("too_many_tries")
    if operation.query is not None or operation.name in _TUS:
        codes.add("bad_request")
    if operation.method in {"POST", "PUT", "PATCH", "DELETE"}:
        codes.add("storage_full")
    codes |= {PARAMETERS[name][1].code for name in re.findall(r"{(\w+)}", operation.path)}
    return codes


def _refusals(operation: Operation) -> dict[str, Any]:
    by_status: dict[int, set[str]] = {}
    for code in _codes(operation):
        by_status.setdefault(MEANINGS.get(code, PROTOCOL).status, set()).add(code)
    if operation.checks_protocol:
        by_status.setdefault(PROTOCOL.status, set()).update(PROTOCOL_CODES)
    return {str(status): _refusal(sorted(codes)) for status, codes in sorted(by_status.items())}


def _refusal(codes: list[str]) -> dict[str, Any]:
    schema = {
        "allOf": [{"$ref": REF.format(name="Problem")}, {"type": "object", "properties": {"code": {"enum": codes}}}]
    }
    return {"description": "; ".join(codes), "content": {"application/problem+json": {"schema": schema}}}


def _problem() -> dict[str, Any]:
    return {
        "title": "Problem",
        "description": "A refusal. Some codes have further members, named in docs/spec/api.md.",
        "type": "object",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"enum": sorted({*MEANINGS, *PROTOCOL_CODES})},
            "detail": {"type": "string"},
            "hint": {"type": "string"},
        },
        "required": ["type", "title", "status", "code", "detail", "hint"],
        "additionalProperties": True,
    }
