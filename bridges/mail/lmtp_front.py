"""What nginx asks about a stranger's certificate, before our mail server hears of it. Source: docs/spec/mail.md 18.

Postfix tells others only the common name of a certificate; nginx hands over the whole one.
Its subject goes on as a login name.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridges.mail.lmtp_door import NO_PEER
from bridges.mail.lmtp_trust import PeerError, name_peer

_HEADER_LIMIT: Final = 64 * 1024  # bytes: a certificate with its escapes


@dataclass(frozen=True, slots=True)
class Front:
    """Answers of ``auth_http``; ``host`` and ``port`` are where Postfix listens for nginx."""

    host: str
    port: int

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Let a verified certificate through, under the name of its subject."""
        said = request.headers
        try:
            token = name_peer(said.get("Auth-SSL-Cert", "")) if said.get("Auth-SSL-Verify") == "SUCCESS" else None
        except PeerError:
            token = None
        if token is None:
            code = f"{NO_PEER.code} {NO_PEER.status}"
            return web.Response(headers={"Auth-Status": NO_PEER.text, "Auth-Error-Code": code})
        place = {"Auth-Server": self.host, "Auth-Port": str(self.port)}
        return web.Response(headers={"Auth-Status": "OK", **place, "Auth-User": token})


def runner(front: Front) -> web.ServerRunner:
    """Give the HTTP server that asks ``front``."""
    return web.ServerRunner(web.Server(front.answer, max_field_size=_HEADER_LIMIT, max_line_size=_HEADER_LIMIT))
