"""Serves the built web client: a few files, read once at start, under the policy of ``docs/spec/api.md`` 10.

Everything is answered from one table made at start: a path that is not in it cannot reach the disk.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import hdrs, web

ROOT: Final = Path(__file__).parent.parent / "webroot"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self' blob:; frame-src blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html fs-script-url fs-worker"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
}
TRANSPORT_SECURITY: Final = "max-age=31536000"

IMMUTABLE: Final = "public, max-age=31536000, immutable"
ALWAYS_ASK: Final = "no-cache"

# What the client itself calls a screen: answered with index.html. Everything else that is unknown is a 404.
_SCREENS: Final = re.compile(r"/(?:|i|a|u|c/[^?#]*|(?:new|write|settings)(?:/[^?#]*)?)")
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_PRIVATE: Final = (".vite/", ".br", ".gz", ".map")
_TYPES: Final = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".md": "text/plain"}
_TEXTUAL: Final = re.compile(r"text/|application/(?:json|manifest\+json)")


class WebrootError(Exception):
    """The built web client is missing or incomplete. The text is for the operator."""


@dataclass(frozen=True, slots=True)
class Page:
    """One file of the web client, in every encoding it was built in."""

    bodies: dict[str, bytes]
    """By content coding; ``identity`` is always there."""
    etag: str
    headers: dict[str, str] = field(repr=False)

    def answer(self, request: web.Request, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        """Answer with the smallest form the browser takes; 304 when it has it and the status is 200."""
        coding = next((name for name, _ in _ENCODINGS if name in self.bodies and _accepts(request, name)), "identity")
        etag = f'"{self.etag}-{coding}"'
        headers = self.headers | {hdrs.ETAG: etag}
        if status == HTTPStatus.OK and request.headers.get(hdrs.IF_NONE_MATCH) == etag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if coding != "identity":
            headers[hdrs.CONTENT_ENCODING] = coding
        return web.Response(status=status, body=self.bodies[coding], headers=headers)


@dataclass(frozen=True, slots=True)
class Pages:
    """The web client, ready to be served."""

    files: dict[str, Page]
    digest: str
    """SHA-256 of ``ASSETS.sha256``, hex: the fingerprint of the release."""

    async def get(self, request: web.Request) -> web.Response:
        """Answer a file of the client, one of its screens, or 404: to a person (who asks for HTML) with a page."""
        path = request.path
        page = self.files.get(path) or (self.files["/index.html"] if _SCREENS.fullmatch(path) else None)
        if page is not None:
            return page.answer(request)
        if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return self.files["/index.html"].answer(request, HTTPStatus.NOT_FOUND)
        return web.Response(status=HTTPStatus.NOT_FOUND, text="404", headers=HEADERS)


def load(root: Path, *, https: bool) -> Pages:
    """Read the built client from ``root``.

    Raises:
        WebrootError: it is not there, or a file that its manifest names is not.

    """
    _complete(root)
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(_PRIVATE[0]) and not name.endswith(_PRIVATE[1:]):
            files["/" + name] = _page(path, name, https=https)
    sums = root / "ASSETS.sha256"
    return Pages(files=files, digest=hashlib.sha256(sums.read_bytes()).hexdigest() if sums.is_file() else "")


def _complete(root: Path) -> None:
    manifest = root / ".vite" / "manifest.json"
    if not (root / "index.html").is_file() or not manifest.is_file():
        raise WebrootError("the web client is not built: run `make setup`, or start with --no-web for the API alone")
    for entry in msgspec.json.decode(manifest.read_bytes()).values():
        for name in (entry["file"], *entry.get("css", ()), *entry.get("assets", ())):
            if not (root / name).is_file():
                raise WebrootError(f"the web client is incomplete ({name} is missing): build it again with `make run`")


def _page(path: Path, name: str, *, https: bool) -> Page:
    body = path.read_bytes()
    bodies = {"identity": body}
    for coding, suffix in _ENCODINGS:
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            bodies[coding] = packed.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = HEADERS | {
        hdrs.CONTENT_TYPE: f"{kind}; charset=utf-8" if _TEXTUAL.match(kind) else kind,
        hdrs.CACHE_CONTROL: IMMUTABLE if name.startswith("assets/") else ALWAYS_ASK,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if https:
        headers["Strict-Transport-Security"] = TRANSPORT_SECURITY
    return Page(bodies=bodies, etag=hashlib.sha256(body).hexdigest()[:32], headers=headers)


def _accepts(request: web.Request, coding: str) -> bool:
    """Tell whether the browser takes ``coding``: named (or ``*``), and not with a weight of zero."""
    for part in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() in {coding, "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
