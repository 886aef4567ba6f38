"""``GET /v1/server``: who this server is and what it takes."""

from __future__ import annotations

from importlib.metadata import version

from server.domain.envelope import MAX_ENVELOPE
from server.domain.ids import b64
from server.transport.rest.operations import Call, Operation, Role
from server.transport.wire import Wire

UPLOAD_PART = 8 * 1024 * 1024  # bytes


class Limits(Wire):
    envelope: int
    attachment: int
    upload_part: int


class ServerInfo(Wire):
    id: str
    name: str
    version: str
    registry_key: str
    code_salt: str
    now: int
    demo: bool
    message_days: int | None
    limits: Limits


async def show(call: Call) -> ServerInfo:
    """Tell who this server is."""
    identity, settings = call.services.identity, call.services.settings
    return ServerInfo(
        id=b64(identity.id),
        name="Pli",
        version=version("pli"),
        registry_key=b64(identity.registry.public),
        code_salt=b64(identity.code_salt),
        now=call.services.clock.now(),
        demo=settings.demo,
        message_days=settings.message_days,
        limits=Limits(envelope=MAX_ENVELOPE, attachment=settings.attachment_limit, upload_part=UPLOAD_PART),
    )


OPERATIONS = (
    Operation(
        name="showServer",
        method="GET",
        path="/v1/server",
        role=Role.ANYONE,
        summary="Who this server is and what it takes",
        handler=show,
        response=ServerInfo,
    ),
)
